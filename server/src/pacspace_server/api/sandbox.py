"""The sandbox's tools: its clock, and starting over."""

from __future__ import annotations

from typing import Any

from ..http.messages import Call, Reply, success
from ..service.base.context import Caller
from ..service.base.errors import invalid
from ..service.recording import sandbox as sandbox_service
from ..service.running import Running
from . import fields
from .fields import Table

Given = dict[str, Any]

CLOCK: Table = {
    "now": fields.instant(says="Hold the clock here; null lets real time go on."),
    "advanceSeconds": fields.whole_number(0, 10**11, says="Hold it so much later. Exactly one of both.").like(3600),
}


async def get_clock(running: Running, caller: Caller, call: Call, given: Given) -> Reply:
    """The sandbox's ledger clock."""
    return success(await sandbox_service.get_clock(running.context, caller))


async def set_clock(running: Running, caller: Caller, call: Call, given: Given) -> Reply:
    """Hold the sandbox's clock at an instant, advance it, or let real time go on."""
    caller.require_sandbox()
    body = call.body_given
    if len(body) != 1 or ("advanceSeconds" in body and body["advanceSeconds"] is None):
        raise invalid(("body", "holds exactly one of now (an instant, or null for real time) and advanceSeconds"))
    return success(
        await sandbox_service.set_clock(running.context, caller, given.get("now"), given.get("advanceSeconds"))
    )


async def reset(running: Running, caller: Caller, call: Call, given: Given) -> Reply:
    """Empty the sandbox under a new log."""
    return success(await sandbox_service.reset(running.context, caller))
