"""Writes beside the record: erasing, jobs, API keys, the sandbox."""

from __future__ import annotations

from collections.abc import Sequence

from ..model.lockouts import Lockout
from ..model.records import Customer, Environment, JobFailure
from ..sql.shared import SharedWrites
from . import statements
from .log_unit import LogUnit
from .outbox import OutboxWrites


class UpkeepUnit(SharedWrites, OutboxWrites, LogUnit):
    """The writes of jobs, commands and sandbox tools."""

    def lockout(self, key: str) -> Lockout | None:
        """Locks the row, so that two simultaneous failures both count; creates it first if there is none."""
        self._run("INSERT INTO lockout VALUES (?, 0, 0, 0) ON CONFLICT (key) DO NOTHING", key)
        row = self._one("SELECT key, failures, since, locked_until FROM lockout WHERE key = ? FOR UPDATE", (key,))
        return Lockout(*row) if row else None

    def erase_contexts(self, customer: Customer, before: str, after: int, limit: int) -> tuple[int, int | None]:
        rows = self._all(
            "SELECT sequence, context IS NOT NULL AND period < %s FROM delta WHERE shard_key = %s AND sequence > %s "
            "ORDER BY sequence LIMIT %s",
            (before, customer.id, after, limit),
        )
        erased = [row[0] for row in rows if row[1]]
        self._store((statements.ERASE, [(customer.id, sequence) for sequence in erased]))
        return len(erased), rows[-1][0] if rows else None

    def erase_older(self, environment: Environment, before: int, cursor: bytes, limit: int) -> tuple[int, bytes | None]:
        """Takes customers page by page, and remembers how far each is, so that nothing is read twice."""
        customers = self._all(
            "SELECT shard_key FROM customer WHERE environment_id = %s AND shard_key > %s ORDER BY shard_key LIMIT %s",
            (environment.id, cursor, limit // 10),
        )
        if not customers:
            return 0, None
        rows = self._all(statements.OLDER, ([row[0] for row in customers], limit, before, before, limit))
        self._store((statements.ERASE, rows), (statements.SET_RETENTION, sorted(dict(rows).items())))
        # Repeats the page while it has more.
        return len(rows), cursor if len(rows) == limit else customers[-1][0]

    def add_job_failures(self, job_id: str, failures: Sequence[JobFailure]) -> None:
        rows = [(job_id, failure.customer_id, failure.code, failure.message) for failure in failures]
        self._store((statements.NEW_FAILURES, rows))

    def replace_log(self, environment: Environment, origin: str, blinding_key: bytes) -> None:
        (log_id,) = self._one("SELECT coalesce(max(id), 0) + 1 FROM log")
        self.connection.execute(
            "INSERT INTO log (id, environment_id, origin, blinding_key) VALUES (%s, %s, %s, %s)",
            (log_id, environment.id, origin, blinding_key),
        )
        self._change_environment(environment.id, log_id=log_id)
        self.was_written = lambda unit: unit.log_by_origin(origin) is not None

    def empty(self, environment: Environment) -> None:
        """Excludes other units: those that add customers lock the environment's row, all others their customers'."""
        self._one("SELECT 1 FROM environment WHERE id = %s FOR UPDATE", (environment.id,))
        self._one("SELECT empty_sandbox(%s)", (environment.id,))
