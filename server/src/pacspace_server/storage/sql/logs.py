"""Logs: their entries, and what they have published."""

from __future__ import annotations

from collections.abc import Sequence

from ..model import sealing
from ..model.records import Customer, Log, LogEntry, ReplacedTree
from .rows import LOG
from .statements import Statements


class LogReads(Statements):
    """Queries on logs."""

    def log(self, log_id: int) -> Log:
        return Log(*self._one(f"SELECT {LOG} WHERE l.id = ?", (log_id,)))

    def logs(self, environment_id: int) -> list[Log]:
        rows = self._all(f"SELECT {LOG} WHERE l.environment_id = ? ORDER BY l.id", (environment_id,))
        return [Log(*row) for row in rows]

    def log_by_origin(self, origin: str) -> Log | None:
        row = self._one(f"SELECT {LOG} WHERE l.origin = ?", (self.dialect.plain(origin),))
        return Log(*row) if row else None

    def replaced_trees(self, customer: Customer, period: str) -> list[ReplacedTree]:
        rows = self._all(
            "SELECT $customer, period, origin, opening, closing, root, seal FROM replaced_tree "
            "WHERE $customer = ? AND period = ?",
            (customer.id, period),
        )
        return [ReplacedTree(*row) for row in rows]

    def published_at(self, log_id: int, entries: Sequence[int]) -> dict[int, int]:
        rows = self._all(
            "SELECT n.value, (SELECT k.published_at FROM log_checkpoint k WHERE k.log_id = ? AND k.size > n.value "
            "ORDER BY k.size LIMIT 1) FROM $each",
            (log_id, self.dialect.numbers(entries)),
        )
        return {entry: at for entry, at in rows if at is not None}

    def log_entries(self, log_id: int, first: int, end: int) -> list[LogEntry]:
        rows = self._all(
            "SELECT entry_index, entry, leaf_hash, commitments FROM log_entry "
            "WHERE log_id = ? AND entry_index >= ? AND entry_index < ? ORDER BY entry_index",
            (log_id, first, end),
        )
        return [LogEntry(*row) for row in rows]

    def log_nodes(self, log_id: int, level: int, first: int, end: int) -> dict[int, bytes]:
        rows = self._all(
            "SELECT node_index, hash FROM log_node WHERE log_id = ? AND level = ? AND node_index >= ? "
            "AND node_index < ?",
            (log_id, level, first, end),
        )
        return dict(rows)


class LogWrites(LogReads):
    """Writes logs."""

    def add_log_node(self, log_id: int, level: int, index: int, node: bytes) -> None:
        self._run("INSERT INTO log_node VALUES (?, ?, ?, ?)", log_id, level, index, node)

    def publish(self, log_id: int, size: int, root: bytes, note: str, at: int) -> None:
        self._run(
            "INSERT INTO log_checkpoint VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (log_id, size) DO NOTHING",
            log_id,
            size,
            root,
            note,
            at,
            sealing.log_checkpoint_seal(self.secret, log_id, size, root, note, at),
        )
        self._run("UPDATE log SET published_size = ? WHERE id = ? AND published_size <= ?", size, log_id, size)

    def set_verifier_key(self, log: Log, key: str) -> None:
        log.verifier_key = key
        self._run(
            "UPDATE log SET verifier_key = ?, seal = ? WHERE id = ?", key, sealing.log_seal(self.secret, log), log.id
        )
