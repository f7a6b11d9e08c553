"""The integrator: changed period heads become log entries under a signed, published log checkpoint.

One straight line per log. After each durable step a comment says what a crash there leaves, and who repairs it: always
the next run of the same code.
"""

from __future__ import annotations

import hmac
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import structlog

from pacspace_proofs.canonical import canonical
from pacspace_proofs.record import BATCH, CLOSED, HEAD, commitment, context_hash, slot
from pacspace_proofs.tree import leaf_hash, push, root_of_leaves, root_of_peaks

from ..domain.tree import pack, unpack
from ..storage.committer import NotWritten
from ..storage.protocols import InDoubt, Lease, LeaseLost, Snapshot, Storage, Unavailable, Unit
from ..storage.recording import delta_leaf
from ..storage.records import Customer, Delta, Environment, Log, PeriodHead
from . import logtree
from .signer import Signer, SigningRefused
from .standing import refusal

MAX_HEADS = 5_000
PAUSE_S = 0.05
RETRY_S = 1.0
LOOK_S = 0.1  # for what other processes wrote
HOLD_EVERY = 1_000  # deltas

logger = structlog.get_logger("pacspace.integrator")
Write = Callable[[Callable[[Unit], Any]], Any]


@dataclass
class Run:
    """What one run fixed: the log's new size and root."""

    log: Log
    root: bytes


@dataclass
class Prepared:
    """What a run read and re-hashed, and will put into the log: closed heads with slot and entry, open ones."""

    log_id: int
    origin: str
    opened: list[tuple[bytes, PeriodHead]] = field(default_factory=list)
    closed: list[tuple[bytes, bytes, PeriodHead]] = field(default_factory=list)
    damaged: list[PeriodHead] = field(default_factory=list)


def head_object(
    customer: Customer, head: PeriodHead, origin: str, size: int, root: bytes, closed: bool
) -> dict[str, str]:
    """The head as it is committed to."""
    return {
        "schema": HEAD, "origin": origin, "slot": slot(customer.slot_key, head.period, origin).hex(),
        "period": head.period, "size": str(size), "root": root.hex(), "closed": "yes" if closed else "no",
    }  # fmt: skip


def head_salt(log: Log, head: dict[str, str]) -> bytes:
    """Same head, same salt, always: a repeated commitment can't look like fraud."""
    return hmac.digest(log.blinding_key, canonical(head), "sha256")[:16]


def rehash(customer: Customer, head: PeriodHead, new: Iterable[Delta]) -> str | None:
    """Recomputes what was stored since the last run and compares it with the head; says what differs, or None."""
    peaks, total, index = unpack(head.integrated_peaks), head.integrated_total, head.integrated_size
    if index == 0:
        push(peaks, 0, leaf_hash(head.opening))
        index = 1
    for delta in new:
        total += delta.delta
        if leaf_hash(delta_leaf(customer.customer_id, delta)) != delta.leaf_hash:
            return f"line {delta.leaf_index}: what is stored is not what was hashed"
        if delta.context is not None and context_hash(delta.salt or b"", delta.context) != delta.context_hash:
            return f"line {delta.leaf_index}: the context is not what was hashed"
        if delta.leaf_index != index or delta.period_total != total:
            return f"line {delta.leaf_index}: index or running total does not follow"
        push(peaks, index, delta.leaf_hash)
        index += 1
    if head.closing is not None and index < head.size:
        push(peaks, index, leaf_hash(head.closing))
        index += 1
    if index != head.size or peaks != head.frontier.peaks or total != head.total:
        return "the head does not fit its leaves"
    return None


