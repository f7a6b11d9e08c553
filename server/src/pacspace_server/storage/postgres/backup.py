"""Backup and restore through the connection alone: one snapshot of every table, in one file.

The file is a ZIP archive, so that any machine can read it and each entry has a CRC:

    table/<name>    one for each table, in the order in which they can be filled: PostgreSQL's COPY text format, UTF-8
    manifest.json   last: {"format": "pacspace-backup.v1", "createdAt", "migrations": [[name, SHA-256 in hex]],
                    "tables": [{"name", "columns", "rows", "sha256"}], "leases": [[name, fencing number]],
                    "logs": [{"environment_id", "environment", "origin", "size", "published_size", "root"}],
                    "customers", "deltas"}

A table's SHA-256 is over its entry before compression. Keys of the signing folder and holders of leases are not in it.
"""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from ...domain.instants import instant_text
from ..model.backups import UnusableBackup, contents, whole_file
from ..model.protocols import UnusableDatabase
from ..model.records import Backup, BackupLog, Shown
from .audit import PostgresAudit
from .connecting import SCHEMA, Connection, connect
from .migrating import apply_migrations, known_migrations, lock_migrations, set_up

FORMAT, MANIFEST = "pacspace-backup.v1", "manifest.json"
# In the order that foreign keys need. `migration` is in the manifest; leases start again.
TABLES = (
    "installation", "workspace", "environment", "api_key", "user_account", "membership", "audit_entry", "log",
    "log_entry", "log_node", "closed_slot", "log_checkpoint", "customer", "leaf", "period_head", "integrated_head",
    "changed_head", "day_total", "delta", "replaced_tree", "retention", "checkpoint", "proof_root", "idempotency",
    "profile", "job", "job_key", "job_failure", "link", "note", "visit", "endpoint", "feed", "outbox", "delivery",
)  # fmt: skip
NOT_IN_IT = ("migration", "lease", "lockout", "sender", "session", "one_time_link")
LEVEL, CHUNK_BYTES = 3, 1 << 20
Advance = Callable[[int], None]


def back_up(audit: PostgresAudit, file: Path, shown: Shown, at_us: int) -> Backup:
    """Streams every table of the audit's snapshot into the file."""
    connection = audit.connection
    connection.execute("SET LOCAL statement_timeout = 0")
    held = contents(audit)
    with (
        whole_file(file) as temporary,
        zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED, compresslevel=LEVEL) as archive,
    ):
        with shown(held.deltas, "deltas") as advance:
            tables = [_write_table(connection, archive, name, advance) for name in TABLES]
        migrations = connection.execute(
            "SELECT name, checksum FROM migration WHERE name <> '' ORDER BY name"
        ).fetchall()
        leases = connection.execute("SELECT name, fencing FROM lease ORDER BY name").fetchall()
        manifest = {
            "format": FORMAT,
            "createdAt": instant_text(at_us),
            "customers": held.customers,
            "deltas": held.deltas,
            "migrations": [[name, checksum.hex()] for name, checksum in migrations],
            "tables": tables,
            "leases": leases,
            "logs": [asdict(log) | {"root": log.root.hex()} for log in held.logs],
        }
        archive.writestr(MANIFEST, json.dumps(manifest, indent=1))
    return held


def _write_table(connection: Connection, archive: zipfile.ZipFile, name: str, advance: Advance) -> dict[str, Any]:
    rows = connection.execute(
        "SELECT attname::text FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped "
        "ORDER BY attnum",
        (f"{SCHEMA}.{name}",),
    ).fetchall()
    columns = [row[0] for row in rows]
    digest, count = sha256(), 0
    with archive.open(f"table/{name}", "w", force_zip64=True) as entry:
        with connection.cursor().copy(_copy(name, columns, "TO STDOUT")) as copy:
            for block in copy:
                data = bytes(block)
                entry.write(data)
                digest.update(data)
                lines = data.count(b"\n")  # newlines in values are escaped
                count += lines
                if name == "delta":
                    advance(lines)
    return {"name": name, "columns": columns, "rows": count, "sha256": digest.hexdigest()}


def _copy(name: str, columns: list[str], direction: str) -> sql.Composed:
    listed = sql.SQL(", ").join(map(sql.Identifier, columns))
    return sql.SQL("COPY {} ({}) " + direction).format(sql.Identifier(name), listed)


