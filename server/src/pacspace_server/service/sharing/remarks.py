"""Remarks: comments from the customer or the vendor on a month or a delta, outside the signed record."""

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
NOT_SIGNED = "Remarks are not part of the signed record: they change no amount and no proof."


@dataclass(frozen=True)
class NewRemark:
    """A remark to add."""

    text: str
    author: str | None
    period: str | None
    record_id: str | None


async def leave(context: Context, handle: str, new: NewRemark) -> SharedNote:
    """Adds a customer's remark. 429 RATE_LIMITED above 20 in 24 hours."""

    def visited(unit: Unit) -> Customer:
        customer = find(unit, handle).customer
        # Locks the row, so that parallel requests count each other.
        unit.customer(customer.environment_id, customer.shard_key)
        if unit.count_notes(customer, now_us() - DAY_US)[1] >= MAX_PER_DAY:
            message = f"this record had {MAX_PER_DAY} remarks in the last 24 hours, which is the limit"
            raise ServiceError("RATE_LIMITED", message, retryAfterSeconds=3600)
        return customer

    return await _add(context, new, visited, by_vendor=False)


async def answer(context: Context, caller: Caller, customer_id: str, new: NewRemark) -> SharedNote:
    """Adds a remark of the vendor."""

    def named(unit: Unit) -> Customer:
        audit.record(unit, caller, "note.create", customer_id)
        return find_customer(context, unit, caller, customer_id)

    return await _add(context, new, named, by_vendor=True)


async def _add(context: Context, new: NewRemark, find_in: Callable[[Unit], Customer], by_vendor: bool) -> SharedNote:
    at, remark_id = now_us(), secrets.token_bytes(12)

    def work(unit: Unit) -> Note:
        customer = find_in(unit)
        _check_delta(unit, customer, new)
        remark = Note(customer.id, at, remark_id, by_vendor, new.author, new.period, new.record_id, new.text)
        unit.add_note(customer, remark)
        return remark

    return remark_view(await context.committer.run(work))


def _check_delta(snapshot: Snapshot, customer: Customer, new: NewRemark) -> None:
    if new.record_id is None:
        return
    found = find_delta(snapshot, new.record_id)
    if found is None or found[0].id != customer.id:
        raise invalid(("recordId", "is not the recordId of a delta of this customer"))


def list_remarks(snapshot: Snapshot, customer: Customer, limit: int, offset: int) -> SharedNotes:
    """Both sides' remarks, newest first."""
    return {
        "notes": [remark_view(remark) for remark in snapshot.notes(customer, limit, offset)],
        "pagination": {"limit": limit, "offset": offset, "total": snapshot.count_notes(customer, 0)[0]},
        "about": NOT_SIGNED,
    }


def remark_view(remark: Note) -> SharedNote:
    return {
        "noteId": f"nte_{remark.id.hex()}",
        "by": "vendor" if remark.by_vendor else "customer",
        "author": remark.author,
        "period": remark.period,
        "recordId": remark.record_id,
        "text": remark.text or None,
        "dataPurged": not remark.text,
        "createdAt": instant_text(remark.at),
    }
