"""Reads: every query over one consistent snapshot."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from operator import attrgetter
from typing import Any

from pacspace_proofs.record import receipt_tail

from ...domain.instants import period_end, period_start
from ..model import ids, sealing
from ..model.protocols import Damaged
from ..model.records import Checkpoint, Customer, DayTotal, Delta, Month, PeriodHead
from ..sql.shared import SharedReads
from .dialect import SqliteStatements
from .outbox import OutboxReads
from .rows import (
    CHECKPOINT,
    CUSTOMER,
    DELTA,
    DELTA_FROM,
    HEAD,
    checkpoint_of,
    day_of_row,
    delta_of,
    head_of,
)
from .surveys import SurveyReads

_HEAD_OF_P = ", ".join(f"p.{name}" for name in HEAD.split(", "))
_CHECKPOINT_OF_K = ", ".join(f"k.{name}" for name in CHECKPOINT.split(", "))


_leaf_index, _sequence = attrgetter("leaf_index"), attrgetter("sequence")


class SqliteSnapshot(SqliteStatements, SharedReads, OutboxReads, SurveyReads):
    """Reads on one connection in one transaction."""

    def _head_of(self, row: Any) -> PeriodHead:
        return self._sound(self._read("month", head_of, row))

    def _delta_of(self, row: Any) -> Delta:
        return self._sound_delta(self._read("delta", delta_of, row), row[23])

    def _checkpoint_of(self, row: Any) -> Checkpoint:
        return self._sound(self._read("checkpoint", checkpoint_of, row))

    def active(self, environment_id: int, period: str, after: str, limit: int) -> list[tuple[Customer, PeriodHead]]:
        # Scans customers by name, which is in order, so a chunk reads only what it needs.
        return self._with_heads(
            "FROM customer c CROSS JOIN period_head p ON p.customer = c.id AND p.period = ? "
            "WHERE c.environment_id = ? AND c.customer_id > ? AND p.first_recorded_at IS NOT NULL "
            "ORDER BY c.customer_id LIMIT ?",
            (period, environment_id, after, limit),
        )

    def head(self, customer: Customer, period: str) -> PeriodHead | None:
        row = self._one(f"SELECT {HEAD} FROM period_head WHERE customer = ? AND period = ?", (customer.id, period))
        return self._head_of(row) if row else None

    def heads_of(self, months: Sequence[Month]) -> dict[Month, PeriodHead]:
        rows = self._all(
            f"SELECT {_HEAD_OF_P} FROM json_each(?) n CROSS JOIN period_head p "
            "ON p.customer = n.value ->> 0 AND p.period = n.value ->> 1",
            (json.dumps(months),),
        )
        heads = {(head.customer, head.period): head for head in map(self._head_of, rows)}
        if self.checks and (missing := set(months) - heads.keys()):
            raise Damaged("month", f"{min(missing)} is missing")
        return heads

    def heads(self, customer: Customer, first: str, last: str) -> list[PeriodHead]:
        rows = self._all(
            f"SELECT {HEAD} FROM period_head WHERE customer = ? AND period BETWEEN ? AND ? ORDER BY period",
            (customer.id, first, last),
        )
        return [self._head_of(row) for row in rows]

    def open_heads(self, customer: Customer) -> list[PeriodHead]:
        """Months that hold deltas and are not locked, in order."""
        rows = self._all(
            f"SELECT {HEAD} FROM period_head WHERE customer = ? AND period > ? ORDER BY period",
            (customer.id, customer.locked_through or ""),
        )
        return [self._head_of(row) for row in rows]

    def days(self, customer: Customer, first_day: int, end_day: int) -> list[DayTotal]:
        rows = self._all(
            "SELECT customer, day, total, count, first_sequence, last_sequence, seal FROM day_total "
            "WHERE customer = ? AND day >= ? AND day < ? ORDER BY day",
            (customer.id, first_day, end_day),
        )
        return [self._sound(self._read("day total", day_of_row, row)) for row in rows]

    def delta_at(self, customer: Customer, sequence: int) -> Delta | None:
        found = self._delta("d.customer = ? AND d.sequence = ?", (customer.id, sequence))
        return self._there(found, sequence, customer.last_sequence)

    def delta_by_reference(self, customer: Customer, mac: bytes) -> Delta | None:
        row = self._one("SELECT id, customer FROM delta WHERE reference_mac = ?", (mac,))
        return self._delta("d.id = ?", (row[0],)) if row and row[1] == customer.id else None

    def delta_by_receipt(self, customer: Customer, tail: bytes) -> Delta | None:
        for delta in self._deltas("d.receipt_key = ? AND d.customer = ?", (ids.receipt_key(tail), customer.id)):
            if receipt_tail(delta.leaf_hash) == tail:
                return delta
        return None

    def delta_in_period(self, head: PeriodHead, leaf_index: int) -> Delta | None:
        found = self._delta("d.period_id = ? AND d.leaf_index = ?", (head.id, leaf_index))
        return self._there(found, leaf_index, head.delta_count)

    def deltas_in_period(self, head: PeriodHead, first: int, end: int) -> Iterator[Delta]:
        where = "d.period_id = ? AND d.leaf_index >= ? AND d.leaf_index < ? ORDER BY d.leaf_index"
        return self._complete(
            self._deltas(where, (head.id, first, end)), _leaf_index, first, min(end, head.delta_count + 1)
        )

    def deltas_by_sequence(self, customer: Customer, first: int, last: int) -> Iterator[Delta]:
        found = self._deltas(
            "d.customer = ? AND d.sequence BETWEEN ? AND ? ORDER BY d.sequence", (customer.id, first, last)
        )
        return self._complete(found, _sequence, max(first, 1), min(last, customer.last_sequence) + 1)

    def _delta(self, where: str, values: tuple[Any, ...]) -> Delta | None:
        return next(self._deltas(where, values), None)

    def _deltas(self, where: str, values: tuple[Any, ...]) -> Iterator[Delta]:
        for row in self._connection.execute(f"SELECT {DELTA} {DELTA_FROM} WHERE {where}", values):
            yield self._delta_of(row)

    def leaf_hashes(self, head: PeriodHead, first: int, end: int) -> Iterator[bytes]:
        rows = self._connection.execute(
            "SELECT leaf_hash FROM delta WHERE period_id = ? AND leaf_index >= ? AND leaf_index < ? "
            "ORDER BY leaf_index",
            (head.id, first, end),
        )
        return (row[0] for row in rows)

    def idempotency(self, shard_key: bytes, key_hash: bytes) -> tuple[Delta | None, Checkpoint | None, bytes] | None:
        row = self._one("SELECT delta, checkpoint, body_mac, seal FROM idempotency WHERE key_hash = ?", (key_hash,))
        if row is None:
            return None
        self._check_seal(
            "idempotency key", key_hash.hex(), row[3], sealing.idempotency_seal(self.secret, key_hash, *row[:3])
        )
        delta = self._delta("d.id = ?", (row[0],)) if row[0] is not None else None
        checkpoint = self._checkpoint("id = ?", (row[1],)) if row[1] is not None else None
        return delta, checkpoint, row[2]

    def checkpoint(self, checkpoint_id: str) -> Checkpoint | None:
        return self._checkpoint("checkpoint_id = ?", (checkpoint_id,))

    def checkpoint_by_root(self, root: bytes) -> Checkpoint | None:
        return self._checkpoint("id = (SELECT checkpoint FROM proof_root WHERE root = ?)", (root,))

    def lock_at_or_after(self, customer: Customer, period: str) -> Checkpoint:
        found = self._checkpoint(
            "customer = ? AND locked = 1 AND period >= ? ORDER BY period LIMIT 1", (customer.id, period)
        )
        if found is None:
            raise Damaged("lock", f"at or after {period} of {customer.customer_id} is missing")
        return found

    def locks_of(self, months: Sequence[Month]) -> dict[Month, Checkpoint]:
        rows = self._all(
            f"SELECT {_CHECKPOINT_OF_K} FROM json_each(?) n CROSS JOIN checkpoint k "
            "ON k.customer = n.value ->> 0 AND k.period = n.value ->> 1 AND k.locked = 1",
            (json.dumps(months),),
        )
        locks = {(lock.customer, lock.period or ""): lock for lock in map(self._checkpoint_of, rows)}
        if self.checks and (missing := set(months) - locks.keys()):
            raise Damaged("lock", f"of {min(missing)} is missing")
        return locks

    def latest_checkpoint(self, customer: Customer) -> Checkpoint | None:
        return self._checkpoint("customer = ? ORDER BY id DESC LIMIT 1", (customer.id,))

    def _checkpoint(self, where: str, values: tuple[Any, ...]) -> Checkpoint | None:
        row = self._one(f"SELECT {CHECKPOINT} FROM checkpoint WHERE {where}", values)
        return self._checkpoint_of(row) if row else None

    def checkpoints(
        self,
        environment_id: int,
        customer: Customer | None,
        first: str | None,
        last: str | None,
        limit: int,
        offset: int,
    ) -> tuple[list[Checkpoint], int]:
        """Newest first, with their number; optionally only months from first to last, and windows that overlap them."""
        where = ["customer IN (SELECT id FROM customer WHERE environment_id = ?)"]
        values: list[Any] = [environment_id]
        if customer is not None:
            where, values = ["customer = ?"], [customer.id]
        if first is not None:
            where.append("(period >= ? OR (period IS NULL AND end_at > ?))")
            values += [first, period_start(first)]
        if last is not None:
            where.append("(period <= ? OR (period IS NULL AND start_at < ?))")
            values += [last, period_end(last)]
        condition = " AND ".join(where)
        total = self._one(f"SELECT count(*) FROM checkpoint WHERE {condition}", tuple(values))[0]
        rows = self._all(
            f"SELECT {CHECKPOINT} FROM checkpoint WHERE {condition} ORDER BY id DESC LIMIT ? OFFSET ?",
            (*values, limit, offset),
        )
        return [self._checkpoint_of(row) for row in rows], total

    def closed_entries(self, log_id: int, slots: Sequence[bytes]) -> dict[bytes, int]:
        sql = "SELECT entry_index FROM closed_slot WHERE log_id = ? AND slot = ?"
        rows = ((slot, self._one(sql, (log_id, slot))) for slot in slots)
        return {slot: row[0] for slot, row in rows if row}

    def changed_heads(self, environment_id: int, limit: int) -> list[tuple[Customer, PeriodHead]]:
        return self._with_heads(
            "FROM period_head p JOIN customer c ON c.id = p.customer "
            "WHERE p.size > p.integrated_size AND p.frozen = 0 AND c.environment_id = ? ORDER BY p.id LIMIT ?",
            (environment_id, limit),
        )

    def unverified(self, environment_id: int) -> tuple[int, int]:
        # The opening and the closing leaf are not deltas.
        found: tuple[int, int] = self._one(
            "SELECT count(*), coalesce(sum(p.size - max(p.integrated_size, 1) - (p.closing IS NOT NULL)), 0) "
            "FROM period_head p JOIN customer c ON c.id = p.customer "
            "WHERE p.size > p.integrated_size AND p.frozen = 0 AND c.environment_id = ?",
            (environment_id,),
        )
        return found

    def _with_heads(self, source: str, values: tuple[Any, ...]) -> list[tuple[Customer, PeriodHead]]:
        width = CUSTOMER.count(",") + 1
        rows = self._all(f"SELECT {CUSTOMER}, {_HEAD_OF_P} {source}", values)
        return [(self._customer_of(row[:width]), self._head_of(row[width:])) for row in rows]

    def new_deltas(self, environment_id: int, changed: Sequence[tuple[Customer, PeriodHead]]) -> Iterator[Delta]:
        # One query for all of them: each query waits for the interpreter's lock.
        rows = self._connection.execute(
            f"SELECT {DELTA} FROM period_head p CROSS JOIN delta d ON d.period_id = p.id "
            "AND d.leaf_index >= p.integrated_size "
            "JOIN customer c ON c.id = d.customer "
            "WHERE p.size > p.integrated_size AND p.frozen = 0 AND p.id <= ? AND c.environment_id = ? "
            "ORDER BY p.id, d.leaf_index",
            (changed[-1][1].id if changed else 0, environment_id),
        )
        return map(self._delta_of, rows)
