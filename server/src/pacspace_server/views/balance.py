"""What recording and deriving answer."""

from typing import TYPE_CHECKING, Annotated, Any, Literal, NotRequired, TypedDict

from msgspec import Meta

from .shapes import (
    Amount,
    AsOf,
    Bucket,
    CheckpointId,
    Count,
    Hash,
    Instant,
    Month,
    NamedScope,
    Pagination,
    RecordedDelta,
    RecordId,
    RejectionDetails,
    Totals,
    Warnings,
    one_of,
)


class Delta(RecordedDelta):
    """A delta that was recorded."""

    idempotent: Annotated[bool, Meta(description="The referenceId had recorded it before; nothing new was recorded.")]
    warnings: Warnings


class DeltaProgress(TypedDict):
    """How far the log has a delta."""

    verifiedAt: Instant | None
    verificationReference: Annotated[str | None, Meta(description="The log entry's index.")]
    error: NotRequired[Annotated[str, Meta(description="What is wrong, with status FAILED.")]]


class DeltaStatus(RecordedDelta, DeltaProgress):
    """A delta, and how far the log has it."""


class BatchQueued(TypedDict):
    """An item that is recorded."""

    index: Count
    status: Literal["QUEUED"]
    error: None
    code: None
    customerId: str
    delta: Amount
    recordId: RecordId
    receiptId: Hash
    idempotent: Annotated[bool, Meta(description="The key or the reference had recorded it before.")]
    sequenceNumber: int
    period: Month
    latePosting: bool
    warnings: Warnings


class BatchRejection(TypedDict):
    """An item that is not recorded."""

    index: Count
    status: Literal["REJECTED"]
    customerId: str | None
    delta: Amount | None
    error: str
    code: str


class BatchRejected(BatchRejection, RejectionDetails):
    """An item that is not recorded, and why."""


if TYPE_CHECKING:
    BatchResult = BatchQueued | BatchRejected
else:
    BatchResult = Annotated[Any, one_of("BatchQueued", "BatchRejected")]


class Batch(TypedDict):
    """Each item, in the order in which it was sent."""

    totalQueued: Count
    totalFailed: Count
    results: list[BatchResult]


class DerivedBalance(Totals):
    """The balance of a scope, and what it covers."""

    customerId: str
    startingBalance: Amount
    verifiedCount: Annotated[Count, Meta(description="Deltas that are in the published log.")]
    pendingCount: Annotated[Count, Meta(description="Deltas on their way into the log.")]
    broughtForward: Annotated[Amount, Meta(description="Everything that was posted before the scope.")]
    latestReceiptId: Hash | None
    latestCheckpoint: CheckpointId | None
    firstRecordAt: Instant | None
    lastRecordAt: Instant | None
    scope: NamedScope
    asOf: AsOf


class DerivedDetails(TypedDict):
    """What a derived balance says when asked."""

    breakdown: NotRequired[Annotated[list[Bucket], Meta(description="With granularity; zero-filled.")]]
    deltas: NotRequired[Annotated[list[RecordedDelta], Meta(description="With limit, offset or include=deltas.")]]
    pagination: NotRequired[Pagination]


class Derived(DerivedBalance, DerivedDetails):
    """The balance of a scope; everything acknowledged before the request is in it."""


class Limits(TypedDict):
    """The largest that is taken, of each kind."""

    maxScopeMonths: int
    maxLastNDays: int
    maxBuckets: int
    maxBatchItems: int
    maxMetadataBytes: int
    maxReasonChars: int
    maxReferenceIdChars: int
    maxDelta: int
    maxFractionDigits: int
    maxTotalChars: int
    maxOccurredAtAgeMonths: int
    maxBodyBytes: int
    maxBatchBodyBytes: int
    maxPage: int


Resolution = Literal["YOURS_MATCHES", "THEIRS_MATCHES", "NEITHER_MATCHES"]


class Discrepancy(TypedDict):
    """How far each view is from the record. It states; it never judges."""

    yourDifference: Amount
    theirDifference: Amount
    resolution: Resolution
    message: str


class OurEntry(TypedDict):
    """An entry of the record that the other side does not have."""

    referenceId: str | None
    recordId: RecordId
    postedAt: Instant
    delta: Amount


class TheirEntry(TypedDict):
    """An entry of the other side that the record does not have."""

    referenceId: str
    delta: Amount


class DifferentEntry(TypedDict):
    """An entry that both have, with two amounts."""

    referenceId: str
    recordId: RecordId
    postedAt: Instant
    ourDelta: Amount
    theirDelta: Amount
    difference: Amount


class ComparedBalances(Totals):
    """Both views of a balance against the record."""

    customerId: str
    yourBalance: Amount
    theirBalance: Amount
    tolerance: Amount
    startingBalance: Amount
    matchesYours: bool
    matchesTheirs: bool
    match: Annotated[bool, Meta(description="Both match.")]
    discrepancy: Annotated[Discrepancy | None, Meta(description="null when both match.")]
    latestReceiptId: Hash | None
    verifiedCount: Count
    pendingCount: Count
    scope: NamedScope
    asOf: AsOf


class ComparedDetails(TypedDict):
    """What a comparison says when asked."""

    breakdown: NotRequired[list[Bucket]]
    missingInTheirs: NotRequired[
        Annotated[list[OurEntry], Meta(description="This and the next two: with theirRecords.")]
    ]
    missingInOurs: NotRequired[list[TheirEntry]]
    different: NotRequired[list[DifferentEntry]]


class Compared(ComparedBalances, ComparedDetails):
    """Both views against the record."""
