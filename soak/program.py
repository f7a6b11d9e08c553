"""The server program of the campaign: the real parts, each durable step wrapped, then the real `main`."""

from __future__ import annotations

import errno
import os
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw

from . import bugs
from .children import end_children
from .disk import Disk, DiskVfs, SignerFiles
from .points import Points

# What a unit does, by the method that is called on it; what stands further down decides.
STEPS = {
    "add_delta": "emit",
    "add_checkpoint": "lock",
    "add_log_entries": "fix",
    "publish": "publish",
    "move_lease": "lease",
}
WAL_PAGES = 200  # the log is moved into the file often, so that faults meet that too
RANK = {step: place for place, step in enumerate(["other", *STEPS.values()])}


def main() -> None:
    """Reads SOAK_FOLDER (orders, hits, steps), SOAK_SEED and SOAK_BUG, then is `pacspace`."""
    points = Points(Path(os.environ["SOAK_FOLDER"]))
    rng = random.Random(os.environ["SOAK_SEED"])
    if bug := os.environ.get("SOAK_BUG"):
        bugs.plant(bug)
    disk = Disk(points, rng)
    vfs = DiskVfs(disk)  # registered as long as it lives
    signer_files = wrap_signer(points, rng)

    def lose_power() -> None:
        end_children("self")  # one that lived on would keep SQLite's index of a log that is not there any more
        disk.lose()
        signer_files.lose()

    points.lose_power = lose_power
    wrap_sqlite(points, rng)
    wrap_integrator(points)
    if "postgres" in os.environ["SOAK_ENGINE"]:
        wrap_postgres(points, rng)
    wrap_clock(points)
    points.listen()
    from pacspace_server.cli import main as pacspace

    pacspace()
    del vfs


def wrap_clock(points: Points) -> None:
    real = time.time_ns
    time.time_ns = lambda: real() + points.clock_offset_s * 10**9


def mark_units(unit_class: type[Any]) -> None:
    """Each unit knows which step its commit is."""

    def wrap(name: str, step: str) -> None:
        real = getattr(unit_class, name)

        def method(self: Any, *arguments: Any) -> Any:
            before = getattr(self, "soak_step", "other")
            self.soak_step = max(before, step, key=RANK.__getitem__)
            return real(self, *arguments)

        setattr(unit_class, name, method)

    for name, step in STEPS.items():
        if hasattr(unit_class, name):
            wrap(name, step)


def wrap_commit(
    points: Points,
    storage_class: type[Any],
    failure: Callable[[], Exception],
    mark: Callable[[Any, str], None] = lambda unit, how: None,
) -> None:
    real = storage_class.commit

    def commit(self: Any, unit: Any) -> None:
        def refuse() -> None:
            self.roll_back(unit)
            raise failure()

        step = getattr(unit, "soak_step", "other")
        points.carry_out(step, lambda: real(self, unit), refuse, lambda how: mark(unit, how))

    storage_class.commit = commit


def wrap_sqlite(points: Points, rng: random.Random) -> None:
    from pacspace_server.storage.sqlite.database import SqliteStorage
    from pacspace_server.storage.sqlite.unit import SqliteUnit

    mark_units(SqliteUnit)
    connect = SqliteStorage._connect

    def connected(self: Any, cache_kib: int) -> Any:
        connection = connect(self, cache_kib)
        connection.execute(f"PRAGMA wal_autocheckpoint = {WAL_PAGES}")
        return connection

    SqliteStorage._connect = connected  # type: ignore[method-assign]
    errors = [apsw.FullError("database or disk is full"), apsw.BusyError("database is locked")]
    wrap_commit(points, SqliteStorage, lambda: rng.choice(errors))


def wrap_postgres(points: Points, rng: random.Random) -> None:
    from psycopg import errors

    from pacspace_server.storage.postgres.database import PostgresStorage
    from pacspace_server.storage.postgres.unit import PostgresUnit

    mark_units(PostgresUnit)
    flush = PostgresUnit.flush

    def checked_flush(self: Any) -> None:
        if points.trouble == "read-only":
            points.note_trouble("flush")
            raise errors.ReadOnlySqlTransaction("cannot execute INSERT in a read-only transaction")
        flush(self)

    PostgresUnit.flush = checked_flush  # type: ignore[method-assign]
    kinds = [errors.DiskFull, errors.SerializationFailure, errors.AdminShutdown, errors.DeadlockDetected]
    # The wire reads this on its way and cuts at the commit that follows.
    wrap_commit(
        points, PostgresStorage, lambda: rng.choice(kinds)("made to fail"),
        lambda unit, how: unit.connection.execute(f"SELECT 'soak: {how}'"),
    )  # fmt: skip


def wrap_integrator(points: Points) -> None:
    """Between its durable steps it holds no lock: there it may be stopped for long."""
    from pacspace_server.log.integrator import Integrator

    made, signed = Integrator.__init__, Integrator._sign

    def init(self: Any, *arguments: Any) -> None:
        made(self, *arguments)
        prepare = self._prepare
        self._prepare = lambda *asked: points.carry_out("prepare", lambda: prepare(*asked), lambda: None)

    def sign(self: Any, *arguments: Any) -> Any:
        return points.carry_out("signing", lambda: signed(self, *arguments), lambda: None)

    Integrator.__init__ = init  # type: ignore[method-assign]
    Integrator._sign = sign  # type: ignore[method-assign]


def wrap_signer(points: Points, rng: random.Random) -> SignerFiles:
    from pacspace_server.log import signer

    files = SignerFiles(points, rng)
    signer.os = files  # type: ignore[assignment]
    bugs.change_signer_files(files, os.environ.get("SOAK_BUG", ""))
    rename, write = Path.rename, signer._write_durably

    def renamed(self: Path, target: Path) -> Any:
        return files.rename(self, target, rename) if self.suffix == ".new" else rename(self, target)

    def refuse() -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def written(path: Path, text: str) -> None:
        if path.suffix != ".signed":
            return write(path, text)
        points.carry_out("sign", lambda: write(path, text), refuse)

    Path.rename = renamed  # type: ignore[method-assign,assignment]
    signer._write_durably = written
    return files
