"""One delta and its proof status."""

from __future__ import annotations

from ...domain import enumerations
from ...storage.model.protocols import Damaged, Snapshot
from ...storage.model.records import Customer, Delta, PeriodHead
from ...views.balance import DeltaProgress, DeltaStatus
from ..base import showing
from ..base.context import Caller, Context
from ..base.errors import ServiceError
from ..base.lookup import find_delta, integrated_at, log_in_use


def get_delta(context: Context, caller: Caller, named: str) -> DeltaStatus:
    """The delta of a recordId or receiptId. 404 RECORD_NOT_FOUND, also for another environment's delta."""
    with context.storage.snapshot() as snapshot:
        found = find_delta(snapshot, named)
        if found is None or found[0].environment_id != caller.environment_id:
            raise ServiceError("RECORD_NOT_FOUND", f"no delta {named[:80]} in the {caller.environment} environment")
        return delta_status_view(snapshot, *found)


def delta_status_view(snapshot: Snapshot, customer: Customer, delta: Delta) -> DeltaStatus:
    """The delta with its status, its log entry, and when it was verified."""
    head = snapshot.head(customer, delta.period)
    if head is None:
        raise Damaged("month", delta.period)
    status = showing.delta_status(delta, head, log_in_use(snapshot, customer))
    view = showing.delta_view(customer.customer_id, customer.shard_key, delta, status)
    return {**view, **progress(snapshot, head, status)}


def progress(snapshot: Snapshot, head: PeriodHead, status: enumerations.DeltaStatus) -> DeltaProgress:
    """How far the log has a delta of this month."""
    verified = status == showing.VERIFIED
    progress: DeltaProgress = {
        "verifiedAt": showing.instant(integrated_at(snapshot, head)) if verified else None,
        "verificationReference": str(head.entry_index) if verified else None,
    }
    if status == showing.FAILED:
        progress["error"] = (
            "the stored delta does not match its hash; its month is damaged until `pacspace fsck` is clean"
        )
    return progress
