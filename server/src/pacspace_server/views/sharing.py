"""What Shared Records answer: to customers behind their link, and to the vendor about it."""

from typing import Annotated, Literal, TypedDict

from msgspec import Meta

from ..domain.enumerations import SharingHint, SharingPolicy, VisitKind
from .balance import DifferentEntry, OurEntry, TheirEntry
from .shapes import (
    Amount,
    CheckpointId,
    Count,
    Environment,
    Hash,
    Instant,
    Month,
    Pagination,
    RecordedDelta,
    RecordId,
    Url,
)

Handle = Annotated[str, Meta(pattern="^cus_[0-9a-f]{64}$")]
RecordState = Literal["recording", "recorded", "locked"]
NoteId = Annotated[str, Meta(pattern="^nte_[0-9a-f]{24}$")]


class CodeVerified(TypedDict):
    """The code is right; the reply's cookie says so from now on."""

    verified: Literal[True]
    expiresInSeconds: Count


class SharedMonth(TypedDict):
    """What is recorded for a month."""

    period: Month
    locked: bool
    recordedTotal: Amount
    recordCount: Count
    verifiedCount: Annotated[Count, Meta(description="Records under a published proof.")]


class VerifiedPart(TypedDict):
    """How much of a month the published log has."""

    pendingCount: Annotated[Count, Meta(description="Records whose proof is on its way.")]
    verifiedThrough: Annotated[Instant | None, Meta(description="When the newest proven delta was recorded.")]
    firstRecordAt: Instant | None
    lastRecordAt: Instant | None


class SharedSummary(SharedMonth, VerifiedPart):
    """The totals of a Shared Record. Those beside `months` are of `period`."""

    vendorName: str | None
    customerDisplayName: Annotated[str | None, Meta(description="null without the code, where that is needed.")]
    environment: Environment
    unit: Annotated[str | None, Meta(description="What the amounts count.")]
    opened: Annotated[bool, Meta(description="Whether this visitor may see the records too.")]
    months: list[SharedMonth]
    keyFingerprint: str


class SharedLinks(TypedDict):
    """Where a locked month's receipt is."""

    verify: Url
    page: Url
    json: Annotated[Url, Meta(description="The verifiable receipt file.")]
    csv: Url
    pdf: Url


class SharedPeriod(SharedMonth):
    """A month with its proof."""

    proofRoot: Annotated[Hash, Meta(description="Final once the month is locked.")]
    lockedAt: Instant | None
    invoiceReference: str | None
    receiptId: CheckpointId | None
    links: SharedLinks | None
    commands: Annotated[list[str], Meta(description="How to check the month alone.")]
    keyFingerprint: Annotated[str, Meta(description="Of the log that the month is in.")]


class SharedPeriods(TypedDict):
    """Each month, newest first."""

    periods: list[SharedPeriod]
    verifierKey: str
    keyFingerprint: str


class SharedRecordLine(RecordedDelta):
    """A record, and how far its proof is."""

    state: RecordState
    proofAvailable: bool


class SharedActivity(TypedDict):
    """A page of records, newest first."""

    records: list[SharedRecordLine]
    nextBefore: Annotated[int | None, Meta(description="`before` of the next page; null on the last one.")]


class UnknownLine(TheirEntry):
    """A line of their list that is not recorded for the month."""

    line: Annotated[Count, Meta(description="Its place in their list, from 1.")]


class DifferentLine(DifferentEntry):
    """A line of their list whose amount differs from the recorded one."""

    line: Count


class RepeatedLine(UnknownLine):
    """A line whose reference is in an earlier line. Only the first one is compared."""


class SharedComparison(TypedDict):
    """Their view of a month against the record. Lists show 1,000 entries at most; the counts are of all."""

    period: Month
    recordedTotal: Amount
    recordCount: Count
    theirTotal: Amount
    theirCount: Annotated[Count | None, Meta(description="null for a total alone.")]
    difference: Annotated[Amount, Meta(description="theirTotal less recordedTotal.")]
    match: bool
    missingInTheirs: list[OurEntry]
    missingInOurs: list[UnknownLine]
    different: list[DifferentLine]
    missingInTheirsCount: Count
    missingInOursCount: Count
    differentCount: Count
    repeated: list[RepeatedLine]
    repeatedCount: Count
    oppositeSigns: Annotated[Count, Meta(description="Of `different`, those with the opposite sign: see turnSigns.")]


class SharedNote(TypedDict):
    """What one side says. Not part of the signed record."""

    noteId: NoteId
    by: Literal["customer", "vendor"]
    author: str | None
    period: Month | None
    recordId: RecordId | None
    text: Annotated[str | None, Meta(description="null once it was erased.")]
    dataPurged: bool
    createdAt: Instant


class SharedNotes(TypedDict):
    """Remarks from both sides, newest first."""

    notes: list[SharedNote]
    pagination: Pagination
    about: str


class Sharing(TypedDict):
    """What is stated for all customers of an environment."""

    policy: SharingPolicy
    vendorName: str | None


class AccessLink(TypedDict):
    """A customer's link and code; nulls while sharing is off."""

    customerId: str
    policy: SharingPolicy
    sharingStateHint: SharingHint
    customerHandle: Handle | None
    customerLinkUrl: Url | None
    customerLinkHost: str | None
    accessHint: Annotated[str | None, Meta(description="The access code.")]


class SharedVisit(TypedDict):
    """What a visitor did, once or several times within half an hour."""

    kind: VisitKind
    visitorId: str
    firstAt: Instant
    lastAt: Instant
    times: Count
    address: Annotated[str | None, Meta(description="The network, /24 or /48, that the visitor came from.")]
    userAgent: str | None


class SharedVisits(TypedDict):
    """Visits, newest first."""

    visits: list[SharedVisit]
    pagination: Pagination
