"""Recording, deriving and comparing."""

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
    "reason": fields.required(fields.text(MAX_REASON_CHARS, says="The reason for the amount.").like("compute_minutes")),
    "referenceId": fields.text(
        MAX_REFERENCE_CHARS, says="The vendor's own id; the same id records only once per customer."
    ).like("job_42"),
    "metadata": fields.metadata().like({"region": "eu-1"}),
    "occurredAt": fields.instant(says="When it happened; decides the month. Default: now."),
    "adjusts": fields.nested(ADJUSTS, says="The earlier delta that this one corrects, by exactly one of its ids."),
    "vendorAccountId": fields.unsupported(),
}
BATCH: Table = {"deltas": fields.required(fields.items(fields.later(EMIT), MAX_BATCH_ITEMS, says="At least one."))}
DERIVE: Table = {
    **SCOPE,
    **STARTING,
    **PAGE,
    "startingBalance": fields.from_query(fields.balance_amount("The balance to start from. Default: 0.")),
    "granularity": GRANULARITY,
    "include": fields.choice("deltas", says="Adds a page of the scope's deltas; limit and offset add it too."),
}
THEIR_RECORD: Table = {
    "referenceId": fields.required(fields.text(MAX_REFERENCE_CHARS, says="Unique in the list.")),
    "delta": fields.required(fields.balance_amount()),
}
COMPARE: Table = {
    "customerId": fields.required(CUSTOMER_ID),
    **SCOPE,
    **STARTING,
    "yourBalance": fields.balance_amount("Your total of the scope. Required.").like(-42.5),
    "theirBalance": fields.balance_amount("The other side's total. Required.").like(-40),
    "yours": fields.balance_amount("The same as yourBalance."),
    "theirs": fields.balance_amount("The same as theirBalance."),
    "startingBalance": fields.balance_amount("The balance to start from. Default: 0."),
    "tolerance": fields.balance_amount("The largest difference that matches. Default: 0."),
    "granularity": GRANULARITY,
    "theirRecords": fields.items(
        fields.nested(THEIR_RECORD), 100_000, says="The other side's entries; the reply lists those that differ."
    ),
    "vendorAccountId": fields.unsupported(),
}


def _read_emit(given: Given) -> emit_service.Emit:
    adjusts = given.get("adjusts")
    if adjusts is not None and len(adjusts) != 1:
        raise invalid(("adjusts", "must name exactly one of recordId and referenceId"))
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
    """The outcome; raises 202 if a keyed request takes long. The work continues, and a retry finds its outcome."""
    if key is None:
        return await work
    task = asyncio.ensure_future(work)
    done, _ = await asyncio.wait([task], timeout=PENDING_AFTER_S)
    if not done:
        message = "the request with this Idempotency-Key is in progress; try again with the same key"
        raise ServiceError("IDEMPOTENCY_PENDING", message, retryAfterSeconds=1)
    return task.result()


async def emit(running: Running, caller: Caller, call: Call, given: Given) -> Reply:
    """Record one signed amount. 201, or 200 if the reference was recorded before."""
    key = idempotency_key(call)
    view, replayed = await or_pending(key, emit_service.emit(running.context, caller, _read_emit(given), key))
    headers = {"Idempotent-Replayed": "true"} if replayed == "key" else {}
    return success(view, 200 if replayed == "reference" else 201, headers)


async def emit_batch(running: Running, caller: Caller, call: Call, given: Given) -> Reply:
    """Record up to 1,000 amounts, each judged separately."""
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
    """Get one delta by recordId or receiptId, with its status."""
    return success(await running.context.read(record_service.get_delta, running.context, caller, call.path("recordId")))


async def derive(running: Running, caller: Caller, call: Call, given: Given) -> Reply:
    """Derive the balance of a scope, optionally with a page of its deltas or a breakdown."""
    page = None
    if given.keys() & {"limit", "offset", "include"}:
        page = derive_service.Page(given.get("limit", DEFAULT_PAGE), given.get("offset", 0))
    scope, granularity = await read_scope(running.context, caller, given), given.get("granularity")
    work = (running.context, caller, call.path("customerId"), scope, given.get("startingBalance", 0), granularity, page)
    if page or granularity or scope.mode == "custom":
        # May scan: a late page, or a day that the window cuts.
        return success(await asyncio.to_thread(derive_service.derive, *work))
    return success(await running.context.read(derive_service.derive, *work))


async def limits(running: Running, caller: Caller, call: Call, given: Given) -> Reply:
    """Get the server's limits."""
    return success(limits_service.limits())


async def compare(running: Running, caller: Caller, call: Call, given: Given) -> Reply:
    """Compare two balances with the record; with theirRecords, list the entries that differ."""
    problems = []
    balances: dict[str, int] = {}
    for name, short in (("yourBalance", "yours"), ("theirBalance", "theirs")):
        if (name in given) == (short in given):
            problems.append((name, f"is required exactly once (also accepted as {short})"))
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
