"""Tables of request fields: how to read each; one reply names every problem."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..domain.amounts import AmountError, parse_balance, parse_delta
from ..domain.exact_json import JsonError, Number, text_of
from ..domain.instants import InstantError, parse_instant, parse_period
from ..service.base.errors import ServiceError, invalid
from ..service.base.limits import MAX_METADATA_BYTES
from ..service.receipts.reader_words import is_locale, locales, near, zones


class Problem(ValueError):
    """Why a field is invalid."""


@dataclass(frozen=True)
class Field:
    """How to read one field. `schema` is its JSON Schema; null counts as absent for an optional field."""

    read: Callable[[Any], Any]
    required: bool = False
    schema: Mapping[str, Any] = field(default_factory=dict)

    def like(self, example: Any) -> Field:
        """The same field with an example."""
        return Field(self.read, self.required, {**self.schema, "examples": [example]})

    def meaning(self, says: str) -> Field:
        """The same field with another description."""
        return Field(self.read, self.required, {**self.schema, "description": says})


Table = Mapping[str, Field]
MAX_PROBLEMS, MAX_NAME_CHARS = 100, 80


def parse_fields(table: Table, given: Any) -> dict[str, Any]:
    """The given fields, read. Raises a plain 400 with every problem, or about the first hundred of them."""
    if not isinstance(given, dict):
        raise invalid(("body", "must be a JSON object"))
    values: dict[str, Any] = {}
    problems: list[tuple[str, str]] = []
    for name, value in given.items():
        if len(problems) >= MAX_PROBLEMS:
            break
        known = table.get(name)
        if known is None:
            problems.append((name[:MAX_NAME_CHARS], _unknown(name, table)))
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
    near = difflib.get_close_matches(name, table, 1, 0.6) if len(name) <= MAX_NAME_CHARS else []
    return f"is not a field of this request{f'; did you mean {near[0]}?' if near else ''}"


_LOCALE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*")

# For stored text: PostgreSQL accepts every character except this one.
NO_NUL = (r"[^\u0000]*", "must not hold U+0000")


def text(max_chars: int, pattern: str | None = None, hint: str = "", says: str = "") -> Field:
    """A non-empty string."""
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
    return Field(read, schema=_said(schema | ({"pattern": f"^(?:{pattern})$"} if pattern else {}), says))


def _said(schema: dict[str, Any], says: str) -> dict[str, Any]:
    return schema | ({"description": says} if says else {})


def choice(*options: str, says: str = "") -> Field:
    """One of several strings."""

    def read(value: Any) -> str:
        if value not in options or type(value) is not str:
            raise Problem(f"must be one of {', '.join(options)}")
        return value

    return Field(read, schema=_said({"type": "string", "enum": list(options)}, says))


def period(says: str = "") -> Field:
    """A UTC calendar month."""

    def read(value: Any) -> str:
        if type(value) is not str:
            raise Problem("must be a string")
        try:
            return parse_period(value)
        except InstantError as error:
            raise Problem(str(error)) from error

    return Field(read, schema=_said({"type": "string", "pattern": "^[0-9]{4}-(0[1-9]|1[0-2])$"}, says))


def timezone(says: str = "") -> Field:
    """An IANA time zone."""

    def read(value: Any) -> str:
        if type(value) is not str or value not in zones():
            hint = near(value[:64], zones()) if type(value) is str else ""
            raise Problem(f"must be an IANA time zone such as UTC or America/Los_Angeles{hint}")
        return value

    return Field(read, schema=_said({"type": "string", "maxLength": 64}, says))


def locale(says: str = "") -> Field:
    """A language tag with known number and date formats."""

    def read(value: Any) -> str:
        if type(value) is not str or not _LOCALE.fullmatch(value) or not is_locale(value):
            hint = near(value[:35], locales()) if type(value) is str else ""
            raise Problem(f"must be a language tag such as en-US or de-DE{hint}")
        return value

    return Field(
        read, schema=_said({"type": "string", "minLength": 1, "maxLength": 35, "pattern": f"^{_LOCALE.pattern}$"}, says)
    )


def flag(says: str = "") -> Field:
    """true or false."""

    def read(value: Any) -> bool:
        if type(value) is not bool:
            raise Problem("must be true or false")
        return value

    return Field(read, schema=_said({"type": "boolean"}, says))


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
    says = "The amount to record: not 0, at most 9 digits after the point."
    bounds = {"minimum": -1_000_000_000, "maximum": 1_000_000_000, "not": {"const": 0}}
    return _number(parse_delta, {"type": "number", **bounds, "description": says})


def balance_amount(says: str = "") -> Field:
    """A balance, in units of 10^-9."""
    return _number(parse_balance, _said({"type": "number"}, says))


def instant(allow_date: bool = False, says: str = "") -> Field:
    """An ISO 8601 instant, in microseconds."""

    def read(value: Any) -> int:
        if type(value) is not str:
            raise Problem("must be a string")
        try:
            return parse_instant(value, allow_date)
        except InstantError as error:
            raise Problem(str(error)) from error

    return Field(read, schema=_said({"type": "string", "format": "date-time"}, says))


def whole_number(least: int, most: int, says: str = "") -> Field:
    """A whole number."""

    def read(value: Any) -> int:
        if not isinstance(value, Number) or not re.fullmatch(r"-?[0-9]{1,12}", value):
            raise Problem(f"must be a whole number from {least} to {most}")
        if not least <= int(value) <= most:
            raise Problem(f"must be from {least} to {most}, is {value}")
        return int(value)

    return Field(read, schema=_said({"type": "integer", "minimum": least, "maximum": most}, says))


def from_query(known: Field) -> Field:
    """A number field as a query parameter."""
    return Field(lambda value: known.read(Number(value)), known.required, known.schema)


def metadata() -> Field:
    """An object, as canonical JSON text for storage and hashing."""

    def read(value: Any) -> str:
        if not isinstance(value, dict):
            raise Problem("must be an object or null")
        try:
            encoded = text_of(value)
        except JsonError as error:
            raise Problem(str(error)) from error
        size = len(encoded.encode())
        if size > MAX_METADATA_BYTES:
            raise Problem(f"is {size} bytes as canonical JSON; the limit is {MAX_METADATA_BYTES}")
        return encoded

    says = f"The vendor's own data, at most {MAX_METADATA_BYTES:,} bytes as canonical JSON."
    return Field(read, schema={"type": "object", "additionalProperties": True, "description": says})


def object_schema(table: Table) -> dict[str, Any]:
    """The JSON Schema of a table's object; an optional field may be null."""
    properties = {
        name: dict(known.schema) if known.required else _or_null(known.schema) for name, known in table.items()
    }
    required = [name for name, known in table.items() if known.required]
    schema = {"type": "object", "properties": properties, "additionalProperties": False}
    return schema | ({"required": required} if required else {})


