"""What a customer reads behind a link: totals, months with their proofs, deltas."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import Final

from pacspace_proofs.tree import root_of_peaks

from ...domain.instants import period_of
from ...storage.model import ids
from ...storage.model.protocols import Snapshot
from ...storage.model.records import Checkpoint, Customer, Delta, Log, PeriodHead, delta_count
from ...views.sharing import (
    RecordState,
    SharedActivity,
    SharedMonth,
    SharedPeriod,
    SharedPeriods,
    SharedRecordLine,
    SharedSummary,
    VerifiedPart,
)
from ..base import showing
from ..base.context import Context
from ..base.lookup import all_months, log_in_use, verifier_key
from ..sharing.access import DETAIL, Visitor, may_see
from ..sharing.links import Shared

RECORDING: Final = "recording"
RECORDED: Final = "recorded"
LOCKED: Final = "locked"


@dataclass(frozen=True)
class ActivityPage:
    """The deltas to show: of a month or all, before a place, or the one with a referenceId."""

    limit: int
    before: int | None = None
    period: str | None = None
    reference: str | None = None


def summary(
    context: Context, snapshot: Snapshot, shared: Shared, visitor: Visitor, period: str | None
) -> SharedSummary:
    """Totals of a month (by default the current one) and of each month; no delta, reason or root."""
    customer, log = shared.customer, log_in_use(snapshot, shared.customer)
    heads = all_months(snapshot, customer)
    named = period or period_of(snapshot.now(shared.environment))
    head = next((head for head in heads if head.period == named), None)
    opened = may_see(shared, visitor, DETAIL)
    profile = snapshot.profile(customer) if opened else None
    return {
        "vendorName": shared.vendor_name,
        "customerDisplayName": profile.display_name if profile else None,
        "environment": shared.environment.name,
        "unit": customer.unit,
        "opened": opened,
        **_month_view(named, head, log),
        **_verified_view(snapshot, head, log),
        "months": [_month_view(head.period, head, log) for head in reversed(heads)],
        "keyFingerprint": verifier_key(context.signer, log).fingerprint,
    }


def _month_view(period: str, head: PeriodHead | None, log: Log) -> SharedMonth:
    return {
        "period": period,
        "locked": head.closed if head else False,
        "recordedTotal": showing.number(head.total if head else 0),
        "recordCount": head.delta_count if head else 0,
        "verifiedCount": _verified(head, log) if head else 0,
    }


def _verified(head: PeriodHead, log: Log) -> int:
    size = head.verified_size(log)
    return delta_count(size, head.closed and size == head.size)


def _verified_view(snapshot: Snapshot, head: PeriodHead | None, log: Log) -> VerifiedPart:
    """The part of the month that the published log covers."""
    verified = _verified(head, log) if head else 0
    last = snapshot.delta_in_period(head, verified) if head and verified else None
    return {
        "pendingCount": head.delta_count - verified if head else 0,
        "verifiedThrough": showing.instant(last.recorded_at) if last else None,
        "firstRecordAt": showing.instant(head.first_recorded_at) if head else None,
        "lastRecordAt": showing.instant(head.last_recorded_at) if head else None,
    }


def periods(context: Context, snapshot: Snapshot, shared: Shared) -> SharedPeriods:
    """Every month, newest first: total, root, links to its receipt, and commands to verify it."""
    customer, log = shared.customer, log_in_use(snapshot, shared.customer)
    heads = all_months(snapshot, customer)
    logs = {each.origin: each for each in snapshot.logs(customer.environment_id)}
    locks = snapshot.locks_of([(customer.id, head.period) for head in heads if head.closed])
    return {
        "periods": [
            _period_view(context, head, logs[head.origin], log, locks.get((customer.id, head.period)))
            for head in reversed(heads)
        ],
        "verifierKey": str(verifier_key(context.signer, log)),
        "keyFingerprint": verifier_key(context.signer, log).fingerprint,
    }


def _period_view(context: Context, head: PeriodHead, own_log: Log, log: Log, lock: Checkpoint | None) -> SharedPeriod:
    base, own = context.public_url, verifier_key(context.signer, own_log)
    root = showing.hash_text(head.root or root_of_peaks(head.frontier.peaks))
    file = f"{base}/receipts/{lock.checkpoint_id}" if lock else None
    return {
        **_month_view(head.period, head, log),
        "proofRoot": root,
        "lockedAt": showing.instant(lock.created_at) if lock else None,
        "invoiceReference": lock.invoice_reference if lock else None,
        "receiptId": lock.checkpoint_id if lock else None,
        "links": {
            "verify": f"{base}/verify/{root}",
            "page": f"{base}/receipt/{lock.checkpoint_id}",
            "json": f"{file}.json",
            "csv": f"{file}.csv",
            "pdf": f"{file}.pdf",
        }
        if lock
        else None,
        "commands": [
            f"curl -o {head.period}.json {shlex.quote(f'{file}.json')}",
            f"python -m pacspace_proofs {head.period}.json --key '{own}'",
        ]
        if lock
        else [],
        "keyFingerprint": own.fingerprint,
    }


def activity(snapshot: Snapshot, shared: Shared, page: ActivityPage) -> SharedActivity:
    """A page of deltas, newest first, each with its proof status."""
    customer, log = shared.customer, log_in_use(snapshot, shared.customer)
    if page.reference is not None:
        mac = ids.reference_mac(snapshot.secret, customer.shard_key, page.reference)
        found = snapshot.delta_by_reference(customer, mac)
        deltas, following = [found] if found and page.period in (None, found.period) else [], None
    else:
        deltas, following = _newest(snapshot, customer, page)
    return {
        "records": line_views(snapshot, customer, deltas, log),
        "nextBefore": following,
    }


def _newest(snapshot: Snapshot, customer: Customer, page: ActivityPage) -> tuple[list[Delta], int | None]:
    """Found by place in the month, or by sequence: both count from 1 without gaps."""
    head = snapshot.head(customer, page.period) if page.period else None
    last = customer.last_sequence if page.period is None else head.delta_count if head else 0
    end = last + 1 if page.before is None else min(page.before, last + 1)
    first = max(1, end - page.limit)
    if end <= first:
        return [], None
    if head is not None:
        found = list(snapshot.deltas_in_period(head, first, end))
    else:
        found = list(snapshot.deltas_by_sequence(customer, first, end - 1))
    return found[::-1], first if first > 1 else None


def line_views(snapshot: Snapshot, customer: Customer, deltas: list[Delta], log: Log) -> list[SharedRecordLine]:
    """Deltas as their customer sees them."""
    heads = snapshot.heads_of([(customer.id, period) for period in {delta.period for delta in deltas}])
    return [_line_view(customer, delta, heads[customer.id, delta.period], log) for delta in deltas]


def _line_view(customer: Customer, delta: Delta, head: PeriodHead, log: Log) -> SharedRecordLine:
    status = showing.delta_status(delta, head, log)
    view = showing.delta_view(customer.customer_id, customer.shard_key, delta, status)
    state: RecordState = RECORDING if status != showing.VERIFIED else LOCKED if head.closed else RECORDED
    return {**view, "state": state, "proofAvailable": status == showing.VERIFIED}
