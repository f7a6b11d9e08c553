"""What webhook deliveries answer."""

from typing import Annotated, Literal, TypedDict

from msgspec import Meta

from .shapes import Count, Instant, Pagination

DeliveryState = Literal["pending", "delivered", "failed"]


class Delivery(TypedDict):
    """One event on its way to one endpoint."""

    eventId: str
    event: str
    endpointId: str
    deliveryStatus: DeliveryState
    status: Annotated[DeliveryState, Meta(description="The same as deliveryStatus.")]
    attempts: Count
    nextAttemptAt: Instant | None
    lastStatusCode: int | None
    lastError: str | None
    createdAt: Instant


class Deliveries(TypedDict):
    """Deliveries, newest first."""

    deliveries: list[Delivery]
    pagination: Pagination
