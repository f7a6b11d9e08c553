"""Writes to the outbox with many rows at a time, in PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence

from ..model.outbox import Delivery, Endpoint, Place, Row
from ..model.records import Delta
from ..sql import outbox
from .columns import Many
from .dialect import PostgresStatements
from .rows import DELTA, delta_of

_DELTAS = Many(
    f"SELECT n.place, c.customer_id, {DELTA} FROM {{rows}} AS n(place, shard_key, period, first, upto) "
    "JOIN customer c ON c.shard_key = n.shard_key "
    "JOIN delta d ON d.shard_key = n.shard_key AND d.period = n.period AND d.leaf_index >= n.first "
    "AND d.leaf_index <= n.upto ORDER BY n.place, d.leaf_index",
    "bigint bytea text bigint bigint",
)
_NEW_ROWS = Many(
    "INSERT INTO outbox SELECT * FROM {rows}",
    "bigint bigint integer bytea text bigint bigint bigint bigint bytea text bigint",
)
_DELIVERIES = Many(
    "INSERT INTO delivery SELECT * FROM {rows} ON CONFLICT (environment_id, position, item, endpoint) DO UPDATE SET "
    "status = excluded.status, attempts = excluded.attempts, next_attempt_at = excluded.next_attempt_at, "
    "status_code = excluded.status_code, error = excluded.error, attempted_at = excluded.attempted_at",
    "bigint bigint bigint text integer bigint bigint bigint text bigint bigint",
)
_REPEAT = Many(
    "UPDATE delivery d SET status = 0, attempts = 0, next_attempt_at = n.at FROM {rows} "
    "AS n(environment_id, position, item, endpoint, at) WHERE d.environment_id = n.environment_id "
    "AND d.position = n.position AND d.item = n.item AND d.endpoint = n.endpoint",
    "bigint bigint bigint text bigint",
)
_FORGET = Many(
    "DELETE FROM delivery d USING {rows} AS n(environment_id, position, item, endpoint) "
    "WHERE d.environment_id = n.environment_id AND d.position = n.position AND d.item = n.item "
    "AND d.endpoint = n.endpoint",
    "bigint bigint bigint text",
)


class OutboxReads(outbox.OutboxReads):
    """Queries on the feed and the senders."""

    def feed_deltas(self, rows: Sequence[Row]) -> list[tuple[Row, str, Delta]]:
        if not rows:
            return []
        given = [(place, row.customer, row.period, row.first, row.last) for place, row in enumerate(rows)]
        found = self._all(_DELTAS.sql, _DELTAS.values(given))
        named = [(rows[row[0]], row[1], delta_of(row[2:])) for row in found]
        return [one for one in named if self.is_sound_delta(one[2], one[1])]

    def senders(self) -> dict[str, int]:
        """The sending processes, each with its beat."""
        return dict(self._all("SELECT name, beat FROM sender"))


class OutboxWrites(PostgresStatements, outbox.OutboxWrites):
    """Writes to the feed, in the unit's transaction."""

    def tell(self, environment_id: int, rows: Sequence[Row]) -> None:
        self._next_positions(environment_id, rows)
        values = [
            (row.environment_id, row.position, row.kind, row.customer, row.period, row.first, row.last, row.log_id,
             row.entry_index, row.subject, row.data, row.at)
            for row in rows
        ]  # fmt: skip
        self.connection.execute(_NEW_ROWS.sql, _NEW_ROWS.values(values))

    def set_deliveries(self, deliveries: Sequence[Delivery]) -> None:
        if deliveries:
            rows = [
                (d.environment_id, d.position, d.item, d.endpoint_id, d.status, d.attempts, d.next_attempt_at,
                 d.status_code, d.error, d.created_at, d.attempted_at)
                for d in deliveries
            ]  # fmt: skip
            self.connection.execute(_DELIVERIES.sql, _DELIVERIES.values(rows))

    def repeat_deliveries(
        self, endpoint: Endpoint, since: int, until: int, after: Place, limit: int, at: int
    ) -> tuple[int, Place | None]:
        rows = self._to_repeat(endpoint, since, until, after, limit)
        if rows:
            given = [(endpoint.environment_id, *row, endpoint.id, at) for row in rows]
            self.connection.execute(_REPEAT.sql, _REPEAT.values(given))
        return len(rows), rows[-1] if len(rows) == limit else None

    def forget_strays(self, environment_id: int, limit: int) -> int:
        rows = self._strays(environment_id, limit)
        if rows:
            self.connection.execute(_FORGET.sql, _FORGET.values([(environment_id, *row) for row in rows]))
        return len(rows)

    def set_sender(self, name: str, beat: int) -> None:
        self.connection.execute(
            "INSERT INTO sender VALUES (%s, %s) ON CONFLICT (name) DO UPDATE SET beat = excluded.beat", (name, beat)
        )

    def forget_senders(self, names: Sequence[str]) -> None:
        for name in names:
            self.connection.execute("DELETE FROM sender WHERE name = %s", (name,))
