"""When usage summaries are sent: on request, or regularly by a thread or a task. `operations.summaries` sends them."""

from __future__ import annotations

import atexit
import logging
import threading
import time
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from .drivers import drive, drive_async
from .operations import summaries
from .operations.summaries import OnDisk, Queued, Submissions, make_submissions
from .protocol import Wait
from .summaries import Chunk
from .surface import AsyncSurface, Surface, awaitable, blocking
from .types import BatchReply, FlushReply, SubmissionOptions

if TYPE_CHECKING:
    import asyncio

logger: Final = logging.getLogger("pacspace_sdk")

# A Chunk is a list of deltas with an `idempotency_key` that stays the same when it is sent again.
SubmitBatch: TypeAlias = Callable[[Chunk], BatchReply]
AsyncSubmitBatch: TypeAlias = Callable[[Chunk], Awaitable[BatchReply]]


class SubmissionCoordinator(Surface[Submissions]):
    """Queues usage summaries and sends them with `submit_batch`, which takes a list of deltas and returns the batch's
    reply.

    The options are those of `PacSpace(submission=...)`. The scheduler is a daemon thread that starts with the first
    summary (unless `autoStart` is False); summaries that wait when the program ends are then flushed.
    """

    def __init__(self, *, submit_batch: SubmitBatch, options: SubmissionOptions | None = None) -> None:
        super().__init__(make_submissions(options), lambda operation: drive(operation, self._perform))
        self._submit_batch = submit_batch
        self._lock = threading.Lock()
        self._stop: threading.Event | None = None
        self._thread: threading.Thread | None = None
        self._flushes_at_exit = False

    queue_summary: Final = blocking(summaries.queue_summary)
    queue_summaries: Final = blocking(summaries.queue_summaries)
    flush_summaries: Final = blocking(summaries.flush_summaries)
    get_queue_state: Final = blocking(summaries.get_queue_state)

    def start_scheduler(self) -> None:
        """Starts flushing at the cadence; does nothing if it already runs, or with the profile immediate."""
        with self._lock:
            if self._thread is not None or self._core.settings.profile == "immediate":
                return
            self._stop = threading.Event()
            self._thread = threading.Thread(
                target=self._run_scheduler, args=(self._stop,), name="pacspace-summaries", daemon=True
            )
            self._thread.start()

    def stop_scheduler(self) -> None:
        """Stops the scheduler after a flush under way. Waiting summaries stay queued."""
        with self._lock:
            stop, thread = self._stop, self._thread
            self._stop = self._thread = None
            if stop is not None:
                stop.set()
        if thread is not None and thread is not threading.current_thread():
            thread.join()
        self._core.next_flush_at = None

    def shutdown(self) -> FlushReply | None:
        """Stops the scheduler and flushes waiting summaries (unless `autoFlushOnShutdown` is False)."""
        self.stop_scheduler()
        flushes = self._core.settings.auto_flush_on_shutdown and len(self._core.queue) > 0
        return self.flush_summaries() if flushes else None

    def close(self, reason: str) -> None:
        """Stops the scheduler and accepts no more summaries. A journal keeps those that wait."""
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
                logger.exception("usage summaries could not be flushed; they stay queued")


class AsyncSubmissionCoordinator(AsyncSurface[Submissions]):
    """The same on an event loop: `submit_batch` is a coroutine function, the scheduler a task.

    Summaries that wait when the program ends are not flushed automatically: call `await pac.shutdown()`.
    """

    def __init__(self, *, submit_batch: AsyncSubmitBatch, options: SubmissionOptions | None = None) -> None:
        super().__init__(make_submissions(options), lambda operation: drive_async(operation, self._perform))
        self._submit_batch = submit_batch
        self._task: asyncio.Task[None] | None = None

    queue_summary: Final = awaitable(summaries.queue_summary)
    queue_summaries: Final = awaitable(summaries.queue_summaries)
    flush_summaries: Final = awaitable(summaries.flush_summaries)
    get_queue_state: Final = awaitable(summaries.get_queue_state)

    async def start_scheduler(self) -> None:
        """Starts flushing at the cadence; does nothing if it already runs, or with the profile immediate."""
        import asyncio

        if self._task is None and self._core.settings.profile != "immediate":
            self._task = asyncio.create_task(self._run_scheduler(), name="pacspace-summaries")

    async def stop_scheduler(self) -> None:
        """Stops the scheduler. Waiting summaries stay queued, and a request under way is kept unchanged."""
        import asyncio

        task, self._task = self._task, None
        self._core.next_flush_at = None
        if task is not None and task is not asyncio.current_task():
            task.cancel()
            await asyncio.wait([task])

    async def shutdown(self) -> FlushReply | None:
        """Stops the scheduler and flushes waiting summaries (unless `autoFlushOnShutdown` is False)."""
        await self.stop_scheduler()
        flushes = self._core.settings.auto_flush_on_shutdown and len(self._core.queue) > 0
        return await self.flush_summaries() if flushes else None

    async def close(self, reason: str) -> None:
        """Stops the scheduler and accepts no more summaries. A journal keeps those that wait."""
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
                logger.exception("usage summaries could not be flushed; they stay queued")


def _log(reply: FlushReply) -> None:
    """Logs the failures of a scheduled flush, whose reply no caller sees."""
    for failure in reply["failures"]:
        logger.warning(
            "a usage summary of %s (%s) was %s: %s",
            failure["customerId"],
            failure["referenceId"],
            "rejected" if failure["permanent"] else "not sent, and stays queued",
            failure["error"],
        )


def _close(core: Submissions, reason: str) -> None:
    core.closed = core.closed or reason
    if len(core.queue) and core.settings.journal is None:
        logger.warning(
            "the client was closed with %d usage summaries waiting; without a journal they are lost", len(core.queue)
        )
    core.queue.close()
