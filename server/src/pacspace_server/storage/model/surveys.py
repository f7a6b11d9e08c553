"""What pages show of an environment as a whole: sums over its customers, and lists that go on after their last row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from .records import Checkpoint, Customer, Job


@dataclass(frozen=True)
class UnitTotal:
    """What customers of one unit recorded in a month. `total` is in units of 10^-9."""

    unit: str | None
    total: int
    customers: int
    deltas: int


class SurveyReads(Protocol):
    """What a snapshot tells of an environment as a whole."""

    def posted_by_day(self, environment_id: int, first_day: int, end_day: int) -> list[tuple[int, int]]:
        """How many deltas were posted to each day that has some, in order."""
        ...

    def totals_by_unit(self, environment_id: int, period: str) -> list[UnitTotal]:
        """A month's sums, apart for each unit, in order of the unit; customers without one come first."""
        ...

    def customers_after_name(
        self, environment_id: int, search: str | None, after: Sequence[str], limit: int
    ) -> list[tuple[Customer, str]]:
        """Customers with the name they are ordered by (their display name in one case, else their customerId), after a
        name and a customerId if both are given."""
        ...

    def customers_after_activity(
        self, environment_id: int, search: str | None, after: Sequence[int | str], limit: int
    ) -> list[Customer]:
        """Customers, who recorded last first; after an instant and a customerId if both are given."""
        ...

    def checkpoints_after(
        self,
        environment_id: int,
        customer: Customer | None,
        period: str | None,
        last: Checkpoint | None,
        limit: int,
    ) -> list[Checkpoint]:
        """Checkpoints, newest first, from the one after `last`; only a month's locks if a period is given."""
        ...

    def recent_jobs(self, environment_id: int, limit: int) -> list[Job]:
        """The jobs that were started last."""
        ...
