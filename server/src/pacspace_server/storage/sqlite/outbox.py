"""Endpoints, the feed of events, and their deliveries, in the file."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile
from typing import Any

import msgspec

from ..model.outbox import Delivery, Endpoint, Place, Progress, Row
from ..model.records import Customer, Delta
from .reading import Reads
from .rows import DELTA, DELTA_FROM, delta_of

_ENDPOINT = (
    "id, environment_id, url, description, events, enabled, secret_version, rotated_at, created_at, position, item, "
    "last_triggered_at, success_count, failure_count, failing_since, disabled_at, disabled_reason"
)
_ROW = (
    "o.environment_id, o.position, o.kind, o.customer, coalesce(c.shard_key, zeroblob(16)), o.period, o.first_item, "
    "o.last_item, o.log_id, o.entry_index, o.subject, o.data, o.told_at FROM outbox o LEFT JOIN customer c ON c.id = o.customer"
)
_DELIVERY = (
    "d.environment_id, d.position, d.item, d.endpoint, d.status, d.attempts, d.next_attempt_at, d.status_code, d.error, "
    "d.created_at, d.attempted_at"
)
_TOLD = "JOIN outbox o ON o.environment_id = d.environment_id AND o.position = d.position"  # a delivery's row is there

# Many rows as one statement: each statement gives the interpreter up while it runs, and waits to have it back.
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


def _endpoint_of(row: Any) -> Endpoint:
    events = tuple(row[4].split(",")) if row[4] is not None else None
    values: list[Any] = [*row[:4], events, bool(row[5]), *row[6:]]
    return Endpoint(*values)


def _events_text(endpoint: Endpoint) -> str | None:
    return None if endpoint.events is None else ",".join(endpoint.events)


class OutboxReads(Reads):
    """Reading them."""

    def endpoints(self, environment_id: int | None = None) -> list[Endpoint]:
        rows = self._all(
            f"SELECT {_ENDPOINT} FROM endpoint WHERE environment_id = coalesce(?, environment_id) ORDER BY created_at, id",
            (environment_id,),
        )
        return [_endpoint_of(row) for row in rows]

    def endpoint(self, endpoint_id: str) -> Endpoint | None:
        row = self._one(f"SELECT {_ENDPOINT} FROM endpoint WHERE id = ?", (endpoint_id,))
        return _endpoint_of(row) if row else None

    def feed_position(self, environment_id: int) -> int:
        row = self._one("SELECT position FROM feed WHERE environment_id = ?", (environment_id,))
        return row[0] if row else 0

    def feed(self, environment_id: int, position: int, limit: int) -> list[Row]:
        rows = self._all(
            f"SELECT {_ROW} WHERE o.environment_id = ? AND o.position >= ? ORDER BY o.position LIMIT ?",
            (environment_id, position, limit),
        )
        return [Row(*row) for row in rows]

    def feed_rows(self, environment_id: int, positions: Sequence[int]) -> list[Row]:
        found = (
            self._one(f"SELECT {_ROW} WHERE o.environment_id = ? AND o.position = ?", (environment_id, position))
            for position in positions
        )
        return [Row(*row) for row in found if row]

    def feed_row_of(self, customer: Customer, period: str, kind: int, item: int) -> Row | None:
        row = self._one(
            f"SELECT {_ROW} WHERE o.customer = ? AND o.period = ? AND o.last_item >= ? AND o.kind = ? AND o.first_item <= ? "
            "ORDER BY o.position DESC LIMIT 1",
            (customer.id, period, item, kind, item),
        )
        return Row(*row) if row else None

    def feed_deltas(self, rows: Sequence[Row]) -> list[tuple[Row, str, Delta]]:
        sql = (
            f"SELECT {DELTA}, c.customer_id {DELTA_FROM} WHERE p.customer = ? AND p.period = ? AND d.leaf_index >= ? "
            "AND d.leaf_index <= ? ORDER BY d.leaf_index"
        )
        return [
            (row, found[-1], delta_of(found))
            for row in rows
            for found in self._all(sql, (row.customer, row.period, row.first, row.last))
        ]

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
            where, values = f"{where} AND (d.position, d.item) < (?, ?)", [*values, *before]
        rows = self._all(
            f"SELECT {_DELIVERY} FROM delivery d {_TOLD} WHERE {where} "
            "ORDER BY d.position DESC, d.item DESC, d.endpoint LIMIT ? OFFSET ?",
            (*values, limit, offset),
        )
        return [Delivery(*row) for row in rows]

    def count_deliveries(self, environment_id: int, endpoint_id: str | None, status: int | None, most: int) -> int:
        where, values = _chosen(environment_id, endpoint_id, status)
        row = self._one(
            f"SELECT count(*) FROM (SELECT 1 FROM delivery d {_TOLD} WHERE {where} LIMIT ?)", (*values, most)
        )
        return int(row[0])

    def deliveries_of(self, environment_id: int, place: Place) -> list[Delivery]:
        rows = self._all(
            f"SELECT {_DELIVERY} FROM delivery d WHERE d.environment_id = ? AND d.position = ? AND d.item = ?",
            (environment_id, *place),
        )
        return [Delivery(*row) for row in rows]

    def due(self, endpoint_id: str, now: int, limit: int) -> list[Delivery]:
        rows = self._all(
            f"SELECT {_DELIVERY} FROM delivery d INDEXED BY delivery_due WHERE d.endpoint = ? AND d.status = 0 "
            "AND d.next_attempt_at <= ? ORDER BY d.next_attempt_at LIMIT ?",
            (endpoint_id, now, limit),
        )
        return [Delivery(*row) for row in rows]

    def next_due(self, endpoint_id: str) -> int | None:
        row = self._one(
            "SELECT min(next_attempt_at) FROM delivery INDEXED BY delivery_due WHERE endpoint = ? AND status = 0",
            (endpoint_id,),
        )
        return None if row is None else row[0]

    def count_waiting(self, endpoint_id: str, most: int) -> int:
        row = self._one(
            "SELECT count(*) FROM (SELECT 1 FROM delivery INDEXED BY delivery_due WHERE endpoint = ? AND status = 0 LIMIT ?)",
            (endpoint_id, most),
        )
        return int(row[0])

    def is_listened(self, environment_id: int, now: int) -> bool:
        row = self._one(
            "SELECT EXISTS (SELECT 1 FROM endpoint WHERE environment_id = ?) "
            "OR EXISTS (SELECT 1 FROM feed WHERE environment_id = ? AND followed_until > ?)",
            (environment_id, environment_id, now),
        )
        return bool(row[0])

    def senders(self) -> dict[str, int]:
        return {}


def _chosen(environment_id: int, endpoint_id: str | None, status: int | None) -> tuple[str, list[Any]]:
    """Which deliveries are asked for."""
    where = "d.environment_id = ?"
    values: list[Any] = [environment_id]
    for name, value in (("endpoint", endpoint_id), ("status", status)):
        if value is not None:
            where, values = f"{where} AND d.{name} = ?", [*values, value]
    return where, values


class OutboxWrites(OutboxReads):
    """Writing them."""

    def add_endpoint(self, endpoint: Endpoint) -> None:
        self._connection.execute(
            f"INSERT INTO endpoint ({_ENDPOINT}) VALUES (" + ", ".join("?" * 17) + ")",
            (
                endpoint.id, endpoint.environment_id, endpoint.url, endpoint.description, _events_text(endpoint),
                endpoint.enabled, endpoint.secret_version, endpoint.rotated_at, endpoint.created_at, endpoint.position,
                endpoint.item, None, 0, 0, None, None, None,
            ),
        )  # fmt: skip

    def set_endpoint(self, endpoint: Endpoint) -> None:
        self._connection.execute(
            "UPDATE endpoint SET url = ?, description = ?, events = ?, enabled = ?, secret_version = ?, rotated_at = ?, "
            "failing_since = ?, disabled_at = ?, disabled_reason = ? WHERE id = ?",
            (
                endpoint.url, endpoint.description, _events_text(endpoint), endpoint.enabled, endpoint.secret_version,
                endpoint.rotated_at, endpoint.failing_since, endpoint.disabled_at, endpoint.disabled_reason, endpoint.id,
            ),
        )  # fmt: skip

    def remove_endpoint(self, endpoint_id: str) -> None:
        self._connection.execute("DELETE FROM endpoint WHERE id = ?", (endpoint_id,))

    def follow(self, environment_id: int, until: int) -> None:
        self._connection.execute(
            "INSERT INTO feed VALUES (?, 0, ?) ON CONFLICT (environment_id) DO UPDATE SET followed_until = excluded.followed_until",
            (environment_id, until),
        )

    def tell(self, environment_id: int, rows: Sequence[Row]) -> None:
        self._connection.execute(
            "INSERT INTO feed VALUES (?, ?, 0) ON CONFLICT (environment_id) DO UPDATE SET position = position + excluded.position",
            (environment_id, len(rows)),
        )
        first = self.feed_position(environment_id) - len(rows) + 1
        for position, row in enumerate(rows, first):
            row.position = position
        values = [
            (row.environment_id, row.position, row.kind, row.customer, row.period, row.first, row.last, row.log_id,
             row.entry_index, row.subject.hex(), row.data, row.at)
            for row in rows
        ]  # fmt: skip
        self._connection.execute(_NEW_ROWS, (_json(values).decode(),))

    def set_deliveries(self, deliveries: Sequence[Delivery]) -> None:
        rows = [
            (d.environment_id, d.position, d.item, d.endpoint_id, d.status, d.attempts, d.next_attempt_at, d.status_code,
             d.error, d.created_at, d.attempted_at)
            for d in deliveries
        ]  # fmt: skip
        self._connection.execute(_DELIVERIES, (_json(rows).decode(),))

    def move_endpoints(self, progress: Sequence[Progress]) -> None:
        for moved in progress:
            self._connection.execute(
                "UPDATE endpoint SET position = ?, item = ?, success_count = success_count + ?, "
                "failure_count = failure_count + ?, last_triggered_at = coalesce(?, last_triggered_at), failing_since = ? "
                "WHERE id = ?",
                (
                    moved.position, moved.item, moved.succeeded, moved.failed, moved.last_triggered_at, moved.failing_since,
                    moved.endpoint_id,
                ),
            )  # fmt: skip
            if moved.disabled_at is not None:
                self._connection.execute(
                    "UPDATE endpoint SET enabled = 0, disabled_at = ?, disabled_reason = ? WHERE id = ?",
                    (moved.disabled_at, moved.disabled_reason, moved.endpoint_id),
                )

    def repeat_deliveries(
        self, endpoint: Endpoint, since: int, until: int, after: Place, limit: int, at: int
    ) -> tuple[int, Place | None]:
        rows = self._all(
            f"SELECT d.position, d.item FROM delivery d {_TOLD} WHERE d.environment_id = ? AND d.endpoint = ? "
            "AND (d.position, d.item) > (?, ?) AND o.told_at >= ? AND o.told_at < ? ORDER BY d.position, d.item LIMIT ?",
            (endpoint.environment_id, endpoint.id, *after, since, until, limit),
        )
        self._connection.executemany(
            "UPDATE delivery SET status = 0, attempts = 0, next_attempt_at = ? "
            "WHERE environment_id = ? AND position = ? AND item = ? AND endpoint = ?",
            [(at, endpoint.environment_id, *row, endpoint.id) for row in rows],
        )
        return len(rows), rows[-1] if len(rows) == limit else None

    def forget_told(self, environment_id: int, before: int, limit: int) -> int:
        rows = self._all(
            "SELECT position, told_at FROM outbox WHERE environment_id = ? ORDER BY position LIMIT ?",
            (environment_id, limit),
        )
        old = [position for position, at in takewhile(lambda row: row[1] < before, rows)]
        if old:
            for table in ("delivery", "outbox"):
                self._connection.execute(
                    f"DELETE FROM {table} WHERE environment_id = ? AND position <= ?", (environment_id, old[-1])
                )
        return len(old)

    def forget_strays(self, environment_id: int, limit: int) -> int:
        rows = self._all(
            "SELECT d.position, d.item, d.endpoint FROM delivery d WHERE d.environment_id = ? AND "
            "d.endpoint NOT IN (SELECT id FROM endpoint) LIMIT ?",
            (environment_id, limit),
        )
        self._connection.executemany(
            "DELETE FROM delivery WHERE environment_id = ? AND position = ? AND item = ? AND endpoint = ?",
            [(environment_id, *row) for row in rows],
        )
        return len(rows)

    def set_sender(self, name: str, beat: int) -> None:
        """Nobody else sends."""

    def forget_senders(self, names: Sequence[str]) -> None:
        """There are none."""
