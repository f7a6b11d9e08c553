"""A small HTTP/1.1 client: it connects to the address that it checked, and follows no redirects.

Connections last a minute at most, so that names are resolved and checked again after that.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import Any

import httptools

from .addresses import Forbidden, Target, check_address, check_name

MAX_REPLY_BYTES, SHOWN_BYTES = 16 * 1024, 1024
MAX_HEAD_BYTES = 320 * 1024  # more than one read of the event loop, which may include the body
KEPT_S = 60.0
TRIED_ADDRESSES = 3
Resolve = Callable[[str, int], Awaitable[list[str]]]


class AttemptFailed(Exception):
    """No reply; the message says why."""


class Reply:
    """Status and the first bytes of the body."""

    __slots__ = ("body", "status")

    def __init__(self, status: int, body: bytes) -> None:
        self.status, self.body = status, body


class Resolver:
    """Resolves names through the system, on its own threads, so that a slow name server delays no other work."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(8, thread_name_prefix="resolver")

    async def __call__(self, host: str, port: int) -> list[str]:
        loop = asyncio.get_running_loop()
        try:
            found = await loop.run_in_executor(
                self._threads, lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            )
        except (OSError, UnicodeError) as error:
            raise AttemptFailed(f"{host} can't be resolved: {error}") from error
        return list(dict.fromkeys(str(address[0]) for *_, address in found))

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


class Connection(asyncio.Protocol):
    """One connection, with one exchange at a time."""

    def __init__(self) -> None:
        self.opened_s = time.monotonic()
        self.is_open = self.is_reusable = True
        self.has_answered = False  # with any byte, in this exchange
        self._transport: Any = None
        self._answer: asyncio.Future[Reply] | None = None
        self._status, self._body, self._has_length, self._size_bytes = 0, b"", False, 0
        self._head_bytes = 0  # received before the body

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    async def exchange(self, request: bytes) -> Reply:
        """Sends a request and returns its reply. Raises AttemptFailed, and then closes the connection."""
        self._parser = httptools.HttpResponseParser(self)
        self._status, self._body, self._has_length, self._size_bytes = 0, b"", False, 0
        self._head_bytes = 0
        self.has_answered = False
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        try:
            return await self._answer
        except BaseException:
            self.close()
            raise
        finally:
            self._answer = None

    def data_received(self, data: bytes) -> None:
        if self._answer is None:
            self.close()  # unrequested data
            return
        self.has_answered = True
        if self._status < 200:
            self._head_bytes += len(data)
        if self._head_bytes > MAX_HEAD_BYTES:
            self._fail("the reply's headers are too long")
            self.close()  # the parser buffers a header that may never end
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(f"the reply is not HTTP: {error}")
        except httptools.HttpParserUpgrade:
            self._fail("the reply asks for another protocol")

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() in (b"content-length", b"transfer-encoding"):
            self._has_length = True

    def on_headers_complete(self) -> None:
        self._status = self._parser.get_status_code()

    def on_body(self, body: bytes) -> None:
        self._size_bytes += len(body)
        if len(self._body) < SHOWN_BYTES:
            self._body += body[: SHOWN_BYTES - len(self._body)]
        if self._size_bytes > MAX_REPLY_BYTES:
            self.is_reusable = False
            self._done()  # the status is known; the rest is not read
            self.close()

    def on_message_complete(self) -> None:
        if self._status >= 200:
            self.is_reusable = self.is_reusable and self._parser.should_keep_alive()
            self._done()

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_open = False
        if self._status_is_whole():
            self._done()  # a body that ends when the connection closes
        self._fail(f"the connection was lost: {exc}" if exc else "the connection was closed before the reply")

    def _status_is_whole(self) -> bool:
        return self._answer is not None and self._status >= 200 and not self._has_length

    def _done(self) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(Reply(self._status, self._body))

    def _fail(self, message: str) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(AttemptFailed(message))

    def close(self) -> None:
        self.is_open = self.is_reusable = False
        if self._transport is not None:
            self._transport.abort()


class HttpClient:
    """Opens connections for all endpoints, under the same rule."""

    def __init__(self, targets: str, resolve: Resolve) -> None:
        self.targets, self._resolve = targets, resolve

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        return ssl.create_default_context()

    async def addresses(self, host: str, port: int) -> list[str]:
        """The addresses of a name, all of them allowed. Raises Forbidden, AttemptFailed."""
        check_name(host, self.targets)
        found = await self._resolve(host, port)
        for address in found:
            check_address(address, self.targets)
        if not found:
            raise AttemptFailed(f"{host} has no address")
        return found

    async def connect(self, target: Target) -> Connection:
        """Raises AttemptFailed."""
        try:
            addresses = await self.addresses(target.host, target.port)
        except Forbidden as forbidden:
            raise AttemptFailed(f"not sent: {forbidden}") from forbidden
        problem: Exception | None = None
        for address in addresses[:TRIED_ADDRESSES]:
            try:
                return await self._connect_to(address, target)
            except ssl.SSLCertVerificationError as error:
                raise AttemptFailed(f"the certificate is not for {target.host}: {error.verify_message}") from error
            except OSError as error:
                problem = error
        raise AttemptFailed(f"can't connect to {target.authority}: {problem}") from problem

    async def _connect_to(self, address: str, target: Target) -> Connection:
        secure: dict[str, Any] = {}
        if target.scheme == "https":
            secure = {"ssl": self._tls, "server_hostname": target.host}
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(Connection, address, target.port, **secure)
        return connection


class Channel:
    """The connections to one target."""

    def __init__(self, client: HttpClient, target: Target) -> None:
        self._client, self.target = client, target
        self._idle: list[Connection] = []
        self._head = f"POST {target.path} HTTP/1.1\r\nhost: {target.authority}\r\n".encode()

    async def post(self, headers: bytes, body: bytes) -> Reply:
        """One attempt over an open connection, or else a new one. Raises AttemptFailed."""
        request = b"%b%bcontent-length: %d\r\n\r\n%b" % (self._head, headers, len(body), body)
        kept = self._take()
        if kept is not None:
            try:
                return await self._exchange(kept, request)
            except AttemptFailed:
                if kept.has_answered:
                    raise  # else the other side had closed the idle connection
        return await self._exchange(await self._client.connect(self.target), request)

    async def _exchange(self, connection: Connection, request: bytes) -> Reply:
        reply = await connection.exchange(request)
        if connection.is_open and connection.is_reusable:
            self._idle.append(connection)
        else:
            connection.close()
        return reply

    def _take(self) -> Connection | None:
        now_s = time.monotonic()
        while self._idle:
            connection = self._idle.pop()
            if connection.is_open and now_s - connection.opened_s < KEPT_S:
                return connection
            connection.close()
        return None

    def close(self) -> None:
        while self._idle:
            self._idle.pop().close()
