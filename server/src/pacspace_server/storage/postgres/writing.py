"""How a unit writes: many rows in one statement, several statements in one round trip."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from .columns import Many
from .snapshot import PostgresSnapshot

Rows = Sequence[tuple[Any, ...]]


class PostgresWriter(PostgresSnapshot):
    """A snapshot that writes. It reads committed rows, statement by statement, and its own."""

    @contextmanager
    def _one_round_trip(self) -> Iterator[None]:
        """Sends statements together. A pipeline ends with a flush request, which stops the server's idle timeout for
        transactions until the next statement, so one statement follows. Without it, a process that is paused here would
        hold its customers' locks for as long as the pause.
        """
        with self.connection.pipeline():
            yield
        self.connection.execute("SELECT", prepare=False)

    def _found(self, *asked: tuple[Many, Rows]) -> list[list[Any]]:
        """The results of several look-ups for many rows, in one round trip."""
        with self._one_round_trip():
            cursors = [
                self.connection.execute(many.sql, many.values(rows), binary=True) if rows else None
                for many, rows in asked
            ]
        return [cursor.fetchall() if cursor else [] for cursor in cursors]

    def _store(self, *asked: tuple[Many, Rows]) -> None:
        """Stores many rows with each of several statements, in one round trip."""
        asked = tuple((many, rows) for many, rows in asked if rows)
        if asked:
            with self._one_round_trip():
                for many, rows in asked:
                    self.connection.execute(many.sql, many.values(rows))

    def _copy(self, sql: str, types: Sequence[str], rows: Iterable[tuple[Any, ...]]) -> None:
        """Writes rows as a stream, which was fastest when measured."""
        rows = list(rows)
        if rows:
            with self.connection.cursor().copy(sql.encode()) as copy:
                copy.set_types(types)
                for row in rows:
                    copy.write_row(row)
