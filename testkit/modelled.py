"""What the model is made of: deltas, scopes, checkpoints, refusals. Instants are texts: they sort as they are."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from .history import next_month, text


class Once:
    """What only the server can say: anything when it is first seen, and the same ever after."""

    value: Any = None

    def __eq__(self, seen: object) -> bool:
        self.value = seen if self.value is None else self.value
        return seen is not None and bool(self.value == seen)

    def __str__(self) -> str:
        return str(self.value)


class Refused(Exception):
    """The rules refuse: status, code, and the field that a plain 400 names or the fields that are in conflict."""

    def __init__(self, status: int, code: str | None = None, field: str | None = None, **named: Any) -> None:
        self.status, self.code, self.field, self.named = status, code, field, named


@dataclass(eq=False)
class Delta:
    customer: str
    sequence: int
    said: dict[str, Any]  # what a retry must repeat
    reference: str | None
    recorded: str
    posted: str
    record_id: Once = field(default_factory=Once)
    receipt_id: Once = field(default_factory=Once)
    content_hash: Once = field(default_factory=Once)

    def __post_init__(self) -> None:
        self.amount: Decimal = self.said["delta"]
        self.happened: str = self.said["occurredAt"] or self.recorded
        self.period, self.late = self.posted[:7], self.posted != self.happened


@dataclass(eq=False)
class Scope:
    """The deltas that are meant, in order; what came before them; the months whose trees it touches."""

    mode: str
    deltas: list[Delta]
    before: Decimal
    trees: list[str]
    start: str | None = None
    end: str | None = None


@dataclass(eq=False)
class Checkpoint:
    customer: str
    scope: Scope
    locked: bool
    root: Once
    created: str
    invoice: str | None = None
    previous: Checkpoint | None = None
    id: Once = field(default_factory=Once)

    def __post_init__(self) -> None:
        self.single = self.scope.mode != "custom" and len(self.scope.trees) == 1
        self.period = self.scope.trees[0] if self.single else None
        self.start = begin(self.scope.trees[0]) if self.scope.mode != "custom" else self.scope.start
        self.end = end_of(self.scope.trees[-1]) if self.scope.mode != "custom" else self.scope.end


def total(deltas: list[Delta]) -> Decimal:
    return sum((d.amount for d in deltas), Decimal(0))


def begin(period: str) -> str:
    return f"{period}-01T00:00:00.000000Z"


def end_of(period: str) -> str:
    return begin(next_month(period))


def shifted(instant: str, by: timedelta = timedelta(0)) -> str:
    """The instant in UTC, later by so much."""
    return text(datetime.fromisoformat(instant) + by)
