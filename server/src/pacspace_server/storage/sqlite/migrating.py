"""The file's schema: numbered migrations with checksums, and the first rows."""

from __future__ import annotations

import secrets
from hashlib import sha256
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Any

import apsw

from ..model.protocols import UnusableDatabase
from ..sql.resealing import Resealing
from .audit import SqliteAudit

SEALED = "0010_sealed_rows.sql"  # gives rows a place for their seals


def migrate(connection: apsw.Connection, workspace_id: str | None = None) -> None:
    """Migrates the schema in one transaction; refuses a file that a newer or altered version wrote."""
    with connection:
        connection.execute(
            "CREATE TABLE IF NOT EXISTS migration (name TEXT PRIMARY KEY, checksum BLOB NOT NULL) WITHOUT ROWID"
        )
        missing = missing_migrations(connection)
        for name, text in missing:
            connection.execute(text)
            connection.execute("INSERT INTO migration VALUES (?, ?)", (name, sha256(text.encode()).digest()))
            if connection.execute("SELECT count(*) FROM installation").fetchall()[0][0] == 0:
                _found(connection, workspace_id or f"wsp_{secrets.token_hex(8)}")
        if SEALED in [name for name, _ in missing]:
            secret: Any = connection.execute("SELECT secret FROM installation").fetchall()[0][0]
            SqliteResealing(connection, secret).seal_all()


class SqliteResealing(Resealing, SqliteAudit):
    """Seals the rows of an earlier version."""


def is_behind(connection: apsw.Connection) -> bool:
    """Whether an earlier version made the record, or there is none yet."""
    tables = connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'migration'").fetchall()
    return not tables or bool(missing_migrations(connection))


def known_migrations() -> list[Traversable]:
    """This version's migrations, in order."""
    folder = resources.files(__package__).joinpath("migrations")
    return sorted((file for file in folder.iterdir() if file.name.endswith(".sql")), key=lambda file: file.name)


def missing_migrations(connection: apsw.Connection) -> list[tuple[str, str]]:
    """The name and text of each missing migration; refuses a file that a newer or altered version wrote."""
    known = known_migrations()
    rows: list[Any] = connection.execute("SELECT name, checksum FROM migration").fetchall()
    applied: dict[str, bytes] = dict(rows)
    for name in applied.keys() - {file.name for file in known}:
        raise UnusableDatabase(f"the database has migration {name}, which this version does not know: use a newer one")
    missing = []
    for file in known:
        text = file.read_text("utf-8")
        if file.name not in applied:
            missing.append((file.name, text))
        elif applied[file.name] != sha256(text.encode()).digest():
            raise UnusableDatabase(f"migration {file.name} differs from the one that made this database")
    return missing


def _found(connection: apsw.Connection, workspace_id: str) -> None:
    """Writes the first rows as the first version did: an installation secret, a workspace, two environments and their
    logs. The later migrations update a new record like an old one."""
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
