"""Data of pages that no API route returns."""

from typing import TypedDict

from .customers import ActivityItem, CustomerRow
from .receipts import ListedCheckpoint
from .shapes import Amount, Instant, Month
from .webhooks import Endpoint


class Day(TypedDict):
    """The number of deltas posted to a day."""

    day: str
    count: int


class UnitTotal(TypedDict):
    """The total over the customers with one unit."""

    unit: str | None
    total: Amount
    customers: int
    deltas: int


class MonthBefore(TypedDict):
    """The month to close next."""

    period: Month
    customers: int
    deltas: int
    locked: int
    endedSecondsAgo: int


class Overview(TypedDict):
    """An environment at a glance."""

    now: Instant
    clockHeld: bool
    period: Month
    customers: int
    activeCustomers: int
    deltas: int
    days: list[Day]
    units: list[UnitTotal]
    waitingMonths: int
    waitingDeltas: int
    logSize: int
    publishedAt: Instant | None
    before: MonthBefore


class ListedCustomers(TypedDict):
    """Customers with their totals of `period`; `next` is the cursor of the next page, null on the last."""

    customers: list[CustomerRow]
    period: Month
    next: str | None


class DeltasBefore(TypedDict):
    """A customer's deltas, newest first; `next` is the place of the next page, null on the last."""

    deltas: list[ActivityItem]
    next: int | None


class ListedCheckpoints(TypedDict):
    """Checkpoints with links to their receipts; `next` is the place of the next page, null on the last."""

    checkpoints: list[ListedCheckpoint]
    next: str | None


class EndpointHealth(TypedDict):
    """The state of deliveries. `waiting` counts at most 10,000 per endpoint."""

    endpoints: int
    waiting: int
    failing: list[Endpoint]
    switchedOff: list[Endpoint]
