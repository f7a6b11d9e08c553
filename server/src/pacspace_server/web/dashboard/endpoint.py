"""One endpoint: what was sent to it, one delivery with its payload, and everything that is changed about it."""

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
# What the forms of the page are, so that what is wrong with one is said in that one.
CHANGE, REPLAY, DELETE = "change", "replay", "delete"


def _place(request: Request) -> str:
    return f"/app/webhooks/{request.call.path('endpointId')}"


async def show(desk: Desk, request: Request) -> Reply:
    return await _page(desk, request)


async def _page(
    desk: Desk, request: Request, which: str = "", form: Filled | None = None, tested: TestedEndpoint | None = None
) -> Reply:
    """The endpoint and its deliveries. `which` form has `form`'s problems; `tested` is what came back of a test."""
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
    """The page with what is wrong with one of its forms; a 404 for an endpoint that is not there."""
    if status_of(error) == 404:
        raise error
    return await _page(desk, request, which, filled(request.form, error))


async def change(desk: Desk, request: Request) -> Reply:
    """Another address, description or choice of events: what differs is changed."""
    named = request.call.path("endpointId")
    before = await endpoints_service.get(desk.context, request.caller, named)
    try:
        given = asked(request.form).changes(before)
        if given:
            await endpoints_service.change(desk.context, desk.running.sender, request.caller, named, given)
    except ServiceError as error:
        return await _again(desk, request, CHANGE, error)
    return desk.go(_place(request), "The endpoint is changed." if given else "Nothing was different.")


async def switch(desk: Desk, request: Request) -> Reply:
    """On or off. Its place in what is told is kept."""
    enabled, named = request.form.one("state") == "on", request.call.path("endpointId")
    await endpoints_service.change(desk.context, desk.running.sender, request.caller, named, {"enabled": enabled})
    said = "is on: it goes on where it was" if enabled else "is off: it keeps its place"
    return desk.go(_place(request), f"The endpoint {said}.")


async def test(desk: Desk, request: Request) -> Reply:
    """A signed test event, now, and what came back."""
    tested = await endpoints_service.test(
        desk.context, desk.running.sender, request.caller, request.call.path("endpointId")
    )
    return await _page(desk, request, tested=tested)


async def rotate(desk: Desk, request: Request) -> Reply:
    """Another secret, on this page once."""
    made = await endpoints_service.rotate(
        desk.context, desk.running.sender, request.caller, request.call.path("endpointId")
    )
    return desk.page(request, "webhook_secret.html", endpoint=made)


async def delete(desk: Desk, request: Request) -> Reply:
    """The endpoint is gone, once the word was typed."""
    named = request.call.path("endpointId")
    endpoint = await endpoints_service.get(desk.context, request.caller, named)
    if request.form.one("typed") != "delete":
        return await _again(desk, request, DELETE, invalid(("typed", "must be the word delete")))
    await endpoints_service.remove(desk.context, desk.running.sender, request.caller, named)
    return desk.go("/app/webhooks", f"The endpoint {endpoint['url'][:200]} is removed. What waited for it is not sent.")


async def replay(desk: Desk, request: Request) -> Reply:
    """Everything that was sent to it, or failed, since an instant is due again."""
    named = request.call.path("endpointId")
    try:
        try:
            since = parse_instant(request.form.one("since"), allow_date=True)
        except InstantError as error:
            raise invalid(("since", str(error))) from error
        done = await deliveries_service.replay(desk.context, desk.running.sender, request.caller, named, since, None)
    except ServiceError as error:
        if any(detail["field"] == "until" for detail in error.extra.get("details", [])):
            error = invalid(("since", "is not before now"))
        return await _again(desk, request, REPLAY, error)
    many = done["queued"]
    said = f"{words.count(many)} {'event is' if many == 1 else 'events are'} sent again"
    return desk.go(_place(request), f"{said}, of those told since {words.moment_of(done['since']).text}.")


async def delivery(desk: Desk, request: Request) -> Reply:
    """What is sent, readable, and how far it came."""
    named = request.call.path("endpointId"), request.call.path("eventId")
    endpoint = await endpoints_service.get(desk.context, request.caller, named[0])
    view = await desk.ask(deliveries_service.get, request, *named)
    payload = msgspec.json.format(bytes(view["payload"]), indent=2).decode()
    return desk.page(request, "delivery.html", endpoint=endpoint, delivery=view, payload=payload)


async def send_again(desk: Desk, request: Request) -> Reply:
    """The event is due now, for this endpoint alone."""
    named, event_id = request.call.path("endpointId"), request.call.path("eventId")
    view = await deliveries_service.retry(desk.context, desk.running.sender, request.caller, event_id, named)
    said = "It is due now. Load the page again in a moment to see what came of it."
    return desk.go(f"{_place(request)}/deliveries/{view['eventId']}", said)
