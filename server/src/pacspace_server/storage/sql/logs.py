"""Logs: their entries, and what they have published."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..model import sealing
from ..model.protocols import Damaged
from ..model.records import Customer, Log, LogEntry, ReplacedTree
from .rows import LOG
from .statements import Statements


class LogReads(Statements):
    """Queries on logs."""

    def _log_of(self, row: Any) -> Log:
        """A log with its newest log checkpoint."""
        log = self._sound(Log(*row[:12]))
        if log.published_size:
            if self.checks and log.note is None:
                raise Damaged("log checkpoint", f"{log.published_size} of log {log.origin} is missing")
            stated = [log.id, log.published_size, row[12], log.note, log.published_at, row[13]]
            self._compare_checkpoint(stated, row[14])
        return log

    def log(self, log_id: int) -> Log:
        row = self._one(f"SELECT {LOG} WHERE l.id = ?", (log_id,))
        if row is None:
            raise Damaged("log", f"{log_id} is missing")
        return self._log_of(row)

    def logs(self, environment_id: int) -> list[Log]:
        rows = self._all(f"SELECT {LOG} WHERE l.environment_id = ? ORDER BY l.id", (environment_id,))
        return [self._log_of(row) for row in rows]

    def log_by_origin(self, origin: str) -> Log | None:
        row = self._one(f"SELECT {LOG} WHERE l.origin = ?", (self.dialect.plain(origin),))
        return self._log_of(row) if row else None

    def replaced_trees(self, customer: Customer, period: str) -> list[ReplacedTree]:
        rows = self._all(
            "SELECT $customer, period, origin, opening, closing, root, seal FROM replaced_tree "
            "WHERE $customer = ? AND period = ?",
            (customer.id, period),
        )
        return [self._sound(ReplacedTree(*row)) for row in rows]

    def published_at(self, log_id: int, entries: Sequence[int]) -> dict[int, int]:
        rows = self._all(
            "SELECT n.value, k.log_id, k.size, k.root, k.note, k.published_at, k.previous_size, k.seal "
            "FROM $each CROSS JOIN log_checkpoint k WHERE k.log_id = ? AND k.size = "
            "(SELECT min(f.size) FROM log_checkpoint f WHERE f.log_id = ? AND f.size > n.value)",
            (self.dialect.numbers(entries), log_id, log_id),
        )
        for entry, *stated, previous, seal in rows:
            self._compare_checkpoint([*stated, previous], seal)
            if self.checks and (previous or 0) > entry:
                raise Damaged("log checkpoint", f"{previous} of log {log_id} is missing")
        return {row[0]: row[5] for row in rows}

    def _compare_checkpoint(self, stated: list[Any], seal: bytes | None) -> None:
        expected = sealing.log_checkpoint_seal(self.secret, *stated)
        self._check_seal("log checkpoint", f"{stated[1]} of log {stated[0]}", seal, expected)

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
        before = self.log(log_id).published_size
        row = log_id, size, root, note, at, before
        self._run(
            "INSERT INTO log_checkpoint (log_id, size, root, note, published_at, previous_size, seal) "
            "VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (log_id, size) DO NOTHING",
            *row,
            sealing.log_checkpoint_seal(self.secret, *row),
        )
        if before <= size:
            self._change_log(log_id, published_size=size)

    def _keep_tree(self, tree: ReplacedTree) -> None:
        seal = sealing.tree_seal(self.secret, tree)
        ends = tree.opening, tree.closing, tree.root
        values = (tree.customer, tree.period, tree.origin, *ends, seal)
        self._run("INSERT INTO replaced_tree VALUES (?, ?, ?, ?, ?, ?, ?)", *values)

    def set_verifier_key(self, log: Log, key: str) -> None:
        log.verifier_key = key
        self._change_log(log.id, verifier_key=key)

    def _change_log(self, log_id: int, **changes: int | str) -> None:
        """Changes columns of a row and seals it. Holds the row: another process may be changing the other columns."""
        self._one("SELECT 1 FROM log WHERE id = ?$for_update", (log_id,))
        log = self.log(log_id)
        for name, value in changes.items():
            setattr(log, name, value)
        self._run(
            "UPDATE log SET size = ?, published_size = ?, verifier_key = ?, seal = ? WHERE id = ?",
            log.size,
            log.published_size,
            log.verifier_key,
            sealing.log_seal(self.secret, log),
            log.id,
        )
