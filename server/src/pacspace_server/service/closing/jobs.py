"""Jobs: lock a month for every customer with deltas in it, in chunks. A job continues after a restart."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Final

import structlog

from ...clock import now_us
from ...domain.instants import period_of
from ...storage.model import ids
from ...storage.model.commands import Locked, LockPeriod, Outcome, Refusal
from ...storage.model.protocols import Damaged, InDoubt, LeaseLost, Snapshot, Unavailable, Unit
from ...storage.model.records import Customer, Job, JobFailure, PeriodHead
from ...storage.writing.committer import NotWritten, Overloaded
from ...telemetry import doing, said
from ...views.checkpoints import Job as JobView
from ...views.checkpoints import MonthLocked, MonthTotals, Preview, PreviewLine
from ..balances.derive import counted
from ..base import audit, showing
from ..base.context import Caller, Context, find_customer
from ..base.errors import ServiceError, invalid
from .checkpoint import CheckpointRequest, is_in_log, locked_view, read_again, refuse_damaged

logger = structlog.get_logger("pacspace.jobs")
RUNNING: Final = "RUNNING"
DONE: Final = "DONE"
IN_REPLY = 100  # up to so many customers, the reply waits for the job
CHUNK = 50  # locks in one piece of work, which other writes wait for
PAGE = 1_000
OUTAGE_S = 1.0
SHOWN = 1_000  # failures or previewed customers in one reply
FULL_QUEUE_S = 0.1
LOOK_S, WATCH_S = 0.2, 2.0  # pauses: while another process runs a job; between searches for abandoned jobs


class Jobs:
    """The jobs of this process."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._tasks: dict[str, asyncio.Task[list[Locked]]] = {}
        self._stopping = False
        self.held: set[str] = set()  # jobs whose lease this process has

    def start(self, job_id: str) -> asyncio.Task[list[Locked]]:
        """Runs a job. The task returns its locks if there are only a few."""
        if job_id not in self._tasks:
            task = self._tasks[job_id] = asyncio.create_task(self._run(job_id))
            task.add_done_callback(lambda done: self._ended(job_id, done))
        return self._tasks[job_id]

    def _ended(self, job_id: str, task: asyncio.Task[list[Locked]]) -> None:
        self._tasks.pop(job_id, None)
        self.held.discard(job_id)
        if not task.cancelled() and (problem := task.exception()) is not None:
            logger.error(
                "a job stopped; repeating the request or a restart continues it", job=job_id, problem=said(problem)
            )

    async def resume(self) -> None:
        """Continues the unfinished jobs of earlier processes."""
        for job in await self._context.look(lambda snapshot: snapshot.running_jobs()):
            self.start(job.id)

    async def watch(self) -> None:
        """Resumes jobs that other processes left, every few seconds, until cancelled."""
        while True:
            try:
                await self.resume()
            except Unavailable:
                logger.warning("could not look for jobs: the database is unavailable")
            await asyncio.sleep(WATCH_S)

    async def stop(self) -> None:
        """Stops each job after its current chunk."""
        self._stopping = True
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def _run(self, job_id: str) -> list[Locked]:
        """Runs a job under its lease; if another process holds it, waits for the end."""
        doing.set({"job_id": job_id})
        lease = self._context.storage.lease(f"job/{job_id}")
        outages: tuple[type[Exception], ...] = (Unavailable, InDoubt, *self._context.storage.errors)
        kept: list[Locked] = []
        while not self._stopping:
            try:
                held = await asyncio.to_thread(lease.hold)
                found = await asyncio.to_thread(self._next, job_id)
            except outages:
                await asyncio.sleep(OUTAGE_S)
                continue
            (self.held.discard if held is None else self.held.add)(job_id)
            if found is None:
                break
            if held is None:
                await asyncio.sleep(LOOK_S)
                continue
            job, chunk = found
            if job.environment_id in self._context.integrator.refusals:
                await asyncio.sleep(OUTAGE_S)  # a lock made now would have to be made again
                continue
            outcomes = await self._lock_all(job, chunk)
            # After a crash here, the chunk is locked again, which changes nothing.
            try:
                await self._write(lease.guard(partial(_advance, job_id=job_id, chunk=chunk, outcomes=outcomes), held))
            except (LeaseLost, InDoubt):
                continue  # the job's row tells how far it is
            if job.total <= IN_REPLY:
                kept += [outcome for outcome in outcomes if isinstance(outcome, Locked)]
        await asyncio.to_thread(lease.release)
        return kept

    def _next(self, job_id: str) -> tuple[Job, list[Customer]] | None:
        """The job and its next customers; None if it is done or the sandbox was emptied."""
        with self._context.storage.snapshot(checked=False) as snapshot:  # a damaged customer is refused by itself
            job = snapshot.job(job_id)
            if job is None or job.status == DONE:
                return None
            active = snapshot.active(job.environment_id, job.period, job.after, CHUNK)
        return job, [customer for customer, _ in active]

    async def _write(self, work: Callable[[Unit], None]) -> None:
        """Writes, and retries while the database accepts no writes, for example on a full disk."""
        while True:
            try:
                return await self._context.committer.run(work)
            except NotWritten:
                if self._stopping:
                    raise
                await asyncio.sleep(OUTAGE_S)

    async def _lock_all(self, job: Job, chunk: list[Customer]) -> list[Locked | JobFailure]:
        """Each customer's outcome. Failed writes are retried once, when the database accepts writes again."""
        outcomes = await asyncio.gather(*(self._lock(job, customer) for customer in chunk))
        if any(isinstance(outcome, NotWritten) for outcome in outcomes):
            await self._write(lambda unit: None)
            retried = [
                await self._lock(job, customer) if isinstance(outcome, NotWritten) else outcome
                for customer, outcome in zip(chunk, outcomes, strict=True)
            ]
            outcomes = retried
        return [
            JobFailure(customer.customer_id, "SERVICE_UNAVAILABLE", str(outcome))
            if isinstance(outcome, NotWritten)
            else outcome
            for customer, outcome in zip(chunk, outcomes, strict=True)
        ]

    async def _lock(self, job: Job, customer: Customer) -> Locked | JobFailure | NotWritten:
        command = LockPeriod(job.environment_id, customer.shard_key, customer.customer_id, job.period, None, None, b"")
        try:
            await asyncio.to_thread(read_again, self._context, command)
            outcome = await self._apply(command)
        except NotWritten as error:
            return error
        except Damaged as damaged:
            logger.error("record damaged", row=damaged.where)
            return JobFailure(customer.customer_id, "RECORD_DAMAGED", f"nothing was locked: {damaged}")
        except InDoubt as error:
            return NotWritten(str(error))  # locking again changes nothing
        except Exception as error:
            logger.exception("a month could not be locked", customer=customer.customer_id, period=job.period)
            return JobFailure(customer.customer_id, "INTERNAL_ERROR", str(error) or type(error).__name__)
        if isinstance(outcome, Refusal):
            return JobFailure(customer.customer_id, outcome.code or "VALIDATION_ERROR", outcome.message)
        assert isinstance(outcome, Locked)
        return outcome

    async def _apply(self, command: LockPeriod) -> Outcome:
        """Waits while the queue is full, where a request would be refused."""
        while True:
            try:
                return (await self._context.committer.apply((command,)))[0]
            except Overloaded:
                await asyncio.sleep(FULL_QUEUE_S)


