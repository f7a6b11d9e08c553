"""fsck: recompute everything from the delta rows, and name every difference with its place."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from pacspace_proofs.canonical import canonical, parse_canonical
from pacspace_proofs.note import VerifierKey, parse_log_checkpoint, signed_by
from pacspace_proofs.record import (
    BATCH,
    CLOSED,
    CLOSING,
    KEY,
    OPENING,
    RESTORED,
    check_structure,
    commitment,
    context_hash,
    parse_context,
    receipt_tail,
    window_hash,
)
from pacspace_proofs.tree import leaf_hash, prefix_roots, root_of_leaves, root_of_peaks

from ..domain.amounts import amount_text
from ..domain.instants import day_of, instant_text, parse_instant
from ..domain.tree import Frontier, pack, unpack
from ..log.logtree import TILE
from ..log.rehashing import head_object, head_salt
from ..log.signer import LastSigned, Signer, SigningRefused
from ..storage import ids
from ..storage.protocols import Audit, Storage
from ..storage.recording import delta_leaf
from ..storage.records import Checkpoint, Customer, DayTotal, Delta, Environment, Key, LogEntry, PeriodHead
from ..storage.sealing import checkpoint_seal, delta_seal, head_seal, idempotency_seal

Advance = Callable[[int], None]
ENTRY_CHUNK = 1024
# A damaged row may not even be readable as what it was.
UNREADABLE = (ValueError, TypeError, LookupError, OverflowError)


@dataclass
class Findings:
    """Every difference, with its place; and how much was looked at."""

    problems: list[str] = field(default_factory=list)
    customers: int = 0
    deltas: int = 0
    log_entries: int = 0
    log_checkpoints: int = 0

    def same(self, where: str, found: object, stored: object) -> None:
        if found != stored:
            self.add(where, f"recomputed {_shown(found)}, stored {_shown(stored)}")

    def add(self, where: str, problem: str) -> None:
        self.problems.append(f"{where}: {problem}")


def _shown(value: object) -> str:
    text = value.hex() if isinstance(value, bytes) else str(value)
    return text if len(text) <= 100 else text[:97] + "..."


@dataclass
class _Month:
    """One month as it is recomputed."""

    head: PeriodHead
    wanted_sizes: set[int]
    frontier: Frontier = field(default_factory=Frontier)
    total: int = 0
    first_recorded_at: int | None = None
    last_recorded_at: int | None = None
    roots: dict[int, bytes] = field(default_factory=dict)
    integrated: tuple[bytes, int] | None = None

    def append(self, hashed: bytes) -> None:
        self.frontier.append(hashed)
        if self.frontier.size in self.wanted_sizes:
            self.roots[self.frontier.size] = self.frontier.root
        if self.frontier.size == self.head.integrated_size:
            self.integrated = pack(self.frontier.peaks), self.total


def fsck(storage: Storage, signer: Signer, advance: Advance = lambda deltas: None) -> Findings:
    """Reads one consistent snapshot, beside a running server. `advance` hears of each thousand deltas."""
    findings = Findings()
    # Before the snapshot: a log grows first and is signed then, so what was signed by now is in it.
    with storage.snapshot() as snapshot:
        signed = {e.origin: signer.last_signed(e.origin) for e in snapshot.environments()}
    with storage.snapshot() as audit:
        for problem in audit.engine_problems():
            findings.add("file", problem)
        for problem in audit.stray_rows():
            findings.add("rows", problem)
        for environment in audit.environments():
            _Checker(audit, findings, environment, advance).run(signer, signed.get(environment.origin))
        for key, delta, checkpoint, mac, seal in audit.idempotency_rows():
            if idempotency_seal(audit.secret, key, delta, checkpoint, mac) != seal:
                findings.add(f"idempotency key {_shown(key)}", "the row is not what was sealed")
    if not findings.problems:
        # A clean record has no damaged months: what was frozen goes on.
        storage.write(lambda unit: unit.thaw())
    return findings


class _Checker:
    """One environment: its customers, then its log."""

    def __init__(self, audit: Audit, findings: Findings, environment: Environment, advance: Advance) -> None:
        self.audit, self.findings, self.environment, self.advance = audit, findings, environment, advance
        self.log = audit.log(environment.log_id)
        self._entries_before = 0

    def run(self, signer: Signer, last: LastSigned | None) -> None:
        for customer in self.audit.all_customers(self.environment.id):
            self.findings.customers += 1
            try:
                self._customer(customer)
            except UNREADABLE as error:
                self.findings.add(f"customer {customer.customer_id}", f"a row can't be read: {error}")
        try:
            self._log(signer, last)
        except UNREADABLE as error:
            self.findings.add(f"log {self.log.origin}", f"a row can't be read: {error}")

    def _customer(self, customer: Customer) -> None:
        where, same = f"customer {customer.customer_id}", self.findings.same
        shard = ids.shard_key(
            self.audit.secret, self.environment.workspace_id, self.environment.name, customer.customer_id
        )
        same(f"{where}, shard key", shard, customer.shard_key)
        checkpoints = self.audit.customer_checkpoints(customer)
        months: dict[Key, _Month] = {}
        for head in self.audit.heads(customer, "", "~"):
            sizes = {p.size for c, _, _ in checkpoints for p in c.parts if p.period == head.period}
            months[head.id] = _Month(head, sizes | {head.integrated_size})
            self._opening(customer, head)
            months[head.id].append(leaf_hash(head.opening))
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
                f"{where}, day total of {instant_text(day * 86_400_000_000)[:10]}", days.get(day), stored_days.get(day)
            )
        self._chain(customer, sorted(months.values(), key=lambda month: month.head.period), last)
        by_period = {month.head.period: month for month in months.values()}
        for checkpoint, seal, has_root in checkpoints:
            self._checkpoint(customer, checkpoint, seal, has_root, by_period)

    def _opening(self, customer: Customer, head: PeriodHead) -> None:
        where = f"customer {customer.customer_id}, {head.period}, opening leaf"
        opening = check_structure(parse_canonical(head.opening), OPENING)
        stated = {
            "origin": self.log.origin, "customerId": customer.customer_id, "period": head.period,
            "slotKey": customer.slot_key.hex(),
        }  # fmt: skip
        for name, value in stated.items():
            self.findings.same(f"{where}, {name}", value, opening[name])
        self.findings.same(f"{where}, unit", customer.unit, opening.get("unit"))

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
            self.findings.add(where, "a salt without its context")
        same(f"{where}, receipt id", ids.receipt_key(receipt_tail(hashed)), delta.receipt_key)
        same(f"{where}, seal", delta_seal(self.audit.secret, delta), delta.seal)
        month.append(hashed)
        month.first_recorded_at = month.first_recorded_at or delta.recorded_at
        month.last_recorded_at = delta.recorded_at

    def _chain(self, customer: Customer, months: list[_Month], last: Delta | None) -> None:
        """Heads, closing leaves, and how the locked months follow each other."""
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
                    "customerId": customer.customer_id, "period": head.period, "deltaCount": str(in_month),
                    "periodTotal": amount_text(month.total), "broughtForward": amount_text(brought),
                    "carriedForward": amount_text(carried), "countToDate": str(count),
                    "previousPeriod": through, "previousRoot": root.hex() if root else None,
                }  # fmt: skip
                for name, value in stated.items():
                    same(f"{where}, {head.period}, closing leaf, {name}", value, closing.get(name))
                month.append(leaf_hash(head.closing))
                through, root = head.period, month.frontier.root
                same(f"{where}, {head.period}, locked root", root, head.root)
                newest = max(newest, parse_instant(closing["closedAt"]))
            elif head.root is not None:
                self.findings.add(f"{where}, {head.period}", "a root without a closing leaf")
            self._head(customer, month)
        same(f"{where}, locked through", through, customer.locked_through)
        same(f"{where}, locked root", root, customer.locked_root)
        same(f"{where}, locked total", amount_text(carried), amount_text(customer.locked_total))
        same(f"{where}, locked count", count, customer.locked_count)
        same(f"{where}, last recorded at", newest, customer.last_recorded_at)

    def _head(self, customer: Customer, month: _Month) -> None:
        head, same = month.head, self.findings.same
        where = f"customer {customer.customer_id}, {head.period}, head"
        same(f"{where}, size", month.frontier.size, head.size)
        same(f"{where}, total", amount_text(month.total), amount_text(head.total))
        for name in ("peaks", "spine", "merged"):
            same(f"{where}, {name}", pack(getattr(month.frontier, name)), pack(getattr(head.frontier, name)))
        same(f"{where}, first recorded at", month.first_recorded_at, head.first_recorded_at)
        same(f"{where}, last recorded at", month.last_recorded_at, head.last_recorded_at)
        if head.integrated_size == 0:
            return
        if month.integrated is None or not 0 <= head.previous_size <= head.integrated_size <= head.size:
            self.findings.add(where, f"integrated size {head.integrated_size} is not a size the month has had")
            return
        same(f"{where}, seal", head_seal(self.audit.secret, head), head.seal)
        same(f"{where}, integrated leaves", month.integrated[0], head.integrated_peaks)
        same(f"{where}, integrated total", amount_text(month.integrated[1]), amount_text(head.integrated_total))
        same(f"{where}, integrated root", root_of_peaks(unpack(month.integrated[0])), head.integrated_root)
        if head.entry_index is None or not 0 <= head.entry_index < self.log.size:
            self.findings.add(where, f"log entry {head.entry_index} is not there")
            return
        closed = head.closed and head.integrated_size == head.size
        root = root_of_peaks(unpack(month.integrated[0]))
        stated = head_object(customer, head, self.log.origin, head.integrated_size, root, closed)
        committed = commitment(head_salt(self.log, stated), stated)
        entry = (
            canonical({"schema": CLOSED, "slot": stated["slot"], "commitment": committed.hex()})
            if closed
            else committed
        )
        self._look_up(where, head, entry, closed)

    def _look_up(self, where: str, head: PeriodHead, expected: bytes, closed: bool) -> None:
        """The head's entry, or its place in its batch."""
        assert head.entry_index is not None
        (row,) = self.audit.log_entries(self.log.id, head.entry_index, head.entry_index + 1)
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
            self.findings.add(where, "its proof root leads nowhere")
        roots = []
        for part in checkpoint.parts:
            month = months.get(part.period)
            found = month.roots.get(part.size) if month else None
            same(f"{where}, root of {part.period} at {part.size}", found, part.root)
            roots.append(part.root.hex())
        if checkpoint.start is not None and checkpoint.end is not None:
            window = instant_text(checkpoint.start), instant_text(checkpoint.end)
            same(f"{where}, root", window_hash(customer.customer_id, *window, roots), checkpoint.proof_root)
        elif checkpoint.parts:
            same(f"{where}, root", checkpoint.parts[0].root, checkpoint.proof_root)

    def _log(self, signer: Signer, last: LastSigned | None) -> None:
        log, where = self.log, f"log {self.log.origin}"
        notes = list(self.audit.log_checkpoints(log.id))
        sizes = {size for size, _, _ in notes}
        slots: dict[bytes, int] = {}
        nodes: dict[tuple[int, int], bytes] = {}
        wanted = sizes | ({last.size} if last else set())
        roots = {0: root_of_leaves([])} | prefix_roots(self._entries(slots, nodes), wanted)
        self.findings.same(f"{where}, size", self.findings.log_entries - self._entries_before, log.size)
        self.findings.same(f"{where}, closed slots", slots, self.audit.closed_slots(log.id))
        stored = self.audit.log_nodes(log.id)
        for level, index in sorted(nodes.keys() | stored.keys()):
            self.findings.same(f"{where}, node {level}/{index}", nodes.get((level, index)), stored.get((level, index)))
        key: VerifierKey | None = None
        try:
            key = signer.verifier_key(log.origin)
        except SigningRefused as refusal:
            if notes:
                self.findings.add(where, str(refusal))
        for size, root, note in notes:
            self.findings.log_checkpoints += 1
            place = f"{where}, checkpoint of size {size}"
            self.findings.same(f"{place}, root", roots.get(size), root)
            try:
                parsed = parse_log_checkpoint(note)
            except ValueError as error:
                self.findings.add(place, str(error))
                continue
            self.findings.same(
                f"{place}, as signed", (log.origin, size, root), (parsed.origin, parsed.size, parsed.root)
            )
            if key is not None and not signed_by(key, parsed):
                self.findings.add(place, "the signature is not by the log's key")
        self.findings.same(f"{where}, published size", max(sizes, default=0), log.published_size)
        if last is not None:
            self.findings.same(f"{where}, last-signed record at {last.size}", roots.get(last.size), last.root)

    def _entries(self, slots: dict[bytes, int], nodes: dict[tuple[int, int], bytes]) -> Iterator[bytes]:
        """Leaf hashes of the log's entries as recomputed; fills in the closed slots and the nodes they make."""
        self._entries_before = self.findings.log_entries
        pending: dict[int, list[bytes]] = {}
        counts: dict[int, int] = {}
        for first in range(0, max(self.log.size, 1) + ENTRY_CHUNK, ENTRY_CHUNK):
            for row in self.audit.log_entries(self.log.id, first, first + ENTRY_CHUNK):
                where = f"log {self.log.origin}, entry {row.index}"
                self.findings.same(f"{where}, index", self.findings.log_entries - self._entries_before, row.index)
                self.findings.log_entries += 1
                hashed = leaf_hash(row.entry)
                self.findings.same(f"{where}, leaf hash", hashed, row.leaf_hash)
                try:
                    self._entry(where, row, slots)
                except ValueError as error:
                    self.findings.add(where, str(error))
                _grow(pending, counts, nodes, 0, hashed)
                yield hashed

    def _entry(self, where: str, row: LogEntry, slots: dict[bytes, int]) -> None:
        entry = check_structure(parse_canonical(row.entry), BATCH, CLOSED, KEY, RESTORED)
        if entry["schema"] == BATCH:
            members = unpack(row.commitments or b"")
            if members != sorted(members):
                self.findings.add(where, "the batch's commitments are not in ascending order")
            root = root_of_leaves([leaf_hash(member) for member in members])
            self.findings.same(f"{where}, batch root", root.hex(), entry["root"])
        elif row.commitments is not None:
            self.findings.add(where, "commitments without a batch")
        if entry["schema"] == CLOSED:
            slots[bytes.fromhex(entry["slot"])] = row.index


def _grow(
    pending: dict[int, list[bytes]],
    counts: dict[int, int],
    nodes: dict[tuple[int, int], bytes],
    level: int,
    hashed: bytes,
) -> None:
    """Adds a hash to its tile; a full tile makes a node of the level above."""
    tile = pending.setdefault(level, [])
    tile.append(hashed)
    if len(tile) == TILE:
        index = counts[level + 1] = counts.get(level + 1, -1) + 1
        nodes[level + 1, index] = root_of_leaves(tile)
        tile.clear()
        _grow(pending, counts, nodes, level + 1, nodes[level + 1, index])


def _add_to_day(days: dict[int, DayTotal], customer: Customer, delta: Delta) -> None:
    day = days.setdefault(day_of(delta.posted_at), DayTotal(customer.id, day_of(delta.posted_at)))
    day.total += delta.delta
    day.count += 1
    day.first_sequence = day.first_sequence or delta.sequence
    day.last_sequence = delta.sequence
