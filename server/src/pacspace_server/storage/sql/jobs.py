"""Jobs, their keys, and their failures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..model.records import Job, JobFailure
from .statements import Statements, Values

JOB = "id, environment_id, period, status, total, started_at, done, failed, after, delta_count, net_change, finished_at"


class JobReads(Statements):
    """Queries on jobs."""

    def job(self, job_id: str) -> Job | None:
        return next(iter(self._jobs("id = ?", (self.dialect.plain(job_id),))), None)

    def job_by_key(self, key_hash: bytes) -> tuple[Job, bytes] | None:
        row = self._one("SELECT job, body_mac FROM job_key WHERE key_hash = ?", (key_hash,))
        job = self.job(row[0]) if row else None
        return (job, row[1]) if job else None

    def running_jobs(self) -> list[Job]:
        return self._jobs("status = 'RUNNING' ORDER BY started_at", ())

    def recent_jobs(self, environment_id: int, limit: int) -> list[Job]:
        return self._jobs("environment_id = ? ORDER BY started_at DESC, id LIMIT ?", (environment_id, limit))

    def _jobs(self, where: str, values: Values) -> list[Job]:
        return [self._job_of(row) for row in self._all(f"SELECT {JOB} FROM job WHERE {where}", values)]

    def _job_of(self, row: Any) -> Job:
        values: list[Any] = [*row[:10], self.dialect.units(row[10]), row[11]]
        return Job(*values)

    def job_failures(self, jobs: Sequence[str], limit: int) -> dict[str, list[JobFailure]]:
        rows = self._all(
            "SELECT job, customer_id, code, message FROM (SELECT f.*, row_number() "
            "OVER (PARTITION BY job ORDER BY customer_id) AS place FROM job_failure f WHERE job $among) AS first "
            "WHERE place <= ? ORDER BY job, customer_id",
            (self.dialect.texts(jobs), limit),
        )
        found: dict[str, list[JobFailure]] = {job: [] for job in jobs}
        for job, *failure in rows:
            found[job].append(JobFailure(*failure))
        return found


class JobWrites(JobReads):
    """Writes jobs."""

    def add_job(self, job: Job) -> None:
        self._run(
            f"INSERT INTO job ({JOB}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            job.id, job.environment_id, job.period, job.status, job.total, job.started_at, job.done, job.failed,
            job.after, job.delta_count, self.dialect.stored(job.net_change), job.finished_at,
        )  # fmt: skip
        self.was_written = lambda unit: unit.job(job.id) is not None

    def add_job_key(self, key_hash: bytes, body_mac: bytes, job: Job) -> None:
        self._run("INSERT INTO job_key VALUES (?, ?, ?)", key_hash, body_mac, job.id)

    def set_job(self, job: Job) -> None:
        self._run(
            "UPDATE job SET status = ?, total = ?, done = ?, failed = ?, after = ?, delta_count = ?, net_change = ?, "
            "finished_at = ? WHERE id = ?",
            job.status, job.total, job.done, job.failed, job.after, job.delta_count,
            self.dialect.stored(job.net_change), job.finished_at, job.id,
        )  # fmt: skip
        self.was_written = lambda unit: unit.job(job.id) == job