def check(file: Path) -> dict[str, Any]:
    """The manifest of a backup, after reading and comparing every byte. Raises UnusableBackup."""
    try:
        with zipfile.ZipFile(file) as archive:
            manifest: dict[str, Any] = json.loads(archive.read(MANIFEST))
            if manifest["format"] != FORMAT:
                raise UnusableBackup(f"{file} has the format {manifest['format']}, which this version does not know")
            if [table["name"] for table in manifest["tables"] if table["name"] not in TABLES]:
                raise UnusableBackup(f"{file} has tables that this version does not know: use a newer one")
            for table in manifest["tables"]:
                _check_table(archive, table)
    except (zipfile.BadZipFile, zlib.error, EOFError, KeyError, TypeError, ValueError, NotImplementedError) as error:
        raise UnusableBackup(f"{file} is not a backup of a PostgreSQL record, or is damaged: {error}") from error
    _check_migrations(file, manifest)
    return manifest


def _check_table(archive: zipfile.ZipFile, table: Mapping[str, Any]) -> None:
    digest, count = sha256(), 0
    for data in _blocks(archive, table["name"]):
        digest.update(data)
        count += data.count(b"\n")
    if (digest.hexdigest(), count) != (table["sha256"], table["rows"]):
        raise ValueError(f"table {table['name']} differs from what was written")


def _blocks(archive: zipfile.ZipFile, name: str) -> Iterator[bytes]:
    with archive.open(f"table/{name}") as entry:
        while data := entry.read(CHUNK_BYTES):
            yield data


def _check_migrations(file: Path, manifest: Mapping[str, Any]) -> None:
    known = {found.name: sha256(found.read_bytes()).hexdigest() for found in known_migrations()}
    for name, checksum in manifest["migrations"]:
        if name not in known:
            raise UnusableBackup(f"{file} has migration {name}, which this version does not know: use a newer one")
        if known[name] != checksum:
            raise UnusableBackup(f"{file}: migration {name} differs from the one that made the backup")


def logs_of(manifest: Mapping[str, Any]) -> list[BackupLog]:
    """The logs in a backup."""
    return [BackupLog(**log | {"root": bytes.fromhex(log["root"])}) for log in manifest["logs"]]


def restore(
    file: Path, manifest: Mapping[str, Any], url: str, role: str | None, fencing: Mapping[int, int], shown: Shown
) -> None:
    """Restores a checked backup into a database without a record, as its owner, in one transaction.

    `fencing` has the highest number that has signed, by environment: the next holder's must exceed it.
    Raises UnusableDatabase, Unavailable; then nothing was restored.
    """
    with connect(url) as connection:
        set_up(connection, "restore")
        try:
            with connection.transaction():
                lock_migrations(connection)
                _need_empty(connection)
                made = [name for name, _ in manifest["migrations"]]
                apply_migrations(connection, made)
                with zipfile.ZipFile(file) as archive, shown(manifest["deltas"], "deltas") as advance:
                    for table in manifest["tables"]:
                        _fill(connection, archive, table, advance)
                _begin_leases(connection, manifest, fencing)
                apply_migrations(connection, None, role)
        except psycopg.errors.InsufficientPrivilege as error:
            raise UnusableDatabase(f"only the owner can restore: {error.diag.message_primary}") from error


def _need_empty(connection: Connection) -> None:
    if connection.execute("SELECT 1 FROM migration WHERE name <> ''").fetchone() is not None:
        name = connection.info.dbname
        raise UnusableDatabase(
            f"the database {name} already holds a record: restore into a new one. "
            f"CREATE DATABASE {name}_restored creates one; "
            f"ALTER SCHEMA {SCHEMA} RENAME TO {SCHEMA}_before moves the existing record aside"
        )


def _fill(connection: Connection, archive: zipfile.ZipFile, table: Mapping[str, Any], advance: Advance) -> None:
    cursor = connection.cursor()
    with cursor.copy(_copy(table["name"], table["columns"], "FROM STDIN")) as copy:
        for data in _blocks(archive, table["name"]):
            copy.write(data)
            if table["name"] == "delta":
                advance(data.count(b"\n"))
    if cursor.rowcount != table["rows"]:
        raise UnusableDatabase(f"table {table['name']} took {cursor.rowcount} of {table['rows']} rows")


def _begin_leases(connection: Connection, manifest: Mapping[str, Any], fencing: Mapping[int, int]) -> None:
    """No lease is held; each continues above its last fencing number."""
    had = {name: number for name, number in manifest["leases"]}
    for environment_id, number in fencing.items():
        name = f"integrator/{environment_id}"
        had[name] = max(number, had.get(name, 0))
    for name, number in had.items():
        connection.execute("INSERT INTO lease VALUES (%s, '', %s, 0)", (name, number))
