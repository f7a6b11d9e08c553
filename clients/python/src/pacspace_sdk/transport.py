"""Between the client and the network: one request out, one reply back. Loads httpx2 at the first request."""

from __future__ import annotations

import os
import threading
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeAlias

if TYPE_CHECKING:
    import asyncio

    import httpx2


class HttpResponse(Protocol):
    """The reply of a transport; `headers` by lower-case name."""

    @property
    def status_code(self) -> int: ...
    @property
    def headers(self) -> Mapping[str, str]: ...
    @property
    def body(self) -> bytes: ...


@dataclass
class TransportResponse:
    """A reply: status, headers by lower-case name, body."""

    status_code: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


# method, url, headers, body text or None, time-out in milliseconds. Any exception counts as a network failure.
Transport: TypeAlias = Callable[[str, str, dict[str, str], "str | None", int], HttpResponse]
AsyncTransport: TypeAlias = Callable[
    [str, str, dict[str, str], "str | None", int], "HttpResponse | Awaitable[HttpResponse]"
]


class HttpxTransport:
    """Keep-alive connections by httpx2, for several threads, and renewed after a fork."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._client: httpx2.Client | None = None
        self._process = 0

    def __call__(
        self, method: str, url: str, headers: dict[str, str], body: str | None, timeout_ms: int
    ) -> TransportResponse:
        import time

        timeout_s = timeout_ms / 1000
        deadline = time.monotonic() + timeout_s
        content = None if body is None else body.encode()
        with self._open().stream(method, url, headers=headers, content=content, timeout=timeout_s) as reply:
            chunks = []
            for chunk in reply.iter_bytes():
                chunks.append(chunk)
                # httpx2 limits each read, but not the total.
                if time.monotonic() > deadline:
                    raise TimeoutError(f"the reply was not complete after {timeout_ms} ms")
            return TransportResponse(reply.status_code, _lower(reply.headers), b"".join(chunks))

    def close(self) -> None:
        with self._lock:
            if self._client is not None and self._process == os.getpid():
                self._client.close()
            self._client = None

    def _open(self) -> httpx2.Client:
        import httpx2

        with self._lock:
            if self._client is None or self._process != os.getpid():
                # A child must not use its parent's connections.
                self._client, self._process = httpx2.Client(), os.getpid()
            return self._client


class AsyncHttpxTransport:
    """The same on an event loop; each connection belongs to the loop that opened it."""

    def __init__(self) -> None:
        self._client: httpx2.AsyncClient | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def __call__(
        self, method: str, url: str, headers: dict[str, str], body: str | None, timeout_ms: int
    ) -> TransportResponse:
        import asyncio

        content = None if body is None else body.encode()
        request = self._open().request(method, url, headers=headers, content=content, timeout=timeout_ms / 1000)
        reply = await asyncio.wait_for(request, timeout_ms / 1000)
        return TransportResponse(reply.status_code, _lower(reply.headers), reply.content)

    async def close(self) -> None:
        import asyncio

        if self._client is not None and self._loop is asyncio.get_running_loop():
            await self._client.aclose()
        self._client = None

    def _open(self) -> httpx2.AsyncClient:
        import asyncio

        import httpx2

        loop = asyncio.get_running_loop()
        if self._client is None or self._loop is not loop:
            self._client, self._loop = httpx2.AsyncClient(), loop
        return self._client


def _lower(headers: httpx2.Headers) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}
