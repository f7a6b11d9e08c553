"""Deliveries: list, get with payload, retry, replay."""

from __future__ import annotations

from functools import partial

import msgspec

from ...clock import now_us
from ...delivery.feed import Event, Feed
from ...delivery.sender import Sender
from ...domain.events import (
    CHECKPOINT_VERIFIED,
    DELTA_FAILED,
    DELTA_VERIFIED,
    RECEIPT_GENERATED,
    code_of,
    delta_subject,
    event_id,
    parse_event_id,
    position_of,
    sequence_of,
    told_subject,
)
from ...storage.model.outbox import MONTH_LOCKED, PENDING, STATES, Delivery, Place
from ...storage.model.protocols import Snapshot, Unit
from ...views.webhooks import Deliveries, EndpointDeliveries, Replayed, SentDelivery
from ...views.webhooks import Delivery as DeliveryView
from ..base import audit, showing
from ..base.context import Caller, Context
from ..base.errors import ServiceError, invalid
from .endpoints import find

MOST_COUNTED = 10_000
REPLAY_CHUNK = 5_000


def _feed(context: Context, snapshot: Snapshot, caller: Caller) -> Feed:
    return Feed(snapshot.environment(caller.environment_id), context.public_url)


def _status(name: str | None) -> int | None:
    return None if name is None else STATES.index(name)


def view(delivery: Delivery, event: Event) -> DeliveryView:
    """A delivery as replies show it."""
    state = STATES[delivery.status]
    return {
        "eventId": event.id,
        "event": event.name,
        "endpointId": delivery.endpoint_id,
        "deliveryStatus": state,
        "status": state,
        "attempts": delivery.attempts,
        "nextAttemptAt": showing.instant(delivery.next_attempt_at),
        "lastStatusCode": delivery.status_code,
        "lastError": delivery.error,
        "lastAttemptAt": showing.instant(delivery.attempted_at),
        "createdAt": showing.instant(delivery.created_at),
    }


def _views(context: Context, snapshot: Snapshot, caller: Caller, found: list[Delivery]) -> list[DeliveryView]:
    events = _feed(context, snapshot, caller).at(snapshot, list(dict.fromkeys(d.place for d in found)))
    return [view(delivery, events[delivery.place]) for delivery in found if delivery.place in events]


def list_deliveries(context: Context, caller: Caller, status: str | None, limit: int, offset: int) -> Deliveries:
    """Deliveries of the caller's environment, newest event first. `total` counts 10,000 at most."""
    with context.storage.snapshot(checked=False) as snapshot:
        environment_id, wanted = caller.environment_id, _status(status)
        found = snapshot.deliveries(environment_id, None, wanted, None, limit, offset)
        total = snapshot.count_deliveries(environment_id, None, wanted, MOST_COUNTED)
        shown = _views(context, snapshot, caller, found)
    return {"deliveries": shown, "pagination": {"limit": limit, "offset": offset, "total": total}}


def list_of_endpoint(
    context: Context, caller: Caller, endpoint_id: str, status: str | None, limit: int, cursor: str | None
) -> EndpointDeliveries:
    """The deliveries to one endpoint, by cursor."""
    with context.storage.snapshot(checked=False) as snapshot:
        endpoint = find(snapshot, caller, endpoint_id)
        before = None if cursor is None else read_cursor("cursor", cursor)
        found = snapshot.deliveries(caller.environment_id, endpoint.id, _status(status), before, limit + 1, 0)
        shown = _views(context, snapshot, caller, found[:limit])
    more = cursor_of(found[limit - 1].place) if len(found) > limit else None
    return {"deliveries": shown, "pagination": {"limit": limit, "nextCursor": more}}


def cursor_of(place: Place) -> str:
    return f"{place[0]}.{place[1]}"


def read_cursor(field: str, text: str) -> Place:
    position, _, item = text.partition(".")
    if not all(part.isascii() and part.isdigit() and len(part) < 20 for part in (position, item)):
        raise invalid((field, "is not a cursor of this list"))
    place = int(position), int(item)
    if max(place) >= 2**63:
        raise invalid((field, "is not a cursor of this list"))
    return place


def locate(snapshot: Snapshot, caller: Caller, identity: str) -> Place:
    """The place of an event in the feed of the caller's environment; 404 NOT_FOUND."""
    place = _place(snapshot, caller.environment_id, identity)
    if place is None:
        message = f"no event {identity[:80]} in the {caller.environment} environment in the last 30 days"
        raise ServiceError("NOT_FOUND", message)
    return place


