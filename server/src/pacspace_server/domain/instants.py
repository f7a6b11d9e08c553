"""Instants as integers of UTC microseconds since 1970, and UTC calendar months as `YYYY-MM`."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache

EPOCH = datetime(1970, 1, 1)
SECOND_US = 1_000_000
DAY_US = 86_400 * SECOND_US
MIN_US = 0
MAX_US = 253_402_300_800 * SECOND_US - 1  # the last microsecond of 9999

_INSTANT = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})(?:[Tt ]([0-9]{2}:[0-9]{2}(?::[0-9]{2})?)(?:\.([0-9]{1,6}))?"
    r"([Zz]|[+-][0-9]{2}:?[0-9]{2})?)?"
)
_PERIOD = re.compile(r"(?:19[7-9][0-9]|[2-9][0-9]{3})-(?:0[1-9]|1[0-2])")


class InstantError(ValueError):
    """The text is not an instant or a month; the message says what is accepted."""


@lru_cache(4096)
def instant_text(at_us: int) -> str:
    """`YYYY-MM-DDThh:mm:ss.ffffffZ`, the only spelling."""
    return (EPOCH + timedelta(microseconds=at_us)).isoformat(timespec="microseconds") + "Z"


def parse_instant(text: str, allow_date: bool = False) -> int:
    """Microseconds of an ISO 8601 instant with an offset, or UTC without one; if allowed, of a date's first instant."""
    match = _INSTANT.fullmatch(text)
    if match is None or (match[2] is None and not allow_date):
        kinds = "a date or an instant" if allow_date else "an instant"
        raise InstantError(
            f"{text[:60]!r} is not {kinds} such as 2026-02-01T09:30:00Z, with at most 6 digits after the second"
        )
    day, clock, fraction, offset = match[1], match[2] or "00:00", match[3] or "", (match[4] or "Z").upper()
    if offset != "Z" and ":" not in offset:
        offset = f"{offset[:3]}:{offset[3:]}"
    try:
        moment = datetime.fromisoformat(f"{day}T{clock}{'+00:00' if offset == 'Z' else offset}")
        at_us = (moment.astimezone(UTC).replace(tzinfo=None) - EPOCH) // timedelta(microseconds=1)
    except (ValueError, OverflowError) as error:
        raise InstantError(f"{text[:60]!r} is not a real date and time: {error}") from error
    at_us += int(fraction.ljust(6, "0")) if fraction else 0
    if not MIN_US <= at_us <= MAX_US:
        raise InstantError(f"{text[:60]!r} is outside 1970 to 9999")
    return at_us


def parse_period(text: str) -> str:
    """A month `YYYY-MM` from 1970-01 to 9999-12."""
    if _PERIOD.fullmatch(text) is None:
        raise InstantError(f"{text[:60]!r} is not a month such as 2026-02")
    return text


@lru_cache(4096)
def period_of(at_us: int) -> str:
    """The UTC month of an instant."""
    return instant_text(at_us)[:7]


def month_number(period: str) -> int:
    """Months since year 0, for arithmetic."""
    return int(period[:4]) * 12 + int(period[5:]) - 1


def add_months(period: str, months: int) -> str:
    """The month so many months later (or earlier)."""
    year, month = divmod(month_number(period) + months, 12)
    return f"{year:04d}-{month + 1:02d}"


@lru_cache(1024)
def period_start(period: str) -> int:
    """The month's first instant."""
    return (datetime(int(period[:4]), int(period[5:]), 1) - EPOCH) // timedelta(microseconds=1)


def period_end(period: str) -> int:
    """The first instant after the month."""
    return MAX_US + 1 if period == "9999-12" else period_start(add_months(period, 1))


def day_of(at_us: int) -> int:
    """Days since 1970."""
    return at_us // DAY_US
