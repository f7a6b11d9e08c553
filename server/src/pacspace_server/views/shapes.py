"""Shared parts of replies: scalars, totals under all their names, pages, a delta, a checkpoint."""

from typing import TYPE_CHECKING, Annotated, Any, Literal, NotRequired, TypedDict

from msgspec import Meta, Raw

from ..domain.enumerations import CheckpointStatus, DeltaStatus, ScopeMode
from ..domain.enumerations import Environment as Environment

if TYPE_CHECKING:  # services return JSON text, so that an exact decimal never becomes a float
    Amount = Raw
    JsonObject = Raw
else:  # the same for JSON Schema
    Amount = Annotated[float, Meta(extra_json_schema={"format": "decimal"})]
    JsonObject = dict[str, Any]
Instant = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]
Month = Annotated[str, Meta(pattern="^[0-9]{4}-[0-9]{2}$")]
Hash = Annotated[str, Meta(pattern="^0x[0-9a-f]{64}$")]
RecordId = Annotated[str, Meta(pattern="^rec_[0-9a-f]{52}$")]
CheckpointId = Annotated[str, Meta(pattern="^chk_[0-9a-f]{56}$")]
Url = Annotated[str, Meta(extra_json_schema={"format": "uri"})]
Count = Annotated[int, Meta(ge=0)]

CheckpointState = Annotated[
    CheckpointStatus,
    Meta(description="QUEUED: locked, and the root is final, but not yet in the log. PROVISIONAL: not locked."),
]
Warnings = Annotated[list[str], Meta(description="Warnings in words.")]


def one_of(*shapes: str) -> Meta:
    """One of these schemas."""
    return Meta(extra_json_schema={"oneOf": [{"$ref": f"#/components/schemas/{name}"} for name in shapes]})


class FieldProblem(TypedDict):
    """An invalid field."""

    field: str
    problem: str


class FieldConflict(TypedDict):
    """A field that differs between two bodies with the same referenceId."""

    field: str
    recorded: str | None
    sent: str | None


class RejectionDetails(TypedDict):
    """The details of a rejected delta."""

    details: NotRequired[list[FieldProblem]]
    recordId: NotRequired[Annotated[RecordId, Meta(description="The delta that has this referenceId.")]]
    conflicts: NotRequired[list[FieldConflict]]
    retryAfterSeconds: NotRequired[int]


class ErrorDetails(RejectionDetails):
    """The details of a refused request."""

    verified: NotRequired[Literal[False]]
    checks: NotRequired[dict[str, str]]
    allow: NotRequired[str]


class Counted(TypedDict):
    """The number of deltas, under both names."""

    deltaCount: Count
    deltasCount: Annotated[Count, Meta(description="The same as deltaCount.")]


class Computed(TypedDict):
    """A scope's total, under all its names."""

    computedBalance: Annotated[Amount, Meta(description="The scope's total: startingBalance plus netChange.")]
    neutralBalance: Annotated[Amount, Meta(description="The same as computedBalance.")]
    finalBalance: Annotated[Amount, Meta(description="The same as computedBalance.")]
    endingBalance: Annotated[Amount, Meta(description="The same as computedBalance.")]


class Totals(Counted, Computed):
    """The sum and number of a scope's deltas."""

    netChange: Annotated[Amount, Meta(description="The sum of the scope's deltas.")]


class Pagination(TypedDict):
    """The position in the list."""

    limit: int
    offset: int
    total: Count


class NumberedPage(TypedDict):
    """The page of the list."""

    page: int
    limit: int
    total: Count
    totalPages: Count


class AsOf(TypedDict):
    """The state of the record at the time of the reply."""

    sequence: Annotated[Count, Meta(description="The customer's last sequence number.")]
    logSize: Annotated[Count, Meta(description="Entries under the published log checkpoint.")]


class NamedScope(TypedDict):
    """The scope of the reply. The end is exclusive."""

    mode: ScopeMode
    periods: list[Month]
    startDate: Instant | None
    endDate: Instant | None
    timezone: Literal["UTC"]


