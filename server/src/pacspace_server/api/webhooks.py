"""Webhooks: endpoints, deliveries, retries."""

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

_STATUS = fields.choice("pending", "delivered", "failed", says="Only deliveries with this status.")
_LIMIT = fields.from_query(fields.whole_number(1, MAX_PAGE, says="The page size. Default: 100."))
_URL = fields.text(
    endpoints_service.MAX_URL_CHARS, says="The URL for events: https in production, a public address."
).like("https://receiver.example/webhooks")
_DESCRIPTION = fields.text(endpoints_service.MAX_DESCRIPTION_CHARS, *fields.NO_NUL, says="A description for people.")
_EVENTS = fields.items(fields.choice(*EVENTS), len(EVENTS), says="Only these events. Default, also if empty: all.")
DELIVERIES: Table = {"status": _STATUS, **PAGE}
ENDPOINTS: Table = {
    "page": fields.from_query(fields.whole_number(1, MAX_OFFSET // MAX_PAGE, says="The page number, from 1.")),
    "limit": _LIMIT,
}
NEW_ENDPOINT: Table = {"url": fields.required(_URL), "description": _DESCRIPTION, "events": _EVENTS}
CHANGE: Table = {
    "url": _URL,
    "description": _DESCRIPTION,
    "events": _EVENTS,
    "enabled": fields.flag(says="A disabled endpoint keeps its place for up to 30 days and resumes there."),
}
OF_ENDPOINT: Table = {
    "status": _STATUS,
    "limit": _LIMIT,
    "cursor": fields.text(60, says="nextCursor of the previous page."),
}
REPLAY: Table = {
    "since": fields.required(fields.instant(says="Events of this instant or later ...").like("2026-02-01T00:00:00Z")),
    "until": fields.instant(says="... and before this one. Default: now."),
}
FOLLOW: Table = {
    "after": fields.text(60, says="cursor of the previous reply. Default: only events from now on."),
    "limit": fields.whole_number(1, 500, says="The approximate page size. Default: 100."),
}
TRIGGER: Table = {"event": fields.required(fields.choice(*EVENTS, says="The event's name.")).like("delta.verified")}


async def deliveries(running: Running, caller: Caller, call: Call, given: Given) -> Reply:
    """List attempted deliveries, newest event first."""
    asked = given.get("status"), given.get("limit", DEFAULT_PAGE), given.get("offset", 0)
    return success(await asyncio.to_thread(deliveries_service.list_deliveries, running.context, caller, *asked))


async def retry(running: Running, caller: Caller, call: Call, given: Given) -> Reply:
    """Retry the deliveries of an event now: those that have not succeeded, or all of them if all succeeded."""
    return success(await deliveries_service.retry(running.context, running.sender, caller, call.path("eventId")))


async def create(running: Running, caller: Caller, call: Call, given: Given) -> Reply:
    """Create an endpoint. It receives events from now on; only this reply shows its secret."""
    events = tuple(given.get("events") or ()) or None
    return success(
        await endpoints_service.create(
            running.context, running.sender, caller, given["url"], given.get("description"), events
        ),
        201,
    )


async def endpoints(running: Running, caller: Caller, call: Call, given: Given) -> Reply:
    """List the endpoints, oldest first."""
    page = given.get("page", 1), given.get("limit", DEFAULT_PAGE)
    return success(await endpoints_service.list_endpoints(running.context, caller, *page))


async def endpoint(running: Running, caller: Caller, call: Call, given: Given) -> Reply:
    """Get one endpoint."""
    return success(await endpoints_service.get(running.context, caller, call.path("endpointId")))


async def change(running: Running, caller: Caller, call: Call, given: Given) -> Reply:
    """Change the given fields of an endpoint."""
    if "events" in given:
        given["events"] = tuple(given["events"]) or None
    changes = cast(EndpointChanges, given)  # the fields table of the route has checked it
    endpoint_id = call.path("endpointId")
    return success(await endpoints_service.change(running.context, running.sender, caller, endpoint_id, changes))


async def remove(running: Running, caller: Caller, call: Call, given: Given) -> Reply:
    """Delete an endpoint and its pending deliveries."""
    return success(await endpoints_service.remove(running.context, running.sender, caller, call.path("endpointId")))


async def test(running: Running, caller: Caller, call: Call, given: Given) -> Reply:
    """Send a signed test event to the endpoint now, and get its reply."""
    return success(await endpoints_service.test(running.context, running.sender, caller, call.path("endpointId")))


async def rotate(running: Running, caller: Caller, call: Call, given: Given) -> Reply:
    """Give the endpoint a new secret, shown only in this reply. For 24 hours the old secret signs too."""
    return success(await endpoints_service.rotate(running.context, running.sender, caller, call.path("endpointId")))


async def of_endpoint(running: Running, caller: Caller, call: Call, given: Given) -> Reply:
    """List attempted deliveries to one endpoint, newest event first."""
    asked = given.get("status"), given.get("limit", DEFAULT_PAGE), given.get("cursor")
    work = deliveries_service.list_of_endpoint
    return success(await asyncio.to_thread(work, running.context, caller, call.path("endpointId"), *asked))


async def delivery(running: Running, caller: Caller, call: Call, given: Given) -> Reply:
    """Get one delivery with its payload, as it would be sent now, without erased data."""
    named = call.path("endpointId"), call.path("eventId")
    return success(await asyncio.to_thread(deliveries_service.get, running.context, caller, *named))


async def retry_one(running: Running, caller: Caller, call: Call, given: Given) -> Reply:
    """Retry the delivery of an event to one endpoint now."""
    return success(
        await deliveries_service.retry(
            running.context, running.sender, caller, call.path("eventId"), call.path("endpointId")
        )
    )


async def replay(running: Running, caller: Caller, call: Call, given: Given) -> Reply:
    """Send the endpoint again all attempted events between two instants."""
    asked = given["since"], given.get("until")
    return success(
        await deliveries_service.replay(running.context, running.sender, caller, call.path("endpointId"), *asked)
    )


async def follow(running: Running, caller: Caller, call: Call, given: Given) -> Reply:
    """List the sandbox's events after a cursor, without an endpoint. Ask every few minutes: else events are dropped."""
    return success(
        await following.follow(running.context, caller, given.get("after"), given.get("limit", DEFAULT_PAGE))
    )


async def trigger(running: Running, caller: Caller, call: Call, given: Given) -> Reply:
    """Send a sample event, marked as a test, to the sandbox's endpoints and followers."""
    return success(await following.trigger(running.context, running.sender, caller, given["event"]))
