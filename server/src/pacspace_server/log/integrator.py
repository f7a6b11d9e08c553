"""The integrator: changed period heads become log entries under a signed, published log checkpoint.

One sequence of steps per log. After each durable step, a comment says what a crash there leaves behind. The next run of
the same code always repairs it.

A run after 40 deltas of 7 customers, one of them with a locked month:

    prepare    read the 7 changed heads, re-hash their new leaves and compare; a mismatch marks that month as damaged
    fix        one transaction: 1 closed entry (slot, commitment), 1 log batch (root over the 6 other commitments),
               the new nodes of the log's tree, each head's integrated size and entry, rows of the feed
    sign       check the last-signed record, move it, sign the log checkpoint of the new size
    publish    one transaction: the log checkpoint and the published size; now the 40 deltas are verified
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec
import structlog

from pacspace_proofs.canonical import canonical
from pacspace_proofs.record import BATCH
from pacspace_proofs.tree import leaf_hash, root_of_leaves

from ..clock import now_us
from ..domain.amounts import amount_text
from ..domain.events import DELTA_FAILED, delta_subject
from ..domain.instants import instant_text
from ..domain.tree import pack
from ..storage.model.outbox import Row, rows_of, told
from ..storage.model.protocols import Damaged, InDoubt, Lease, LeaseLost, Storage, Unavailable, Unit
from ..storage.model.records import Environment, Integration, Log
from ..storage.writing.committer import NotWritten
from ..telemetry import SECONDS, Histogram, doing, said
from . import logtree
from .rehashing import Damage, Prepare, Prepared, prepare
from .signer import Signer, SigningRefused
from .standing import refusal
from .watching import Watched

PAUSE_S, LONGEST_PAUSE_S = 0.05, 0.5
RETRY_S = 1.0
LOOK_S = 0.1  # between looks for what other processes wrote
COUNT_S = 1.0  # between counts of unverified deltas

logger = structlog.get_logger("pacspace.integrator")
Write = Callable[[Callable[[Unit], Any]], Any]


@dataclass
class Run:
    """The result of one run: the log with its new size, and the root."""

    log: Log
    root: bytes


class Integrator:
    """Runs on its own thread until stopped. `write` runs a transaction in turn with the committer's;
    `prepare` re-hashes in another process, or in this one without it.

    If several processes share a record, the holder of a log's lease integrates; the others watch what it publishes.
    """

    def __init__(
        self,
        storage: Storage,
        signer: Signer,
        write: Write,
        on_published: Callable[[], None],
        prepare_elsewhere: Prepare | None = None,
    ) -> None:
        self._prepare = prepare_elsewhere or partial(prepare, storage)
        self._storage, self._signer, self._write, self._on_published = storage, signer, write, on_published
        self._wake = threading.Event()
        self._stopping = False
        self._refusals: dict[int, str] = {}  # by environment
        self._leases: dict[int, Lease] = {}
        self.watched: dict[str, Watched] = {}  # by origin
        self.looked_s, self._counted_s = time.monotonic(), 0.0
        self.seconds, self.entries = Histogram(SECONDS), 0  # of runs that published; entries added
        self._thread = threading.Thread(target=self._loop, name="integrator", daemon=True)

    @property
    def refusals(self) -> dict[int, str]:
        """Why an environment's log is not being signed, and what to do, by environment."""
        return dict(self._refusals)

    def start(self) -> None:
        """First checks whether each log may continue, so that the first request already sees a refusal."""
        with self._storage.snapshot(checked=False) as snapshot:
            for environment in snapshot.environments():
                self._refused(environment, refusal(snapshot, self._signer, snapshot.log(environment.log_id)))
        self._wake.set()  # for work left by an earlier process
        self._thread.start()

    def _refused(self, environment: Environment, reason: str | None) -> bool:
        """Whether the log must not continue; logs the reason once."""
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
        """Stops after the current run."""
        self._stopping = True
        self._wake.set()
        self._thread.join()
        self.release()

    def release(self) -> None:
        """Lets another process integrate immediately."""
        for lease in self._leases.values():
            lease.release()

    def _loop(self) -> None:
        while not self._stopping:
            self._wake.wait(timeout=LOOK_S if self._storage.remote else RETRY_S)
            self._wake.clear()
            started = time.monotonic()
            doing.set({"run_id": f"run_{secrets.token_hex(6)}"})
            try:
                # Look again immediately after any work: one run may not have taken everything.
                if any([self._run_unless_damaged(environment) for environment in self._look()]):
                    self._wake.set()
            except LeaseLost as lost:
                logger.warning("another process integrates now", problem=said(lost))
            except (Unavailable, InDoubt, NotWritten) as problem:
                logger.warning("the database is not there; tried again", problem=said(problem))
                time.sleep(RETRY_S)
            except Exception:
                logger.exception("integration failed; the next run repeats it")
                time.sleep(RETRY_S)
            # Runs take at most half of the time, so that recording never waits long; the pause is bounded.
            time.sleep(min(max(PAUSE_S, time.monotonic() - started), LONGEST_PAUSE_S))

    def _run_unless_damaged(self, environment: Environment) -> bool:
        """A damaged environment or log stops its own log alone."""
        try:
            return self.run(environment)
        except Damaged as damaged:
            self._refused(environment, f"{damaged} ({damaged.where})")
            return False

    def _look(self) -> list[Environment]:
        """The environments; reports what other processes have published."""
        with self._storage.snapshot(checked=False) as snapshot:
            environments = snapshot.environments()
            logs = [snapshot.log(environment.log_id) for environment in environments]
            counts = None
            if time.monotonic() - self._counted_s >= COUNT_S:
                counts = [snapshot.unverified(environment.id) for environment in environments]
        self._watch(logs, counts)
        return environments

    def _watch(self, logs: list[Log], counts: list[tuple[int, int]] | None) -> None:
        """Updates each log's progress, and reports new publications."""
        self.looked_s = now_s = time.monotonic()
        before = {origin: log.published_size for origin, log in self.watched.items()}
        watched = {log.origin: self.watched.get(log.origin) or Watched(log, now_s) for log in logs}
        for log, seen in zip(logs, watched.values(), strict=True):
            seen.look(log, now_s)
        if counts is not None:
            self._counted_s = now_s
            for seen, (months, deltas) in zip(watched.values(), counts, strict=True):
                seen.count(months, deltas, now_s)
        self.watched = watched
        if before != {log.origin: log.published_size for log in logs}:
            self._on_published()

    def _lease(self, environment_id: int) -> Lease:
        if environment_id not in self._leases:
            self._leases[environment_id] = self._storage.lease(f"integrator/{environment_id}")
        return self._leases[environment_id]

    def run(self, environment: Environment) -> bool:
        """Integrates one environment's log once; returns whether there was anything to do."""
        started = time.perf_counter()
        lease = self._lease(environment.id)
        fencing = lease.hold()  # also while nothing is signed: a held lease shows that a server runs
        if environment.origin in self.watched:
            self.watched[environment.origin].fencing = fencing
        if environment.id in self._refusals:
            with self._storage.snapshot() as snapshot:  # the key may be there again
                if self._refused(environment, refusal(snapshot, self._signer, snapshot.log(environment.log_id))):
                    return False
        if fencing is None:
            return False
        # In sequence: read and re-hash, fix entries, sign, publish. The next step repairs a crash before it.
        prepared = self._prepare(environment.id, lease.hold)
        if prepared is None:
            return False
        for damage in prepared.damaged:
            logger.error("record damaged", customer=damage.customer_id, period=damage.period, problem=damage.problem)
        fixed = self._write(lease.guard(lambda unit: _fix_entries(unit, prepared), fencing))
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
        # Crash here: the last-signed record has moved, nothing is published. The next run signs the same bytes.
        at = now_us()

        def publish(unit: Unit) -> None:
            if unit.log_by_origin(log.origin) is not None:
                unit.publish(log.id, log.size, root, note, at)

        self._write(lease.guard(publish, fencing))
        # Crash here: published. Verified sizes follow from the published size, so nothing is left to do.
        seconds = time.perf_counter() - started
        self.seconds.observe(seconds)
        self.entries += log.size - log.published_size
        logger.debug("integrated", origin=log.origin, size=log.size, duration_ms=round(seconds * 1000, 2))
        self._on_published()
        return True

    def _sign(self, log: Log, root: bytes, fencing: int) -> str | None:
        with self._storage.snapshot() as snapshot:
            if snapshot.log_by_origin(log.origin) is None:
                return None  # the sandbox was emptied meanwhile
            return self._signer.sign(
                log.origin, log.size, root, fencing, lambda size: logtree.root_at(snapshot, log.id, size)
            )


