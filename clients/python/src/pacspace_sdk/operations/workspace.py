"""The workspace as a whole: usage, sequences, webhook deliveries, public verification, the sandbox."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import ValidationError
from ..instants import instant_text
from ..options import pick, read_options
from ..protocol import Call, Core, Operation, balance_path, call, path_of
from ..types import (
    ClockReply,
    DeliveriesOptions,
    Delivery,
    DeliveryList,
    GapsOptions,
    GapsReply,
    Instant,
    RequestOptions,
    ResetReply,
    UsageReply,
    VerifyReply,
)

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ..types import DeliveriesKeywords, GapsKeywords, RequestKeywords

SOURCES = ("db", "chain", "both")
CLOCK = path_of("api", "v1", "sandbox", "clock")


def usage(
    core: Core, options: RequestOptions | None = None, **keywords: Unpack[RequestKeywords]
) -> Operation[UsageReply]:
    """The operator's limits for this workspace, and its usage."""
    return call(core, Call("GET", balance_path("usage"), options=read_options(RequestOptions, options, keywords)))


def gaps(
    core: Core, customer_id: str, options: GapsOptions | None = None, **keywords: Unpack[GapsKeywords]
) -> Operation[GapsReply]:
    """Missing sequence numbers of a customer; there should be none."""
    given = read_options(GapsOptions, options, keywords)
    query = pick(given, "fromSequence", "toSequence", "limit")
    return call(core, Call("GET", balance_path("gaps", customer_id), query=query, options=given))


def list_webhook_deliveries(
    core: Core, options: DeliveriesOptions | None = None, **keywords: Unpack[DeliveriesKeywords]
) -> Operation[DeliveryList]:
    """Webhook deliveries, newest first."""
    given = read_options(DeliveriesOptions, options, keywords)
    query = pick(given, "status", "limit", "offset")
    return call(core, Call("GET", balance_path("webhooks"), query=query, options=given))


def retry_webhook(
    core: Core, event_id: str, options: RequestOptions | None = None, **keywords: Unpack[RequestKeywords]
) -> Operation[Delivery]:
    """Makes a delivery due now."""
    given = read_options(RequestOptions, options, keywords)
    return call(core, Call("POST", balance_path("webhooks", event_id, "retry"), body={}, options=given))


def verify(
    core: Core,
    proof_root: str,
    source: str | None = None,
    options: RequestOptions | None = None,
    **keywords: Unpack[RequestKeywords],
) -> Operation[VerifyReply]:
    """Asks the server, which needs no key, to recompute a proof root from its rows (`db`, the default), from the
    published log (`chain`) or from `both`. `pac.receipts.verify` asks no server.
    """
    if source is not None and source not in SOURCES:
        raise ValidationError(f"source must be one of {', '.join(SOURCES)}, is {source!r}")
    given = read_options(RequestOptions, options, keywords)
    query = {"source": None if source == "db" else source}
    found = yield from call(
        core, Call("GET", path_of("api", "v1", "verify", proof_root), query=query, options=given, public=True)
    )
    if not isinstance(found, dict):
        raise ValidationError("the reply to verify is not an object")
    reply: VerifyReply = found  # type: ignore[assignment]
    return reply


def clock(
    core: Core, options: RequestOptions | None = None, **keywords: Unpack[RequestKeywords]
) -> Operation[ClockReply]:
    """The sandbox's ledger clock, and whether it is held."""
    return call(core, Call("GET", CLOCK, options=read_options(RequestOptions, options, keywords)))


def set_clock(
    core: Core, now: Instant | None, options: RequestOptions | None = None, **keywords: Unpack[RequestKeywords]
) -> Operation[ClockReply]:
    """Holds the sandbox's ledger clock at an instant; None returns it to real time."""
    given = read_options(RequestOptions, options, keywords)
    return call(core, Call("POST", CLOCK, body={"now": instant_text(now, "now")}, options=given))


def advance_clock(
    core: Core, seconds: int, options: RequestOptions | None = None, **keywords: Unpack[RequestKeywords]
) -> Operation[ClockReply]:
    """Moves the sandbox's ledger clock forward by whole seconds."""
    given = read_options(RequestOptions, options, keywords)
    body = {"advanceSeconds": seconds}
    return call(core, Call("POST", CLOCK, body=body, options=given, repeatable=False))


def reset(
    core: Core, options: RequestOptions | None = None, **keywords: Unpack[RequestKeywords]
) -> Operation[ResetReply]:
    """Empties the sandbox and starts a new log."""
    given = read_options(RequestOptions, options, keywords)
    path = path_of("api", "v1", "sandbox", "reset")
    return call(core, Call("POST", path, body={}, options=given, repeatable=False))
