"""Writes: one transaction that keeps what it touched in memory and stores it once, at the commit.

Sixty deltas of one customer in a group change its row, its month and its day sixty times. A unit changes the objects in
memory and writes each of them once, in `flush`:

    unit.customer(...)     from this transaction, else from `Kept`, else from the file
    unit.add_delta(...)    a row waits in `_new_deltas`
    unit.flush()           all deltas in one call, one upsert for each customer, head and day touched
    commit                 by the storage, on the committer's thread

`Kept` outlives the unit: the process is the file's only writer, so it need not read back what it wrote. `Kept` is
emptied when a transaction fails, when another process has written, and when it grows too large.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from itertools import takewhile
from typing import Any

import apsw

from ...domain.tree import pack
from ..model import sealing
from ..model.commands import Command, LockPeriod
from ..model.records import (
    Checkpoint,
    Customer,
    DayTotal,
    Delta,
    Environment,
    Integration,
    JobFailure,
    Key,
    Log,
    LogEntry,
    PeriodHead,
    Profile,
)
from ..sql.shared import SharedWrites
from .outbox import OutboxWrites
from .rows import day_of_row, stored_total
from .snapshot import SqliteSnapshot

_INSERT_DELTA = "INSERT INTO delta VALUES (" + ", ".join("?" * 21) + ")"
_RANDOM_BYTES, _LOOKUP = 4096, 64
_INTEGRATED = (
    "previous_size", "integrated_size", "integrated_root", "integrated_peaks", "integrated_total", "entry_index",
    "batch_index", "batch_size", "seal",
)  # fmt: skip
_RECORD_TABLES = (
    "link",
    "note",
    "visit",
    "delivery",
    "outbox",
    "profile",
    "replaced_tree",
    "idempotency",
    "proof_root",
    "checkpoint",
    "delta",
    "day_total",
    "period_head",
    "customer",
)


class Kept:
    """What the only writer knows to be in the file, so that it need not read it back.

    Emptied when a transaction fails, when another process writes, and when it grows too large.
    """

    MAX_ROWS = 10_000  # of each kind

    def __init__(self) -> None:
        self.data_version = -1
        self.forget()

    def forget(self) -> None:
        self.customers: dict[bytes, Customer] = {}
        self.heads: dict[tuple[Key, str], PeriodHead] = {}
        self.days: dict[tuple[Key, int], DayTotal] = {}

    @property
    def rows(self) -> int:
        return max(len(self.customers), len(self.heads), len(self.days))


class SqliteUnit(SharedWrites, OutboxWrites, SqliteSnapshot):
    """A write transaction."""

    def __init__(self, connection: apsw.Connection, secret: bytes, kept: Kept) -> None:
        super().__init__(connection, secret)
        version = self._one("PRAGMA data_version", ())[0]
        if version != kept.data_version or kept.rows > kept.MAX_ROWS:
            kept.forget()
            kept.data_version = version
        self._kept = kept
        self._environments_read: dict[int, Environment] = {}
        self._customers: dict[bytes, Customer] = {}  # touched here, and stored at the commit; the next two alike
        self._heads: dict[tuple[Key, str], PeriodHead] = {}
        self._days: dict[tuple[Key, int], DayTotal] = {}
        self._by_reference: dict[bytes, Delta] = {}
        self._by_key: dict[bytes, tuple[Delta | None, Checkpoint | None, bytes]] = {}
        self._new_deltas: list[tuple[Any, ...]] = []
        self._new_references: set[bytes] = set()
        self._new_keys: set[bytes] = set()
        self._next_id: int | None = None
        self._now: dict[tuple[int, int | None], int] = {}
        self._random, self._random_left = b"", 0

    def now(self, environment: Environment) -> int:
        """The ledger clock, read once: what is committed together was accepted at one instant."""
        key = environment.id, environment.clock_at
        if key not in self._now:
            self._now[key] = super().now(environment)
        return self._now[key]

    def random_bytes(self, count: int) -> bytes:
        """Random bytes, fetched from the system in larger pieces."""
        if self._random_left < count:
            self._random, self._random_left = os.urandom(_RANDOM_BYTES), _RANDOM_BYTES
        self._random_left -= count
        return self._random[self._random_left : self._random_left + count]

    def environment(self, environment_id: int) -> Environment:
        if environment_id not in self._environments_read:
            self._environments_read[environment_id] = super().environment(environment_id)
        return self._environments_read[environment_id]

    def customer(self, environment_id: int, shard_key: bytes) -> Customer | None:
        customer = self._customers.get(shard_key) or self._kept.customers.get(shard_key)
        if customer is None:
            customer = super().customer_by_shard(shard_key)
        if customer is None or customer.environment_id != environment_id:
            return None
        self._customers[shard_key] = self._kept.customers[shard_key] = customer
        return customer

    def add_customer(self, customer: Customer) -> Customer:
        self._connection.execute(
            "INSERT INTO customer (environment_id, shard_key, customer_id, slot_key, unit, created_at, last_sequence, "
            "total, last_recorded_at, locked_total, locked_count) VALUES (?, ?, ?, ?, ?, ?, 0, 0, 0, 0, 0)",
            (
                customer.environment_id,
                customer.shard_key,
                customer.customer_id,
                customer.slot_key,
                customer.unit,
                customer.created_at,
            ),
        )
        customer.id = self._connection.last_insert_rowid()
        self._customers[customer.shard_key] = self._kept.customers[customer.shard_key] = customer
        return customer

    def head(self, customer: Customer, period: str) -> PeriodHead | None:
        key = customer.id, period
        head = self._heads.get(key) or self._kept.heads.get(key) or super().head(customer, period)
        if head is not None:
            self._heads[key] = self._kept.heads[key] = head
        return head

    def heads(self, customer: Customer, first: str, last: str) -> list[PeriodHead]:
        return self._current(super().heads(customer, first, last))

    def open_heads(self, customer: Customer) -> list[PeriodHead]:
        return self._current(super().open_heads(customer))

    def _current(self, stored: list[PeriodHead]) -> list[PeriodHead]:
        """The heads, with this transaction's changes."""
        return [
            self._heads.setdefault(key, self._kept.heads.setdefault(key, head))
            for head in stored
            for key in [(head.customer, head.period)]
        ]

    def add_head(self, head: PeriodHead) -> PeriodHead:
        self._connection.execute(
            "INSERT INTO period_head (customer, period, opening, size, peaks, spine, merged, total) "
            "VALUES (?, ?, ?, 0, x'', x'', x'', 0)",
            (head.customer, head.period, head.opening),
        )
        head.id = self._connection.last_insert_rowid()
        self._heads[head.customer, head.period] = self._kept.heads[head.customer, head.period] = head
        return head

    def day(self, customer: Customer, day: int) -> DayTotal:
        key = customer.id, day
        total = self._days.get(key) or self._kept.days.get(key)
        if total is None:
            row = self._one(
                "SELECT customer, day, total, count, first_sequence, last_sequence, seal FROM day_total "
                "WHERE customer = ? AND day = ?",
                key,
            )
            total = self._sound(day_of_row(row)) if row else DayTotal(customer.id, day)
        self._days[key] = self._kept.days[key] = total
        return total

    def expect(self, commands: Sequence[Command]) -> None:
        """Finds out in one query each which references and idempotency keys are new, and so need no look-up."""
        recording = [command for command in commands if not isinstance(command, LockPeriod)]
        references = [command.reference_mac for command in recording if command.reference_mac is not None]
        keys = [command.key_hash for command in commands if command.key_hash is not None]
        self._new_references = self._absent("delta", "reference_mac", references)
        self._new_keys = self._absent("idempotency", "key_hash", keys)

    def _absent(self, table: str, column: str, values: list[bytes]) -> set[bytes]:
        present: set[bytes] = set()
        for first in range(0, len(values), _LOOKUP):
            # Always the same number of placeholders, so that the statement stays prepared.
            part = values[first : first + _LOOKUP]
            part += part[:1] * (_LOOKUP - len(part))
            places = ", ".join("?" * _LOOKUP)
            rows = self._connection.execute(f"SELECT {column} FROM {table} WHERE {column} IN ({places})", part)
            present.update(row[0] for row in rows)
        return set(values) - present

    def delta_by_reference(self, customer: Customer, mac: bytes) -> Delta | None:
        known = self._by_reference.get(mac)
        if known is not None or mac in self._new_references:
            return known
        return super().delta_by_reference(customer, mac)

    def delta_at(self, customer: Customer, sequence: int) -> Delta | None:
        self._store_deltas()
        return super().delta_at(customer, sequence)

    def add_delta(self, delta: Delta) -> None:
        if self._next_id is None:
            self._next_id = self._one("SELECT coalesce(max(id), 0) + 1 FROM delta", ())[0]
        delta.id = self._next_id
        self._next_id += 1
        if delta.reference_mac is not None:
            self._by_reference[delta.reference_mac] = delta
        self._new_deltas.append((
            delta.id, delta.customer, delta.period_id, delta.leaf_index, delta.sequence,
            bytes.fromhex(delta.record_id[-8:]), delta.delta, stored_total(delta.period_total),
            stored_total(delta.total), delta.posted_at, delta.recorded_at, delta.occurred_at, delta.adjusts,
            delta.context_hash, delta.leaf_hash, delta.context, delta.salt, delta.reference_mac, delta.body_mac,
            delta.receipt_key, delta.seal,
        ))  # fmt: skip

    def idempotency(self, shard_key: bytes, key_hash: bytes) -> tuple[Delta | None, Checkpoint | None, bytes] | None:
        known = self._by_key.get(key_hash)
        if known is not None or key_hash in self._new_keys:
            return known
        return super().idempotency(shard_key, key_hash)

    def add_idempotency(
        self, key_hash: bytes, delta: Delta | None, checkpoint: Checkpoint | None, body_mac: bytes
    ) -> None:
        self._by_key[key_hash] = delta, checkpoint, body_mac

    def add_checkpoint(self, checkpoint: Checkpoint) -> Checkpoint:
        amounts = (checkpoint.net_change, checkpoint.brought_forward, checkpoint.starting_balance)
        self._connection.execute(
            "INSERT INTO checkpoint VALUES (NULL, " + ", ".join("?" * 18) + ")",
            (
                checkpoint.checkpoint_id, checkpoint.customer, checkpoint.locked, checkpoint.period, checkpoint.start,
                checkpoint.end, checkpoint.proof_root, checkpoint.delta_count, *map(stored_total, amounts),
                checkpoint.first_recorded_at, checkpoint.last_recorded_at, checkpoint.invoice_reference,
                checkpoint.previous_checkpoint_id, checkpoint.created_at, sealing.checkpoint_parts(checkpoint),
                sealing.checkpoint_seal(self.secret, checkpoint),
            ),
        )  # fmt: skip
        checkpoint.id = self._connection.last_insert_rowid()
        self._connection.execute(
            "INSERT INTO proof_root VALUES (?, ?) ON CONFLICT (root) DO NOTHING", (checkpoint.proof_root, checkpoint.id)
        )
        return checkpoint

    def _store_deltas(self) -> None:
        if self._new_deltas:
            self._connection.executemany(_INSERT_DELTA, self._new_deltas)
            self._new_deltas.clear()

    def _key_row(
        self, key: bytes, delta: Delta | None, checkpoint: Checkpoint | None, mac: bytes
    ) -> tuple[bytes, Key | None, Key | None, bytes, bytes]:
        delta_id = delta.id if delta else None
        checkpoint_id = checkpoint.id if checkpoint else None
        seal = sealing.idempotency_seal(self.secret, key, delta_id, checkpoint_id, mac)
        return key, delta_id, checkpoint_id, mac, seal

    def flush(self) -> None:
        """Stores all changes in memory. Called once, just before the commit."""
        self._store_deltas()
        keys = [self._key_row(key, *known) for key, known in self._by_key.items()]
        self._connection.executemany("INSERT INTO idempotency VALUES (?, ?, ?, ?, ?)", keys)
        customers = [
            (c.unit, c.last_sequence, stored_total(c.total), c.last_recorded_at, c.locked_through, c.locked_root,
             stored_total(c.locked_total), c.locked_count, sealing.customer_seal(self.secret, c), c.id)
            for c in self._customers.values()
        ]  # fmt: skip
        self._connection.executemany(
            "UPDATE customer SET unit = ?, last_sequence = ?, total = ?, last_recorded_at = ?, locked_through = ?, "
            "locked_root = ?, locked_total = ?, locked_count = ?, seal = ? WHERE id = ?",
            customers,
        )
        heads = [
            (h.size, pack(h.frontier.peaks), pack(h.frontier.spine), pack(h.frontier.merged), stored_total(h.total),
             h.closing, h.root, h.first_recorded_at, h.last_recorded_at, sealing.head_seal(self.secret, h), h.id)
            for h in self._heads.values()
        ]  # fmt: skip
        self._connection.executemany(
            "UPDATE period_head SET size = ?, peaks = ?, spine = ?, merged = ?, total = ?, closing = ?, root = ?, "
            "first_recorded_at = ?, last_recorded_at = ?, state_seal = ? WHERE id = ?",
            heads,
        )
        days = [
            (
                d.customer,
                d.day,
                stored_total(d.total),
                d.count,
                d.first_sequence,
                d.last_sequence,
                sealing.day_seal(self.secret, d),
            )
            for d in self._days.values()
            if d.count
        ]
        self._connection.executemany(
            "INSERT INTO day_total VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (customer, day) DO UPDATE SET "
            "total = excluded.total, count = excluded.count, first_sequence = excluded.first_sequence, "
            "last_sequence = excluded.last_sequence, seal = excluded.seal",
            days,
        )

    def erase_contexts(self, customer: Customer, before: str, after: int, limit: int) -> tuple[int, int | None]:
        rows = self._all(
            "SELECT d.id, d.sequence, d.context IS NOT NULL AND p.period < ? FROM delta d "
            "JOIN period_head p ON p.id = d.period_id WHERE d.customer = ? AND d.sequence > ? ORDER BY d.sequence "
            "LIMIT ?",
            (before, customer.id, after, limit),
        )
        erased = [(row[0],) for row in rows if row[2]]
        self._erase(erased)
        return len(erased), rows[-1][1] if rows else None

    def erase_older(self, environment: Environment, before: int, cursor: bytes, limit: int) -> tuple[int, bytes | None]:
        row = self._one("SELECT through FROM retention WHERE environment_id = ?", (environment.id,))
        rows = self._all(
            "SELECT d.id, d.recorded_at FROM delta d CROSS JOIN customer c ON c.id = d.customer "
            "WHERE d.id > ? AND c.environment_id = ? ORDER BY d.id LIMIT ?",
            (row[0] if row else 0, environment.id, limit),
        )
        old = [(number,) for number, _ in takewhile(lambda stored: stored[1] < before, rows)]
        if old:
            self._erase(old)
            self._connection.execute(
                "INSERT INTO retention VALUES (?, ?) ON CONFLICT (environment_id) DO UPDATE "
                "SET through = excluded.through",
                (environment.id, old[-1][0]),
            )
        # The table remembers the place.
        return len(old), b"" if old else None

    def _erase(self, numbers: list[tuple[int]]) -> None:
        self._connection.executemany("UPDATE delta SET context = NULL, salt = NULL WHERE id = ?", numbers)

    def add_profile(self, profile: Profile) -> None:
        self._connection.execute(
            "INSERT INTO profile VALUES (?, ?, ?, ?, ?)",
            (
                profile.customer,
                profile.display_name,
                profile.sharing_hint,
                profile.event_cadence,
                sealing.profile_seal(self.secret, profile),
            ),
        )

    def add_job_failures(self, job_id: str, failures: Sequence[JobFailure]) -> None:
        self._connection.executemany(
            "INSERT INTO job_failure VALUES (?, ?, ?, ?)",
            [(job_id, failure.customer_id, failure.code, failure.message) for failure in failures],
        )

    def touch(self) -> None:
        # An UPDATE to the same value would write no page; this writes the first page in any case.
        version = self._one("PRAGMA user_version", ())[0]
        self._connection.execute(f"PRAGMA user_version = {version}")

    def replace_log(self, environment: Environment, origin: str, blinding_key: bytes) -> None:
        self._connection.execute(
            "INSERT INTO log (environment_id, origin, blinding_key) VALUES (?, ?, ?)",
            (environment.id, origin, blinding_key),
        )
        self._change_environment(environment.id, log_id=self._connection.last_insert_rowid())

    def empty(self, environment: Environment) -> None:
        self._kept.forget()
        mine = "customer IN (SELECT id FROM customer WHERE environment_id = ?)"
        ids_of = "(SELECT id FROM {} WHERE " + mine + ")"
        for table in _RECORD_TABLES:
            where = {
                "idempotency": f"delta IN {ids_of.format('delta')} OR checkpoint IN {ids_of.format('checkpoint')}",
                "proof_root": f"checkpoint IN {ids_of.format('checkpoint')}",
                "customer": "environment_id = ?",
                "outbox": "environment_id = ?",
                "delivery": "environment_id = ?",
            }.get(table, mine)
            self._connection.execute(f"DELETE FROM {table} WHERE {where}", (environment.id,) * where.count("?"))
        self._connection.execute("DELETE FROM retention WHERE environment_id = ?", (environment.id,))
        jobs = "SELECT id FROM job WHERE environment_id = ?"
        for table in ("job_failure", "job_key"):
            self._connection.execute(f"DELETE FROM {table} WHERE job IN ({jobs})", (environment.id,))
        self._connection.execute("DELETE FROM job WHERE environment_id = ?", (environment.id,))
        for table in ("log_entry", "log_node", "closed_slot", "log_checkpoint"):
            self._connection.execute(
                f"DELETE FROM {table} WHERE log_id IN (SELECT id FROM log WHERE environment_id = ?)", (environment.id,)
            )
        self._connection.execute("DELETE FROM log WHERE environment_id = ?", (environment.id,))

    def add_log_entries(self, log: Log, entries: Sequence[LogEntry]) -> None:
        self._connection.executemany(
            "INSERT INTO log_entry VALUES (?, ?, ?, ?, ?)",
            [(log.id, e.index, e.entry, e.leaf_hash, e.commitments) for e in entries],
        )
        log.size += len(entries)
        self._change_log(log.id, size=log.size)

    def add_closed_slots(self, log_id: int, entries: Mapping[bytes, int]) -> None:
        rows = [(log_id, slot, index) for slot, index in entries.items()]
        self._connection.executemany("INSERT INTO closed_slot VALUES (?, ?, ?)", rows)

    def set_integrated(self, heads: Sequence[Integration]) -> None:
        for head in heads:
            head.seal = sealing.integration_seal(self.secret, head)
            kept = self._kept.heads.get((head.customer, head.period))
            for name in _INTEGRATED if kept is not None else ():
                setattr(kept, name, getattr(head, name))
        self._connection.executemany(
            "UPDATE period_head SET previous_size = ?, integrated_size = ?, integrated_root = ?, integrated_peaks = ?, "
            "integrated_total = ?, entry_index = ?, batch_index = ?, batch_size = ?, seal = ? WHERE id = ?",
            [(h.previous_size, h.integrated_size, h.integrated_root, h.integrated_peaks,
              stored_total(h.integrated_total), h.entry_index, h.batch_index, h.batch_size, h.seal, h.id)
             for h in heads],
        )  # fmt: skip

    def set_damaged(self, customer: Key, period: str) -> None:
        if (kept := self._kept.heads.get((customer, period))) is not None:
            kept.damaged = True
        self._connection.execute(
            "UPDATE period_head SET frozen = 1 WHERE customer = ? AND period = ?", (customer, period)
        )

    def clear_damaged(self) -> None:
        self._kept.forget()
        self._connection.execute("UPDATE period_head SET frozen = 0 WHERE frozen = 1")
