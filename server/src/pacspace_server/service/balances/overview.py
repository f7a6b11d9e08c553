"""An environment at a glance: the current month, how far the log is, and the month to close."""

from __future__ import annotations

from ...domain.instants import DAY_US, add_months, day_of, instant_text, period_end, period_of, period_start
from ...storage.model.protocols import Snapshot
from ...views.pages import Day, MonthBefore, Overview
from ..base import showing
from ..base.context import Caller, Context


def overview(context: Context, caller: Caller) -> Overview:
    """The current month by day and unit, customers, how far the log is, and the previous month."""
    with context.storage.snapshot() as snapshot:
        environment = snapshot.environment(caller.environment_id)
        now, log = snapshot.now(environment), snapshot.log(environment.log_id)
        period = period_of(now)
        customers, deltas = snapshot.count_active(caller.environment_id, period)
        waiting_months, waiting_deltas = snapshot.unverified(caller.environment_id)
        return {
            "now": instant_text(now),
            "clockHeld": environment.clock_at is not None,
            "period": period,
            "customers": snapshot.count_customers(caller.environment_id, None),
            "activeCustomers": customers,
            "deltas": deltas,
            "days": _days(snapshot, caller, period, now),
            "units": [
                {
                    "unit": unit.unit,
                    "total": showing.number(unit.total),
                    "customers": unit.customers,
                    "deltas": unit.deltas,
                }
                for unit in snapshot.totals_by_unit(caller.environment_id, period)
            ],
            "waitingMonths": waiting_months,
            "waitingDeltas": waiting_deltas,
            "logSize": log.published_size,
            "publishedAt": showing.instant(log.published_at),
            "before": _month_before(snapshot, caller, period, now),
        }


def _days(snapshot: Snapshot, caller: Caller, period: str, now: int) -> list[Day]:
    """Each day of the month up to today, and later days up to the last with deltas."""
    first, end = day_of(period_start(period)), day_of(period_end(period) - 1) + 1
    posted = dict(snapshot.posted_by_day(caller.environment_id, first, end))
    last = max([day_of(now), *posted])
    return [{"day": instant_text(day * DAY_US)[:10], "count": posted.get(day, 0)} for day in range(first, last + 1)]


def _month_before(snapshot: Snapshot, caller: Caller, period: str, now: int) -> MonthBefore:
    """The month to close, and the time since its end."""
    before = add_months(period, -1)
    customers, deltas = snapshot.count_active(caller.environment_id, before)
    return {
        "period": before,
        "customers": customers,
        "deltas": deltas,
        "locked": snapshot.count_locked(caller.environment_id, before),
        "endedSecondsAgo": (now - period_end(before)) // 1_000_000,
    }
