"""What a page handler is asked, and what it answers. The HTTP side only needs these names."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

HTML = "text/html; charset=utf-8"
CONTENT_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
FORM_POLICY = CONTENT_POLICY.replace("form-action 'none'", "form-action 'self'")


class Call(Protocol):
    """One request, as far as a page needs it."""

    scope: dict[str, Any]

    @property
    def address(self) -> str: ...
    @property
    def request_id(self) -> str: ...
    def path(self, name: str) -> str: ...
    def header(self, name: bytes) -> str | None: ...
    def query(self) -> dict[str, str]: ...
    async def body(self, most: int) -> bytes: ...


class Limit(Protocol):
    """How often one address may ask for a recomputation."""

    def take(self, address: str) -> None: ...


@dataclass
class Page:
    """One answer. `value` and `stream` are there for the HTTP side; a page is always bytes."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    media_type: str = HTML
    value: Any = None
    stream: AsyncIterator[bytes] | None = None


Handler = Callable[[Call], Awaitable[Page]]
