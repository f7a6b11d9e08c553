"""What fsck found."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

T = TypeVar("T")
# A damaged row may not even be readable as what it was.
UNREADABLE = (ValueError, TypeError, LookupError, OverflowError)


@dataclass
class Findings:
    """Every difference, with its place; and how much was looked at."""

    problems: list[str] = field(default_factory=list)
    customers: int = 0
    deltas: int = 0
    log_entries: int = 0
    log_checkpoints: int = 0

    def same(self, where: str, found: T, stored: T, spell: Callable[[T], object] = lambda value: value) -> None:
        """A difference, if there is one; `spell` gives what is shown of a value."""
        if found != stored:
            self.add(where, f"recomputed {shown(spell(found))}, stored {shown(spell(stored))}")

    def add(self, where: str, problem: str) -> None:
        self.problems.append(f"{where}: {problem}")

    @contextmanager
    def reading(self, where: str) -> Iterator[None]:
        """What can't be read is a finding too."""
        try:
            yield
        except UNREADABLE as error:
            self.add(where, f"a row can't be read: {error}")


def shown(value: object) -> str:
    text = value.hex() if isinstance(value, bytes) else str(value)
    return text if len(text) <= 100 else text[:97] + "..."
