"""Posting: which month a delta belongs to, permanently."""

from __future__ import annotations

from dataclasses import dataclass

from .instants import SECOND_US, add_months, period_of, period_start

MAX_AHEAD_US = 300 * SECOND_US
MAX_AGE_MONTHS = 36
MONTH_TURN_US = 6 * 3600 * SECOND_US


@dataclass(frozen=True, slots=True)
class Posting:
    """The month a delta is posted to, and the instant in it; late if its own month was locked."""

    period: str
    posted_at: int
    late: bool


def post(happened_at: int, locked_through: str | None) -> Posting:
    """The first open month at or after that of happened_at (microseconds)."""
    month = period_of(happened_at)
    if locked_through is None or month > locked_through:
        return Posting(month, happened_at, False)
    first_open = add_months(locked_through, 1)
    return Posting(first_open, period_start(first_open), True)


def check_occurred_at(occurred_at: int, now: int) -> str | None:
    """The reason not to believe a stated instant, or None: a seconds/milliseconds mix-up must not vanish into 1970."""
    if occurred_at > now + MAX_AHEAD_US:
        return "lies more than 5 minutes ahead of the ledger clock"
    if period_of(occurred_at) < add_months(period_of(now), -MAX_AGE_MONTHS):
        return f"is older than {MAX_AGE_MONTHS} months"
    return None


def posting_warnings(posted: Posting, recorded_at: int, occurred_at: int | None) -> list[str]:
    """Warnings for the vendor about where a delta was posted."""
    warnings = []
    if posted.late:
        own = period_of(recorded_at if occurred_at is None else occurred_at)
        warnings.append(f"{own} is locked: posted to {posted.period}, the next open month")
    if occurred_at is None and recorded_at - period_start(period_of(recorded_at)) < MONTH_TURN_US:
        warnings.append(
            "recorded in the first 6 hours of a month without occurredAt: if this usage happened before midnight UTC, "
            "send occurredAt, or it is billed in the new month"
        )
    return warnings
