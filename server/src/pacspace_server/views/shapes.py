"""What several replies share: scalars, twins that are always sent together, pages, a delta, a checkpoint."""

from typing import TYPE_CHECKING, Annotated, Any, Literal, NotRequired, TypedDict

from msgspec import Meta, Raw

from ..domain.enumerations import CheckpointStatus, DeltaStatus, ScopeMode
from ..domain.enumerations import Environment as Environment

if TYPE_CHECKING:  # what the service returns: JSON as it is sent, so that an exact decimal never becomes a float
    Amount = Raw
    JsonObject = Raw
else:  # what JSON Schema says of it
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
Warnings = Annotated[list[str], Meta(description="What the caller should know, in words.")]


def one_of(*shapes: str) -> Meta:
    """Exactly one of these named shapes."""
    return Meta(extra_json_schema={"oneOf": [{"$ref": f"#/components/schemas/{name}"} for name in shapes]})


class FieldProblem(TypedDict):
    """One field that could not be taken."""

    field: str
    problem: str


class FieldConflict(TypedDict):
    """One field in which two bodies under the same referenceId differ."""

    field: str
    recorded: str | None
    sent: str | None


class RejectionDetails(TypedDict):
    """What a rejected delta says besides code and message."""

    details: NotRequired[list[FieldProblem]]
    recordId: NotRequired[Annotated[RecordId, Meta(description="What the referenceId names already.")]]
    conflicts: NotRequired[list[FieldConflict]]
    retryAfterSeconds: NotRequired[int]


class ErrorDetails(RejectionDetails):
    """What any refused request says besides code and message."""

    verified: NotRequired[Literal[False]]
    checks: NotRequired[dict[str, str]]
    allow: NotRequired[str]


class Counted(TypedDict):
    """How many deltas, under both names."""

    deltaCount: Count
    deltasCount: Annotated[Count, Meta(description="The same as deltaCount.")]


class Computed(TypedDict):
    """A scope's total, under all its names."""

    computedBalance: Annotated[Amount, Meta(description="startingBalance and netChange: the scope's own total.")]
    neutralBalance: Annotated[Amount, Meta(description="The same as computedBalance.")]
    finalBalance: Annotated[Amount, Meta(description="The same as computedBalance.")]
    endingBalance: Annotated[Amount, Meta(description="The same as computedBalance.")]


class Totals(Counted, Computed):
    """Sum and number of a scope's deltas."""

    netChange: Annotated[Amount, Meta(description="The sum of the scope's deltas.")]


class Pagination(TypedDict):
    """Which part of a list this is."""

    limit: int
    offset: int
    total: Count


class NumberedPage(TypedDict):
    """Which page of a list this is."""

    page: int
    limit: int
    total: Count
    totalPages: Count


class AsOf(TypedDict):
    """What the reply had seen."""

    sequence: Annotated[Count, Meta(description="The customer's last sequence number.")]
    logSize: Annotated[Count, Meta(description="Entries under the published log checkpoint.")]


class NamedScope(TypedDict):
    """The scope that was read. The end is exclusive."""

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
    """The earlier delta that is corrected."""

    recordId: RecordId


class NamedDelta(TypedDict):
    """What a delta is called, and what it counts."""

    recordId: RecordId
    receiptId: Annotated[Hash, Meta(description="The delta's public name: it verifies, and never shows the amount.")]
    contentHash: Annotated[Hash, Meta(description="The delta's leaf hash in its period tree.")]
    status: DeltaStatus
    customerId: str
    delta: Amount


class StatedContext(TypedDict):
    """What a vendor states with a delta: the part that can be erased."""

    reason: Annotated[str | None, Meta(description="null once it was erased.")]
    referenceId: str | None
    metadata: JsonObject | None
    dataPurged: NotRequired[
        Annotated[Literal[True], Meta(description="reason, referenceId and metadata were erased; the proof stands.")]
    ]


class DeltaPlace(TypedDict):
    """Where a delta is in the record."""

    sequenceNumber: Annotated[int, Meta(ge=1, description="The customer's deltas count from 1, without gaps.")]
    period: Annotated[Month, Meta(description="The month it is posted to, for good.")]
    postedAt: Instant
    recordedAt: Instant
    latePosting: Annotated[bool, Meta(description="Its own month was locked, so it went to the next open one.")]


class DeltaReferences(TypedDict):
    """What a delta refers to, if anything: its own instant, an earlier delta."""

    occurredAt: NotRequired[Instant]
    adjusts: NotRequired[Adjusted]


class RecordedDelta(NamedDelta, StatedContext, DeltaPlace, DeltaReferences):
    """A delta as it is in the record."""


class CheckpointNames(TypedDict):
    """What a checkpoint is called."""

    checkpointId: CheckpointId
    receiptId: Annotated[CheckpointId, Meta(description="The same as checkpointId.")]
    proofRoot: Hash
    createdAt: Instant


class Span(TypedDict):
    """The time that a checkpoint is of."""

    period: Annotated[Month | None, Meta(description="null for a window or several months.")]
    startDate: Instant | None
    endDate: Annotated[Instant | None, Meta(description="The end is exclusive.")]


class CheckpointScope(Span):
    """What a checkpoint says of its scope."""

    customerId: str
    startingBalance: Amount
    broughtForward: Annotated[Amount, Meta(description="Everything that was posted before.")]
    carriedForward: Annotated[Amount, Meta(description="broughtForward and netChange.")]
    status: CheckpointState
    locked: bool
    verifiedAt: Annotated[Instant | None, Meta(description="When the log checkpoint that covers it was published.")]
    firstRecordAt: Instant | None
    lastRecordAt: Instant | None
    previousCheckpointId: CheckpointId | None
    invoiceReference: str | None


class Checkpoint(CheckpointNames, CheckpointScope, Totals):
    """A month that was locked, or a state that was handed out."""


class DocumentLinks(TypedDict):
    """Where a receipt is read, and downloaded: the verifiable file, the document, the records."""

    permalink: Url
    page: Annotated[Url, Meta(description="The same as permalink.")]
    json: Annotated[Url, Meta(description="The verifiable receipt file.")]
    pdf: Url
    csv: Url


class Restored(TypedDict):
    """The record was restored from a backup and goes on in a new log: the frozen log, and how much of it the backup had."""

    origin: str
    backupSize: Annotated[int, Meta(description="Published entries of the frozen log that the backup had.")]
    signedSize: Annotated[
        int | None, Meta(description="Entries of the frozen log that were signed; null if not known.")
    ]


class ProofLinks(TypedDict):
    """Where a proof is looked at, asked about and downloaded; null while there is no root."""

    verifyUrl: Url | None
    verificationApiUrl: Url | None
    verificationExplorerUrl: Url | None
    bundleUrl: Annotated[Url | None, Meta(description="The verifiable receipt file.")]
