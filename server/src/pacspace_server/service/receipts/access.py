"""Access to receipts: the one rule for page, PDF, CSV and JSON."""

from __future__ import annotations

from dataclasses import dataclass

from ...storage.model.protocols import Snapshot
from ...storage.model.records import Checkpoint, Customer
from ..base.context import Caller, Context
from ..base.errors import ServiceError


@dataclass(frozen=True)
class Reader:
    """A reader of a receipt: an authenticated caller, or anyone with the receiptId."""

    caller: Caller | None = None


def may_read_lines(
    context: Context, snapshot: Snapshot, customer: Customer, checkpoint: Checkpoint, reader: Reader
) -> bool:
    """Whether the reader may see deltas, reasons and references besides the totals.

    Always true: the receiptId is unguessable, and it is enough.
    """
    return True


def find_receipt(context: Context, snapshot: Snapshot, receipt_id: str, reader: Reader) -> tuple[Checkpoint, Customer]:
    """The checkpoint and customer of a receiptId (chk_). 404 RECEIPT_NOT_FOUND, also for another environment's key."""
    checkpoint = snapshot.checkpoint(receipt_id)
    customer = snapshot.customer_at(checkpoint.customer) if checkpoint else None
    caller = reader.caller
    if checkpoint is None or customer is None or (caller and caller.environment_id != customer.environment_id):
        raise ServiceError("RECEIPT_NOT_FOUND", f"no receipt {receipt_id[:80]}")
    return checkpoint, customer


def require_lines(context: Context, snapshot: Snapshot, receipt_id: str, reader: Reader) -> None:
    """403 FORBIDDEN if the reader may not see the deltas. Ignores an unknown receiptId."""
    checkpoint = snapshot.checkpoint(receipt_id)
    customer = snapshot.customer_at(checkpoint.customer) if checkpoint else None
    if checkpoint and customer and not may_read_lines(context, snapshot, customer, checkpoint, reader):
        raise lines_refused()


def lines_refused() -> ServiceError:
    """The refusal of a form that consists of deltas."""
    message = "the deltas need the access code; the page and the PDF show the totals without it"
    return ServiceError("FORBIDDEN", message)
