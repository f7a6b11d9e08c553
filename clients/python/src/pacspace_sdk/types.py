"""The dicts that go in and come out, in the API's own spelling.

`...Options` are dicts for calls, `...Keywords` the same as keyword arguments, which may also be in snake_case.
`...Reply` are dicts from calls: keys that are always sent are required, others may be absent.

Amounts in replies are int or float, as JSON gives them. With `PacSpace(..., decimals=True)` every number is a Decimal.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal, TypeAlias, TypedDict

Amount: TypeAlias = int | float | Decimal
Number: TypeAlias = float  # in replies; an int where JSON has no fraction
Instant: TypeAlias = str | datetime  # sent: ISO 8601 text, or a datetime with a time zone
Metadata: TypeAlias = Mapping[str, Any]

# ---------------------------------------------------------------- requests


class RequestOptions(TypedDict, total=False):
    """Options of every call. `timeout` is in milliseconds, for one request."""

    idempotencyKey: str | None
    chainId: int | str | None
    creditPoolId: int | str | None
    dashboardToken: str | None
    headers: Mapping[str, str] | None
    timeout: int | None


class RequestKeywords(RequestOptions, total=False):
    idempotency_key: str | None
    chain_id: int | str | None
    credit_pool_id: int | str | None
    dashboard_token: str | None


class Adjusts(TypedDict, total=False):
    """The earlier delta that this one corrects: exactly one of the two fields."""

    recordId: str
    referenceId: str


class EmitOptions(RequestOptions, total=False):
    """`occurredAt`: when the usage happened."""

    referenceId: str | None
    metadata: Metadata | None
    occurredAt: Instant | None
    adjusts: Adjusts | None


class EmitKeywords(EmitOptions, RequestKeywords, total=False):
    reference_id: str | None
    occurred_at: Instant | None


class _EmitRequired(TypedDict):
    customerId: str
    delta: Amount
    reason: str


class EmitRequest(_EmitRequired, EmitOptions, total=False):
    """One delta as a single dict, including request options."""


class BatchItem(_EmitRequired, total=False):
    """One delta of a batch."""

    referenceId: str | None
    metadata: Metadata | None
    occurredAt: Instant | None
    adjusts: Adjusts | None


class PollOptions(RequestOptions, total=False):
    """`timeout`: the total wait; `pollInterval`: between two polls; `httpTimeout`: for one request; all in ms."""

    pollInterval: int | None
    httpTimeout: int | None


class PollKeywords(PollOptions, RequestKeywords, total=False):
    poll_interval: int | None
    http_timeout: int | None


class EmitAndWaitOptions(EmitOptions, PollOptions, total=False):
    """The options of emit and of the wait."""


class EmitAndWaitKeywords(EmitAndWaitOptions, EmitKeywords, PollKeywords, total=False):
    pass


class ScopeOptions(RequestOptions, total=False):
    """`period` is `YYYY-MM`; `startDate` and `endDate` are instants or dates in UTC, the end exclusive."""

    period: str | None
    timePreset: Literal["current_month", "custom"] | None
    startDate: Instant | None
    endDate: Instant | None


class ScopeKeywords(ScopeOptions, RequestKeywords, total=False):
    time_preset: Literal["current_month", "custom"] | None
    start_date: Instant | None
    end_date: Instant | None


class StartingOptions(TypedDict, total=False):
    """Begins a scope at a delta or a locked proof root."""

    startingCheckpoint: str | None
    startingCheckpointType: Literal["proofRoot", "recordId", "itemsRoot", "anchorId"] | None


class StartingKeywords(StartingOptions, total=False):
    starting_checkpoint: str | None
    starting_checkpoint_type: Literal["proofRoot", "recordId", "itemsRoot", "anchorId"] | None


class ReckoningOptions(RequestOptions, total=False):
    startingBalance: Amount | None
    granularity: Literal["day", "week", "month"] | None


class ReckoningKeywords(ReckoningOptions, RequestKeywords, total=False):
    starting_balance: Amount | None


class WindowOptions(ReckoningOptions, total=False):
    """The options of derive without those of the scope, for calls that set their own window."""

    limit: int | None
    offset: int | None
    include: Literal["deltas"] | None


class WindowKeywords(WindowOptions, ReckoningKeywords, total=False):
    pass


class DeriveOptions(ScopeOptions, StartingOptions, WindowOptions, total=False):
    """A scope, a starting balance, and what to include."""


class DeriveKeywords(DeriveOptions, ScopeKeywords, StartingKeywords, WindowKeywords, total=False):
    pass


class TheirRecord(TypedDict):
    """One entry in the other side's books."""

    referenceId: str
    delta: Amount


