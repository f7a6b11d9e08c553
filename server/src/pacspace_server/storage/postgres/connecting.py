"""Connections to the server: opened on demand, limited in number, and closed when they fail."""

from __future__ import annotations

import threading
import time
from typing import Any

import psycopg
import structlog

from ...telemetry import said
from ..model.protocols import Unavailable, UnusableDatabase

logger = structlog.get_logger("pacspace.postgres")
SCHEMA = "pacspace"
OLDEST = 15
WAIT_S = 10
REPLAN_S = 1
Connection = psycopg.Connection[Any]

# Notices a lost server within seconds, long before TCP gives up.
_NETWORK: dict[str, Any] = {
    "connect_timeout": 5,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
    "client_encoding": "UTF8",
    "application_name": "pacspace",
}
# Every query finds its rows by key. A plan made while a table was small must not scan it once it is large.
_SESSION = f"""
SET search_path = {SCHEMA}, pg_temp;
SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off;
SET jit = off; SET statement_timeout = '30s'; SET lock_timeout = '5s'; SET idle_in_transaction_session_timeout = '5min';
SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off';
"""


def connect(url: str) -> Connection:
    """A connection to the database. Unavailable if there is none; a log line has the reason."""
    try:
        connection: Connection = psycopg.connect(url, autocommit=True, **_NETWORK)
        if connection.info.server_version < OLDEST * 10_000:
            connection.close()
            raise UnusableDatabase(
                f"PostgreSQL {OLDEST} or newer is needed, not {connection.info.server_version // 10_000}"
            )
        connection.execute(_SESSION)
    except psycopg.ProgrammingError as error:
        # libpq's own message may contain a part of the password.
        raise UnusableDatabase(
            "the database URL can't be read: write postgresql://USER@HOST:PORT/NAME, and percent-encode all but "
            "letters and digits in a name or password"
        ) from error
    except psycopg.OperationalError as error:
        reason = " ".join(said(error).split())
        logger.warning("no connection to the database", problem=reason)
        raise Unavailable("it is unreachable", reason) from error
    return connection


class Pool:
    """A limited number of connections; the last one used is used next."""

    def __init__(self, url: str, most: int) -> None:
        self._url, self._idle = url, list[tuple[Connection, float]]()
        self._places = threading.BoundedSemaphore(most)
        self._planned_s: dict[Connection, float] = {}  # of connections in use
        self._closed = False

    def begin(self, transaction: str) -> Connection:
        """A connection with a transaction begun; replaces an idle one that has died.

        Plans are discarded every second: PostgreSQL would keep those that it made while a table was empty.
        """
        if not self._places.acquire(timeout=WAIT_S):
            raise Unavailable("all connections are in use")
        try:
            while True:
                connection, planned_s, kept = self._take()
                try:
                    if time.monotonic() - planned_s > REPLAN_S:
                        connection.execute("DISCARD PLANS")
                        planned_s = time.monotonic()
                    connection.execute(transaction, prepare=False)  # may be two statements
                except psycopg.OperationalError as error:
                    connection.close()
                    if not kept:
                        raise Unavailable("the connection was lost") from error
                else:
                    self._planned_s[connection] = planned_s
                    return connection
        except BaseException:
            self._places.release()
            raise

    def _take(self) -> tuple[Connection, float, bool]:
        """A connection, when it last planned, and whether it is a reused one."""
        try:
            return *self._idle.pop(), True
        except IndexError:
            return connect(self._url), time.monotonic(), False

    def give_back(self, connection: Connection, end: str | None = "ROLLBACK") -> None:
        """Ends the transaction unless it has ended, and keeps the connection if it is sound."""
        try:
            if end is not None and not connection.closed:
                connection.execute(end)
        except psycopg.Error:
            connection.close()
        planned_s = self._planned_s.pop(connection)
        if self._closed:
            connection.close()
        elif not connection.closed:
            self._idle.append((connection, planned_s))
        self._places.release()

    def close(self) -> None:
        self._closed = True
        while self._idle:
            self._idle.pop()[0].close()