class Bucket(Counted):
    """One day, week or month of a breakdown."""

    startDate: Instant
    endDate: Instant
    netChange: Amount


class Adjusted(TypedDict):
    """The corrected delta."""

    recordId: RecordId


class NamedDelta(TypedDict):
    """A delta's names and amount."""

    recordId: RecordId
    receiptId: Annotated[Hash, Meta(description="The delta's public name, for verifying it without its amount.")]
    contentHash: Annotated[Hash, Meta(description="The delta's leaf hash in its period tree.")]
    status: DeltaStatus
    customerId: str
    delta: Amount


class StatedContext(TypedDict):
    """A delta's context, which can be erased."""

    reason: Annotated[str | None, Meta(description="null after erasure.")]
    referenceId: str | None
    metadata: JsonObject | None
    dataPurged: NotRequired[
        Annotated[Literal[True], Meta(description="reason, referenceId and metadata are erased; the proof is valid.")]
    ]


class DeltaPlace(TypedDict):
    """A delta's place in the record."""

    sequenceNumber: Annotated[int, Meta(ge=1, description="The customer's deltas count from 1, without gaps.")]
    period: Annotated[Month, Meta(description="The month it is posted to, permanently.")]
    postedAt: Instant
    recordedAt: Instant
    latePosting: Annotated[bool, Meta(description="Its own month was locked, so it went to the next open one.")]


class DeltaReferences(TypedDict):
    """When the usage occurred, and which delta this one corrects."""

    occurredAt: NotRequired[Instant]
    adjusts: NotRequired[Adjusted]


class RecordedDelta(NamedDelta, StatedContext, DeltaPlace, DeltaReferences):
    """A delta in the record."""


class CheckpointNames(TypedDict):
    """A checkpoint's names and root."""

    checkpointId: CheckpointId
    receiptId: Annotated[CheckpointId, Meta(description="The same as checkpointId.")]
    proofRoot: Hash
    createdAt: Instant


class Span(TypedDict):
    """The period, start and end of a checkpoint."""

    period: Annotated[Month | None, Meta(description="null for a window or several months.")]
    startDate: Instant | None
    endDate: Annotated[Instant | None, Meta(description="The end is exclusive.")]


class CheckpointScope(Span):
    """A checkpoint's scope and status."""

    customerId: str
    startingBalance: Amount
    broughtForward: Annotated[Amount, Meta(description="The total of everything posted before.")]
    carriedForward: Annotated[Amount, Meta(description="broughtForward plus netChange.")]
    status: CheckpointState
    locked: bool
    verifiedAt: Annotated[
        Instant | None, Meta(description="When the first log checkpoint that covers it was published.")
    ]
    firstRecordAt: Instant | None
    lastRecordAt: Instant | None
    previousCheckpointId: CheckpointId | None
    invoiceReference: str | None


class Checkpoint(CheckpointNames, CheckpointScope, Totals):
    """A locked month, or an interim root."""


class DocumentLinks(TypedDict):
    """Links to a receipt: page, verifiable file, PDF, CSV."""

    permalink: Url
    page: Annotated[Url, Meta(description="The same as permalink.")]
    json: Annotated[Url, Meta(description="The verifiable receipt file.")]
    pdf: Url
    csv: Url


class Restored(TypedDict):
    """A record restored from a backup continues in a new log; this names the frozen log and its sizes."""

    origin: str
    backupSize: Annotated[int, Meta(description="Published entries of the frozen log in the backup.")]
    signedSize: Annotated[int | None, Meta(description="Signed entries of the frozen log; null if unknown.")]


class ProofLinks(TypedDict):
    """Links to a proof and its receipt file; null while there is no root."""

    verifyUrl: Url | None
    verificationApiUrl: Url | None
    verificationExplorerUrl: Url | None
    bundleUrl: Annotated[Url | None, Meta(description="The verifiable receipt file.")]
