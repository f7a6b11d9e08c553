"""A transport that answers from a script, and a caller for both forms of the client."""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from pacspace_sdk.client import TransportResponse

KEY = "pk_test_public.secret"


@dataclass
class Request:
    """One request as the transport was given it."""

    method: str
    url: str
    headers: dict[str, str]
    body: str | None
    timeout_ms: int

    @property
    def path(self) -> str:
        return self.url.removeprefix("http://server.test")

    @property
    def json(self) -> Any:
        return json.loads(self.body or "null")


@dataclass
class Script:
    """Answers each request with the next of `replies` (the last one again when they are used up); raises exceptions."""

    replies: list[Any] = field(default_factory=lambda: [reply({})])
    requests: list[Request] = field(default_factory=list)

    def __call__(
        self, method: str, url: str, headers: dict[str, str], body: str | None, timeout_ms: int
    ) -> TransportResponse:
        self.requests.append(Request(method, url, headers, body, timeout_ms))
        found = self.replies[min(len(self.requests), len(self.replies)) - 1]
        if isinstance(found, Exception):
            raise found
        if callable(found):
            found = found(self.requests[-1])
        return found

    @property
    def last(self) -> Request:
        return self.requests[-1]


def reply(data: Any, status: int = 200, headers: dict[str, str] | None = None) -> TransportResponse:
    """A success in the API's envelope."""
    return raw({"success": True, "data": data}, status, headers)


def raw(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> TransportResponse:
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    return TransportResponse(status, headers or {}, body)


def refusal(
    status: int, code: str | None = None, headers: dict[str, str] | None = None, **fields: Any
) -> TransportResponse:
    """An error in the server's shape."""
    message = fields.pop("message", "no")
    named = {"code": code} if code else {"type": "VALIDATION_ERROR"}
    body = {"success": False, "statusCode": status, "error": {**named, "message": message, **fields}}
    return raw({**body, "message": message}, status, headers)


class Blocking:
    """Calls the blocking client."""

    def __init__(self, client: Any, loop: asyncio.AbstractEventLoop | None) -> None:
        self.client, self._loop = client, loop

    def call(self, name: str, *args: Any, **keywords: Any) -> Any:
        """`call("balance.emit", ...)`; a coroutine is run, an iterator is read to its end."""
        found: Any = self.client
        for part in name.split("."):
            found = getattr(found, part)
        result = found(*args, **keywords)
        if self._loop is not None and inspect.isawaitable(result):
            return self._loop.run_until_complete(result)
        if self._loop is not None and hasattr(result, "__aiter__"):
            return self._loop.run_until_complete(_read(result))
        return list(result) if isinstance(result, Iterator) else result


async def _read(items: Any) -> list[Any]:
    return [item async for item in items]


Make = Callable[..., Blocking]
