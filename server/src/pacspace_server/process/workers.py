"""Several server processes behind one socket."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from functools import partial

import structlog

from .. import exit_status

logger = structlog.get_logger("pacspace.workers")
AT_ONCE = 2  # signals that mean: stop immediately
WATCHED = {signal.SIGCHLD, signal.SIGTERM, signal.SIGINT}
Work = Callable[[int, Callable[[], None]], None]


def run_workers(count: int, work: Work, forked: Callable[[], None], ready: Callable[[], None]) -> int:
    """Forks the workers, reports when all are ready, and ends them on SIGTERM or SIGINT; returns the exit status.

    A worker that ends unasked is logged but not replaced: the others continue, and the supervisor may restart the
    server. The second signal kills all. `work` gets its number, from 1, and a function to call when ready; `forked` is
    called in the parent once all are forked. Call this before starting any thread.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, WATCHED)
    # The parent holds the other end and never writes: when it dies, the read returns, and the workers end too.
    parent_lives, held = os.pipe()
    pipes = {}
    for number in range(1, count + 1):
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(held)
            os._exit(_be_worker(partial(work, number), parent_lives, writing))
        os.close(writing)
        pipes[pid] = reading
    forked()
    running = set(pipes)
    if all([os.read(reading, 1) for reading in pipes.values()]):
        ready()
    else:
        _tell(running, signal.SIGTERM)  # the log says why one did not start
    return _watch(running)


def _be_worker(work: Callable[[Callable[[], None]], None], parent_lives: int, writing: int) -> int:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, WATCHED)

    def wait_for_end() -> None:
        os.read(parent_lives, 1)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait_for_end, daemon=True).start()
    try:
        work(lambda: os.close(writing) if os.write(writing, b".") else None)
    except BaseException:
        logger.exception("a worker failed")
        return 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return 0


def _watch(running: set[int]) -> int:
    """Waits until all have ended. Returns 0 if they were asked to and did so cleanly."""
    told = 0  # signals to stop
    failed = 0
    while running:
        if signal.sigwait(WATCHED) != signal.SIGCHLD:
            told, failed = told + 1, 0
            _tell(running, signal.SIGTERM if told == 1 else signal.SIGKILL)
        for pid, code in _ended(running):
            running.discard(pid)
            if code or not told:
                failed += 1
            if (code and told < AT_ONCE) or not told:
                logger.error("a worker ended; it is not replaced", pid=pid, status=code, left=len(running))
    return 0 if told and not failed else exit_status.NOT_DONE


def _ended(running: set[int]) -> list[tuple[int, int]]:
    """The workers that have ended, with their exit status (negative: the signal)."""
    waited = [os.waitpid(pid, os.WNOHANG) for pid in running]
    return [(pid, os.waitstatus_to_exitcode(status)) for pid, status in waited if pid]


def _tell(running: set[int], number: int) -> None:
    for pid in running:
        os.kill(pid, number)
