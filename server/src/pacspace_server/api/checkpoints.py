"""Checkpoints: locks of a month for one or all customers, lists, differences, jobs."""

from __future__ import annotations

import asyncio
from typing import Any

from ..domain.exact_json import text_of
from ..domain.scopes import SCOPE_FIELDS
from ..http.messages import Call, Reply, success
from ..service.base.context import Caller
from ..service.base.errors import invalid
from ..service.base.limits import DEFAULT_PAGE
from ..service.closing import checkpoint as checkpoint_service
from ..service.closing import diff as diff_service
from ..service.closing import jobs as jobs_service
from ..service.running import Running
from ..views.checkpoints import Checkpointed
from . import fields
from .balance import idempotency_key, or_pending
from .fields import Table
from .scope import CUSTOMER_ID, PAGE, SCOPE, read_scope

Given = dict[str, Any]

CHECKPOINT: Table = {
    "customerId": CUSTOMER_ID.meaning("The customer. Default: all customers, as a job if there are many."),
    **SCOPE,
    "invoiceReference": fields.text(255, *fields.NO_NUL, says="Stored permanently in the closing leaf."),
    "preview": fields.flag(says="Lists what this period would lock, and locks nothing."),
    "mode": fields.unsupported(),
    "fingerprints": fields.unsupported(),
    "vendorAccountId": fields.unsupported(),
}
CHECKPOINTS: Table = {"customerId": CUSTOMER_ID.meaning("Only this customer's checkpoints."), **SCOPE, **PAGE}
DIFF: Table = {
    "from": fields.required(fields.text(128, says="The earlier checkpointId.").like(f"chk_{'0' * 56}")),
    "to": fields.required(
        fields.text(128, says="The later checkpointId of the same customer.").like(f"chk_{'1' * 56}")
    ),
    **PAGE,
}


async def checkpoint(running: Running, caller: Caller, call: Call, given: Given) -> Reply:
    """Lock the given month. Any other scope gets an interim root and locks nothing."""
    key = idempotency_key(call)
    asked = checkpoint_service.CheckpointRequest(
        given.get("customerId"),
        await read_scope(running.context, caller, given),
        given.get("invoiceReference"),
        key,
        text_of({name: value for name, value in call.body_given.items() if value is not None}),
    )
    if given.get("preview"):
        if not asked.scope.names_period:
            raise invalid(("preview", "needs a period: only a period locks"))
        return success(await asyncio.to_thread(jobs_service.preview, running.context, caller, asked), 201)
    made: tuple[Checkpointed, bool]
    if asked.customer_id is None and asked.scope.names_period:
        made = await jobs_service.close_month(running.context, running.jobs, caller, asked)
    else:
        made = await or_pending(key, checkpoint_service.checkpoint(running.context, caller, asked))
    view, replayed = made
    return success(view, 201, {"Idempotent-Replayed": "true"} if replayed else {})


async def checkpoints(running: Running, caller: Caller, call: Call, given: Given) -> Reply:
    """List checkpoints, newest first."""
    scope = await read_scope(running.context, caller, given) if given.keys() & set(SCOPE_FIELDS) else None
    page = given.get("limit", DEFAULT_PAGE), given.get("offset", 0)
    work = (running.context, caller, given.get("customerId"), scope, *page)
    return success(await asyncio.to_thread(checkpoint_service.list_checkpoints, *work))


async def diff(running: Running, caller: Caller, call: Call, given: Given) -> Reply:
    """Compare two checkpoints of one customer: their difference, their consistency, and the deltas between them."""
    work = (given["from"], given["to"], given.get("limit", DEFAULT_PAGE), given.get("offset", 0))
    return success(await asyncio.to_thread(diff_service.diff, running.context, caller, *work))


async def job(running: Running, caller: Caller, call: Call, given: Given) -> Reply:
    """Get the progress of locking a month for all customers."""
    return success(await running.context.read(jobs_service.get_job, running.context, caller, call.path("jobId")))
