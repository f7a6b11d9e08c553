"""Endpoints, the feed of events, and their deliveries, on the server."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile
from typing import Any

from ..model.outbox import Delivery, Endpoint, Place, Progress, Row
from ..model.records import Customer, Delta
from .columns import Many, column
from .reading import Reads
from .rows import DELTA, delta_of

_ENDPOINT = (
    "id, environment_id, url, description, events, enabled, secret_version, rotated_at, created_at, position, item, "
    "last_triggered_at, success_count, failure_count, failing_since, disabled_at, disabled_reason"
)
_ROW = (
    "o.environment_id, o.position, o.kind, o.shard_key, o.period, o.first_item, o.last_item, o.log_id, o.entry_index, "
    "o.subject, o.data, o.told_at"
)
_DELIVERY = (
    "d.environment_id, d.position, d.item, d.endpoint, d.status, d.attempts, d.next_attempt_at, d.status_code, d.error, "
    "d.created_at, d.attempted_at"
)
_TOLD = "JOIN outbox o ON o.environment_id = d.environment_id AND o.position = d.position"  # a delivery's row is there
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
    "WHERE d.environment_id = n.environment_id AND d.position = n.position AND d.item = n.item AND d.endpoint = n.endpoint",
    "bigint bigint bigint text",
)


def _endpoint_of(row: Any) -> Endpoint:
    events = tuple(row[4].split(",")) if row[4] is not None else None
    values: list[Any] = [*row[:4], events, *row[5:]]
    return Endpoint(*values)


def _events_text(endpoint: Endpoint) -> str | None:
    return None if endpoint.events is None else ",".join(endpoint.events)


def _row_of(row: Any) -> Row:
    values: list[Any] = [*row[:4], row[3] or bytes(16), *row[4:]]
    return Row(*values)


class OutboxReads(Reads):
    """Reading them."""

    def endpoints(self, environment_id: int | None = None) -> list[Endpoint]:
        rows = self._all(
            f"SELECT {_ENDPOINT} FROM endpoint WHERE environment_id = coalesce(%s, environment_id) ORDER BY created_at, id",
            (environment_id,),
        )
        return [_endpoint_of(row) for row in rows]

    def endpoint(self, endpoint_id: str) -> Endpoint | None:
        row = self._one(f"SELECT {_ENDPOINT} FROM endpoint WHERE id = %s", (endpoint_id,))
        return _endpoint_of(row) if row else None

    def feed_position(self, environment_id: int) -> int:
        row = self._one("SELECT position FROM feed WHERE environment_id = %s", (environment_id,))
        return row[0] if row else 0

    def feed(self, environment_id: int, position: int, limit: int) -> list[Row]:
        rows = self._all(
            f"SELECT {_ROW} FROM outbox o WHERE o.environment_id = %s AND o.position >= %s ORDER BY o.position LIMIT %s",
            (environment_id, position, limit),
        )
        return [_row_of(row) for row in rows]

    def feed_rows(self, environment_id: int, positions: Sequence[int]) -> list[Row]:
        rows = self._all(
            f"SELECT {_ROW} FROM outbox o WHERE o.environment_id = %s AND o.position = ANY(%s)",
            (environment_id, column("bigint", positions)),
        )
        return [_row_of(row) for row in rows]

    def feed_row_of(self, customer: Customer, period: str, kind: int, item: int) -> Row | None:
        row = self._one(
            f"SELECT {_ROW} FROM outbox o WHERE o.shard_key = %s AND o.period = %s AND o.last_item >= %s AND o.kind = %s "
            "AND o.first_item <= %s ORDER BY o.position DESC LIMIT 1",
            (customer.id, period, item, kind, item),
        )
        return _row_of(row) if row else None

    def feed_deltas(self, rows: Sequence[Row]) -> list[tuple[Row, str, Delta]]:
        if not rows:
            return []
        given = [(place, row.customer, row.period, row.first, row.last) for place, row in enumerate(rows)]
        found = self._all(_DELTAS.sql, _DELTAS.values(given))
        return [(rows[row[0]], row[1], delta_of(row[2:])) for row in found]

    def deliveries(
        self,
        environment_id: int,
        endpoint_id: str | None,
        status: int | None,
        before: Place | None,
        limit: int,
        offset: int,
    ) -> list[Delivery]:
        where, values = _chosen(environment_id, endpoint_id, status)
        if before is not None:
            where, values = f"{where} AND (d.position, d.item) < (%s, %s)", [*values, *before]
        rows = self._all(
            f"SELECT {_DELIVERY} FROM delivery d {_TOLD} WHERE {where} "
            "ORDER BY d.position DESC, d.item DESC, d.endpoint LIMIT %s OFFSET %s",
            (*values, limit, offset),
        )
        return [Delivery(*row) for row in rows]

    def count_deliveries(self, environment_id: int, endpoint_id: str | None, status: int | None, most: int) -> int:
        where, values = _chosen(environment_id, endpoint_id, status)
        row = self._one(
            f"SELECT count(*) FROM (SELECT 1 FROM delivery d {_TOLD} WHERE {where} LIMIT %s) AS found", (*values, most)
        )
        return int(row[0])

    def deliveries_of(self, environment_id: int, place: Place) -> list[Delivery]:
        rows = self._all(
            f"SELECT {_DELIVERY} FROM delivery d WHERE d.environment_id = %s AND d.position = %s AND d.item = %s",
            (environment_id, *place),
        )
        return [Delivery(*row) for row in rows]

    def due(self, endpoint_id: str, now: int, limit: int) -> list[Delivery]:
        rows = self._all(
            f"SELECT {_DELIVERY} FROM delivery d WHERE d.endpoint = %s AND d.status = 0 AND d.next_attempt_at <= %s "
            "ORDER BY d.next_attempt_at LIMIT %s",
            (endpoint_id, now, limit),
        )
        return [Delivery(*row) for row in rows]

    def next_due(self, endpoint_id: str) -> int | None:
        row = self._one("SELECT min(next_attempt_at) FROM delivery WHERE endpoint = %s AND status = 0", (endpoint_id,))
        return None if row is None else row[0]

    def count_waiting(self, endpoint_id: str, most: int) -> int:
        row = self._one(
            "SELECT count(*) FROM (SELECT 1 FROM delivery WHERE endpoint = %s AND status = 0 LIMIT %s) AS found",
            (endpoint_id, most),
        )
        return int(row[0])

    def is_listened(self, environment_id: int, now: int) -> bool:
        row = self._one(
            "SELECT EXISTS (SELECT 1 FROM endpoint WHERE environment_id = %s) "
            "OR EXISTS (SELECT 1 FROM feed WHERE environment_id = %s AND followed_until > %s)",
            (environment_id, environment_id, now),
        )
        return bool(row[0])

    def senders(self) -> dict[str, int]:
        """The processes that send, each with its beat."""
        return dict(self._all("SELECT name, beat FROM sender"))


def _chosen(environment_id: int, endpoint_id: str | None, status: int | None) -> tuple[str, list[Any]]:
    """Which deliveries are asked for."""
    where = "d.environment_id = %s"
    values: list[Any] = [environment_id]
    for name, value in (("endpoint", endpoint_id), ("status", status)):
        if value is not None:
            where, values = f"{where} AND d.{name} = %s", [*values, value]
    return where, values


class OutboxWrites(OutboxReads):
    """Writing them, in the unit's transaction."""

    def add_endpoint(self, endpoint: Endpoint) -> None:
        self.connection.execute(
            f"INSERT INTO endpoint ({_ENDPOINT}) VALUES (" + ", ".join(["%s"] * 17) + ")",
            (
                endpoint.id, endpoint.environment_id, endpoint.url, endpoint.description, _events_text(endpoint),
                endpoint.enabled, endpoint.secret_version, endpoint.rotated_at, endpoint.created_at, endpoint.position,
                endpoint.item, None, 0, 0, None, None, None,
            ),
        )  # fmt: skip

    def set_endpoint(self, endpoint: Endpoint) -> None:
        self.connection.execute(
            "UPDATE endpoint SET url = %s, description = %s, events = %s, enabled = %s, secret_version = %s, "
            "rotated_at = %s, failing_since = %s, disabled_at = %s, disabled_reason = %s WHERE id = %s",
            (
                endpoint.url, endpoint.description, _events_text(endpoint), endpoint.enabled, endpoint.secret_version,
                endpoint.rotated_at, endpoint.failing_since, endpoint.disabled_at, endpoint.disabled_reason, endpoint.id,
            ),
        )  # fmt: skip

    def endpoint(self, endpoint_id: str) -> Endpoint | None:
        """Locked, so that of two changes at once neither undoes the other."""
        row = self._one(f"SELECT {_ENDPOINT} FROM endpoint WHERE id = %s FOR UPDATE", (endpoint_id,))
        return _endpoint_of(row) if row else None

    def remove_endpoint(self, endpoint_id: str) -> None:
        self.connection.execute("DELETE FROM endpoint WHERE id = %s", (endpoint_id,))

    def follow(self, environment_id: int, until: int) -> None:
        self.connection.execute(
            "INSERT INTO feed VALUES (%s, 0, %s) ON CONFLICT (environment_id) DO UPDATE SET followed_until = excluded.followed_until",
            (environment_id, until),
        )

    def tell(self, environment_id: int, rows: Sequence[Row]) -> None:
        self.connection.execute(
            "INSERT INTO feed AS f VALUES (%s, %s, 0) ON CONFLICT (environment_id) "
            "DO UPDATE SET position = f.position + excluded.position",
            (environment_id, len(rows)),
        )
        first = self.feed_position(environment_id) - len(rows) + 1
        for position, row in enumerate(rows, first):
            row.position = position
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

    def move_endpoints(self, progress: Sequence[Progress]) -> None:
        for moved in sorted(progress, key=lambda each: each.endpoint_id):
            self.connection.execute(
                "UPDATE endpoint SET position = %s, item = %s, success_count = success_count + %s, "
                "failure_count = failure_count + %s, last_triggered_at = coalesce(%s, last_triggered_at), "
                "failing_since = %s WHERE id = %s",
                (
                    moved.position, moved.item, moved.succeeded, moved.failed, moved.last_triggered_at, moved.failing_since,
                    moved.endpoint_id,
                ),
            )  # fmt: skip
            if moved.disabled_at is not None:
                self.connection.execute(
                    "UPDATE endpoint SET enabled = false, disabled_at = %s, disabled_reason = %s WHERE id = %s",
                    (moved.disabled_at, moved.disabled_reason, moved.endpoint_id),
                )

    def repeat_deliveries(
        self, endpoint: Endpoint, since: int, until: int, after: Place, limit: int, at: int
    ) -> tuple[int, Place | None]:
        rows = self._all(
            f"SELECT d.position, d.item FROM delivery d {_TOLD} WHERE d.environment_id = %s AND d.endpoint = %s "
            "AND (d.position, d.item) > (%s, %s) AND o.told_at >= %s AND o.told_at < %s "
            "ORDER BY d.position, d.item LIMIT %s",
            (endpoint.environment_id, endpoint.id, *after, since, until, limit),
        )
        if rows:
            given = [(endpoint.environment_id, *row, endpoint.id, at) for row in rows]
            self.connection.execute(_REPEAT.sql, _REPEAT.values(given))
        return len(rows), rows[-1] if len(rows) == limit else None

    def forget_told(self, environment_id: int, before: int, limit: int) -> int:
        rows = self._all(
            "SELECT position, told_at FROM outbox WHERE environment_id = %s ORDER BY position LIMIT %s",
            (environment_id, limit),
        )
        old = [position for position, at in takewhile(lambda row: row[1] < before, rows)]
        if old:
            through = environment_id, old[-1]
            self.connection.execute("DELETE FROM delivery WHERE environment_id = %s AND position <= %s", through)
            self.connection.execute("DELETE FROM outbox WHERE environment_id = %s AND position <= %s", through)
        return len(old)

    def forget_strays(self, environment_id: int, limit: int) -> int:
        rows = self._all(
            "SELECT d.position, d.item, d.endpoint FROM delivery d WHERE d.environment_id = %s "
            "AND NOT EXISTS (SELECT 1 FROM endpoint e WHERE e.id = d.endpoint) LIMIT %s",
            (environment_id, limit),
        )
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
