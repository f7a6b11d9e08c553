"""Opens, reads and writes the database: transactions, and what happens when they fail."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import psycopg
import structlog

from ...clock import now_us
from ...telemetry import said
from ..model.protocols import InDoubt, Lease, Renewal, Unavailable, Unit, UnusableDatabase
from ..model.records import Backup, Environment, Shown
from .audit import PostgresAudit
from .backup import back_up
from .connecting import Pool
from .leasing import PostgresLease
from .migrating import check_schema
from .renewal import PostgresRenewal
from .unit import Moved, PostgresUnit

T = TypeVar("T")
logger = structlog.get_logger("pacspace.postgres")
CONNECTIONS = 16
PAUSES_S = (0.0, 0.01, 0.05, 0.2, 0.5, 1.0)  # before each attempt
IN_DOUBT_PAUSES_S = (0.5,) * 20
READ = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
# A process that stalls in the middle of a write blocks its customers, or the log, for this long at most.
WRITE = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SET LOCAL idle_in_transaction_session_timeout = '10s'"
# Serialisation failure, deadlock, lock timeout, shutdowns, read-only after a failover, idle for too long; and a row
# that another unit added first, which the next attempt finds.
_AGAIN = {"40001", "40P01", "55P03", "57P01", "57P02", "57P03", "25006", "25P03", "23505"}


# The server or the network failed, not the statement.
_BROKEN = (psycopg.OperationalError, psycopg.InternalError, psycopg.InterfaceError)


class _CommitLost(Exception):
    """The connection ended during the commit."""


class PostgresStorage:
    """One database, which other processes may use at the same time. Raises UnusableDatabase or Unavailable."""

    remote = True
    errors: tuple[type[Exception], ...] = _BROKEN

    def __init__(self, url: str) -> None:
        self._pool = Pool(url, CONNECTIONS)
        self.secret = b""
        connection = self._pool.begin(READ)
        try:
            check_schema(connection)
            self.secret = PostgresAudit(connection, b"").installation_secret()
        except BaseException:
            self._pool.close()
            raise
        finally:
            self._pool.give_back(connection)

    @contextmanager
    def snapshot(self, checked: bool = True) -> Iterator[PostgresAudit]:
        connection = self._pool.begin(READ)
        audit = PostgresAudit(connection, self.secret)
        audit.checks = checked
        try:
            yield audit
        except _BROKEN as error:
            raise _unavailable(error) from error
        finally:
            self._pool.give_back(connection)

    def begin(self) -> PostgresUnit:
        return PostgresUnit(self._pool.begin(WRITE), self.secret)

    def commit(self, unit: Unit) -> None:
        assert isinstance(unit, PostgresUnit)
        try:
            unit.connection.execute("COMMIT")
        except psycopg.Error as error:
            lost = unit.connection.closed
            self.roll_back(unit)
            if lost:
                raise _CommitLost from error
            raise
        self._pool.give_back(unit.connection, None)

    def roll_back(self, unit: Unit) -> None:
        assert isinstance(unit, PostgresUnit)
        self._pool.give_back(unit.connection)

    def write(self, work: Callable[[Unit], T]) -> T:
        """Begins, works, flushes and commits; repeats all of it where that may help, a bounded number of times.

        If the connection is lost during the commit, the outcome is unknown. The next attempt looks, under the same
        locks, for the rows of this one. Unavailable: they were not stored. InDoubt: the look-up failed too.
        """
        doubts: list[tuple[PostgresUnit, T]] = []
        problem: Exception | None = None
        for number, pause_s in enumerate(PAUSES_S + IN_DOUBT_PAUSES_S):
            if number >= len(PAUSES_S) and not doubts:
                break
            time.sleep(pause_s)
            try:
                return self._attempt(work, doubts)
            except _CommitLost as error:
                problem = error
            except Exception as error:
                if not _passes(error):
                    raise
                problem = error
        raise InDoubt("the database was lost during the commit") if doubts else _unavailable(problem)

    def _attempt(self, work: Callable[[Unit], T], doubts: list[tuple[PostgresUnit, T]]) -> T:
        unit = self.begin()
        try:
            for earlier, result in doubts:
                if earlier.was_written is not None and earlier.was_written(unit):
                    self.roll_back(unit)
                    return result
            result = work(unit)
            unit.flush()
        except BaseException:
            self.roll_back(unit)
            raise
        try:
            self.commit(unit)
        except _CommitLost:
            doubts.append((unit, result))
            raise
        return result

    def renew(self, environment: Environment, work: Callable[[Renewal], T]) -> T:
        """Tries once, since its caller can repeat it. Only the owner of the schema may."""
        connection = self._pool.begin(WRITE)
        try:
            renewal = PostgresRenewal(connection, self.secret)
            renewal.alone(environment)
            result = work(renewal)
            connection.execute("COMMIT")
        except psycopg.errors.InsufficientPrivilege as error:
            raise UnusableDatabase(
                f"role {connection.info.user} may only add to the record: connect as the owner of the schema, "
                "as for `pacspace migrate`"
            ) from error
        except _BROKEN as error:
            raise _unavailable(error) from error
        finally:
            self._pool.give_back(connection)
        return result

    def back_up(self, file: Path, shown: Shown) -> Backup:
        with self.snapshot() as audit:
            return back_up(audit, file, shown, now_us())

    def scrub(self) -> str | None:
        return (
            "PostgreSQL keeps old versions of rows until it vacuums the table, and its write-ahead log until it "
            "recycles it; the owner of the database may run VACUUM pacspace.delta, pacspace.note, pacspace.visit, "
            "pacspace.profile and CHECKPOINT"
        )

    def lease(self, name: str) -> Lease:
        return PostgresLease(self.write, name)

    def close(self) -> None:
        self._pool.close()


def _passes(error: Exception) -> bool:
    """Whether another attempt may succeed."""
    if isinstance(error, Unavailable | Moved):
        return True
    if not isinstance(error, psycopg.Error):
        return False
    if error.sqlstate is None:  # no reply
        return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
    return error.sqlstate in _AGAIN or error.sqlstate.startswith("08")


def _unavailable(error: Any) -> Exception:
    """The error for the caller; the server's own message goes to the log."""
    if isinstance(error, Unavailable):
        return error
    logger.warning("the database failed", problem=said(error))
    return Unavailable("it failed or did not answer in time")
