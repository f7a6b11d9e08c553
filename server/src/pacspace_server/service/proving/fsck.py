"""fsck: recompute everything from the delta rows, and report every difference with its place."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pacspace_proofs.canonical import canonical, parse_canonical
from pacspace_proofs.record import (
    CLOSED,
    CLOSING,
    OPENING,
    check_structure,
    commitment,
    context_hash,
    parse_context,
    receipt_tail,
    window_hash,
)
from pacspace_proofs.tree import leaf_hash, push, root_of_peaks

from ...domain.amounts import amount_text
from ...domain.instants import DAY_US, day_of, instant_text, parse_instant
from ...domain.tree import Frontier, pack, unpack
from ...log.rehashing import head_object, head_salt
from ...log.signer import LastSigned, Signer
from ...storage.model import ids
from ...storage.model.leaf_bytes import delta_leaf
from ...storage.model.protocols import Audit, Storage
from ...storage.model.records import (
    Checkpoint,
    Customer,
    DayTotal,
    Delta,
    Environment,
    Key,
    Log,
    PeriodHead,
    ReplacedTree,
)
from ...storage.model.sealing import (
    checkpoint_seal,
    customer_seal,
    day_seal,
    delta_seal,
    environment_seal,
    head_seal,
    idempotency_seal,
    integration_seal,
    tree_seal,
)
from .findings import Findings, shown
from .fsck_log import check_logs

Advance = Callable[[int], None]


@dataclass
class _Replaced:
    """A tree that a restore replaced, while it is recomputed."""

    tree: ReplacedTree
    wanted_sizes: set[int]
    peaks: list[bytes] = field(default_factory=list)
    size: int = 0
    roots: dict[int, bytes] = field(default_factory=dict)

    def append(self, hashed: bytes) -> None:
        push(self.peaks, self.size, hashed)
        self.size += 1
        if self.size in self.wanted_sizes:
            self.roots[self.size] = root_of_peaks(self.peaks)


@dataclass
class _Month:
    """One month while it is recomputed."""

    head: PeriodHead
    wanted_sizes: set[int]
    frontier: Frontier = field(default_factory=Frontier)
    total: int = 0
    first_recorded_at: int | None = None
    last_recorded_at: int | None = None
    roots: dict[int, bytes] = field(default_factory=dict)
    integrated: tuple[bytes, int] | None = None
    replaced: list[_Replaced] = field(default_factory=list)

    def append(self, hashed: bytes) -> None:
        """Adds a delta's leaf hash to this tree and to those it replaced."""
        self.append_end(hashed)
        for tree in self.replaced:
            tree.append(hashed)

    def append_end(self, hashed: bytes) -> None:
        """Adds a leaf to this tree only."""
        self.frontier.append(hashed)
        if self.frontier.size in self.wanted_sizes:
            self.roots[self.frontier.size] = self.frontier.root
        if self.frontier.size == self.head.integrated_size:
            self.integrated = pack(self.frontier.peaks), self.total


def fsck(storage: Storage, signer: Signer, advance: Advance = lambda deltas: None) -> Findings:
    """Reads one consistent snapshot, beside a running server. Calls `advance` after every thousand deltas."""
    findings = Findings()
    # Read before the snapshot: a log grows first and is signed then, so the snapshot contains all that is signed.
    signed: dict[str, LastSigned | None] = {}
    with findings.reading("environments"), storage.snapshot(checked=False) as snapshot:
        for environment in snapshot.environments():
            signed |= {log.origin: signer.last_signed(log.origin) for log in snapshot.logs(environment.id)}
    with storage.snapshot(checked=False) as audit:
        for problem in audit.engine_problems():
            findings.add("file", problem)
        for problem in audit.stray_rows():
            findings.add("rows", problem)
        with findings.reading("environments"):
            for environment in audit.environments():
                _Checker(audit, findings, environment, advance).run(signer, signed)
        for key, delta, checkpoint, mac, seal in audit.idempotency_rows():
            if idempotency_seal(audit.secret, key, delta, checkpoint, mac) != seal:
                findings.add(f"idempotency key {shown(key)}", "the row does not match its seal")
    if not findings.problems:
        # A clean record has no damaged months, so those marked as damaged continue.
        storage.write(lambda unit: unit.clear_damaged())
    return findings


