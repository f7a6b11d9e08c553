"""A network that fails: passes requests on to a real server, except for what a test asks it to spoil."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit


class Flaky(ThreadingHTTPServer):
    """`faults` are used up by the next requests, in order: `lost` (never arrives), `unanswered` (arrives, the answer is
    lost), or an HTTP status to answer with. `seen` holds the method, path, key and connection of each request. A request with
    `held` in its path is never answered."""

    daemon_threads = True

    def __init__(self, target: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.target = target
        self.faults: list[str | int] = []
        self.seen: list[dict[str, Any]] = []
        self.held: str | None = None
        self.over = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Flaky

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.seen.append(
            {"method": self.command, "path": self.path, "key": self.headers.get("Idempotency-Key"), "from": self.client_address}
        )  # fmt: skip
        if self.server.held is not None and self.server.held in self.path:
            self.server.over.wait()
            self.close_connection = True
            return None
        fault = self.server.faults.pop(0) if self.server.faults else None
        if isinstance(fault, int):
            return self._refuse(fault)
        if fault != "lost":
            status, headers, answer = self._pass_on(body)
        if fault in ("lost", "unanswered"):
            self.close_connection = True
            return None
        self.send_response(status)
        for name in ("Content-Type", "Retry-After"):
            if name in headers:
                self.send_header(name, headers[name])
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_POST = do_GET

    def _pass_on(self, body: bytes) -> tuple[int, Any, bytes]:
        parts = urlsplit(self.server.target)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
        headers = {name: value for name, value in self.headers.items() if name.lower() != "host"}
        connection.request(self.command, self.path, body, headers)
        reply = connection.getresponse()
        answer = reply.status, reply.headers, reply.read()
        connection.close()
        return answer

    def _refuse(self, status: int) -> None:
        code = {202: "IDEMPOTENCY_PENDING", 429: "RATE_LIMITED", 503: "SERVICE_UNAVAILABLE"}[status]
        error = {"code": code, "message": "ask again", "retryAfterSeconds": 1}
        answer = json.dumps({"success": False, "statusCode": status, "error": error, "message": "ask again"}).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Retry-After", "1")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: Any) -> None:
        """Quiet."""


@contextmanager
def flaky(target: str) -> Iterator[Flaky]:
    with Flaky(target) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.over.set()
        server.shutdown()
        thread.join()
