"""Writes of a continuation in a new log. They change leaves and locks, which the application's role must not do."""

from __future__ import annotations

from ...domain.tree import pack
from ..model import sealing
from ..model.records import Checkpoint, Customer, Environment, Log, LogEntry, PeriodHead, ReplacedTree
from ..sql.shared import SharedWrites
from .rows import number_of
from .snapshot import PostgresSnapshot


class PostgresRenewal(SharedWrites, PostgresSnapshot):
    """A write transaction that stores everything immediately."""

    def alone(self, environment: Environment) -> None:
        """Blocks all who add customers, or take or renew the integrator's lease, until the end."""
        self._one("SELECT 1 FROM environment WHERE id = %s FOR UPDATE", (environment.id,))
        self._one("SELECT 1 FROM lease WHERE name = %s FOR UPDATE", (f"integrator/{environment.id}",))

    def hold(self, customer: Customer) -> None:
        self._one("SELECT 1 FROM customer WHERE shard_key = %s FOR UPDATE", (customer.shard_key,))

    def add_log(self, environment: Environment, log: Log, first: LogEntry) -> None:
        (log.id,) = self._one("SELECT coalesce(max(id), 0) + 1 FROM log")
        self.connection.execute(
            "INSERT INTO log (id, environment_id, origin, blinding_key, size, verifier_key, restored_from) "
            "VALUES (%s, %s, %s, %s, 1, %s, %s)",
            (
                log.id,
                environment.id,
                log.origin,
                log.blinding_key,
                log.verifier_key,
                log.restored_from,
            ),
        )
        self._change_log(log.id)
        self.connection.execute(
            "INSERT INTO log_entry VALUES (%s, %s, %s, %s, NULL)", (log.id, first.index, first.entry, first.leaf_hash)
        )
        self._change_environment(environment.id, log_id=log.id)

    def replace_tree(self, head: PeriodHead, before: ReplacedTree) -> None:
        self._keep_tree(before)
        month = head.customer, head.period
        for closing, leaf in ((False, head.opening), (True, head.closing)):
            self.connection.execute(
                "UPDATE leaf SET leaf = %s WHERE shard_key = %s AND period = %s AND closing = %s",
                (leaf, *month, closing),
            )
        frontier = head.frontier
        self.connection.execute(
            "UPDATE period_head SET peaks = %s, spine = %s, merged = %s, root = %s, state_seal = %s "
            "WHERE shard_key = %s AND period = %s",
            (
                pack(frontier.peaks),
                pack(frontier.spine),
                pack(frontier.merged),
                head.root,
                sealing.head_seal(self.secret, head),
                *month,
            ),
        )
        self.connection.execute(
            "UPDATE integrated_head SET integrated_size = 0, integrated_root = NULL, integrated_peaks = NULL, "
            "integrated_total = NULL, entry_index = NULL, batch_index = NULL, batch_size = NULL, previous_size = 0, "
            "seal = NULL WHERE shard_key = %s AND period = %s",
            month,
        )
        self.connection.execute(
            "INSERT INTO changed_head SELECT %s, %s, %s, environment_id FROM customer WHERE shard_key = %s "
            "ON CONFLICT (shard_key, period, size) DO NOTHING",
            (*month, head.size, head.customer),
        )

    def replace_lock(self, checkpoint: Checkpoint) -> None:
        number = number_of(checkpoint.id)
        self.connection.execute(
            "UPDATE checkpoint SET proof_root = %s, parts = %s, seal = %s WHERE shard_key = %s AND number = %s",
            (
                checkpoint.proof_root,
                sealing.checkpoint_parts(checkpoint),
                sealing.checkpoint_seal(self.secret, checkpoint),
                checkpoint.customer,
                number,
            ),
        )
        self.connection.execute(
            "INSERT INTO proof_root VALUES (%s, %s, %s)", (checkpoint.proof_root, checkpoint.customer, number)
        )

    def set_locked_root(self, customer: Customer) -> None:
        self.connection.execute(
            "UPDATE customer SET locked_root = %s, seal = %s WHERE shard_key = %s",
            (customer.locked_root, sealing.customer_seal(self.secret, customer), customer.id),
        )
