"""What the server is compared with: `baseline.py REPLY [--raw]` answers every request with the bytes of a file.

Without --raw a bare ASGI application under uvicorn (uvloop, httptools), set up as the server sets it up: it reads the
body and does nothing else. With --raw not even HTTP is parsed: what the load generator itself is measured against.
Prints {"url": ...} and runs until SIGTERM.
"""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import sys
from pathlib import Path
from typing import Any

import uvicorn
import uvloop

HEADERS = [
    (b"content-type", b"application/json"),
    (b"x-request-id", b"req_0123456789abcdef"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
]


def application(reply: bytes) -> Any:
    headers = [*HEADERS, (b"content-length", b"%d" % len(reply))]

    async def app(scope: Any, receive: Any, send: Any) -> None:
        parts = []
        while True:
            message = await receive()
            parts.append(message.get("body", b""))
            if not message.get("more_body"):
                break
        b"".join(parts)
        await send({"type": "http.response.start", "status": 201, "headers": headers})
        await send({"type": "http.response.body", "body": reply})

    return app


class Raw(asyncio.Protocol):
    """Counts body bytes and answers; only good for this generator's requests."""

    reply = b""

    def connection_made(self, transport: Any) -> None:
        self.transport, self.buffer = transport, b""

    def data_received(self, data: bytes) -> None:
        data = self.buffer + data
        end = data.find(b"\r\n\r\n")
        at = data.find(b"content-length: ")
        if end >= 0 and len(data) >= end + 4 + int(data[at + 16 : data.find(b"\r\n", at)]):
            self.buffer = b""
            self.transport.write(self.reply)
        else:
            self.buffer = data


async def serve_raw(listener: socket.socket, reply: bytes) -> None:
    head = b"".join(b"%b: %b\r\n" % header for header in HEADERS)
    Raw.reply = b"HTTP/1.1 201 Created\r\n%bcontent-length: %d\r\n\r\n%b" % (head, len(reply), reply)
    loop, stopped = asyncio.get_running_loop(), asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stopped.set)
    server = await loop.create_server(Raw, sock=listener)
    await stopped.wait()
    server.close()


def main() -> None:
    reply = Path(sys.argv[1]).read_bytes()
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
        print(json.dumps({"url": f"http://127.0.0.1:{listener.getsockname()[1]}"}), flush=True)
        if "--raw" in sys.argv:
            uvloop.run(serve_raw(listener, reply))
            return
        config = uvicorn.Config(
            application(reply), log_config=None, access_log=False, lifespan="off", loop="uvloop", http="httptools",
            server_header=False, date_header=False, backlog=1024, timeout_keep_alive=75,
        )  # fmt: skip
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        uvloop.run(uvicorn.Server(config).serve([listener]))


if __name__ == "__main__":
    main()
