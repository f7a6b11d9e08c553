"""Opening, migrating, reading and writing the file."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

import apsw

from ..protocols import InDoubt, Lease, Unit, UnusableDatabase
from .audit import SqliteAudit
from .unit import Kept, SqliteUnit

T = TypeVar("T")

# The write-ahead log's reset race (two connections or more) is fixed in these and later versions.
_FIXED = ((3, 51, 3), (3, 50, 7), (3, 44, 6))
_WRITER_CACHE_KIB, _READER_CACHE_KIB = 32 * 1024, 4 * 1024
_WAL_PAGES = 4000
_BUSY_MS = 10_000


def _casefold(*values: Any) -> str:
    return str(values[0]).casefold()


def _is_fixed(version: tuple[int, ...]) -> bool:
    return version >= _FIXED[0] or any(version[:2] == fixed[:2] and version >= fixed for fixed in _FIXED[1:])


def check_library() -> None:
    """Raises UnusableDatabase when the SQLite library has the WAL-reset race."""
    text = apsw.sqlite_lib_version()
    if not _is_fixed(tuple(map(int, text.split(".")))):
        raise UnusableDatabase(f"SQLite {text} can corrupt a write-ahead log; 3.51.3 or newer is needed (package apsw)")


class SoleServer:
    """The lease of everything: one server process per file."""

    def hold(self) -> int | None:
        return 0

    def guard(self, work: Callable[[Unit], T]) -> Callable[[Unit], T]:
        return work

    def release(self) -> None:
        return None


class SqliteStorage:
    """One open database file. Reads never wait for the writer."""

    remote = False
    errors: tuple[type[Exception], ...] = (apsw.Error, OSError)

    def __init__(self, path: str | Path, create: bool = True, workspace_id: str | None = None) -> None:
        check_library()
        self.path = Path(path)
        if not create and not self.path.exists():
            raise UnusableDatabase(f"{self.path} does not exist; `pacspace serve` creates it")
        self._write_lock = threading.Lock()
        self._kept = Kept()
        self._readers: list[apsw.Connection] = []
        if create and not self.path.exists():
            self.path.touch(mode=0o600)
        try:
            self._writer = self._connect(_WRITER_CACHE_KIB)
            self._writer.execute("PRAGMA journal_mode = WAL")
            migrate(self._writer, workspace_id)
        except apsw.Error as error:
            raise UnusableDatabase(f"{self.path} can't be opened: {error}") from error
        self.secret: bytes = _value(self._writer, "SELECT secret FROM installation")

    def _connect(self, cache_kib: int) -> apsw.Connection:
        connection = apsw.Connection(str(self.path), statementcachesize=200)
        connection.set_busy_timeout(_BUSY_MS)
        # SQLite's own lower() knows ASCII only.
        connection.create_scalar_function("casefold", _casefold, 1, deterministic=True)
        # What is erased is overwritten, not only unlinked.
        for pragma in (
            "secure_delete = ON",
            "synchronous = FULL",
            f"cache_size = -{cache_kib}",
            f"wal_autocheckpoint = {_WAL_PAGES}",
        ):
            connection.execute(f"PRAGMA {pragma}")
        return connection

    @contextmanager
    def snapshot(self) -> Iterator[SqliteAudit]:
        connection = self._readers.pop() if self._readers else self._connect(_READER_CACHE_KIB)
        connection.execute("BEGIN")
        try:
            yield SqliteAudit(connection, self.secret)
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
            if isinstance(error, apsw.IOError):
                # A sync that failed leaves a whole transaction in the write-ahead log. Another one that is written there
                # replaces it; a restart before that finds it, and it counts.
                raise InDoubt("the disk failed during a commit") from error
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

    def scrub(self) -> str | None:
        """Moves the write-ahead log, which still holds what was erased, into the file and empties it."""
        with self._write_lock:
            self._writer.set_busy_timeout(0)
            try:
                busy = _value(self._writer, "PRAGMA wal_checkpoint(TRUNCATE)")
            except apsw.BusyError:
                busy = True
            finally:
                self._writer.set_busy_timeout(_BUSY_MS)
        return "The write-ahead log is in use: it holds old bytes until the server writes it back" if busy else None

    def lease(self, name: str) -> Lease:
        return SoleServer()

    def close(self) -> None:
        for connection in [*self._readers, self._writer]:
            connection.close()


def migrate(connection: apsw.Connection, workspace_id: str | None = None) -> None:
    """Brings the schema up to date, in one transaction; refuses a file that a newer or altered version wrote."""
    folder = resources.files(__package__).joinpath("migrations")
    known = sorted((file for file in folder.iterdir() if file.name.endswith(".sql")), key=lambda file: file.name)
    with connection:
        connection.execute(
            "CREATE TABLE IF NOT EXISTS migration (name TEXT PRIMARY KEY, checksum BLOB NOT NULL) WITHOUT ROWID"
        )
        applied: dict[str, bytes] = dict(_rows(connection, "SELECT name, checksum FROM migration ORDER BY name"))
        for name in applied.keys() - {file.name for file in known}:
            raise UnusableDatabase(
                f"the database has migration {name}, which this version does not know: use a newer one"
            )
        for file in known:
            text = file.read_text("utf-8")
            checksum = sha256(text.encode()).digest()
            if file.name not in applied:
                connection.execute(text)
                connection.execute("INSERT INTO migration VALUES (?, ?)", (file.name, checksum))
            elif applied[file.name] != checksum:
                raise UnusableDatabase(f"migration {file.name} is not the one that made this database")
        if _value(connection, "SELECT count(*) FROM installation") == 0:
            _found(connection, workspace_id or f"wsp_{secrets.token_hex(8)}")


def _rows(connection: apsw.Connection, sql: str) -> list[Any]:
    return connection.execute(sql).fetchall()


def _value(connection: apsw.Connection, sql: str) -> Any:
    return _rows(connection, sql)[0][0]


def _found(connection: apsw.Connection, workspace_id: str) -> None:
    """The first rows: an installation secret, a workspace, its two environments and their logs."""
    connection.execute(
        "INSERT INTO installation VALUES (1, ?, ?, CAST(unixepoch('subsec') * 1000000 AS INTEGER))",
        (secrets.token_bytes(32), workspace_id),
    )
    for number, name in enumerate(("sandbox", "production"), 1):
        connection.execute("INSERT INTO environment VALUES (?, ?, ?, ?, NULL)", (number, workspace_id, name, number))
        connection.execute(
            "INSERT INTO log (id, environment_id, origin, blinding_key) VALUES (?, ?, ?, ?)",
            (number, number, f"pacspace.log/{name}/{secrets.token_hex(16)}", secrets.token_bytes(32)),
        )
