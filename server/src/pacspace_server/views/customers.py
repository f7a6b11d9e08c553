"""What customers, usage and gaps answer."""

from typing import Annotated, TypedDict

from msgspec import Meta

from ..domain.enumerations import EventCadence, SharingHint
from .shapes import (
    Amount,
    CheckpointId,
    Computed,
    Count,
    Environment,
    Instant,
    Month,
    NumberedPage,
    RecordedDelta,
)


class CustomerRow(Computed):
    """A customer in a list: its totals are those of `period`."""

    customerId: str
    customerReference: Annotated[str, Meta(description="A name for places where the customerId should not be shown.")]
    displayName: str | None
    sharingStateHint: SharingHint | None
    eventCadence: EventCadence | None
    unit: Annotated[str | None, Meta(description="What the amounts count.")]
    totalDeltas: Count
    period: Annotated[
        Month, Meta(description="The month that is named; else the running one, and what is posted ahead.")
    ]
    periodDeltas: Count
    allTimeBalance: Amount
    lockedThrough: Annotated[Month | None, Meta(description="The latest locked month.")]
    firstActivityAt: Instant | None
    lastActivityAt: Instant | None
    latestCheckpoint: CheckpointId | None


class ProfileChanges(TypedDict, total=False):
    """What the vendor changes about a customer: the fields that are given."""

    displayName: str
    sharingStateHint: SharingHint
    eventCadence: EventCadence


class CustomersPage(TypedDict):
    """Which page this is; `page` is null with a cursor, `nextCursor` null on the last one."""

    page: int | None
    limit: int
    total: Count
    totalPages: Count
    nextCursor: str | None


class Customers(TypedDict):
    """Customers in order of their customerId."""

    customers: list[CustomerRow]
    pagination: CustomersPage


class ActivityItem(RecordedDelta):
    """A delta, and where the log has it."""

    time: Annotated[Instant, Meta(description="The same as recordedAt.")]
    verificationReference: str | None


class Activity(TypedDict):
    """A page of a customer's deltas, newest first."""

    items: list[ActivityItem]
    pagination: NumberedPage


class Customer(CustomerRow):
    """One customer with its recent deltas."""

    recentActivity: Activity


class NewCustomer(CustomerRow):
    """A customer that was made by hand."""

    environment: Environment
    createdAt: Instant


class Usage(TypedDict):
    """What was recorded for the running month. Nothing is limited, so `limit` and `remaining` are null."""

    allowed: bool
    used: Annotated[Count, Meta(description="Deltas posted to the running month.")]
    limit: int | None
    remaining: int | None
    period: Month
    activeCustomers: Count


# The functional form, because `from` is a word of the language.
Gap = TypedDict("Gap", {"from": int, "to": int, "count": int})


class Gaps(TypedDict):
    """Runs of sequence numbers that are missing. A sound record has none."""

    customerId: str
    fromSequence: int
    toSequence: int
    gaps: list[Gap]
    missingCount: Count
    lastSequence: Count
