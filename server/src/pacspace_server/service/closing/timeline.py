"""Timeline: a customer's months in order, locked or open, with the links between them."""

from __future__ import annotations

from pacspace_proofs.tree import root_of_peaks

from ...domain.instants import instant_text, period_end, period_start
from ...storage.model.records import Checkpoint, Log, PeriodHead
from ...views.checkpoints import MonthState, Timeline, TimelineMonth
from ..balances.derive import computed, counted
from ..base import showing
from ..base.context import Caller, Context, find_customer
from ..base.lookup import all_integrated_at, all_months
from .checkpoint import lock_status


def timeline(context: Context, caller: Caller, customer_id: str, limit: int, offset: int) -> Timeline:
    """Every month with a tree. `previousRoot` is the root that the closing leaf names, or would name now."""
    with context.storage.snapshot() as snapshot:
        customer = find_customer(context, snapshot, caller, customer_id)
        heads, logs = all_months(snapshot, customer), snapshot.logs(customer.environment_id)
        locks = snapshot.locks_of([(customer.id, head.period) for head in heads if head.closed])
        verified = all_integrated_at(snapshot, logs, heads)
        months: list[TimelineMonth] = []
        carried = 0
        before: str | None = None
        for head in heads:
            named = customer.id, head.period
            month = _month(head, locks.get(named), logs[-1], verified.get(named))
            brought, carried = carried, carried + head.total
            months.append(
                {
                    **month,
                    "broughtForward": showing.number(brought),
                    "carriedForward": showing.number(carried),
                    "previousRoot": before,
                }
            )
            before = month["proofRoot"] if head.closed else before
    return {
        "customerId": customer_id,
        "periods": months[offset : offset + limit],
        "pagination": {"limit": limit, "offset": offset, "total": len(months)},
    }


def _month(head: PeriodHead, lock: Checkpoint | None, log: Log, verified_at: int | None) -> MonthState:
    status = lock_status(head, log) if head.closed else showing.PROVISIONAL
    return {
        "period": head.period,
        "startDate": instant_text(period_start(head.period)),
        "endDate": instant_text(period_end(head.period)),
        "locked": head.closed,
        "status": status,
        **counted(head.delta_count),
        **computed(head.total),
        "netChange": showing.number(head.total),
        "proofRoot": showing.hash_text(head.root or root_of_peaks(head.frontier.peaks)),
        "checkpointId": lock.checkpoint_id if lock else None,
        "invoiceReference": lock.invoice_reference if lock else None,
        "createdAt": showing.instant(lock.created_at) if lock else None,
        "verifiedAt": showing.instant(verified_at) if status == showing.VERIFIED else None,
        "firstRecordAt": showing.instant(head.first_recorded_at),
        "lastRecordAt": showing.instant(head.last_recorded_at),
    }