class CompareOptions(ScopeOptions, StartingOptions, ReckoningOptions, total=False):
    """`tolerance`: differences up to this still match; `theirRecords`: their entries, to find those that differ."""

    tolerance: Amount | None
    theirRecords: list[TheirRecord] | None


class CompareKeywords(CompareOptions, ScopeKeywords, StartingKeywords, ReckoningKeywords, total=False):
    their_records: list[TheirRecord] | None


class ShortViews(TypedDict):
    """The two balances to compare."""

    yours: Amount
    theirs: Amount


class LongViews(TypedDict):
    """The same under the API's names."""

    yourBalance: Amount
    theirBalance: Amount


class CompareRequest(LongViews, CompareOptions, total=False):
    """A comparison as a single dict."""

    customerId: str


class CheckpointOptions(ScopeOptions, total=False):
    invoiceReference: str | None
    preview: bool | None


class CheckpointKeywords(CheckpointOptions, ScopeKeywords, total=False):
    invoice_reference: str | None


class CloseMonthOptions(PollOptions, total=False):
    """`preview`: only lists what would be locked."""

    preview: bool | None


class CloseMonthKeywords(CloseMonthOptions, PollKeywords, total=False):
    pass


class ListCheckpointsOptions(ScopeOptions, total=False):
    customerId: str | None
    limit: int | None
    offset: int | None


class ListCheckpointsKeywords(ListCheckpointsOptions, ScopeKeywords, total=False):
    customer_id: str | None


class PageOptions(RequestOptions, total=False):
    limit: int | None
    offset: int | None


class PageKeywords(PageOptions, RequestKeywords, total=False):
    pass


class CustomersOptions(RequestOptions, total=False):
    """`search` is a part of a customerId or display name; `cursor`, instead of `page`, is a page's nextCursor."""

    page: int | None
    cursor: str | None
    limit: int | None
    search: str | None
    period: str | None


class CustomersKeywords(CustomersOptions, RequestKeywords, total=False):
    pass


class CustomerOptions(RequestOptions, total=False):
    deltaPage: int | None
    deltaLimit: int | None
    period: str | None


class CustomerKeywords(CustomerOptions, RequestKeywords, total=False):
    delta_page: int | None
    delta_limit: int | None


class GapsOptions(RequestOptions, total=False):
    fromSequence: int | None
    toSequence: int | None
    limit: int | None


class GapsKeywords(GapsOptions, RequestKeywords, total=False):
    from_sequence: int | None
    to_sequence: int | None


class DeliveriesOptions(PageOptions, total=False):
    status: str | None


class DeliveriesKeywords(DeliveriesOptions, RequestKeywords, total=False):
    pass


class ReceiptDocumentOptions(RequestOptions, total=False):
    locale: str | None
    timezone: str | None
    unit: str | None
    customerDisplayName: bool | None


class ReceiptDocumentKeywords(ReceiptDocumentOptions, RequestKeywords, total=False):
    customer_display_name: bool | None


ReceiptFormat = Literal["json", "pdf", "csv"]


