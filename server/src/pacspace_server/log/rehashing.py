"""Reads what changed since the last run, hashes it again, and compares it with what is stored.

Only reads, so it can run in a separate process beside the recording one.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby

from msgspec import Struct

from pacspace_proofs.canonical import canonical
from pacspace_proofs.record import CLOSED, HEAD, commitment, context_hash, slot
from pacspace_proofs.tree import leaf_hash, push, root_of_peaks

from ..domain.tree import pack, unpack
from ..storage.model.leaf_bytes import delta_leaf
from ..storage.model.protocols import Storage
from ..storage.model.records import Customer, Delta, Integration, Key, Log, PeriodHead

MAX_HEADS = 5_000
BEAT_EVERY = 1_000  # deltas


class Damage(Struct):
    """A month that does not match its hashes, the problem, and the first failing delta (10^-9 units), if any."""

    customer: Key
    customer_id: str
    period: str
    problem: str
    record_id: str | None = None
    delta: int | None = None


@dataclass
class Prepared:
    """What a run re-hashed and will log: open heads with their commitments, closed heads with slot and entry."""

    log_id: int
    origin: str
    opened: list[tuple[bytes, Integration]] = field(default_factory=list)
    closed: list[tuple[bytes, bytes, Integration]] = field(default_factory=list)
    damaged: list[Damage] = field(default_factory=list)


Beat = Callable[[], object]
Prepare = Callable[[int, Beat], Prepared | None]


def head_object(
    customer: Customer, head: PeriodHead, origin: str, size: int, root: bytes, closed: bool
) -> dict[str, str]:
    """The head object that the commitment covers."""
    return {
        "schema": HEAD,
        "origin": origin,
        "slot": slot(customer.slot_key, head.period, origin).hex(),
        "period": head.period,
        "size": str(size),
        "root": root.hex(),
        "closed": "yes" if closed else "no",
    }


def head_salt(log: Log, head: dict[str, str]) -> bytes:
    """Always the same salt for the same head, so that a repeated commitment can't look like fraud."""
    return hmac.digest(log.blinding_key, canonical(head), "sha256")[:16]


def rehash(customer: Customer, head: PeriodHead, new: Iterable[Delta]) -> tuple[str, Delta | None] | None:
    """Recomputes what was stored since the last run and compares it with the head; returns the problem, if any."""
    peaks, total, index = unpack(head.integrated_peaks), head.integrated_total, head.integrated_size
    if index == 0:
        push(peaks, 0, leaf_hash(head.opening))
        index = 1
    for delta in new:
        total += delta.delta
        if leaf_hash(delta_leaf(customer.customer_id, delta)) != delta.leaf_hash:
            return f"line {delta.leaf_index}: the stored delta does not match its hash", delta
        if delta.context is not None and context_hash(delta.salt or b"", delta.context) != delta.context_hash:
            return f"line {delta.leaf_index}: the context does not match its hash", delta
        if delta.leaf_index != index or delta.period_total != total:
            return f"line {delta.leaf_index}: the index or the running total is wrong", delta
        push(peaks, index, delta.leaf_hash)
        index += 1
    if head.closing is not None and index < head.size:
        push(peaks, index, leaf_hash(head.closing))
        index += 1
    if index != head.size or peaks != head.frontier.peaks or total != head.total:
        return "the head does not match its leaves", None
    return None


def prepare(storage: Storage, environment_id: int, beat: Beat) -> Prepared | None:
    """Reads and re-hashes all changes, beside the committer; later changes belong to the next run.

    Returns None if there are none. Calls `beat` regularly, so that a long run does not look like a dead one.
    """
    with storage.snapshot(checked=False) as snapshot:
        log = snapshot.log(snapshot.environment(environment_id).log_id)
        prepared = Prepared(log.id, log.origin)
        if log.size > log.published_size:
            # A run was interrupted: finish it first, so that the run before the last is always published.
            return prepared
        changed = snapshot.changed_heads(environment_id, MAX_HEADS)
        new_deltas = _beating(beat, snapshot.new_deltas(environment_id, changed))
        by_head = groupby(new_deltas, lambda delta: delta.period_id)
        head_id, new = next(by_head, (None, iter(())))
        for customer, head in changed:
            problem = rehash(customer, head, new if head_id == head.id else ())
            if head_id == head.id:
                head_id, new = next(by_head, (None, iter(())))
            if problem is not None:
                said, delta = problem
                damage = Damage(head.customer, customer.customer_id, head.period, said)
                if delta is not None:
                    damage.record_id, damage.delta = delta.record_id, delta.delta
                prepared.damaged.append(damage)
            else:
                _commit_to(prepared, log, customer, head)
    return prepared if prepared.opened or prepared.closed or prepared.damaged else None


def _beating(beat: Beat, deltas: Iterable[Delta]) -> Iterator[Delta]:
    for number, delta in enumerate(deltas):
        if number % BEAT_EVERY == 0:
            beat()
        yield delta


def _commit_to(prepared: Prepared, log: Log, customer: Customer, head: PeriodHead) -> None:
    root = root_of_peaks(head.frontier.peaks)
    stated = head_object(customer, head, log.origin, head.size, root, head.closed)
    committed = commitment(head_salt(log, stated), stated)
    integration = Integration(
        head.id,
        head.customer,
        head.period,
        head.integrated_size,
        head.size,
        root,
        pack(head.frontier.peaks),
        head.total,
    )
    if head.closed:
        entry = {"schema": CLOSED, "slot": stated["slot"], "commitment": committed.hex()}
        prepared.closed.append((bytes.fromhex(stated["slot"]), canonical(entry), integration))
    else:
        prepared.opened.append((committed, integration))
