"""Sending summaries: flushes now or on a cadence, by a thread or a task. The queue itself is in `summaries`."""

from __future__ import annotations

import atexit
import logging
import threading
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from .drivers import drive, drive_async
from .errors import PacSpaceError
from .options import read_options
from .protocol import Operation, Wait
from .summaries import Chunk, Outcome, Round, Settings, SummaryQueue, read_settings, read_summary
from .surface import AsyncSurface, Surface, awaitable, blocking
from .types import (
    BatchReply,
    FlushOptions,
    FlushReply,
    QueuedSummary,
    QueueState,
    SubmissionOptions,
    Summary,
    SummaryFailure,
)

if TYPE_CHECKING:
    import asyncio

NOT_VALID = frozenset({400, 409, 413, 415, 422})  # sent again as it is, a request would be refused again

logger: Final = logging.getLogger("pacspace_sdk")

# What is sent is a Chunk: a list of deltas whose `idempotency_key` is the same when it is sent again.
SubmitBatch: TypeAlias = Callable[[Chunk], BatchReply]
AsyncSubmitBatch: TypeAlias = Callable[[Chunk], Awaitable[BatchReply]]


@dataclass(frozen=True)
class Submit:
    """Effect: send these deltas, answer with the reply or throw why there is none."""

    chunk: Chunk


@dataclass(frozen=True)
class OnDisk:
    """Effect: do this, which may wait for the disk, and answer with its result."""

    work: Callable[[], Any]


@dataclass(frozen=True)
class Queued:
    """Effect: something was queued, which may be the moment to start the scheduler."""


@dataclass
class Submissions:
    """What the operations below share. `next_flush_at` is set by the scheduler while it runs."""

    settings: Settings
    queue: SummaryQueue
    closed: str | None = None
    next_flush_at: datetime | None = None

    def require_open(self) -> None:
        if self.closed is not None:
            raise PacSpaceError(f"the client is closed: {self.closed}", code="CLIENT_CLOSED")


def make_submissions(options: SubmissionOptions | None) -> Submissions:
    settings = read_settings(options)
    return Submissions(settings, SummaryQueue(settings))


# ---------------------------------------------------------------- operations


def queue_summary(core: Submissions, summary: Summary) -> Operation[QueuedSummary]:
    """Queues one summary; with a journal it is on disk when this returns. Gives it back as it will be sent.

    Its key is its referenceId, else its customer, window and reason: what still waits under the same key is replaced.
    Raises PacSpaceError INVALID_SUMMARY.
    """
    (queued,) = yield from queue_summaries(core, [summary])
    return queued


def queue_summaries(core: Submissions, summaries: Iterable[Summary]) -> Operation[list[QueuedSummary]]:
    """Queues several summaries: all of them, or none when one of them is not acceptable."""
    core.require_open()
    queued = [read_summary(summary, core.settings.default_reason) for summary in summaries]
    yield OnDisk(lambda: core.queue.add(queued))
    yield Queued()
    if core.settings.profile == "immediate":
        yield from flush_summaries(core)
    return queued


def flush_summaries(core: Submissions, options: FlushOptions | None = None) -> Operation[FlushReply]:
    """Sends what waits and tells what became of it; does not raise for what the server refuses.

    What may succeed later stays queued, a request whose outcome is not known as it was sent. What never will (not
    valid, or a conflict with what is recorded) leaves the queue and is listed in `rejected`.
    """
    core.require_open()
    given = read_options(FlushOptions, options, {})
    reply = _empty_reply(core)
    turn = core.queue.begin(core.settings.max_deltas, given.get("maxItems"))
    try:
        while turn:
            if reply["requestCount"]:
                yield Wait(60 / core.settings.max_requests_per_minute)
            chunk: Chunk | None = yield OnDisk(lambda: core.queue.take(turn))
            if chunk is None:
                break
            yield from _send(core, chunk, turn, reply)
    finally:
        core.queue.end(turn)
    reply["finishedAt"] = _now_text()
    reply["queuedAfterFlush"] = len(core.queue)
    return reply


def get_queue_state(core: Submissions) -> Operation[QueueState]:
    """How many summaries are queued, whether the scheduler runs, and what was refused for good."""
    yield from ()
    settings, flush_at = core.settings, core.next_flush_at
    return {
        "profile": settings.profile,
        "cadenceMs": settings.cadence_ms,
        "enterprise": settings.enterprise,
        "queuedCount": len(core.queue),
        "isRunning": flush_at is not None,
        "nextFlushAt": None if flush_at is None else _text(flush_at),
        "rejected": list(core.queue.rejected),
    }


def _empty_reply(core: Submissions) -> FlushReply:
    now = _now_text()
    return {
        "profile": core.settings.profile, "startedAt": now, "finishedAt": now,
        "attempted": 0, "accepted": 0, "submitted": 0, "failed": 0, "replayed": 0, "requestCount": 0,
        "queuedAfterFlush": 0, "failures": [], "rejected": [],
    }  # fmt: skip