class DownloadOptions(ReceiptDocumentOptions, total=False):
    """`locale`, `timezone`, `unit` and `customerDisplayName` apply to the PDF; the other formats are canonical."""

    format: ReceiptFormat | None


class DownloadKeywords(DownloadOptions, ReceiptDocumentKeywords, total=False):
    pass


class _SummaryRequired(TypedDict):
    customerId: str
    delta: Amount


class Summary(_SummaryRequired, total=False):
    """Usage added up by the caller. `windowStart` and `windowEnd`: both or neither, the end exclusive."""

    reason: str | None
    referenceId: str | None
    metadata: Metadata | None
    windowStart: Instant | None
    windowEnd: Instant | None


class SubmissionOptions(TypedDict, total=False):
    """How usage summaries are sent. `cadenceMs` is in milliseconds; `journal` is the path of the queue's file."""

    profile: Literal["daily", "sub_daily", "immediate"] | None
    enterprise: bool | None
    autoStart: bool | None
    autoFlushOnShutdown: bool | None
    defaultReason: str | None
    cadenceMs: int | None
    maxDeltasPerRequest: int | None
    maxRequestsPerMinute: float | None
    journal: str | None


class FlushOptions(TypedDict, total=False):
    """`maxItems`: the most summaries in this flush."""

    maxItems: int | None


# ---------------------------------------------------------------- replies


class DeltaOptional(TypedDict, total=False):
    occurredAt: str
    adjusts: dict[str, str]
    dataPurged: bool


class Delta(DeltaOptional):
    """A delta as on every route."""

    recordId: str
    receiptId: str
    contentHash: str
    status: str
    customerId: str
    delta: Number
    reason: str | None
    referenceId: str | None
    metadata: dict[str, Any] | None
    sequenceNumber: int
    period: str
    postedAt: str
    recordedAt: str
    latePosting: bool


class EmitReply(Delta):
    """A recorded delta; `idempotent` if its reference had been recorded before."""

    idempotent: bool
    warnings: list[str]


class DeltaStatus(Delta, total=False):
    """A delta and its status: QUEUED, PROCESSING, VERIFIED or FAILED."""

    verifiedAt: str | None
    verificationReference: str | None
    error: str | None


class _BatchResultRequired(TypedDict):
    index: int
    status: str
    customerId: str | None
    delta: Number | None
    error: str | None
    code: str | None


class BatchResult(_BatchResultRequired, total=False):
    """The outcome of one item of a batch: QUEUED or REJECTED."""

    recordId: str
    receiptId: str
    idempotent: bool
    sequenceNumber: int
    period: str
    latePosting: bool
    warnings: list[str]


class BatchReply(TypedDict):
    totalQueued: int
    totalFailed: int
    results: list[BatchResult]


class ScopeView(TypedDict):
    """The scope that a reply covers."""

    mode: str
    periods: list[str]
    startDate: str | None
    endDate: str | None
    timezone: str


class AsOf(TypedDict):
    """The part of the record that a reply covers."""

    sequence: int
    logSize: int


class Bucket(TypedDict):
    """One day, week or month of a breakdown."""

    startDate: str
    endDate: str
    netChange: Number
    deltaCount: int
    deltasCount: int


class OffsetPage(TypedDict):
    limit: int
    offset: int
    total: int


class _NumberedPageRequired(TypedDict):
    page: int | None
    limit: int
    total: int
    totalPages: int


class NumberedPage(_NumberedPageRequired, total=False):
    nextCursor: str | None


class Totals(TypedDict):
    """A scope's totals; some have the same value under two names."""

    startingBalance: Number
    computedBalance: Number
    neutralBalance: Number
    finalBalance: Number
    endingBalance: Number
    netChange: Number
    deltaCount: int
    deltasCount: int


class _DeriveOptional(TypedDict, total=False):
    breakdown: list[Bucket]
    deltas: list[Delta]
    pagination: OffsetPage


