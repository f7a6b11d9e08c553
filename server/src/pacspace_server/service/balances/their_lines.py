"""The other side's list as CSV or JSON: read if it is unambiguous, otherwise refused with line numbers."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from ...domain.amounts import AmountError, parse_balance
from ...domain.exact_json import JsonError, Number, parse
from ..base.errors import invalid

MAX_LINES, MAX_PROBLEMS = 100_000, 20
REFERENCES = ("referenceid", "reference", "ref", "id", "requestid", "callid", "externalid")
AMOUNTS = ("delta", "amount", "quantity", "qty", "units", "value", "total")
EXACT = ("referenceId", "delta")
DELIMITERS = ",;\t|"
_PLAIN = re.compile(r"-?[0-9]+(\.[0-9]+)?")
_GROUPED = {mark: re.compile(rf"-?[1-9][0-9]{{0,2}}(\{mark}[0-9]{{3}})+") for mark in ",."}
_SPACED = re.compile(r"(?<=[0-9])[ '\u2019\u00a0\u2009\u202f](?=[0-9]{3}(?![0-9]))")
_MINUS = str.maketrans({"\u2212": "-", "\u2013": "-"})


@dataclass(frozen=True)
class Line:
    """A line of the list: its number, its reference, and its amount in units of 10^-9."""

    number: int
    reference: str
    amount: int


@dataclass
class TheirList:
    """The lines by reference. Repeated references are kept apart, so that nothing is compared twice."""

    first: dict[str, Line] = field(default_factory=dict)
    again: list[Line] = field(default_factory=list)

    def add(self, line: Line) -> None:
        """Adds a line. A plain 400 above 100,000."""
        if len(self.first) + len(self.again) == MAX_LINES:
            problem = f"a comparison takes at most {MAX_LINES:,} lines: compare a month at a time"
            raise invalid((f"line {line.number}", problem))
        if self.first.setdefault(line.reference, line) is not line:
            self.again.append(line)

    @property
    def lines(self) -> Iterator[Line]:
        yield from self.first.values()
        yield from self.again

    @property
    def total(self) -> int:
        return sum(line.amount for line in self.lines)


class Unreadable(ValueError):
    """A line that can't be read; the message says why."""


def read_list(data: bytes) -> TheirList:
    """Reads a list. A plain 400 names the first twenty unreadable lines."""
    text = _text(data)
    if not text.strip():
        raise invalid(("lines", "are empty"))
    problems: list[tuple[str, str]] = []
    theirs = TheirList()
    is_json = text.lstrip()[0] in "[{"
    for number, reference, amount in _json_rows(text) if is_json else _csv_rows(text):
        try:
            line = Line(number, _reference(reference), _amount(amount))
        except Unreadable as problem:
            problems.append((f"line {number}", str(problem)))
            if len(problems) == MAX_PROBLEMS:
                break
            continue
        theirs.add(line)
    if problems:
        raise invalid(*problems)
    if not theirs.first:
        raise invalid(("lines", "have no line with a reference and an amount"))
    return theirs


def total_of(text: str) -> int:
    """A total in units of 10^-9. A plain 400 if it is ambiguous or not a number."""
    try:
        return _amount(text)
    except Unreadable as problem:
        raise invalid(("total", str(problem))) from problem


def list_of(records: Iterable[tuple[str, int]]) -> TheirList:
    """A list of parsed references and amounts."""
    theirs = TheirList()
    for number, (reference, amount) in enumerate(records, 1):
        theirs.add(Line(number, reference, amount))
    return theirs


def _text(data: bytes) -> str:
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        return data.decode(encoding).replace("\x00", "\ufffd")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise invalid((f"line {line}", "is not UTF-8: save the file as UTF-8 (in a spreadsheet: CSV UTF-8)")) from error


def _reference(value: Any) -> str:
    if isinstance(value, Number) or type(value) is str:
        if text := str(value).strip():
            return text
        raise Unreadable("has no reference: each line needs the reference in the vendor's record")
    raise Unreadable("the reference must be text")


# ---------------------------------------------------------------- amounts


def _amount(value: Any) -> int:
    if not isinstance(value, Number) and type(value) is not str:
        raise Unreadable("the amount must be a number")
    try:
        return parse_balance(value if isinstance(value, Number) else plain_number(value))
    except AmountError as error:
        raise Unreadable(f"the amount: {error}") from error


