"""Replies of checkpoints and jobs."""

from typing import TYPE_CHECKING, Annotated, Any, Literal, TypedDict

from msgspec import Meta

from ..domain.enumerations import JobStatus
from .shapes import (
    Amount,
    Checkpoint,
    CheckpointId,
    CheckpointScope,
    CheckpointState,
    Count,
    Counted,
    Hash,
    Instant,
    Month,
    Pagination,
    RecordedDelta,
    Totals,
    Warnings,
    one_of,
)


class AlsoLocked(TypedDict):
    """An earlier month, locked first."""

    period: Month
    checkpointId: CheckpointId
    proofRoot: Hash


class CheckpointMade(Checkpoint):
    """One customer's checkpoint: a locked month or an interim root."""

    alsoLocked: list[AlsoLocked]
    idempotent: Annotated[bool, Meta(description="The month was already locked.")]
    warnings: Warnings


class EmptyScope(CheckpointScope, Totals):
    """A scope without deltas: zeros, and no root."""

    checkpointId: None
    receiptId: None
    proofRoot: None
    createdAt: None
    alsoLocked: list[AlsoLocked]
    idempotent: bool
    warnings: Warnings


if TYPE_CHECKING:
    OneCustomer = CheckpointMade | EmptyScope
else:
    OneCustomer = Annotated[Any, one_of("CheckpointMade", "EmptyScope")]


class CustomersCounted(Counted):
    """The numbers of customers and deltas."""

    customers: Count


class MonthTotals(CustomersCounted):
    """The totals of a month over all customers."""

    netChange: Amount


class InterimOfAll(TypedDict):
    """Interim roots of the first customers. Nothing is locked."""

    checkpoints: list[OneCustomer]
    totals: CustomersCounted
    jobId: None
    locked: Literal[False]
    warnings: Warnings


class JobFailure(TypedDict):
    """A customer whose month could not be locked."""

    customerId: str
    code: str
    message: str


class Job(TypedDict):
    """The progress of locking a month for all customers."""

    jobId: Annotated[str, Meta(pattern="^job_[0-9a-f]{32}$")]
    period: Month
    status: JobStatus
    done: Annotated[Count, Meta(description="Processed customers.")]
    total: Count
    failed: Annotated[list[JobFailure], Meta(description="The first 1,000 failures.")]
    failedCount: Count
    totals: MonthTotals
    startedAt: Instant
    finishedAt: Instant | None


class MonthLocked(Job):
    """A month, locked for all customers or with the job in progress."""

    checkpoints: Annotated[list[CheckpointMade], Meta(description="For up to 100 customers; for more, ask the job.")]
    locked: bool
    warnings: Warnings


class PreviewLine(Counted):
    """The effect of a lock on one customer."""

    customerId: str
    period: Month
    netChange: Amount
    broughtForward: Amount
    carriedForward: Amount
    alsoLocks: Annotated[list[Month], Meta(description="Earlier months that the lock would lock first.")]
    locked: Literal[False]


class Preview(TypedDict):
    """The effect of a lock, without locking anything."""

    preview: Literal[True]
    period: Month
    checkpoints: Annotated[list[PreviewLine], Meta(description="The first 1,000 customers.")]
    totals: MonthTotals
    locked: Literal[False]
    warnings: Warnings


if TYPE_CHECKING:
    Checkpointed = CheckpointMade | EmptyScope | MonthLocked | InterimOfAll | Preview
else:
    Checkpointed = Annotated[Any, one_of("CheckpointMade", "EmptyScope", "MonthLocked", "InterimOfAll", "Preview")]


class Checkpoints(TypedDict):
    """Checkpoints, newest first."""

    checkpoints: list[Checkpoint]
    pagination: Pagination


class Difference(TypedDict):
    """The later checkpoint minus the earlier one."""

    deltaCount: int
    netChange: Amount
    carriedForward: Amount


# The functional form, because `from` is a keyword.
Diff = TypedDict(
    "Diff",
    {
        "customerId": str,
        "from": Checkpoint,
        "to": Checkpoint,
        "difference": Difference,
        "consistent": Annotated[
            bool, Meta(description="Both share one history; the months were hashed and summed again.")
        ],
        "problems": list[str],
        "deltas": list[RecordedDelta],
        "pagination": Pagination,
    },
)


class MonthState(Totals):
    """One month of a customer."""

    period: Month
    startDate: Instant
    endDate: Instant
    locked: bool
    status: CheckpointState
    proofRoot: Hash
    checkpointId: CheckpointId | None
    invoiceReference: str | None
    createdAt: Instant | None
    verifiedAt: Instant | None
    firstRecordAt: Instant | None
    lastRecordAt: Instant | None


class TimelineMonth(MonthState):
    """One month of a customer, with its link to the month before.

    `previousRoot` is the root that its closing leaf names, or would name now.
    """

    broughtForward: Amount
    carriedForward: Amount
    previousRoot: Hash | None


class Timeline(TypedDict):
    """A customer's months in order."""

    customerId: str
    periods: list[TimelineMonth]
    pagination: Pagination
