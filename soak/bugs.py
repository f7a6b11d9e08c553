"""Bugs that can be planted into a server process: whether the campaign finds them shows what its checks are worth."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any

PLANTERS: dict[str, Callable[[], None]] = {}


def bug(name: str) -> Callable[[Callable[[], None]], Callable[[], None]]:
    def register(planter: Callable[[], None]) -> Callable[[], None]:
        PLANTERS[name] = planter
        return planter

    return register


def plant(name: str) -> None:
    PLANTERS[name]()


def change_signer_files(files: Any, name: str) -> None:
    """The one bug that is in the disk's stand-in: what is never synced."""
    if name == "signer without sync":
        files.fsync = lambda descriptor: None


@bug("signer without sync")
def _nothing() -> None:
    """See above."""


@bug("SQLite without sync")
def _sqlite_without_sync() -> None:
    from pacspace_server.storage.sqlite.database import SqliteStorage

    real = SqliteStorage._connect

    def connect(self: Any, cache_kib: int) -> Any:
        connection = real(self, cache_kib)
        connection.execute("PRAGMA synchronous = OFF")
        return connection

    SqliteStorage._connect = connect  # type: ignore[method-assign]


@bug("PostgreSQL without sync")
def _postgres_without_sync() -> None:
    from pacspace_server.storage.postgres import connecting

    connecting._SESSION += "SET synchronous_commit = 'off';"


@bug("no customer lock")
def _no_customer_lock() -> None:
    from pacspace_server.storage.postgres import statements

    statements.LOCK = statements.LOCK.replace(" FOR UPDATE", "")


@bug("no replay check")
def _no_replay_check() -> None:
    from pacspace_server.storage.writing import recording

    recording._replay = lambda unit, customer, command: None


@bug("no lease guard")
def _no_lease_guard() -> None:
    from pacspace_server.storage.postgres.leasing import PostgresLease

    PostgresLease.guard = lambda self, work, fencing: work  # type: ignore[method-assign]


@bug("no signer fencing")
def _no_signer_fencing() -> None:
    from pacspace_server.log.signer import Signer

    real = Signer.sign
    Signer.sign = lambda self, origin, size, root, fencing, root_at: real(  # type: ignore[method-assign]
        self, origin, size, root, max(fencing, last.fencing if (last := self.last_signed(origin)) else 0), root_at
    )


@bug("no fencing at all")
def _no_fencing() -> None:
    _no_lease_guard()
    _no_signer_fencing()


@bug("no size comparison")
def _no_size_comparison() -> None:
    from pacspace_server.log.signer import Signer

    real = Signer.check
    Signer.check = lambda self, origin, size, root_at: real(  # type: ignore[method-assign]
        self, origin, max(size, last.size if (last := self.last_signed(origin)) else 0), root_at
    )


@bug("no root comparison")
def _no_root_comparison() -> None:
    from pacspace_server.log.signer import Signer

    real = Signer.check
    Signer.check = lambda self, origin, size, root_at: real(  # type: ignore[method-assign]
        self, origin, size, lambda n: self.last_signed(origin).root
    )


@bug("no comparison at all")
def _no_comparison() -> None:
    _no_size_comparison()
    _no_root_comparison()


def _answer_after(seconds: float, late_s: float = 0.0) -> None:
    """A commit is waited for no longer than that, and begins so much later."""
    from pacspace_server.storage.writing.committer import Committer

    async def write(self: Any, work: Callable[[Any], Any]) -> Any:
        unit = self._storage.begin()
        result = work(unit)
        unit.flush()

        def later() -> None:
            time.sleep(late_s)
            self._storage.commit(unit)

        commit = self._loop.run_in_executor(self._thread, later)
        await asyncio.wait({commit}, timeout=seconds)
        return result

    Committer._write = write  # type: ignore[method-assign]


@bug("answered before the commit")
def _answered_before() -> None:
    _answer_after(0, 0.05)


@bug("answered when the disk is slow")
def _answered_when_slow() -> None:
    _answer_after(0.03)


@bug("head size off")
def _head_size_off() -> None:
    from pacspace_server.log import rehashing
    from pacspace_server.process.rehasher import Rehasher

    real = rehashing.head_object
    rehashing.head_object = lambda customer, head, origin, size, root, closed: real(
        customer, head, origin, size + 1, root, closed
    )
    # The other process is nobody's to plant bugs in.
    Rehasher.prepare = lambda self, environment_id, beat: self._here(environment_id, beat)  # type: ignore[method-assign]


@bug("ambiguous commit sent anew")
def _sent_anew() -> None:
    from pacspace_server.storage.postgres.database import PostgresStorage

    real = PostgresStorage._attempt
    PostgresStorage._attempt = lambda self, work, doubts: real(self, work, [])  # type: ignore[method-assign]


@bug("published before signed")
def _published_before_signed() -> None:
    """The last-signed record moves some time after the checkpoint is out."""
    from pacspace_server.log import signer

    real = signer._write_durably

    def write(path: Any, text: str) -> None:
        if path.suffix == ".signed":
            threading.Timer(0.5, real, (path, text)).start()
        else:
            real(path, text)

    signer._write_durably = write


@bug("clock goes back")
def _clock_goes_back() -> None:
    from pacspace_server.storage.sqlite.unit import SqliteUnit

    real = SqliteUnit.customer

    def customer(self: Any, environment_id: int, shard_key: bytes) -> Any:
        found = real(self, environment_id, shard_key)
        if found is not None:
            found.last_recorded_at = 0
        return found

    SqliteUnit.customer = customer  # type: ignore[method-assign]


def _taken_for_success(kind: str) -> None:
    import apsw

    from pacspace_server.storage.model.protocols import InDoubt
    from pacspace_server.storage.sqlite.database import SqliteStorage

    real, error = SqliteStorage.commit, getattr(apsw, kind)

    def commit(self: Any, unit: Any) -> None:
        try:
            real(self, unit)
        except InDoubt as doubt:
            if not isinstance(doubt.__cause__, error):
                raise

    SqliteStorage.commit = commit  # type: ignore[method-assign]


@bug("full disk taken for success")
def _full_is_fine() -> None:
    _taken_for_success("FullError")


@bug("read-only file taken for success")
def _read_only_is_fine() -> None:
    _taken_for_success("ReadOnlyError")


@bug("failed sync taken for a failure")
def _sync_is_sure() -> None:
    """A commit whose sync failed is answered as if it surely were not recorded."""
    from pacspace_server.storage.model.protocols import InDoubt, Unavailable
    from pacspace_server.storage.sqlite.database import SqliteStorage

    real = SqliteStorage.commit

    def commit(self: Any, unit: Any) -> None:
        try:
            real(self, unit)
        except InDoubt as error:
            raise Unavailable("disk I/O error") from error

    SqliteStorage.commit = commit  # type: ignore[method-assign]


@bug("an outage ends the integrator")
def _integrator_ends() -> None:
    from pacspace_server.log.integrator import Integrator
    from pacspace_server.storage.model.protocols import InDoubt, Unavailable

    real = Integrator._look

    def look(self: Any) -> Any:
        try:
            return real(self)
        except (Unavailable, InDoubt):
            self._stopping = True
            raise

    Integrator._look = look  # type: ignore[method-assign]
