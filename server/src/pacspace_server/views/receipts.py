"""What receipts answer."""

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
    """Some deltas in one line."""

    count: int
    total: Amount


class Subtotal(TypedDict):
    """The deltas of one reason; null when it was erased."""

    reason: str | None
    count: Count
    total: Amount


class ReceiptLine(TypedDict):
    """A delta that a receipt lists apart."""

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
    """What the receipt had seen."""

    newer: Annotated[int, Meta(description="Leaves that came to its months since.")]


class ReceiptProof(ProofLinks):
    """What is needed to check the receipt."""

    verifierKey: str
    logOrigin: str
    logSize: Count
    restored: Restored | None
    inLog: bool
    itemHashes: Annotated[list[Hash], Meta(description="The contentHash of each delta that is shown.")]


class ReceiptSums(TypedDict):
    """What the lines of a receipt add up to."""

    debits: Annotated[Amount, Meta(description="The sum of the negative deltas.")]
    credits: Annotated[Amount, Meta(description="The sum of the positive deltas.")]
    subtotals: Annotated[list[Subtotal], Meta(description="By reason; those erased are one group. At most 1,000.")]
    otherReasons: Annotated[CountAndTotal | None, Meta(description="What is beyond the reasons in subtotals.")]
    lateLines: list[LateLine]
    corrections: list[Correction]


class CustomerLinks(TypedDict):
    """The customer's own link as receipts name it; nulls while sharing is off."""

    customerLinkUrl: Url | None
    customerLinkHost: str | None
    accessHint: str | None


class Receipt(Totals, ReceiptSums, ProofLinks, CustomerLinks):
    """The totals of a scope with their proof. Every field is always there, null where nothing applies."""

    customerId: str
    period: Month | None
    startDate: Instant | None
    endDate: Instant | None
    generatedAt: Instant
    proofRoot: Hash | None
    provisional: bool
    startingBalance: Amount
    broughtForward: Amount
    carriedForward: Amount
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
    """How the total is made up. A line that corrects is a correction, also when it came late."""

    ordinary: CountAndTotal
    late: CountAndTotal
    corrections: CountAndTotal


class ReceiptDocument(Receipt):
    """A receipt as a document, and how the reader wants it. The amounts and instants here are the canonical ones."""

    title: Annotated[
        str, Meta(description="Receipt for February 2026, or Credit note for the months that it corrects.")
    ]
    kind: Annotated[
        Kind,
        Meta(
            description="A credit note when every line corrects an earlier one; a debit note if they come to less than 0."
        ),
    ]
    correctedPeriods: Annotated[list[Month], Meta(description="The months whose records are corrected.")]
    vendorName: str | None
    parts: Annotated[ReceiptParts, Meta(description="Every line is in exactly one of them.")]
    linesWithheld: Annotated[bool, Meta(description="Only the totals are shown: the records need the access code.")]
    slotFingerprint: Annotated[
        str, Meta(description="Names the customer's place in the log; the same on all receipts.")
    ]
    commands: Annotated[list[str], Meta(description="How to check the receipt on one's own machine.")]
    customerDisplayName: str | None
    locale: str
    timezone: str
    links: DocumentLinks


class ListedCheckpoint(Checkpoint):
    """A checkpoint in a list, and where its receipt is."""

    links: DocumentLinks


class ListedReceipt(Checkpoint):
    """A receipt in a list."""

    provisional: bool
    links: DocumentLinks


class Receipts(TypedDict):
    """A customer's receipts, newest first."""

    receipts: list[ListedReceipt]
    pagination: Pagination
