"""The log's reading and re-hashing in a process of its own, so that recording has an interpreter for itself.

The two talk over a socket pair. The child reads the database and nothing else; it ends when its parent does.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING

from ..storage.protocols import Unavailable
from ..telemetry import doing, said

if TYPE_CHECKING:
    from ..config import Database
    from ..log.rehashing import Beat, Prepared

BEAT_S = 0.5
_CHILD = "from pacspace_server.cli.rehasher import serve; serve()"


class RehashingFailed(Exception):
    """The child could not do its work; the message says why. The integrator asks again."""


class Rehasher:
    """The parent's side. Used by one thread, the integrator's; the child is started when it is first needed."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._child: subprocess.Popen[bytes] | None = None
        self._connection: Connection | None = None

    def prepare(self, environment_id: int, beat: Beat) -> Prepared | None:
        """As `log.rehashing.prepare`."""
        connection = self._connection or self._start()
        try:
            connection.send((environment_id, dict(doing.get())))
            while not connection.poll(BEAT_S):
                beat()
            result: Prepared | Exception | None = connection.recv()
        except (EOFError, OSError) as error:
            self.close()
            raise RehashingFailed("the process that re-hashes has ended; the next run starts another") from error
        except BaseException:
            self.close()  # its answer would be taken for that of the next question
            raise
        if isinstance(result, Exception):
            raise result
        return result

    def _start(self) -> Connection:
        ours, theirs = socket.socketpair()
        with theirs:
            # The connection is the only argument: passwords in a URL are no business of a process list.
            command = [sys.executable, "-c", _CHILD, str(theirs.fileno())]
            # A process group of its own: Ctrl-C is for the parent, also while this one is starting.
            self._child = subprocess.Popen(  # noqa: S603  # our own
                command, stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()], process_group=0
            )
        self._connection = Connection(ours.detach())
        self._connection.send(self._database)
        return self._connection

    def close(self) -> None:
        """Ends the child."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        if self._child is not None:
            self._child.wait()
            self._child = None


def serve() -> None:
    """The child's side: answers until the parent is gone. Signals that end the server end its parent first."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    connection = Connection(int(sys.argv[1]))
    with contextlib.suppress(EOFError, OSError):
        _answer(connection)
    os._exit(0)


def _answer(connection: Connection) -> None:
    from ..log.rehashing import prepare
    from .loglines import configure_logging
    from .wiring import open_storage

    configure_logging("info")
    database = connection.recv()
    storage = None
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
