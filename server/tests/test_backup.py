"""Backups: one consistent state, whole or not at all, and what a restore refuses."""

from __future__ import annotations

import json
import shutil
import threading
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import apsw
import pytest
from testkit.cluster import APPLICATION, shared_cluster
from testkit.inside.book import SANDBOX, Book
from testkit.inside.engines import BOTH, Engine, PostgresEngine, SqliteEngine, unseen

from pacspace_server.config import Database
from pacspace_server.process.engines import check_backup
from pacspace_server.service.proving.fsck import fsck
from pacspace_server.storage import postgres, sqlite
from pacspace_server.storage.model.backups import UnusableBackup
from pacspace_server.storage.model.protocols import UnusableDatabase
from pacspace_server.storage.postgres import migrating
from pacspace_server.storage.postgres.backup import NOT_IN_IT, TABLES, _write_table
from pacspace_server.storage.postgres.connecting import connect
from pacspace_server.storage.sqlite import backup as sqlite_backup
from pacspace_server.storage.sqlite import migrating as sqlite_migrating


def empty_engine(engine: Engine, folder: Path) -> Engine:
    """A place for a record that has none yet."""
    folder.mkdir()
    if isinstance(engine, PostgresEngine):
        return PostgresEngine(engine.cluster, engine.cluster.new_database())
    return SqliteEngine(folder)


def restore(engine: Engine, file: Path, folder: Path, fencing: dict[int, int] | None = None) -> Engine:
    target = empty_engine(engine, folder)
    if isinstance(target, PostgresEngine):
        manifest = postgres.check(file)
        postgres.restore(file, manifest, target.owner_url, APPLICATION, fencing or {}, unseen)
    else:
        sqlite.check(file)
        assert isinstance(target, SqliteEngine)
        assert sqlite.restore(file, target.path, unseen) is None
    return target


@BOTH
def test_a_backup_restores_to_the_same_record(story: Book, tmp_path: Path) -> None:
    """Every delta, lock, key and log entry is there again, byte for byte, and the log goes on under the same key."""
    file = tmp_path / "backup"
    held = story.storage.back_up(file, unseen)
    assert (held.customers, held.deltas) == (2, 7)
    assert file.stat().st_mode & 0o777 == 0o600
    book = Book(story.folder, restore(story.engine, file, tmp_path / "restored"))
    found = fsck(book.storage, book.signer)
    assert (found.problems, found.deltas) == ([], 7)
    assert book.emit("cust_a", -1_500_000_000, reference="r1", metadata='{"a":1}', key="k1").replayed == "key"
    book.emit("cust_a", -1_000_000_000)
    book.integrate()
    assert book.integrator.refusals == {}
    assert fsck(book.storage, book.signer).problems == []
    book.close()


@BOTH
def test_a_backup_beside_writers_is_one_state(story: Book, tmp_path: Path) -> None:
    """While deltas are recorded and integrated, a backup has all that were acknowledged before it began, and is sound."""
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            story.emit("cust_b", -1_000_000_000)
            story.integrate()

    writer = threading.Thread(target=work)
    before = [story.emit("cust_a", -1_000_000_000).delta.record_id for _ in range(20)]
    writer.start()
    try:
        files = [tmp_path / f"backup{number}" for number in range(3)]
        for file in files:
            story.storage.back_up(file, unseen)
    finally:
        stop.set()
        writer.join()
    for number, file in enumerate(files):
        # The folder's record is newer than the backup, so that its log does not go on: only what is stored is looked at.
        engine = restore(story.engine, file, tmp_path / f"restored{number}")
        storage = engine.open()
        (tmp_path / f"none{number}").mkdir()
        found = [p for p in fsck(storage, story.signer).problems if "last-signed record" not in p]
        assert found == []
        with storage.snapshot() as snapshot:
            customer = snapshot.customer(SANDBOX, story.shard("cust_a"))
            assert customer is not None
            stored = {delta.record_id for delta in snapshot.deltas_by_sequence(customer, 1, 10**6)}
        assert stored >= set(before)
        storage.close()
        engine.close()