def _send(core: Submissions, chunk: Chunk, turn: Round, reply: FlushReply) -> Operation[None]:
    """One request of a flush, and what its reply means for each summary in it."""
    reply["requestCount"] += 1
    outcome = Outcome()
    try:
        found = yield Submit(chunk)
    except Exception as error:
        failures = _judge_failure(error, chunk, turn, outcome)
    else:
        failures = _judge(found, chunk, outcome, reply)
    reply["attempted"] += len(outcome.done) + len(failures)
    reply["failed"] += len(failures)
    reply["failures"] += failures
    if outcome.is_known:
        reply["rejected"] += yield OnDisk(lambda: core.queue.settle(chunk, outcome))


def _judge_failure(error: Exception, chunk: Chunk, turn: Round, outcome: Outcome) -> list[SummaryFailure]:
    """A whole request failed: perhaps recorded (then it is sent again exactly as it was, under the same key), or not."""
    status = error.status_code if isinstance(error, PacSpaceError) else 0
    code = (error.server_code or error.code) if isinstance(error, PacSpaceError) else None
    if status in NOT_VALID and len(chunk) > 1:
        # Smaller requests for the rest of this flush, until the summary that is not valid is alone.
        turn.chunk_size = len(chunk) // 2
        turn.ids.extendleft(reversed(chunk.ids))
        outcome.back = list(chunk.ids)
        return []
    failures = [_failure(delta, str(error), code, status in NOT_VALID) for delta in chunk]
    if 400 <= status < 500 and status != 408:
        _sort_out(outcome, chunk.ids, failures)
    return failures


def _judge(found: Mapping[str, Any], chunk: Chunk, outcome: Outcome, reply: FlushReply) -> list[SummaryFailure]:
    results = {int(result["index"]): result for result in found.get("results", []) if "index" in result}
    failures = []
    for index, (id_, delta) in enumerate(zip(chunk.ids, chunk)):
        result = results.get(index, {"error": "the reply says nothing about it"})
        error, code = result.get("error"), result.get("code")
        if error or result.get("status") in ("REJECTED", "FAILED"):
            code = code or (error if isinstance(error, str) and error.isupper() else None)
            failure = _failure(delta, str(error or result.get("status")), code, _is_permanent(code))
            failures.append(failure)
            _sort_out(outcome, [id_], [failure])
        else:
            outcome.done.append(id_)
            reply["replayed"] += bool(result.get("idempotent"))
    reply["submitted"] += len(outcome.done)
    reply["accepted"] = reply["submitted"]
    return failures


def _sort_out(outcome: Outcome, ids: Iterable[int], failures: Iterable[SummaryFailure]) -> None:
    for id_, failure in zip(ids, failures):
        if failure["permanent"]:
            outcome.rejected.append({"id": id_, "error": failure["error"], "code": failure["code"]})
        else:
            outcome.back.append(id_)


def _failure(delta: Mapping[str, Any], error: str, code: str | None, permanent: bool) -> SummaryFailure:
    name, reference = delta["customerId"], delta["referenceId"]
    return {"customerId": name, "referenceId": reference, "error": error, "code": code, "permanent": permanent}


def _is_permanent(code: object) -> bool:
    """Whether a refusal of one delta stands however often it is sent."""
    return isinstance(code, str) and (code == "VALIDATION_ERROR" or code.endswith(("_CONFLICT", "_NOT_FOUND")))


def _now_text() -> str:
    return _text(datetime.now(timezone.utc))


def _text(instant: datetime) -> str:
    return instant.isoformat().replace("+00:00", "Z")


# ---------------------------------------------------------------- the two coordinators


