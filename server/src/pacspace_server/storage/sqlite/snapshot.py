"""Reading: every query over one consistent snapshot."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import apsw

from pacspace_proofs.record import receipt_tail

from ...domain.amounts import amount_text, units
from ...domain.tree import Frontier, unpack
from .. import ids
from ..protocols import Vanished
from ..records import (
    ApiKey,
    Checkpoint,
    Customer,
    DayTotal,
    Delta,
    Environment,
    Log,
    LogEntry,
    Part,
    PeriodHead,
)

CUSTOMER = (
    "id, environment_id, shard_key, customer_id, slot_key, unit, created_at, last_sequence, total, last_recorded_at, "
    "locked_through, locked_root, locked_total, locked_count"
)
HEAD = (
    "id, customer, period, opening, size, peaks, spine, merged, total, closing, root, frozen, first_recorded_at, "
    "last_recorded_at, integrated_size, integrated_root, integrated_peaks, integrated_total, entry_index, batch_index, "
    "batch_size, previous_size, seal"
)
DELTA = (
    "d.id, d.customer, d.period_id, p.period, d.leaf_index, d.sequence, d.record_nonce, d.delta, d.period_total, "
    "d.total, d.posted_at, d.recorded_at, d.occurred_at, d.adjusts, d.context_hash, d.leaf_hash, d.context, d.salt, "
    "d.reference_mac, d.body_mac, d.receipt_key, d.seal, c.shard_key"
)
DELTA_FROM = "FROM delta d JOIN period_head p ON p.id = d.period_id JOIN customer c ON c.id = d.customer"
CHECKPOINT = (
    "id, checkpoint_id, customer, locked, period, start_at, end_at, proof_root, delta_count, net_change, "
    "brought_forward, starting_balance, first_recorded_at, last_recorded_at, invoice_reference, "
    "previous_checkpoint_id, created_at, parts"
)
LOG = (
    "l.id, l.environment_id, e.name, l.origin, l.blinding_key, l.size, l.published_size, k.note, k.published_at "
    "FROM log l JOIN environment e ON e.id = l.environment_id "
    "LEFT JOIN log_checkpoint k ON k.log_id = l.id AND k.size = l.published_size"
)
KEY = (
    "k.id, k.environment_id, e.name, k.public_id, k.secret_hash, k.name, k.scopes, k.created_at, k.revoked_at "
    "FROM api_key k JOIN environment e ON e.id = k.environment_id"
)


_INT64 = 2**63


def stored_total(total: int) -> int | str:
    """A sum as it is stored: an integer of 10^-9 units where that fits, else canonical decimal text."""
    return total if -_INT64 <= total < _INT64 else amount_text(total)


def total_of(stored: int | str) -> int:
    """Units of 10^-9 of a stored sum."""
    return stored if type(stored) is int else units(str(stored))


class SqliteSnapshot:
    """Reads on one connection inside one transaction."""

    def __init__(self, connection: apsw.Connection, secret: bytes) -> None:
        self._connection = connection
        self.secret = secret

    def _one(self, sql: str, values: tuple[Any, ...]) -> Any:
        return self._connection.execute(sql, values).fetchone()

    def _all(self, sql: str, values: tuple[Any, ...]) -> list[Any]:
        return self._connection.execute(sql, values).fetchall()

    def now(self, environment: Environment) -> int:
        """The ledger clock."""
        return time.time_ns() // 1000 if environment.clock_at is None else environment.clock_at

    def environment(self, environment_id: int) -> Environment:
        return self._environments("WHERE e.id = ?", (environment_id,))[0]

    def environments(self) -> list[Environment]:
        return self._environments("ORDER BY e.id", ())

    def _environments(self, where: str, values: tuple[Any, ...]) -> list[Environment]:
        rows = self._all(
            "SELECT e.id, e.workspace_id, e.name, e.log_id, l.origin, e.clock_at "
            f"FROM environment e JOIN log l ON l.id = e.log_id {where}",
            values,
        )
        return [Environment(*row) for row in rows]

    def api_key(self, public_id: str) -> ApiKey | None:
        row = self._one(f"SELECT {KEY} WHERE k.public_id = ?", (public_id,))
        return _api_key(row) if row else None

    def api_keys(self) -> list[ApiKey]:
        return [_api_key(row) for row in self._all(f"SELECT {KEY} ORDER BY k.created_at, k.id", ())]

    def customer(self, environment_id: int, shard_key: bytes) -> Customer | None:
        customer = self.customer_by_shard(shard_key)
        return customer if customer and customer.environment_id == environment_id else None

    def customer_by_shard(self, shard_key: bytes) -> Customer | None:
        row = self._one(f"SELECT {CUSTOMER} FROM customer WHERE shard_key = ?", (shard_key,))
        return customer_of(row) if row else None

    def customer_at(self, customer: int) -> Customer:
        row = self._one(f"SELECT {CUSTOMER} FROM customer WHERE id = ?", (customer,))
        if row is None:
            raise Vanished("the sandbox was emptied meanwhile")
        return customer_of(row)

    def customers(self, environment_id: int, after: str, limit: int) -> list[Customer]:
        rows = self._all(
            f"SELECT {CUSTOMER} FROM customer WHERE environment_id = ? AND customer_id > ? ORDER BY customer_id LIMIT ?",
            (environment_id, after, limit),
        )
        return [customer_of(row) for row in rows]

    def head(self, customer: Customer, period: str) -> PeriodHead | None:
        row = self._one(f"SELECT {HEAD} FROM period_head WHERE customer = ? AND period = ?", (customer.id, period))
        return head_of(row) if row else None

    def heads(self, customer: Customer, first: str, last: str) -> list[PeriodHead]:
        rows = self._all(
            f"SELECT {HEAD} FROM period_head WHERE customer = ? AND period BETWEEN ? AND ? ORDER BY period",
            (customer.id, first, last),
        )
        return [head_of(row) for row in rows]

    def open_heads(self, customer: Customer) -> list[PeriodHead]:
        """Months that are not locked and hold something, in order."""
        rows = self._all(
            f"SELECT {HEAD} FROM period_head WHERE customer = ? AND period > ? ORDER BY period",
            (customer.id, customer.locked_through or ""),
        )
        return [head_of(row) for row in rows]

    def days(self, customer: Customer, first_day: int, end_day: int) -> list[DayTotal]:
        rows = self._all(
            "SELECT customer, day, total, count, first_sequence, last_sequence FROM day_total "
            "WHERE customer = ? AND day >= ? AND day < ? ORDER BY day",
            (customer.id, first_day, end_day),
        )
        return [day_of_row(row) for row in rows]

    def delta_at(self, customer: Customer, sequence: int) -> Delta | None:
        return self._delta("d.customer = ? AND d.sequence = ?", (customer.id, sequence))

    def delta_by_reference(self, customer: Customer, mac: bytes) -> Delta | None:
        row = self._one("SELECT id, customer FROM delta WHERE reference_mac = ?", (mac,))
        return self._delta("d.id = ?", (row[0],)) if row and row[1] == customer.id else None

    def delta_by_receipt(self, customer: Customer, tail: bytes) -> Delta | None:
        for delta in self._deltas("d.receipt_key = ? AND d.customer = ?", (ids.receipt_key(tail), customer.id)):
            if receipt_tail(delta.leaf_hash) == tail:
                return delta
        return None

    def delta_in_period(self, head: PeriodHead, leaf_index: int) -> Delta | None:
        return self._delta("d.period_id = ? AND d.leaf_index = ?", (head.id, leaf_index))

    def deltas_in_period(self, head: PeriodHead, first: int, end: int) -> Iterator[Delta]:
        where = "d.period_id = ? AND d.leaf_index >= ? AND d.leaf_index < ? ORDER BY d.leaf_index"
        return self._deltas(where, (head.id, first, end))

    def deltas_by_sequence(self, customer: Customer, first: int, last: int) -> Iterator[Delta]:
        return self._deltas(
            "d.customer = ? AND d.sequence BETWEEN ? AND ? ORDER BY d.sequence", (customer.id, first, last)
        )

    def _delta(self, where: str, values: tuple[Any, ...]) -> Delta | None:
        return next(self._deltas(where, values), None)

    def _deltas(self, where: str, values: tuple[Any, ...]) -> Iterator[Delta]:
        for row in self._connection.execute(f"SELECT {DELTA} {DELTA_FROM} WHERE {where}", values):
            yield delta_of(row)

    def leaf_hashes(self, head: PeriodHead, first: int, end: int) -> Iterator[bytes]:
        rows = self._connection.execute(
            "SELECT leaf_hash FROM delta WHERE period_id = ? AND leaf_index >= ? AND leaf_index < ? ORDER BY leaf_index",
            (head.id, first, end),
        )
        return (row[0] for row in rows)

    def idempotency(self, key_hash: bytes) -> tuple[Delta | None, Checkpoint | None, bytes] | None:
        row = self._one("SELECT delta, checkpoint, body_mac FROM idempotency WHERE key_hash = ?", (key_hash,))
        if row is None:
            return None
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
            raise LookupError(f"no locked month at or after {period}")
        return found

    def _checkpoint(self, where: str, values: tuple[Any, ...]) -> Checkpoint | None:
        row = self._one(f"SELECT {CHECKPOINT} FROM checkpoint WHERE {where}", values)
        return checkpoint_of(row) if row else None

    def checkpoints(
        self,
        environment_id: int,
        customer: Customer | None,
        first: str | None,
        last: str | None,
        limit: int,
        offset: int,
    ) -> tuple[list[Checkpoint], int]:
        """Newest first, with the number there are; of the months first to last if given."""
        where = ["customer IN (SELECT id FROM customer WHERE environment_id = ?)"]
        values: list[Any] = [environment_id]
        if customer is not None:
            where, values = ["customer = ?"], [customer.id]
        if first is not None:
            where.append("period >= ?")
            values.append(first)
        if last is not None:
            where.append("period <= ?")
            values.append(last)
        condition = " AND ".join(where)
        total = self._one(f"SELECT count(*) FROM checkpoint WHERE {condition}", tuple(values))[0]
        rows = self._all(
            f"SELECT {CHECKPOINT} FROM checkpoint WHERE {condition} ORDER BY id DESC LIMIT ? OFFSET ?",
            (*values, limit, offset),
        )
        return [checkpoint_of(row) for row in rows], total

    def log(self, log_id: int) -> Log:
        return Log(*self._one(f"SELECT {LOG} WHERE l.id = ?", (log_id,)))

    def log_by_origin(self, origin: str) -> Log | None:
        row = self._one(f"SELECT {LOG} WHERE l.origin = ?", (origin,))
        return Log(*row) if row else None

    def published_at(self, log_id: int, entry_index: int) -> int | None:
        """When the first log checkpoint that covers an entry was published."""
        row = self._one(
            "SELECT published_at FROM log_checkpoint WHERE log_id = ? AND size > ? ORDER BY size LIMIT 1",
            (log_id, entry_index),
        )
        return row[0] if row else None

    def log_entries(self, log_id: int, first: int, end: int) -> list[LogEntry]:
        rows = self._all(
            "SELECT entry_index, entry, leaf_hash, commitments FROM log_entry "
            "WHERE log_id = ? AND entry_index >= ? AND entry_index < ? ORDER BY entry_index",
            (log_id, first, end),
        )
        return [LogEntry(*row) for row in rows]

    def log_node(self, log_id: int, level: int, index: int) -> bytes | None:
        row = self._one(
            "SELECT hash FROM log_node WHERE log_id = ? AND level = ? AND node_index = ?", (log_id, level, index)
        )
        return row[0] if row else None

    def changed_heads(self, environment_id: int, limit: int) -> list[tuple[Customer, PeriodHead]]:
        """Months that have grown since the log last took them up, with their customers."""
        columns = ", ".join(f"c.{name}" for name in CUSTOMER.split(", ")) + ", "
        columns += ", ".join(f"p.{name}" for name in HEAD.split(", "))
        rows = self._all(
            f"SELECT {columns} FROM period_head p JOIN customer c ON c.id = p.customer "
            "WHERE p.size > p.integrated_size AND p.frozen = 0 AND c.environment_id = ? ORDER BY p.id LIMIT ?",
            (environment_id, limit),
        )
        width = CUSTOMER.count(",") + 1
        return [(customer_of(row[:width]), head_of(row[width:])) for row in rows]

    def new_deltas(self, last_head: int) -> Iterator[Delta]:
        """The deltas of changed months that the log does not have yet, month by month in order of the head's number."""
        rows = self._connection.execute(
            f"SELECT {DELTA} FROM period_head p CROSS JOIN delta d ON d.period_id = p.id AND d.leaf_index >= p.integrated_size "
            "JOIN customer c ON c.id = d.customer "
            "WHERE p.size > p.integrated_size AND p.frozen = 0 AND p.id <= ? ORDER BY p.id, d.leaf_index",
            (last_head,),
        )
        return map(delta_of, rows)

    def engine_problems(self) -> list[str]:
        """What SQLite itself finds wrong with the file."""
        found = [row[0] for row in self._connection.execute("PRAGMA integrity_check(20)")]
        return [] if found == ["ok"] else found

    def count_deltas(self) -> int:
        return int(self._one("SELECT count(*) FROM delta", ())[0])

    def all_customers(self, environment_id: int) -> Iterator[Customer]:
        for row in self._connection.execute(
            f"SELECT {CUSTOMER} FROM customer WHERE environment_id = ? ORDER BY id", (environment_id,)
        ):
            yield customer_of(row)

    def customer_checkpoints(self, customer: Customer) -> list[tuple[Checkpoint, bytes, bool]]:
        """Each with its seal, and whether its proof root leads to a checkpoint of this customer."""
        rows = self._all(
            f"SELECT {CHECKPOINT}, seal, EXISTS (SELECT 1 FROM proof_root r JOIN checkpoint k ON k.id = r.checkpoint "
            "WHERE r.root = checkpoint.proof_root AND k.customer = checkpoint.customer) "
            "FROM checkpoint WHERE customer = ? ORDER BY id",
            (customer.id,),
        )
        return [(checkpoint_of(row), row[18], bool(row[19])) for row in rows]

    def idempotency_rows(self) -> Iterator[tuple[bytes, int | None, int | None, bytes, bytes]]:
        yield from self._connection.execute("SELECT key_hash, delta, checkpoint, body_mac, seal FROM idempotency")

    def log_checkpoints(self, log_id: int) -> Iterator[tuple[int, bytes, str]]:
        yield from self._connection.execute(
            "SELECT size, root, note FROM log_checkpoint WHERE log_id = ? ORDER BY size", (log_id,)
        )

    def log_nodes(self, log_id: int) -> dict[tuple[int, int], bytes]:
        rows = self._all("SELECT level, node_index, hash FROM log_node WHERE log_id = ?", (log_id,))
        return {(row[0], row[1]): row[2] for row in rows}

    def closed_slots(self, log_id: int) -> dict[bytes, int]:
        return dict(self._all("SELECT slot, entry_index FROM closed_slot WHERE log_id = ?", (log_id,)))

    def stray_rows(self) -> list[str]:
        """Rows whose owner is not there."""
        strays = []
        for child, column, parent in (
            ("delta", "customer", "customer"), ("delta", "period_id", "period_head"), ("period_head", "customer", "customer"),
            ("day_total", "customer", "customer"), ("checkpoint", "customer", "customer"),
            ("customer", "environment_id", "environment"), ("proof_root", "checkpoint", "checkpoint"),
            ("idempotency", "delta", "delta"), ("idempotency", "checkpoint", "checkpoint"),
            ("log_entry", "log_id", "log"), ("log_node", "log_id", "log"), ("log_checkpoint", "log_id", "log"),
            ("closed_slot", "log_id", "log"),
        ):  # fmt: skip
            count = self._one(
                f"SELECT count(*) FROM {child} WHERE {column} IS NOT NULL AND {column} NOT IN (SELECT id FROM {parent})",
                (),
            )[0]
            if count:
                strays.append(f"{child}: {count} rows name a {parent} that is not there")
        roots = self._one(
            "SELECT count(*) FROM proof_root r JOIN checkpoint k ON k.id = r.checkpoint WHERE r.root <> k.proof_root",
            (),
        )[0]
        return strays + ([f"proof_root: {roots} rows differ from their checkpoint's root"] if roots else [])


