"""Links, codes, notes, and who looked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from ...domain import enumerations
from .records import Customer, Key


@dataclass(frozen=True, slots=True)
class Link:
    """A customer's link. A new nonce is a new link, a higher version a new code; no policy: never stated for this customer."""

    customer: Key
    nonce: bytes
    version: int
    policy: enumerations.SharingHint | None


@dataclass(frozen=True, slots=True)
class Note:
    """What one side says of a month or of a record. No part of the record; never changed, only erased: then it has no text
    and no author."""

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
    """What a visitor did, from the first time to the last one: within half an hour that is one row."""

    customer: Key
    at: int
    visitor: bytes
    kind: enumerations.VisitKind
    last_at: int
    times: int
    address: str
    agent: str


class SharingReads(Protocol):
    """What a snapshot tells of links, notes and visits."""

    def link(self, customer: Customer) -> Link | None: ...
    def notes(self, customer: Customer, limit: int, offset: int) -> list[Note]:
        """Newest first."""
        ...

    def count_notes(self, customer: Customer, since: int) -> tuple[int, int]:
        """How many notes there are, and how many of the customer's own were left since an instant."""
        ...

    def visits(self, customer: Customer, limit: int, offset: int) -> list[Visit]:
        """Newest first."""
        ...

    def count_visits(self, customer: Customer, since: int) -> int: ...
    def latest_visit(self, customer: Customer, visitor: bytes, kind: str, since: int) -> Visit | None: ...


class SharingWrites(Protocol):
    """What a unit changes of links, notes and visits."""

    def set_link(self, customer: Customer, link: Link) -> None: ...
    def add_note(self, customer: Customer, note: Note) -> None: ...
    def set_visit(self, customer: Customer, visit: Visit) -> None: ...
    def erase_notes(self, customer: Customer) -> int:
        """Removes the texts and authors of all notes; of how many."""
        ...

    def erase_visits(self, customer: Customer, limit: int) -> int:
        """Removes the oldest visits, about so many; how many there were, 0 at the end."""
        ...
