"""Many rows as one statement's parameters: one binary array per column.

psycopg writes a list as text, value by value, at ten times the cost, and this is the hottest part of a commit.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.adapt import Buffer, Dumper
from psycopg.pq import Format

from ...domain.amounts import amount_text

_HEADER, _ITEM, _NULL = struct.Struct(">iiIii"), struct.Struct(">i").pack, b"\xff\xff\xff\xff"


class _Column:
    """A column's values, each in PostgreSQL's binary form of its type, or None."""

    __slots__ = ("values",)

    def __init__(self, values: list[bytes | None]) -> None:
        self.values = values


def _column_type(name: str, element_oid: int, array_oid: int) -> type[_Column]:
    """A class for one column type, registered with psycopg."""
    column = type(f"{name.capitalize()}Column", (_Column,), {"__slots__": ()})

    class ColumnDumper(Dumper):
        format = Format.BINARY
        oid = array_oid

        def dump(self, obj: _Column) -> Buffer:
            values = obj.values
            parts = [_HEADER.pack(1, 1, element_oid, len(values), 1)]
            for value in values:
                if value is None:
                    parts.append(_NULL)
                else:
                    parts += (_ITEM(len(value)), value)
            return b"".join(parts)

    psycopg.adapters.register_dumper(column, ColumnDumper)
    return column


_BYTEA, _TEXT = _column_type("bytea", 17, 1001), _column_type("text", 25, 1009)
_BIGINT, _INTEGER = _column_type("bigint", 20, 1016), _column_type("integer", 23, 1007)
_BOOLEAN = _column_type("boolean", 16, 1000)
_TYPES: dict[str, tuple[type[_Column], Callable[[Any], bytes], str]] = {
    "bytea": (_BYTEA, bytes, "%s"),
    "text": (_TEXT, str.encode, "%s"),
    "bigint": (_BIGINT, struct.Struct(">q").pack, "%s"),
    "integer": (_INTEGER, _ITEM, "%s"),
    "boolean": (_BOOLEAN, lambda value: b"\x01" if value else b"\x00", "%s"),
    # Units of 10^-9 as a decimal.
    "amount": (_TEXT, lambda units: amount_text(units).encode(), "%s::numeric[]"),
}


@dataclass(frozen=True)
class Many:
    """A statement for many rows. {rows} in its text stands for them; `types` are those of their columns."""

    text: str
    types: str

    @property
    def sql(self) -> str:
        places = ", ".join(_TYPES[name][2] for name in self.types.split())
        return self.text.replace("{rows}", f"unnest({places})")

    def values(self, rows: Sequence[Sequence[Any]]) -> list[Any]:
        """Its parameters."""
        names = self.types.split()
        columns: Iterable[Sequence[Any]] = zip(*rows, strict=True) if rows else [()] * len(names)
        return [column(name, values) for name, values in zip(names, columns, strict=True)]


def column(name: str, values: Sequence[Any]) -> Any:
    """A parameter that is an array of one type."""
    kind, encode, _ = _TYPES[name]
    return kind([None if value is None else encode(value) for value in values])
