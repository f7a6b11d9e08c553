"""The Balance API: one handler per route."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from ..domain.exact_json import text_of
from ..domain.scopes import SCOPE_FIELDS, STARTING_FIELDS, Scope, ScopeError, parse_scope
from ..service import checkpoint as checkpoint_service
from ..service import compare as compare_service
from ..service import derive as derive_service
from ..service import emit as emit_service
from ..service import limits as limits_service
from ..service import receipt as receipt_service
from ..service import record as record_service
from ..service import sandbox as sandbox_service
from ..service.context import Caller, Context, scope_error
from ..service.errors import ServiceError, invalid
from ..service.limits import (
    DEFAULT_PAGE,
    MAX_BATCH_BODY_BYTES,
    MAX_BATCH_ITEMS,
    MAX_PAGE,
    MAX_REASON_CHARS,
    MAX_REFERENCE_CHARS,
)
from . import fields
from .fields import Table, parse_fields
from .http import Call, Reply, success

T = TypeVar("T")

PENDING_AFTER_S = 5.0
CUSTOMER_ID = fields.text(128, r"[A-Za-z0-9_.:-]+", "may hold only letters, digits and _ - . :")
ADJUSTS: Table = {"recordId": fields.text(128), "referenceId": fields.text(MAX_REFERENCE_CHARS)}
EMIT: Table = {
    "customerId": fields.required(CUSTOMER_ID),
    "delta": fields.required(fields.delta_amount()),
    "reason": fields.required(fields.text(MAX_REASON_CHARS)),
    "referenceId": fields.text(MAX_REFERENCE_CHARS),
    "metadata": fields.metadata(),
    "occurredAt": fields.instant(),
    "adjusts": fields.nested(ADJUSTS),
    "vendorAccountId": fields.unsupported(),
}
BATCH: Table = {"deltas": fields.required(fields.items(fields.anything(), MAX_BATCH_ITEMS))}
SCOPE: Table = {name: fields.text(64) for name in SCOPE_FIELDS}
STARTING: Table = {"startingCheckpoint": fields.text(128), "startingCheckpointType": fields.text(32)}
GRANULARITY = fields.choice("day", "week", "month")
PAGE: Table = {
    "limit": fields.from_query(fields.whole_number(1, MAX_PAGE)),
    "offset": fields.from_query(fields.whole_number(0, 10**12)),
}
DERIVE: Table = {
    **SCOPE, **STARTING, **PAGE,
    "startingBalance": fields.from_query(fields.balance_amount()),
    "granularity": GRANULARITY,
    "include": fields.choice("deltas"),
}  # fmt: skip
THEIR_RECORD: Table = {
    "referenceId": fields.required(fields.text(MAX_REFERENCE_CHARS)),
    "delta": fields.required(fields.balance_amount()),
}
COMPARE: Table = {
    "customerId": fields.required(CUSTOMER_ID), **SCOPE, **STARTING,
    "yourBalance": fields.balance_amount(), "theirBalance": fields.balance_amount(),
    "yours": fields.balance_amount(), "theirs": fields.balance_amount(),
    "startingBalance": fields.balance_amount(), "tolerance": fields.balance_amount(), "granularity": GRANULARITY,
    "theirRecords": fields.items(fields.nested(THEIR_RECORD), 100_000), "vendorAccountId": fields.unsupported(),
}  # fmt: skip
CHECKPOINT: Table = {
    "customerId": CUSTOMER_ID, **SCOPE, "invoiceReference": fields.text(255),
    "mode": fields.unsupported(), "fingerprints": fields.unsupported(), "vendorAccountId": fields.unsupported(),
}  # fmt: skip
CHECKPOINTS: Table = {"customerId": CUSTOMER_ID, **SCOPE, **PAGE}
CLOCK: Table = {"now": fields.instant(), "advanceSeconds": fields.whole_number(0, 10**11)}
NOTHING: Table = {}


def read_emit(body: Any) -> emit_service.Emit:
    """One delta from a parsed body. Raises a plain 400 with every problem."""
    given = parse_fields(EMIT, body)
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


async def _or_pending(key: str | None, work: Coroutine[Any, Any, T]) -> T:
    """The outcome; 202 when a keyed request takes long. The work goes on and the key finds its outcome later."""
    if key is None:
        return await work
    task = asyncio.ensure_future(work)
    done, _ = await asyncio.wait([task], timeout=PENDING_AFTER_S)
    if not done:
        message = "the request with this Idempotency-Key is still being worked on; ask again with the same key"
        raise ServiceError(202, "IDEMPOTENCY_PENDING", message, retryAfterSeconds=1)
    return task.result()


async def emit(context: Context, caller: Caller, call: Call) -> Reply:
    """Record one signed amount; 201, or 200 when the reference was recorded before."""
    caller.require("write")
    key = idempotency_key(call)
    asked = read_emit(await call.json())
    view, replayed = await _or_pending(key, emit_service.emit(context, caller, asked, key))
    headers = {"Idempotent-Replayed": "true"} if replayed == "key" else {}
    return success(view, 200 if replayed == "reference" else 201, headers)


async def emit_batch(context: Context, caller: Caller, call: Call) -> Reply:
    """Record up to 1,000 amounts, each judged alone."""
    caller.require("write")
    key = idempotency_key(call)
    deltas = parse_fields(BATCH, await call.json(MAX_BATCH_BODY_BYTES))["deltas"]
    if not deltas:
        raise invalid(("deltas", "must have at least one item"))
    items: list[emit_service.Emit | ServiceError] = []
    for body in deltas:
        try:
            items.append(read_emit(body))
        except ServiceError as error:
            items.append(error)
    view, replayed = await _or_pending(key, emit_service.emit_batch(context, caller, items, deltas, key))
    return success(view, 201, {"Idempotent-Replayed": "true"} if replayed else {})


async def get_delta(context: Context, caller: Caller, call: Call) -> Reply:
    """One delta by recordId or receiptId, with its status."""
    caller.require("read")
    parse_fields(NOTHING, call.query())
    return success(record_service.get_delta(context, caller, call.path("record_id")))


def read_scope(context: Context, caller: Caller, given: dict[str, Any]) -> Scope:
    named = {name: given.get(name) for name in (*SCOPE_FIELDS, *STARTING_FIELDS)}
    with context.storage.snapshot() as snapshot:
        now = snapshot.now(snapshot.environment(caller.environment_id))
    try:
        return parse_scope(named, now)
    except ScopeError as error:
        raise scope_error(error) from error


async def derive(context: Context, caller: Caller, call: Call) -> Reply:
    """The balance of a scope, with a page of its deltas or a breakdown if asked."""
    caller.require("read")
    given = parse_fields(DERIVE, call.query())
    page = None
    if given.keys() & {"limit", "offset", "include"}:
        page = derive_service.Page(given.get("limit", DEFAULT_PAGE), given.get("offset", 0))
    scope, granularity = read_scope(context, caller, given), given.get("granularity")
    work = (context, caller, call.path("customer_id"), scope, given.get("startingBalance", 0), granularity, page)
    if page or granularity or scope.mode == "custom":
        # May scan: a page far down, or a day that the window cuts.
        return success(await asyncio.to_thread(derive_service.derive, *work))
    return success(derive_service.derive(*work))


async def limits(context: Context, caller: Caller, call: Call) -> Reply:
    """The limits that a client may want to know."""
    caller.require("read")
    parse_fields(NOTHING, call.query())
    return success(limits_service.limits())


async def compare(context: Context, caller: Caller, call: Call) -> Reply:
    """Two views against the record; with theirRecords the entries that differ."""
    caller.require("read")
    given = parse_fields(COMPARE, await call.json(MAX_BATCH_BODY_BYTES))
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
    scope = read_scope(context, caller, given)
    work = (context, caller, given["customerId"], scope, views, given.get("granularity"))
    if records is None and scope.mode != "custom":
        return success(compare_service.compare(*work), 201)
    return success(await asyncio.to_thread(compare_service.compare, *work), 201)


async def checkpoint(context: Context, caller: Caller, call: Call) -> Reply:
    """Lock the month that is named; any other scope gives an interim root and locks nothing."""
    caller.require("write")
    key = idempotency_key(call)
    body = await call.json()
    given = parse_fields(CHECKPOINT, body)
    asked = checkpoint_service.CheckpointRequest(
        given.get("customerId"),
        read_scope(context, caller, given),
        given.get("invoiceReference"),
        key,
        text_of({name: value for name, value in body.items() if value is not None}),
    )
    view, replayed = await _or_pending(key, checkpoint_service.checkpoint(context, caller, asked))
    return success(view, 201, {"Idempotent-Replayed": "true"} if replayed else {})


async def checkpoints(context: Context, caller: Caller, call: Call) -> Reply:
    """Checkpoints, newest first."""
    caller.require("read")
    given = parse_fields(CHECKPOINTS, call.query())
    scope = read_scope(context, caller, given) if given.keys() & set(SCOPE_FIELDS) else None
    return success(
        checkpoint_service.list_checkpoints(
            context, caller, given.get("customerId"), scope, given.get("limit", DEFAULT_PAGE), given.get("offset", 0)
        )
    )


async def receipt(context: Context, caller: Caller, call: Call) -> Reply:
    """The receipt of a scope: totals, proof root, links."""
    caller.require("read")
    given = parse_fields(SCOPE, call.query())
    scope = read_scope(context, caller, given)
    return success(await receipt_service.receipt(context, caller, call.path("customer_id"), scope))


async def get_clock(context: Context, caller: Caller, call: Call) -> Reply:
    """The sandbox's ledger clock."""
    caller.require("read")
    return success(await sandbox_service.get_clock(context, caller))


async def set_clock(context: Context, caller: Caller, call: Call) -> Reply:
    """Hold the sandbox's clock at an instant, advance it, or let real time go on."""
    caller.require("write")
    caller.require_sandbox()
    body = await call.json()
    given = parse_fields(CLOCK, body)
    if len(body) != 1 or (body.get("advanceSeconds", 0) is None):
        raise invalid(("body", "holds exactly one of now (an instant, or null for real time) and advanceSeconds"))
    return success(await sandbox_service.set_clock(context, caller, given.get("now"), given.get("advanceSeconds")))


async def reset(context: Context, caller: Caller, call: Call) -> Reply:
    """Empty the sandbox under a new log."""
    caller.require("write")
    parse_fields(NOTHING, await call.json())
    return success(await sandbox_service.reset(context, caller))
