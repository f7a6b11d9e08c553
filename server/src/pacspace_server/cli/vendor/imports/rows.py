"""Reading a file of deltas: CSV or JSON lines, row by row, in bounded memory."""

from __future__ import annotations

import csv
import difflib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from ....domain.amounts import AmountError, parse_balance, parse_delta
from ....domain.exact_json import JsonError, Number, parse, text_of
from ...output import WrongUse

FIELDS = (
    "customerId", "delta", "reason", "referenceId", "metadata", "occurredAt", "adjusts.recordId", "adjusts.referenceId",
)  # fmt: skip
REQUIRED = ("customerId", "delta", "reason")
REJECTED = ("rejected.line", "rejected.reason", "rejected.text")  # of a file of rejected rows: ignored
EXPORTED = (
    "recordId", "receiptId", "contentHash", "sequenceNumber", "period", "postedAt", "recordedAt",
    "latePosting", "status",
)  # fmt: skip
FORMATS = ("csv", "jsonl")
MAX_LINE_BYTES = 1 << 20
EMPTY = "the file is empty"


@dataclass(slots=True)
class Row:
    """One row. `item` is the delta to send, `body` its JSON; `problem` says why it can't be sent."""

    line: int
    item: dict[str, Any]
    body: bytes
    problem: str | None = None
    text: str | None = None  # the source, if `item` is not all of it
    end_bytes: int = 0


@dataclass
class Lines:
    """A file's lines as text. `taken` collects them until cleared; `number` and `end_bytes` are the position."""

    file: BinaryIO
    number: int = 0
    end_bytes: int = 0
    taken: list[str] = field(default_factory=list)

    def __iter__(self) -> Iterator[str]:
        while raw := self.file.readline(MAX_LINE_BYTES + 1):
            self.number += 1
            self.end_bytes += len(raw)
            if len(raw) > MAX_LINE_BYTES:
                raise WrongUse(f"line {self.number} is longer than {MAX_LINE_BYTES} bytes: is this a file of deltas?")
            if self.number == 1:
                raw = _without_mark(raw)
            text = raw.decode("utf-8", "surrogateescape")
            self.taken.append(text)
            yield text


def _without_mark(raw: bytes) -> bytes:
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise WrongUse("the file is UTF-16; save it as UTF-8")
    return raw.removeprefix(b"\xef\xbb\xbf")


def format_of(name: str) -> str:
    """The format by a file's name. Raises WrongUse."""
    suffix = Path(name).suffix.lower().removeprefix(".")
    if suffix in FORMATS:
        return suffix
    raise WrongUse(f"{name}: the name ends in neither .csv nor .jsonl; use --format")


def read_rows(file: BinaryIO, form: str) -> Iterator[Row]:
    """The rows of a file, without blank lines. Raises WrongUse for unknown columns."""
    lines = Lines(file)
    for row in (_csv_rows if form == "csv" else _json_rows)(lines):
        row.end_bytes = lines.end_bytes
        yield row


def check_columns(columns: Sequence[str]) -> None:
    """Raises WrongUse with every unknown column and the nearest known one, every repeated and every missing column."""
    problems = [_unknown(name) for name in columns if not _is_known(name)]
    problems += [f"the column {name} is repeated" for name in dict.fromkeys(columns) if list(columns).count(name) > 1]
    problems += [f"there is no column {name}" for name in REQUIRED if name not in columns]
    if problems:
        raise WrongUse("nothing was sent: " + "; ".join(problems))


def _is_known(name: str) -> bool:
    return name in FIELDS or name in REJECTED or (name.startswith("metadata.") and name != "metadata.")


def _unknown(name: str) -> str:
    if name in EXPORTED:
        return f"{name} comes from the record (export adds it): remove this column"
    if ";" in name or "\t" in name:
        return f"{name[:80]!r} is not a column: separate the cells by commas"
    near = difflib.get_close_matches(name, FIELDS, 1, 0.6)
    hint = f"did you mean {near[0]}?" if near else f"the columns are {', '.join(FIELDS)}"
    return f"{name[:80]!r} is not a column; {hint}"


def _csv_rows(lines: Lines) -> Iterator[Row]:
    reader = csv.reader(lines, strict=True)
    try:
        header = next((cells for cells in reader if any(cells)), [])
    except csv.Error as error:
        raise WrongUse(f"line 1 is not CSV: {error}") from error
    if not header:
        raise WrongUse(EMPTY)
    check_columns(header)
    while True:
        lines.taken.clear()
        line = lines.number + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield _unreadable(line, lines, f"not CSV: {error}")
            continue
        if not any(cells):
            continue
        if len(cells) == len(header):
            yield _csv_row(line, lines, dict(zip(header, cells, strict=True)))
        else:
            yield _unreadable(line, lines, f"has {len(cells)} cells, the first line has {len(header)}")


