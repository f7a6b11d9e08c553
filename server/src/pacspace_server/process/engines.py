"""Chooses the engine of a database, for work on it as a whole. Small, because a second process starts with it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..storage import sqlite
from ..storage.model.backups import UnusableBackup
from ..storage.model.protocols import Storage, UnusableDatabase
from ..storage.model.records import Shown

if TYPE_CHECKING:
    from ..config import Database
    from ..log.signer import Signer

SQLITE_MAGIC, ZIP_MAGIC = b"SQLite format 3\0", b"PK"


def open_storage(database: Database, create: bool = True, alone: bool = False) -> Storage:
    """`create` is for a file; `migrate` creates a PostgreSQL record. `alone`: the caller keeps other servers away."""
    if database.path is not None:
        _need_folder(database.path)
        return sqlite.SqliteStorage(database.path, create, alone=alone)
    with _psycopg():
        from ..storage.postgres import PostgresStorage
    return PostgresStorage(database.url)


def migrate_postgres(database: Database, role: str | None = None) -> list[str]:
    """Migrates a PostgreSQL database; returns the applied migrations."""
    with _psycopg():
        from ..storage.postgres import migrate
    return migrate(database.url, role)


class AlreadyServed(Exception):
    """Another process serves this database or uses this port."""


@contextmanager
def exclusive(database: Database) -> Iterator[None]:
    """One server process per SQLite file; PostgreSQL takes any number."""
    if database.path is None:
        yield
        return
    _need_folder(database.path)
    with ExitStack() as stack:
        try:
            stack.enter_context(sqlite.sole_process(database.path))
        except BlockingIOError as error:
            message = (
                f"another process serves {database}, and SQLite takes one server process: "
                "stop it, or name another --database"
            )
            raise AlreadyServed(message) from error
        yield


def check_backup(file: Path, database: Database) -> Any:
    """Reads a whole backup of the database's engine; returns what the restore needs. Raises UnusableBackup."""
    with file.open("rb") as opened:
        head = opened.read(len(SQLITE_MAGIC))
    is_sqlite = head == SQLITE_MAGIC
    if not is_sqlite and not head.startswith(ZIP_MAGIC):
        raise UnusableBackup(f"{file} is not a backup, neither a SQLite record nor an archive of a PostgreSQL one")
    if is_sqlite != (database.path is not None):
        kind = "SQLite" if is_sqlite else "PostgreSQL"
        raise UnusableBackup(f"{file} is a backup of a {kind} record; {database} is another kind of database")
    if is_sqlite:
        return sqlite.check(file)
    with _psycopg():
        from ..storage import postgres
    return postgres.check(file)


def restore_postgres(
    file: Path, manifest: Any, database: Database, role: str | None, signer: Signer, shown: Shown
) -> None:
    """Restores into an empty database; its leases continue above the last fencing numbers in the signing folder."""
    with _psycopg():
        from ..storage import postgres
    signed = {log.environment_id: signer.last_signed(log.origin) for log in postgres.logs_of(manifest)}
    fencing = {environment: last.fencing for environment, last in signed.items() if last is not None}
    postgres.restore(file, manifest, database.url, role, fencing, shown)


def restore_sqlite(file: Path, path: Path, shown: Shown) -> Path | None:
    """Restores the file and moves an existing one aside; returns its new path."""
    return sqlite.restore(file, path, shown)


@contextmanager
def _psycopg() -> Iterator[None]:
    """Explains a missing driver, which is an optional extra to keep small installations small."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise UnusableDatabase("PostgreSQL needs psycopg: install pacspace-server[postgres]") from error


def _need_folder(database: Path) -> None:
    """Refuses a folder that does not exist: a mistyped path must not become a new, empty record."""
    if not database.parent.is_dir():
        raise UnusableDatabase(f"the folder {database.parent} does not exist: create it, or name another --database")
