"""Opening, migrating, reading and writing the file."""

from __future__ import annotations

import fcntl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, TypeVar

import apsw

from ..model.backups import contents
from ..model.protocols import InDoubt, Lease, Renewal, Unit, UnusableDatabase
from ..model.records import Backup, Environment, Shown
from .audit import SqliteAudit
from .backup import copy_database
from .migrating import is_behind, migrate
from .renewal import SqliteRenewal
from .unit import Kept, SqliteUnit

T = TypeVar("T")

# The write-ahead log's reset race (two connections or more) is fixed in these and later versions.
_FIXED = ((3, 51, 3), (3, 50, 7), (3, 44, 6))
_WRITER_CACHE_KIB, _READER_CACHE_KIB = 32 * 1024, 4 * 1024
_WAL_PAGES = 4000
_IN_DOUBT = (apsw.IOError, apsw.FullError, apsw.ReadOnlyError)
_BUSY_MS = 10_000


def _casefold(*values: Any) -> str | None:
    return None if values[0] is None else str(values[0]).casefold()


def _is_fixed(version: tuple[int, ...]) -> bool:
    return version >= _FIXED[0] or any(version[:2] == fixed[:2] and version >= fixed for fixed in _FIXED[1:])


def check_library() -> None:
    """Raises UnusableDatabase when the SQLite library has the WAL-reset race."""
    text = apsw.sqlite_lib_version()
    if not _is_fixed(tuple(map(int, text.split(".")))):
        raise UnusableDatabase(f"SQLite {text} can corrupt a write-ahead log; 3.51.3 or newer is needed (package apsw)")


@contextmanager
def sole_process(path: Path) -> Iterator[None]:
    """Lets one process at a time serve a file, or make changes that a server may not. Raises BlockingIOError."""
    with path.with_name(path.name + ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield


class SoleServer:
    """The lease for everything: one server process per file."""

    def hold(self) -> int | None:
        return 0

    def guard(self, work: Callable[[Unit], T], fencing: int | None) -> Callable[[Unit], T]:
        return work

    def release(self) -> None:
        return None


class SqliteStorage:
    """One open database file. Reads never wait for the writer."""

    remote = False
    errors: tuple[type[Exception], ...] = (apsw.Error, OSError)

    def __init__(
        self, path: str | Path, create: bool = True, workspace_id: str | None = None, alone: bool = False
    ) -> None:
        """`alone`: the caller has `sole_process`, as the creator of a file must. Raises UnusableDatabase."""
        check_library()
        self.path = Path(path)
        if not create and not self.path.exists():
            raise UnusableDatabase(f"{self.path} does not exist; `pacspace serve` creates it")
        if not create and self.path.stat().st_size == 0:
            raise UnusableDatabase(f"{self.path} is empty: it does not hold a record")
        self._write_lock = threading.Lock()
        self._kept = Kept()
        self._readers: list[apsw.Connection] = []
        if create and not self.path.exists():
            self.path.touch(mode=0o600)
        try:
            self._writer = self._connect(_WRITER_CACHE_KIB)
            self._writer.execute("PRAGMA journal_mode = WAL")
            with nullcontext() if create or alone or not is_behind(self._writer) else self._sole_process():
                migrate(self._writer, workspace_id)
        except apsw.Error as error:
            raise UnusableDatabase(f"{self.path} can't be opened: {error}") from error
        secret: Any = self._writer.execute("SELECT secret FROM installation").fetchall()[0][0]
        self.secret: bytes = secret

    @contextmanager
    def _sole_process(self) -> Iterator[None]:
        try:
            with sole_process(self.path):
                yield
        except BlockingIOError as error:
            raise UnusableDatabase(
                f"a server of an earlier version serves {self.path}, and this version would migrate it: "
                "stop that server first, or use its version's command"
            ) from error

    def _connect(self, cache_kib: int) -> apsw.Connection:
        connection = apsw.Connection(str(self.path), statementcachesize=200)
        connection.set_busy_timeout(_BUSY_MS)
        # SQLite's own lower() folds ASCII only.
        connection.create_scalar_function("casefold", _casefold, 1, deterministic=True)
        # Overwrites erased data instead of only unlinking it.
        for pragma in (
            "secure_delete = ON",
            "synchronous = FULL",
            f"cache_size = -{cache_kib}",
            f"wal_autocheckpoint = {_WAL_PAGES}",
        ):
            connection.execute(f"PRAGMA {pragma}")
        return connection

    @contextmanager
    def snapshot(self, checked: bool = True) -> Iterator[SqliteAudit]:
        connection = self._readers.pop() if self._readers else self._connect(_READER_CACHE_KIB)
        connection.execute("BEGIN")
        try:
            audit = SqliteAudit(connection, self.secret)
            audit.checks = checked
            yield audit
        finally:
            connection.execute("ROLLBACK")
            self._readers.append(connection)

    def begin(self) -> SqliteUnit:
        self._write_lock.acquire()
        try:
            self._writer.execute("BEGIN IMMEDIATE")
        except BaseException:
            self._write_lock.release()
            raise
        return SqliteUnit(self._writer, self.secret, self._kept)

    def commit(self, unit: Unit) -> None:
        try:
            self._writer.execute("COMMIT")
        except BaseException as error:
            self.roll_back(unit)
            if isinstance(error, _IN_DOUBT):
                # A failed sync, or a failed write after the commit's own frame, leaves a whole transaction in the
                # write-ahead log. The next transaction overwrites it; a restart before that replays it, and then it
                # counts.
                raise InDoubt(f"the disk failed during the commit ({error})") from error
            raise
        self._write_lock.release()

    def roll_back(self, unit: Unit) -> None:
        self._kept.forget()
        # A failed COMMIT may have ended the transaction already.
        if self._writer.in_transaction:
            self._writer.execute("ROLLBACK")
        self._write_lock.release()

    def write(self, work: Callable[[Unit], T]) -> T:
        unit = self.begin()
        try:
            result = work(unit)
            unit.flush()
        except BaseException:
            self.roll_back(unit)
            raise
        self.commit(unit)
        return result

    def renew(self, environment: Environment, work: Callable[[Renewal], T]) -> T:
        with self._write_lock:
            self._kept.forget()
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                result = work(SqliteRenewal(self._writer, self.secret))
                self._writer.execute("COMMIT")
            except BaseException:
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")
                raise
        return result

    def back_up(self, file: Path, shown: Shown) -> Backup:
        source = self._connect(_READER_CACHE_KIB)
        try:
            source.execute("BEGIN")
            held = contents(SqliteAudit(source, self.secret))  # the first read takes the snapshot
            copy_database(source, file, shown)
        finally:
            source.close()
        return held

    def scrub(self) -> str | None:
        """Moves the write-ahead log, which still holds erased data, into the file and empties it."""
        with self._write_lock:
            self._writer.set_busy_timeout(0)
            try:
                busy = self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()[0][0]
            except apsw.BusyError:
                busy = True
            finally:
                self._writer.set_busy_timeout(_BUSY_MS)
        return "The write-ahead log is in use: it keeps erased data until the server writes it back" if busy else None

    def lease(self, name: str) -> Lease:
        return SoleServer()

    def close(self) -> None:
        for connection in [*self._readers, self._writer]:
            connection.close()
