"""Seals: eight keyed bytes over the columns that a row's leaf does not cover, so that a flipped bit shows there too."""

from __future__ import annotations

import json
from hashlib import blake2b

from ...domain.amounts import amount_text
from .records import (
    Checkpoint,
    Customer,
    Delta,
    Integration,
    Key,
    Log,
    Part,
    PeriodHead,
    ReplacedTree,
)


def row_seal(secret: bytes, *parts: bytes) -> bytes:
    """The seal over byte strings, each framed by its length."""
    framed = b"".join([len(part).to_bytes(4, "big") + part for part in parts])
    return blake2b(framed, key=secret, digest_size=8).digest()


def delta_seal(secret: bytes, delta: Delta) -> bytes:
    """Covers what neither the leaf nor the context hash covers. The first two parts have fixed lengths."""
    sealed = delta.leaf_hash + delta.body_mac + b"%d %d " % (delta.total, delta.receipt_key)
    return blake2b(sealed + (delta.reference_mac or b""), key=secret, digest_size=8).digest()


def head_seal(secret: bytes, head: PeriodHead | Integration) -> bytes:
    """Covers the previous and the current integrated state of a month."""
    stated = (head.id, head.previous_size, head.integrated_size, head.entry_index, head.batch_index, head.batch_size)
    return row_seal(secret, repr(stated).encode())


def customer_seal(secret: bytes, customer: Customer) -> bytes:
    """Covers what is fixed when a customer is created."""
    stated = (customer.environment_id, customer.customer_id, customer.slot_key, customer.unit, customer.created_at)
    return row_seal(secret, repr(stated).encode())


def log_seal(secret: bytes, log: Log) -> bytes:
    """Covers what is fixed in a log, not its sizes."""
    stated = (log.id, log.environment_id, log.origin, log.blinding_key, log.verifier_key, log.restored_from)
    return row_seal(secret, repr(stated).encode())


def log_checkpoint_seal(secret: bytes, log_id: int, size: int, root: bytes, note: str, at: int) -> bytes:
    """Covers every column of a published log checkpoint."""
    return row_seal(secret, repr((log_id, size, root, note, at)).encode())


def tree_seal(secret: bytes, tree: ReplacedTree) -> bytes:
    """Covers the first and last leaf of a replaced tree."""
    stated = (tree.customer, tree.period, tree.origin, tree.opening, tree.closing, tree.root)
    return row_seal(secret, repr(stated).encode())


def idempotency_seal(secret: bytes, key: bytes, delta: Key | None, checkpoint: Key | None, mac: bytes) -> bytes:
    """Covers the row of an Idempotency-Key."""
    return row_seal(secret, key, repr((delta, checkpoint)).encode(), mac)


def checkpoint_parts(checkpoint: Checkpoint) -> str:
    """A checkpoint's parts as one JSON text."""
    return _parts_text(checkpoint.parts)


def _parts_text(parts: list[Part]) -> str:
    return json.dumps([(part.period, part.size, part.root.hex()) for part in parts], separators=(",", ":"))


def parts_of(text: str) -> list[Part]:
    """The parts in such a text. ValueError unless the text is spelled as it was stored."""
    parts = [Part(period, size, bytes.fromhex(root)) for period, size, root in json.loads(text)]
    if _parts_text(parts) != text:
        raise ValueError(f"parts of a checkpoint are not spelled as they were stored: {text[:80]}")
    return parts


def checkpoint_seal(secret: bytes, checkpoint: Checkpoint) -> bytes:
    """Covers every column but the row number."""
    amounts = (checkpoint.net_change, checkpoint.brought_forward, checkpoint.starting_balance)
    stated = (
        checkpoint.checkpoint_id, checkpoint.customer, checkpoint.locked, checkpoint.period, checkpoint.start,
        checkpoint.end, checkpoint.proof_root.hex(), checkpoint.delta_count, *map(amount_text, amounts),
        checkpoint.first_recorded_at, checkpoint.last_recorded_at, checkpoint.invoice_reference,
        checkpoint.previous_checkpoint_id, checkpoint.created_at, checkpoint_parts(checkpoint),
    )  # fmt: skip
    return row_seal(secret, *(repr(value).encode() for value in stated))