def _csv_row(line: int, lines: Lines, cells: dict[str, str]) -> Row:
    item: dict[str, Any] = {}
    adjusts: dict[str, str] = {}
    metadata: dict[str, str] = {}
    for name, cell in cells.items():
        if not cell or name.startswith("rejected."):
            continue
        if name.startswith("metadata."):
            metadata[name.removeprefix("metadata.")] = cell
        elif name.startswith("adjusts."):
            adjusts[name.removeprefix("adjusts.")] = cell
        else:
            item[name] = cell
    if adjusts:
        item["adjusts"] = adjusts
    try:
        if "delta" in item:
            parse_delta(item["delta"])
            item["delta"] = Number(item["delta"])
        if metadata or "metadata" in item:
            item["metadata"] = _metadata(item.get("metadata", "{}"), metadata)
    except AmountError as error:
        return _unreadable(line, lines, f"delta: {error}", item)
    except JsonError as error:
        return _unreadable(line, lines, f"metadata: {str(error).replace('the body', 'it')}", item)
    return _row(line, lines, item, cells.get("rejected.text"))


def _metadata(text: str, columns: dict[str, str]) -> dict[str, Any]:
    value = parse(text.encode("utf-8", "surrogateescape"))
    if not isinstance(value, dict):
        raise JsonError("must be a JSON object")
    if both := value.keys() & columns.keys():
        raise JsonError(f"{min(both)} is also in a separate column")
    return value | columns


def _json_rows(lines: Lines) -> Iterator[Row]:
    first = True
    for text in lines:
        if not text.isspace():
            row = _json_row(lines, text)
            if first and not row.problem:
                check_columns([*_flat(row.item), *(name for name in REQUIRED if name not in row.item)])
            first = False
            yield row
        lines.taken.clear()
    if first:
        raise WrongUse(EMPTY)


def _json_row(lines: Lines, text: str) -> Row:
    try:
        value = parse(text.encode("utf-8", "surrogateescape"))
    except JsonError as error:
        return _unreadable(lines.number, lines, str(error).replace("the body", "the line"))
    if not isinstance(value, dict):
        return _unreadable(lines.number, lines, "the line is not a JSON object")
    rejected = value.pop("rejected", None)
    earlier = rejected.get("text") if isinstance(rejected, dict) else None
    return _row(lines.number, lines, {n: v for n, v in value.items() if v is not None}, earlier)


def _flat(item: dict[str, Any]) -> list[str]:
    """The columns that a JSON object would have in CSV."""
    adjusts = item.get("adjusts")
    inner = [f"adjusts.{name}" for name in adjusts] if isinstance(adjusts, dict) else []
    return [name for name in item if name != "adjusts"] + inner


def _row(line: int, lines: Lines, item: dict[str, Any], text: str | None) -> Row:
    adjusts = item.get("adjusts")
    if isinstance(adjusts, dict) and len(adjusts) != 1:
        return _unreadable(line, lines, "adjusts: must name exactly one of recordId and referenceId", item)
    try:
        return Row(line, item, text_of(item).encode(), text=text or None)
    except UnicodeEncodeError:
        return _unreadable(line, lines, "the line is not UTF-8")
    except JsonError as error:
        return _unreadable(line, lines, str(error))


def _unreadable(line: int, lines: Lines, problem: str, item: dict[str, Any] | None = None) -> Row:
    source = "".join(lines.taken).rstrip("\r\n").encode("utf-8", "surrogateescape")
    return Row(line, item or {}, source, problem, source.decode("utf-8", "backslashreplace"))


def read_entries(path: str) -> list[dict[str, Any]]:
    """The referenceId and delta of each row of the other side's file. Raises WrongUse."""
    entries = []
    with open(path, "rb") as file:
        lines = Lines(file)
        try:
            rows = csv.DictReader(lines, strict=True) if format_of(path) == "csv" else map(_entry, lines)
            for row in rows:
                entry = {"referenceId": row["referenceId"], "delta": Number(row["delta"])}
                parse_balance(entry["delta"])
                entries.append(entry)
        except KeyError as error:
            raise WrongUse(f"{path}, line {lines.number}: there is no {error.args[0]}") from error
        except (ValueError, TypeError, csv.Error) as error:
            raise WrongUse(f"{path}, line {lines.number}: {error}") from error
    return entries


def _entry(text: str) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(text, parse_int=Number, parse_float=Number)
    return value
