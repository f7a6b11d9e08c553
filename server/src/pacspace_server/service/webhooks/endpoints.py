"""Webhook endpoints: create, list, change, remove, rotate secrets, test."""

from __future__ import annotations

import asyncio
import base64
import secrets
import time
from urllib.parse import urlsplit

import msgspec

from pacspace_proofs.webhook import PREFIX

from ...clock import now_us
from ...delivery.addresses import Forbidden, parse_target
from ...delivery.feed import Event
from ...delivery.http import AttemptFailed, Channel
from ...delivery.line import attempt, problem_of
from ...delivery.schedule import OVERLAP_US
from ...delivery.sender import Sender
from ...domain.events import TEST
from ...domain.instants import instant_text
from ...storage.model.outbox import Endpoint
from ...storage.model.protocols import Snapshot, Unit
from ...views.pages import EndpointHealth
from ...views.webhooks import Endpoint as EndpointView
from ...views.webhooks import (
    EndpointChanges,
    Endpoints,
    NewEndpoint,
    RemovedEndpoint,
    RotatedEndpoint,
    TestedEndpoint,
)
from ..base import audit, showing
from ..base.context import Caller, Context
from ..base.errors import ServiceError, invalid
from ..base.server_secret import ServerSecret

RESOLVE_S = 2.0
END_OF_ROW = 2**62  # an item beyond all others, so that the feed continues at the next row
MAX_ENDPOINTS = 100  # per environment
MAX_URL_CHARS, MAX_DESCRIPTION_CHARS = 2048, 200
MOST_WAITING = 10_000  # counted per endpoint


def secret_of(server_secret: ServerSecret, endpoint_id: str, version: int) -> str:
    """The secret as text, for our signature and for Standard Webhooks."""
    return PREFIX + base64.b64encode(server_secret.derive("webhook", endpoint_id, str(version))).decode()


def secrets_of(server_secret: ServerSecret, endpoint: Endpoint, now: int) -> list[str]:
    """The signing secrets: for 24 hours after a rotation, also the previous one."""
    versions = [endpoint.secret_version]
    if endpoint.rotated_at is not None and now - endpoint.rotated_at < OVERLAP_US:
        versions.append(endpoint.secret_version - 1)
    return [secret_of(server_secret, endpoint.id, version) for version in versions]


def view(endpoint: Endpoint) -> EndpointView:
    """An endpoint as replies show it, without its secret."""
    return {
        "id": endpoint.id,
        "url": endpoint.url,
        "description": endpoint.description,
        "events": None if endpoint.events is None else list(endpoint.events),
        "enabled": endpoint.enabled,
        "active": endpoint.enabled,
        "createdAt": showing.instant(endpoint.created_at),
        "rotatedAt": showing.instant(endpoint.rotated_at),
        "lastTriggered": showing.instant(endpoint.last_triggered_at),
        "successCount": endpoint.success_count,
        "failureCount": endpoint.failure_count,
        "failingSince": showing.instant(endpoint.failing_since),
        "disabledAt": showing.instant(endpoint.disabled_at),
        "disabledReason": endpoint.disabled_reason,
    }


def find(snapshot: Snapshot, caller: Caller, endpoint_id: str) -> Endpoint:
    """The endpoint in the caller's environment; 404 NOT_FOUND."""
    endpoint = snapshot.endpoint(endpoint_id) if "\0" not in endpoint_id else None
    if endpoint is None or endpoint.environment_id != caller.environment_id:
        message = f"no webhook endpoint {endpoint_id[:80]} in the {caller.environment} environment"
        raise ServiceError("NOT_FOUND", message)
    return endpoint


async def check_url(sender: Sender, caller: Caller, url: str) -> None:
    """400 for a forbidden URL. Each attempt checks again, because DNS changes."""
    client = sender.client
    try:
        target = parse_target(url, caller.environment, client.targets)
        async with asyncio.timeout(RESOLVE_S):
            await client.addresses(target.host, target.port)
    except Forbidden as forbidden:
        raise invalid(("url", str(forbidden))) from forbidden
    except (AttemptFailed, TimeoutError):
        return  # the name may resolve later


async def create(
    context: Context, sender: Sender, caller: Caller, url: str, description: str | None, events: tuple[str, ...] | None
) -> NewEndpoint:
    """Creates an endpoint, which receives events from now on. The reply has its secret."""
    await check_url(sender, caller, url)
    now = now_us()
    made = Endpoint(
        f"whk_{secrets.token_hex(16)}", caller.environment_id, url, description, events, True, 1, None, now, 0, 0
    )

    def work(unit: Unit) -> None:
        if len(unit.endpoints(caller.environment_id)) >= MAX_ENDPOINTS:
            raise invalid(("url", f"{MAX_ENDPOINTS} endpoints are the limit: remove one first"))
        made.position, made.item = unit.feed_position(caller.environment_id), END_OF_ROW
        unit.add_endpoint(made)
        host = urlsplit(url).hostname  # without the path, which may contain a secret
        audit.record(unit, caller, "endpoint.create", made.id, {"host": host})

    await context.committer.run(work)
    sender.look_again()
    return {**view(made), "secret": secret_of(context.server_secret, made.id, 1)}


