"""Replies of recording, deriving and comparing."""

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
    """A recorded delta."""

    idempotent: Annotated[
        bool, Meta(description="An earlier request with this referenceId recorded it; nothing is new.")
    ]
    warnings: Warnings


class DeltaProgress(TypedDict):
    """The proof status of a delta."""

    verifiedAt: Instant | None
    verificationReference: Annotated[str | None, Meta(description="The log entry's index.")]
    error: NotRequired[Annotated[str, Meta(description="The problem, with status FAILED.")]]


class DeltaStatus(RecordedDelta, DeltaProgress):
    """A delta and its proof status."""


class BatchQueued(TypedDict):
    """A recorded item."""

    index: Count
    status: Literal["QUEUED"]
    error: None
    code: None
    customerId: str
    delta: Amount
    recordId: RecordId
    receiptId: Hash
    idempotent: Annotated[bool, Meta(description="An earlier request with this key or referenceId recorded it.")]
    sequenceNumber: int
    period: Month
    latePosting: bool
    warnings: Warnings


class BatchRejection(TypedDict):
    """A rejected item."""

    index: Count
    status: Literal["REJECTED"]
    customerId: str | None
    delta: Amount | None
    error: str
    code: str


class BatchRejected(BatchRejection, RejectionDetails):
    """A rejected item, with the reason."""


if TYPE_CHECKING:
    BatchResult = BatchQueued | BatchRejected
else:
    BatchResult = Annotated[Any, one_of("BatchQueued", "BatchRejected")]


class Batch(TypedDict):
    """Each item, in the order of the request."""

    totalQueued: Count
    totalFailed: Count
    results: list[BatchResult]


class DerivedBalance(Totals):
    """The balance of a scope, and its range."""

    customerId: str
    startingBalance: Amount
    verifiedCount: Annotated[Count, Meta(description="Deltas in the published log.")]
    pendingCount: Annotated[Count, Meta(description="Deltas that are not in the published log yet.")]
    broughtForward: Annotated[Amount, Meta(description="The total of everything posted before the scope.")]
    latestReceiptId: Hash | None
    latestCheckpoint: CheckpointId | None
    firstRecordAt: Instant | None
    lastRecordAt: Instant | None
    scope: NamedScope
    asOf: AsOf


class DerivedDetails(TypedDict):
    """The optional parts of a balance."""

    breakdown: NotRequired[Annotated[list[Bucket], Meta(description="With granularity; zero-filled.")]]
    deltas: NotRequired[Annotated[list[RecordedDelta], Meta(description="With limit, offset or include=deltas.")]]
    pagination: NotRequired[Pagination]


class Derived(DerivedBalance, DerivedDetails):
    """The balance of a scope, with everything acknowledged before the request."""


class Limits(TypedDict):
    """The limits of requests."""

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
    """The differences of both views from the record."""

    yourDifference: Amount
    theirDifference: Amount
    resolution: Resolution
    message: str


class OurEntry(TypedDict):
    """A delta that the other side does not have."""

    referenceId: str | None
    recordId: RecordId
    postedAt: Instant
    delta: Amount


class TheirEntry(TypedDict):
    """An entry of the other side that the record does not have."""

    referenceId: str
    delta: Amount


class DifferentEntry(TypedDict):
    """A delta with another amount on the other side."""

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
    """The optional parts of a comparison."""

    breakdown: NotRequired[list[Bucket]]
    missingInTheirs: NotRequired[
        Annotated[list[OurEntry], Meta(description="This and the next two: with theirRecords.")]
    ]
    missingInOurs: NotRequired[list[TheirEntry]]
    different: NotRequired[list[DifferentEntry]]


class Compared(ComparedBalances, ComparedDetails):
    """Both views against the record."""
