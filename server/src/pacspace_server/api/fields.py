"""Tables of request fields: how each is read, and every problem named at once."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..domain.amounts import AmountError, parse_balance, parse_delta
from ..domain.exact_json import JsonError, Number, text_of
from ..domain.instants import InstantError, parse_instant
from ..service.errors import ServiceError, invalid
from ..service.limits import MAX_METADATA_BYTES


class Problem(ValueError):
    """Why a field can't be taken."""


@dataclass(frozen=True)
class Field:
    """How one field is read. `schema` is its JSON Schema; null counts as absent for a field that is not required."""

    read: Callable[[Any], Any]
    required: bool = False
    schema: Mapping[str, Any] = field(default_factory=dict)


Table = Mapping[str, Field]


def parse_fields(table: Table, given: Any) -> dict[str, Any]:
    """The fields that are there, read. Raises a plain 400 with every problem."""
    if not isinstance(given, dict):
        raise invalid(("body", "must be a JSON object"))
    values: dict[str, Any] = {}
    problems: list[tuple[str, str]] = []
    for name, value in given.items():
        known = table.get(name)
        if known is None:
            problems.append((name[:80], _unknown(name, table)))
        elif value is not None:
            try:
                values[name] = known.read(value)
            except Problem as problem:
                problems.append((name, str(problem)))
            except ServiceError as error:
                problems += [(f"{name}.{d['field']}", d["problem"]) for d in error.extra["details"]]
    for name, known in table.items():
        if known.required and given.get(name) is None:
            problems.append((name, "is required"))
    if problems:
        raise invalid(*problems)
    return values


def _unknown(name: str, table: Table) -> str:
    near = difflib.get_close_matches(name, table, 1, 0.6)
    return f"is not a field of this request{f'; did you mean {near[0]}?' if near else ''}"


def text(max_chars: int, pattern: str | None = None, hint: str = "") -> Field:
    """A string that is not empty."""
    matches = re.compile(pattern).fullmatch if pattern else None

    def read(value: Any) -> str:
        if type(value) is not str:
            raise Problem("must be a string")
        if not 0 < len(value) <= max_chars:
            raise Problem(f"must have 1 to {max_chars} characters, has {len(value)}")
        if matches and not matches(value):
            raise Problem(hint)
        return value

    schema: dict[str, Any] = {"type": "string", "minLength": 1, "maxLength": max_chars}
    return Field(read, schema=schema | ({"pattern": f"^(?:{pattern})$"} if pattern else {}))


def choice(*options: str) -> Field:
    """One of a few words."""

    def read(value: Any) -> str:
        if value not in options or type(value) is not str:
            raise Problem(f"must be one of {', '.join(options)}")
        return value

    return Field(read, schema={"type": "string", "enum": list(options)})


def _number(parse: Callable[[str], int], schema: Mapping[str, Any]) -> Field:
    def read(value: Any) -> int:
        if not isinstance(value, Number):
            raise Problem(f"must be a JSON number, not {_kind(value)}")
        try:
            return parse(value)
        except AmountError as error:
            raise Problem(str(error)) from error

    return Field(read, schema=schema)


def _kind(value: Any) -> str:
    kinds = {str: "a string", bool: "true or false", list: "an array", dict: "an object"}
    return kinds.get(type(value), "null")


def delta_amount() -> Field:
    """An amount to record, in units of 10^-9."""
    return _number(
        parse_delta, {"type": "number", "minimum": -1_000_000_000, "maximum": 1_000_000_000, "not": {"const": 0}}
    )


def balance_amount() -> Field:
    """A balance, in units of 10^-9."""
    return _number(parse_balance, {"type": "number"})


def instant(allow_date: bool = False) -> Field:
    """An ISO 8601 instant, in microseconds."""

    def read(value: Any) -> int:
        if type(value) is not str:
            raise Problem("must be a string")
        try:
            return parse_instant(value, allow_date)
        except InstantError as error:
            raise Problem(str(error)) from error

    return Field(read, schema={"type": "string", "format": "date-time"})


def whole_number(least: int, most: int) -> Field:
    """A whole number."""

    def read(value: Any) -> int:
        if not isinstance(value, Number) or not re.fullmatch(r"-?[0-9]{1,12}", value):
            raise Problem(f"must be a whole number from {least} to {most}")
        if not least <= int(value) <= most:
            raise Problem(f"must be from {least} to {most}, is {value}")
        return int(value)

    return Field(read, schema={"type": "integer", "minimum": least, "maximum": most})


def from_query(known: Field) -> Field:
    """A number field as a query parameter."""
    return Field(lambda value: known.read(Number(value)), known.required, known.schema)


def metadata() -> Field:
    """An object, as the one JSON text that is stored and hashed."""

    def read(value: Any) -> str:
        if not isinstance(value, dict):
            raise Problem("must be an object or null")
        try:
            encoded = text_of(value)
        except JsonError as error:
            raise Problem(str(error)) from error
        size = len(encoded.encode())
        if size > MAX_METADATA_BYTES:
            raise Problem(f"is {size} bytes as canonical JSON, at most {MAX_METADATA_BYTES} are taken")
        return encoded

    return Field(read, schema={"type": "object", "additionalProperties": True})


def nested(table: Table) -> Field:
    """An object with a table of its own."""
    properties = {name: dict(known.schema) for name, known in table.items()}
    schema = {"type": "object", "properties": properties, "additionalProperties": False}
    return Field(lambda value: parse_fields(table, value), schema=schema)


def items(known: Field, most: int) -> Field:
    """An array; a problem names the position."""

    def read(value: Any) -> list[Any]:
        if not isinstance(value, list):
            raise Problem("must be an array")
        if len(value) > most:
            raise Problem(f"has {len(value)} items, at most {most} are taken")
        read_items = []
        for index, item in enumerate(value):
            try:
                read_items.append(known.read(item))
            except Problem as problem:
                raise Problem(f"[{index}]: {problem}") from problem
        return read_items

    return Field(read, schema={"type": "array", "items": dict(known.schema), "maxItems": most})


def anything() -> Field:
    """Read by someone else."""
    return Field(lambda value: value)


def unsupported() -> Field:
    """A field of the hosted interface that this server does not have: absent or null only."""

    def read(value: Any) -> Any:
        raise Problem("is not supported by this server: leave it out")

    return Field(read, schema={"type": "null"})


def required(known: Field) -> Field:
    return Field(known.read, True, known.schema)
