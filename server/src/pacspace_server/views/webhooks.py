"""Replies of webhook endpoints and deliveries."""

from typing import Annotated, TypedDict

from msgspec import Meta

from ..domain.enumerations import DeliveryStatus
from .shapes import Count, Instant, JsonObject, NumberedPage, Pagination, Url


class Delivery(TypedDict):
    """One event for one endpoint."""

    eventId: str
    event: str
    endpointId: str
    deliveryStatus: DeliveryStatus
    status: Annotated[DeliveryStatus, Meta(description="The same as deliveryStatus.")]
    attempts: Count
    nextAttemptAt: Instant | None
    lastStatusCode: int | None
    lastError: str | None
    lastAttemptAt: Instant
    createdAt: Annotated[Instant, Meta(description="The first attempt.")]


class Deliveries(TypedDict):
    """Deliveries, newest event first. `total` counts at most 10,000."""

    deliveries: list[Delivery]
    pagination: Pagination


class Endpoint(TypedDict):
    """A webhook endpoint."""

    id: str
    url: Url
    description: str | None
    events: Annotated[list[str] | None, Meta(description="The events it receives; null for all.")]
    enabled: bool
    active: Annotated[bool, Meta(description="The same as enabled.")]
    createdAt: Instant
    rotatedAt: Instant | None
    lastTriggered: Instant | None
    successCount: Annotated[Count, Meta(description="Attempts with a 2xx answer.")]
    failureCount: Annotated[Count, Meta(description="Other attempts.")]
    failingSince: Annotated[Instant | None, Meta(description="The first failed attempt since the last success.")]
    disabledAt: Instant | None
    disabledReason: Annotated[str | None, Meta(description="Why the server disabled it.")]


class EndpointChanges(TypedDict, total=False):
    """The changed fields of an endpoint."""

    url: str
    description: str | None
    events: tuple[str, ...] | None
    enabled: bool


class NewEndpoint(Endpoint):
    """An endpoint with its secret, which only this reply has."""

    secret: str


class RotatedEndpoint(NewEndpoint):
    """An endpoint with its new secret, which only this reply has."""

    previousSecretUntil: Annotated[Instant, Meta(description="The previous secret also signs until then.")]


class Endpoints(TypedDict):
    """Endpoints, oldest first."""

    webhooks: list[Endpoint]
    pagination: NumberedPage


class RemovedEndpoint(TypedDict):
    """A removed endpoint."""

    id: str
    deleted: bool


class TestedEndpoint(TypedDict):
    """The result of a test event."""

    eventId: str
    event: str
    delivered: bool
    statusCode: int | None
    error: str | None
    reply: Annotated[str, Meta(description="The beginning of the endpoint's answer.")]
    durationMs: Count


class CursorPage(TypedDict):
    """The cursor of the next page."""

    limit: int
    nextCursor: str | None


class EndpointDeliveries(TypedDict):
    """Deliveries to one endpoint, newest event first."""

    deliveries: list[Delivery]
    pagination: CursorPage


class SentDelivery(Delivery):
    """A delivery with its payload."""

    payload: JsonObject


class Replayed(TypedDict):
    """The result of a replay."""

    id: str
    since: Instant
    until: Instant
    queued: Count


class Followed(TypedDict):
    """Events, and the cursor of the next ones."""

    events: list[JsonObject]
    cursor: str


class Triggered(TypedDict):
    """A sample event."""

    eventId: str
    event: str
    createdAt: Instant
