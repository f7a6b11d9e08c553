"""What checkpoints and jobs answer."""

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
    """An earlier month that was locked first."""

    period: Month
    checkpointId: CheckpointId
    proofRoot: Hash


class CheckpointMade(Checkpoint):
    """One customer's checkpoint: a month that is locked, or an interim root."""

    alsoLocked: list[AlsoLocked]
    idempotent: Annotated[bool, Meta(description="The month was locked before.")]
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
    """How many customers and deltas."""

    customers: Count


class MonthTotals(CustomersCounted):
    """What a month comes to over all customers."""

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
    """How far locking a month for everybody is."""

    jobId: Annotated[str, Meta(pattern="^job_[0-9a-f]{32}$")]
    period: Month
    status: JobStatus
    done: Annotated[Count, Meta(description="Customers that were tried.")]
    total: Count
    failed: Annotated[list[JobFailure], Meta(description="The first 1,000 failures.")]
    failedCount: Count
    totals: MonthTotals
    startedAt: Instant
    finishedAt: Instant | None


class MonthLocked(Job):
    """A month that is being locked, or is locked, for everybody."""

    checkpoints: Annotated[list[CheckpointMade], Meta(description="Up to 100 customers; for more, the job is asked.")]
    locked: bool
    warnings: Warnings


class PreviewLine(Counted):
    """What locking would lock of one customer."""

    customerId: str
    period: Month
    netChange: Amount
    broughtForward: Amount
    carriedForward: Amount
    alsoLocks: Annotated[list[Month], Meta(description="Earlier months that would be locked first.")]
    locked: Literal[False]


class Preview(TypedDict):
    """What locking would lock. Nothing was."""

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
    """The later checkpoint less the earlier one."""

    deltaCount: int
    netChange: Amount
    carriedForward: Amount


# The functional form, because `from` is a word of the language.
Diff = TypedDict(
    "Diff",
    {
        "customerId": str,
        "from": Checkpoint,
        "to": Checkpoint,
        "difference": Difference,
        "consistent": Annotated[bool, Meta(description="Both belong to one history: hashed again, and added up.")],
        "problems": list[str],
        "deltas": list[RecordedDelta],
        "pagination": Pagination,
    },
)


class MonthState(Totals):
    """One month of a customer, by itself."""

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
    """One month of a customer after the months before. `previousRoot` is what its closing leaf names, or would name now."""

    broughtForward: Amount
    carriedForward: Amount
    previousRoot: Hash | None


class Timeline(TypedDict):
    """A customer's months in order."""

    customerId: str
    periods: list[TimelineMonth]
    pagination: Pagination