class DeriveReply(_DeriveOptional, Totals):
    """The balance of a scope: the period's own total, from everything acknowledged before the call."""

    customerId: str
    verifiedCount: int
    pendingCount: int
    broughtForward: Number
    latestReceiptId: str | None
    latestCheckpoint: str | None
    firstRecordAt: str | None
    lastRecordAt: str | None
    scope: ScopeView
    asOf: AsOf


class Discrepancy(TypedDict):
    """How far the two views differ from the record; YOURS_MATCHES, THEIRS_MATCHES or NEITHER_MATCHES."""

    yourDifference: Number
    theirDifference: Number
    resolution: str
    message: str


class _CompareOptional(TypedDict, total=False):
    breakdown: list[Bucket]
    missingInTheirs: list[dict[str, Any]]
    missingInOurs: list[dict[str, Any]]
    different: list[dict[str, Any]]


class CompareReply(_CompareOptional, Totals):
    """Two views compared with the record."""

    customerId: str
    yourBalance: Number
    theirBalance: Number
    tolerance: Number
    matchesYours: bool
    matchesTheirs: bool
    match: bool
    discrepancy: Discrepancy | None
    latestReceiptId: str | None
    verifiedCount: int
    pendingCount: int
    scope: ScopeView
    asOf: AsOf


class Checkpoint(Totals):
    """A period's or scope's proof root, as in lists. A `locked` one never changes; a scope without deltas has none."""

    checkpointId: str | None
    receiptId: str | None
    customerId: str
    period: str | None
    startDate: str | None
    endDate: str | None
    proofRoot: str | None
    broughtForward: Number
    carriedForward: Number
    status: str
    locked: bool
    createdAt: str | None
    verifiedAt: str | None
    firstRecordAt: str | None
    lastRecordAt: str | None
    previousCheckpointId: str | None
    invoiceReference: str | None


class AlsoLocked(TypedDict):
    """An earlier month that was locked first."""

    period: str
    checkpointId: str
    proofRoot: str


class _CheckpointOfAll(TypedDict, total=False):
    jobId: str | None
    checkpoints: list[Checkpoint]
    totals: dict[str, Number]
    preview: bool
    done: int
    total: int
    failed: list[dict[str, Any]]
    failedCount: int
    startedAt: str | None
    finishedAt: str | None


class CheckpointReply(Checkpoint, _CheckpointOfAll):
    """One customer's checkpoint. For all customers, and in a preview, it has `checkpoints` and `totals` instead."""

    alsoLocked: list[AlsoLocked]
    idempotent: bool
    warnings: list[str]


class CheckpointList(TypedDict):
    checkpoints: list[Checkpoint]
    pagination: OffsetPage


class JobReply(TypedDict):
    """The progress of locking a period for all customers."""

    jobId: str
    period: str
    status: str
    done: int
    total: int
    failed: list[dict[str, Any]]
    failedCount: int
    totals: dict[str, Number]
    startedAt: str | None
    finishedAt: str | None


class _MonthOptional(TypedDict, total=False):
    jobId: str
    status: str
    done: int
    total: int
    startedAt: str
    finishedAt: str | None
    preview: bool


class MonthReply(_MonthOptional):
    """A month locked for every customer, or the preview of it.

    `failed` names the first 1,000 customers that could not be locked and why, `failedCount` counts all of them;
    `locked` is true if there are none. `checkpoints` has those of up to 100 customers; for more it is empty. A preview
    has no job, and shows for each customer only what would be locked.
    """

    period: str
    checkpoints: list[Checkpoint]
    totals: dict[str, Number]
    failed: list[dict[str, Any]]
    failedCount: int
    locked: bool
    warnings: list[str]


