"""What a shared query reads and writes with; each engine has its own.

A text has ? for its values, and $words where the engines differ. An engine spells it once, at its first use.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from ..model.records import Customer, Key

Values = Sequence[Any]


@dataclass(frozen=True)
class Dialect:
    """How an engine's values become ours, and the other way round."""

    customer_of: Callable[[Any], Customer]
    units: Callable[[Any], int]  # of a stored amount
    stored: Callable[[int], Any]  # an amount as it is stored
    plain: Callable[[str], str]  # text to look for, as the engine takes it
    numbers: Callable[[Sequence[int]], Any]  # the one value of an $among or $each
    texts: Callable[[Sequence[str]], Any]
    keys: Callable[[Sequence[Key]], Any]  # of customers


class Statements:
    """Statements on one connection inside one transaction."""

    dialect: ClassVar[Dialect]
    secret: bytes
    # How another unit finds out whether this one was committed, should that stay unknown, as it may behind a network.
    # None: doing it all again changes nothing.
    was_written: Callable[[Any], bool] | None = None

    def _all(self, sql: str, values: Values = ()) -> list[Any]:
        raise NotImplementedError

    def _one(self, sql: str, values: Values = ()) -> Any:
        raise NotImplementedError

    def _run(self, sql: str, *values: Any) -> int:
        """How many rows it changed."""
        raise NotImplementedError
