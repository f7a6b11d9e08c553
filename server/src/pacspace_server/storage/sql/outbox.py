"""Endpoints, the feed of events, and their deliveries. Each engine writes many rows in its own way."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile
from typing import Any

from ..model.outbox import Delivery, Endpoint, Place, Progress, Row
from ..model.records import Customer
from .statements import Statements

_ENDPOINT = (
    "id, environment_id, url, description, events, enabled, secret_version, rotated_at, created_at, position, item, "
    "last_triggered_at, success_count, failure_count, failing_since, disabled_at, disabled_reason"
)
_ROW = (
    "SELECT o.environment_id, o.position, o.kind, o.$customer, $shard_of_o, o.period, o.first_item, "
    "o.last_item, o.log_id, "
    "o.entry_index, o.subject, o.data, o.told_at FROM $outbox"
)
_DELIVERY = (
    "d.environment_id, d.position, d.item, d.endpoint, d.status, d.attempts, d.next_attempt_at, "
    "d.status_code, d.error, "
    "d.created_at, d.attempted_at"
)
_TOLD = "JOIN outbox o ON o.environment_id = d.environment_id AND o.position = d.position"


def _endpoint_of(row: Any) -> Endpoint:
    events = tuple(row[4].split(",")) if row[4] is not None else None
    values: list[Any] = [*row[:4], events, bool(row[5]), *row[6:]]
    return Endpoint(*values)


def _events_text(endpoint: Endpoint) -> str | None:
    return None if endpoint.events is None else ",".join(endpoint.events)


class OutboxReads(Statements):
    """Queries on endpoints, the feed and deliveries."""

    def endpoints(self, environment_id: int | None = None) -> list[Endpoint]:
        rows = self._all(
            f"SELECT {_ENDPOINT} FROM endpoint WHERE environment_id = coalesce(?, environment_id) "
            "ORDER BY created_at, id",
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
            f"{_ROW} WHERE o.environment_id = ? AND o.position >= ? ORDER BY o.position LIMIT ?",
            (environment_id, position, limit),
        )
        return [Row(*row) for row in rows]

    def feed_rows(self, environment_id: int, positions: Sequence[int]) -> list[Row]:
        rows = self._all(
            f"{_ROW} WHERE o.environment_id = ? AND o.position $among",
            (environment_id, self.dialect.numbers(positions)),
        )
        return [Row(*row) for row in rows]

    def feed_row_of(self, customer: Customer, period: str, kind: int, item: int) -> Row | None:
        row = self._one(
            f"{_ROW} WHERE o.$customer = ? AND o.period = ? AND o.last_item >= ? AND o.kind = ? AND o.first_item <= ? "
            "ORDER BY o.position DESC LIMIT 1",
            (customer.id, period, item, kind, item),
        )
        return Row(*row) if row else None

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
            f"SELECT count(*) FROM (SELECT 1 FROM delivery d {_TOLD} WHERE {where} LIMIT ?) AS found", (*values, most)
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
            f"SELECT {_DELIVERY} FROM delivery d WHERE d.endpoint = ? AND d.status = 0 "
            "AND d.next_attempt_at <= ? ORDER BY d.next_attempt_at LIMIT ?",
            (endpoint_id, now, limit),
        )
        return [Delivery(*row) for row in rows]

    def count_waiting(self, environment_id: int, most: int) -> int:
        row = self._one(
            "SELECT CAST(coalesce(sum((SELECT count(*) FROM (SELECT 1 FROM delivery d WHERE d.endpoint = e.id "
            "AND d.status = 0 LIMIT ?) AS waiting)), 0) AS bigint) FROM endpoint e "
            "WHERE e.environment_id = ? AND e.enabled = ?",
            (most, environment_id, True),
        )
        return int(row[0])

    def is_listened(self, environment_id: int, now: int) -> bool:
        row = self._one(
            "SELECT EXISTS (SELECT 1 FROM endpoint WHERE environment_id = ?) "
            "OR EXISTS (SELECT 1 FROM feed WHERE environment_id = ? AND followed_until > ?)",
            (environment_id, environment_id, now),
        )
        return bool(row[0])


def _chosen(environment_id: int, endpoint_id: str | None, status: int | None) -> tuple[str, list[Any]]:
    """The condition that selects deliveries."""
    where = "d.environment_id = ?"
    values: list[Any] = [environment_id]
    for name, value in (("endpoint", endpoint_id), ("status", status)):
        if value is not None:
            where, values = f"{where} AND d.{name} = ?", [*values, value]
    return where, values


class OutboxWrites(OutboxReads):
    """Writes endpoints, the feed and deliveries."""

    def endpoint(self, endpoint_id: str) -> Endpoint | None:
        """Locks the row, so that two simultaneous changes don't undo each other."""
        row = self._one(f"SELECT {_ENDPOINT} FROM endpoint WHERE id = ?$for_update", (endpoint_id,))
        return _endpoint_of(row) if row else None

    def add_endpoint(self, endpoint: Endpoint) -> None:
        self._run(
            f"INSERT INTO endpoint ({_ENDPOINT}) VALUES (" + "?, " * 16 + "?)",
            endpoint.id, endpoint.environment_id, endpoint.url, endpoint.description, _events_text(endpoint),
            endpoint.enabled, endpoint.secret_version, endpoint.rotated_at, endpoint.created_at, endpoint.position,
            endpoint.item, None, 0, 0, None, None, None,
        )  # fmt: skip

    def set_endpoint(self, endpoint: Endpoint) -> None:
        self._run(
            "UPDATE endpoint SET url = ?, description = ?, events = ?, enabled = ?, secret_version = ?, "
            "rotated_at = ?, "
            "failing_since = ?, disabled_at = ?, disabled_reason = ? WHERE id = ?",
            endpoint.url, endpoint.description, _events_text(endpoint), endpoint.enabled, endpoint.secret_version,
            endpoint.rotated_at, endpoint.failing_since, endpoint.disabled_at, endpoint.disabled_reason, endpoint.id,
        )  # fmt: skip

    def remove_endpoint(self, endpoint_id: str) -> None:
        self._run("DELETE FROM endpoint WHERE id = ?", endpoint_id)

    def follow(self, environment_id: int, until: int) -> None:
        self._run(
            "INSERT INTO feed VALUES (?, 0, ?) ON CONFLICT (environment_id) DO UPDATE "
            "SET followed_until = excluded.followed_until",
            environment_id,
            until,
        )

    def _next_positions(self, environment_id: int, rows: Sequence[Row]) -> None:
        """Assigns rows their positions in the feed, and locks the feed until the unit ends."""
        self._run(
            "INSERT INTO feed AS f VALUES (?, ?, 0) ON CONFLICT (environment_id) "
            "DO UPDATE SET position = f.position + excluded.position",
            environment_id,
            len(rows),
        )
        first = self.feed_position(environment_id) - len(rows) + 1
        for position, row in enumerate(rows, first):
            row.position = position

    def move_endpoints(self, progress: Sequence[Progress]) -> None:
        for moved in sorted(progress, key=lambda each: each.endpoint_id):
            self._run(
                "UPDATE endpoint SET position = ?, item = ?, success_count = success_count + ?, "
                "failure_count = failure_count + ?, last_triggered_at = coalesce(?, last_triggered_at), "
                "failing_since = ? "
                "WHERE id = ?",
                moved.position,
                moved.item,
                moved.succeeded,
                moved.failed,
                moved.last_triggered_at,
                moved.failing_since,
                moved.endpoint_id,
            )
            if moved.disabled_at is not None:
                self._run(
                    "UPDATE endpoint SET enabled = ?, disabled_at = ?, disabled_reason = ? WHERE id = ?",
                    False,
                    moved.disabled_at,
                    moved.disabled_reason,
                    moved.endpoint_id,
                )

    def _to_repeat(self, endpoint: Endpoint, since: int, until: int, after: Place, limit: int) -> list[Place]:
        return self._all(
            f"SELECT d.position, d.item FROM delivery d {_TOLD} WHERE d.environment_id = ? AND d.endpoint = ? "
            "AND (d.position, d.item) > (?, ?) AND o.told_at >= ? AND o.told_at < ? "
            "ORDER BY d.position, d.item LIMIT ?",
            (endpoint.environment_id, endpoint.id, *after, since, until, limit),
        )

    def forget_told(self, environment_id: int, before: int, limit: int) -> int:
        rows = self._all(
            "SELECT position, told_at FROM outbox WHERE environment_id = ? ORDER BY position LIMIT ?",
            (environment_id, limit),
        )
        old = [position for position, at in takewhile(lambda row: row[1] < before, rows)]
        if old:
            for table in ("delivery", "outbox"):
                self._run(f"DELETE FROM {table} WHERE environment_id = ? AND position <= ?", environment_id, old[-1])
        return len(old)

    def _strays(self, environment_id: int, limit: int) -> list[tuple[int, int, str]]:
        return self._all(
            "SELECT d.position, d.item, d.endpoint FROM delivery d WHERE d.environment_id = ? "
            "AND NOT EXISTS (SELECT 1 FROM endpoint e WHERE e.id = d.endpoint) LIMIT ?",
            (environment_id, limit),
        )
