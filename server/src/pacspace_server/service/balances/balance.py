"""The balance of a scope, from stored totals instead of a replay."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from ...domain.instants import DAY_US, add_months, day_of, instant_text, period_of
from ...domain.scopes import LAST_PERIOD, Scope, ScopeError, scope_bounds
from ...storage.model.protocols import Damaged, Snapshot
from ...storage.model.records import Customer, DayTotal, Delta, Log, PeriodHead, delta_count
from ...views.shapes import NamedScope
from ..base.lookup import all_months, find_checkpoint, find_delta


@dataclass
class Balance:
    """The sum of a scope. `heads` are its months; `latest` is its delta with the highest sequence."""

    scope: Scope
    net: int = 0
    count: int = 0
    pending: int = 0
    brought_forward: int = 0
    first_recorded_at: int | None = None
    last_recorded_at: int | None = None
    latest: Delta | None = None
    heads: list[PeriodHead] = field(default_factory=list)

    @property
    def periods(self) -> list[str]:
        return [head.period for head in self.heads]


def balance_of(snapshot: Snapshot, customer: Customer, scope: Scope, log: Log) -> Balance:
    """The sum of a scope. Raises ScopeError if a starting checkpoint is unknown or unusable."""
    if scope.mode == "checkpoint":
        after = resolve_start(snapshot, customer, scope.after or "")
        if isinstance(after, Delta):
            return _later_sequences(snapshot, customer, scope, after, log)
        scope = Scope("checkpoint", add_months(after, 1), LAST_PERIOD, after=scope.after)
    return _months(snapshot, customer, scope, log)


def _months(snapshot: Snapshot, customer: Customer, scope: Scope, log: Log) -> Balance:
    """Whole months from their heads; partly covered months from their day totals."""
    later = [head for head in all_months(snapshot, customer) if head.period >= scope.first]
    balance = Balance(scope, heads=[head for head in later if head.period <= scope.last])
    balance.brought_forward = customer.total - sum(head.total for head in later)
    whole: list[PeriodHead] = []
    for head in balance.heads:
        begins, ends = scope_bounds(Scope("period", head.period, head.period), head.period)
        start, end = max(begins, scope.start or begins), min(ends, scope.end or ends)
        if (start, end) == (begins, ends):
            _add_month(balance, head, log)
            whole.append(head)
        else:
            _check_days(snapshot, customer, head, begins, ends)
            _add_days(snapshot, customer, balance, head, start, end, log)
            balance.brought_forward += sum(day.total for day in posted_days(snapshot, customer, begins, start))
    for delta in _newest(snapshot, customer, whole):
        _latest(balance, delta)
    return balance


def _newest(snapshot: Snapshot, customer: Customer, months: list[PeriodHead]) -> Iterator[Delta | None]:
    """The candidates for the newest delta of whole months: one of each with the latest recordedAt."""
    last = max((head.last_recorded_at or 0 for head in months), default=0)
    months = [head for head in months if head.last_recorded_at == last]
    if (
        len(months) > 1
    ):  # the same instant, as under a held clock: the customer's newest delta is usually in one of them
        newest = snapshot.delta_at(customer, customer.last_sequence)
        if newest is not None and any(newest.period_id == head.id for head in months):
            yield newest
            return
    for head in months:
        yield snapshot.delta_in_period(head, head.delta_count)


def _add_month(balance: Balance, head: PeriodHead, log: Log) -> None:
    verified = head.verified_size(log)
    balance.net += head.total
    balance.count += head.delta_count
    balance.pending += head.delta_count - delta_count(verified, head.closed and verified == head.size)
    _widen(balance, head.first_recorded_at, head.last_recorded_at)


def _add_days(
    snapshot: Snapshot, customer: Customer, balance: Balance, head: PeriodHead, start: int, end: int, log: Log
) -> None:
    first = last = 0
    for day in posted_days(snapshot, customer, start, end):
        balance.net += day.total
        balance.count += day.count
        first, last = min(first or day.first_sequence, day.first_sequence), max(last, day.last_sequence)
    if last:
        newest = snapshot.delta_at(customer, last)
        _widen(balance, _recorded(snapshot.delta_at(customer, first)), _recorded(newest))
        _latest(balance, newest)
    pending = _unverified(snapshot, [head], log)
    balance.pending += sum(start <= delta.posted_at < end for delta in pending)


def _check_days(snapshot: Snapshot, customer: Customer, head: PeriodHead, begins: int, ends: int) -> None:
    """The days of a month add up to the month."""
    days = snapshot.days(customer, day_of(begins), day_of(ends - 1) + 1)
    if snapshot.checks and (sum(day.total for day in days), sum(day.count for day in days)) != (
        head.total,
        head.delta_count,
    ):
        raise Damaged("day total", f"of {head.period} of {customer.customer_id}")


def _latest(balance: Balance, delta: Delta | None) -> None:
    if delta is not None and (balance.latest is None or delta.sequence > balance.latest.sequence):
        balance.latest = delta


def _later_sequences(snapshot: Snapshot, customer: Customer, scope: Scope, after: Delta, log: Log) -> Balance:
    balance = Balance(scope, customer.total - after.total, customer.last_sequence - after.sequence)
    balance.brought_forward = after.total
    if balance.count:
        first, balance.latest = (snapshot.delta_at(customer, s) for s in (after.sequence + 1, customer.last_sequence))
        _widen(balance, _recorded(first), _recorded(balance.latest))
    heads = snapshot.heads(customer, "", LAST_PERIOD)
    balance.heads = [head for head in heads if _holds_later(snapshot, head, after)]
    pending = _unverified(snapshot, balance.heads, log)
    balance.pending = sum(delta.sequence > after.sequence for delta in pending)
    return balance


def _holds_later(snapshot: Snapshot, head: PeriodHead, after: Delta) -> bool:
    """Whether a month has a delta that was recorded later, perhaps at the same instant."""
    last = head.last_recorded_at or 0
    if last != after.recorded_at:
        return last > after.recorded_at
    newest = snapshot.delta_in_period(head, head.delta_count)
    return newest is not None and newest.sequence > after.sequence


def _recorded(delta: Delta | None) -> int | None:
    return delta.recorded_at if delta else None


def _widen(balance: Balance, first: int | None, last: int | None) -> None:
    if first is not None:
        balance.first_recorded_at = min(first, balance.first_recorded_at or first)
    if last is not None:
        balance.last_recorded_at = max(last, balance.last_recorded_at or last)


def _unverified(snapshot: Snapshot, heads: list[PeriodHead], log: Log) -> Iterator[Delta]:
    """The deltas that are not in the log yet: the newest few of each month."""
    for head in heads:
        verified = head.verified_size(log)
        if verified < head.size:
            yield from snapshot.deltas_in_period(head, max(verified, 1), head.size)


def posted_days(snapshot: Snapshot, customer: Customer, start: int, end: int) -> Iterator[DayTotal]:
    """Day totals from start to end; a partly covered day is scanned."""
    for total in snapshot.days(customer, day_of(start), day_of(end - 1) + 1):
        begins, ends = total.day * DAY_US, (total.day + 1) * DAY_US
        if start <= begins and ends <= end:
            yield total
            continue
        part = DayTotal(customer.id, total.day)
        for delta in snapshot.deltas_by_sequence(customer, total.first_sequence, total.last_sequence):
            if max(start, begins) <= delta.posted_at < min(end, ends):
                part.total += delta.delta
                part.count += 1
                part.first_sequence = part.first_sequence or delta.sequence
                part.last_sequence = delta.sequence
        if part.count:
            yield part


def deltas_of(snapshot: Snapshot, customer: Customer, balance: Balance, after: int = 0) -> Iterator[Delta]:
    """The deltas of a scope, by month, or by sequence after a starting delta."""
    scope = balance.scope
    if scope.mode == "checkpoint" and not scope.first:
        yield from snapshot.deltas_by_sequence(
            customer, customer.last_sequence - balance.count + 1, customer.last_sequence
        )
        return
    for head in balance.heads:
        for delta in snapshot.deltas_in_period(head, 1, head.delta_count + 1):
            if scope.start is None or scope.start <= delta.posted_at < (scope.end or 0):
                yield delta


def resolve_start(snapshot: Snapshot, customer: Customer, text: str) -> Delta | str:
    """The delta (by recordId or receiptId) or locked month (by proof root or chk_) of a startingCheckpoint."""
    found = find_delta(snapshot, text)
    if found is not None and found[0].id == customer.id:
        return found[1]
    checkpoint = find_checkpoint(snapshot, text)
    if checkpoint is None or checkpoint.customer != customer.id:
        raise ScopeError("is not a delta or a locked month of this customer", field="startingCheckpoint")
    if not checkpoint.locked or checkpoint.period is None:
        raise ScopeError(
            "is a provisional root; only a locked month can be a starting point", field="startingCheckpoint"
        )
    return checkpoint.period


def scope_view(balance: Balance, now: int) -> NamedScope:
    """The scope as replies show it."""
    scope, start, end = balance.scope, None, None
    if scope.first:
        last = max([scope.first, *balance.periods]) if scope.last == LAST_PERIOD else scope.last
        start, end = map(instant_text, scope_bounds(scope, last))
    periods = _named_periods(balance, now)
    return {"mode": scope.mode, "periods": periods, "timezone": "UTC", "startDate": start, "endDate": end}


def _named_periods(balance: Balance, now: int) -> list[str]:
    """The months of a scope: those with deltas, and the named one."""
    if balance.scope.mode == "current_month":
        return sorted({period_of(now), *balance.periods})
    return [balance.scope.first] if balance.scope.mode == "period" else balance.periods
