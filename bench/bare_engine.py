"""What the engine alone does: the delta rows that a server recorded, inserted once more, durably, in groups as large.

No HTTP, no JSON, no hashing, no heads, no log: one table with its indexes. What is left out is what the product adds.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from engines import Engine, Postgres
from serving import Disturbance

MOST_ROWS = 100_000
_PRAGMAS = (
    "journal_mode = WAL",
    "synchronous = FULL",
    "secure_delete = ON",
    "cache_size = -32768",
    "wal_autocheckpoint = 4000",
)
Insert = Callable[[list[Any]], None]


def measure(engine: Engine, folder: Path, group: int) -> dict[str, Any]:
    """Rows per second of the rows of the record in the folder, up to so many of them; no server may be running."""
    work = _postgres if isinstance(engine, Postgres) else _sqlite
    opened = work(engine, folder, folder / "bare")
    rows, insert = next(opened)
    disturbance, started = Disturbance(engine), time.perf_counter()
    for first in range(0, len(rows), group):
        insert(rows[first : first + group])
    seconds = time.perf_counter() - started
    others = disturbance.share()
    opened.close()
    return {"rows": len(rows), "rowsPerSecond": len(rows) / seconds, "group": group, "others": others}


def _sqlite(engine: Engine, folder: Path, bare: Path) -> Iterator[tuple[list[Any], Insert]]:
    """One executemany and one COMMIT each, with the server's own settings."""
    import apsw

    source = apsw.Connection(str(folder / "record.db"), flags=apsw.SQLITE_OPEN_READONLY)
    schema = source.execute("SELECT sql FROM sqlite_master WHERE tbl_name = 'delta' AND sql NOT NULL").fetchall()
    rows = source.execute("SELECT * FROM delta ORDER BY id LIMIT ?", (MOST_ROWS,)).fetchall()
    source.close()
    bare.mkdir()
    target = apsw.Connection(str(bare / "bare.db"))
    for pragma in _PRAGMAS:
        target.execute(f"PRAGMA {pragma}")
    for (statement,) in schema:
        target.execute(statement)
    places = ", ".join("?" * len(rows[0]))

    def insert(group: list[Any]) -> None:
        target.execute("BEGIN IMMEDIATE")
        target.executemany(f"INSERT INTO delta VALUES ({places})", group)
        target.execute("COMMIT")

    try:
        yield rows, insert
    finally:
        target.close()
        shutil.rmtree(bare)


def _postgres(engine: Engine, folder: Path, bare: Path) -> Iterator[tuple[list[Any], Insert]]:
    """One COPY and one COMMIT each, as the server's."""
    import psycopg

    from pacspace_server.storage.postgres.statements import COPY_DELTA, DELTA_TYPES

    with psycopg.connect(engine.url(folder), options="-c search_path=pacspace") as source:
        asked = "SELECT * FROM delta ORDER BY recorded_at, shard_key, sequence LIMIT %s"
        rows = source.cursor(binary=True).execute(asked, (MOST_ROWS,)).fetchall()
    target = psycopg.connect(engine.url(bare), options="-c search_path=pacspace")

    def insert(group: list[Any]) -> None:
        with target.cursor().copy(COPY_DELTA.encode()) as copy:
            copy.set_types(DELTA_TYPES)
            for row in group:
                copy.write_row(row)
        target.commit()

    try:
        yield rows, insert
    finally:
        target.close()
        engine.remove(bare)
