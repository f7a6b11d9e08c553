"""Recording and deriving: one handler per route. Each gets its fields read, makes one service call, and renders."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from ..http.messages import Call, Reply, success
from ..service.balances import compare as compare_service
from ..service.balances import derive as derive_service
from ..service.base import limits as limits_service
from ..service.base.context import Caller
from ..service.base.errors import ServiceError, invalid
from ..service.base.limits import DEFAULT_PAGE, MAX_BATCH_ITEMS, MAX_REASON_CHARS, MAX_REFERENCE_CHARS
from ..service.recording import delta as record_service
from ..service.recording import emit as emit_service
from ..service.running import Running
from . import fields
from .fields import Table, parse_fields
from .scope import CUSTOMER_ID, GRANULARITY, PAGE, SCOPE, STARTING, read_scope

T = TypeVar("T")
Given = dict[str, Any]

PENDING_AFTER_S = 5.0
ADJUSTS: Table = {
    "recordId": fields.text(128, says="The earlier delta's recordId."),
    "referenceId": fields.text(MAX_REFERENCE_CHARS, says="Or its referenceId."),
}
EMIT: Table = {
    "customerId": fields.required(CUSTOMER_ID),
    "delta": fields.required(fields.delta_amount().like(-42.5)),
    "reason": fields.required(fields.text(MAX_REASON_CHARS, says="What it is for.").like("compute_minutes")),
    "referenceId": fields.text(MAX_REFERENCE_CHARS, says="The vendor's own; the same one never records twice.").like(
        "job_42"
    ),
    "metadata": fields.metadata().like({"region": "eu-1"}),
    "occurredAt": fields.instant(says="When it happened, if not now; decides the month."),
    "adjusts": fields.nested(ADJUSTS, says="The earlier delta that this one corrects: exactly one of both names."),
    "vendorAccountId": fields.unsupported(),
}
BATCH: Table = {"deltas": fields.required(fields.items(fields.later(EMIT), MAX_BATCH_ITEMS, says="At least one."))}
DERIVE: Table = {
    **SCOPE, **STARTING, **PAGE,
    "startingBalance": fields.from_query(fields.balance_amount("Where the total starts; 0 without it.")),
    "granularity": GRANULARITY,
    "include": fields.choice("deltas", says="Adds the scope's deltas, paged; limit or offset do so too."),
}  # fmt: skip
THEIR_RECORD: Table = {
    "referenceId": fields.required(fields.text(MAX_REFERENCE_CHARS, says="Each once.")),
    "delta": fields.required(fields.balance_amount()),
}
COMPARE: Table = {
    "customerId": fields.required(CUSTOMER_ID), **SCOPE, **STARTING,
    "yourBalance": fields.balance_amount("Your view of the scope's total. Needed.").like(-42.5),
    "theirBalance": fields.balance_amount("The other side's view. Needed.").like(-40),
    "yours": fields.balance_amount("The same as yourBalance."), "theirs": fields.balance_amount("The same as theirBalance."),
    "startingBalance": fields.balance_amount("Where the total starts; 0 without it."),
    "tolerance": fields.balance_amount("How far a view may be off and still match; 0 without it."), "granularity": GRANULARITY,
    "theirRecords": fields.items(
        fields.nested(THEIR_RECORD), 100_000, says="The other side's entries: the reply names those that differ."
    ),
    "vendorAccountId": fields.unsupported(),
}  # fmt: skip


def _read_emit(given: Given) -> emit_service.Emit:
    """One delta from its fields."""
    adjusts = given.get("adjusts")
    if adjusts is not None and len(adjusts) != 1:
        raise invalid(("adjusts", "names exactly one of recordId and referenceId"))
    return emit_service.Emit(
        given["customerId"],
        given["delta"],
        given["reason"],
        given.get("referenceId"),
        given.get("metadata"),
        given.get("occurredAt"),
        next(iter(adjusts.items())) if adjusts else None,
    )


def idempotency_key(call: Call) -> str | None:
    key = call.header(b"idempotency-key")
    if key is not None and not (0 < len(key) <= 255 and key.isascii() and key.isprintable()):
        raise invalid(("Idempotency-Key", "must have 1 to 255 printable ASCII characters"))
    return key


async def or_pending(key: str | None, work: Coroutine[Any, Any, T]) -> T:
    """The outcome; 202 when a keyed request takes long. The work goes on and the key finds its outcome later."""
    if key is None:
        return await work
    task = asyncio.ensure_future(work)
    done, _ = await asyncio.wait([task], timeout=PENDING_AFTER_S)
    if not done:
        message = "the request with this Idempotency-Key is still being worked on; ask again with the same key"
        raise ServiceError("IDEMPOTENCY_PENDING", message, retryAfterSeconds=1)
    return task.result()


async def emit(running: Running, caller: Caller, call: Call, given: Given) -> Reply:
    """Record one signed amount; 201, or 200 when the reference was recorded before."""
    key = idempotency_key(call)
    view, replayed = await or_pending(key, emit_service.emit(running.context, caller, _read_emit(given), key))
    headers = {"Idempotent-Replayed": "true"} if replayed == "key" else {}
    return success(view, 200 if replayed == "reference" else 201, headers)


async def emit_batch(running: Running, caller: Caller, call: Call, given: Given) -> Reply:
    """Record up to 1,000 amounts, each judged alone."""
    key = idempotency_key(call)
    deltas = given["deltas"]
    if not deltas:
        raise invalid(("deltas", "must have at least one item"))
    items: list[emit_service.Emit | ServiceError] = []
    for body in deltas:
        try:
            items.append(_read_emit(parse_fields(EMIT, body)))
        except ServiceError as error:
            items.append(error)
    view, replayed = await or_pending(key, emit_service.emit_batch(running.context, caller, items, deltas, key))
    return success(view, 201, {"Idempotent-Replayed": "true"} if replayed else {})


async def get_delta(running: Running, caller: Caller, call: Call, given: Given) -> Reply:
    """One delta by recordId or receiptId, with its status."""
    return success(await running.context.read(record_service.get_delta, running.context, caller, call.path("recordId")))


async def derive(running: Running, caller: Caller, call: Call, given: Given) -> Reply:
    """The balance of a scope, with a page of its deltas or a breakdown if asked."""
    page = None
    if given.keys() & {"limit", "offset", "include"}:
        page = derive_service.Page(given.get("limit", DEFAULT_PAGE), given.get("offset", 0))
    scope, granularity = await read_scope(running.context, caller, given), given.get("granularity")
    work = (running.context, caller, call.path("customerId"), scope, given.get("startingBalance", 0), granularity, page)
    if page or granularity or scope.mode == "custom":
        # May scan: a page far down, or a day that the window cuts.
        return success(await asyncio.to_thread(derive_service.derive, *work))
    return success(await running.context.read(derive_service.derive, *work))


async def limits(running: Running, caller: Caller, call: Call, given: Given) -> Reply:
    """The limits that a client may want to know."""
    return success(limits_service.limits())


async def compare(running: Running, caller: Caller, call: Call, given: Given) -> Reply:
    """Two views against the record; with theirRecords the entries that differ."""
    problems = []
    balances: dict[str, int] = {}
    for name, short in (("yourBalance", "yours"), ("theirBalance", "theirs")):
        if (name in given) == (short in given):
            problems.append((name, f"is required, once (also accepted as {short})"))
        else:
            balances[short] = given[name] if name in given else given[short]
    if given.get("tolerance", 0) < 0:
        problems.append(("tolerance", "must not be negative"))
    if problems:
        raise invalid(*problems)
    records = given.get("theirRecords")
    views = compare_service.Views(
        balances["yours"],
        balances["theirs"],
        given.get("tolerance", 0),
        given.get("startingBalance", 0),
        None if records is None else [(record["referenceId"], record["delta"]) for record in records],
    )
    scope = await read_scope(running.context, caller, given)
    work = (running.context, caller, given["customerId"], scope, views, given.get("granularity"))
    if records is None and scope.mode != "custom":
        return success(await running.context.read(compare_service.compare, *work), 201)
    return success(await asyncio.to_thread(compare_service.compare, *work), 201)
