"""Reads: every query over one consistent snapshot."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from operator import attrgetter
from typing import Any, TypeVar

from pacspace_proofs.record import receipt_tail

from ...domain.instants import period_end, period_start
from ..model import ids, sealing
from ..model.protocols import Damaged
from ..model.records import Checkpoint, Customer, DayTotal, Delta, Key, Month, PeriodHead
from ..sql.shared import SharedReads
from ..sql.statements import Values
from . import statements
from .columns import column
from .dialect import PostgresStatements, Sql
from .outbox import OutboxReads
from .rows import (
    CHECKPOINT,
    CUSTOMER,
    CUSTOMER_WIDTH,
    DELTA,
    HEAD,
    HEAD_FROM,
    checkpoint_of,
    day_of_row,
    delta_of,
    head_of,
    numbered,
)
from .surveys import SurveyReads

T = TypeVar("T")
PAGE = 1_000  # rows in memory at a time


_leaf_index, _sequence = attrgetter("leaf_index"), attrgetter("sequence")


class PostgresSnapshot(PostgresStatements, SharedReads, OutboxReads, SurveyReads):
    """The record as of the transaction's first read."""

    def _paged(
        self, sql: Sql, values: Values, start: T, end: T, place: Callable[[Any], T], rows: int = PAGE
    ) -> Iterator[Any]:
        """Rows in order of a key, in pages: {sql} has placeholders for the last key, the end key, and the limit."""
        while True:
            page = self._all(sql, (*values, start, end, rows))
            yield from page
            if len(page) < rows:
                return
            start = place(page[-1])

    def _head_of(self, row: Any) -> PeriodHead:
        return self._sound(self._read("month", head_of, row))

    def _delta_of(self, row: Any) -> Delta:
        return self._sound_delta(self._read("delta", delta_of, row), row[20])

    def _checkpoint_of(self, row: Any) -> Checkpoint:
        return self._sound(self._read("checkpoint", checkpoint_of, row))

    def _with_customers(self, rows: list[Any]) -> list[tuple[Customer, PeriodHead]]:
        return [(self._customer_of(row[:CUSTOMER_WIDTH]), self._head_of(row[CUSTOMER_WIDTH:])) for row in rows]

    def active(self, environment_id: int, period: str, after: str, limit: int) -> list[tuple[Customer, PeriodHead]]:
        rows = self._all(
            f"SELECT {CUSTOMER}, {HEAD} FROM {HEAD_FROM} JOIN customer c ON c.shard_key = h.shard_key "
            "WHERE c.environment_id = %s AND c.customer_id > %s AND h.period = %s AND h.first_recorded_at IS NOT NULL "
            "ORDER BY c.customer_id LIMIT %s",
            (environment_id, after, period, limit),
        )
        return self._with_customers(rows)

    def head(self, customer: Customer, period: str) -> PeriodHead | None:
        row = self._one(
            f"SELECT {HEAD} FROM {HEAD_FROM} WHERE h.shard_key = %s AND h.period = %s", (customer.id, period)
        )
        return self._head_of(row) if row else None

    def heads_of(self, months: Sequence[Month]) -> dict[Month, PeriodHead]:
        rows = self._all(statements.HEADS.sql, statements.HEADS.values(months)) if months else []
        heads = {(head.customer, head.period): head for head in map(self._head_of, rows)}
        if self.checks and (missing := set(months) - heads.keys()):
            raise Damaged("month", f"{min(missing)} is missing")
        return heads

    def heads(self, customer: Customer, first: str, last: str) -> list[PeriodHead]:
        rows = self._all(
            f"SELECT {HEAD} FROM {HEAD_FROM} WHERE h.shard_key = %s AND h.period BETWEEN %s AND %s ORDER BY h.period",
            (customer.id, first, last),
        )
        return [self._head_of(row) for row in rows]

    def open_heads(self, customer: Customer) -> list[PeriodHead]:
        """Months that hold deltas and are not locked, in order."""
        rows = self._all(
            f"SELECT {HEAD} FROM {HEAD_FROM} WHERE h.shard_key = %s AND h.period > %s ORDER BY h.period",
            (customer.id, customer.locked_through or ""),
        )
        return [self._head_of(row) for row in rows]

    def days(self, customer: Customer, first_day: int, end_day: int) -> list[DayTotal]:
        rows = self._all(
            "SELECT shard_key, day, total, count, first_sequence, last_sequence, seal FROM day_total "
            "WHERE shard_key = %s AND day >= %s AND day < %s ORDER BY day",
            (customer.id, first_day, end_day),
        )
        return [self._sound(self._read("day total", day_of_row, row)) for row in rows]

    def delta_at(self, customer: Customer, sequence: int) -> Delta | None:
        return self._there(self._delta("d.sequence = %s", customer.id, sequence), sequence, customer.last_sequence)

    def delta_by_reference(self, customer: Customer, mac: bytes) -> Delta | None:
        return self._delta("d.reference_mac = %s", customer.id, mac)

    def delta_by_receipt(self, customer: Customer, tail: bytes) -> Delta | None:
        rows = self._all(
            f"SELECT {DELTA} FROM delta d WHERE d.shard_key = %s AND d.receipt_key = %s",
            (customer.id, ids.receipt_key(tail)),
        )
        return next((delta for delta in map(self._delta_of, rows) if receipt_tail(delta.leaf_hash) == tail), None)

    def delta_in_period(self, head: PeriodHead, leaf_index: int) -> Delta | None:
        row = self._one(
            f"SELECT {DELTA} FROM delta d WHERE d.shard_key = %s AND d.period = %s AND d.leaf_index = %s",
            (head.customer, head.period, leaf_index),
        )
        return self._there(self._delta_of(row) if row else None, leaf_index, head.delta_count)

    def _delta(self, where: str, shard_key: Key, value: Any) -> Delta | None:
        row = self._one(f"SELECT {DELTA} FROM delta d WHERE d.shard_key = %s AND {where}", (shard_key, value))
        return self._delta_of(row) if row else None

    def deltas_in_period(self, head: PeriodHead, first: int, end: int) -> Iterator[Delta]:
        rows = self._paged(
            f"SELECT {DELTA} FROM delta d WHERE d.shard_key = %s AND d.period = %s AND d.leaf_index > %s "
            "AND d.leaf_index < %s ORDER BY d.leaf_index LIMIT %s",
            (head.customer, head.period),
            first - 1,
            end,
            lambda row: int(row[2]),
        )
        places = first, min(end, head.delta_count + 1)
        return self._complete(map(self._delta_of, rows), _leaf_index, *places)

    def deltas_by_sequence(self, customer: Customer, first: int, last: int) -> Iterator[Delta]:
        rows = self._paged(
            f"SELECT {DELTA} FROM delta d WHERE d.shard_key = %s AND d.sequence > %s AND d.sequence <= %s "
            "ORDER BY d.sequence LIMIT %s",
            (customer.id,),
            first - 1,
            last,
            lambda row: int(row[3]),
        )
        places = max(first, 1), min(last, customer.last_sequence) + 1
        return self._complete(map(self._delta_of, rows), _sequence, *places)

    def leaf_hashes(self, head: PeriodHead, first: int, end: int) -> Iterator[bytes]:
        rows = self._paged(
            "SELECT leaf_index, leaf_hash FROM delta WHERE shard_key = %s AND period = %s AND leaf_index > %s "
            "AND leaf_index < %s ORDER BY leaf_index LIMIT %s",
            (head.customer, head.period),
            first - 1,
            end,
            lambda row: int(row[0]),
            10 * PAGE,
        )
        return (row[1] for row in rows)

    def idempotency(self, shard_key: bytes, key_hash: bytes) -> tuple[Delta | None, Checkpoint | None, bytes] | None:
        row = self._one(
            "SELECT sequence, number, body_mac, seal FROM idempotency WHERE shard_key = %s AND key_hash = %s",
            (shard_key, key_hash),
        )
        if row is None:
            return None
        sequence, number, body_mac, seal = row
        delta, checkpoint = (None if key is None else numbered(shard_key, key) for key in (sequence, number))
        expected = sealing.idempotency_seal(self.secret, key_hash, delta, checkpoint, body_mac)
        self._check_seal("idempotency key", key_hash.hex(), seal, expected)
        return self._recalled(shard_key, sequence, number, body_mac)

    def _recalled(
        self, shard_key: bytes, sequence: int | None, number: int | None, body_mac: bytes
    ) -> tuple[Delta | None, Checkpoint | None, bytes]:
        """The delta or checkpoint of a key."""
        delta = self._delta("d.sequence = %s", shard_key, sequence) if sequence is not None else None
        checkpoint = (
            self._checkpoint("k.shard_key = %s AND k.number = %s", (shard_key, number)) if number is not None else None
        )
        return delta, checkpoint, body_mac

    def checkpoint(self, checkpoint_id: str) -> Checkpoint | None:
        match = ids.CHECKPOINT_ID.fullmatch(checkpoint_id)
        if match is None:
            return None
        return self._checkpoint("k.shard_key = %s AND k.nonce = %s", tuple(map(bytes.fromhex, match.groups())))

    def checkpoint_by_root(self, root: bytes) -> Checkpoint | None:
        row = self._one("SELECT shard_key, number FROM proof_root WHERE root = %s", (root,))
        return self._checkpoint("k.shard_key = %s AND k.number = %s", row) if row else None

    def lock_at_or_after(self, customer: Customer, period: str) -> Checkpoint:
        found = self._checkpoint(
            "k.shard_key = %s AND k.locked AND k.period >= %s ORDER BY k.period LIMIT 1", (customer.id, period)
        )
        if found is None:
            raise Damaged("lock", f"at or after {period} of {customer.customer_id} is missing")
        return found

    def locks_of(self, months: Sequence[Month]) -> dict[Month, Checkpoint]:
        rows = self._all(statements.LOCKS.sql, statements.LOCKS.values(months)) if months else []
        locks = {(lock.customer, lock.period or ""): lock for lock in map(self._checkpoint_of, rows)}
        if self.checks and (missing := set(months) - locks.keys()):
            raise Damaged("lock", f"of {min(missing)} is missing")
        return locks

    def latest_checkpoint(self, customer: Customer) -> Checkpoint | None:
        return self._checkpoint("k.shard_key = %s ORDER BY k.number DESC LIMIT 1", (customer.id,))

    def _checkpoint(self, where: str, values: Values) -> Checkpoint | None:
        row = self._one(f"SELECT {CHECKPOINT} FROM checkpoint k WHERE {where}", values)
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
        where, order = ["k.environment_id = %s"], "k.created_at DESC, k.shard_key, k.number DESC"
        values: list[Any] = [environment_id]
        if customer is not None:
            where, values, order = ["k.shard_key = %s"], [customer.id], "k.number DESC"
        if first is not None:
            where.append("(k.period >= %s OR (k.period IS NULL AND k.end_at > %s))")
            values += [first, period_start(first)]
        if last is not None:
            where.append("(k.period <= %s OR (k.period IS NULL AND k.start_at < %s))")
            values += [last, period_end(last)]
        condition = " AND ".join(where)
        total = self._one(f"SELECT count(*) FROM checkpoint k WHERE {condition}", values)[0]
        rows = self._all(
            f"SELECT {CHECKPOINT} FROM checkpoint k WHERE {condition} ORDER BY {order} LIMIT %s OFFSET %s",
            (*values, limit, offset),
        )
        return [self._checkpoint_of(row) for row in rows], total

    def closed_entries(self, log_id: int, slots: Sequence[bytes]) -> dict[bytes, int]:
        sql = "SELECT slot, entry_index FROM closed_slot WHERE log_id = %s AND slot = ANY(%s)"
        return dict(self._all(sql, (log_id, column("bytea", slots)))) if slots else {}

    # changed_head fills and empties all the time, so its statistics are useless, and a plan based on them scans whole
    # tables for one month. LIMIT 1 makes each of these a look-up by key.

    def changed_heads(self, environment_id: int, limit: int) -> list[tuple[Customer, PeriodHead]]:
        keys = self._all(
            "SELECT x.shard_key, x.period FROM changed_head x LEFT JOIN LATERAL (SELECT f.frozen "
            "FROM integrated_head f "
            "WHERE f.shard_key = x.shard_key AND f.period = x.period LIMIT 1) AS known ON true "
            "WHERE x.environment_id = %s AND known.frozen IS NOT TRUE GROUP BY x.shard_key, x.period LIMIT %s",
            (environment_id, limit),
        )
        return self._with_customers(self._all(statements.CHANGED.sql, statements.CHANGED.values(keys))) if keys else []

    def unverified(self, environment_id: int) -> tuple[int, int]:
        # The opening and the closing leaf are not deltas.
        found: tuple[int, int] = self._one(
            "SELECT count(*), coalesce(sum(m.size - greatest(m.integrated, 1) - m.closed), 0)::bigint "
            "FROM (SELECT x.shard_key, x.period FROM changed_head x WHERE x.environment_id = %s "
            "GROUP BY x.shard_key, x.period) AS changed "
            "JOIN LATERAL (SELECT h.size, coalesce(i.integrated_size, 0) AS integrated, (h.root IS NOT NULL)::int AS "
            "closed, i.frozen "
            "FROM period_head h LEFT JOIN integrated_head i ON i.shard_key = h.shard_key AND i.period = h.period "
            "WHERE h.shard_key = changed.shard_key AND h.period = changed.period LIMIT 1) AS m ON true "
            "WHERE m.size > m.integrated AND m.frozen IS NOT TRUE",
            (environment_id,),
        )
        return found

    def new_deltas(self, environment_id: int, changed: Sequence[tuple[Customer, PeriodHead]]) -> Iterator[Delta]:
        few: list[PeriodHead] = []
        count = 0
        for _, head in changed:
            count += head.size - head.integrated_size
            if head.size - head.integrated_size > PAGE:
                yield from self._new_of(few)
                few.clear()
                yield from self.deltas_in_period(head, head.integrated_size, head.size)
                count = 0
                continue
            few.append(head)
            if count > PAGE:
                yield from self._new_of(few)
                few.clear()
                count = 0
        yield from self._new_of(few)

    def _new_of(self, heads: Sequence[PeriodHead]) -> Iterator[Delta]:
        """The new deltas of months with few of them, in one query."""
        places = [(head.customer, head.period, head.integrated_size, head.size) for head in heads]
        many = statements.NEW_DELTAS
        return map(self._delta_of, self._all(many.sql, many.values(places)))
