"""The log's reading and re-hashing in a separate process, so that recording has an interpreter for itself.

Parent and child talk over a socket pair. The child only reads the database, and ends when its parent does.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING

import structlog

from ..storage.model.protocols import Unavailable
from ..telemetry import doing, said

if TYPE_CHECKING:
    from ..config import Database
    from ..log.rehashing import Beat, Prepare, Prepared

logger = structlog.get_logger("pacspace.rehasher")
BEAT_S, PAUSE_S = 0.5, 5.0
_CHILD = "from pacspace_server.process.rehasher import serve; serve()"


class RehashingFailed(Exception):
    """The child failed; the message says why. The integrator asks again."""


class Rehasher:
    """The parent's side, for one thread: the integrator's.

    Until the child is ready, and after it has died, `here` does the work in this process, so that the log never waits.
    """

    def __init__(self, database: Database, here: Prepare) -> None:
        self._database, self._here = database, here
        self._child: subprocess.Popen[bytes] | None = None
        self._connection: Connection | None = None
        self._ready, self._not_before_s = False, 0.0

    def prepare(self, environment_id: int, beat: Beat) -> Prepared | None:
        """Like `log.rehashing.prepare`."""
        try:
            result = self._ask(environment_id, beat)
        except (EOFError, OSError):
            logger.warning("the process that re-hashes has ended; another is started")
            self.close()
            self._not_before_s = time.monotonic() + PAUSE_S
            return self._here(environment_id, beat)
        except BaseException:
            self.close()  # its late answer would be taken for the next one
            raise
        if isinstance(result, Exception):
            raise result
        return result

    def _ask(self, environment_id: int, beat: Beat) -> Prepared | Exception | None:
        if time.monotonic() < self._not_before_s:
            return self._here(environment_id, beat)
        connection = self._connection or self._start()
        if not self._ready:
            if not connection.poll():
                return self._here(environment_id, beat)
            self._ready = connection.recv()
        connection.send((environment_id, dict(doing.get())))
        while not connection.poll(BEAT_S):
            beat()
        answer: Prepared | Exception | None = connection.recv()
        return answer

    def _start(self) -> Connection:
        ours, theirs = socket.socketpair()
        with theirs:
            # The connection is the only argument, so that the process list never shows passwords in URLs.
            command = [sys.executable, "-P", "-c", _CHILD, str(theirs.fileno())]
            # In its own process group, so that Ctrl-C reaches only the parent, even during start-up.
            self._child = subprocess.Popen(  # noqa: S603  # our own command
                command, stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()], process_group=0
            )
        self._connection = Connection(ours.detach())
        self._connection.send(self._database)
        return self._connection

    def close(self) -> None:
        """Ends the child, which has nothing to save."""
        if self._connection is not None:
            self._connection.close()
        if self._child is not None:
            self._child.kill()
            self._child.wait()
        self._connection = self._child = None
        self._ready = False


def serve() -> None:
    """The child's side: answers until the parent ends. Signals that end the server end its parent first."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    connection = Connection(int(sys.argv[1]))
    with contextlib.suppress(EOFError, OSError):
        _answer(connection)
    os._exit(0)


def _answer(connection: Connection) -> None:
    from ..log.rehashing import prepare
    from .engines import open_storage
    from .loglines import configure_logging

    configure_logging("info")
    database = connection.recv()
    storage = None
    connection.send(True)
    while True:
        environment_id, for_whom = connection.recv()
        doing.set(for_whom)
        result: Prepared | Exception | None
        try:
            storage = storage or open_storage(database, create=False)
            result = prepare(storage, environment_id, lambda: None)
        except Unavailable as error:
            result = error
        except Exception as error:
            result = RehashingFailed(f"{type(error).__name__}: {said(error)}")
        connection.send(result)