class Integrator:
    """Runs on a thread of its own until stopped. `write` carries a transaction out in turn with the committer's.

    Of several processes on one record, the one that holds a log's lease integrates; the others look what it published.
    """

    def __init__(self, storage: Storage, signer: Signer, write: Write, on_published: Callable[[], None]) -> None:
        self._storage, self._signer, self._write, self._on_published = storage, signer, write, on_published
        self._wake = threading.Event()
        self._stopping = False
        self._refusals: dict[int, str] = {}  # by environment
        self._leases: dict[int, Lease] = {}
        self._published: dict[str, int] = {}
        self._thread = threading.Thread(target=self._loop, name="integrator", daemon=True)

    @property
    def refusals(self) -> dict[int, str]:
        """Why an environment's log is not being signed, and what to do; by environment."""
        return dict(self._refusals)

    def start(self) -> None:
        """Looks first whether each log may go on, so that whoever asks is told from the first request on."""
        with self._storage.snapshot() as snapshot:
            for environment in snapshot.environments():
                self._refused(snapshot, environment)
        self._thread.start()

    def _refused(self, snapshot: Snapshot, environment: Environment) -> bool:
        """Whether the log may not go on; tells of it once."""
        reason = refusal(snapshot, self._signer, snapshot.log(environment.log_id))
        if reason is None:
            self._refusals.pop(environment.id, None)
            return False
        if self._refusals.get(environment.id) != reason:
            logger.error("nothing is signed", environment=environment.name, reason=reason)
        self._refusals[environment.id] = reason
        return True

    def wake(self) -> None:
        self._wake.set()

    def stop(self) -> None:
        """Ends after the run under way."""
        self._stopping = True
        self._wake.set()
        self._thread.join()
        self.release()

    def release(self) -> None:
        """Lets another process integrate at once."""
        for lease in self._leases.values():
            lease.release()

    def _loop(self) -> None:
        while not self._stopping:
            self._wake.wait(timeout=LOOK_S if self._storage.remote else RETRY_S)
            self._wake.clear()
            started = time.monotonic()
            try:
                # Another look at once when something was done: it may have been more than one run takes.
                if any([self.run(environment) for environment in self._look()]):
                    self._wake.set()
            except LeaseLost as lost:
                logger.warning("another process integrates now", problem=str(lost))
            except (Unavailable, InDoubt, NotWritten) as problem:
                logger.warning("the database is not there; tried again", problem=repr(problem))
                time.sleep(RETRY_S)
            except Exception:
                logger.exception("integration failed; the next run repeats it")
                time.sleep(RETRY_S)
            # At most half of the time, so that recording never waits long for the log.
            time.sleep(max(PAUSE_S, time.monotonic() - started))

    def _look(self) -> list[Environment]:
        """The environments; tells of what other processes have published."""
        with self._storage.snapshot() as snapshot:
            environments = snapshot.environments()
            logs = [snapshot.log(environment.log_id) for environment in environments]
        before, self._published = self._published, {log.origin: log.published_size for log in logs}
        if self._published != before:
            self._on_published()
        return environments

    def _lease(self, environment_id: int) -> Lease:
        if environment_id not in self._leases:
            self._leases[environment_id] = self._storage.lease(f"integrator/{environment_id}")
        return self._leases[environment_id]

    def run(self, environment: Environment) -> bool:
        """One integration of one environment's log; whether there was anything to do."""
        lease = self._lease(environment.id)
        fencing = lease.hold()  # also while nothing is signed: whoever finds it held knows of a running server
        if environment.id in self._refusals:
            with self._storage.snapshot() as snapshot:  # a key may have come back
                if self._refused(snapshot, environment):
                    return False
        if fencing is None:
            return False
        # Straight line: read and re-hash, fix entries, sign, publish. A crash between two steps is repaired by the next.
        prepared = self._prepare(environment.id)
        if prepared is None:
            return False
        fixed = self._write(lease.guard(lambda unit: _fix_entries(unit, prepared)))
        # Crash here: entries are fixed but not signed. The next run finds size > published_size and signs them.
        if fixed is None:
            return False
        log, root = fixed.log, fixed.root
        try:
            note = self._sign(log, root, fencing)
        except SigningRefused as refused:
            logger.error("nothing is signed", environment=environment.name, reason=str(refused))
            self._refusals[environment.id] = str(refused)
            return False
        if note is None:
            return False
        # Crash here: the last-signed record has moved, nobody saw the checkpoint. The next run signs the same bytes.
        at = time.time_ns() // 1000

        def publish(unit: Unit) -> None:
            if unit.log_by_origin(log.origin) is not None:
                unit.publish(log.id, log.size, root, note, at)

        self._write(lease.guard(publish))
        # Crash here: published; the heads' verified sizes follow from the published size, so nothing is left to do.
        self._on_published()
        return True

    def _sign(self, log: Log, root: bytes, fencing: int) -> str | None:
        with self._storage.snapshot() as snapshot:
            if snapshot.log_by_origin(log.origin) is None:
                return None  # the sandbox was emptied meanwhile
            return self._signer.sign(
                log.origin, log.size, root, fencing, lambda size: logtree.root_at(snapshot, log.id, size)
            )

    def _prepare(self, environment_id: int) -> Prepared | None:
        """Reads what changed and re-hashes it, beside the committer; a head that grows meanwhile belongs to the next run."""
        with self._storage.snapshot() as snapshot:
            log = snapshot.log(snapshot.environment(environment_id).log_id)
            prepared = Prepared(log.id, log.origin)
            if log.size > log.published_size:
                # A run was cut short: finish it first, so that the run before the last is always published.
                return prepared
            changed = snapshot.changed_heads(environment_id, MAX_HEADS)
            new_deltas = _holding(self._lease(environment_id), snapshot.new_deltas(environment_id, changed))
            by_head = groupby(new_deltas, lambda delta: delta.period_id)
            head_id, new = next(by_head, (None, iter(())))
            for customer, head in changed:
                damage = rehash(customer, head, new if head_id == head.id else ())
                if head_id == head.id:
                    head_id, new = next(by_head, (None, iter(())))
                if damage is not None:
                    logger.error("record damaged", customer=customer.customer_id, period=head.period, problem=damage)
                    head.frozen = True
                    prepared.damaged.append(head)
                else:
                    _commit_to(prepared, log, customer, head)
        return prepared if prepared.opened or prepared.closed or prepared.damaged else None


