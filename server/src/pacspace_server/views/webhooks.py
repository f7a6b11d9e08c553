"""What webhook endpoints and deliveries answer."""

from typing import Annotated, TypedDict

from msgspec import Meta

from ..domain.enumerations import DeliveryStatus
from .shapes import Count, Instant, JsonObject, NumberedPage, Pagination, Url


class Delivery(TypedDict):
    """One event on its way to one endpoint."""

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
    createdAt: Annotated[Instant, Meta(description="When it was tried first.")]


class Deliveries(TypedDict):
    """Deliveries, newest event first. `total` counts 10,000 at most."""

    deliveries: list[Delivery]
    pagination: Pagination


class Endpoint(TypedDict):
    """Where events are sent."""

    id: str
    url: Url
    description: str | None
    events: Annotated[list[str] | None, Meta(description="Only these; null: all.")]
    enabled: bool
    active: Annotated[bool, Meta(description="The same as enabled.")]
    createdAt: Instant
    rotatedAt: Instant | None
    lastTriggered: Instant | None
    successCount: Annotated[Count, Meta(description="Attempts that were answered with 2xx.")]
    failureCount: Annotated[Count, Meta(description="Attempts that were not.")]
    failingSince: Annotated[Instant | None, Meta(description="The first failed attempt since the last success.")]
    disabledAt: Instant | None
    disabledReason: Annotated[str | None, Meta(description="Why the server switched it off.")]


class EndpointChanges(TypedDict, total=False):
    """What changes about an endpoint: the fields that are given, by their names in the record."""

    url: str
    description: str | None
    events: tuple[str, ...] | None
    enabled: bool


class NewEndpoint(Endpoint):
    """An endpoint with its secret, shown this once."""

    secret: str


class RotatedEndpoint(NewEndpoint):
    """An endpoint with its new secret, shown this once."""

    previousSecretUntil: Annotated[Instant, Meta(description="Until then the secret before signs too.")]


class Endpoints(TypedDict):
    """Endpoints, oldest first."""

    webhooks: list[Endpoint]
    pagination: NumberedPage


class RemovedEndpoint(TypedDict):
    """An endpoint that is no more."""

    id: str
    deleted: bool


class TestedEndpoint(TypedDict):
    """What came back from a test event."""

    eventId: str
    event: str
    delivered: bool
    statusCode: int | None
    error: str | None
    reply: Annotated[str, Meta(description="The beginning of what the endpoint answered.")]
    durationMs: Count


class CursorPage(TypedDict):
    """How a list goes on."""

    limit: int
    nextCursor: str | None


class EndpointDeliveries(TypedDict):
    """Deliveries to one endpoint, newest event first."""

    deliveries: list[Delivery]
    pagination: CursorPage


class SentDelivery(Delivery):
    """A delivery with what is sent."""

    payload: JsonObject


class Replayed(TypedDict):
    """What is sent again."""

    id: str
    since: Instant
    until: Instant
    queued: Count


class Followed(TypedDict):
    """Events, and where the next ones begin."""

    events: list[JsonObject]
    cursor: str


class Triggered(TypedDict):
    """A sample event."""

    eventId: str
    event: str
    createdAt: Instant
