"""Formats amounts, instants and periods for people."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import quote

from markupsafe import Markup
from msgspec import Raw

from pacspace_proofs.command import printable

from ..domain.amounts import amount_text, units
from ..domain.instants import DAY_US, instant_text, parse_instant

MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
GROUP = 8  # characters of a hash between possible line breaks
MINUS = "\u2212"
DIGIT_SPACE, POINT_SPACE = "\u2007", "\u2008"


@dataclass(frozen=True)
class Moment:
    """An instant in words, to the second, and its exact text."""

    day: str
    clock: str
    exact: str

    @property
    def text(self) -> str:
        return f"{self.day}, {self.clock}"


def moment(at_us: int) -> Moment:
    """1 March 2026, 00:05:12 UTC."""
    exact = instant_text(at_us)
    return Moment(_day(exact), f"{exact[11:19]} UTC", exact)


def moment_of(text: str) -> Moment:
    """The same, from an instant's text."""
    return moment(parse_instant(text))


def _day(exact: str) -> str:
    return f"{int(exact[8:10])} {MONTHS[int(exact[5:7]) - 1]} {exact[:4]}"


def month_text(period: str) -> str:
    """February 2026."""
    return f"{MONTHS[int(period[5:7]) - 1]} {period[:4]}"


def window_text(start_us: int, end_us: int) -> str:
    """A window in words. Its end is exclusive, but whole days are written as first and last day."""
    start, end, last = instant_text(start_us), instant_text(end_us), instant_text(max(end_us - 1, start_us))
    if start_us % DAY_US == end_us % DAY_US == 0:
        return _day(start) if start[:10] == last[:10] else f"{_day(start)} to {_day(last)}"
    return f"{_day(start)}, {start[11:19]} until {_day(end)}, {end[11:19]}"


def amount(value_units: int) -> str:
    """Exact, with thousands separators and a true minus sign."""
    whole, point, fraction = amount_text(abs(value_units)).partition(".")
    return f"{MINUS if value_units < 0 else ''}{int(whole):,}{point}{fraction}"


def exact(number: Raw) -> str:
    """The text of a reply's exact number."""
    return bytes(number).decode()


def figure(number: Raw, places: int = 0) -> str:
    """The same for people. In a column, spaces pad the fraction to `places` digits, so that the points line up."""
    text = amount(units(exact(number)))
    fraction = text.partition(".")[2]
    point = POINT_SPACE if places and not fraction else ""
    return text + point + DIGIT_SPACE * (places - len(fraction))


def places(numbers: Iterable[Raw]) -> int:
    """The number of digits in a column's longest fraction."""
    return max((len(exact(number).partition(".")[2]) for number in numbers), default=0)


def clean(text: str) -> str:
    """A user's text, with line breaks, and with escapes for invisible characters."""
    return "\n".join(map(printable, text.split("\n")))


def count(number: int) -> str:
    """12,345."""
    return f"{number:,}"


@dataclass(frozen=True)
class Part:
    """A piece of text, either prose or code."""

    text: str
    code: bool


def coded(text: str) -> list[Part]:
    """Splits prose with code between backquotes."""
    return [Part(part, index % 2 == 1) for index, part in enumerate(text.split("`")) if part]


def segments(path: str) -> list[str]:
    """A path in pieces; a line can break between them."""
    return re.findall(r"/?[^/]+", path)


def wrapped(name: str) -> Markup:
    """A long name with possible line breaks: before capitals, after points and underscores."""
    return Markup("<wbr>").join(re.split(r"(?<=[a-z])(?=[A-Z])|(?<=[._])", name))


def breakable(text: str) -> Markup:
    """A hash or key with possible line breaks that don't change the copied text."""
    return Markup("<wbr>").join(text[at : at + GROUP] for at in range(0, len(text), GROUP))


def data_uri(svg: str) -> str:
    """An SVG as a data URI."""
    return f"data:image/svg+xml,{quote(svg)}"
