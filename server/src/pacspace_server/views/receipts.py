"""Replies of receipts."""

from typing import Annotated, Literal, TypedDict

from msgspec import Meta

from .shapes import (
    Amount,
    AsOf,
    Checkpoint,
    CheckpointId,
    CheckpointState,
    Count,
    DocumentLinks,
    Environment,
    Hash,
    Instant,
    Month,
    Pagination,
    ProofLinks,
    RecordedDelta,
    RecordId,
    Restored,
    Totals,
    Url,
)

Kind = Literal["receipt", "creditNote", "debitNote"]


class CountAndTotal(TypedDict):
    """The number and total of some deltas."""

    count: int
    total: Amount


class Subtotal(TypedDict):
    """The deltas with one reason; null for erased reasons."""

    reason: str | None
    count: Count
    total: Amount


class ReceiptLine(TypedDict):
    """A delta in a separate list of a receipt."""

    recordId: RecordId
    delta: Amount
    recordedAt: Instant


class LateLine(ReceiptLine):
    """A delta whose own month was locked when it was recorded."""

    occurredAt: Instant
    postedAt: Instant


class Correction(ReceiptLine):
    """A delta that corrects an earlier one."""

    adjusts: RecordId


class ReceiptAsOf(AsOf):
    """The state of the record when the receipt was made."""

    newer: Annotated[int, Meta(description="Leaves added to its months since.")]


class ReceiptProof(ProofLinks):
    """The data for verifying the receipt."""

    verifierKey: str
    logOrigin: str
    logSize: Count
    restored: Restored | None
    inLog: bool
    itemHashes: Annotated[list[Hash], Meta(description="The contentHash of each shown delta.")]


class ReceiptSums(TypedDict):
    """The sums of a receipt's lines."""

    debits: Annotated[Amount, Meta(description="The sum of the negative deltas.")]
    credits: Annotated[Amount, Meta(description="The sum of the positive deltas.")]
    subtotals: Annotated[list[Subtotal], Meta(description="By reason; erased ones are one group. At most 1,000.")]
    otherReasons: Annotated[CountAndTotal | None, Meta(description="The deltas whose reasons are not in subtotals.")]
    lateLines: list[LateLine]
    corrections: list[Correction]


class CustomerLinks(TypedDict):
    """The customer's link on receipts; nulls while sharing is off."""

    customerLinkUrl: Url | None
    customerLinkHost: str | None
    accessHint: str | None


class ReceiptTotals(Totals):
    """The totals of a receipt, with the amounts brought and carried forward."""

    startingBalance: Amount
    broughtForward: Amount
    carriedForward: Amount


class Receipt(ReceiptTotals, ReceiptSums, ProofLinks, CustomerLinks):
    """The totals of a scope with their proof. Every field is always there, null where nothing applies."""

    customerId: str
    period: Month | None
    startDate: Instant | None
    endDate: Instant | None
    generatedAt: Instant
    proofRoot: Hash | None
    provisional: bool
    unit: Annotated[str | None, Meta(description="What the amounts count.")]
    status: CheckpointState
    locked: bool
    environment: Environment
    receiptId: CheckpointId | None
    checkpointId: CheckpointId | None
    invoiceReference: str | None
    firstRecordAt: Instant | None
    lastRecordAt: Instant | None
    keyFingerprint: str
    deltas: Annotated[list[RecordedDelta], Meta(description="The first 1,000; all are in the receipt file.")]
    asOf: ReceiptAsOf
    verification: ReceiptProof


class ReceiptParts(TypedDict):
    """The parts of the total. A late correction counts as a correction."""

    ordinary: CountAndTotal
    late: CountAndTotal
    corrections: CountAndTotal


class ReceiptDocument(Receipt):
    """A receipt as a document, with the reader's preferences. Amounts and instants are canonical."""

    title: Annotated[str, Meta(description="For example: Receipt for February 2026, or Credit note for January 2026.")]
    kind: Annotated[
        Kind,
        Meta(description="A credit note if every line is a correction; a debit note if their total is below 0."),
    ]
    correctedPeriods: Annotated[list[Month], Meta(description="The corrected months.")]
    vendorName: str | None
    parts: Annotated[ReceiptParts, Meta(description="Every line is in exactly one of them.")]
    linesWithheld: Annotated[bool, Meta(description="Only the totals are shown: the deltas need the access code.")]
    slotFingerprint: Annotated[
        str, Meta(description="Identifies the customer's slots in the log; the same on all receipts.")
    ]
    commands: Annotated[list[str], Meta(description="Commands that verify the receipt on your machine.")]
    customerDisplayName: str | None
    locale: str
    timezone: str
    links: DocumentLinks


class ListedCheckpoint(Checkpoint):
    """A checkpoint in a list, with links to its receipt."""

    links: DocumentLinks


class ListedReceipt(Checkpoint):
    """A receipt in a list."""

    provisional: bool
    links: DocumentLinks


class Receipts(TypedDict):
    """A customer's receipts, newest first."""

    receipts: list[ListedReceipt]
    pagination: Pagination
