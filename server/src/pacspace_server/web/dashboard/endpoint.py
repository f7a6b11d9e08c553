"""One endpoint: its deliveries, one delivery with its payload, and changes."""

from __future__ import annotations

import msgspec

from ...domain.instants import InstantError, parse_instant
from ...http.messages import Reply
from ...http.refusals import status_of
from ...service.base.errors import ServiceError, invalid
from ...service.webhooks import deliveries as deliveries_service
from ...service.webhooks import endpoints as endpoints_service
from ...storage.model.outbox import STATES
from ...views.webhooks import TestedEndpoint
from .. import words
from .desk import Desk, Filled, Request, filled
from .webhooks import CHOICES, asked

SHOWN = 25
# The page's forms: each shows its own problems.
CHANGE, REPLAY, DELETE = "change", "replay", "delete"


def _place(request: Request) -> str:
    return f"/app/webhooks/{request.call.path('endpointId')}"


async def show(desk: Desk, request: Request) -> Reply:
    return await _page(desk, request)


async def _page(
    desk: Desk, request: Request, which: str = "", form: Filled | None = None, tested: TestedEndpoint | None = None
) -> Reply:
    """The endpoint and its deliveries. The form `which` shows the problems in `form`; `tested` is a test's result."""
    named, query = request.call.path("endpointId"), request.query
    endpoint = await endpoints_service.get(desk.context, request.caller, named)
    status, cursor = query.get("status", ""), query.get("cursor")
    wanted = status if status in STATES else None
    listed = await desk.ask(deliveries_service.list_of_endpoint, request, named, wanted, SHOWN, cursor)
    forms = {name: Filled() for name in (CHANGE, REPLAY, DELETE)} | ({which: form} if form else {})
    chosen = request.form.many("events") if which == CHANGE else endpoint["events"] or []
    return desk.page(
        request, "webhook.html", 400 if form else 200, endpoint=endpoint, listed=listed, forms=forms, tested=tested,
        events=CHOICES, chosen=chosen, wanted=wanted, states=STATES, cursor=cursor,
        most_url=endpoints_service.MAX_URL_CHARS, most_description=endpoints_service.MAX_DESCRIPTION_CHARS,
    )  # fmt: skip


async def _again(desk: Desk, request: Request, which: str, error: ServiceError) -> Reply:
    """The page with the problems of one form. Raises a 404 for an unknown endpoint."""
    if status_of(error) == 404:
        raise error
    return await _page(desk, request, which, filled(request.form, error))


async def change(desk: Desk, request: Request) -> Reply:
    """Changes URL, description or events, where they differ."""
    named = request.call.path("endpointId")
    before = await endpoints_service.get(desk.context, request.caller, named)
    try:
        given = asked(request.form).changes(before)
        if given:
            await endpoints_service.change(desk.context, desk.running.sender, request.caller, named, given)
    except ServiceError as error:
        return await _again(desk, request, CHANGE, error)
    return desk.go(_place(request), "The endpoint is changed." if given else "Nothing has changed.")


async def switch(desk: Desk, request: Request) -> Reply:
    """Enables or disables the endpoint. It keeps its place in the feed."""
    enabled, named = request.form.one("state") == "on", request.call.path("endpointId")
    await endpoints_service.change(desk.context, desk.running.sender, request.caller, named, {"enabled": enabled})
    said = "on: it continues at its place" if enabled else "off: it keeps its place"
    return desk.go(_place(request), f"The endpoint is {said}.")


async def test(desk: Desk, request: Request) -> Reply:
    """Sends a signed test event now, and shows the result."""
    tested = await endpoints_service.test(
        desk.context, desk.running.sender, request.caller, request.call.path("endpointId")
    )
    return await _page(desk, request, tested=tested)


async def rotate(desk: Desk, request: Request) -> Reply:
    """Sets a new secret; only this page shows it."""
    made = await endpoints_service.rotate(
        desk.context, desk.running.sender, request.caller, request.call.path("endpointId")
    )
    return desk.page(request, "webhook_secret.html", endpoint=made)


async def delete(desk: Desk, request: Request) -> Reply:
    """Deletes the endpoint after the user has typed the word."""
    named = request.call.path("endpointId")
    endpoint = await endpoints_service.get(desk.context, request.caller, named)
    if request.form.one("typed") != "delete":
        return await _again(desk, request, DELETE, invalid(("typed", "must be the word delete")))
    await endpoints_service.remove(desk.context, desk.running.sender, request.caller, named)
    said = f"The endpoint {endpoint['url'][:200]} is deleted, with its pending deliveries."
    return desk.go("/app/webhooks", said)


async def replay(desk: Desk, request: Request) -> Reply:
    """Sends all attempted events since an instant again."""
    named = request.call.path("endpointId")
    try:
        try:
            since = parse_instant(request.form.one("since"), allow_date=True)
        except InstantError as error:
            raise invalid(("since", str(error))) from error
        done = await deliveries_service.replay(desk.context, desk.running.sender, request.caller, named, since, None)
    except ServiceError as error:
        if any(detail["field"] == "until" for detail in error.extra.get("details", [])):
            error = invalid(("since", "must be in the past"))
        return await _again(desk, request, REPLAY, error)
    many = done["queued"]
    start = words.moment_of(done["since"]).text
    said = f"{words.count(many)} {'event' if many == 1 else 'events'} since {start} will be sent again."
    return desk.go(_place(request), said)


async def delivery(desk: Desk, request: Request) -> Reply:
    """One delivery with its payload and its status."""
    named = request.call.path("endpointId"), request.call.path("eventId")
    endpoint = await endpoints_service.get(desk.context, request.caller, named[0])
    view = await desk.ask(deliveries_service.get, request, *named)
    payload = msgspec.json.format(bytes(view["payload"]), indent=2).decode()
    return desk.page(request, "delivery.html", endpoint=endpoint, delivery=view, payload=payload)


async def send_again(desk: Desk, request: Request) -> Reply:
    """Retries the delivery to this endpoint now."""
    named, event_id = request.call.path("endpointId"), request.call.path("eventId")
    view = await deliveries_service.retry(desk.context, desk.running.sender, request.caller, event_id, named)
    said = "The delivery is due now. Reload the page in a moment to see the result."
    return desk.go(f"{_place(request)}/deliveries/{view['eventId']}", said)
