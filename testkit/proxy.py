"""A bad network: a proxy on real sockets that loses, delays, doubles and refuses requests by chance, and counts what it did."""

from __future__ import annotations

import http.client
import json
import random
import socket
import threading
from collections import Counter
from urllib.parse import urlsplit

# What it may do with a request, and how often in a thousand; the rest is passed on as it is.
FAULTS = {
    "drop before": 40,  # never arrives
    "drop after": 40,  # arrives, the reply is lost
    "cut": 30,  # the reply breaks off in the middle
    "stall": 4,  # the reply comes after the client's time-out
    "delay": 30,
    "double": 40,  # arrives twice
    "429": 40,
    "503": 40,
    "503 after": 30,  # arrives, and the client is told that it did not
    "202": 30,  # still being worked on, says the proxy; it has not arrived yet
    "202 after": 30,  # the same, and it has arrived
}
# What the client is told to wait, so that its waits can be told apart: seconds in the body, or in the header.
WAITS_S = {"429": 7, "503": 11, "503 after": 12, "202": 3, "202 after": 5}
DELAY_S = 0.02


class Proxy:
    """Listens on a port of its own and forwards to `target`; `stall_s` must be longer than the client's time-out."""

    def __init__(self, target: str, rng: random.Random, stall_s: float) -> None:
        parts = urlsplit(target)
        self._target = parts.hostname or "", parts.port or 80
        self._rng, self._stall_s = rng, stall_s
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self._connections: set[socket.socket] = set()
        self.done: Counter[str] = Counter()
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._listen, daemon=True).start()

    def close(self) -> None:
        self._over.set()
        self._listener.close()
        with self._lock:
            for connection in self._connections:
                connection.close()

    def _listen(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._connections.add(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        upstream = http.client.HTTPConnection(*self._target, timeout=60)
        try:
            with connection, connection.makefile("rb") as reader:
                while request := _read(reader):
                    if not self._answer(connection, upstream, *request):
                        return
        except OSError:
            return
        finally:
            upstream.close()
            with self._lock:
                self._connections.discard(connection)

    def _choose(self) -> str:
        with self._lock:
            pick, fault = self._rng.randrange(1000), "pass"
            for name, share in FAULTS.items():
                pick -= share
                if pick < 0:
                    fault = name
                    break
            self.done[fault] += 1
            return fault

    def _answer(
        self,
        connection: socket.socket,
        upstream: http.client.HTTPConnection,
        line: str,
        headers: dict[str, str],
        body: bytes,
    ) -> bool:
        """Answers one request; False when the connection was dropped."""
        fault = self._choose()
        if fault == "drop before":
            return False
        if fault in ("429", "503", "202"):
            connection.sendall(_refusal(fault))
            return True
        reply = self._forward(upstream, line, headers, body)
        if fault == "double":
            reply = self._forward(upstream, line, headers, body)
        if fault in ("503 after", "202 after"):
            reply = _refusal(fault)
        if fault in ("stall", "delay"):
            self._over.wait(self._stall_s if fault == "stall" else DELAY_S)
        if fault == "drop after":
            return False
        if fault == "cut":
            connection.sendall(reply[: len(reply) // 2])
            return False
        connection.sendall(reply)
        return fault != "stall"

    def _forward(self, upstream: http.client.HTTPConnection, line: str, headers: dict[str, str], body: bytes) -> bytes:
        method, path, _ = line.split(" ", 2)
        upstream.request(method, path, body, headers)
        reply = upstream.getresponse()
        data = reply.read()
        head = [f"HTTP/1.1 {reply.status} {reply.reason}"]
        head += [f"{name}: {value}" for name, value in reply.getheaders()]
        return "\r\n".join([*head, "", ""]).encode("latin-1") + data


def _read(reader: object) -> tuple[str, dict[str, str], bytes] | None:
    lines = []
    while True:
        line = reader.readline()  # type: ignore[attr-defined]
        if not line:
            return None
        if line == b"\r\n":
            break
        lines.append(line.decode("latin-1").rstrip("\r\n"))
    headers = dict(line.split(": ", 1) for line in lines[1:])
    size = next((int(value) for name, value in headers.items() if name.lower() == "content-length"), 0)
    return lines[0], headers, reader.read(size)  # type: ignore[attr-defined]


def _refusal(fault: str) -> bytes:
    status, wait_s = int(fault.split()[0]), WAITS_S[fault]
    if status == 202:
        body = {"code": "IDEMPOTENCY_PENDING", "retryAfterSeconds": wait_s, "message": "still working"}
    else:
        body = {"success": False, "statusCode": status, "error": {"code": "BUSY", "message": "busy"}, "message": "busy"}
    if status == 429:
        body["error"]["retryAfterSeconds"] = wait_s  # type: ignore[index]
    header = f"Retry-After: {wait_s}\r\n" if status == 503 else ""
    data = json.dumps(body).encode()
    return f"HTTP/1.1 {status} X\r\n{header}content-length: {len(data)}\r\n\r\n".encode() + data