class _Checker:
    """One environment: its customers, then its logs."""

    def __init__(self, audit: Audit, findings: Findings, environment: Environment, advance: Advance) -> None:
        self.audit, self.findings, self.environment, self.advance = audit, findings, environment, advance
        self.logs = {log.origin: log for log in audit.logs(environment.id)}

    def run(self, signer: Signer, signed: Mapping[str, LastSigned | None]) -> None:
        seal = environment_seal(self.audit.secret, self.environment)
        self._seal(f"environment {self.environment.name}", self.environment.seal, seal)
        for customer in self.audit.all_customers(self.environment.id):
            self.findings.customers += 1
            with self.findings.reading(f"customer {customer.customer_id}"):
                self._customer(customer)
        check_logs(self.audit, self.findings, self.environment, signer, signed)

    def _customer(self, customer: Customer) -> None:
        where, same = f"customer {customer.customer_id}", self.findings.same
        shard = ids.shard_key(
            self.audit.secret, self.environment.workspace_id, self.environment.name, customer.customer_id
        )
        same(f"{where}, shard key", shard, customer.shard_key)
        if customer.seal is not None:
            same(f"{where}, seal", customer_seal(self.audit.secret, customer), customer.seal)
        checkpoints = self.audit.customer_checkpoints(customer)
        months: dict[Key, _Month] = {}
        for head in self.audit.heads(customer, "", "~"):
            sizes = {p.size for c, _, _ in checkpoints for p in c.parts if p.period == head.period}
            months[head.id] = month = _Month(head, sizes | {head.integrated_size})
            self._opening(customer, head)
            month.append_end(leaf_hash(head.opening))
            self._replaced(customer, month)
        days: dict[int, DayTotal] = {}
        last: Delta | None = None
        sequence = total = 0
        for delta in self.audit.deltas_by_sequence(customer, -(2**62), 2**62):
            sequence, total = sequence + 1, total + delta.delta
            self._delta(customer, months[delta.period_id], delta, sequence, total)
            if last is not None and delta.recorded_at < last.recorded_at:
                self.findings.add(f"delta {delta.record_id}", "recordedAt is before that of the delta before it")
            _add_to_day(days, customer, delta)
            last = delta
            self.findings.deltas += 1
            if self.findings.deltas % 1000 == 0:
                self.advance(1000)
        same(f"{where}, last sequence", sequence, customer.last_sequence)
        same(f"{where}, total", amount_text(total), amount_text(customer.total))
        stored_days = {day.day: day for day in self.audit.days(customer, -(2**40), 2**40)}
        for day in sorted(days.keys() | stored_days.keys()):
            same(
                f"{where}, day total of {instant_text(day * DAY_US)[:10]}",
                days.get(day),
                stored_days.get(day),
                _day_text,
            )
        for stored in (day for day in stored_days.values() if day == days.get(day.day)):
            place = f"{where}, day total of {instant_text(stored.day * DAY_US)[:10]}"
            self._seal(place, stored.seal, day_seal(self.audit.secret, stored))
        self._chain(customer, sorted(months.values(), key=lambda month: month.head.period), last)
        by_period = {month.head.period: month for month in months.values()}
        for checkpoint, seal, has_root in checkpoints:
            self._checkpoint(customer, checkpoint, seal, has_root, by_period)

    def _opening(self, customer: Customer, head: PeriodHead) -> None:
        where = f"customer {customer.customer_id}, {head.period}, opening leaf"
        opening: Any = check_structure(parse_canonical(head.opening), OPENING)
        log = self.logs.get(head.origin)
        if log is None:
            self.findings.add(where, f"the log {head.origin} is missing")
        elif log.restored_from is not None or "restoredFrom" in opening:
            restored = canonical(opening.get("restoredFrom", "")).decode()
            self.findings.same(f"{where}, restored from", log.restored_from, restored)
        stated = {
            "customerId": customer.customer_id,
            "period": head.period,
            "slotKey": customer.slot_key.hex(),
        }
        for name, value in stated.items():
            self.findings.same(f"{where}, {name}", value, opening[name])
        self.findings.same(f"{where}, unit", customer.unit, opening.get("unit"))

    def _replaced(self, customer: Customer, month: _Month) -> None:
        """Checks the seals of the trees that the month's tree replaced, and starts to recompute their roots."""
        for tree in self.audit.replaced_trees(customer, month.head.period):
            where = f"customer {customer.customer_id}, {tree.period}, tree before a restore"
            self.findings.same(f"{where}, seal", tree_seal(self.audit.secret, tree), tree.seal)
            month.replaced.append(_Replaced(tree, month.wanted_sizes))
            month.replaced[-1].append(leaf_hash(tree.opening))

    def _delta(self, customer: Customer, month: _Month, delta: Delta, sequence: int, total: int) -> None:
        where, same = (
            f"delta {delta.record_id} ({customer.customer_id}, {delta.period}, line {delta.leaf_index})",
            self.findings.same,
        )
        same(f"{where}, sequence", sequence, delta.sequence)
        same(f"{where}, index", month.frontier.size, delta.leaf_index)
        month.total += delta.delta
        same(f"{where}, running total", amount_text(month.total), amount_text(delta.period_total))
        same(f"{where}, lifetime total", amount_text(total), amount_text(delta.total))
        hashed = leaf_hash(delta_leaf(customer.customer_id, delta))
        same(f"{where}, leaf hash", hashed, delta.leaf_hash)
        if delta.context is not None:
            same(f"{where}, context hash", context_hash(delta.salt or b"", delta.context), delta.context_hash)
            reference = parse_context(delta.context).get("referenceId")
            mac = ids.reference_mac(self.audit.secret, customer.shard_key, reference) if reference is not None else None
            same(f"{where}, reference", mac, delta.reference_mac)
        elif delta.salt is not None:
            self.findings.add(where, "the salt has no context")
        same(f"{where}, receipt id", ids.receipt_key(receipt_tail(hashed)), delta.receipt_key)
        same(f"{where}, seal", delta_seal(self.audit.secret, delta), delta.seal)
        month.append(hashed)
        month.first_recorded_at = month.first_recorded_at or delta.recorded_at
        month.last_recorded_at = delta.recorded_at

    def _chain(self, customer: Customer, months: list[_Month], last: Delta | None) -> None:
        """Checks heads, closing leaves, and the links between locked months."""
        where, same = f"customer {customer.customer_id}", self.findings.same
        through: str | None = None
        root: bytes | None = None
        carried = count = 0
        newest = last.recorded_at if last else 0
        for month in months:
            head = month.head
            if head.closing is not None:
                closing = check_structure(parse_canonical(head.closing), CLOSING)
                brought, in_month = carried, month.frontier.size - 1
                carried, count = carried + month.total, count + in_month
                stated = {
                    "customerId": customer.customer_id,
                    "period": head.period,
                    "deltaCount": str(in_month),
                    "periodTotal": amount_text(month.total),
                    "broughtForward": amount_text(brought),
                    "carriedForward": amount_text(carried),
                    "countToDate": str(count),
                    "previousPeriod": through,
                    "previousRoot": root.hex() if root else None,
                }
                for name, value in stated.items():
                    same(f"{where}, {head.period}, closing leaf, {name}", value, closing.get(name))
                month.append_end(leaf_hash(head.closing))
                through, root = head.period, month.frontier.root
                same(f"{where}, {head.period}, locked root", root, head.root)
                newest = max(newest, parse_instant(closing["closedAt"]))
            elif head.root is not None:
                self.findings.add(f"{where}, {head.period}", "the month has a root, but no closing leaf")
            for tree in month.replaced:
                if tree.tree.closing is not None:
                    tree.append(leaf_hash(tree.tree.closing))
                    same(f"{where}, {head.period}, root before a restore", root_of_peaks(tree.peaks), tree.tree.root)
            self._head(customer, month)
        same(f"{where}, locked through", through, customer.locked_through)
        same(f"{where}, locked root", root, customer.locked_root)
        same(f"{where}, locked total", amount_text(carried), amount_text(customer.locked_total))
        same(f"{where}, locked count", count, customer.locked_count)
        same(f"{where}, last recorded at", newest, customer.last_recorded_at)

    def _head(self, customer: Customer, month: _Month) -> None:
        head, same = month.head, self.findings.same
        where = f"customer {customer.customer_id}, {head.period}, head"
        self._seal(where, head.state_seal, head_seal(self.audit.secret, head))
        same(f"{where}, size", month.frontier.size, head.size)
        same(f"{where}, total", amount_text(month.total), amount_text(head.total))
        for name in ("peaks", "spine", "merged"):
            same(f"{where}, {name}", pack(getattr(month.frontier, name)), pack(getattr(head.frontier, name)))
        same(f"{where}, first recorded at", month.first_recorded_at, head.first_recorded_at)
        same(f"{where}, last recorded at", month.last_recorded_at, head.last_recorded_at)
        log = self.logs.get(head.origin)
        if head.integrated_size == 0 or log is None:
            empty = (head.integrated_root, head.integrated_peaks, head.integrated_total, head.seal, head.previous_size)
            same(f"{where}, not integrated yet", (b"", b"", 0, b"", 0), empty)
            same(f"{where}, place in the log", (None,) * 3, (head.entry_index, head.batch_index, head.batch_size))
            log = None if log is None or log.id == self.environment.log_id else log
            if log is not None:
                self.findings.add(where, f"the month is not in the frozen log {log.origin}")
            return
        if month.integrated is None or not 0 <= head.previous_size <= head.integrated_size <= head.size:
            self.findings.add(where, f"integrated size {head.integrated_size} was never a size of the month")
            return
        same(f"{where}, seal", integration_seal(self.audit.secret, head), head.seal)
        same(f"{where}, integrated leaves", month.integrated[0], head.integrated_peaks)
        same(f"{where}, integrated total", amount_text(month.integrated[1]), amount_text(head.integrated_total))
        same(f"{where}, integrated root", root_of_peaks(unpack(month.integrated[0])), head.integrated_root)
        if head.entry_index is None or not 0 <= head.entry_index < log.size:
            self.findings.add(where, f"log entry {head.entry_index} is missing")
            return
        closed = head.closed and head.integrated_size == head.size
        if log.id != self.environment.log_id and not (closed and head.entry_index < log.published_size):
            self.findings.add(where, f"the frozen log {log.origin} has not published the whole month")
        root = root_of_peaks(unpack(month.integrated[0]))
        stated = head_object(customer, head, log.origin, head.integrated_size, root, closed)
        committed = commitment(head_salt(log, stated), stated)
        entry = (
            canonical({"schema": CLOSED, "slot": stated["slot"], "commitment": committed.hex()})
            if closed
            else committed
        )
        self._look_up(where, log, head, entry, closed)

    def _seal(self, where: str, stored: bytes | None, expected: bytes) -> None:
        if stored is not None:
            self.findings.same(f"{where}, seal", expected, stored)

    def _look_up(self, where: str, log: Log, head: PeriodHead, expected: bytes, closed: bool) -> None:
        """Checks the head's log entry, or its place in a log batch."""
        assert head.entry_index is not None
        (row,) = self.audit.log_entries(log.id, head.entry_index, head.entry_index + 1)
        if closed:
            self.findings.same(f"{where}, log entry {row.index}", expected, row.entry)
            self.findings.same(f"{where}, place in a batch", (None, None), (head.batch_index, head.batch_size))
            return
        members = unpack(row.commitments or b"")
        self.findings.same(f"{where}, batch size", len(members), head.batch_size)
        place = head.batch_index
        found = members[place] if place is not None and 0 <= place < len(members) else None
        self.findings.same(f"{where}, commitment in log entry {row.index}", expected, found)

    def _checkpoint(
        self, customer: Customer, checkpoint: Checkpoint, seal: bytes, has_root: bool, months: dict[str, _Month]
    ) -> None:
        where, same = f"checkpoint {checkpoint.checkpoint_id}", self.findings.same
        same(f"{where}, seal", checkpoint_seal(self.audit.secret, checkpoint), seal)
        if not has_root:
            self.findings.add(where, "its proof root is not in the index of roots")
        roots = []
        for part in checkpoint.parts:
            month = months.get(part.period)
            found = month.roots.get(part.size) if month else None
            earlier = month.replaced if month and not checkpoint.locked else ()
            if part.root in (tree.roots.get(part.size) for tree in earlier):
                found = part.root
            same(f"{where}, root of {part.period} at {part.size}", found, part.root)
            roots.append(part.root.hex())
        if checkpoint.start is not None and checkpoint.end is not None:
            window = instant_text(checkpoint.start), instant_text(checkpoint.end)
            same(f"{where}, root", window_hash(customer.customer_id, *window, roots), checkpoint.proof_root)
        elif checkpoint.parts:
            same(f"{where}, root", checkpoint.parts[0].root, checkpoint.proof_root)


def _add_to_day(days: dict[int, DayTotal], customer: Customer, delta: Delta) -> None:
    day = days.setdefault(day_of(delta.posted_at), DayTotal(customer.id, day_of(delta.posted_at)))
    day.total += delta.delta
    day.count += 1
    day.first_sequence = day.first_sequence or delta.sequence
    day.last_sequence = delta.sequence


def _day_text(day: DayTotal | None) -> str:
    if day is None:
        return "nothing"
    return f"{amount_text(day.total)} in {day.count} of the deltas {day.first_sequence} to {day.last_sequence}"
