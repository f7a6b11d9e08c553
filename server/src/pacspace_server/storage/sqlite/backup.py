"""Backup and restore of the file, by SQLite's own copying of pages: a backup is an ordinary database."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import Any

import apsw

from ..model.backups import UnusableBackup, sync_folder, whole_file
from ..model.protocols import UnusableDatabase
from ..model.records import Shown
from .migrating import missing_migrations

PAGES = 1_000


def copy_database(source: apsw.Connection, file: Path, shown: Shown) -> None:
    """Copies what the source's read transaction sees, so that writes to the database don't restart the copy."""
    total: Any = source.execute("PRAGMA page_count").fetchall()[0][0]
    with whole_file(file) as temporary:
        target = apsw.Connection(str(temporary))
        try:
            with target.backup("main", source, "main") as copying, shown(total, "pages") as advance:
                while not copying.done:
                    copying.step(PAGES)
                    advance(min(PAGES, total))
            # Complete in one file, so that it can be moved.
            target.execute("PRAGMA journal_mode = DELETE")
        finally:
            target.close()


def check(file: Path) -> None:
    """Raises UnusableBackup unless the file is a sound record of this version or an earlier one."""
    try:
        connection = apsw.Connection(str(file), flags=apsw.SQLITE_OPEN_READONLY)
        try:
            # If the last page belongs to an empty table, SQLite does not notice that a part of it is missing.
            if file.stat().st_size % int(connection.pragma("page_size")):
                raise UnusableBackup(f"{file} is damaged: its last page is incomplete")
            problems = [row[0] for row in connection.execute("PRAGMA quick_check(20)")]
            if problems != ["ok"]:
                raise UnusableBackup(f"{file} is damaged: {'; '.join(problems)}")
            missing_migrations(connection)
            if not connection.execute("SELECT count(*) FROM installation").fetchall()[0][0]:
                raise UnusableBackup(f"{file} does not hold a record")
        finally:
            connection.close()
    except apsw.Error as error:
        raise UnusableBackup(f"{file} is not a record, or is damaged: {error}") from error
    except UnusableDatabase as error:
        raise UnusableBackup(f"{file}: {error}") from error


def restore(file: Path, path: Path, shown: Shown) -> Path | None:
    """Replaces a database by a checked backup. Moves the old file aside, without deleting it; returns its new path."""
    source = apsw.Connection(str(file), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        source.execute("BEGIN").execute("SELECT 1 FROM installation").fetchall()
        arriving = path.with_name(path.name + ".restoring")
        copy_database(source, arriving, shown)
    finally:
        source.close()
    aside = _move_aside(path)
    # After a crash here, the copy is `.restoring` and the old record is aside: another restore does all of it again.
    arriving.rename(path)
    sync_folder(path.parent)
    return aside


def _write_back(path: Path) -> None:
    """Moves the write-ahead log, which is part of the record, into the file, so that one rename moves all of it."""
    with contextlib.suppress(apsw.Error):  # a broken file is moved as it is
        connection = apsw.Connection(str(path))
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        connection.close()


def _move_aside(path: Path) -> Path | None:
    """Moves the file and its companions: a write-ahead log left behind would be replayed into the next file."""
    if not any(path.with_name(path.name + suffix).exists() for suffix in ("", "-wal", "-shm")):
        return None
    if path.exists():
        _write_back(path)
    aside = path.with_name(f"{path.name}.replaced-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}")
    for suffix in ("-wal", "-shm", ""):
        old = path.with_name(path.name + suffix)
        if old.exists():
            # The write-ahead log goes first: it belongs to the file with its name.
            old.rename(aside.with_name(aside.name + suffix))
    sync_folder(path.parent)
    return aside