def _fix_entries(unit: Unit, prepared: Prepared) -> Run | None:
    """In one transaction: adds the entries of all changed heads, and stores each head's entry."""
    log = unit.log_by_origin(prepared.origin)
    if log is None:
        return None  # the sandbox was emptied meanwhile
    for damage in prepared.damaged:
        unit.set_damaged(damage.customer, damage.period)
    _append_closed(unit, log, prepared.closed)
    _append_log_batch(unit, log, prepared.opened)
    _tell(unit, log, prepared)
    return Run(log, logtree.root_at(unit, log.id, log.size)) if log.size > log.published_size else None


def _tell(unit: Unit, log: Log, prepared: Prepared) -> None:
    """Adds events to the feed, if it has readers; they are sent as soon as these entries are published."""
    at = now_us()
    if not unit.is_listened(log.environment_id, at):
        return
    here = log.environment_id, log.id, at
    rows = [_damaged(unit, log, damage, at) for damage in prepared.damaged]
    rows += rows_of([head for _, head in prepared.opened], False, *here)
    rows += rows_of([head for _, _, head in prepared.closed], True, *here)
    if rows:
        unit.tell(log.environment_id, rows)


def _damaged(unit: Unit, log: Log, damage: Damage, at: int) -> Row:
    """delta.failed, with the first delta that does not match its hash, if there is one."""
    data = {
        "recordId": damage.record_id,
        "customerId": damage.customer_id,
        "period": damage.period,
        "delta": None if damage.delta is None else msgspec.Raw(amount_text(damage.delta).encode()),
        "error": damage.problem,
        "failedAt": instant_text(at),
    }
    subject = delta_subject(damage.record_id) if damage.record_id else None
    customer = unit.customer_at(damage.customer)
    text = msgspec.json.encode(data).decode()
    return told(log.environment_id, DELTA_FAILED, customer, text, at, damage.period, subject)


def _append_closed(unit: Unit, log: Log, closed: list[tuple[bytes, bytes, Integration]]) -> None:
    """Closes slots. A slot that is already closed keeps its entry, so a repeat adds none."""
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


def _append_log_batch(unit: Unit, log: Log, opened: list[tuple[bytes, Integration]]) -> None:
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
