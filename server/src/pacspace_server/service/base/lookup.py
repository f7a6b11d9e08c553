"""Lookups of deltas and checkpoints by public id, and of logs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pacspace_proofs.note import VerifierKey, parse_verifier_key

from ...domain.scopes import LAST_PERIOD
from ...log.signer import Signer, SigningRefused
from ...storage.model import ids
from ...storage.model.protocols import Damaged, Snapshot
from ...storage.model.records import Checkpoint, Customer, Delta, Log, Month, PeriodHead
from .errors import unavailable


def find_delta(snapshot: Snapshot, text: str) -> tuple[Customer, Delta] | None:
    """The delta of a recordId or receiptId, in any environment; the caller checks access."""
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
    """The checkpoint of a `chk_` id or an issued proof root."""
    if ids.CHECKPOINT_ID.fullmatch(text):
        return snapshot.checkpoint(text)
    if ids.RECEIPT_ID.fullmatch(text):
        return snapshot.checkpoint_by_root(bytes.fromhex(text[2:]))
    return None


def log_in_use(snapshot: Snapshot, customer: Customer) -> Log:
    """The current log of the customer's environment."""
    return snapshot.log(snapshot.environment(customer.environment_id).log_id)


def log_of(snapshot: Snapshot, head: PeriodHead) -> Log:
    """The log of a month; after a restore, months published before it stay in an earlier log."""
    log = snapshot.log_by_origin(head.origin)
    if log is None:
        raise Damaged("log", f"{head.origin} of {head.period} is missing")
    return log


def all_months(snapshot: Snapshot, customer: Customer) -> list[PeriodHead]:
    """Every month of a customer, in order. Together they hold all of its deltas."""
    heads = snapshot.heads(customer, "", LAST_PERIOD)
    if snapshot.checks and sum(head.delta_count for head in heads) != customer.last_sequence:
        raise Damaged("month", f"of {customer.customer_id} is missing")
    return heads


def integrated_at(snapshot: Snapshot, head: PeriodHead) -> int | None:
    """When the first log checkpoint over a month's entry was published."""
    if head.entry_index is None:
        return None
    return snapshot.published_at(log_of(snapshot, head).id, [head.entry_index]).get(head.entry_index)


def all_integrated_at(snapshot: Snapshot, logs: Sequence[Log], heads: Iterable[PeriodHead]) -> dict[Month, int]:
    """The same for many months, with one query per log; months without such a checkpoint are absent."""
    by_origin: dict[str, dict[Month, int]] = {log.origin: {} for log in logs}
    for head in heads:
        if head.entry_index is not None and head.origin not in by_origin:
            raise Damaged("log", f"{head.origin} is missing")
        if head.entry_index is not None:
            by_origin[head.origin][head.customer, head.period] = head.entry_index
    found: dict[Month, int] = {}
    for log in logs:
        entries = by_origin[log.origin]
        published = snapshot.published_at(log.id, sorted(set(entries.values()))) if entries else {}
        found |= {month: published[entry] for month, entry in entries.items() if entry in published}
    return found


def verifier_key(signer: Signer, log: Log) -> VerifierKey:
    """The public key of a log. The database has a copy that survives a loss of the signing folder."""
    if log.verifier_key is not None:
        return parse_verifier_key(log.verifier_key)
    try:
        return signer.verifier_key(log.origin)
    except SigningRefused as refused:
        raise unavailable(str(refused)) from refused
