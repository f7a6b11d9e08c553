"""The sandbox's clock, and resetting the sandbox."""

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
    "now": fields.instant(says="Hold the clock at this instant; null returns to real time."),
    "advanceSeconds": fields.whole_number(0, 10**11, says="Advance the clock by this. Excludes now.").like(3600),
}


async def get_clock(running: Running, caller: Caller, call: Call, given: Given) -> Reply:
    """Get the sandbox's ledger clock."""
    return success(await sandbox_service.get_clock(running.context, caller))


async def set_clock(running: Running, caller: Caller, call: Call, given: Given) -> Reply:
    """Hold the sandbox's clock at an instant, advance it, or return it to real time."""
    caller.require_sandbox()
    body = call.body_given
    if len(body) != 1 or ("advanceSeconds" in body and body["advanceSeconds"] is None):
        raise invalid(("body", "must have exactly one of now (an instant, or null for real time) and advanceSeconds"))
    return success(
        await sandbox_service.set_clock(running.context, caller, given.get("now"), given.get("advanceSeconds"))
    )


async def reset(running: Running, caller: Caller, call: Call, given: Given) -> Reply:
    """Delete everything in the sandbox, and start a new log."""
    return success(await sandbox_service.reset(running.context, caller))
