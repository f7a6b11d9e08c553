"""Endpoints, the feed of events, and the state of each delivery.

The feed of an environment is one list of rows in commit order; a row stands for one event, or for all deltas of a
month between two leaf indexes. Each endpoint has its place in the feed, like a reader of a log, so nothing is copied
per endpoint. Integrated deltas are in the feed immediately, and are sent once their entry is published.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct

from ...domain.enumerations import DeliveryStatus
from ...domain.events import CHECKPOINT_VERIFIED, DELTA_VERIFIED, RECEIPT_GENERATED, code_of, event_of

if TYPE_CHECKING:
    from .records import Customer, Delta, Integration, Key

PENDING, DELIVERED, FAILED = 0, 1, 2
STATES: tuple[DeliveryStatus, ...] = ("pending", "delivered", "failed")
MONTH_LOCKED = code_of(CHECKPOINT_VERIFIED)  # such a row is two events: month locked and receipt ready
_VERIFIED, _RECEIPT = code_of(DELTA_VERIFIED), code_of(RECEIPT_GENERATED)

Place = tuple[int, int]  # position of a row in the feed, item in the row


@dataclass(slots=True)
class Endpoint:
    """Where events are sent, and its place: everything up to `position`, `item` was tried. Wall clock, microseconds.

    `events` None means all. The secret is derived from the id and `secret_version`.
    """

    id: str
    environment_id: int
    url: str
    description: str | None
    events: tuple[str, ...] | None
    enabled: bool
    secret_version: int
    rotated_at: int | None
    created_at: int
    position: int
    item: int
    last_triggered_at: int | None = None
    success_count: int = 0
    failure_count: int = 0
    failing_since: int | None = None
    disabled_at: int | None = None
    disabled_reason: str | None = None

    @property
    def place(self) -> Place:
        return self.position, self.item

    def wants(self, event: str) -> bool:
        return self.events is None or event in self.events


class Row(Struct):
    """One row of a feed: the items `first` to `last` of a kind; `kind` is the number of an event (`domain.events`).

    For deltas, an item is a leaf index. The row is sent once the log has published `entry_index`. `data` is the event's
    JSON where the record does not provide it. `subject` (`domain.events`) is 6 random bytes where an event has none.
    """

    environment_id: int
    position: int
    kind: int
    customer: Key | None
    shard_key: bytes
    period: str | None
    first: int
    last: int
    log_id: int | None
    entry_index: int | None
    subject: bytes
    data: str | None
    at: int

    @property
    def is_deltas(self) -> bool:
        return self.kind == _VERIFIED and self.data is None

    @property
    def is_lock(self) -> bool:
        return self.kind == MONTH_LOCKED and self.data is None

    def code(self, item: int) -> int:
        """The number of an item's event."""
        return _RECEIPT if self.is_lock and item == 1 else self.kind

    def event(self, item: int) -> str:
        return event_of(self.code(item))


class Delivery(Struct):
    """One event for one endpoint, after its first attempt at `created_at`."""

    environment_id: int
    position: int
    item: int
    endpoint_id: str
    status: int
    attempts: int
    next_attempt_at: int | None
    status_code: int | None
    error: str | None
    created_at: int
    attempted_at: int

    @property
    def place(self) -> Place:
        return self.position, self.item


class Progress(Struct):
    """How a group of attempts changes an endpoint."""

    endpoint_id: str
    position: int
    item: int
    succeeded: int
    failed: int
    last_triggered_at: int | None
    failing_since: int | None
    disabled_at: int | None = None
    disabled_reason: str | None = None


def told(
    environment_id: int,
    event: str,
    customer: Customer | None,
    data: str,
    at: int,
    period: str | None = None,
    subject: bytes | None = None,
) -> Row:
    """A row with one event and its data."""
    key, shard_key = (customer.id, customer.shard_key) if customer is not None else (None, b"")
    nonce = subject or secrets.token_bytes(6)
    return Row(environment_id, 0, code_of(event), key, shard_key, period, 0, 0, None, None, nonce, data, at)


