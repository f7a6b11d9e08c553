"""What commands print: text for people, one JSON document for scripts."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict
from decimal import Decimal
from typing import Any, NoReturn

import click

from .. import exit_status

MAX_DIGITS = 60  # only numbers in metadata have more


class WrongUse(Exception):
    """Unusable arguments; the message says what is wrong and what to use instead."""


class Output:
    """Tables for people, one JSON document for scripts."""

    def __init__(self, as_json: bool) -> None:
        self.as_json = as_json

    def show(self, value: Any, text: str) -> None:
        click.echo(json_text(value, indent=2) if self.as_json else text)

    def say(self, message: str) -> None:
        """Prints a message to stderr."""
        click.echo(message, err=True)

    def fail(self, message: str, code: int = exit_status.NOT_DONE) -> NoReturn:
        fail(message, code)


def fail(message: str, code: int, details: Sequence[str] = ()) -> NoReturn:
    """Prints a message to stderr, with one line per detail, and ends the command."""
    click.echo("\n".join([f"pacspace: {message}", *(f"  {line}" for line in details)]), err=True)
    sys.exit(code)


def in_json(value: Any) -> dict[str, Any]:
    """A dataclass as JSON, with names in camelCase."""
    return {_camel(name): item for name, item in asdict(value).items()}


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(map(str.capitalize, rest))


def json_text(value: Any, indent: int | None = None) -> str:
    """JSON with exact numbers: a Decimal becomes a number with the same digits."""
    import msgspec

    data = msgspec.json.encode(_exact(value))
    return (data if indent is None else msgspec.json.format(data, indent=indent)).decode()


def _exact(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _exact(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_exact(item) for item in value]
    if isinstance(value, Decimal):
        import msgspec

        return msgspec.Raw(amount(value).encode())
    return value


def amount(value: int | Decimal) -> str:
    """A number's text, without an exponent: -42.5 or 0.000000001."""
    return f"{value:f}" if isinstance(value, Decimal) and abs(value.adjusted()) < MAX_DIGITS else str(value)


def counted(number: int, one: str, many: str | None = None) -> str:
    """1 delta, 2 deltas, 1,000 log entries."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def fields(pairs: Sequence[tuple[str, Any]]) -> str:
    """One line per field that has a value, in two columns."""
    shown = [(name, value) for name, value in pairs if value is not None]
    width = max((len(name) for name, _ in shown), default=0)
    return "\n".join(f"  {name:<{width}}  {value}" for name, value in shown)


def table(columns: Sequence[str], rows: Sequence[Sequence[Any]], numbers: Sequence[str] = ()) -> str:
    """A table for people, never wrapped; the columns in `numbers` are right-aligned."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    drawn = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        drawn.add_column(column, justify="right" if column in numbers else "left", no_wrap=True)
    for row in rows:
        drawn.add_row(*(Text(_cell(value)) for value in row))
    console = Console(width=10_000, color_system="standard" if sys.stdout.isatty() else None)
    with console.capture() as captured:
        console.print(drawn)
    return "\n".join(line.rstrip() for line in captured.get().splitlines())


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return amount(value) if isinstance(value, int | Decimal) else str(value)