class TimelineMonth(TypedDict):
    """One month of a customer: locked, or open with its provisional root."""

    period: str
    startDate: str
    endDate: str
    locked: bool
    status: str
    deltaCount: int
    deltasCount: int
    computedBalance: Number
    neutralBalance: Number
    finalBalance: Number
    endingBalance: Number
    netChange: Number
    broughtForward: Number
    carriedForward: Number
    proofRoot: str | None
    previousRoot: str | None
    checkpointId: str | None
    invoiceReference: str | None
    createdAt: str | None
    verifiedAt: str | None
    firstRecordAt: str | None
    lastRecordAt: str | None


class TimelineReply(TypedDict):
    """The months of one customer in order."""

    customerId: str
    periods: list[TimelineMonth]
    pagination: OffsetPage


# `from` is a keyword, so it can't be a name in a class body.
_DiffEnds = TypedDict("_DiffEnds", {"from": Checkpoint, "to": Checkpoint})


class DiffReply(_DiffEnds):
    """Two checkpoints of one customer, and a page of the deltas between them."""

    customerId: str
    difference: dict[str, Number]
    consistent: bool
    problems: list[str]
    deltas: list[Delta]
    pagination: OffsetPage


class CountAndTotal(TypedDict):
    """The count and total of some deltas."""

    count: int
    total: Number


class Subtotal(TypedDict):
    """The deltas of one reason."""

    reason: str | None
    count: int
    total: Number


class ReceiptReply(Totals):
    """A scope's totals with its proof root and links; every key is always present, None where nothing applies."""

    customerId: str
    period: str | None
    startDate: str | None
    endDate: str | None
    generatedAt: str
    proofRoot: str | None
    provisional: bool
    broughtForward: Number
    carriedForward: Number
    debits: Number
    credits: Number
    subtotals: list[Subtotal]
    otherReasons: CountAndTotal | None
    unit: str | None
    lateLines: list[dict[str, Any]]
    corrections: list[dict[str, Any]]
    status: str
    locked: bool
    environment: str
    receiptId: str | None
    checkpointId: str | None
    invoiceReference: str | None
    firstRecordAt: str | None
    lastRecordAt: str | None
    verifyUrl: str | None
    verificationApiUrl: str | None
    verificationExplorerUrl: str | None
    bundleUrl: str | None
    customerLinkUrl: str | None
    customerLinkHost: str | None
    accessHint: str | None
    keyFingerprint: str
    deltas: list[Delta]
    asOf: dict[str, int]
    verification: dict[str, Any]


class ReceiptDocument(ReceiptReply):
    """A receipt by its receiptId as a document: its title, the reader's settings, and its links.

    `kind` is `receipt`, `creditNote` or `debitNote`; `parts` has count and total of `ordinary`, `late` and
    `corrections`.
    """

    title: str
    kind: str
    correctedPeriods: list[str]
    vendorName: str | None
    parts: dict[str, CountAndTotal]
    linesWithheld: bool
    slotFingerprint: str
    commands: list[str]
    customerDisplayName: str | None
    locale: str
    timezone: str
    links: dict[str, str]


class ListedReceipt(Checkpoint):
    """A receipt in a customer's list."""

    provisional: bool
    links: dict[str, str]


class Customer(TypedDict):
    """A customer in a list; balances are the period's, `allTimeBalance` is over all months."""

    customerId: str
    customerReference: str
    displayName: str | None
    sharingStateHint: str | None
    eventCadence: str | None
    unit: str | None
    totalDeltas: int
    period: str
    periodDeltas: int
    computedBalance: Number
    neutralBalance: Number
    finalBalance: Number
    endingBalance: Number
    allTimeBalance: Number
    lockedThrough: str | None
    firstActivityAt: str | None
    lastActivityAt: str | None
    latestCheckpoint: str | None


class CustomerList(TypedDict):
    customers: list[Customer]
    pagination: NumberedPage


class ActivityItem(Delta):
    """A delta in a customer's activity; `time` is when it was recorded."""

    time: str
    verificationReference: str | None


