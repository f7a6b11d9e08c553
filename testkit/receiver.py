"""A receiver of webhooks in a process of its own, that answers as its paths say; and what it was sent.

/ok 204; /status/N that status; /redirect a redirect to /elsewhere; /hang nothing; /reset a reset; /close an end without a reply;
/slow a body that never ends, drop by drop; /huge one that never ends; /sometimes each of these at the first attempt of an event, by
its id, and 204 from the second on; /seldom the same for a quarter of the events; /failing/N 500 at the first N attempts of an event.
"""

from __future__ import annotations

import asyncio
import base64
import json
import signal
import socket
import struct
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

FAULTS = ("/status/500", "/reset", "/close", "/redirect", "/status/404")
NO_CONTENT = b"HTTP/1.1 204 No Content\r\n\r\n"


@dataclass
class Request:
    """One request that came."""

    path: str
    headers: dict[str, str]
    body: bytes
    answered: int | None  # the status, if there was one

    @property
    def event(self) -> Any:
        return json.loads(self.body)


class Receiver:
    """The tests' side."""

    def __init__(self) -> None:
        self._child = subprocess.Popen([sys.executable, __file__], stdout=subprocess.PIPE, text=True)
        assert self._child.stdout is not None
        self.url = json.loads(self._child.stdout.readline())["url"]

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def requests(self, path: str | None = None) -> list[Request]:
        """What came to a path, or at all, in order."""
        with urllib.request.urlopen(f"{self.url}/told", timeout=30) as reply:
            told = json.load(reply)
        found = [Request(t["path"], t["headers"], base64.b64decode(t["body"]), t["answered"]) for t in told]
        return [request for request in found if path is None or request.path == path]

    def taken(self, path: str) -> list[Request]:
        """Those that were answered with success."""
        return [r for r in self.requests(path) if r.answered is not None and 200 <= r.answered < 300]

    def wait_for(self, path: str, enough: Callable[[list[Request]], bool], timeout_s: float = 60) -> list[Request]:
        """What was taken at a path, once it is enough."""
        deadline = time.monotonic() + timeout_s
        while not enough(found := self.taken(path)):
            assert time.monotonic() < deadline, (
                f"{path} took {Counter(r.event['event'] for r in found)} in {timeout_s} s"
            )
            time.sleep(0.05)
        return found

    def wait_for_records(self, path: str, records: set[str], timeout_s: float = 60) -> list[Request]:
        return self.wait_for(path, lambda found: records <= recorded(found), timeout_s)

    def close(self) -> None:
        self._child.terminate()
        self._child.wait(30)
        assert self._child.stdout is not None
        self._child.stdout.close()


def recorded(requests: list[Request]) -> set[str]:
    """The recordIds of deltas that are told as verified."""
    return {r.event["data"]["recordId"] for r in requests if r.event["event"] == "delta.verified"}


@contextmanager
def receiving() -> Iterator[Receiver]:
    receiver = Receiver()
    try:
        yield receiver
    finally:
        receiver.close()


# ---------------------------------------------------------------- the process


class Told:
    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []
        self.attempts: Counter[str] = Counter()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self._one(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        line, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").rstrip().split("\r\n")
        method, path, _ = line.split(" ")
        headers = {name.lower(): value for name, _, value in (one.partition(": ") for one in lines)}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        if method == "GET":
            document = json.dumps(self.requests).encode()
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(document), document))
            return True
        told = {"path": path, "headers": headers, "body": base64.b64encode(body).decode(), "answered": None}
        self.requests.append(told)
        if path.startswith(("/sometimes", "/seldom")):
            identity = headers["x-event-id"]
            self.attempts[identity] += 1
            number = sum(identity.encode())
            fails = self.attempts[identity] == 1 and (path.startswith("/sometimes") or number % 4 == 0)
            path = FAULTS[number % len(FAULTS)] if fails else "/ok"
        if path.startswith("/failing/"):
            self.attempts[headers["x-event-id"]] += 1
            path = "/status/500" if self.attempts[headers["x-event-id"]] <= int(path.split("/")[2]) else "/ok"
        return await self._answer(path, told, writer)

    async def _answer(self, path: str, told: dict[str, Any], writer: asyncio.StreamWriter) -> bool:
        kind = path.split("/")[1]
        if kind == "status":
            told["answered"] = int(path.split("/")[2])
            writer.write(b"HTTP/1.1 %d Said\r\ncontent-length: 5\r\n\r\nwords" % told["answered"])
        elif kind == "redirect":
            told["answered"] = 302
            writer.write(b"HTTP/1.1 302 Found\r\nlocation: /elsewhere\r\ncontent-length: 0\r\n\r\n")
        elif kind == "hang":
            await asyncio.sleep(3600)
        elif kind == "reset":
            linger = struct.pack("ii", 1, 0)
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            writer.transport.abort()
            return False
        elif kind == "close":
            return False
        elif kind in ("slow", "huge"):
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100000000\r\n\r\n")
            while True:
                writer.write(b"." if kind == "slow" else b"." * 10_000)
                await writer.drain()
                await asyncio.sleep(0.2 if kind == "slow" else 0)
        else:
            told["answered"] = 204
            writer.write(NO_CONTENT)
        return True


async def main() -> None:
    told, stopped = Told(), asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    server = await asyncio.start_server(told.serve, "127.0.0.1", 0)
    print(json.dumps({"url": f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"}), flush=True)
    await stopped.wait()


if __name__ == "__main__":
    asyncio.run(main())
