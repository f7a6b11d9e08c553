"""Amounts, instants and periods as people read them."""

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
GROUP = 8  # characters of a hash between two places where a line may break
MINUS = "\u2212"
DIGIT_SPACE, POINT_SPACE = "\u2007", "\u2008"


@dataclass(frozen=True)
class Moment:
    """An instant in words to the second, and its exact spelling."""

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
    """The same, of an instant that is spelled out already."""
    return moment(parse_instant(text))


def _day(exact: str) -> str:
    return f"{int(exact[8:10])} {MONTHS[int(exact[5:7]) - 1]} {exact[:4]}"


def month_text(period: str) -> str:
    """February 2026."""
    return f"{MONTHS[int(period[5:7]) - 1]} {period[:4]}"


def window_text(start_us: int, end_us: int) -> str:
    """A window in words. Its end is exclusive: whole days are named by their first and last day."""
    start, end, last = instant_text(start_us), instant_text(end_us), instant_text(max(end_us - 1, start_us))
    if start_us % DAY_US == end_us % DAY_US == 0:
        return _day(start) if start[:10] == last[:10] else f"{_day(start)} to {_day(last)}"
    return f"{_day(start)}, {start[11:19]} until {_day(end)}, {end[11:19]}"


def amount(value_units: int) -> str:
    """Exact, with thousands separators and a true minus sign."""
    whole, point, fraction = amount_text(abs(value_units)).partition(".")
    return f"{MINUS if value_units < 0 else ''}{int(whole):,}{point}{fraction}"


def exact(number: Raw) -> str:
    """The spelling of a reply's exact number."""
    return bytes(number).decode()


def figure(number: Raw, places: int = 0) -> str:
    """The same as people read it. In a column whose longest fraction has so many places, room is left for those that are not
    there, so that the points stand in one line."""
    text = amount(units(exact(number)))
    fraction = text.partition(".")[2]
    point = POINT_SPACE if places and not fraction else ""
    return text + point + DIGIT_SPACE * (places - len(fraction))


def places(numbers: Iterable[Raw]) -> int:
    """How many digits the longest fraction of a column has."""
    return max((len(exact(number).partition(".")[2]) for number in numbers), default=0)


def clean(text: str) -> str:
    """What somebody wrote, with line breaks, and with escapes for what can't be seen."""
    return "\n".join(map(printable, text.split("\n")))


def count(number: int) -> str:
    """12,345."""
    return f"{number:,}"


@dataclass(frozen=True)
class Part:
    """A stretch of prose, or of code in it."""

    text: str
    code: bool


def coded(text: str) -> list[Part]:
    """Prose in which code stands between backquotes."""
    return [Part(part, index % 2 == 1) for index, part in enumerate(text.split("`")) if part]


def segments(path: str) -> list[str]:
    """A path in pieces, between which a line may break."""
    return re.findall(r"/?[^/]+", path)


def wrapped(name: str) -> Markup:
    """A long name with places where a line may break: before capitals, after points and underscores."""
    return Markup("<wbr>").join(re.split(r"(?<=[a-z])(?=[A-Z])|(?<=[._])", name))


def breakable(text: str) -> Markup:
    """A hash or key with places where a line may break. Copying it gives the text itself."""
    return Markup("<wbr>").join(text[at : at + GROUP] for at in range(0, len(text), GROUP))


def data_uri(svg: str) -> str:
    """An SVG as an address that holds it."""
    return f"data:image/svg+xml,{quote(svg)}"