def _advance(unit: Unit, job_id: str, chunk: list[Customer], outcomes: list[Locked | JobFailure]) -> None:
    """Writes a chunk's results and the place of the next chunk, in one transaction."""
    job = unit.job(job_id)
    if job is None:
        return
    failures = [outcome for outcome in outcomes if isinstance(outcome, JobFailure)]
    locked = [outcome.checkpoint for outcome in outcomes if isinstance(outcome, Locked)]
    job.done += len(chunk)
    job.total = max(job.total, job.done)  # there may be new customers
    job.failed += len(failures)
    job.delta_count += sum(checkpoint.delta_count for checkpoint in locked)
    job.net_change += sum(checkpoint.net_change for checkpoint in locked)
    if len(chunk) < CHUNK:
        job.status, job.total, job.finished_at = DONE, job.done, now_us()
    else:
        job.after = chunk[-1].customer_id
    unit.add_job_failures(job_id, failures)
    unit.set_job(job)


async def close_month(
    context: Context, jobs: Jobs, caller: Caller, asked: CheckpointRequest
) -> tuple[MonthLocked, bool]:
    """Locks a month for all customers: within this reply for a few, as a background job for more.

    Also returns whether the Idempotency-Key replayed it. A request for the same month finds the running job.
    """
    if asked.invoice_reference is not None:
        raise invalid(("invoiceReference", "requires a customerId: each customer's month has its own"))
    context.need_signing(caller.environment_id)
    job, replayed = await context.committer.run(lambda unit: _begin(context, unit, caller, asked))
    outcomes: list[Locked] = []
    if job.status == RUNNING:
        work = jobs.start(job.id)
        if job.total <= IN_REPLY:
            outcomes = await asyncio.shield(work)
            await context.wait_for_log(lambda: all(is_in_log(context, outcome.checkpoint) for outcome in outcomes))
    return await context.look(lambda snapshot: _closed_view(snapshot, job, outcomes)), replayed


