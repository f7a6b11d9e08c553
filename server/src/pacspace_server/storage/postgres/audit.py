"""Reads the whole record, for fsck, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator

from ..model.records import Checkpoint, Customer, Key, LogEntry
from .rows import CHECKPOINT, CUSTOMER, checkpoint_of, customer_of, numbered
from .snapshot import PAGE, PostgresSnapshot

_END = b"\xff" * 17  # after every shard key
_STRAYS = (
    ("leaf", "shard_key", "customer"),
    ("period_head", "shard_key", "customer"),
    ("day_total", "shard_key", "customer"),
    ("delta", "shard_key", "customer"),
    ("delta", "shard_key, period", "period_head"),
    ("checkpoint", "shard_key", "customer"),
    ("integrated_head", "shard_key, period", "period_head"),
    ("leaf", "shard_key, period", "period_head"),
    ("proof_root", "shard_key, number", "checkpoint"),
    ("idempotency", "shard_key", "customer"),
    ("idempotency", "shard_key, sequence", "delta"),
    ("idempotency", "shard_key, number", "checkpoint"),
    ("profile", "shard_key", "customer"),
    ("replaced_tree", "shard_key", "customer"),
)
_LOG_STRAYS = (
    ("customer", "environment_id", "environment"),
    ("job", "environment_id", "environment"),
    ("log_entry", "log_id", "log"),
    ("log_node", "log_id", "log"),
    ("log_checkpoint", "log_id", "log"),
    ("closed_slot", "log_id", "log"),
    ("environment", "log_id", "log"),
    ("log", "environment_id", "environment"),
)
_DIFFERENT = (
    (
        "proof_root: {} rows differ from their checkpoint's root",
        "proof_root r JOIN checkpoint k ON k.shard_key = r.shard_key AND k.number = r.number "
        "WHERE r.root <> k.proof_root AND NOT EXISTS (SELECT 1 FROM replaced_tree t "
        "WHERE k.locked AND t.shard_key = k.shard_key AND t.period = k.period AND t.root = r.root)",
    ),
    (
        "replaced_tree: {} roots lead to no lock",
        "replaced_tree t WHERE t.root IS NOT NULL AND NOT EXISTS (SELECT 1 FROM proof_root r "
        "JOIN checkpoint k ON k.shard_key = r.shard_key AND k.number = r.number WHERE r.root = t.root AND k.locked "
        "AND k.shard_key = t.shard_key AND k.period = t.period)",
    ),
    (
        "checkpoint: {} rows have another environment than their customer",
        "checkpoint k JOIN customer c ON c.shard_key = k.shard_key WHERE k.environment_id <> c.environment_id",
    ),
    (
        "customer: {} rows name another checkpoint as their last",
        "customer c WHERE c.last_checkpoint <> "
        "(SELECT coalesce(max(k.number), 0) FROM checkpoint k WHERE k.shard_key = c.shard_key)",
    ),
    (
        "period_head: {} locked months have no closing leaf, or unlocked months have one",
        "period_head h WHERE (h.root IS NULL) = "
        "EXISTS (SELECT 1 FROM leaf k WHERE k.shard_key = h.shard_key AND k.period = h.period AND k.closing)",
    ),
    (
        "period_head: {} months have no opening leaf",
        "period_head h WHERE NOT "
        "EXISTS (SELECT 1 FROM leaf o WHERE o.shard_key = h.shard_key AND o.period = h.period AND NOT o.closing)",
    ),
    (
        "changed_head: {} grown months are not queued for the log",
        "period_head h LEFT JOIN integrated_head i ON i.shard_key = h.shard_key AND i.period = h.period "
        "WHERE h.size > coalesce(i.integrated_size, 0) AND NOT "
        "EXISTS (SELECT 1 FROM changed_head x WHERE x.shard_key = h.shard_key AND x.period = h.period)",
    ),
)


class PostgresAudit(PostgresSnapshot):
    """One consistent snapshot with the queries that only an audit needs."""

    def engine_problems(self) -> list[str]:
        """Nothing: PostgreSQL has its own tools for its files, such as data checksums and pg_amcheck."""
        return []

    def installation_secret(self) -> bytes:
        return bytes(self._one("SELECT secret FROM installation")[0])

    def _take_time(self) -> None:
        """Allows queries that read and join whole tables to take long."""
        self.connection.execute(
            "SET LOCAL statement_timeout = 0; SET LOCAL enable_seqscan = on; SET LOCAL enable_hashjoin = on"
        )

    def count_deltas(self) -> int:
        self._take_time()
        return int(self._one("SELECT count(*) FROM delta")[0])

    def count_months(self, environment_id: int) -> int:
        self._take_time()
        row = self._one(
            "SELECT count(*) FROM period_head h JOIN customer c ON c.shard_key = h.shard_key "
            "WHERE c.environment_id = %s",
            (environment_id,),
        )
        return int(row[0])

    def all_customers(self, environment_id: int) -> Iterator[Customer]:
        rows = self._paged(
            f"SELECT {CUSTOMER} FROM customer c WHERE c.environment_id = %s AND c.shard_key > %s AND c.shard_key < %s "
            "ORDER BY c.shard_key LIMIT %s",
            (environment_id,),
            b"",
            _END,
            lambda row: bytes(row[0]),
        )
        return map(customer_of, rows)

    def customer_checkpoints(self, customer: Customer) -> list[tuple[Checkpoint, bytes, bool]]:
        """Each with its seal, and whether its proof root leads to a checkpoint of this customer."""
        rows = self._all(
            f"SELECT {CHECKPOINT}, EXISTS (SELECT 1 FROM proof_root r WHERE r.root = k.proof_root "
            "AND r.shard_key = k.shard_key) FROM checkpoint k WHERE k.shard_key = %s ORDER BY k.number",
            (customer.id,),
        )
        return [(checkpoint_of(row), row[18], bool(row[19])) for row in rows]

    def idempotency_rows(self) -> Iterator[tuple[bytes, Key | None, Key | None, bytes, bytes]]:
        start: tuple[bytes, bytes] = b"", b""
        while True:
            rows = self._all(
                "SELECT shard_key, key_hash, sequence, number, body_mac, seal FROM idempotency "
                "WHERE (shard_key, key_hash) > (%s, %s) ORDER BY shard_key, key_hash LIMIT %s",
                (*start, PAGE),
            )
            for shard_key, key, sequence, number, mac, seal in rows:
                delta = numbered(shard_key, sequence) if sequence is not None else None
                yield key, delta, numbered(shard_key, number) if number is not None else None, mac, seal
            if len(rows) < PAGE:
                return
            start = rows[-1][0], rows[-1][1]

    def log_checkpoints(self, log_id: int) -> Iterator[tuple[int, bytes, str, int, int | None, bytes | None]]:
        yield from self._paged(
            "SELECT size, root, note, published_at, previous_size, seal FROM log_checkpoint WHERE log_id = %s "
            "AND size > %s AND size < %s ORDER BY size LIMIT %s",
            (log_id,),
            -(2**63),
            2**63 - 1,
            lambda row: int(row[0]),
        )

    def all_log_entries(self, log_id: int) -> Iterator[LogEntry]:
        rows = self._paged(
            "SELECT entry_index, entry, leaf_hash, commitments FROM log_entry WHERE log_id = %s AND entry_index > %s "
            "AND entry_index < %s ORDER BY entry_index LIMIT %s",
            (log_id,),
            -(2**63),
            2**63 - 1,
            lambda row: int(row[0]),
        )
        return (LogEntry(*row) for row in rows)

    def log_counts(self, log_id: int) -> tuple[int, int]:
        (nodes,) = self._one("SELECT count(*) FROM log_node WHERE log_id = %s", (log_id,))
        (slots,) = self._one("SELECT count(*) FROM closed_slot WHERE log_id = %s", (log_id,))
        return nodes, slots

    def stray_rows(self) -> list[str]:
        """Rows whose owner does not exist, and rows that contradict their owner."""
        self._take_time()
        found = []
        for child, key, parent in _STRAYS:
            same = " AND ".join(f"p.{column} = x.{column}" for column in key.split(", "))
            last = key.split(", ")[-1]
            source = f"{child} x WHERE x.{last} IS NOT NULL AND NOT EXISTS (SELECT 1 FROM {parent} p WHERE {same})"
            found += self._count(f"{child}: {{}} rows name a {parent} that does not exist", source)
        for child, key, parent in _LOG_STRAYS:
            source = f"{child} x WHERE NOT EXISTS (SELECT 1 FROM {parent} p WHERE p.id = x.{key})"
            found += self._count(f"{child}: {{}} rows name a {parent} that does not exist", source)
        for problem, source in _DIFFERENT:
            found += self._count(problem, source)
        return found

    def _count(self, problem: str, source: str) -> list[str]:
        count = self._one(f"SELECT count(*) FROM {source}")[0]
        return [problem.format(count)] if count else []
