"""Replies of customers, usage and gaps."""

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
    """A customer in a list, with its totals of `period`."""

    customerId: str
    customerReference: Annotated[str, Meta(description="A name for places that should not show the customerId.")]
    displayName: str | None
    sharingStateHint: SharingHint | None
    eventCadence: EventCadence | None
    unit: Annotated[str | None, Meta(description="What the amounts count.")]
    totalDeltas: Count
    period: Annotated[
        Month, Meta(description="The named month; by default the current one, with totals that include later months.")
    ]
    periodDeltas: Count
    allTimeBalance: Amount
    lockedThrough: Annotated[Month | None, Meta(description="The latest locked month.")]
    firstActivityAt: Instant | None
    lastActivityAt: Instant | None
    latestCheckpoint: CheckpointId | None


class ProfileChanges(TypedDict, total=False):
    """The changed fields of a customer's profile."""

    displayName: str
    sharingStateHint: SharingHint
    eventCadence: EventCadence


class CustomersPage(TypedDict):
    """The position in the list; `page` is null with a cursor, `nextCursor` is null on the last page."""

    page: int | None
    limit: int
    total: Count
    totalPages: Count
    nextCursor: str | None


class Customers(TypedDict):
    """Customers in the order of customerId."""

    customers: list[CustomerRow]
    pagination: CustomersPage


class ActivityItem(RecordedDelta):
    """A delta and its place in the log."""

    time: Annotated[Instant, Meta(description="The same as recordedAt.")]
    verificationReference: str | None


class Activity(TypedDict):
    """A page of a customer's deltas, newest first."""

    items: list[ActivityItem]
    pagination: NumberedPage


class Customer(CustomerRow):
    """A customer with its recent deltas."""

    recentActivity: Activity


class NewCustomer(CustomerRow):
    """A new customer."""

    environment: Environment
    createdAt: Instant


class Usage(TypedDict):
    """The deltas of the current month. There are no quotas, so `limit` and `remaining` are null."""

    allowed: bool
    used: Annotated[Count, Meta(description="Deltas posted to the current month.")]
    limit: int | None
    remaining: int | None
    period: Month
    activeCustomers: Count


# The functional form, because `from` is a keyword.
Gap = TypedDict("Gap", {"from": int, "to": int, "count": int})


class Gaps(TypedDict):
    """Runs of missing sequence numbers. An intact record has none."""

    customerId: str
    fromSequence: int
    toSequence: int
    gaps: list[Gap]
    missingCount: Count
    lastSequence: Count
