"""Customers on the dashboard: lists, changes, locks, exports, close packages."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from ..domain.exact_json import text_of
from ..domain.scopes import Scope
from ..http.messages import Call, Reply, iterate_in_thread, success
from ..service.base.context import Caller
from ..service.base.errors import invalid
from ..service.base.limits import DEFAULT_PAGE
from ..service.closing import checkpoint as checkpoint_service
from ..service.receipts import directory as directory_service
from ..service.running import Running
from ..views.customers import ProfileChanges
from . import customers as customers_routes
from . import fields
from .balance import idempotency_key, or_pending
from .fields import Table
from .scope import PAGE, PERIOD, read_scope

Given = dict[str, Any]

FORMATS = {"csv": "text/csv; charset=utf-8", "jsonl": "application/x-ndjson"}
CUSTOMERS: Table = {
    **customers_routes.CUSTOMERS,
    "sortBy": fields.choice(
        "customerId", "displayName", says="Default: customerId. A cursor works only with customerId."
    ),
}
MONTH: Table = {"period": PERIOD.meaning("A UTC calendar month, YYYY-MM. Default: the current one.")}
CHANGES: Table = {
    "sharingStateHint": customers_routes.NEW_CUSTOMER["sharingStateHint"],
    "eventCadence": customers_routes.NEW_CUSTOMER["eventCadence"],
    "displayName": fields.text(200, *fields.NO_NUL, says="The customer's name.").like("Globex Corporation"),
}
LOCK: Table = {
    "period": fields.required(PERIOD.meaning("The month to lock permanently, YYYY-MM.").like("2026-01")),
    "invoiceReference": fields.text(255, *fields.NO_NUL, says="Stored permanently in the closing leaf."),
}
CHECKPOINTS: Table = {"period": PERIOD, **PAGE}
CLOSED: Table = {"period": fields.required(PERIOD.like("2026-01"))}
EXPORT: Table = {
    "format": fields.choice(*FORMATS, says="csv for a spreadsheet (the default); jsonl for a program."),
    "period": PERIOD.meaning("Only this month's deltas."),
}


async def customers(running: Running, caller: Caller, call: Call, given: Given) -> Reply:
    """List the customers by customerId or by name."""
    if given.get("sortBy") != "displayName":
        return await customers_routes.customers(running, caller, call, given)
    if "cursor" in given:
        raise invalid(("cursor", "works only with sortBy=customerId"))
    return await customers_routes.listed(running.context, caller, given, "name")


async def summary(running: Running, caller: Caller, call: Call, given: Given) -> Reply:
    """Get the progress of a month: customers, deltas, locked and open months, deltas not yet in the log."""
    return success(await asyncio.to_thread(directory_service.summary, running.context, caller, given.get("period")))


async def change(running: Running, caller: Caller, call: Call, given: Given) -> Reply:
    """Change a customer's name, sharing policy or cadence. Recorded deltas can't be changed."""
    changes = cast(ProfileChanges, given)  # the fields table of the route has checked it
    return success(await directory_service.describe(running.context, caller, call.path("customerId"), changes))


async def checkpoint(running: Running, caller: Caller, call: Call, given: Given) -> Reply:
    """Lock a customer's month, and first every earlier month with deltas."""
    key, customer_id = idempotency_key(call), call.path("customerId")
    scope = await read_scope(running.context, caller, {"period": given["period"]})
    stated = {"customerId": customer_id} | {name: value for name, value in call.body_given.items() if value is not None}
    asked = checkpoint_service.CheckpointRequest(
        customer_id, scope, given.get("invoiceReference"), key, text_of(stated)
    )
    view, replayed = await or_pending(key, checkpoint_service.checkpoint(running.context, caller, asked))
    return success(view, 201, {"Idempotent-Replayed": "true"} if replayed else {})


async def checkpoints(running: Running, caller: Caller, call: Call, given: Given) -> Reply:
    """List a customer's checkpoints, newest first."""
    scope = await read_scope(running.context, caller, {"period": given["period"]}) if "period" in given else None
    page = given.get("limit", DEFAULT_PAGE), given.get("offset", 0)
    work = running.context, caller, call.path("customerId"), scope, *page
    return success(await asyncio.to_thread(checkpoint_service.list_checkpoints, *work))


async def close_package(running: Running, caller: Caller, call: Call, given: Given) -> Reply:
    """Get the attachments of a month's invoice: receipt, files, and what is still missing."""
    scope: Scope = await read_scope(running.context, caller, {"period": given["period"]})
    return success(await directory_service.close_package(running.context, caller, call.path("customerId"), scope))


async def export(running: Running, caller: Caller, call: Call, given: Given) -> Reply:
    """Export all deltas of a customer, or of one month, as a file."""
    customer_id, form, period = call.path("customerId"), given.get("format", "csv"), given.get("period")
    chunks = await asyncio.to_thread(directory_service.export, running.context, caller, customer_id, form, period)
    name = f"{customer_id}-{period}" if period else customer_id
    headers = {
        "Content-Disposition": f'attachment; filename="{name.replace(":", "_")}.{form}"',
        "Cache-Control": "no-store",
    }
    return Reply(200, stream=iterate_in_thread(chunks), headers=headers, media_type=FORMATS[form])
