"""SIGTERM and SIGINT: whoever was accepted is answered, whoever comes later is refused, and nothing acknowledged is lost."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from testkit.extent import times
from testkit.server import BALANCE, WORKERS, Server
from testkit.waiting import wait_until

CONNECTIONS = times(32, 64)
ENGINES = pytest.mark.parametrize("engine", ["sqlite", "postgres with two workers"])
Start = Callable[[str], Server]


@pytest.fixture
def start(request: pytest.FixtureRequest) -> Start:
    def starting(engine: str) -> Server:
        if engine == "sqlite":
            return request.getfixturevalue("start_server")()
        return request.getfixturevalue("on_postgres")("--workers", "2")

    return starting


def signer_of(server: Server) -> list[str]:
    """The option that names the signing keys, where they are not beside the database."""
    shared = server.folder.parent / "signer"
    return ["--signer-dir", str(shared)] if shared.is_dir() else []


def again(server: Server) -> None:
    server.start(*signer_of(server))


@dataclass
class Outcomes:
    """What became of each request, by reference."""

    acknowledged: set[str] = field(default_factory=set)
    refused: set[str] = field(default_factory=set)  # no connection: it was never sent
    unanswered: set[str] = field(default_factory=set)
    other: list[Any] = field(default_factory=list)
    last: list[str] = field(default_factory=list)  # `Connection: close`

    def send(self, server: Server, number: int) -> None:
        """One client on one connection, a new one when the server says that it closes this one, until it is refused."""
        connection, count = self._connection(server), 0
        while True:
            count += 1
            reference = f"{number}-{count}"
            body = json.dumps(
                {"customerId": f"cust_{number % 8}", "delta": -1, "reason": "u", "referenceId": reference}
            )
            try:
                connection.connect() if connection.sock is None else None
            except OSError:
                self.refused.add(reference)
                return
            try:
                connection.request("POST", f"{BALANCE}/delta", body, self._headers(server))
                reply = connection.getresponse()
                answer = reply.read()
            except (OSError, http.client.HTTPException):
                connection.close()
                self.unanswered.add(reference)
                continue
            if reply.status != 201:
                self.other.append((reply.status, answer))
            self.acknowledged.add(reference)
            if reply.getheader("Connection") == "close":
                self.last.append(reference)

    def _connection(self, server: Server) -> http.client.HTTPConnection:
        parts = urlsplit(server.url)
        return http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)

    def _headers(self, server: Server) -> dict[str, str]:
        return {"X-Api-Key": server.key or "", "Content-Type": "application/json"}


def recorded(server: Server) -> list[str]:
    """Every reference that is there, as often as it is."""
    found = []
    for number in range(8):
        if server.client.derive(f"cust_{number}").status == 200:
            found += [delta["referenceId"] for delta in server.client.all_deltas(f"cust_{number}", page=1000)]
    return found


@ENGINES
def test_nobody_is_left_without_a_reply(engine: str, start: Start) -> None:
    """With many connections emitting, SIGTERM loses no request that was accepted: what is recorded is what was answered 201."""
    server, outcomes = start(engine), Outcomes()
    threads = [threading.Thread(target=outcomes.send, args=(server, number)) for number in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(outcomes.acknowledged) > 5 * CONNECTIONS)
    assert server.stop() == 0, server.log_text()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    print(
        f"{len(outcomes.acknowledged)} acknowledged, {len(outcomes.refused)} refused, {len(outcomes.unanswered)} never accepted, "
        f"{len(outcomes.last)} told that their connection closes"
    )
    assert outcomes.other == []
    assert outcomes.last and len(outcomes.refused) == CONNECTIONS
    again(server)
    there = recorded(server)
    assert len(there) == len(set(there)) and set(there) == outcomes.acknowledged
    assert server.mistakes() == []


class HalfSent:
    """A request whose body is not all there yet: accepted, and not to be answered before the rest comes."""

    def __init__(self, server: Server, reference: str) -> None:
        parts = urlsplit(server.url)
        body = json.dumps({"customerId": "cust_0", "delta": -1, "reason": "u", "referenceId": reference}).encode()
        head = (
            f"POST {BALANCE}/delta HTTP/1.1\r\nhost: x\r\nx-api-key: {server.key}\r\ncontent-type: application/json\r\n"
        )
        self._rest = body[10:]
        self._socket = socket.create_connection((parts.hostname, parts.port or 0), timeout=60)
        self._socket.sendall(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body[:10])
        wait_until(self._is_read)

    def _is_read(self) -> bool:
        """Whether the server has taken all that was sent, as Linux tells."""
        ends = self._socket.getpeername()[1], self._socket.getsockname()[1]
        for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
            _, local, remote, _, waiting, _, _, _, _, inode, *_ = line.split()
            if (int(local.partition(":")[2], 16), int(remote.partition(":")[2], 16)) == ends:
                return waiting.endswith(":00000000") and inode != "0"
        return False

    def finish(self) -> bytes:
        """Sends the rest; all that comes back until the server closes."""
        self._socket.sendall(self._rest)
        return self.read()

    def read(self) -> bytes:
        answer = b""
        while part := self._socket.recv(65536):
            answer += part
        self._socket.close()
        return answer

    def read_to_the_end(self) -> bytes:
        """The same of a server that may have ended without a word."""
        try:
            return self.read()
        except ConnectionResetError:
            return b""


def stop_listening(server: Server) -> None:
    """Returns when a new connection is refused."""
    parts = urlsplit(server.url)
    deadline = time.monotonic() + 20
    while True:
        try:
            socket.create_connection((parts.hostname, parts.port or 0), timeout=20).close()
        except OSError:
            return
        assert time.monotonic() < deadline, "it still takes connections"
        time.sleep(0.05)


def tell(server: Server, number: signal.Signals) -> None:
    assert server.process is not None
    server.process.send_signal(number)


@ENGINES
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_what_was_accepted_is_waited_for(engine: str, number: signal.Signals, start: Start) -> None:
    """A request whose body comes late is answered 201 on a connection that then closes, while newcomers are refused."""
    server = start(engine)
    half = HalfSent(server, "late")
    tell(server, number)
    stop_listening(server)
    head, _, body = half.finish().partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 201") and b"connection: close" in head.lower(), head
    assert json.loads(body)["data"]["referenceId"] == "late"
    assert server._ended() == 0, server.log_text()
    again(server)
    assert recorded(server) == ["late"]


@ENGINES
def test_the_whole_group_may_be_told_at_once(engine: str, start: Start) -> None:
    """Ctrl-C in a terminal, or a supervisor that signals every process, counts as one signal: what was accepted is answered."""
    server = start(engine)
    half = HalfSent(server, "late")
    assert server.process is not None
    os.killpg(server.process.pid, signal.SIGINT)
    stop_listening(server)
    assert half.finish().startswith(b"HTTP/1.1 201")
    assert server._ended() == 0, server.log_text()


@ENGINES
@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_it_at_once(engine: str, second: signal.Signals, start: Start) -> None:
    """Told twice, the server does not wait for whoever is still sending; it ends with status 3, and what it acknowledged is there."""
    server = start(engine)
    server.client.emit("cust_0", -1, referenceId="before").data
    half = HalfSent(server, "never")
    tell(server, signal.SIGTERM)
    stop_listening(server)
    tell(server, second)
    assert server._ended() == 3
    assert half.read_to_the_end() == b""
    again(server)
    assert recorded(server) == ["before"]
    assert server.run("fsck", *signer_of(server)).returncode == 0


@pytest.mark.skipif(WORKERS > 1, reason="each of several workers is told by itself, and either may be asked")
def test_readiness_says_no_before_connections_are_refused(start: Start) -> None:
    """From SIGTERM on /readyz answers 503 and names the reason, on a connection that then closes; /healthz still says that it runs."""
    server = start("sqlite")
    parts = urlsplit(server.url)
    # Taken up, so that they are open when the others close; each asks once after the signal.
    asking = [http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60) for _ in range(2)]
    for connection in asking:
        connection.request("GET", "/readyz")
        assert connection.getresponse().read()
    half = HalfSent(server, "late")  # so that it can't end meanwhile
    tell(server, signal.SIGTERM)
    while "stopping" not in server.log_text():
        time.sleep(0.01)
    seen = []
    for connection, path in zip(asking, ["/readyz", "/healthz"], strict=True):
        connection.request("GET", path)
        reply = connection.getresponse()
        seen.append((reply.status, reply.getheader("Connection"), json.loads(reply.read())))
        connection.close()
    (status, kept, body), (alive, _, _) = seen
    assert (status, kept, alive) == (503, "close", 200)
    assert body["error"]["checks"]["shutdown"] == "the server is shutting down"
    half.finish()
    assert server._ended() == 0