def _closed_view(snapshot: Snapshot, job: Job, outcomes: list[Locked]) -> MonthLocked:
    """The job's progress, with its locks if there are only a few."""
    now = snapshot.job(job.id)
    if now is None:
        raise ServiceError("NOT_FOUND", "the sandbox was emptied meanwhile")
    shown = [locked_view(snapshot, outcome, job.period) for outcome in outcomes]
    if not shown and now.status == DONE and now.total <= IN_REPLY:
        active = snapshot.active(job.environment_id, job.period, "", IN_REPLY)
        closed = [(customer.id, job.period) for customer, head in active if head.closed]
        found = snapshot.locks_of(closed)
        locks = [found[month] for month in closed]
        shown = [locked_view(snapshot, Locked(lock, existing=True), job.period) for lock in locks]
    warnings = (
        [] if now.status == DONE else [f"the job is running: GET /api/v1/balance/jobs/{job.id} shows its progress"]
    )
    return {
        **job_view(snapshot, now),
        "checkpoints": shown,
        "locked": now.status == DONE and not now.failed,
        "warnings": warnings,
    }


def _begin(context: Context, unit: Unit, caller: Caller, asked: CheckpointRequest) -> tuple[Job, bool]:
    """The job of this key, the running one, or a new one."""
    period, key = asked.scope.first, None
    body = ids.body_mac(context.storage.secret, asked.body.encode())
    if asked.idempotency_key is not None:
        key = ids.idempotency_hash(context.shard(caller, ""), "checkpoint\x00" + asked.idempotency_key)
        known = unit.job_by_key(key)
        if known is not None:
            if known[1] != body:
                message = "this Idempotency-Key was used with another body; nothing was locked"
                raise ServiceError("IDEMPOTENCY_CONFLICT", message)
            return known[0], True
    job = _running(unit, caller.environment_id, period) or _new_job(unit, caller, period)
    if key is not None:
        unit.add_job_key(key, body, job)
    return job, False


def _running(unit: Unit, environment_id: int, period: str) -> Job | None:
    found = (job for job in unit.running_jobs() if (job.environment_id, job.period) == (environment_id, period))
    return next(found, None)


def _new_job(unit: Unit, caller: Caller, period: str) -> Job:
    total, _ = unit.count_active(caller.environment_id, period)
    if not total:
        _refuse_future(unit, caller, period)
    job = Job(ids.new_job_id(), caller.environment_id, period, RUNNING, total, now_us())
    unit.add_job(job)
    audit.record(unit, caller, "period.lock_all", job.id, {"period": period, "customers": total})
    return job


def _refuse_future(snapshot: Snapshot, caller: Caller, period: str) -> None:
    """Refuses to lock a future month without deltas."""
    if period > period_of(snapshot.now(snapshot.environment(caller.environment_id))):
        raise invalid(("period", f"{period} has not begun and has no deltas"))


def get_job(context: Context, caller: Caller, job_id: str) -> JobView:
    """A job's progress. 404 NOT_FOUND, also for another environment's job."""
    with context.storage.snapshot() as snapshot:
        job = snapshot.job(job_id)
        if job is None or job.environment_id != caller.environment_id:
            raise ServiceError("NOT_FOUND", f"no job {job_id[:80]} in the {caller.environment} environment")
        return job_view(snapshot, job)


