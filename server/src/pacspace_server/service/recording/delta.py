"""One delta: what is stored, and how far the log has it."""

from __future__ import annotations

from typing import Any

from ...storage.model.protocols import Snapshot
from ...storage.model.records import Customer, Delta
from ..base import showing
from ..base.context import Caller, Context
from ..base.errors import ServiceError
from ..base.lookup import find_delta, integrated_at, log_in_use


def get_delta(context: Context, caller: Caller, record: str) -> dict[str, Any]:
    """A delta by recordId or receiptId. 404 RECORD_NOT_FOUND, also for another environment's."""
    with context.storage.snapshot() as snapshot:
        found = find_delta(snapshot, record)
        if found is None or found[0].environment_id != caller.environment_id:
            raise ServiceError("RECORD_NOT_FOUND", f"no delta {record[:80]} in the {caller.environment} environment")
        return record_view(snapshot, *found)


def record_view(snapshot: Snapshot, customer: Customer, delta: Delta) -> dict[str, Any]:
    """The delta with its status, and when and where the log verified it."""
    head = snapshot.head(customer, delta.period)
    assert head is not None
    status = showing.delta_status(delta, head, log_in_use(snapshot, customer))
    verified = status == showing.VERIFIED
    view = showing.delta_view(customer.customer_id, customer.shard_key, delta, status)
    view["verifiedAt"] = showing.instant(integrated_at(snapshot, head)) if verified else None
    view["verificationReference"] = str(head.entry_index) if verified else None
    if status == showing.FAILED:
        view["error"] = "what is stored is not what was hashed; the month is frozen until fsck is clean"
    return view