def _place(snapshot: Snapshot, environment_id: int, identity: str) -> Place | None:
    parsed = parse_event_id(identity)
    if parsed is None:
        return None
    shard_key, subject, code = parsed
    for row in snapshot.feed_rows(environment_id, [position_of(subject)]):
        if event_id(row.shard_key, told_subject(row.position, row.subject), row.kind) == identity:
            return row.position, row.first
    customer = snapshot.customer(environment_id, shard_key)
    if customer is None:
        return None
    if code in (code_of(CHECKPOINT_VERIFIED), code_of(RECEIPT_GENERATED)):
        checkpoint = snapshot.checkpoint(f"chk_{shard_key.hex()}{subject.hex()}")
        period, kind, item = checkpoint.period if checkpoint else None, MONTH_LOCKED, code - MONTH_LOCKED
    elif code in (code_of(DELTA_VERIFIED), code_of(DELTA_FAILED)):
        delta = snapshot.delta_at(customer, sequence_of(subject))
        if delta is None or delta_subject(delta.record_id) != subject:
            return None
        period, kind, item = delta.period, code, delta.leaf_index if code == code_of(DELTA_VERIFIED) else 0
    else:
        return None
    row_of_it = snapshot.feed_row_of(customer, period, kind, item) if period is not None else None
    return (row_of_it.position, item) if row_of_it is not None else None


def get(context: Context, caller: Caller, endpoint_id: str, identity: str) -> SentDelivery:
    """One delivery with its payload, as it would be sent now."""
    with context.storage.snapshot(checked=False) as snapshot:
        endpoint, place = find(snapshot, caller, endpoint_id), locate(snapshot, caller, identity)
        found = [d for d in snapshot.deliveries_of(caller.environment_id, place) if d.endpoint_id == endpoint.id]
        event = _feed(context, snapshot, caller).at(snapshot, [place]).get(place)
    if not found or event is None:
        raise ServiceError("NOT_FOUND", f"no delivery of the event {identity[:80]} to {endpoint_id}")
    return {**view(found[0], event), "payload": msgspec.Raw(event.body)}


async def retry(
    context: Context, sender: Sender, caller: Caller, identity: str, endpoint_id: str | None = None
) -> DeliveryView:
    """Makes the failed deliveries of an event due now, or all if none failed; to one endpoint, or to each.

    404 NOT_FOUND for an event that was never sent.
    """
    now = now_us()

    def work(unit: Unit) -> tuple[Delivery, Event]:
        endpoint = find(unit, caller, endpoint_id) if endpoint_id is not None else None
        place = locate(unit, caller, identity)
        known = {e.id for e in unit.endpoints(caller.environment_id)}
        found = [
            d
            for d in unit.deliveries_of(caller.environment_id, place)
            if d.endpoint_id in known and (endpoint is None or d.endpoint_id == endpoint.id)
        ]
        event = _feed(context, unit, caller).at(unit, [place]).get(place)
        if not found or event is None:
            raise ServiceError("NOT_FOUND", f"there was no attempt yet to deliver the event {identity[:80]}")
        again = [d for d in found if d.status != STATES.index("delivered")] or found
        for delivery in again:
            delivery.status, delivery.next_attempt_at = PENDING, now
        unit.set_deliveries(again)
        audit.record(unit, caller, "delivery.retry", event.id)
        return again[0], event

    delivery, event = await context.committer.run(work)
    sender.look_again()
    return view(delivery, event)


async def replay(
    context: Context, sender: Sender, caller: Caller, endpoint_id: str, since: int, until: int | None
) -> Replayed:
    """Makes an endpoint's finished deliveries of events between two instants due again."""
    now = now_us()
    last = until if until is not None else now
    if last <= since:
        raise invalid(("until", "is not after since"))
    endpoint = await context.look(lambda snapshot: find(snapshot, caller, endpoint_id))
    place: Place | None = (-1, -1)
    queued = 0

    def work(after: Place, unit: Unit) -> tuple[int, Place | None]:
        return unit.repeat_deliveries(endpoint, since, last, after, REPLAY_CHUNK, now)

    while place is not None:
        count, place = await context.committer.run(partial(work, place))
        queued += count
    begins, ends = showing.instant(since), showing.instant(last)
    details = {"since": begins, "until": ends, "queued": queued}
    await context.committer.run(lambda unit: audit.record(unit, caller, "endpoint.replay", endpoint.id, details))
    sender.look_again()
    return {"id": endpoint.id, "since": begins, "until": ends, "queued": queued}
