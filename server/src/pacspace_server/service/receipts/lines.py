"""A receipt as CSV, streamed: one line per delta, each complete without the file name."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ...domain.amounts import amount_text
from ...domain.instants import instant_text
from ...storage.model.records import Checkpoint, Customer, Delta
from ..base import showing
from ..base.context import Context
from ..base.csv_lines import csv_chunks
from ..base.lookup import log_in_use, log_of, verifier_key
from ..closing.checkpoint import refuse_damaged
from ..closing.leaves import Leaves, heads_of, is_stored
from .access import Reader, find_receipt, lines_refused, may_read_lines

LINE = (
    "recordId",
    "sequence",
    "postedAt",
    "recordedAt",
    "occurredAt",
    "amount",
    "reason",
    "referenceId",
    "adjusts",
    "late",
    "receiptId",
    "contentHash",
    "metadata",
)
# Repeated in every line, because files get merged and lose their names.
FILE = ("customerId", "period", "unit", "environment", "state", "invoiceReference", "proofRoot", "keyFingerprint")


def receipt_csv(context: Context, receipt_id: str, reader: Reader) -> tuple[str, Iterator[bytes]]:
    """A safe file name, and the file in pieces.

    404 RECEIPT_NOT_FOUND, 403 FORBIDDEN and 503 RECORD_DAMAGED before the first piece.
    """
    with context.storage.snapshot() as snapshot:
        checkpoint, customer = find_receipt(context, snapshot, receipt_id, reader)
        if not may_read_lines(context, snapshot, customer, checkpoint, reader):
            raise lines_refused()
        heads = heads_of(snapshot, checkpoint)
        refuse_damaged(heads)
        environment = snapshot.environment(customer.environment_id).name
        log = log_of(snapshot, heads[-1]) if heads else log_in_use(snapshot, customer)
        fingerprint = verifier_key(context.signer, log).fingerprint
    whole = (
        customer.customer_id,
        span_text(checkpoint),
        customer.unit or "",
        environment,
        "locked" if checkpoint.locked else "provisional",
        checkpoint.invoice_reference or "",
        f"0x{checkpoint.proof_root.hex()}",
        fingerprint,
    )
    lines = Leaves(context.storage, is_stored(checkpoint)).lines(checkpoint, heads)
    rows = ((*_line(customer, delta), *whole) for delta in lines)
    return file_name(customer, checkpoint, environment, "csv"), csv_chunks((*LINE, *FILE), rows)


def _line(customer: Customer, delta: Delta) -> tuple[str, ...]:
    context = showing.context_fields(delta)
    metadata = context["metadata"]
    return (
        delta.record_id,
        str(delta.sequence),
        instant_text(delta.posted_at),
        instant_text(delta.recorded_at),
        "" if delta.occurred_at is None else instant_text(delta.occurred_at),
        amount_text(delta.delta),
        context["reason"] or "",
        context["referenceId"] or "",
        delta.adjusts or "",
        "yes" if showing.is_late(delta) else "no",
        showing.receipt_id(customer, delta),
        f"0x{delta.leaf_hash.hex()}",
        "" if metadata is None else bytes(metadata).decode(),
    )


def span_text(checkpoint: Checkpoint) -> str:
    """The month, or a window as an ISO 8601 interval; its end is exclusive."""
    if checkpoint.start is None or checkpoint.end is None:
        return checkpoint.period or checkpoint.parts[0].period
    return f"{instant_text(checkpoint.start)}/{instant_text(checkpoint.end)}"


def file_name(customer: Customer, checkpoint: Checkpoint, environment: str, kind: str) -> str:
    """A name that is valid in file systems and headers, with marks for sandbox and provisional."""
    span = span_text(checkpoint).replace("T00:00:00.000000Z", "").replace("/", "_to_")
    marks = [
        mark for mark, is_so in (("SANDBOX", environment == "sandbox"), ("provisional", not checkpoint.locked)) if is_so
    ]
    name = "-".join(["receipt", customer.customer_id, span, *marks])
    return f"{re.sub(r'[^A-Za-z0-9._-]', '-', name)}.{kind}"
