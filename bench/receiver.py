"""A receiver of webhooks that does as little as it can: `receiver.py` prints {"url": ...} and runs until SIGTERM.

/ok/N answers 204 and notes each event; /fail answers 500; /hang never answers; GET /told tells what each path was sent.
"""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import time
from datetime import datetime
from typing import Any

import uvloop
from load import percentiles

NO_CONTENT = b"HTTP/1.1 204 No Content\r\n\r\n"
FAILURE = b"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n"


class Told:
    """What one path was sent: how often, which events, and how long after each was verified."""

    def __init__(self) -> None:
        self.requests, self.ids, self.delays = 0, set[bytes](), list[float]()

    def note(self, body: bytes, now: float) -> None:
        self.requests += 1
        identity = body[7 : body.index(b'"', 7)]
        if identity not in self.ids:
            self.ids.add(identity)
            at = body.index(b'"timestamp":"') + 13
            self.delays.append(now - datetime.fromisoformat(body[at : at + 27].decode()).timestamp())

    def document(self) -> dict[str, Any]:
        return {"requests": self.requests, "events": len(self.ids), "delayMs": percentiles(sorted(self.delays))}


class Receiver(asyncio.Protocol):
    """One connection; requests come one at a time."""

    told: dict[bytes, Told] = {}

    def connection_made(self, transport: Any) -> None:
        self.transport, self.buffer = transport, b""

    def data_received(self, data: bytes) -> None:
        data = self.buffer + data if self.buffer else data
        end = data.find(b"\r\n\r\n")
        if end >= 0:
            at = data.find(b"content-length: ", 0, end)
            length = int(data[at + 16 : data.find(b"\r\n", at)]) if at >= 0 else 0
            if len(data) >= end + 4 + length:
                self.buffer = b""
                self.answer(data[: data.index(b" HTTP")].partition(b" ")[2], data[end + 4 :])
                return
        self.buffer = data

    def answer(self, path: bytes, body: bytes) -> None:
        if path == b"/told":
            document = json.dumps({name.decode(): told.document() for name, told in self.told.items()}).encode()
            self.transport.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(document), document))
            return
        if path == b"/hang":
            return
        if path == b"/fail":
            self.transport.write(FAILURE)
            return
        self.told.setdefault(path, Told()).note(body, time.time())
        self.transport.write(NO_CONTENT)


async def serve(listener: socket.socket) -> None:
    loop, stopped = asyncio.get_running_loop(), asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stopped.set)
    server = await loop.create_server(Receiver, sock=listener)
    await stopped.wait()
    server.close()


def main() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
        print(json.dumps({"url": f"http://127.0.0.1:{listener.getsockname()[1]}"}), flush=True)
        uvloop.run(serve(listener))


if __name__ == "__main__":
    main()
