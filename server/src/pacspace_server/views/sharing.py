"""Replies of Shared Records: to customers behind their link, and to the vendor."""

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
    """The code is right; the reply sets a cookie that opens the record."""

    verified: Literal[True]
    expiresInSeconds: Count


class SharedMonth(TypedDict):
    """The totals of a month."""

    period: Month
    locked: bool
    recordedTotal: Amount
    recordCount: Count
    verifiedCount: Annotated[Count, Meta(description="Deltas in the published log.")]


class VerifiedPart(TypedDict):
    """The part of a month that the published log covers."""

    pendingCount: Annotated[Count, Meta(description="Deltas that are not in the published log yet.")]
    verifiedThrough: Annotated[Instant | None, Meta(description="The recordedAt of the newest verified delta.")]
    firstRecordAt: Instant | None
    lastRecordAt: Instant | None


class SharedSummary(SharedMonth, VerifiedPart):
    """The totals of a Shared Record: of `period`, and in `months` of each month."""

    vendorName: str | None
    customerDisplayName: Annotated[str | None, Meta(description="null if it needs the access code.")]
    environment: Environment
    unit: Annotated[str | None, Meta(description="What the amounts count.")]
    opened: Annotated[bool, Meta(description="Whether this visitor may also see the deltas.")]
    months: list[SharedMonth]
    keyFingerprint: str


class SharedLinks(TypedDict):
    """Links to a locked month's receipt."""

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
    commands: Annotated[list[str], Meta(description="Commands that verify the month.")]
    keyFingerprint: Annotated[str, Meta(description="Of the month's log.")]


class SharedPeriods(TypedDict):
    """The months, newest first."""

    periods: list[SharedPeriod]
    verifierKey: str
    keyFingerprint: str


class SharedRecordLine(RecordedDelta):
    """A delta and its proof status."""

    state: RecordState
    proofAvailable: bool


class SharedActivity(TypedDict):
    """A page of deltas, newest first."""

    records: list[SharedRecordLine]
    nextBefore: Annotated[int | None, Meta(description="`before` of the next page; null on the last.")]


class UnknownLine(TheirEntry):
    """A line of the customer's list that is not recorded for the month."""

    line: Annotated[Count, Meta(description="Its number in the list, from 1.")]


class DifferentLine(DifferentEntry):
    """A line of the customer's list with another amount than the recorded one."""

    line: Count


class RepeatedLine(UnknownLine):
    """A line that repeats a reference. The comparison uses only the first one."""


class SharedComparison(TypedDict):
    """The customer's view of a month against the record. Lists have at most 1,000 entries; counts are complete."""

    period: Month
    recordedTotal: Amount
    recordCount: Count
    theirTotal: Amount
    theirCount: Annotated[Count | None, Meta(description="null if only a total was sent.")]
    difference: Annotated[Amount, Meta(description="theirTotal minus recordedTotal.")]
    match: bool
    missingInTheirs: list[OurEntry]
    missingInOurs: list[UnknownLine]
    different: list[DifferentLine]
    missingInTheirsCount: Count
    missingInOursCount: Count
    differentCount: Count
    repeated: list[RepeatedLine]
    repeatedCount: Count
    oppositeSigns: Annotated[Count, Meta(description="Entries of `different` with the opposite sign: see turnSigns.")]


class SharedNote(TypedDict):
    """A remark from one side. Not part of the signed record."""

    noteId: NoteId
    by: Literal["customer", "vendor"]
    author: str | None
    period: Month | None
    recordId: RecordId | None
    text: Annotated[str | None, Meta(description="null after erasure.")]
    dataPurged: bool
    createdAt: Instant


class SharedNotes(TypedDict):
    """Remarks from both sides, newest first."""

    notes: list[SharedNote]
    pagination: Pagination
    about: str


class Sharing(TypedDict):
    """The workspace's defaults for all customers."""

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
    """A visitor's action, once or several times within half an hour."""

    kind: VisitKind
    visitorId: str
    firstAt: Instant
    lastAt: Instant
    times: Count
    address: Annotated[str | None, Meta(description="The visitor's network, /24 or /48.")]
    userAgent: str | None


class SharedVisits(TypedDict):
    """Visits, newest first."""

    visits: list[SharedVisit]
    pagination: Pagination
