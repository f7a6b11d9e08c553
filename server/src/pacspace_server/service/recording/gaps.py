"""Gaps: missing sequence numbers, computed from the stored deltas."""

from __future__ import annotations

from ...views.customers import Gaps
from ..base.context import Caller, Context, find_customer


def gaps(context: Context, caller: Caller, customer_id: str, first: int | None, last: int | None, limit: int) -> Gaps:
    """Missing runs between two sequence numbers, by default between 1 and the last. An intact record has none."""
    with context.storage.snapshot() as snapshot:
        customer = find_customer(context, snapshot, caller, customer_id)
        low, high = first or 1, min(last or customer.last_sequence, customer.last_sequence)
        missing = list(snapshot.missing_sequences(customer, low, high)) if low <= high else []
    return {
        "customerId": customer_id,
        "fromSequence": low,
        "toSequence": high,
        "gaps": [{"from": start, "to": end, "count": end - start + 1} for start, end in missing[:limit]],
        "missingCount": sum(end - start + 1 for start, end in missing),
        "lastSequence": customer.last_sequence,
    }
