"""Views of a whole environment: sums over its customers, and lists that continue after a given row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from ...domain import enumerations
from .records import Checkpoint, Customer, Job, Profile


@dataclass(frozen=True)
class UnitTotal:
    """The sum that customers with one unit recorded in a month; `total` is in units of 10^-9."""

    unit: str | None
    total: int
    customers: int
    deltas: int


@dataclass(frozen=True)
class CustomerList:
    """Which customers a list shows, and its order: by customerId (`id`); by display name, else customerId, regardless
    of case (`name`); or most recently recorded first (`recent`).

    `after` is the place of the last customer on the page before: its sort value and its customerId.
    """

    environment_id: int
    search: str | None
    sort: str
    after: Sequence[int | str]
    limit: int
    offset: int = 0


@dataclass
class CustomerRow:
    """A customer in a list. `place` is the sort value; `total` and `deltas` are those of the requested months."""

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
    """What a snapshot reads of a whole environment."""

    def posted_by_day(self, environment_id: int, first_day: int, end_day: int) -> list[tuple[int, int]]:
        """How many deltas were posted to each day, for days with any, in order."""
        ...

    def totals_by_unit(self, environment_id: int, period: str) -> list[UnitTotal]:
        """A month's sums per unit, in order of the unit; customers without a unit come first."""
        ...

    def customer_rows(self, wanted: CustomerList, first: str, last: str) -> list[CustomerRow]:
        """Customers with their sums of the months from first to last."""
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
        """Checkpoints, newest first, from the one after `last`; only locks of `period` if given."""
        ...

    def recent_jobs(self, environment_id: int, limit: int) -> list[Job]:
        """The jobs that started last."""
        ...
