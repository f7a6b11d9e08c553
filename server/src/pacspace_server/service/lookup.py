"""Finding deltas and checkpoints by their public ids."""

from __future__ import annotations

from ..storage import ids
from ..storage.protocols import Snapshot
from ..storage.records import Checkpoint, Customer, Delta


def find_delta(snapshot: Snapshot, text: str) -> tuple[Customer, Delta] | None:
    """The delta of a recordId or receiptId, in whatever environment; the caller checks whose it is."""
    match = ids.RECORD_ID.fullmatch(text) or ids.RECEIPT_ID.fullmatch(text)
    customer = snapshot.customer_by_shard(bytes.fromhex(match[1])) if match else None
    if match is None or customer is None:
        return None
    if text.startswith("0x"):
        delta = snapshot.delta_by_receipt(customer, bytes.fromhex(match[2]))
    else:
        delta = snapshot.delta_at(customer, int(match[2], 16))
    if delta is None or (text.startswith("rec_") and delta.record_id != text):
        return None
    return customer, delta


def find_checkpoint(snapshot: Snapshot, text: str) -> Checkpoint | None:
    """The checkpoint of a `chk_` id, or of a proof root that was handed out."""
    if ids.CHECKPOINT_ID.fullmatch(text):
        return snapshot.checkpoint(text)
    if ids.RECEIPT_ID.fullmatch(text):
        return snapshot.checkpoint_by_root(bytes.fromhex(text[2:]))
    return None