class SubmissionCoordinator(Surface[Submissions]):
    """Queues summaries and sends them by `submit_batch`, which takes a list of deltas and gives the batch's reply.

    The options are those of `PacSpace(submission=...)`. The scheduler is a daemon thread that starts with the first
    summary (unless `autoStart` is False); what waits when the program ends is flushed then.
    """

    def __init__(self, *, submit_batch: SubmitBatch, options: SubmissionOptions | None = None) -> None:
        super().__init__(make_submissions(options), lambda operation: drive(operation, self._perform))
        self._submit_batch = submit_batch
        self._lock = threading.Lock()
        self._stop: threading.Event | None = None
        self._thread: threading.Thread | None = None
        self._flushes_at_exit = False

    queue_summary: Final = blocking(queue_summary)
    queue_summaries: Final = blocking(queue_summaries)
    flush_summaries: Final = blocking(flush_summaries)
    get_queue_state: Final = blocking(get_queue_state)

    def start_scheduler(self) -> None:
        """Flushes on the cadence from now on; nothing happens when it runs already, or with the profile immediate."""
        with self._lock:
            if self._thread is not None or self._core.settings.profile == "immediate":
                return
            self._stop = threading.Event()
            self._thread = threading.Thread(
                target=self._run_scheduler, args=(self._stop,), name="pacspace-summaries", daemon=True
            )
            self._thread.start()

    def stop_scheduler(self) -> None:
        """Ends the scheduler; returns when a flush that it has begun is over. What waits stays queued."""
        with self._lock:
            stop, thread = self._stop, self._thread
            self._stop = self._thread = None
            if stop is not None:
                stop.set()
        if thread is not None and thread is not threading.current_thread():
            thread.join()
        self._core.next_flush_at = None

    def shutdown(self) -> FlushReply | None:
        """Ends the scheduler and flushes what waits (unless `autoFlushOnShutdown` is False)."""
        self.stop_scheduler()
        flushes = self._core.settings.auto_flush_on_shutdown and len(self._core.queue) > 0
        return self.flush_summaries() if flushes else None

    def close(self, reason: str) -> None:
        """Ends the scheduler and takes no more summaries. What waits is kept by the journal, if there is one."""
        self.stop_scheduler()
        atexit.unregister(self.shutdown)
        _close(self._core, reason)

    def _perform(self, effect: Any) -> Any:
        if isinstance(effect, Wait):
            return time.sleep(effect.seconds)
        if isinstance(effect, OnDisk):
            return effect.work()
        if isinstance(effect, Queued):
            return self._on_queued()
        return self._submit_batch(effect.chunk)

    def _on_queued(self) -> None:
        if not self._flushes_at_exit:
            self._flushes_at_exit = True
            atexit.register(self.shutdown)
        if self._core.settings.auto_start:
            self.start_scheduler()

    def _run_scheduler(self, stop: threading.Event) -> None:
        cadence_s = self._core.settings.cadence_ms / 1000
        while True:
            self._core.next_flush_at = datetime.now(timezone.utc) + timedelta(seconds=cadence_s)
            if stop.wait(cadence_s):
                return
            try:
                _log(self.flush_summaries())
            except Exception:
                logger.exception("summaries could not be flushed; they stay queued")


class AsyncSubmissionCoordinator(AsyncSurface[Submissions]):
    """The same on an event loop: `submit_batch` is a coroutine function, the scheduler a task.

    What waits when the program ends is not flushed by itself: `await pac.shutdown()` does.
    """

    def __init__(self, *, submit_batch: AsyncSubmitBatch, options: SubmissionOptions | None = None) -> None:
        super().__init__(make_submissions(options), lambda operation: drive_async(operation, self._perform))
        self._submit_batch = submit_batch
        self._task: asyncio.Task[None] | None = None

    queue_summary: Final = awaitable(queue_summary)
    queue_summaries: Final = awaitable(queue_summaries)
    flush_summaries: Final = awaitable(flush_summaries)
    get_queue_state: Final = awaitable(get_queue_state)

    async def start_scheduler(self) -> None:
        """Flushes on the cadence from now on; nothing happens when it runs already, or with the profile immediate."""
        import asyncio

        if self._task is None and self._core.settings.profile != "immediate":
            self._task = asyncio.create_task(self._run_scheduler(), name="pacspace-summaries")

    async def stop_scheduler(self) -> None:
        """Ends the scheduler. What waits stays queued, and a request it was sending as it was sent."""
        import asyncio

        task, self._task = self._task, None
        self._core.next_flush_at = None
        if task is not None and task is not asyncio.current_task():
            task.cancel()
            await asyncio.wait([task])

    async def shutdown(self) -> FlushReply | None:
        """Ends the scheduler and flushes what waits (unless `autoFlushOnShutdown` is False)."""
        await self.stop_scheduler()
        flushes = self._core.settings.auto_flush_on_shutdown and len(self._core.queue) > 0
        return await self.flush_summaries() if flushes else None

    async def close(self, reason: str) -> None:
        """Ends the scheduler and takes no more summaries. What waits is kept by the journal, if there is one."""
        await self.stop_scheduler()
        _close(self._core, reason)

    async def _perform(self, effect: Any) -> Any:
        import asyncio

        if isinstance(effect, Wait):
            return await asyncio.sleep(effect.seconds)
        if isinstance(effect, OnDisk):
            in_memory = self._core.settings.journal is None
            return effect.work() if in_memory else await asyncio.to_thread(effect.work)
        if isinstance(effect, Queued):
            return await self.start_scheduler() if self._core.settings.auto_start else None
        return await self._submit_batch(effect.chunk)

    async def _run_scheduler(self) -> None:
        import asyncio

        cadence_s = self._core.settings.cadence_ms / 1000
        while True:
            self._core.next_flush_at = datetime.now(timezone.utc) + timedelta(seconds=cadence_s)
            await asyncio.sleep(cadence_s)
            try:
                _log(await self.flush_summaries())
            except Exception:
                logger.exception("summaries could not be flushed; they stay queued")


def _log(reply: FlushReply) -> None:
    """Nobody sees the reply of a scheduled flush: what went wrong goes to the log."""
    for failure in reply["failures"]:
        logger.warning(
            "a summary of %s (%s) was %s: %s", failure["customerId"], failure["referenceId"],
            "rejected" if failure["permanent"] else "not sent, and stays queued", failure["error"],
        )  # fmt: skip


def _close(core: Submissions, reason: str) -> None:
    core.closed = core.closed or reason
    if len(core.queue) and core.settings.journal is None:
        logger.warning(
            "the client was closed with %d summaries queued; without a journal they are lost", len(core.queue)
        )
    core.queue.close()