async def list_endpoints(context: Context, caller: Caller, page: int, limit: int) -> Endpoints:
    """The endpoints of the environment, oldest first."""
    found = await context.look(lambda snapshot: snapshot.endpoints(caller.environment_id))
    shown = found[(page - 1) * limit : page * limit]
    pagination = showing.page_of(page, limit, len(found))
    return {"webhooks": [view(endpoint) for endpoint in shown], "pagination": pagination}


def health(context: Context, caller: Caller) -> EndpointHealth:
    """The state of deliveries: failing endpoints, endpoints that the server disabled, and the number of deliveries
    waiting for a retry (at most 10,000 per endpoint)."""
    with context.storage.snapshot() as snapshot:
        found = snapshot.endpoints(caller.environment_id)
        waiting = snapshot.count_waiting(caller.environment_id, MOST_WAITING)
    return {
        "endpoints": len(found),
        "waiting": waiting,
        "failing": [view(endpoint) for endpoint in found if endpoint.enabled and endpoint.failing_since is not None],
        "switchedOff": [view(endpoint) for endpoint in found if endpoint.disabled_reason is not None],
    }


async def get(context: Context, caller: Caller, endpoint_id: str) -> EndpointView:
    return view(await context.look(lambda snapshot: find(snapshot, caller, endpoint_id)))


async def change(
    context: Context, sender: Sender, caller: Caller, endpoint_id: str, given: EndpointChanges
) -> EndpointView:
    """Changes the given fields. An endpoint that is enabled again continues at its old place in the feed."""
    if "url" in given:
        await check_url(sender, caller, given["url"])

    def work(unit: Unit) -> Endpoint:
        endpoint = find(unit, caller, endpoint_id)
        for name, value in given.items():
            setattr(endpoint, name, value)
        if given.get("enabled"):
            endpoint.failing_since = endpoint.disabled_at = endpoint.disabled_reason = None
        unit.set_endpoint(endpoint)
        audit.record(unit, caller, "endpoint.update", endpoint.id, {"fields": sorted(given)})
        return endpoint

    endpoint = await context.committer.run(work)
    sender.look_again()
    return view(endpoint)


async def remove(context: Context, sender: Sender, caller: Caller, endpoint_id: str) -> RemovedEndpoint:
    """Removes an endpoint; its waiting deliveries are never sent."""

    def work(unit: Unit) -> None:
        unit.remove_endpoint(find(unit, caller, endpoint_id).id)
        audit.record(unit, caller, "endpoint.delete", endpoint_id)

    await context.committer.run(work)
    sender.look_again()
    return {"id": endpoint_id, "deleted": True}


async def rotate(context: Context, sender: Sender, caller: Caller, endpoint_id: str) -> RotatedEndpoint:
    """Makes a new secret, which the reply has. The previous one also signs for 24 hours."""
    now = now_us()

    def work(unit: Unit) -> Endpoint:
        endpoint = find(unit, caller, endpoint_id)
        endpoint.secret_version, endpoint.rotated_at = endpoint.secret_version + 1, now
        unit.set_endpoint(endpoint)
        audit.record(unit, caller, "endpoint.rotate", endpoint.id, {"version": endpoint.secret_version})
        return endpoint

    endpoint = await context.committer.run(work)
    sender.look_again()
    secret = secret_of(context.server_secret, endpoint.id, endpoint.secret_version)
    return {**view(endpoint), "secret": secret, "previousSecretUntil": showing.instant(now + OVERLAP_US)}


async def test(context: Context, sender: Sender, caller: Caller, endpoint_id: str) -> TestedEndpoint:
    """Sends a signed test event now, outside the feed, and returns the result."""
    endpoint = await context.look(lambda snapshot: find(snapshot, caller, endpoint_id))
    now = now_us()
    event = _test_event(caller, endpoint, now)
    started_s = time.monotonic()
    status, problem, body = None, None, b""
    try:
        target = parse_target(endpoint.url, caller.environment, sender.client.targets)
        channel = Channel(sender.client, target)
        try:
            reply = await attempt(channel, event, secrets_of(context.server_secret, endpoint, now), now // 1_000_000)
        finally:
            channel.close()
        status, problem, body = reply.status, problem_of(reply.status), reply.body
    except (AttemptFailed, Forbidden) as error:
        problem = str(error)
    return {
        "eventId": event.id,
        "event": event.name,
        "delivered": problem is None,
        "statusCode": status,
        "error": problem,
        "reply": body.decode("utf-8", "replace"),
        "durationMs": round((time.monotonic() - started_s) * 1000),
    }


def _test_event(caller: Caller, endpoint: Endpoint, now: int) -> Event:
    identity, at = f"evt_test_{secrets.token_hex(16)}", instant_text(now)
    envelope = {
        "id": identity,
        "event": TEST,
        "timestamp": at,
        "createdAt": at,
        "tenantId": caller.workspace_id,
        "environment": caller.environment,
        "data": {"test": True, "endpointId": endpoint.id},
    }
    return Event((0, 0), TEST, identity, msgspec.json.encode(envelope), now)
