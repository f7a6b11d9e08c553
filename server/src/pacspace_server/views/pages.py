"""What pages show and no route answers."""

from typing import TypedDict

from .customers import ActivityItem, CustomerRow
from .receipts import ListedCheckpoint
from .shapes import Amount, Instant, Month
from .webhooks import Endpoint


class Day(TypedDict):
    """How many deltas were posted to a day."""

    day: str
    count: int


class UnitTotal(TypedDict):
    """What the customers of one unit add up to."""

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
    """Customers with their totals of `period`; `next` is the cursor of the next page, null on the last one."""

    customers: list[CustomerRow]
    period: Month
    next: str | None


class DeltasBefore(TypedDict):
    """A customer's deltas, newest first; `next` is where the next page begins, null on the last one."""

    deltas: list[ActivityItem]
    next: int | None


class ListedCheckpoints(TypedDict):
    """Checkpoints with where their receipts are; `next` is where the next page begins, null on the last one."""

    checkpoints: list[ListedCheckpoint]
    next: str | None


class EndpointHealth(TypedDict):
    """How deliveries do. `waiting` counts 10,000 of one endpoint at most."""

    endpoints: int
    waiting: int
    failing: list[Endpoint]
    switchedOff: list[Endpoint]
