"""The sandbox's tools: set its clock, and reset it."""

from __future__ import annotations

import secrets
from dataclasses import replace

from ...domain.instants import MAX_US, SECOND_US, instant_text
from ...storage.model.protocols import Snapshot, Unit
from ...storage.model.records import Environment
from ...views.sandbox import Clock, Reset
from ..base import audit
from ..base.context import Caller, Context
from ..base.errors import invalid


def _view(snapshot: Snapshot, environment: Environment) -> Clock:
    return {
        "environment": environment.name,
        "now": instant_text(snapshot.now(environment)),
        "held": environment.clock_at is not None,
    }


async def set_clock(context: Context, caller: Caller, now: int | None, advance_s: int | None) -> Clock:
    """Holds the ledger clock at an instant, advances it, or (both None) returns it to real time."""
    caller.require_sandbox()

    def work(unit: Unit) -> Clock:
        return move_clock(unit, unit.environment(caller.environment_id), now, advance_s)

    return await context.committer.run(work)


def move_clock(unit: Unit, environment: Environment, now: int | None, advance_s: int | None) -> Clock:
    """Moves the clock: to any instant while there are no deltas, then only forward."""
    current = unit.now(environment)
    target = current + advance_s * SECOND_US if advance_s is not None else now
    if target is not None and not 0 <= target <= MAX_US:
        raise invalid(("advanceSeconds", "would move the clock beyond the year 9999"))
    moved = replace(environment, clock_at=target)
    if unit.now(moved) < current and unit.has_deltas(environment):
        raise invalid(
            (
                "now",
                f"the sandbox has deltas, so its clock, now at {instant_text(current)}, only goes forward; "
                "to start over, POST /api/v1/sandbox/reset (`pacspace clock reset`)",
            )
        )
    unit.set_clock(environment, target)
    return _view(unit, moved)


async def get_clock(context: Context, caller: Caller) -> Clock:
    """The ledger clock of the caller's environment."""
    return await context.look(lambda snapshot: _view(snapshot, snapshot.environment(caller.environment_id)))


async def reset(context: Context, caller: Caller) -> Reset:
    """Empties the sandbox and begins a new log with a new key, without a link to the old log."""
    caller.require_sandbox()
    origin = f"pacspace.log/sandbox/{secrets.token_hex(16)}"
    context.signer.create_key(origin)

    def work(unit: Unit) -> None:
        environment = unit.environment(caller.environment_id)
        unit.empty(environment)
        unit.replace_log(environment, origin, secrets.token_bytes(32))
        log = unit.log_by_origin(origin)
        assert log is not None
        unit.set_verifier_key(log, str(context.signer.verifier_key(origin)))
        audit.record(unit, caller, "sandbox.reset", origin)

    await context.committer.run(work)
    view = await get_clock(context, caller)
    fingerprint = context.signer.verifier_key(origin).fingerprint
    return {**view, "logOrigin": origin, "keyFingerprint": fingerprint, "reset": True}
