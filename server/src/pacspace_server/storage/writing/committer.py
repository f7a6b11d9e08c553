"""Group commit: many waiting requests, one durable transaction, then all answers.

Three requests arrive while the disk commits an earlier group:

    emit A, emit B, emit C          each calls `apply` and waits for its future
    commit of the earlier group     returns from the disk
    one transaction                 A, B and C in order of arrival: make their rows, commit once
    three answers                   each future gets its outcome, after the commit

An idle committer starts immediately, so a lone request waits only for its own commit. A `_Group` holds the commands of
one request and is answered as a whole. A `_Job` is any other write (a webhook's progress, a new user), in its own
transaction. When a transaction fails, its groups are halved and retried until the failing request is alone, so no
request fails because of another.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import Context, copy_context
from typing import Any, TypeVar

import structlog

from ...telemetry import SECONDS, SIZES, Histogram, doing, said
from ..model.commands import Command, LockPeriod, Outcome
from ..model.protocols import InDoubt, Storage, Unavailable, Unit
from .locking import lock_period
from .recording import record_delta

T = TypeVar("T")

logger = structlog.get_logger("pacspace.committer")
MAX_WAITING = 20_000
MAX_GROUP = 1_000


class Overloaded(Exception):
    """The queue is full: nothing was accepted."""


class NotWritten(Exception):
    """The database could not write a request (a full disk, for example): nothing of it was recorded."""


class _Group:
    """The commands of one request, answered together."""

    __slots__ = ("answer", "commands", "doing")

    def __init__(self, commands: Sequence[Command], answer: asyncio.Future[list[Outcome]]) -> None:
        self.commands, self.answer, self.doing = commands, answer, doing.get()


class _Job:
    """Another write, in its own transaction."""

    __slots__ = ("answer", "doing", "work")

    def __init__(self, work: Callable[[Unit], Any], answer: Future[Any]) -> None:
        self.work, self.answer, self.doing = work, answer, doing.get()


class Committer:
    """Gathers commands while a commit is on disk, and commits immediately when idle: a lone request waits for no timer.

    Lives on one event loop. It makes rows on the loop, because two threads that run Python only wait for each other.
    The commit, which waits for the disk, runs on a thread. So does all other writing work, and every write to a remote
    engine, where each step waits for the network.
    """

    def __init__(self, storage: Storage, on_commit: Callable[[], None] = lambda: None) -> None:
        self._storage, self._on_commit = storage, on_commit
        self._database_errors: tuple[type[Exception], ...] = (Unavailable, InDoubt, *storage.errors)
        self._waiting: deque[_Group | _Job] = deque()
        self._count = 0
        self._pump: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="committer")
        self._loop = asyncio.get_running_loop()
        self.sizes, self.seconds = Histogram(SIZES), Histogram(SECONDS)  # per group: commands, and time until durable
        self.refused = self.failed = 0  # commands refused by a full queue; transactions that the database failed

    @property
    def waiting(self) -> int:
        """Commands in the queue; at most MAX_WAITING."""
        return self._count

    async def apply(self, commands: Sequence[Command]) -> list[Outcome]:
        """Executes the commands and returns when their outcome is durable. Overloaded: nothing was accepted."""
        if self._count + len(commands) > MAX_WAITING:
            self.refused += len(commands)
            raise Overloaded
        group = _Group(commands, self._loop.create_future())
        self._count += len(commands)
        self._enqueue(group)
        return await group.answer

    async def run(self, work: Callable[[Unit], T]) -> T:
        """Runs other writing work, in turn with the groups."""
        job = _Job(work, Future())
        self._enqueue(job)
        result: T = await asyncio.wrap_future(job.answer)
        self._on_commit()
        return result

    def run_blocking(self, work: Callable[[Unit], T]) -> T:
        """The same from another thread."""
        job = _Job(work, Future())
        self._loop.call_soon_threadsafe(self._enqueue, job)
        result: T = job.answer.result()
        return result

    async def close(self) -> None:
        """Finishes all accepted work."""
        while self._pump is not None:
            await self._pump
        self._thread.shutdown()

    def _enqueue(self, waiting: _Group | _Job) -> None:
        self._waiting.append(waiting)
        if self._pump is None:
            # An empty context: the task serves all requests, not only the one that started it.
            self._pump = self._loop.create_task(self._run(), context=Context())

    async def _run(self) -> None:
        try:
            while self._waiting:
                if isinstance(self._waiting[0], _Job):
                    await self._carry_out(self._waiting.popleft())  # type: ignore[arg-type]
                else:
                    groups = self._next_groups()
                    await self._commit(groups)
                    self._on_commit()
        finally:
            self._pump = None

    def _next_groups(self) -> list[_Group]:
        groups: list[_Group] = []
        size = 0
        while self._waiting:
            group = self._waiting[0]
            if isinstance(group, _Job) or (groups and size + len(group.commands) > MAX_GROUP):
                break
            self._waiting.popleft()
            groups.append(group)
            size += len(group.commands)
        self._count -= size
        return groups

    async def _carry_out(self, job: _Job) -> None:
        if not job.answer.set_running_or_notify_cancel():
            return  # its caller has gone
        doing.set(job.doing)
        try:
            job.answer.set_result(await self._on_thread(job.work))
        except Exception as error:
            job.answer.set_exception(self._told(error))

    async def _write(self, work: Callable[[Unit], T]) -> T:
        if self._storage.remote:
            return await self._on_thread(work)
        unit = self._storage.begin()
        try:
            result = work(unit)
            unit.flush()
        except BaseException:
            self._storage.roll_back(unit)
            raise
        try:
            await self._loop.run_in_executor(self._thread, self._storage.commit, unit)
        except self._database_errors:
            raise
        except Exception as error:
            # Not an error of the database: the transaction may be written, so it must not be repeated.
            logger.exception("a commit ended in a mistake")
            raise InDoubt("internal error during the commit") from error
        return result

    async def _on_thread(self, work: Callable[[Unit], T]) -> T:
        """The whole transaction on the thread; its log lines name the request."""
        return await self._loop.run_in_executor(self._thread, copy_context().run, self._storage.write, work)

    def _told(self, error: Exception) -> Exception:
        """A database error as one of this module's; any other error as it is."""
        if isinstance(error, Unavailable):
            return NotWritten(str(error))
        if not isinstance(error, self._storage.errors):
            return error
        logger.error("the database did not take a write", problem=said(error))
        return NotWritten(said(error))

    async def _commit(self, groups: list[_Group]) -> None:
        """One transaction; a database error halves the groups until the failing request is alone."""
        started = time.perf_counter()
        if self._storage.remote:  # the thread's log lines name the requests
            doing.set(_doing_of(groups))
        try:
            outcomes = await self._write(lambda unit: _apply_all(unit, groups))
        except (Unavailable, InDoubt) as error:
            self.failed += 1
            for group in groups:  # none of them caused it
                if not group.answer.cancelled():
                    group.answer.set_exception(self._told(error))
            return
        except Exception as error:
            self.failed += 1
            doing.set(_doing_of(groups))
            if len(groups) > 1:
                middle = len(groups) // 2
                await self._commit(groups[:middle])
                await self._commit(groups[middle:])
            elif not groups[0].answer.cancelled():
                groups[0].answer.set_exception(self._told(error))
            return
        self.seconds.observe(time.perf_counter() - started)
        self.sizes.observe(sum(map(len, outcomes)))
        for group, answer in zip(groups, outcomes, strict=True):
            if not group.answer.cancelled():
                group.answer.set_result(answer)


def _doing_of(groups: list[_Group]) -> dict[str, list[str]]:
    """The requests that a transaction serves, for its log lines."""
    found: dict[str, list[str]] = {}
    for group in groups:
        for name, value in group.doing.items():
            found.setdefault(name, []).append(value)
    return found


def _apply_all(unit: Unit, groups: list[_Group]) -> list[list[Outcome]]:
    unit.expect([command for group in groups for command in group.commands])
    return [[_apply(unit, command) for command in group.commands] for group in groups]


def _apply(unit: Unit, command: Command) -> Outcome:
    return lock_period(unit, command) if isinstance(command, LockPeriod) else record_delta(unit, command)
