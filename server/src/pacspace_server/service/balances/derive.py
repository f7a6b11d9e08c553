"""Derive: the balance of a scope, from stored totals."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice

from ...domain.instants import DAY_US, EPOCH, day_of, instant_text
from ...domain.scopes import LAST_PERIOD, Scope, ScopeError, scope_bounds
from ...storage.model.protocols import Damaged, Snapshot
from ...storage.model.records import Customer, Delta, Log, PeriodHead
from ...views.balance import Derived, DerivedDetails
from ...views.shapes import Bucket, Computed, Counted, RecordedDelta
from ..base import showing
from ..base.context import Caller, Context, find_customer, scope_error
from ..base.errors import ServiceError, invalid
from ..base.limits import MAX_BUCKETS
from .balance import Balance, balance_of, deltas_of, posted_days, scope_view


@dataclass
class Page:
    """A page of deltas."""

    limit: int
    offset: int


def derive(
    context: Context,
    caller: Caller,
    customer_id: str,
    scope: Scope,
    starting_balance: int,
    granularity: str | None,
    page: Page | None,
) -> Derived:
    """The balance of a scope, with everything acknowledged before the call."""
    with context.storage.snapshot() as snapshot:
        customer, log, now, balance = read_balance(context, snapshot, caller, customer_id, scope)
        latest = snapshot.latest_checkpoint(customer)
        return {
            "customerId": customer_id,
            "startingBalance": showing.number(starting_balance),
            **computed(starting_balance + balance.net),
            "netChange": showing.number(balance.net),
            **counted(balance.count),
            "verifiedCount": balance.count - balance.pending,
            "pendingCount": balance.pending,
            "broughtForward": showing.number(balance.brought_forward),
            "latestReceiptId": showing.receipt_id(customer, balance.latest) if balance.latest else None,
            "latestCheckpoint": latest.checkpoint_id if latest else None,
            "firstRecordAt": showing.instant(balance.first_recorded_at),
            "lastRecordAt": showing.instant(balance.last_recorded_at),
            "scope": scope_view(balance, now),
            "asOf": {"sequence": customer.last_sequence, "logSize": log.published_size},
            **_details(snapshot, customer, log, balance, granularity, page),
        }


def _details(
    snapshot: Snapshot, customer: Customer, log: Log, balance: Balance, granularity: str | None, page: Page | None
) -> DerivedDetails:
    details: DerivedDetails = {}
    if granularity is not None:
        details["breakdown"] = breakdown(snapshot, customer, balance, granularity)
    if page is not None:
        shown = islice(deltas_of(snapshot, customer, balance), page.offset, page.offset + page.limit)
        details["deltas"] = delta_views(customer, list(shown), balance.heads, log)
        details["pagination"] = {"limit": page.limit, "offset": page.offset, "total": balance.count}
    return details


def computed(total: int) -> Computed:
    """A scope's total under all its names."""
    value = showing.number(total)
    return {"computedBalance": value, "neutralBalance": value, "finalBalance": value, "endingBalance": value}


def counted(count: int) -> Counted:
    return {"deltaCount": count, "deltasCount": count}


def read_balance(
    context: Context, snapshot: Snapshot, caller: Caller, customer_id: str, scope: Scope
) -> tuple[Customer, Log, int, Balance]:
    """The customer, the log, the ledger clock, and the balance of the scope."""
    customer = find_customer(context, snapshot, caller, customer_id)
    environment = snapshot.environment(caller.environment_id)
    log, now = snapshot.log(environment.log_id), snapshot.now(environment)
    try:
        balance = balance_of(snapshot, customer, scope, log)
    except ScopeError as error:
        raise scope_error(error) from error
    if scope.mode == "period" and not balance.heads and scope_bounds(scope, scope.last)[0] > now:
        raise invalid(("period", f"{scope.first} has not begun and has no deltas"))
    return customer, log, now, balance


def delta_views(customer: Customer, deltas: list[Delta], heads: list[PeriodHead], log: Log) -> list[RecordedDelta]:
    by_id = {head.id: head for head in heads}
    return [
        showing.delta_view(
            customer.customer_id,
            customer.shard_key,
            delta,
            showing.delta_status(delta, by_id[delta.period_id], log),
        )
        for delta in deltas
    ]


def breakdown(snapshot: Snapshot, customer: Customer, balance: Balance, granularity: str) -> list[Bucket]:
    """The scope in days, weeks (from Monday) or months, zero-filled."""
    if not balance.scope.first:
        raise ServiceError("INVALID_SCOPE_COMBINATION", "granularity requires a period or a window")
    last = max([balance.scope.first, *balance.periods]) if balance.scope.last == LAST_PERIOD else balance.scope.last
    start, end = scope_bounds(balance.scope, last)
    buckets: dict[str, _Span] = {}
    for day in range(day_of(start), day_of(end - 1) + 1):
        span = buckets.setdefault(_bucket(day, granularity), _Span(max(start, day * DAY_US)))
        span.end = min(end, (day + 1) * DAY_US)
    if len(buckets) > MAX_BUCKETS:
        raise invalid(("granularity", f"the scope has {len(buckets)} buckets; the limit is {MAX_BUCKETS}"))
    for total in posted_days(snapshot, customer, start, end):
        span = buckets[_bucket(total.day, granularity)]
        span.net += total.total
        span.count += total.count
    if sum(span.net for span in buckets.values()) != balance.net:
        raise Damaged("day total")
    return [span.view() for span in buckets.values()]


@dataclass
class _Span:
    """The running sum of a bucket."""

    start: int
    end: int = 0
    net: int = 0
    count: int = 0

    def view(self) -> Bucket:
        return {
            "startDate": instant_text(self.start),
            "endDate": instant_text(self.end),
            "netChange": showing.number(self.net),
            **counted(self.count),
        }


def _bucket(day: int, granularity: str) -> str:
    date = EPOCH.date().fromordinal(EPOCH.toordinal() + day)
    if granularity == "week":
        return date.fromordinal(date.toordinal() - date.weekday()).isoformat()
    return date.isoformat()[: 7 if granularity == "month" else 10]
