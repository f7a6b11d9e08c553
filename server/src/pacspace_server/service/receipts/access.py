"""Who may read what a receipt holds. The one rule; the page, the PDF, the CSV and the JSON all ask it."""

from __future__ import annotations

from dataclasses import dataclass

from ...storage.model.protocols import Snapshot
from ...storage.model.records import Checkpoint, Customer
from ..base.context import Caller, Context
from ..base.errors import ServiceError


@dataclass(frozen=True)
class Reader:
    """Who asks for a receipt: the caller of a key, or a stranger who has the receiptId."""

    caller: Caller | None = None


def may_read_lines(
    context: Context, snapshot: Snapshot, customer: Customer, checkpoint: Checkpoint, reader: Reader
) -> bool:
    """Whether the reader may have single records, reasons and references; totals are open to whoever has the receiptId.

    The receiptId is unguessable, and having it is enough.
    """
    return True


def find_receipt(context: Context, snapshot: Snapshot, receipt_id: str, reader: Reader) -> tuple[Checkpoint, Customer]:
    """The checkpoint of a receiptId (chk_) and its customer; 404 RECEIPT_NOT_FOUND, also for another environment's key."""
    checkpoint = snapshot.checkpoint(receipt_id)
    customer = snapshot.customer_at(checkpoint.customer) if checkpoint else None
    caller = reader.caller
    if checkpoint is None or customer is None or (caller and caller.environment_id != customer.environment_id):
        raise ServiceError("RECEIPT_NOT_FOUND", f"no receipt {receipt_id[:80]}")
    return checkpoint, customer


def require_lines(context: Context, snapshot: Snapshot, receipt_id: str, reader: Reader) -> None:
    """403 FORBIDDEN for a reader who may not have the lines; nothing for a receiptId that there is not."""
    checkpoint = snapshot.checkpoint(receipt_id)
    customer = snapshot.customer_at(checkpoint.customer) if checkpoint else None
    if checkpoint and customer and not may_read_lines(context, snapshot, customer, checkpoint, reader):
        raise lines_refused()


def lines_refused() -> ServiceError:
    """For a form that is nothing but lines."""
    message = "the single records need the access code; the page and the PDF show the totals without it"
    return ServiceError("FORBIDDEN", message)