def _holding(lease: Lease, deltas: Iterable[Delta]) -> Iterator[Delta]:
    """The deltas, while the lease is kept: a long run must not look like a dead one."""
    for number, delta in enumerate(deltas):
        if number % HOLD_EVERY == 0:
            lease.hold()
        yield delta


def _commit_to(prepared: Prepared, log: Log, customer: Customer, head: PeriodHead) -> None:
    root = root_of_peaks(head.frontier.peaks)
    stated = head_object(customer, head, log.origin, head.size, root, head.closed)
    committed = commitment(head_salt(log, stated), stated)
    head.previous_size, head.integrated_size, head.integrated_root = head.integrated_size, head.size, root
    head.integrated_peaks, head.integrated_total = pack(head.frontier.peaks), head.total
    if head.closed:
        entry = {"schema": CLOSED, "slot": stated["slot"], "commitment": committed.hex()}
        prepared.closed.append((bytes.fromhex(stated["slot"]), canonical(entry), head))
    else:
        prepared.opened.append((committed, head))


def _fix_entries(unit: Unit, prepared: Prepared) -> Run | None:
    """In one transaction: the entries of all changed heads, and which entry each head is in."""
    log = unit.log_by_origin(prepared.origin)
    if log is None:
        return None  # the sandbox was emptied meanwhile
    for head in prepared.damaged:
        unit.set_frozen(head)
    _append_closed(unit, log, prepared.closed)
    _append_batch(unit, log, prepared.opened)
    return Run(log, logtree.root_at(unit, log.id, log.size)) if log.size > log.published_size else None


def _append_closed(unit: Unit, log: Log, closed: list[tuple[bytes, bytes, PeriodHead]]) -> None:
    """A slot that is closed already keeps its entry: an identical repeat is not a second one."""
    known = unit.closed_entries(log.id, [named for named, _, _ in closed])
    new = [(named, entry) for named, entry, _ in closed if named not in known]
    indexes = logtree.append(unit, log, [entry for _, entry in new], [None] * len(new))
    added = {named: index for (named, _), index in zip(new, indexes, strict=True)}
    unit.add_closed_slots(log.id, added)
    entries = known | added
    for named, _, head in closed:
        head.entry_index = entries[named]
        head.batch_index = head.batch_size = None
    unit.set_integrated([head for _, _, head in closed])


def _append_batch(unit: Unit, log: Log, opened: list[tuple[bytes, PeriodHead]]) -> None:
    if not opened:
        return
    opened.sort(key=lambda member: member[0])
    members = [member for member, _ in opened]
    root = root_of_leaves([leaf_hash(member) for member in members])
    entry = canonical({"schema": BATCH, "root": root.hex()})
    (index,) = logtree.append(unit, log, [entry], [pack(members)])
    for position, (_, head) in enumerate(opened):
        head.entry_index, head.batch_index, head.batch_size = index, position, len(members)
    unit.set_integrated([head for _, head in opened])
