"""Stored values as replies show them: exact numbers, instants, hashes with 0x."""

from __future__ import annotations

from typing import Final, overload

from msgspec import Raw

from pacspace_proofs.record import parse_context, receipt_tail

from ...domain.amounts import amount_text
from ...domain.enumerations import DeltaStatus
from ...domain.instants import instant_text
from ...domain.posting import Posting, posting_warnings
from ...storage.model import ids
from ...storage.model.records import Customer, Delta, Log, PeriodHead
from ...views.shapes import DeltaReferences, NumberedPage, RecordedDelta, StatedContext

QUEUED: Final = "QUEUED"
PROCESSING: Final = "PROCESSING"
VERIFIED: Final = "VERIFIED"
FAILED: Final = "FAILED"
PROVISIONAL: Final = "PROVISIONAL"


def number(value_units: int) -> Raw:
    """An exact JSON number."""
    return Raw(amount_text(value_units).encode())


@overload
def instant(at_us: int) -> str: ...
@overload
def instant(at_us: int | None) -> str | None: ...
def instant(at_us: int | None) -> str | None:
    return None if at_us is None else instant_text(at_us)


@overload
def hash_text(value: bytes) -> str: ...
@overload
def hash_text(value: bytes | None) -> str | None: ...
def hash_text(value: bytes | None) -> str | None:
    return None if value is None else "0x" + value.hex()


def receipt_id(customer: Customer, delta: Delta) -> str:
    return ids.receipt_id(customer.shard_key, receipt_tail(delta.leaf_hash))


def delta_status(delta: Delta, head: PeriodHead, log: Log) -> DeltaStatus:
    """Derived from the current log's state of the delta's month, never stored."""
    if delta.leaf_index < head.verified_size(log):
        return VERIFIED
    if head.damaged:
        return FAILED
    return PROCESSING if delta.leaf_index < head.integrated_size else QUEUED


def context_fields(delta: Delta) -> StatedContext:
    """reason, referenceId and metadata, or nulls and `dataPurged` after erasure."""
    if delta.context is None:
        return {"reason": None, "referenceId": None, "metadata": None, "dataPurged": True}
    context = parse_context(delta.context)
    return stated_context(context["reason"], context.get("referenceId"), context.get("metadata"))


def stated_context(reason: str, reference_id: str | None, metadata: str | None) -> StatedContext:
    return {
        "reason": reason,
        "referenceId": reference_id,
        "metadata": None if metadata is None else Raw(metadata.encode()),
    }


def pages(total: int, limit: int) -> int:
    """The number of pages."""
    return -(-total // limit)


def page_of(page: int, limit: int, total: int) -> NumberedPage:
    """Which page of a list this is."""
    return {"page": page, "limit": limit, "total": total, "totalPages": pages(total, limit)}


def is_late(delta: Delta) -> bool:
    """Whether the delta's own month was locked when it was recorded."""
    return delta.posted_at != (delta.recorded_at if delta.occurred_at is None else delta.occurred_at)


def delta_view(
    customer_id: str, shard_key: bytes, delta: Delta, status: DeltaStatus, context: StatedContext | None = None
) -> RecordedDelta:
    """A delta as every route shows it; without `context`, it is read from the row."""
    return {
        "recordId": delta.record_id,
        "receiptId": ids.receipt_id(shard_key, receipt_tail(delta.leaf_hash)),
        "contentHash": hash_text(delta.leaf_hash),
        "status": status,
        "customerId": customer_id,
        "delta": number(delta.delta),
        **(context or context_fields(delta)),
        "sequenceNumber": delta.sequence,
        "period": delta.period,
        "postedAt": instant_text(delta.posted_at),
        "recordedAt": instant_text(delta.recorded_at),
        "latePosting": is_late(delta),
        **_references(delta),
    }


def _references(delta: Delta) -> DeltaReferences:
    view: DeltaReferences = {}
    if delta.occurred_at is not None:
        view["occurredAt"] = instant_text(delta.occurred_at)
    if delta.adjusts is not None:
        view["adjusts"] = {"recordId": delta.adjusts}
    return view


def warnings_of(delta: Delta) -> list[str]:
    """Warnings about the delta's posting."""
    return posting_warnings(
        Posting(delta.period, delta.posted_at, is_late(delta)), delta.recorded_at, delta.occurred_at
    )
