"""The schema: numbered migrations with checksums, applied by the owner; and the rights of the application's role."""

from __future__ import annotations

import secrets
import time
from hashlib import sha256
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Any

import psycopg
import structlog
from psycopg import sql

from ...clock import now_us
from ..model.protocols import UnusableDatabase
from ..sql.resealing import Resealing
from .audit import PostgresAudit
from .connecting import SCHEMA, Connection, connect

ATTEMPTS, PAUSE_S = 60, 1.0
SEALED = "0008_sealed_rows.sql"  # gives rows a place for their seals
logger = structlog.get_logger("pacspace.postgres")
MIGRATE = "`pacspace migrate --database postgresql://OWNER@...` (or `serve --migrate`, as the owner) migrates it"
_SETUP = f"""
CREATE SCHEMA IF NOT EXISTS {SCHEMA};
CREATE TABLE IF NOT EXISTS {SCHEMA}.migration (name text COLLATE "C" PRIMARY KEY, checksum bytea NOT NULL);
INSERT INTO {SCHEMA}.migration VALUES ('', '') ON CONFLICT (name) DO NOTHING;
"""


def known_migrations() -> list[Traversable]:
    """This version's migrations, in order."""
    folder = resources.files(__package__).joinpath("migrations")
    return sorted((file for file in folder.iterdir() if file.name.endswith(".sql")), key=lambda file: file.name)


def migrate(url: str, role: str | None = None, workspace_id: str | None = None) -> list[str]:
    """Migrates the schema and grants the application's role its rights; returns the names of the applied migrations.

    Safe to repeat, and to run twice at the same time: the second run waits. Raises UnusableDatabase, Unavailable.
    """
    with connect(url) as connection:
        set_up(connection)
        for _ in range(ATTEMPTS):
            try:
                with connection.transaction():
                    lock_migrations(connection)
                    # A schema change that waits for a long reader would make every writer wait behind it.
                    connection.execute("SET LOCAL lock_timeout = '2s'")
                    _need_alone(connection)
                    return apply_migrations(connection, None, role, workspace_id or f"wsp_{secrets.token_hex(8)}")
            except psycopg.errors.InsufficientPrivilege as error:
                raise UnusableDatabase(f"only the owner can migrate: {error.diag.message_primary}") from error
            except psycopg.errors.LockNotAvailable:
                logger.warning("a table is in use by a long reader, a backup or fsck perhaps; tried again")
                time.sleep(PAUSE_S)
    raise UnusableDatabase("long readers (a backup or fsck, perhaps) use the tables: migrate when they are done")


def _need_alone(connection: Connection) -> None:
    """A server that runs on would write rows without their new seals."""
    missing = [name for name, _ in _missing(connection)]
    if SEALED not in missing or missing[0].startswith("0001"):  # nothing to seal, or no record yet
        return
    others = connection.execute(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'pacspace' "
        "AND pid <> pg_backend_pid()"
    ).fetchone()
    if others and others[0]:
        raise UnusableDatabase(f"{SEALED} changes what servers write: stop every server of this record, then migrate")


def set_up(connection: Connection, doing: str = "migrate") -> None:
    """Creates our empty schema if there is none. `doing` names what only the owner can do."""
    encoding = connection.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        raise UnusableDatabase(f"the database's encoding is {encoding}; make one with ENCODING 'UTF8'")
    connection.execute("SET lock_timeout = 0; SET statement_timeout = 0;")
    for attempt in range(3):
        try:
            connection.execute(_SETUP)
        except psycopg.errors.InsufficientPrivilege as error:
            raise UnusableDatabase(f"only the owner can {doing}: {error.diag.message_primary}") from error
        except (psycopg.errors.UniqueViolation, psycopg.errors.DuplicateTable, psycopg.errors.DuplicateSchema):
            if attempt == 2:
                raise  # another process creates it at the same time
        else:
            return


def lock_migrations(connection: Connection) -> None:
    """Lets one process at a time migrate or restore: the row without a name is the lock."""
    connection.execute("SELECT 1 FROM migration WHERE name = '' FOR UPDATE")


def apply_migrations(
    connection: Connection, wanted: list[str] | None, role: str | None = None, workspace_id: str | None = None
) -> list[str]:
    """Applies the missing migrations, or those of them in `wanted`; returns their names.

    Creates a record if there is none and a workspace's name is given; then grants the role its rights.
    """
    added = []
    for file, text in _missing(connection):
        if wanted is not None and file not in wanted:
            continue
        connection.execute(text.encode())
        connection.execute("INSERT INTO migration VALUES (%s, %s)", (file, sha256(text.encode()).digest()))
        added.append(file)
        if workspace_id is not None and connection.execute("SELECT count(*) FROM installation").fetchone() == (0,):
            _found(connection, workspace_id)
    if SEALED in added:
        _seal_all(connection)
    if role is not None:
        _grant(connection, role)
    return added


class PostgresResealing(Resealing, PostgresAudit):
    """Seals the rows of an earlier version."""


def _seal_all(connection: Connection) -> None:
    row = connection.execute("SELECT secret FROM installation").fetchone()
    if row is not None:
        PostgresResealing(connection, bytes(row[0])).seal_all()


def _missing(connection: Connection) -> list[tuple[str, str]]:
    """The name and text of each missing migration; refuses a schema that a newer or altered version wrote."""
    rows: list[Any] = connection.execute("SELECT name, checksum FROM migration WHERE name <> ''").fetchall()
    applied = {name: bytes(checksum) for name, checksum in rows}
    known = known_migrations()
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


def check_schema(connection: Connection) -> None:
    """Raises UnusableDatabase unless the schema is this version's."""
    try:
        missing = [name for name, _ in _missing(connection)]
    except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName) as error:
        user = connection.info.user
        raise UnusableDatabase(
            f"role {user} sees no record in this database: {MIGRATE}; --role {user} grants its rights"
        ) from error
    if missing:
        raise UnusableDatabase(f"the schema lacks {', '.join(missing)}: {MIGRATE}")


def _grant(connection: Connection, role: str) -> None:
    if connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (role,)).fetchone() is None:
        raise UnusableDatabase(f"there is no role {role}: CREATE ROLE {role} LOGIN creates it")
    text = resources.files(__package__).joinpath("grants.sql").read_text("utf-8")
    connection.execute(sql.SQL(text).format(role=sql.Identifier(role)))


def _found(connection: Connection, workspace_id: str) -> None:
    """Writes the first rows as the first version did: an installation secret, a workspace, two environments and their
    logs. The later migrations update a new record like an old one."""
    connection.execute(
        "INSERT INTO installation VALUES (1, %s, %s, %s)",
        (secrets.token_bytes(32), workspace_id, now_us()),
    )
    for number, name in enumerate(("sandbox", "production"), 1):
        connection.execute(
            "INSERT INTO environment VALUES (%s, %s, %s, %s, NULL)", (number, workspace_id, name, number)
        )
        connection.execute(
            "INSERT INTO log (id, environment_id, origin, blinding_key) VALUES (%s, %s, %s, %s)",
            (number, number, f"pacspace.log/{name}/{secrets.token_hex(16)}", secrets.token_bytes(32)),
        )