def rows_of(heads: Sequence[Integration], closed: bool, environment_id: int, log_id: int, at: int) -> Iterator[Row]:
    """The rows for months that the integrator took up: their new deltas, and their locks."""
    for head in heads:
        assert head.entry_index is not None
        row = Row(
            environment_id, 0, _VERIFIED, head.customer, b"", head.period, max(1, head.previous_size),
            head.integrated_size - 1 - closed, log_id, head.entry_index, b"", None, at,
        )  # fmt: skip
        if row.last >= row.first:
            yield row
        if closed and head.previous_size < head.integrated_size:
            yield Row(
                environment_id, 0, MONTH_LOCKED, head.customer, b"", head.period, 0, 1, log_id, head.entry_index, b"",
                None, at,
            )  # fmt: skip


class OutboxReads(Protocol):
    """What a snapshot reads of endpoints and deliveries."""

    def endpoints(self, environment_id: int | None = None) -> list[Endpoint]:
        """Oldest first; of all environments by default."""
        ...

    def endpoint(self, endpoint_id: str) -> Endpoint | None: ...
    def feed_position(self, environment_id: int) -> int:
        """The last position in use."""
        ...

    def feed(self, environment_id: int, position: int, limit: int) -> list[Row]:
        """Rows from a position onwards."""
        ...

    def feed_rows(self, environment_id: int, positions: Sequence[int]) -> list[Row]: ...
    def feed_row_of(self, customer: Customer, period: str, kind: int, item: int) -> Row | None:
        """The last row that holds an item of a customer's month."""
        ...

    def feed_deltas(self, rows: Sequence[Row]) -> list[tuple[Row, str, Delta]]:
        """The deltas of rows, each with its customerId, in order."""
        ...

    def deliveries(
        self,
        environment_id: int,
        endpoint_id: str | None,
        status: int | None,
        before: Place | None,
        limit: int,
        offset: int,
    ) -> list[Delivery]:
        """Newest event first."""
        ...

    def count_deliveries(self, environment_id: int, endpoint_id: str | None, status: int | None, most: int) -> int: ...
    def deliveries_of(self, environment_id: int, place: Place) -> list[Delivery]:
        """One event's deliveries, to each endpoint."""
        ...

    def due(self, endpoint_id: str, now: int, limit: int) -> list[Delivery]:
        """Deliveries whose next attempt is due, the longest overdue first."""
        ...

    def count_waiting(self, environment_id: int, most: int) -> int:
        """How many deliveries to enabled endpoints wait for another attempt; counts up to `most` per endpoint."""
        ...

    def senders(self) -> dict[str, int]:
        """The sending processes with their beats, which they count up; empty for a file, which has one process."""
        ...

    def is_listened(self, environment_id: int, now: int) -> bool:
        """Whether the feed is needed: there is an endpoint, or a follower."""
        ...


class OutboxWrites(Protocol):
    """What a unit writes of endpoints and deliveries."""

    def add_endpoint(self, endpoint: Endpoint) -> None: ...
    def set_endpoint(self, endpoint: Endpoint) -> None:
        """Stores the vendor's settings of an endpoint, not its place."""
        ...

    def remove_endpoint(self, endpoint_id: str) -> None: ...
    def follow(self, environment_id: int, until: int) -> None:
        """Keeps the feed written until an instant, even without an endpoint."""
        ...

    def tell(self, environment_id: int, rows: Sequence[Row]) -> None:
        """Appends rows to the feed and assigns their positions. Locks the feed until the unit ends."""
        ...

    def set_deliveries(self, deliveries: Sequence[Delivery]) -> None: ...
    def move_endpoints(self, progress: Sequence[Progress]) -> None: ...
    def repeat_deliveries(
        self, endpoint: Endpoint, since: int, until: int, after: Place, limit: int, at: int
    ) -> tuple[int, Place | None]:
        """Makes deliveries of events between two instants due again, a part at a time.

        Returns their number and the start of the next part.
        """
        ...

    def forget_told(self, environment_id: int, before: int, limit: int) -> int:
        """Removes a feed's oldest rows from before an instant, with their deliveries; returns the number of rows."""
        ...

    def forget_strays(self, environment_id: int, limit: int) -> int:
        """Removes deliveries of deleted endpoints."""
        ...

    def set_sender(self, name: str, beat: int) -> None:
        """Registers a sending process, where several share a database."""
        ...

    def forget_senders(self, names: Sequence[str]) -> None: ...
