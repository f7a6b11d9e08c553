"""Writing beside the record: erasing, jobs, API keys, the sandbox."""

from __future__ import annotations

from collections.abc import Sequence

from ..model.records import ApiKey, Customer, Environment, Job, JobFailure
from . import statements
from .lockouts import LockoutWrites
from .log_unit import LogUnit
from .outbox import OutboxWrites
from .people import PeopleWrites
from .rows import JOB, stored
from .sharing import SharingWrites


class UpkeepUnit(OutboxWrites, PeopleWrites, SharingWrites, LockoutWrites, LogUnit):
    """What jobs, commands and the sandbox's tools write."""

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
        """A page of customers at a time; of each how far it is, so that nothing is looked at twice."""
        customers = self._all(
            "SELECT shard_key FROM customer WHERE environment_id = %s AND shard_key > %s ORDER BY shard_key LIMIT %s",
            (environment.id, cursor, limit // 10),
        )
        if not customers:
            return 0, None
        rows = self._all(statements.OLDER, ([row[0] for row in customers], limit, before, before, limit))
        self._store((statements.ERASE, rows), (statements.SET_RETENTION, sorted(dict(rows).items())))
        # The same page again while there is more of it.
        return len(rows), cursor if len(rows) == limit else customers[-1][0]

    def erase_profile(self, customer: Customer) -> None:
        self.connection.execute("DELETE FROM profile WHERE shard_key = %s", (customer.id,))

    def add_job(self, job: Job) -> None:
        self.connection.execute(
            f"INSERT INTO job ({JOB}) VALUES (" + ", ".join(["%s"] * 12) + ")",
            (
                job.id, job.environment_id, job.period, job.status, job.total, job.started_at, job.done, job.failed,
                job.after, job.delta_count, stored(job.net_change), job.finished_at,
            ),
        )  # fmt: skip
        self.was_written = lambda unit: unit.job(job.id) is not None

    def add_job_key(self, key_hash: bytes, body_mac: bytes, job: Job) -> None:
        self.connection.execute("INSERT INTO job_key VALUES (%s, %s, %s)", (key_hash, body_mac, job.id))

    def set_job(self, job: Job) -> None:
        self.connection.execute(
            "UPDATE job SET status = %s, total = %s, done = %s, failed = %s, after = %s, delta_count = %s, "
            "net_change = %s, finished_at = %s WHERE id = %s",
            (
                job.status, job.total, job.done, job.failed, job.after, job.delta_count, stored(job.net_change),
                job.finished_at, job.id,
            ),
        )  # fmt: skip
        self.was_written = lambda unit: unit.job(job.id) == job

    def add_job_failures(self, job_id: str, failures: Sequence[JobFailure]) -> None:
        rows = [(job_id, failure.customer_id, failure.code, failure.message) for failure in failures]
        self._store((statements.NEW_FAILURES, rows))

    def add_api_key(self, key: ApiKey) -> None:
        self.connection.execute(
            "INSERT INTO api_key VALUES (%s, %s, %s, %s, %s, %s, %s, NULL, NULL, NULL)",
            (
                key.id, key.environment_id, key.public_id, key.secret_hash, key.name, ",".join(key.scopes), key.created_at,
            ),
        )  # fmt: skip
        self.was_written = lambda unit: unit.api_key(key.public_id) is not None

    def set_clock(self, environment: Environment, at: int | None) -> None:
        self.connection.execute("UPDATE environment SET clock_at = %s WHERE id = %s", (at, environment.id))
        self.was_written = lambda unit: unit.environment(environment.id).clock_at == at

    def has_deltas(self, environment: Environment) -> bool:
        row = self._one(
            "SELECT 1 FROM customer WHERE environment_id = %s AND last_recorded_at > 0 LIMIT 1", (environment.id,)
        )
        return row is not None

    def replace_log(self, environment: Environment, origin: str, blinding_key: bytes) -> None:
        (log_id,) = self._one("SELECT coalesce(max(id), 0) + 1 FROM log")
        self.connection.execute(
            "INSERT INTO log (id, environment_id, origin, blinding_key) VALUES (%s, %s, %s, %s)",
            (log_id, environment.id, origin, blinding_key),
        )
        self.connection.execute("UPDATE environment SET log_id = %s WHERE id = %s", (log_id, environment.id))
        self.was_written = lambda unit: unit.log_by_origin(origin) is not None

    def empty(self, environment: Environment) -> None:
        """Alone: a unit that adds customers shares the environment's row, any other one holds its customers'."""
        self._one("SELECT 1 FROM environment WHERE id = %s FOR UPDATE", (environment.id,))
        self._one("SELECT empty_sandbox(%s)", (environment.id,))
