"""Notes of dispute: what the two sides say to each other about a month or a record. No part of the signed record."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass

from ...clock import now_us
from ...domain.instants import DAY_US, instant_text
from ...storage.model.protocols import Snapshot, Unit
from ...storage.model.records import Customer
from ...storage.model.sharing import Note
from ...views.sharing import SharedNote, SharedNotes
from ..base import audit
from ..base.context import Caller, Context, find_customer
from ..base.errors import ServiceError, invalid
from ..base.lookup import find_delta
from .links import find

MAX_TEXT_CHARS, MAX_AUTHOR_CHARS, MAX_PER_DAY = 2_000, 100, 20
NOT_SIGNED = "Notes are not part of the signed record: they change no amount and no proof."


@dataclass(frozen=True)
class NewNote:
    """What somebody says."""

    text: str
    author: str | None
    period: str | None
    record_id: str | None


async def leave(context: Context, handle: str, said: NewNote) -> SharedNote:
    """A note of the customer's. 429 RATE_LIMITED above 20 in 24 hours."""

    def mine(unit: Unit) -> Customer:
        customer = find(unit, handle).customer
        # Held, so that those who write at once count each other.
        unit.customer(customer.environment_id, customer.shard_key)
        if unit.count_notes(customer, now_us() - DAY_US)[1] >= MAX_PER_DAY:
            message = f"{MAX_PER_DAY} notes were left in the last 24 hours: that is as many as are taken"
            raise ServiceError("RATE_LIMITED", message, retryAfterSeconds=3600)
        return customer

    return await _add(context, said, mine, by_vendor=False)


async def answer(context: Context, caller: Caller, customer_id: str, said: NewNote) -> SharedNote:
    """A note of the vendor's."""

    def theirs(unit: Unit) -> Customer:
        audit.record(unit, caller, "note.create", customer_id)
        return find_customer(context, unit, caller, customer_id)

    return await _add(context, said, theirs, by_vendor=True)


async def _add(context: Context, said: NewNote, whose: Callable[[Unit], Customer], by_vendor: bool) -> SharedNote:
    at, note_id = now_us(), secrets.token_bytes(12)

    def work(unit: Unit) -> Note:
        customer = whose(unit)
        _check_record(unit, customer, said)
        note = Note(customer.id, at, note_id, by_vendor, said.author, said.period, said.record_id, said.text)
        unit.add_note(customer, note)
        return note

    return note_view(await context.committer.run(work))


def _check_record(snapshot: Snapshot, customer: Customer, said: NewNote) -> None:
    if said.record_id is None:
        return
    found = find_delta(snapshot, said.record_id)
    if found is None or found[0].id != customer.id:
        raise invalid(("recordId", "names no record of this customer"))


def list_notes(snapshot: Snapshot, customer: Customer, limit: int, offset: int) -> SharedNotes:
    """Both sides' notes, newest first."""
    return {
        "notes": [note_view(note) for note in snapshot.notes(customer, limit, offset)],
        "pagination": {"limit": limit, "offset": offset, "total": snapshot.count_notes(customer, 0)[0]},
        "about": NOT_SIGNED,
    }


def note_view(note: Note) -> SharedNote:
    return {
        "noteId": f"nte_{note.id.hex()}",
        "by": "vendor" if note.by_vendor else "customer",
        "author": note.author,
        "period": note.period,
        "recordId": note.record_id,
        "text": note.text or None,
        "dataPurged": not note.text,
        "createdAt": instant_text(note.at),
    }
