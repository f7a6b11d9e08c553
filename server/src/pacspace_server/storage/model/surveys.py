"""What pages show of an environment as a whole: sums over its customers, and lists that go on after their last row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from ...domain import enumerations
from .records import Checkpoint, Customer, Job, Profile


@dataclass(frozen=True)
class UnitTotal:
    """What customers of one unit recorded in a month. `total` is in units of 10^-9."""

    unit: str | None
    total: int
    customers: int
    deltas: int


@dataclass(frozen=True)
class CustomerList:
    """Which customers a list shows: in order of their customerId (`id`), of what they are called (`name`: their display
    name in one case, else their customerId), or the one recorded last first (`recent`).

    `after` is the place of the last customer before: what it is sorted by, and its customerId.
    """

    environment_id: int
    search: str | None
    sort: str
    after: Sequence[int | str]
    limit: int
    offset: int = 0


@dataclass
class CustomerRow:
    """A customer as lists show one. `place` is what it is sorted by; `total` and `deltas` are those of the months asked for."""

    customer: Customer
    profile: Profile | None
    policy: enumerations.SharingHint | None  # of its link
    first_recorded_at: int | None
    last_recorded_at: int | None
    checkpoint_id: str | None  # the latest one
    place: int | str
    total: int = 0
    deltas: int = 0


class SurveyReads(Protocol):
    """What a snapshot tells of an environment as a whole."""

    def posted_by_day(self, environment_id: int, first_day: int, end_day: int) -> list[tuple[int, int]]:
        """How many deltas were posted to each day that has some, in order."""
        ...

    def totals_by_unit(self, environment_id: int, period: str) -> list[UnitTotal]:
        """A month's sums, apart for each unit, in order of the unit; customers without one come first."""
        ...

    def customer_rows(self, wanted: CustomerList, first: str, last: str) -> list[CustomerRow]:
        """Customers with what they have in the months from first to last."""
        ...

    def customer_row(self, customer: Customer, first: str, last: str) -> CustomerRow: ...
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