def plain_number(text: str) -> str:
    """The number with a decimal point and without thousands separators. Unreadable if it is ambiguous."""
    given = text.strip().translate(_MINUS).removeprefix("+")
    number = _SPACED.sub("", given)
    commas, points = number.count(","), number.count(".")
    if commas and points:
        mark = "," if number.rindex(",") < number.rindex(".") else "."
        whole, _, fraction = number.rpartition("." if mark == "," else ",")
        number = f"{whole.replace(mark, '')}.{fraction}" if _GROUPED[mark].fullmatch(whole) else ""
    elif commas > 1 or points > 1:
        mark = "," if commas else "."
        number = number.replace(mark, "") if _GROUPED[mark].fullmatch(number) else ""
    elif commas and _GROUPED[","].fullmatch(number):
        joined, pointed = number.replace(",", ""), number.replace(",", ".")
        raise Unreadable(f"the amount {text.strip()[:40]} may be {joined} or {pointed}: write one of the two")
    else:
        number = number.replace(",", ".")
    sign, digits = ("-", number[1:]) if number.startswith("-") else ("", number)
    if not _PLAIN.fullmatch(sign + digits):
        raise Unreadable(f"the amount {text.strip()[:40]!r} is not a number")
    whole, point, fraction = digits.partition(".")
    return sign + (whole.lstrip("0") or "0") + point + fraction


# ---------------------------------------------------------------- rows


Row = tuple[int, Any, Any]


def _csv_rows(text: str) -> Iterator[Row]:
    """Line number, reference and amount of each row. The first line may be a header."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text), strict=True)
    places: tuple[int, int] | None = None
    start = 1
    try:
        for cells in reader:
            number, start = start, reader.line_num + 1
            if not any(cell.strip() for cell in cells):
                continue
            if places is None:
                places = _places(cells, number)
                if _is_header(cells, places):
                    continue
            reference, amount = (cells[place] if place < len(cells) else "" for place in places)
            yield number, reference, amount
    except csv.Error as error:
        raise invalid((f"line {reader.line_num}", f"is not CSV: {error}")) from error


def _delimiter(text: str) -> str:
    """The most frequent delimiter in the first line."""
    first = next(line for line in text.splitlines() if line.strip())
    outside = re.sub(r'"[^"]*"', "", first)
    return max(DELIMITERS, key=outside.count)


def _plain_name(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _places(cells: Sequence[str], number: int) -> tuple[int, int]:
    """The columns of reference and amount."""
    if len(cells) == 2 and not any(_plain_name(cell) in (*REFERENCES, *AMOUNTS) for cell in cells):
        return 0, 1  # a list without a header
    return _place(cells, EXACT[0], REFERENCES, number), _place(cells, EXACT[1], AMOUNTS, number)


def _place(cells: Sequence[str], exact: str, names: Sequence[str], number: int) -> int:
    stripped = [cell.strip() for cell in cells]
    found = [at for at, name in enumerate(stripped) if name == exact]
    found = found or [at for at, name in enumerate(stripped) if _plain_name(name) in names]
    if len(found) == 1:
        return found[0]
    if found:
        listed = ", ".join(stripped[at][:40] for at in found)
        raise invalid((f"line {number}", f"any of {listed} could be the {exact}: name one column {exact}"))
    raise invalid((f"line {number}", f"no column is named {exact}: the first line must name the columns"))


def _is_header(cells: Sequence[str], places: tuple[int, int]) -> bool:
    """Whether a line is a header: its amount has no digit."""
    return not any(character.isdigit() for character in cells[places[1]])


def _json_rows(text: str) -> Iterator[Row]:
    """The objects of an array, of an object with one array, or one per line."""
    try:
        value = parse(text.encode("utf-8", "replace"))
    except JsonError as whole:
        yield from _json_lines(text, whole)
        return
    if isinstance(value, dict):
        lists = [item for item in value.values() if isinstance(item, list)]
        value = lists[0] if len(lists) == 1 else [value]
    for number, item in enumerate(value, 1):
        yield (number, *_fields(item, number))


def _json_lines(text: str, whole: JsonError) -> Iterator[Row]:
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                item = parse(line.encode("utf-8", "replace"))
            except JsonError as error:
                problem = whole if text.lstrip().startswith("[") else error
                raise invalid((f"line {number}", str(problem).replace("the body", "the list"))) from error
            yield (number, *_fields(item, number))


def _fields(item: Any, number: int) -> tuple[Any, Any]:
    if not isinstance(item, dict):
        raise invalid((f"line {number}", "is not a JSON object with a referenceId and a delta"))
    names = list(item)
    reference = names[_place(names, EXACT[0], REFERENCES, number)]
    amount = names[_place(names, EXACT[1], AMOUNTS, number)]
    return item[reference], item[amount]