def example_of(schema: Mapping[str, Any]) -> Any:
    """An example value from a schema's examples; None if it has none."""
    if "examples" in schema:
        return schema["examples"][0]
    if "anyOf" in schema:
        return example_of(schema["anyOf"][0])
    if schema.get("type") == "array":
        item = example_of(schema["items"])
        return None if item is None else [item]
    if "properties" in schema:
        made = {name: example_of(part) for name, part in schema["properties"].items()}
        return {name: value for name, value in made.items() if value is not None} or None
    return None


def _or_null(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"anyOf": [dict(schema), {"type": "null"}]} if schema.get("type") != "null" else dict(schema)


def nested(table: Table, says: str = "") -> Field:
    """An object with its own table."""

    def read(value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise Problem("must be a JSON object")
        return parse_fields(table, value)

    return Field(read, schema=_said(object_schema(table), says))


def items(known: Field, most: int, says: str = "", least: int = 0) -> Field:
    """An array; a problem names the position."""

    def read(value: Any) -> list[Any]:
        if not isinstance(value, list):
            raise Problem("must be an array")
        if len(value) < least:
            raise Problem(f"must have at least {least} item{'' if least == 1 else 's'}")
        if len(value) > most:
            raise Problem(f"has {len(value)} items; the limit is {most}")
        read_items = []
        for index, item in enumerate(value):
            try:
                read_items.append(known.read(item))
            except Problem as problem:
                raise Problem(f"[{index}]: {problem}") from problem
            except ServiceError as error:
                raise invalid(*((f"[{index}].{d['field']}", d["problem"]) for d in error.extra["details"])) from error
        return read_items

    schema: dict[str, Any] = {"type": "array", "items": dict(known.schema), "maxItems": most}
    return Field(read, schema=_said(schema | ({"minItems": least} if least else {}), says))


def later(table: Table) -> Field:
    """An object to be read later, separately from the others."""
    return Field(lambda value: value, schema=object_schema(table))


def unsupported() -> Field:
    """A field of the hosted API that this server does not support: absent or null only."""

    def read(value: Any) -> Any:
        raise Problem("is not supported by this server: omit it")

    return Field(read, schema={"type": "null", "description": "Not supported by this server: omit it."})


def required(known: Field) -> Field:
    return Field(known.read, True, known.schema)