def _api_key(row: Any) -> ApiKey:
    values: list[Any] = [*row[:6], tuple(row[6].split(",")), *row[7:]]
    return ApiKey(*values)


def customer_of(row: Any) -> Customer:
    values: list[Any] = [*row[:8], total_of(row[8]), *row[9:12], total_of(row[12]), row[13]]
    return Customer(*values)


def head_of(row: Any) -> PeriodHead:
    frontier = Frontier(row[4], unpack(row[5]), unpack(row[6]), unpack(row[7]))
    values: list[Any] = [*row[:4], frontier, total_of(row[8]), row[9], row[10], bool(row[11]), *row[12:15]]
    values += [row[15] or b"", row[16] or b"", total_of(row[17] or 0), *row[18:22], row[22] or b""]
    return PeriodHead(*values)


def day_of_row(row: Any) -> DayTotal:
    return DayTotal(row[0], row[1], total_of(row[2]), *row[3:])


def delta_of(row: Any) -> Delta:
    record_id = ids.record_id(row[22], row[5], row[6])
    values: list[Any] = [*row[:6], record_id, row[7], total_of(row[8]), total_of(row[9]), *row[10:22]]
    return Delta(*values)


def checkpoint_of(row: Any) -> Checkpoint:
    parts = [Part(period, size, bytes.fromhex(root)) for period, size, root in json.loads(row[17])]
    values: list[Any] = [*row[:3], bool(row[3]), *row[4:9], *map(total_of, row[9:12]), *row[12:17], parts]
    return Checkpoint(*values)
