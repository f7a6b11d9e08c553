"""The findings of fsck."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

T = TypeVar("T")
# A damaged row may fail to parse.
UNREADABLE = (ValueError, TypeError, LookupError, OverflowError)


@dataclass
class Findings:
    """Every difference with its place, and the number of checked rows."""

    problems: list[str] = field(default_factory=list)
    customers: int = 0
    deltas: int = 0
    log_entries: int = 0
    log_checkpoints: int = 0

    def same(self, where: str, found: T, stored: T, spell: Callable[[T], object] = lambda value: value) -> None:
        """Adds a finding if the values differ; `spell` formats them."""
        if found != stored:
            self.add(where, f"recomputed {shown(spell(found))}, stored {shown(spell(stored))}")

    def add(self, where: str, problem: str) -> None:
        self.problems.append(f"{where}: {problem}")

    @contextmanager
    def reading(self, where: str) -> Iterator[None]:
        """Turns an unreadable row into a finding."""
        try:
            yield
        except UNREADABLE as error:
            self.add(where, f"a row can't be read: {error}")


def shown(value: object) -> str:
    text = value.hex() if isinstance(value, bytes) else str(value)
    return text if len(text) <= 100 else text[:97] + "..."
