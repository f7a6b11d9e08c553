"""Writes to the outbox with many rows at a time, in SQLite."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from ..model.outbox import Delivery, Endpoint, Place, Row
from ..model.records import Delta
from ..sql import outbox
from .dialect import SqliteStatements
from .rows import DELTA, delta_of

# Many rows as one statement: each statement releases the interpreter's lock while it runs, and waits to get it back.
_NEW_ROWS = (
    "INSERT INTO outbox SELECT "
    + ", ".join(f"unhex(value ->> {n})" if n == 9 else f"value ->> {n}" for n in range(12))
    + " FROM json_each(?)"
)
_DELIVERIES = (
    "INSERT INTO delivery SELECT "
    + ", ".join(f"value ->> {n}" for n in range(11))
    + " FROM json_each(?) WHERE true ON CONFLICT (environment_id, position, item, endpoint) DO UPDATE SET "
    "status = excluded.status, attempts = excluded.attempts, next_attempt_at = excluded.next_attempt_at, "
    "status_code = excluded.status_code, error = excluded.error, attempted_at = excluded.attempted_at"
)
_json = msgspec.json.Encoder().encode


class OutboxReads(outbox.OutboxReads):
    """Queries on the feed."""

    def feed_deltas(self, rows: Sequence[Row]) -> list[tuple[Row, str, Delta]]:
        given = [(row.customer, row.period, row.first, row.last) for row in rows]
        found = self._all(
            f"SELECT {DELTA}, c.customer_id, n.key FROM json_each(?) n CROSS JOIN period_head p "
            "ON p.customer = n.value ->> 0 AND p.period = n.value ->> 1 "
            "CROSS JOIN delta d ON d.period_id = p.id AND d.leaf_index BETWEEN n.value ->> 2 AND n.value ->> 3 "
            "JOIN customer c ON c.id = d.customer ORDER BY n.key, d.leaf_index",
            (_json(given).decode(),),
        )
        named = [(rows[row[-1]], row[-2], delta_of(row)) for row in found]
        return [one for one in named if self.is_sound_delta(one[2], one[1])]

    def senders(self) -> dict[str, int]:
        return {}


class OutboxWrites(SqliteStatements, outbox.OutboxWrites):
    """Writes to the feed."""

    def tell(self, environment_id: int, rows: Sequence[Row]) -> None:
        self._next_positions(environment_id, rows)
        values = [
            (row.environment_id, row.position, row.kind, row.customer, row.period, row.first, row.last, row.log_id,
             row.entry_index, row.subject.hex(), row.data, row.at)
            for row in rows
        ]  # fmt: skip
        self._connection.execute(_NEW_ROWS, (_json(values).decode(),))

    def set_deliveries(self, deliveries: Sequence[Delivery]) -> None:
        rows = [
            (d.environment_id, d.position, d.item, d.endpoint_id, d.status, d.attempts, d.next_attempt_at,
             d.status_code, d.error, d.created_at, d.attempted_at)
            for d in deliveries
        ]  # fmt: skip
        self._connection.execute(_DELIVERIES, (_json(rows).decode(),))

    def repeat_deliveries(
        self, endpoint: Endpoint, since: int, until: int, after: Place, limit: int, at: int
    ) -> tuple[int, Place | None]:
        rows = self._to_repeat(endpoint, since, until, after, limit)
        self._connection.executemany(
            "UPDATE delivery SET status = 0, attempts = 0, next_attempt_at = ? "
            "WHERE environment_id = ? AND position = ? AND item = ? AND endpoint = ?",
            [(at, endpoint.environment_id, *row, endpoint.id) for row in rows],
        )
        return len(rows), rows[-1] if len(rows) == limit else None

    def forget_strays(self, environment_id: int, limit: int) -> int:
        rows = self._strays(environment_id, limit)
        self._connection.executemany(
            "DELETE FROM delivery WHERE environment_id = ? AND position = ? AND item = ? AND endpoint = ?",
            [(environment_id, *row) for row in rows],
        )
        return len(rows)

    def set_sender(self, name: str, beat: int) -> None:
        """Does nothing: a file has one sender."""

    def forget_senders(self, names: Sequence[str]) -> None:
        """Does nothing: a file has one sender."""
