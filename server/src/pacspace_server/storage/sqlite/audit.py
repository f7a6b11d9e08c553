"""Reads the whole record, for fsck, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator

from ..model.records import Checkpoint, Customer, Key, LogEntry
from .rows import CHECKPOINT, CUSTOMER, checkpoint_of, customer_of
from .snapshot import SqliteSnapshot

_STRAYS = (
    ("delta", "customer", "customer"),
    ("delta", "period_id", "period_head"),
    ("period_head", "customer", "customer"),
    ("day_total", "customer", "customer"),
    ("checkpoint", "customer", "customer"),
    ("customer", "environment_id", "environment"),
    ("proof_root", "checkpoint", "checkpoint"),
    ("idempotency", "delta", "delta"),
    ("idempotency", "checkpoint", "checkpoint"),
    ("log_entry", "log_id", "log"),
    ("log_node", "log_id", "log"),
    ("log_checkpoint", "log_id", "log"),
    ("closed_slot", "log_id", "log"),
    ("profile", "customer", "customer"),
    ("replaced_tree", "customer", "customer"),
    ("environment", "log_id", "log"),
    ("log", "environment_id", "environment"),
    ("job", "environment_id", "environment"),
)
_ROOTS = (
    (
        "proof_root: {} rows differ from their checkpoint's root",
        "proof_root r JOIN checkpoint k ON k.id = r.checkpoint "
        "WHERE r.root <> k.proof_root AND NOT EXISTS (SELECT 1 FROM replaced_tree t WHERE k.locked = 1 "
        "AND t.customer = k.customer "
        "AND t.period = k.period AND t.root = r.root)",
    ),
    (
        "replaced_tree: {} roots lead to no lock",
        "replaced_tree t WHERE t.root IS NOT NULL AND NOT EXISTS (SELECT 1 FROM proof_root r "
        "JOIN checkpoint k ON k.id = r.checkpoint WHERE r.root = t.root AND k.locked = 1 AND k.customer = t.customer "
        "AND k.period = t.period)",
    ),
)


class SqliteAudit(SqliteSnapshot):
    """One consistent snapshot with the queries that only an audit needs."""

    def engine_problems(self) -> list[str]:
        """Problems that SQLite itself finds in the file."""
        found = [row[0] for row in self._connection.execute("PRAGMA integrity_check(20)")]
        return [] if found == ["ok"] else found

    def count_deltas(self) -> int:
        return int(self._one("SELECT count(*) FROM delta", ())[0])

    def count_months(self, environment_id: int) -> int:
        sql = "SELECT count(*) FROM period_head p JOIN customer c ON c.id = p.customer WHERE c.environment_id = ?"
        return int(self._one(sql, (environment_id,))[0])

    def all_customers(self, environment_id: int) -> Iterator[Customer]:
        for row in self._connection.execute(
            f"SELECT {CUSTOMER} FROM customer c WHERE c.environment_id = ? ORDER BY c.id", (environment_id,)
        ):
            yield customer_of(row)

    def customer_checkpoints(self, customer: Customer) -> list[tuple[Checkpoint, bytes, bool]]:
        """Each with its seal, and whether its proof root leads to a checkpoint of this customer."""
        rows = self._all(
            f"SELECT {CHECKPOINT}, EXISTS (SELECT 1 FROM proof_root r JOIN checkpoint k ON k.id = r.checkpoint "
            "WHERE r.root = checkpoint.proof_root AND k.customer = checkpoint.customer) "
            "FROM checkpoint WHERE customer = ? ORDER BY id",
            (customer.id,),
        )
        return [(checkpoint_of(row), row[18], bool(row[19])) for row in rows]

    def idempotency_rows(self) -> Iterator[tuple[bytes, Key | None, Key | None, bytes, bytes]]:
        yield from self._connection.execute("SELECT key_hash, delta, checkpoint, body_mac, seal FROM idempotency")

    def log_checkpoints(self, log_id: int) -> Iterator[tuple[int, bytes, str, int, int | None, bytes | None]]:
        yield from self._connection.execute(
            "SELECT size, root, note, published_at, previous_size, seal FROM log_checkpoint "
            "WHERE log_id = ? ORDER BY size",
            (log_id,),
        )

    def all_log_entries(self, log_id: int) -> Iterator[LogEntry]:
        rows = self._connection.execute(
            "SELECT entry_index, entry, leaf_hash, commitments FROM log_entry WHERE log_id = ? ORDER BY entry_index",
            (log_id,),
        )
        return (LogEntry(*row) for row in rows)

    def log_counts(self, log_id: int) -> tuple[int, int]:
        (nodes,) = self._one("SELECT count(*) FROM log_node WHERE log_id = ?", (log_id,))
        (slots,) = self._one("SELECT count(*) FROM closed_slot WHERE log_id = ?", (log_id,))
        return nodes, slots

    def stray_rows(self) -> list[str]:
        """Rows whose owner does not exist."""
        strays = []
        for child, column, parent in _STRAYS:
            count = self._one(
                f"SELECT count(*) FROM {child} WHERE {column} IS NOT NULL AND {column} NOT IN (SELECT id "
                f"FROM {parent})",
                (),
            )[0]
            if count:
                strays.append(f"{child}: {count} rows name a {parent} that does not exist")
        for problem, source in _ROOTS:
            count = self._one(f"SELECT count(*) FROM {source}", ())[0]
            strays += [problem.format(count)] if count else []
        return strays
