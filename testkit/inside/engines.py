"""The storage engines as tests see them: opened, copied, made to fail, and tampered with behind the server's back."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol

import apsw
import psycopg
import pytest

from pacspace_server.storage.model.protocols import Audit, Storage
from pacspace_server.storage.postgres import PostgresStorage, migrate
from pacspace_server.storage.postgres.audit import PostgresAudit
from pacspace_server.storage.sqlite import SqliteStorage
from pacspace_server.storage.sqlite.audit import SqliteAudit
from pacspace_server.storage.sqlite.migrating import SqliteResealing
from testkit.cluster import APPLICATION, NEWEST, OWNER, Cluster, shared_cluster

# Of PostgreSQL the oldest version and, in `make check`, the newest.
ENGINES = ["sqlite", "postgres", pytest.param(f"postgres-{NEWEST}", marks=pytest.mark.newest)]
BOTH = pytest.mark.parametrize("engine", ENGINES, indirect=True)


class Undone:
    """What a transaction that is never committed sees, as a storage to read; and its statements."""

    def __init__(self, audit: Audit, sql: Callable[[str, tuple[Any, ...]], list[Any]]) -> None:
        self.audit, self.sql = audit, sql

    @contextmanager
    def snapshot(self, checked: bool = True) -> Iterator[Audit]:
        self.audit.checks = checked
        yield self.audit

    def write(self, work: Any) -> None:
        """Does nothing: fsck clears damaged months of a clean record, and here are none."""


class Engine(Protocol):
    """One record on one engine. `keys` has the primary key of each table of the record."""

    broken_rule: type[Exception]  # what a constraint raises
    out_of_range: type[Exception]  # what a value raises that its column can't hold
    keys: dict[str, str]
    unconfirmed: set[tuple[str, str]]
    full: Exception  # what a full disk raises
    leaves: list[tuple[str, str]]  # where opening and closing leaves are

    def open(self) -> Storage: ...
    def open_as_owner(self) -> Storage: ...
    def open_without_room_for(self, customer: bytes) -> Any: ...
    def copy(self, folder: Path) -> Engine:
        """The record as it is now; nobody may have it open."""
        ...

    def sql(self, text: str, values: tuple[Any, ...] = ()) -> list[Any]:
        """A statement with ? for values, past all constraints that can be passed."""
        ...

    @contextmanager
    def undone(self, secret: bytes) -> Iterator[Undone]:
        """A transaction that is rolled back at the end."""
        ...

    def columns(self, table: str) -> list[str]: ...
    def amount(self, units: int) -> Any: ...
    def close(self) -> None: ...


class NoRoom:
    """A storage whose disk has no room for one customer."""

    guilty = b""
    full: Exception

    def commit(self, unit: Any) -> None:
        if self.guilty in unit._customers:
            self.roll_back(unit)  # type: ignore[attr-defined]
            raise self.full
        super().commit(unit)  # type: ignore[misc]


SQLITE_FULL = apsw.FullError("database or disk is full")
POSTGRES_FULL = psycopg.errors.DiskFull("could not extend file")


class NoRoomOnSqlite(NoRoom, SqliteStorage):
    full = SQLITE_FULL


class NoRoomOnPostgres(NoRoom, PostgresStorage):
    full = POSTGRES_FULL


class SqliteEngine:
    """A file."""

    broken_rule, out_of_range, full = apsw.ConstraintError, apsw.MismatchError, SQLITE_FULL
    keys = {
        "day_total": "customer, day", "proof_root": "root", "idempotency": "key_hash", "log_entry": "log_id, entry_index",
        "log_checkpoint": "log_id, size", "closed_slot": "log_id, slot", "log_node": "log_id, level, node_index",
        "replaced_tree": "customer, period, origin",
        # Their integer primary key is the row number itself.
        "delta": "id", "period_head": "id", "checkpoint": "id", "customer": "id", "log": "id",
    }  # fmt: skip
    # What is no record. A clean fsck clears the mark of a month that is wrongly marked as damaged. A delta's row
    # number is where it lies in the file; what refers to it is sealed.
    unconfirmed = {("period_head", "frozen"), ("delta", "id")}
    leaves = [("period_head", "opening"), ("period_head", "closing")]

    def __init__(self, folder: Path) -> None:
        self.path = folder / "record.db"
        self._tamper: apsw.Connection | None = None

    def open(self) -> SqliteStorage:
        return SqliteStorage(self.path)

    open_as_owner = open

    def open_without_room_for(self, customer: bytes) -> NoRoomOnSqlite:
        storage = NoRoomOnSqlite(self.path)
        storage.guilty = customer
        return storage

    def copy(self, folder: Path) -> SqliteEngine:
        self.close()
        shutil.copy(self.path, folder / "record.db")
        return SqliteEngine(folder)

    def sql(self, text: str, values: tuple[Any, ...] = ()) -> list[Any]:
        if self._tamper is None:
            self._tamper = apsw.Connection(str(self.path))
        return self._tamper.execute(text, values).fetchall()

    @contextmanager
    def undone(self, secret: bytes) -> Iterator[Undone]:
        self.sql("BEGIN")
        assert self._tamper is not None
        try:
            yield Undone(SqliteAudit(self._tamper, secret), self.sql)
        finally:
            self.sql("ROLLBACK")

    def columns(self, table: str) -> list[str]:
        return [row[1] for row in self.sql(f"PRAGMA table_info({table})")]

    def amount(self, units: int) -> int:
        return units

    def close(self) -> None:
        if self._tamper is not None:
            self._tamper.close()
            self._tamper = None


class PostgresEngine:
    """A database on the tests' own server; the record is opened as the role that may only add to it."""

    broken_rule, out_of_range, full = psycopg.IntegrityError, psycopg.DataError, POSTGRES_FULL
    keys = {
        "customer": "shard_key", "leaf": "shard_key, period, closing", "period_head": "shard_key, period",
        "integrated_head": "shard_key, period", "day_total": "shard_key, day", "delta": "shard_key, sequence",
        "checkpoint": "shard_key, number", "proof_root": "root", "idempotency": "shard_key, key_hash",
        "log_entry": "log_id, entry_index", "log_checkpoint": "log_id, size", "closed_slot": "log_id, slot",
        "log_node": "log_id, level, node_index", "log": "id", "replaced_tree": "shard_key, period, origin",
    }  # fmt: skip
    unconfirmed = {("integrated_head", "frozen")}
    leaves = [("leaf", "leaf")]

    def __init__(self, cluster: Cluster | None = None, database: str | None = None) -> None:
        self.cluster = cluster or shared_cluster()
        self.database = database or self.cluster.new_database()
        self.owner_url, self.url = self.cluster.url(self.database, OWNER), self.cluster.url(self.database)
        self._tamper: psycopg.Connection[Any] | None = None
        if database is None:
            migrate(self.owner_url, APPLICATION)

    def open(self) -> PostgresStorage:
        return PostgresStorage(self.url)

    def open_as_owner(self) -> PostgresStorage:
        return PostgresStorage(self.owner_url)

    def open_without_room_for(self, customer: bytes) -> NoRoomOnPostgres:
        storage = NoRoomOnPostgres(self.url)
        storage.guilty = customer
        return storage

    def copy(self, folder: Path) -> PostgresEngine:
        self.close()
        name = f"{self.database}_copy"
        self.cluster.sql("postgres", f"CREATE DATABASE {name} TEMPLATE {self.database} OWNER {OWNER}")
        return PostgresEngine(self.cluster, name)

    def sql(self, text: str, values: tuple[Any, ...] = ()) -> list[Any]:
        if self._tamper is None:
            self._tamper = psycopg.connect(self.cluster.url(self.database, "admin"), autocommit=True)
            self._tamper.execute("SET search_path = pacspace; SET session_replication_role = replica")
        cursor = self._tamper.execute(text.replace("?", "%s"), values)
        return cursor.fetchall() if cursor.description else []

    @contextmanager
    def undone(self, secret: bytes) -> Iterator[Undone]:
        self.sql("BEGIN")
        assert self._tamper is not None
        try:
            yield Undone(PostgresAudit(self._tamper, secret), self.sql)
        finally:
            self.sql("ROLLBACK")

    def columns(self, table: str) -> list[str]:
        rows = self.sql(
            "SELECT column_name::text FROM information_schema.columns WHERE table_name = ? ORDER BY ordinal_position",
            (table,),
        )
        return [row[0] for row in rows]

    def amount(self, units: int) -> Decimal:
        return Decimal(units).scaleb(-9)

    def close(self) -> None:
        if self._tamper is not None:
            self._tamper.close()
            self._tamper = None


@contextmanager
def unseen(total: int, things: str) -> Iterator[Callable[[int], None]]:
    """Progress that nobody is shown."""
    yield lambda done: None


def changed(value: Any) -> Any:
    """The value with its last bit flipped, or its last digit."""
    if isinstance(value, bytes):
        return value[:-1] + bytes([value[-1] ^ 1]) if value else b"\x01"
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value ^ 1
    if isinstance(value, Decimal):
        return value + Decimal("1e-9")
    flipped = value.encode()[:-1] + bytes([value.encode()[-1] ^ 1])
    return flipped.decode()


def seal_again(path: Path) -> None:
    """Gives each row of a file the seal of what it holds now."""
    with closing(apsw.Connection(str(path))) as connection, connection:
        connection.set_busy_timeout(10_000)
        secret: Any = connection.execute("SELECT secret FROM installation").fetchall()[0][0]
        SqliteResealing(connection, secret).seal_all()
