"""Writes of a continuation in a new log, in SQLite."""

from __future__ import annotations

from ...domain.tree import pack
from ..model import sealing
from ..model.records import Checkpoint, Customer, Environment, Log, LogEntry, PeriodHead, ReplacedTree
from ..sql.shared import SharedWrites
from .snapshot import SqliteSnapshot


class SqliteRenewal(SharedWrites, SqliteSnapshot):
    """A write transaction that stores everything immediately."""

    def hold(self, customer: Customer) -> None:
        """Does nothing: the transaction already excludes other writers."""

    def add_log(self, environment: Environment, log: Log, first: LogEntry) -> None:
        self._connection.execute(
            "INSERT INTO log (environment_id, origin, blinding_key, size, verifier_key, restored_from) "
            "VALUES (?, ?, ?, 1, ?, ?)",
            (environment.id, log.origin, log.blinding_key, log.verifier_key, log.restored_from),
        )
        log.id = self._connection.last_insert_rowid()
        self._change_log(log.id)
        self._connection.execute(
            "INSERT INTO log_entry VALUES (?, ?, ?, ?, NULL)", (log.id, first.index, first.entry, first.leaf_hash)
        )
        self._change_environment(environment.id, log_id=log.id)

    def replace_tree(self, head: PeriodHead, before: ReplacedTree) -> None:
        self._keep_tree(before)
        frontier = head.frontier
        self._connection.execute(
            "UPDATE period_head SET opening = ?, peaks = ?, spine = ?, merged = ?, closing = ?, root = ?, "
            "integrated_size = 0, integrated_root = NULL, integrated_peaks = NULL, integrated_total = NULL, "
            "entry_index = NULL, batch_index = NULL, batch_size = NULL, previous_size = 0, seal = NULL, state_seal = ? "
            "WHERE id = ?",
            (
                head.opening,
                pack(frontier.peaks),
                pack(frontier.spine),
                pack(frontier.merged),
                head.closing,
                head.root,
                sealing.head_seal(self.secret, head),
                head.id,
            ),
        )

    def replace_lock(self, checkpoint: Checkpoint) -> None:
        self._connection.execute(
            "UPDATE checkpoint SET proof_root = ?, parts = ?, seal = ? WHERE id = ?",
            (
                checkpoint.proof_root,
                sealing.checkpoint_parts(checkpoint),
                sealing.checkpoint_seal(self.secret, checkpoint),
                checkpoint.id,
            ),
        )
        self._connection.execute("INSERT INTO proof_root VALUES (?, ?)", (checkpoint.proof_root, checkpoint.id))

    def set_locked_root(self, customer: Customer) -> None:
        self._connection.execute(
            "UPDATE customer SET locked_root = ?, seal = ? WHERE id = ?",
            (customer.locked_root, sealing.customer_seal(self.secret, customer), customer.id),
        )
