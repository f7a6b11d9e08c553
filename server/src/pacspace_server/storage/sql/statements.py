"""The base of a shared query; each engine has its own dialect.

A text has ? for its values, and $words where the engines differ. An engine translates it once, at its first use.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from ..model.records import Customer, Key
from .checking import Checking

Values = Sequence[Any]


@dataclass(frozen=True)
class Dialect:
    """How an engine converts values to ours, and back."""

    customer_of: Callable[[Any], Customer]
    units: Callable[[Any], int]  # of a stored amount
    stored: Callable[[int], Any]  # an amount as it is stored
    plain: Callable[[str], str]  # text to look for, as the engine takes it
    numbers: Callable[[Sequence[int]], Any]  # the value of an $among or $each
    texts: Callable[[Sequence[str]], Any]
    keys: Callable[[Sequence[Key]], Any]  # of customers


class Statements(Checking):
    """Statements on one connection in one transaction."""

    dialect: ClassVar[Dialect]
    # Lets another unit find out whether this one was committed, when its own commit failed without an answer.
    # None: repeating the work changes nothing.
    was_written: Callable[[Any], bool] | None = None

    def _customer_of(self, row: Any) -> Customer:
        return self._sound(self._read("customer", self.dialect.customer_of, row))

    def _all(self, sql: str, values: Values = ()) -> list[Any]:
        raise NotImplementedError

    def _one(self, sql: str, values: Values = ()) -> Any:
        raise NotImplementedError

    def _run(self, sql: str, *values: Any) -> int:
        """Returns the number of changed rows."""
        raise NotImplementedError
