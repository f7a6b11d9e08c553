"""Seals: eight keyed bytes over a row, so that a value changed in the database is found when the row is read.

A delta's leaf hash covers most of its row, its seal the rest. Every other row of the record, and each setting that is
shown beside it, has a seal over all of its columns: made when the row is written, compared when it is read
(`sql/checking.py`). A row without a seal was written by an earlier version; a migration seals it.
"""

from __future__ import annotations

import json
from hashlib import blake2b

from ...domain.amounts import amount_text
from ...domain.tree import pack
from .people import Workspace
from .records import (
    Checkpoint,
    Customer,
    DayTotal,
    Delta,
    Environment,
    Integration,
    Key,
    Log,
    Part,
    PeriodHead,
    Profile,
    ReplacedTree,
)
from .sharing import Link


def row_seal(secret: bytes, *parts: bytes) -> bytes:
    """The seal over byte strings, each framed by its length."""
    framed = b"".join([len(part).to_bytes(4, "big") + part for part in parts])
    return blake2b(framed, key=secret, digest_size=8).digest()


def delta_seal(secret: bytes, delta: Delta) -> bytes:
    """Covers what neither the leaf nor the context hash covers. The first two parts have fixed lengths."""
    sealed = delta.leaf_hash + delta.body_mac + b"%d %d " % (delta.total, delta.receipt_key)
    return blake2b(sealed + (delta.reference_mac or b""), key=secret, digest_size=8).digest()


def integration_seal(secret: bytes, head: PeriodHead | Integration) -> bytes:
    """Covers how far the log has a month: the previous state and the current one."""
    stated = (
        head.id, head.customer, head.period, head.previous_size, head.integrated_size, head.entry_index,
        head.batch_index, head.batch_size, head.integrated_total,
    )  # fmt: skip
    return row_seal(secret, repr(stated).encode(), head.integrated_root, head.integrated_peaks)


def head_seal(secret: bytes, head: PeriodHead) -> bytes:
    """Covers a month's tree and totals, not how far the log has it."""
    tree, recorded = head.frontier, (head.first_recorded_at, head.last_recorded_at)
    stated = (head.id, head.customer, head.period, tree.size, head.total, *recorded)
    hashes = (pack(tree.peaks), pack(tree.spine), pack(tree.merged))
    return row_seal(secret, repr(stated).encode(), head.opening, *hashes, head.closing or b"", head.root or b"")


def customer_seal(secret: bytes, customer: Customer) -> bytes:
    """Covers a customer's row."""
    stated = (
        customer.id, customer.environment_id, customer.shard_key, customer.customer_id, customer.slot_key,
        customer.unit, customer.created_at, customer.last_sequence, customer.total, customer.last_recorded_at,
        customer.locked_through, customer.locked_root, customer.locked_total, customer.locked_count,
    )  # fmt: skip
    return row_seal(secret, repr(stated).encode())


def day_seal(secret: bytes, day: DayTotal) -> bytes:
    """Covers what was posted to a day."""
    stated = (day.customer, day.day, day.total, day.count, day.first_sequence, day.last_sequence)
    return row_seal(secret, repr(stated).encode())


def environment_seal(secret: bytes, environment: Environment) -> bytes:
    """Covers an environment's own row."""
    stated = (environment.id, environment.workspace_id, environment.name, environment.log_id, environment.clock_at)
    return row_seal(secret, repr(stated).encode())


def workspace_seal(secret: bytes, workspace: Workspace) -> bytes:
    """Covers a workspace's settings."""
    stated = (
        workspace.id, workspace.name, workspace.created_at, workspace.time_zone, workspace.locale, workspace.unit,
        workspace.sharing_policy,
    )  # fmt: skip
    return row_seal(secret, repr(stated).encode())


def profile_seal(secret: bytes, profile: Profile) -> bytes:
    """Covers what the vendor says about a customer."""
    stated = (profile.customer, profile.display_name, profile.sharing_hint, profile.event_cadence)
    return row_seal(secret, repr(stated).encode())


def link_seal(secret: bytes, link: Link) -> bytes:
    """Covers a customer's link."""
    return row_seal(secret, repr((link.customer, link.nonce, link.version, link.policy)).encode())


def log_seal(secret: bytes, log: Log) -> bytes:
    """Covers a log's row."""
    stated = (
        log.id, log.environment_id, log.origin, log.blinding_key, log.verifier_key, log.restored_from, log.size,
        log.published_size,
    )  # fmt: skip
    return row_seal(secret, repr(stated).encode())


def log_checkpoint_seal(
    secret: bytes, log_id: int, size: int, root: bytes, note: str, at: int, previous_size: int | None
) -> bytes:
    """Covers every column of a published log checkpoint."""
    return row_seal(secret, repr((log_id, size, root, note, at, previous_size)).encode())


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
