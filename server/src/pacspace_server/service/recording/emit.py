"""Emit: record deltas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from pacspace_proofs.record import receipt_tail

from ...domain.amounts import amount_text
from ...storage.model import ids
from ...storage.model.commands import RecordDelta, Recorded, Refusal
from ...storage.model.leaf_bytes import delta_context
from ...storage.model.records import Delta
from ...views.balance import Batch, BatchQueued, BatchRejected
from ...views.balance import Delta as RecordedNow
from ...views.shapes import RejectionDetails, StatedContext
from ..base import audit
from ..base.context import Caller, Context
from ..base.errors import ServiceError, refused
from ..base.showing import QUEUED, delta_view, is_late, number, stated_context, warnings_of


class Emit(Struct):
    """One requested delta. `metadata` is JSON text; `adjusts` is a pair of field name and value."""

    customer_id: str
    delta: int
    reason: str
    reference_id: str | None = None
    metadata: str | None = None
    occurred_at: int | None = None
    adjusts: tuple[str, str] | None = None


def _command(
    context: Context, caller: Caller, emit: Emit, idempotency_key: str | None, index: int | None = None
) -> RecordDelta:
    secret, shard = context.storage.secret, context.shard(caller, emit.customer_id)
    context_bytes = delta_context(emit.reason, emit.reference_id, emit.metadata)
    adjusts = None
    body = context_bytes + b"\x00%d\x00%d\x00" % (emit.delta, -1 if emit.occurred_at is None else emit.occurred_at)
    if emit.adjusts is not None:
        name, value = emit.adjusts
        mac = ids.reference_mac(secret, shard, value) if name == "referenceId" else b""
        adjusts = name, value, mac
        body += "\x00".join(emit.adjusts).encode()
    return RecordDelta(
        caller.environment_id,
        shard,
        emit.customer_id,
        emit.delta,
        context_bytes,
        ids.body_mac(secret, body),
        None if emit.reference_id is None else ids.reference_mac(secret, shard, emit.reference_id),
        None if idempotency_key is None else ids.idempotency_hash(shard, idempotency_key, index),
        emit.occurred_at,
        adjusts,
    )


def _context_of(asked: Emit, delta: Delta) -> StatedContext | None:
    """The request's context, which equals the stored one, also in a replay; None if the stored one was erased."""
    return None if delta.context is None else stated_context(asked.reason, asked.reference_id, asked.metadata)


async def emit(
    context: Context, caller: Caller, asked: Emit, idempotency_key: str | None
) -> tuple[RecordedNow, str | None]:
    """Records one delta. Returns the reply and the cause of a replay: `key`, `reference` or None."""
    command = _command(context, caller, asked, idempotency_key)
    (outcome,) = await context.committer.apply((command,))
    if isinstance(outcome, Refusal):
        raise refused(outcome)
    assert isinstance(outcome, Recorded)
    delta = outcome.delta
    view = delta_view(asked.customer_id, command.shard_key, delta, QUEUED, _context_of(asked, delta))
    idempotent = outcome.replayed == "reference"
    return {**view, "idempotent": idempotent, "warnings": warnings_of(delta)}, outcome.replayed


async def emit_by_hand(context: Context, caller: Caller, asked: Emit, idempotency_key: str | None) -> RecordedNow:
    """Records a delta that a user typed, and adds an audit entry.

    Group commits of deltas carry no actor, so the audit entry is a second write; a replay by the same key adds none.
    """
    made, replayed = await emit(context, caller, asked, idempotency_key)
    if replayed is None:
        corrected = asked.adjusts[1] if asked.adjusts else None
        about = {"customerId": asked.customer_id, "delta": amount_text(asked.delta), "adjusts": corrected}
        await context.committer.run(lambda unit: audit.record(unit, caller, "delta.create", made["recordId"], about))
    return made


async def emit_batch(
    context: Context,
    caller: Caller,
    items: Sequence[Emit | ServiceError],
    raw: Sequence[Any],
    idempotency_key: str | None,
) -> tuple[Batch, bool]:
    """Records each valid item; an invalid one does not affect the others. Also returns whether all were replayed."""
    commands = {
        index: _command(context, caller, item, idempotency_key, index)
        for index, item in enumerate(items)
        if isinstance(item, Emit)
    }
    outcomes = dict(zip(commands, await context.committer.apply(list(commands.values())), strict=True))
    results: list[BatchQueued | BatchRejected] = []
    replayed = bool(outcomes)
    for index, item in enumerate(items):
        outcome = item if isinstance(item, ServiceError) else outcomes[index]
        if isinstance(outcome, Recorded):
            replayed = replayed and outcome.replayed == "key"
            results.append(_queued(index, commands[index], outcome))
        else:
            replayed = False
            error = refused(outcome) if isinstance(outcome, Refusal) else outcome
            assert isinstance(error, ServiceError)
            results.append(_rejected(index, raw[index], commands.get(index), error))
    failed = sum(result["status"] == "REJECTED" for result in results)
    return {"totalQueued": len(results) - failed, "totalFailed": failed, "results": results}, replayed


def _queued(index: int, command: RecordDelta, outcome: Recorded) -> BatchQueued:
    delta = outcome.delta
    return {
        "index": index,
        "status": QUEUED,
        "error": None,
        "code": None,
        "customerId": command.customer_id,
        "delta": number(delta.delta),
        "recordId": delta.record_id,
        "receiptId": ids.receipt_id(command.shard_key, receipt_tail(delta.leaf_hash)),
        "idempotent": outcome.replayed is not None,
        "sequenceNumber": delta.sequence,
        "period": delta.period,
        "latePosting": is_late(delta),
        "warnings": warnings_of(delta),
    }


def _rejected(index: int, raw: Any, command: RecordDelta | None, reason: ServiceError) -> BatchRejected:
    given = raw if isinstance(raw, dict) else {}
    details: RejectionDetails = reason.extra
    return {
        "index": index,
        "status": "REJECTED",
        "customerId": customer if type(customer := given.get("customerId")) is str else None,
        "delta": number(command.delta) if command else None,
        "error": reason.message,
        "code": reason.code or "VALIDATION_ERROR",
        **details,
    }
