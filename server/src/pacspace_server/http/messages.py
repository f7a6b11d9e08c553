"""Requests and replies of the API and the pages: bounded bodies, strict JSON, exact numbers."""

from __future__ import annotations

import asyncio
import itertools
import re
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from ..domain.exact_json import JsonError, parse
from ..service.base.errors import ServiceError, invalid
from ..service.base.limits import MAX_BODY_BYTES
from ..service.people.sessions import Actor

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

_encode = msgspec.json.Encoder().encode
# Unique without a system call per request: this process's random part, and a counter.
_RUN, _numbers = secrets.token_hex(6), itertools.count(1)
_REQUEST_ID = re.compile(rb"[A-Za-z0-9_.-]{1,64}")


def new_request_id() -> str:
    return f"req_{_RUN}{next(_numbers):x}"


@dataclass
class Reply:
    """A reply: a JSON value, bytes, or a stream of bytes."""

    status: int = 200
    value: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None
    stream: AsyncIterator[bytes] | None = None
    media_type: str = "application/json"


class Call:
    """One request."""

    __slots__ = (
        "_receive",
        "actor",
        "body_given",
        "environment",
        "headers",
        "repeatable",
        "request_id",
        "route",
        "scope",
    )

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self.scope = scope
        self._receive = receive
        self.route = ""  # the route's path, once found
        self.repeatable = False  # a retry with the same key or reference has no second effect
        self.environment = ""  # of the key, once recognised
        self.actor: Actor | None = None  # the user of the session, once recognised
        self.body_given: Any = None  # the parsed JSON body, once a keyed route has read it
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        given = self.headers.get(b"x-request-id", b"")
        self.request_id = given.decode() if _REQUEST_ID.fullmatch(given) else new_request_id()

    def header(self, name: bytes) -> str | None:
        value = self.headers.get(name)
        return None if value is None else value.decode("latin-1")

    def path(self, name: str) -> str:
        return str(self.scope["path_params"][name])

    @property
    def address(self) -> str:
        client = self.scope.get("client")
        return str(client[0]) if client else ""

    def may_be_long(self, most: int) -> bool:
        """Whether the body may exceed the usual bound: its length is unknown, or between that bound and `most`."""
        declared = self.headers.get(b"content-length", b"")
        return not declared.isdigit() or MAX_BODY_BYTES < int(declared) <= most

    async def body(self, most: int) -> bytes:
        """The body; raises 413 as soon as it exceeds `most` bytes."""
        declared = self.headers.get(b"content-length", b"0")
        if declared.isdigit() and int(declared) > most:
            raise _too_large(most)
        message = await self._receive()
        body: bytes = message.get("body", b"")
        if message.get("more_body"):
            parts, size = [body], len(body)
            while message.get("more_body"):
                message = await self._receive()
                parts.append(message.get("body", b""))
                size += len(parts[-1])
                if size > most:
                    raise _too_large(most)
            body = b"".join(parts)
        if len(body) > most:
            raise _too_large(most)
        return body

    async def json(self, most: int = MAX_BODY_BYTES) -> Any:
        """The body as strict JSON; an empty body counts as an empty object."""
        kind = self.headers.get(b"content-type")
        body = await self.body(most)
        if kind is not None and kind.partition(b";")[0].strip().lower() != b"application/json" and body:
            message = f"the body must be application/json, not {kind.decode('latin-1')[:80]}"
            raise ServiceError("UNSUPPORTED_MEDIA_TYPE", message)
        if not body:
            return {}
        try:
            # A long body is parsed on a thread, so that other requests don't wait.
            return parse(body) if len(body) <= MAX_BODY_BYTES else await asyncio.to_thread(parse, body)
        except JsonError as error:
            raise invalid(("body", str(error))) from error

    def query(self) -> dict[str, str]:
        """The query parameters; a repeated one is refused."""
        try:
            text = self.scope["query_string"].decode("ascii")
            pairs = parse_qsl(text, keep_blank_values=True, strict_parsing=False, errors="strict", max_num_fields=50)
        except (UnicodeDecodeError, ValueError) as error:
            raise invalid(("query", "is not valid URL-encoded UTF-8")) from error
        values = dict(pairs)
        if len(values) != len(pairs):
            repeated = next(name for name, _ in pairs if sum(name == other for other, _ in pairs) > 1)
            raise invalid((repeated[:80], "is given more than once"))
        return values


def _too_large(most: int) -> ServiceError:
    return ServiceError("PAYLOAD_TOO_LARGE", f"the body is larger than {most} bytes")


Handler = Callable[[Call], Awaitable[Reply]]


def success(data: Any, status: int = 200, headers: dict[str, str] | None = None) -> Reply:
    return Reply(status, {"success": True, "data": data}, headers or {})


async def send_reply(reply: Reply, request_id: str, send: Send, head_only: bool = False) -> int:
    """Sends a reply and returns the size of its body in bytes."""
    headers = [(b"content-type", reply.media_type.encode()), (b"x-request-id", request_id.encode())]
    headers += [(name.lower().encode(), value.encode("latin-1")) for name, value in reply.headers.items()]
    if reply.stream is not None:
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        sent_bytes = 0
        if not head_only:
            async for chunk in reply.stream:
                sent_bytes += len(chunk)
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
        return sent_bytes
    body = reply.body if reply.body is not None else _encode(reply.value)
    headers.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if head_only else body})
    return 0 if head_only else len(body)


async def iterate_in_thread(chunks: Iterable[bytes]) -> AsyncIterator[bytes]:
    """A blocking iterator, stepped on a thread so that the event loop stays free."""
    iterator = iter(chunks)
    end = object()
    while True:
        chunk = await asyncio.to_thread(next, iterator, end)
        if chunk is end:
            return
        yield chunk  # type: ignore[misc]
