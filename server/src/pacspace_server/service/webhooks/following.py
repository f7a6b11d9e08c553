"""Developer tools for the sandbox: follow its events without an endpoint, and trigger sample events."""

from __future__ import annotations

import msgspec

from ...clock import now_us
from ...delivery.feed import Feed
from ...delivery.sender import Sender
from ...domain.events import EVENTS, event_id, told_subject
from ...domain.instants import instant_text
from ...storage.model.outbox import told
from ...storage.model.protocols import Snapshot, Unit
from ...views.webhooks import Followed, Triggered
from ..base import audit, showing
from ..base.context import Caller, Context
from .deliveries import cursor_of, read_cursor
from .endpoints import END_OF_ROW

FOLLOWED_US = 10 * 60 * 1_000_000  # the feed is kept so long after a follower's last request


async def follow(context: Context, caller: Caller, after: str | None, limit: int) -> Followed:
    """The events after a cursor; without one, a cursor for events from now on."""
    caller.require_sandbox()
    now = now_us()
    place = read_cursor("after", after) if after is not None else None
    await context.committer.run(lambda unit: unit.follow(caller.environment_id, now + FOLLOWED_US))

    def read(snapshot: Snapshot) -> Followed:
        if place is None:
            return {"events": [], "cursor": cursor_of((snapshot.feed_position(caller.environment_id), END_OF_ROW))}
        feed = Feed(snapshot.environment(caller.environment_id), context.public_url)
        events, ends = feed.after(snapshot, place, limit)
        return {"events": [msgspec.Raw(event.body) for event in events], "cursor": cursor_of(ends)}

    return await context.look(read)


async def trigger(context: Context, sender: Sender, caller: Caller, event: str) -> Triggered:
    """Sends a sample event, marked as a test, to the sandbox's endpoints and followers."""
    caller.require_sandbox()
    now = now_us()
    row = told(caller.environment_id, event, None, msgspec.json.encode(_sample(event, now)).decode(), now)

    def work(unit: Unit) -> None:
        unit.tell(caller.environment_id, [row])
        audit.record(unit, caller, "event.trigger", event)

    await context.committer.run(work)
    sender.wake()
    identity = event_id(bytes(16), told_subject(row.position, row.subject), row.kind)
    return {"eventId": identity, "event": event, "createdAt": showing.instant(now)}


def _sample(event: str, now: int) -> dict[str, object]:
    """Sample data of an event. Real events have no `test`."""
    assert event in EVENTS
    at, zeros = instant_text(now), "0" * 64
    base: dict[str, object] = {"test": True, "customerId": "cust_sample"}
    if event == "delta.verified":
        return base | {
            "recordId": f"rec_{zeros[:52]}",
            "receiptId": f"0x{zeros}",
            "verificationReference": "0",
            "delta": -42.5,
            "sequenceNumber": "1",
            "referenceId": "sample_1",
            "reason": "sample",
            "period": at[:7],
            "deltaIndex": 1,
            "status": "verified",
            "proof": {"proofHash": f"0x{zeros}", "contentHash": f"0x{zeros}"},
            "verification": {"verified": True, "latencyMs": 0, "discrepancies": []},
        }
    if event == "delta.failed":
        return base | {
            "recordId": f"rec_{zeros[:52]}",
            "delta": -42.5,
            "period": at[:7],
            "error": "a sample of a failure",
            "failedAt": at,
        }
    if event in ("checkpoint.verified", "receipt.generated"):
        chk = f"chk_{zeros[:56]}"
        return base | {
            "checkpointId": chk,
            "receiptId": chk,
            "period": at[:7],
            "proofRoot": f"0x{zeros}",
            "deltaCount": 1,
            "netChange": -42.5,
            "finalBalance": -42.5,
            "broughtForward": 0,
            "carriedForward": -42.5,
            "locked": True,
            "status": "verified",
            "verificationReference": "0",
            "invoiceReference": None,
        }
    return base | {"at": at}