class Activity(TypedDict):
    """A customer's newest deltas, in pages."""

    items: list[ActivityItem]
    pagination: NumberedPage


class CustomerReply(Customer):
    """One customer with its newest deltas."""

    recentActivity: Activity


class UsageReply(TypedDict):
    """How many deltas were recorded in the current month; `limit` and `remaining` are None without a limit."""

    allowed: bool
    used: int
    limit: int | None
    remaining: int | None
    period: str
    activeCustomers: int


_GapEnds = TypedDict("_GapEnds", {"from": int, "to": int})


class Gap(_GapEnds):
    """Missing sequence numbers, including both ends."""

    count: int


class GapsReply(TypedDict):
    customerId: str
    fromSequence: int
    toSequence: int
    gaps: list[Gap]
    missingCount: int
    lastSequence: int


class Delivery(TypedDict):
    """One event for one endpoint."""

    eventId: str
    event: str
    endpointId: str
    deliveryStatus: str
    status: str
    attempts: int
    nextAttemptAt: str | None
    lastStatusCode: int | None
    lastError: str | None
    lastAttemptAt: str
    createdAt: str


class DeliveryList(TypedDict):
    deliveries: list[Delivery]
    pagination: OffsetPage


class _VerifyRequired(TypedDict):
    verified: bool


class VerifyReply(_VerifyRequired, total=False):
    """The result of recomputing a proof root (`summary`), or the state of one delta's receiptId (`status`)."""

    proofRoot: str
    recordedAt: str | None
    message: str
    locked: bool
    period: str | None
    environment: str
    status: str
    source: str
    checkedAt: str
    summary: dict[str, Any] | None
    records: list[Any]
    verification: dict[str, Any]


class ClockReply(TypedDict):
    """The sandbox's ledger clock; `held` if it is stopped."""

    environment: str
    now: str
    held: bool


class ResetReply(ClockReply, total=False):
    reset: bool
    logOrigin: str
    keyFingerprint: str


class CreatedCustomer(Customer, total=False):
    """A customer created by hand."""

    environment: str
    createdAt: str


class QueuedSummary(TypedDict):
    """A waiting usage summary: `delta` as it will be sent, windows in UTC; a later one with its `key` replaces it."""

    customerId: str
    delta: Amount
    windowStart: str | None
    windowEnd: str | None
    reason: str
    referenceId: str
    metadata: dict[str, Any]
    queuedAt: str
    key: str


class SummaryFailure(TypedDict):
    """Why a usage summary was not recorded; `permanent` if retrying can't help."""

    customerId: str
    referenceId: str
    error: str
    code: str | None
    permanent: bool


class RejectedSummary(QueuedSummary):
    """A usage summary that will never be recorded as it is."""

    error: str
    code: str | None


class FlushReply(TypedDict):
    """The result of a flush. `accepted` (= `submitted`) were recorded, `replayed` of them had been recorded before."""

    profile: str
    startedAt: str
    finishedAt: str
    attempted: int
    accepted: int
    submitted: int
    failed: int
    replayed: int
    requestCount: int
    queuedAfterFlush: int
    failures: list[SummaryFailure]
    rejected: list[RejectedSummary]


class QueueState(TypedDict):
    """The state of the queue. `rejected`: the newest usage summaries that will never be recorded as they are."""

    profile: str
    cadenceMs: int
    enterprise: bool
    queuedCount: int
    isRunning: bool
    nextFlushAt: str | None
    rejected: list[RejectedSummary]


class VerificationReport(TypedDict):
    """The result of verifying receipt files, as from `python -m pacspace_proofs --json`; amounts are exact text."""

    result: str
    files: list[dict[str, Any]]
    sets: list[dict[str, Any]]


class WebhookEvent(TypedDict):
    """A webhook's body."""

    id: str
    event: str
    timestamp: str
    createdAt: str
    tenantId: str
    environment: str
    data: dict[str, Any]