def test_a_writer_does_not_make_a_backup_start_over(
    story: Book, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite's copying sees the state of its own read transaction: what is committed between two steps changes nothing."""
    monkeypatch.setattr(sqlite_backup, "PAGES", 5)
    steps = 0

    @contextmanager
    def writing(total: int, things: str) -> Iterator[Callable[[int], None]]:
        def advance(done: int) -> None:
            nonlocal steps
            steps += 1
            story.emit("cust_b", -1_000_000_000)

        yield advance
        assert steps <= total // 5 + 1

    story.storage.back_up(tmp_path / "backup", writing)
    assert steps > 5
    connection = apsw.Connection(str(tmp_path / "backup"))
    assert connection.execute("SELECT count(*) FROM delta").fetchall() == [(7,)]
    connection.close()


@BOTH
def test_a_backup_that_fails_leaves_nothing(story: Book, tmp_path: Path) -> None:
    """When the disk is full half way, neither the file nor a part of it is there, and an older file is as it was."""

    @contextmanager
    def full(total: int, things: str) -> Iterator[Callable[[int], None]]:
        raise OSError("no space left")
        yield

    file = tmp_path / "out" / "backup"
    file.parent.mkdir()
    file.write_text("older")
    with pytest.raises(OSError, match="no space"):
        story.storage.back_up(file, full)
    assert [(path.name, path.read_text()) for path in file.parent.iterdir()] == [("backup", "older")]


def test_every_table_is_backed_up() -> None:
    """A table that is added to the PostgreSQL schema has its place in the backup, or a reason to have none."""
    engine = PostgresEngine()
    found = {row[0] for row in engine.sql("SELECT tablename::text FROM pg_tables WHERE schemaname = 'pacspace'")}
    engine.close()
    assert found == {*TABLES, *NOT_IN_IT}


@pytest.mark.parametrize("engine", ["postgres"], indirect=True)
def test_a_changed_backup_is_refused(story: Book, tmp_path: Path) -> None:
    """Bytes of a PostgreSQL backup that were changed are found before the database is touched; so is a part of one."""
    file = tmp_path / "backup"
    story.storage.back_up(file, unseen)
    data = file.read_bytes()
    with zipfile.ZipFile(file) as archive:
        entry = archive.getinfo("table/delta")
    middle = entry.header_offset + 100
    for changed in (
        data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :],
        data[:-100],
        data[: len(data) // 2],
        b"",
    ):
        file.write_bytes(changed)
        with pytest.raises(UnusableBackup):
            postgres.check(file)


def test_a_torn_sqlite_backup_is_refused(story: Book, tmp_path: Path) -> None:
    """A SQLite backup with an overwritten page, or cut short, is no backup."""
    file = tmp_path / "backup"
    story.storage.back_up(file, unseen)
    data = file.read_bytes()
    for changed in (data[: 4096 * 9] + bytes(4096) + data[4096 * 10 :], data[: len(data) // 2], b"nothing"):
        file.write_bytes(changed)
        with pytest.raises(UnusableBackup):
            sqlite.check(file)


def test_what_is_no_backup_is_told_so(tmp_path: Path) -> None:
    """An empty or foreign file is no backup of any engine; a backup of the other engine is one."""
    file, sqlite_record, postgres_record = (
        tmp_path / "file",
        Database("", tmp_path / "x.db"),
        Database("postgresql:///x", None),
    )
    for data in (b"", b"nothing", b"SQLite format 2"):
        file.write_bytes(data)
        for record in (sqlite_record, postgres_record):
            with pytest.raises(
                UnusableBackup, match="is not a backup, neither a SQLite record nor an archive of a PostgreSQL one"
            ):
                check_backup(file, record)
    file.write_bytes(b"PK\3\4")
    with pytest.raises(UnusableBackup, match=r"is a backup of a PostgreSQL record; .* is another kind"):
        check_backup(file, sqlite_record)
    file.write_bytes(b"SQLite format 3\0")
    with pytest.raises(UnusableBackup, match=r"is a backup of a SQLite record; .* is another kind"):
        check_backup(file, postgres_record)


@BOTH
def test_a_newer_schema_is_refused(story: Book, tmp_path: Path) -> None:
    """A backup of a later version is refused in words."""
    file, room = tmp_path / "backup", postgres if isinstance(story.engine, PostgresEngine) else sqlite
    name = "0099_future.sql"
    story.engine.sql("INSERT INTO migration VALUES (?, ?)", (name, b""))
    story.storage.back_up(file, unseen)
    with pytest.raises(UnusableBackup, match=f"{name}.*use a newer one"):
        room.check(file)
    story.engine.sql("DELETE FROM migration WHERE name = ?", (name,))


def test_an_older_sqlite_backup_is_brought_up_to_date(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A backup of an earlier version becomes a record of this one."""
    file, known = tmp_path / "older", sqlite_migrating.known_migrations()
    connection = apsw.Connection(str(file))
    with monkeypatch.context() as earlier:
        earlier.setattr(sqlite_migrating, "known_migrations", lambda: known[:4])
        sqlite_migrating.migrate(connection)
    connection.close()
    sqlite.check(file)
    (tmp_path / "new").mkdir()
    assert sqlite.restore(file, tmp_path / "new" / "record.db", unseen) is None
    book = Book(tmp_path / "new")
    book.emit("cust", -1)
    book.integrate()
    assert fsck(book.storage, book.signer).problems == []
    book.close()


LATER = {"replaced_tree", "workspace", "user_account", "membership", "audit_entry"}  # tables of later versions


def test_an_older_postgresql_backup_is_brought_up_to_date(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tables are made as they were, filled, and then migrated."""
    older, known = PostgresEngine(shared_cluster(), shared_cluster().new_database()), migrating.known_migrations()
    with monkeypatch.context() as earlier:
        earlier.setattr(migrating, "known_migrations", lambda: known[:2])
        earlier.setattr(migrating, "_grant", lambda connection, role: None)
        postgres.migrate(older.owner_url)
    file = tmp_path / "older"
    with connect(older.owner_url) as connection, zipfile.ZipFile(file, "w") as archive:
        found = connection.execute("SELECT tablename::text FROM pg_tables WHERE schemaname = 'pacspace'").fetchall()
        tables = [_write_table(connection, archive, name, lambda done: None) for name in TABLES if (name,) in found]
        rows = connection.execute("SELECT name, checksum FROM migration WHERE name <> ''").fetchall()
        manifest: dict[str, Any] = {
            "format": "pacspace-backup.v1", "migrations": [[name, checksum.hex()] for name, checksum in rows],
            "tables": tables, "leases": [], "logs": [], "customers": 0, "deltas": 0,
        }  # fmt: skip
        archive.writestr("manifest.json", json.dumps(manifest))
    (tmp_path / "folder").mkdir()
    book = Book(tmp_path / "folder", restore(older, file, tmp_path / "restored"))
    book.emit("cust", -1)
    book.integrate()
    assert fsck(book.storage, book.signer).problems == []
    book.close()


@pytest.mark.parametrize("engine", ["postgres"], indirect=True)
def test_a_postgresql_record_is_never_overwritten(story: Book, tmp_path: Path) -> None:
    """A database that holds a record refuses a restore and says what to do; a role that may not make a schema is told."""
    file = tmp_path / "backup"
    story.storage.back_up(file, unseen)
    manifest = postgres.check(file)
    assert isinstance(story.engine, PostgresEngine)
    with pytest.raises(UnusableDatabase, match="CREATE DATABASE"):
        postgres.restore(file, manifest, story.engine.owner_url, APPLICATION, {}, unseen)
    empty = PostgresEngine(story.engine.cluster, story.engine.cluster.new_database())
    with pytest.raises(UnusableDatabase, match="only the owner can restore"):
        postgres.restore(file, manifest, empty.url, None, {}, unseen)


@pytest.mark.parametrize("engine", ["postgres"], indirect=True)
def test_a_restore_cut_short_can_be_repeated(story: Book, tmp_path: Path) -> None:
    """What was restored half way is not there, and the same command does it."""
    file = tmp_path / "backup"
    story.storage.back_up(file, unseen)
    manifest = postgres.check(file)
    assert isinstance(story.engine, PostgresEngine)
    target = PostgresEngine(story.engine.cluster, story.engine.cluster.new_database())

    @contextmanager
    def cut(total: int, things: str) -> Iterator[Callable[[int], None]]:
        def advance(done: int) -> None:
            raise KeyboardInterrupt

        yield advance

    with pytest.raises(KeyboardInterrupt):
        postgres.restore(file, manifest, target.owner_url, APPLICATION, {}, cut)
    postgres.restore(file, manifest, target.owner_url, APPLICATION, {}, unseen)
    storage = target.open()
    assert fsck(storage, story.signer).problems == []
    storage.close()
    target.close()


@pytest.mark.parametrize("engine", ["postgres"], indirect=True)
def test_a_newer_fencing_number_does_not_block_a_restored_record(story: Book, tmp_path: Path) -> None:
    """A backup that is not behind is signed for, although leases were taken anew after it was made."""
    file = tmp_path / "backup"
    story.storage.back_up(file, unseen)
    with story.storage.snapshot() as snapshot:
        log = snapshot.log(1)
    last = story.signer.last_signed(log.origin)
    assert last is not None
    # The same state was signed again by a later holder of the lease.
    story.signer.sign(log.origin, last.size, last.root, last.fencing + 7, lambda size: last.root)
    engine = restore(story.engine, file, tmp_path / "restored", {SANDBOX: last.fencing + 7})
    book = Book(story.folder, engine)
    book.emit("cust_a", -1_000_000_000)
    book.integrate()
    assert book.integrator.refusals == {}
    newest: Any = book.signer.last_signed(log.origin)
    assert newest.size > last.size and newest.fencing > last.fencing + 7
    book.close()


def test_what_was_there_is_moved_aside_with_its_write_ahead_log(story: Book, tmp_path: Path) -> None:
    """A record that a restore replaces can be opened where it was moved to, with its newest deltas."""
    file = tmp_path / "backup"
    story.storage.back_up(file, unseen)
    folder = tmp_path / "there"
    folder.mkdir()
    other = Book(folder)
    other.emit("newest", -1)
    # As a killed server leaves it: what was committed last is in the write-ahead log.
    for suffix in ("", "-wal"):
        (folder / f"left.db{suffix}").write_bytes(other.path.with_name(other.path.name + suffix).read_bytes())
    other.close()
    aside = sqlite.restore(file, folder / "left.db", unseen)
    assert aside is not None and aside.name.startswith("left.db.replaced-")
    connection = apsw.Connection(str(aside))
    assert connection.execute("SELECT count(*) FROM delta").fetchall() == [(1,)]
    connection.close()
    assert sqlite.SqliteStorage(folder / "left.db").secret == story.storage.secret


@pytest.mark.parametrize("lost", [False, True])
def test_a_write_ahead_log_is_never_left_beside_a_restored_file(story: Book, tmp_path: Path, lost: bool) -> None:
    """What a killed server left beside its file, or instead of it, is no part of the record that is restored; with its file it
    is moved aside as one record."""
    file = tmp_path / "backup"
    story.storage.back_up(file, unseen)
    story.emit("cust_b", -1_000_000_000)  # is in the write-ahead log only
    place = tmp_path / "place"
    place.mkdir()
    for suffix in ("", "-wal"):
        shutil.copy(f"{story.path}{suffix}", place / f"record.db{suffix}")
    if lost:
        (place / "record.db").unlink()
    aside = sqlite.restore(file, place / "record.db", unseen)
    assert aside is not None
    assert not (place / "record.db-wal").exists()
    counted = "SELECT count(*) FROM delta"
    assert apsw.Connection(str(place / "record.db")).execute(counted).fetchall() == [(7,)]
    if not lost:
        assert not aside.with_name(aside.name + "-wal").exists()
        assert apsw.Connection(str(aside)).execute(counted).fetchall() == [(8,)]
