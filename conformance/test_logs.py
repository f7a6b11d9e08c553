"""Log lines: one per request, each with its id, none with a secret."""

from __future__ import annotations

import json
import secrets
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from testkit.cluster import APPLICATION, shared_cluster
from testkit.command import run_command
from testkit.server import BALANCE, Server

Start = Callable[..., Server]


@pytest.fixture
def telling(start_server: Start, monkeypatch: pytest.MonkeyPatch) -> Server:
    """A server that logs all there is."""
    monkeypatch.setenv("PACSPACE_LOG_LEVEL", "debug")
    return start_server()


def lines(server: Server, event: str | None = None) -> list[dict[str, Any]]:
    """The log, parsed; every line of it must be a document."""
    found = [json.loads(line) for line in server.log_text().splitlines()]
    return [line for line in found if event in (None, line["event"])]


def test_each_request_has_a_line(telling: Server) -> None:
    """A line says id, method, route, status, environment, duration and size; the route is the template, never the path."""
    client = telling.client
    client.emit("cust_a", -1, referenceId="r").data
    client.emit("cust_a", -2, referenceId="r")
    reply = client.call("GET", f"{BALANCE}/derive/cust_a", headers={"X-Request-Id": "mine-1"})
    client.get("/nothing")
    client.call("DELETE", "/healthz")
    assert telling.stop() == 0  # a line is written after its reply
    shown = [line for line in lines(telling, "request") if line["route"] != "/openapi.json"]
    assert [(line["method"], line["route"], line["status"], line["level"]) for line in shown] == [
        ("POST", f"{BALANCE}/delta", 201, "debug"),
        ("POST", f"{BALANCE}/delta", 409, "info"),
        ("GET", f"{BALANCE}/derive/{{customerId}}", 200, "debug"),
        ("GET", "none", 404, "info"),
        ("DELETE", "/healthz", 405, "info"),
    ]
    assert [line.get("environment") for line in shown] == ["sandbox"] * 3 + [None] * 2
    assert shown[1]["code"] == "REFERENCE_ID_CONFLICT"
    assert shown[2]["request_id"] == "mine-1" == reply.headers["x-request-id"]
    assert shown[2]["bytes"] == len(reply.body) and shown[2]["duration_ms"] > 0
    assert len({line["request_id"] for line in shown}) == len(shown)


def test_only_refusals_have_a_line_by_default(start_server: Start) -> None:
    """At the level info a success has no line and a refusal has."""
    server = start_server()
    server.client.emit("cust_a", -1).data
    server.client.get("/nothing")
    assert server.stop() == 0  # a line is written after its reply
    assert [line["status"] for line in lines(server, "request")] == [404]


def test_what_is_no_http_is_answered_in_our_shape(telling: Server) -> None:
    """Bytes that are no HTTP get a 400 in the one error shape, with an id that the log has."""
    parts = urlsplit(telling.url)
    with socket.create_connection((parts.hostname, parts.port or 0), timeout=30) as connection:
        connection.sendall(b"\x16\x03\x01 no HTTP\r\n\r\n")
        answer = b""
        while part := connection.recv(65536):
            answer += part
    head, _, body = answer.partition(b"\r\n\r\n")
    headers = dict(line.split(": ", 1) for line in head.decode().lower().splitlines()[1:])
    assert head.startswith(b"HTTP/1.1 400") and headers["connection"] == "close"
    assert json.loads(body)["error"]["type"] == "VALIDATION_ERROR" and len(body) == int(headers["content-length"])
    (line,) = lines(telling, "not HTTP")
    assert line["request_id"] == headers["x-request-id"]


class Marked:
    """Values that must not come into any log, and the requests that carry them."""

    def __init__(self, key: str) -> None:
        self.key = key
        self.marks: list[str] = [key.partition(".")[2]]

    def mark(self) -> str:
        self.marks.append(f"s3cret{secrets.token_hex(8)}")
        return self.marks[-1]

    def headers(self) -> Iterator[dict[str, str]]:
        """A good key, a bad one, a token, and secrets where they don't belong."""
        yield {"X-Api-Key": self.key, "Authorization": f"Bearer {self.key}"}
        yield {"X-Api-Key": f"pk_test_0123456789abcdef.{self.mark()}", "Authorization": f"Bearer {self.mark()}"}
        yield {
            "Authorization": f"Bearer {self.mark()}",
            "Cookie": f"session={self.mark()}",
            "X-Request-Id": f"x {self.mark()}",
        }

    def body(self) -> dict[str, Any]:
        """A body that an emit takes and others refuse."""
        return {
            "customerId": "cust_a", "delta": -1, "reason": self.mark(), "referenceId": self.mark(),
            "metadata": {self.mark(): self.mark()}, "password": self.mark(),
        }  # fmt: skip


def test_no_secret_comes_into_the_log(telling: Server) -> None:
    """Every route, asked with secrets in headers, path, query and body, well-formed and not, writes none of them anywhere."""
    marked = Marked(telling.key or "")
    document = telling.public.get("/openapi.json").json
    good = {name: value for name, value in marked.body().items() if name != "password"}
    assert telling.client.post(f"{BALANCE}/delta", good).status == 201
    assert telling.client.post(f"{BALANCE}/delta/batch", {"deltas": [good, marked.body()]}).status == 201
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            for headers in marked.headers():
                filled = path
                for parameter in operation["parameters"]:
                    if parameter.get("in") == "path":
                        filled = filled.replace(f"{{{parameter['name']}}}", quote(marked.mark()))
                ask = telling.public.call
                ask(method.upper(), f"{filled}?token={marked.mark()}&password={marked.mark()}", headers=headers)
                ask(method.upper(), filled, marked.body(), headers)
                ask(method.upper(), filled, f'{{"a": "{marked.mark()}'.encode(), headers)
    for page in ("", "docs", "verify", "verify/{}", "receipt/{}", "static/{}", "{}"):
        telling.public.call("GET", f"/{page.format(marked.mark())}?key={marked.mark()}", headers=next(marked.headers()))
    assert telling.stop() == 0
    text = telling.log_text()
    assert len(lines(telling, "request")) > 300
    assert [mark for mark in marked.marks if mark in text] == []


def test_no_password_of_a_database_comes_into_the_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that refuses, is gone, or has an unreadable URL is told of without its password; so are lines at debug."""
    monkeypatch.setenv("PACSPACE_LOG_LEVEL", "debug")
    cluster = shared_cluster()
    good = cluster.url("nothing_here").replace(f"{APPLICATION}@", f"{APPLICATION}:s3cret@")
    for url, code in (
        (good, 3),
        ("postgresql://me:s3cret@127.0.0.1:1/x", 3),
        ("postgresql://me:s3#cret@127.0.0.1/x", 3),
        ("postgresql://me:p/s3cret@h:p/x", 2),  # not asked of libpq at all: it is refused as it is written
    ):
        done = run_command("serve", "--port", "0", folder=tmp_path, environment={"PACSPACE_DATABASE": url})
        assert done.returncode == code and "database" in done.stderr, done.stderr
        assert "s3" not in (told := done.stdout + done.stderr) and "cret" not in told, told
