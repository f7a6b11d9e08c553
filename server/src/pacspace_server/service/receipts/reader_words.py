"""Amounts, months and instants in a reader's language and time zone, exact and without rounding."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from datetime import UTC, date, datetime
from decimal import Decimal, localcontext
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

from babel import Locale, UnknownLocaleError, localedata
from babel.dates import format_date, format_datetime, format_skeleton

from ...domain.amounts import amount_text
from ...domain.instants import DAY_US, period_start

ENOUGH_DIGITS = 80  # decimal precision for formatting: more than any total has
SECOND_US = 1_000_000
LETTER = ("US", "CA", "MX", "CL", "CO", "CR", "GT", "PA", "PH", "PR", "SV", "VE")  # where paper is not A4


@lru_cache(1)
def zones() -> frozenset[str]:
    """The IANA time zones of this machine."""
    return frozenset(available_timezones())


@lru_cache(1)
def locales() -> frozenset[str]:
    """The language tags that Babel knows."""
    return frozenset(name.replace("_", "-") for name in localedata.locale_identifiers())


def near(text: str, known: Iterable[str]) -> str:
    """Up to three similar known words, as the end of a sentence; empty if there are none."""
    by_fold = {name.casefold(): name for name in known}
    found = difflib.get_close_matches(text.casefold(), by_fold, 3, 0.6)
    return f"; did you mean {', '.join(by_fold[name] for name in found)}?" if found else ""


@lru_cache(256)
def is_locale(tag: str) -> bool:
    try:
        return bool(Locale.parse(tag, sep="-"))
    except (UnknownLocaleError, ValueError):
        return False


class Words:
    """Formats values for one reader. Amounts have at least `digits` digits after the point, so that they align."""

    def __init__(self, tag: str, zone: str, digits: int = 0) -> None:
        self.locale, self.zone_name = Locale.parse(tag, sep="-"), zone
        self._zone = ZoneInfo(zone)
        self._whole = str(self.locale.decimal_formats[None].pattern).partition(".")[0]
        self._digits = digits

    def _of_digits(self, digits: int) -> str:
        return self._whole + ("." + "0" * digits if digits else "")

    @property
    def paper(self) -> str:
        return "us-letter" if self.locale.territory in LETTER else "a4"

    def amount(self, value_units: int) -> str:
        """The exact amount in the language's notation."""
        text = amount_text(value_units)
        pattern = self._of_digits(max(self._digits, len(text.partition(".")[2])))
        with localcontext() as context:
            context.prec = ENOUGH_DIGITS
            made: str = self._number(Decimal(text), pattern)
        return made

    def _number(self, value: Decimal, pattern: str) -> str:
        from babel.numbers import format_decimal

        return format_decimal(value, format=pattern, locale=self.locale, decimal_quantization=False)

    def count(self, number: int) -> str:
        return self._number(Decimal(number), self._of_digits(0))

    def month(self, period: str) -> str:
        """February 2026: a UTC calendar month, whatever the zone."""
        return str(format_skeleton("yMMMM", _utc(period_start(period)), tzinfo=UTC, locale=self.locale))

    def months(self, periods: list[str]) -> str:
        return ", ".join(map(self.month, periods))

    def day(self, at_us: int) -> str:
        return format_date(self._local(at_us).date(), "medium", locale=self.locale)

    def instant(self, at_us: int) -> str:
        """To the second."""
        return format_datetime(self._local(at_us), "medium", locale=self.locale)

    def window(self, start_us: int, end_us: int) -> str:
        """A window in UTC; its end is exclusive. Whole days are named by their first and last day."""
        if start_us % DAY_US == end_us % DAY_US == 0:
            first, last = self._utc_day(_utc(start_us).date()), self._utc_day(_utc(max(end_us - 1, start_us)).date())
            return first if first == last else f"{first} \u2013 {last}"
        ends = [format_datetime(_utc(at), "medium", locale=self.locale) for at in (start_us, end_us)]
        return " \u2013 ".join(ends) + " UTC"

    def _utc_day(self, day: date) -> str:
        return format_date(day, "long", locale=self.locale)

    def _local(self, at_us: int) -> datetime:
        try:
            return _utc(at_us).astimezone(self._zone)
        except OverflowError:  # the last hours of year 9999
            return _utc(at_us)


def _utc(at_us: int) -> datetime:
    return datetime.fromtimestamp(at_us // SECOND_US, UTC)
