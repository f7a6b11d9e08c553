"""Webhooks: endpoints, deliveries, trying again."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from ..domain.events import EVENTS
from ..http.messages import Call, Reply, success
from ..service.base.context import Caller
from ..service.base.limits import DEFAULT_PAGE, MAX_PAGE
from ..service.running import Running
from ..service.webhooks import deliveries as deliveries_service
from ..service.webhooks import endpoints as endpoints_service
from ..service.webhooks import following
from ..views.webhooks import EndpointChanges
from . import fields
from .fields import Table
from .scope import MAX_OFFSET, PAGE

Given = dict[str, Any]

_STATUS = fields.choice("pending", "delivered", "failed", says="Only these.")
_LIMIT = fields.from_query(fields.whole_number(1, MAX_PAGE, says="How many at most; 100 without it."))
_URL = fields.text(
    endpoints_service.MAX_URL_CHARS, says="Where events are posted to: https in production, a public address."
).like("https://receiver.example/webhooks")
_DESCRIPTION = fields.text(endpoints_service.MAX_DESCRIPTION_CHARS, *fields.NO_NUL, says="For people.")
_EVENTS = fields.items(fields.choice(*EVENTS), len(EVENTS), says="Only these events; all without it, or when empty.")
DELIVERIES: Table = {"status": _STATUS, **PAGE}
ENDPOINTS: Table = {
    "page": fields.from_query(fields.whole_number(1, MAX_OFFSET // MAX_PAGE, says="From 1.")),
    "limit": _LIMIT,
}
NEW_ENDPOINT: Table = {"url": fields.required(_URL), "description": _DESCRIPTION, "events": _EVENTS}
CHANGE: Table = {
    "url": _URL, "description": _DESCRIPTION, "events": _EVENTS,
    "enabled": fields.flag(says="Switched off, it keeps its place; switched on again, it goes on there, for up to 30 days."),
}  # fmt: skip
OF_ENDPOINT: Table = {
    "status": _STATUS, "limit": _LIMIT, "cursor": fields.text(60, says="nextCursor of the page before."),
}  # fmt: skip
REPLAY: Table = {
    "since": fields.required(
        fields.instant(says="Events that were told at this instant or later ...").like("2026-02-01T00:00:00Z")
    ),
    "until": fields.instant(says="... and before this one; now without it."),
}
FOLLOW: Table = {
    "after": fields.text(60, says="cursor of the reply before; without it, the cursor of what comes from now on."),
    "limit": fields.whole_number(1, 500, says="How many at most, about; 100 without it."),
}
TRIGGER: Table = {"event": fields.required(fields.choice(*EVENTS, says="Which one.")).like("delta.verified")}


async def deliveries(running: Running, caller: Caller, call: Call, given: Given) -> Reply:
    """Webhook deliveries that were tried, newest event first."""
    asked = given.get("status"), given.get("limit", DEFAULT_PAGE), given.get("offset", 0)
    return success(await asyncio.to_thread(deliveries_service.list_deliveries, running.context, caller, *asked))


async def retry(running: Running, caller: Caller, call: Call, given: Given) -> Reply:
    """Make the deliveries of an event due now: those that have not succeeded, or all if all have."""
    return success(await deliveries_service.retry(running.context, running.sender, caller, call.path("eventId")))


async def create(running: Running, caller: Caller, call: Call, given: Given) -> Reply:
    """Make an endpoint, which is told what happens from now on. The secret is shown this once."""
    events = tuple(given.get("events") or ()) or None
    return success(
        await endpoints_service.create(
            running.context, running.sender, caller, given["url"], given.get("description"), events
        ),
        201,
    )


async def endpoints(running: Running, caller: Caller, call: Call, given: Given) -> Reply:
    """The endpoints, oldest first."""
    page = given.get("page", 1), given.get("limit", DEFAULT_PAGE)
    return success(await endpoints_service.list_endpoints(running.context, caller, *page))


async def endpoint(running: Running, caller: Caller, call: Call, given: Given) -> Reply:
    """One endpoint."""
    return success(await endpoints_service.get(running.context, caller, call.path("endpointId")))


async def change(running: Running, caller: Caller, call: Call, given: Given) -> Reply:
    """Change an endpoint: the fields that are given."""
    if "events" in given:
        given["events"] = tuple(given["events"]) or None
    changes = cast(EndpointChanges, given)  # by the table of the route's fields
    endpoint_id = call.path("endpointId")
    return success(await endpoints_service.change(running.context, running.sender, caller, endpoint_id, changes))


async def remove(running: Running, caller: Caller, call: Call, given: Given) -> Reply:
    """Remove an endpoint, and what waits for it."""
    return success(await endpoints_service.remove(running.context, running.sender, caller, call.path("endpointId")))


async def test(running: Running, caller: Caller, call: Call, given: Given) -> Reply:
    """Send a signed test event to the endpoint now, and say what came back."""
    return success(await endpoints_service.test(running.context, running.sender, caller, call.path("endpointId")))


async def rotate(running: Running, caller: Caller, call: Call, given: Given) -> Reply:
    """Give the endpoint a new secret, shown this once. For 24 hours the one before signs too."""
    return success(await endpoints_service.rotate(running.context, running.sender, caller, call.path("endpointId")))


async def of_endpoint(running: Running, caller: Caller, call: Call, given: Given) -> Reply:
    """Deliveries to one endpoint that were tried, newest event first."""
    asked = given.get("status"), given.get("limit", DEFAULT_PAGE), given.get("cursor")
    work = deliveries_service.list_of_endpoint
    return success(await asyncio.to_thread(work, running.context, caller, call.path("endpointId"), *asked))


async def delivery(running: Running, caller: Caller, call: Call, given: Given) -> Reply:
    """One delivery with its payload, as it would be sent now: what was erased meanwhile is not in it."""
    named = call.path("endpointId"), call.path("eventId")
    return success(await asyncio.to_thread(deliveries_service.get, running.context, caller, *named))


async def retry_one(running: Running, caller: Caller, call: Call, given: Given) -> Reply:
    """Make the delivery of an event to one endpoint due now."""
    return success(
        await deliveries_service.retry(
            running.context, running.sender, caller, call.path("eventId"), call.path("endpointId")
        )
    )


async def replay(running: Running, caller: Caller, call: Call, given: Given) -> Reply:
    """Send again what was sent to the endpoint, or failed, of the events between two instants."""
    asked = given["since"], given.get("until")
    return success(
        await deliveries_service.replay(running.context, running.sender, caller, call.path("endpointId"), *asked)
    )


async def follow(running: Running, caller: Caller, call: Call, given: Given) -> Reply:
    """The sandbox's events after a cursor, without an endpoint; they are kept while somebody asks every few minutes."""
    return success(
        await following.follow(running.context, caller, given.get("after"), given.get("limit", DEFAULT_PAGE))
    )


async def trigger(running: Running, caller: Caller, call: Call, given: Given) -> Reply:
    """Tell the sandbox's endpoints and followers of a sample event, marked as a test."""
    return success(await following.trigger(running.context, running.sender, caller, given["event"]))
