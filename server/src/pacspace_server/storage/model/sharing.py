"""Links, codes, remarks and visits."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from ...domain import enumerations
from .records import Customer, Key


@dataclass(frozen=True, slots=True)
class Link:
    """A customer's link. A new nonce makes a new link, a higher version a new code. A policy of None was never set."""

    customer: Key
    nonce: bytes
    version: int
    policy: enumerations.SharingHint | None
    seal: bytes | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Note:
    """A remark from one side, outside the record. It never changes; erasing removes its text and author."""

    customer: Key
    at: int
    id: bytes
    by_vendor: bool
    author: str | None
    period: str | None
    record_id: str | None
    text: str


@dataclass(frozen=True, slots=True)
class Visit:
    """A visitor's use of a link, from first to last: one row for half an hour."""

    customer: Key
    at: int
    visitor: bytes
    kind: enumerations.VisitKind
    last_at: int
    times: int
    address: str
    agent: str


class SharingReads(Protocol):
    """What a snapshot reads of links, remarks and visits."""

    def link(self, customer: Customer) -> Link | None: ...
    def notes(self, customer: Customer, limit: int, offset: int) -> list[Note]:
        """Newest first."""
        ...

    def count_notes(self, customer: Customer, since: int) -> tuple[int, int]:
        """How many remarks there are, and how many the customer has left since an instant."""
        ...

    def visits(self, customer: Customer, limit: int, offset: int) -> list[Visit]:
        """Newest first."""
        ...

    def count_visits(self, customer: Customer, since: int) -> int: ...
    def latest_visit(self, customer: Customer, visitor: bytes, kind: str, since: int) -> Visit | None: ...


class SharingWrites(Protocol):
    """What a unit writes of links, remarks and visits."""

    def set_link(self, customer: Customer, link: Link) -> None: ...
    def add_note(self, customer: Customer, note: Note) -> None: ...
    def set_visit(self, customer: Customer, visit: Visit) -> None: ...
    def erase_notes(self, customer: Customer) -> int:
        """Removes the text and author of all remarks; returns their number."""
        ...

    def erase_visits(self, customer: Customer, limit: int) -> int:
        """Removes about so many of the oldest visits; returns how many it removed, 0 at the end."""
        ...