def recent_jobs(context: Context, caller: Caller, limit: int) -> list[JobView]:
    """The environment's jobs, newest first."""
    with context.storage.snapshot() as snapshot:
        return job_views(snapshot, snapshot.recent_jobs(caller.environment_id, limit))


def job_view(snapshot: Snapshot, job: Job) -> JobView:
    """A job as every route shows it."""
    return job_views(snapshot, [job])[0]


def job_views(snapshot: Snapshot, jobs: list[Job]) -> list[JobView]:
    failures = snapshot.job_failures([job.id for job in jobs], SHOWN)
    return [_job_view(job, failures[job.id]) for job in jobs]


def _job_view(job: Job, failures: list[JobFailure]) -> JobView:
    return {
        "jobId": job.id,
        "period": job.period,
        "status": job.status,
        "done": job.done,
        "total": job.total,
        "failed": [{"customerId": f.customer_id, "code": f.code, "message": f.message} for f in failures],
        "failedCount": job.failed,
        "totals": {
            "customers": job.done - job.failed,
            **counted(job.delta_count),
            "netChange": showing.number(job.net_change),
        },
        "startedAt": showing.instant(job.started_at),
        "finishedAt": showing.instant(job.finished_at),
    }


@dataclass
class _Sums:
    customers: int = 0
    deltas: int = 0
    net: int = 0


def preview(context: Context, caller: Caller, asked: CheckpointRequest, after: str = "", most: int = SHOWN) -> Preview:
    """What locking a month would lock: up to `most` customers after `after`, and the totals of all."""
    period, sums = asked.scope.first, _Sums()
    shown: list[PreviewLine] = []
    with context.storage.snapshot() as snapshot:
        for customer, head in _previewed(context, snapshot, caller, asked):
            sums.customers += 1
            sums.deltas += head.delta_count if head else 0
            sums.net += head.total if head else 0
            if customer.customer_id > after and len(shown) < most:
                earlier = [open_head for open_head in snapshot.open_heads(customer) if open_head.period < period]
                shown.append(_preview_line(customer, period, head, earlier))
        if asked.customer_id is None and not snapshot.count_active(caller.environment_id, period)[0]:
            _refuse_future(snapshot, caller, period)
    warnings = [f"this shows only the first {most} customers"] if sums.customers > most else []
    totals: MonthTotals = {"customers": sums.customers, **counted(sums.deltas), "netChange": showing.number(sums.net)}
    return {
        "preview": True,
        "period": period,
        "checkpoints": shown,
        "totals": totals,
        "locked": False,
        "warnings": warnings,
    }


def _previewed(
    context: Context, snapshot: Snapshot, caller: Caller, asked: CheckpointRequest
) -> Iterator[tuple[Customer, PeriodHead | None]]:
    """The customers that the lock would affect, each with its month."""
    period = asked.scope.first
    if asked.customer_id is not None:
        customer = find_customer(context, snapshot, caller, asked.customer_id)
        head = snapshot.head(customer, period)
        if head is None:
            _refuse_future(snapshot, caller, period)
        if customer.locked_through is None or period > customer.locked_through:
            refuse_damaged([month for month in snapshot.open_heads(customer) if month.period <= period])
            yield customer, head
        return
    chunk = snapshot.active(caller.environment_id, period, "", PAGE)
    while chunk:
        yield from ((customer, head) for customer, head in chunk if not head.closed)
        chunk = snapshot.active(caller.environment_id, period, chunk[-1][0].customer_id, PAGE)


def _preview_line(customer: Customer, period: str, head: PeriodHead | None, earlier: list[PeriodHead]) -> PreviewLine:
    brought = customer.locked_total + sum(month.total for month in earlier)
    net = head.total if head else 0
    return {
        "customerId": customer.customer_id,
        "period": period,
        **counted(head.delta_count if head else 0),
        "netChange": showing.number(net),
        "broughtForward": showing.number(brought),
        "carriedForward": showing.number(brought + net),
        "alsoLocks": [month.period for month in earlier],
        "locked": False,
    }
