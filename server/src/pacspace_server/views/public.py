"""Replies of the routes without a key."""

from typing import TYPE_CHECKING, Annotated, Any, Literal, TypedDict

from msgspec import Meta

from ..domain.enumerations import DeltaStatus, VerifySource
from .shapes import (
    Amount,
    Count,
    Environment,
    Hash,
    Instant,
    Month,
    Restored,
    Url,
    one_of,
)


class Check(TypedDict):
    """One check of a recomputation."""

    name: str
    status: Literal["ok", "failed"]
    detail: str


class CheckedSummary(TypedDict):
    """The totals that a proof root commits to."""

    recordCount: Count
    netChange: Amount
    startingBalance: Amount
    endingBalance: Amount
    firstRecordAt: Instant | None
    lastRecordAt: Instant | None


class RootVerification(TypedDict):
    """The place in the log, and each check."""

    verificationReference: Annotated[str | None, Meta(description="The log entry's index.")]
    verificationExplorerUrl: Url
    logCheckpoint: Annotated[str | None, Meta(description="The published log checkpoint, a signed note.")]
    logOrigin: str
    verifierKey: str
    keyFingerprint: str
    restored: Restored | None
    checks: list[Check]


class RootVerdict(TypedDict):
    """The verdict on a proof root or a checkpointId."""

    verified: bool
    proofRoot: Hash
    recordedAt: Instant
    message: str
    locked: bool
    period: Month | None
    environment: Environment
    source: VerifySource
    checkedAt: Annotated[Instant, Meta(description="The server keeps verdicts for a minute.")]
    summary: Annotated[CheckedSummary | None, Meta(description="null with source=chain: the log has no totals.")]
    records: Annotated[list[Any], Meta(max_length=0, description="Always empty: the receipt file has the deltas.")]
    verification: RootVerification


class DeltaVerification(TypedDict):
    """A delta's place in the log, and each check."""

    verificationReference: str | None
    verificationExplorerUrl: Url
    verifiedAt: Instant | None
    checks: list[Check]


class DeltaVerdict(TypedDict):
    """The verdict on a delta's receiptId: status and times, without the amount."""

    verified: bool
    proofRoot: Annotated[Hash, Meta(description="The requested receiptId.")]
    recordedAt: Instant
    status: DeltaStatus
    message: str
    summary: None
    records: Annotated[list[Any], Meta(max_length=0)]
    verification: DeltaVerification


if TYPE_CHECKING:
    Verdict = RootVerdict | DeltaVerdict
else:
    Verdict = Annotated[Any, one_of("RootVerdict", "DeltaVerdict")]


class Health(TypedDict):
    """The process is running."""

    status: Literal["ok"]


class Ready(TypedDict):
    """The process can record."""

    status: Literal["ready"]
    checks: Annotated[dict[str, str], Meta(description="`ok` for each check; a 503 has the problem instead.")]
    logs: Annotated[dict[str, int], Meta(description="Entries under the published log checkpoint, by origin.")]
    unsigned: Annotated[list[str], Meta(description="Why signing is stopped, and what to do; normally empty.")]
