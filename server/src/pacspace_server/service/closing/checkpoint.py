"""Checkpoint: lock a named month, or issue the interim root of another scope."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass

from pacspace_proofs.record import window_hash

from ...domain.enumerations import CheckpointStatus
from ...domain.instants import instant_text, period_end, period_start
from ...domain.scopes import Scope
from ...storage.model import ids
from ...storage.model.commands import Locked, LockPeriod, Refusal
from ...storage.model.protocols import Snapshot, Unit
from ...storage.model.records import Checkpoint, Customer, Log, Part, PeriodHead
from ...views.checkpoints import (
    AlsoLocked,
    CheckpointMade,
    Checkpoints,
    CustomersCounted,
    EmptyScope,
    InterimOfAll,
)
from ...views.shapes import Checkpoint as CheckpointView
from ...views.shapes import Span
from ..balances.balance import Balance, balance_of
from ..balances.derive import computed, counted, read_balance
from ..base import showing
from ..base.context import Caller, Context, find_customer
from ..base.errors import ServiceError, invalid, refused
from ..base.lookup import all_integrated_at, log_in_use

ALL_LIMIT = 100


@dataclass
class CheckpointRequest:
    """A request for a checkpoint. `body` is the request's canonical text, for replays."""

    customer_id: str | None
    scope: Scope
    invoice_reference: str | None
    idempotency_key: str | None
    body: str


async def checkpoint(
    context: Context, caller: Caller, asked: CheckpointRequest
) -> tuple[CheckpointMade | EmptyScope | InterimOfAll, bool]:
    """Locks a named month; other scopes lock nothing. Also returns whether the key replayed it."""
    context.need_signing(caller.environment_id)
    if asked.customer_id is None:
        return await _interim_of_all(context, caller, asked), False
    if not asked.scope.names_period:
        return await _interim_reply(context, caller, asked.customer_id, asked)
    return await lock(context, caller, asked.customer_id, asked)


async def lock(
    context: Context, caller: Caller, customer_id: str, asked: CheckpointRequest
) -> tuple[CheckpointMade, bool]:
    """Locks one customer's month, after every earlier one with deltas."""
    context.need_signing(caller.environment_id)
    shard = context.shard(caller, customer_id)
    key_and_body = _key_and_body(context, caller, customer_id, asked)
    command = LockPeriod(
        caller.environment_id,
        shard,
        customer_id,
        asked.scope.first,
        asked.invoice_reference,
        *key_and_body,
        caller.actor,
    )
    await asyncio.to_thread(read_again, context, command)
    (outcome,) = await context.committer.apply((command,))
    if isinstance(outcome, Refusal):
        raise refused(outcome)
    assert isinstance(outcome, Locked)
    await context.wait_for_log(lambda: is_in_log(context, outcome.checkpoint))
    return await context.look(
        lambda snapshot: locked_view(snapshot, outcome, asked.scope.first, asked.invoice_reference)
    ), outcome.replayed


def read_again(context: Context, command: LockPeriod) -> None:
    """Reads every delta that a lock would sign: one that does not match its hash raises Damaged.

    Before the write, so that a long month holds nobody up; the lock itself compares the rows that it adds up.
    """
    with context.storage.snapshot() as snapshot:
        customer = snapshot.customer(command.environment_id, command.shard_key)
        heads = snapshot.open_heads(customer) if customer else []
        for head in (head for head in heads if head.period <= command.period):
            deque(snapshot.deltas_in_period(head, 1, head.delta_count + 1), maxlen=0)


def is_in_log(context: Context, checkpoint: Checkpoint) -> bool:
    """Whether a published log checkpoint covers a locked month."""
    with context.storage.snapshot() as snapshot:
        return checkpoint_status(snapshot, checkpoint) == showing.VERIFIED


def checkpoint_status(snapshot: Snapshot, checkpoint: Checkpoint) -> CheckpointStatus:
    """VERIFIED, QUEUED (locked, not yet in the log) or PROVISIONAL."""
    if not checkpoint.locked:
        return showing.PROVISIONAL
    customer = snapshot.customer_at(checkpoint.customer)
    head = snapshot.head(customer, checkpoint.period or "")
    return lock_status(head, log_in_use(snapshot, customer))


def lock_status(head: PeriodHead | None, log: Log) -> CheckpointStatus:
    verified = head is not None and head.verified_size(log) == head.size
    return showing.VERIFIED if verified else showing.QUEUED


def span(of: Checkpoint | Scope) -> Span:
    """The period and the start and end of a checkpoint or an empty scope; the end is exclusive."""
    if isinstance(of, Scope):
        period = None if of.mode == "custom" else of.first or None
    else:
        period = of.period
    start, end = (period_start(period), period_end(period)) if period else (of.start, of.end)
    return {"period": period, "startDate": showing.instant(start), "endDate": showing.instant(end)}


def checkpoint_view(snapshot: Snapshot, checkpoint: Checkpoint) -> CheckpointView:
    """A checkpoint as every route shows it."""
    return checkpoint_views(snapshot, [checkpoint])[0]


def checkpoint_views(snapshot: Snapshot, checkpoints: list[Checkpoint]) -> list[CheckpointView]:
    """Checkpoints of one environment, with one query per kind of data."""
    if not checkpoints:
        return []
    environment_id = snapshot.customer_at(checkpoints[0].customer).environment_id
    customers = snapshot.customers_at(list({checkpoint.customer for checkpoint in checkpoints}))
    logs = snapshot.logs(environment_id)
    heads = snapshot.heads_of([(c.customer, c.period or "") for c in checkpoints if c.locked])
    verified = all_integrated_at(snapshot, logs, heads.values())
    views = []
    for checkpoint in checkpoints:
        month = checkpoint.customer, checkpoint.period or ""
        status = lock_status(heads.get(month), logs[-1]) if checkpoint.locked else showing.PROVISIONAL
        views.append(_view(checkpoint, customers[checkpoint.customer].customer_id, status, verified.get(month)))
    return views


def _view(
    checkpoint: Checkpoint, customer_id: str, status: CheckpointStatus, verified_at: int | None
) -> CheckpointView:
    return {
        "checkpointId": checkpoint.checkpoint_id,
        "receiptId": checkpoint.checkpoint_id,
        "customerId": customer_id,
        **span(checkpoint),
        "proofRoot": showing.hash_text(checkpoint.proof_root),
        **counted(checkpoint.delta_count),
        "startingBalance": showing.number(checkpoint.starting_balance),
        **computed(checkpoint.starting_balance + checkpoint.net_change),
        "netChange": showing.number(checkpoint.net_change),
        "broughtForward": showing.number(checkpoint.brought_forward),
        "carriedForward": showing.number(checkpoint.brought_forward + checkpoint.net_change),
        "status": status,
        "locked": checkpoint.locked,
        "createdAt": instant_text(checkpoint.created_at),
        "verifiedAt": showing.instant(verified_at) if status == showing.VERIFIED else None,
        "firstRecordAt": showing.instant(checkpoint.first_recorded_at),
        "lastRecordAt": showing.instant(checkpoint.last_recorded_at),
        "previousCheckpointId": checkpoint.previous_checkpoint_id,
        "invoiceReference": checkpoint.invoice_reference,
    }


def locked_view(snapshot: Snapshot, locked: Locked, period: str, asked_reference: str | None = None) -> CheckpointMade:
    """The reply to a lock."""
    checkpoint = locked.checkpoint
    warnings = []
    view = checkpoint_view(snapshot, checkpoint)
    if locked.running:
        warnings.append(f"{period} has not ended: deltas recorded from now on go to the next month")
    if locked.gap:
        warnings.append(
            f"{period} had no deltas when {checkpoint.period} was locked: the closing leaf of {checkpoint.period} "
            "names the month before it, which proves the gap"
        )
        view = _gap_view(view, period)
    if locked.existing and asked_reference is not None and asked_reference != checkpoint.invoice_reference:
        warnings.append("the month was already locked; its invoiceReference can't change any more")
    also: list[AlsoLocked] = [
        {"period": c.parts[0].period, "checkpointId": c.checkpoint_id, "proofRoot": showing.hash_text(c.proof_root)}
        for c in locked.also_locked
    ]
    return {**view, "alsoLocked": also, "idempotent": locked.existing, "warnings": warnings}


def _gap_view(lock: CheckpointView, period: str) -> CheckpointView:
    """A month without deltas, covered by the lock of an earlier month."""
    return {
        **lock,
        **counted(0),
        **computed(0),
        "period": period,
        "startDate": instant_text(period_start(period)),
        "endDate": instant_text(period_end(period)),
        "netChange": showing.number(0),
        "carriedForward": lock["broughtForward"],
        "firstRecordAt": None,
        "lastRecordAt": None,
    }


def _key_and_body(
    context: Context, caller: Caller, customer_id: str, asked: CheckpointRequest
) -> tuple[bytes | None, bytes]:
    """The hash of the Idempotency-Key, in a namespace separate from emits, and the MAC of the body."""
    key, shard = asked.idempotency_key, context.shard(caller, customer_id)
    hashed = ids.idempotency_hash(shard, "checkpoint\x00" + key) if key is not None else None
    return hashed, ids.body_mac(context.storage.secret, asked.body.encode())


async def _interim_reply(
    context: Context, caller: Caller, customer_id: str, asked: CheckpointRequest
) -> tuple[CheckpointMade | EmptyScope, bool]:
    """An interim checkpoint: the provisional root of a scope. Also returns whether the key replayed it."""
    if asked.invoice_reference is not None:
        raise invalid(("invoiceReference", "requires a period: only a locked month has one"))
    shard = context.shard(caller, customer_id)
    key, body = _key_and_body(context, caller, customer_id, asked)

    def work(unit: Unit) -> tuple[Checkpoint | None, bool]:
        known = unit.idempotency(shard, key) if key is not None else None
        if known is not None:
            if known[1] is None or known[2] != body:
                message = "this Idempotency-Key was used with another body; no root was issued"
                raise ServiceError("IDEMPOTENCY_CONFLICT", message)
            return known[1], True
        interim = issue(context, unit, caller, customer_id, asked.scope)
        if key is not None and interim is not None:
            unit.add_idempotency(key, None, interim, body)
        return interim, False

    interim, replayed = await context.committer.run(work)

    def view(snapshot: Snapshot) -> CheckpointMade | EmptyScope:
        if interim is None:
            return _empty_view(snapshot, find_customer(context, snapshot, caller, customer_id), asked.scope)
        warning = "this root is interim, and nothing was locked; to lock a month, name its period"
        return {**checkpoint_view(snapshot, interim), "alsoLocked": [], "idempotent": False, "warnings": [warning]}

    return await context.look(view), replayed


async def _interim_of_all(context: Context, caller: Caller, asked: CheckpointRequest) -> InterimOfAll:
    """Interim checkpoints of the environment's first customers."""
    customers = await context.look(
        lambda snapshot: snapshot.customers(caller.environment_id, None, "", ALL_LIMIT + 1, 0)
    )
    replies = [(await _interim_reply(context, caller, c.customer_id, asked))[0] for c in customers[:ALL_LIMIT]]
    warnings = [f"this shows only the first {ALL_LIMIT} customers"] if len(customers) > ALL_LIMIT else []
    totals: CustomersCounted = {"customers": len(replies), **counted(sum(reply["deltaCount"] for reply in replies))}
    return {"checkpoints": replies, "totals": totals, "jobId": None, "locked": False, "warnings": warnings}


def issue(context: Context, snapshot: Unit, caller: Caller, customer_id: str, scope: Scope) -> Checkpoint | None:
    """Stores the current root of a scope, so that it can be verified later. None if the scope is empty."""
    customer, _, now, balance = read_balance(context, snapshot, caller, customer_id, scope)
    if not balance.heads:
        return None
    refuse_damaged(balance.heads)
    parts = [Part(head.period, head.size, head.frontier.root) for head in balance.heads]
    start, end, root = _root_of(customer, scope, balance, parts)
    # The root does not cover earlier open months, but broughtForward does: the same root may need a new checkpoint.
    for known in (snapshot.checkpoint_by_root(root), snapshot.latest_checkpoint(customer)):
        if known is not None and (known.customer, known.proof_root) == (customer.id, root):
            if known.brought_forward == balance.brought_forward:
                return known
    return snapshot.add_checkpoint(
        Checkpoint(
            id=0,
            checkpoint_id=ids.new_checkpoint_id(customer.shard_key),
            customer=customer.id,
            locked=False,
            period=parts[0].period if start is None else None,
            start=start,
            end=end,
            proof_root=root,
            delta_count=balance.count,
            net_change=balance.net,
            brought_forward=balance.brought_forward,
            starting_balance=0,
            first_recorded_at=balance.first_recorded_at,
            last_recorded_at=balance.last_recorded_at,
            invoice_reference=None,
            previous_checkpoint_id=None,
            created_at=max(now, customer.last_recorded_at),
            parts=parts,
        )
    )


def refuse_damaged(heads: list[PeriodHead]) -> None:
    """503 RECORD_DAMAGED for a damaged month."""
    for head in heads:
        if head.damaged:
            message = f"{head.period} is damaged: a stored row does not match its hash; run fsck"
            raise ServiceError("RECORD_DAMAGED", message)


def _root_of(
    customer: Customer, scope: Scope, balance: Balance, parts: list[Part]
) -> tuple[int | None, int | None, bytes]:
    """For one whole month, its tree's root; for a window or several months, a hash over the roots of all of them."""
    start, end = scope.start, scope.end
    if start is None and len(parts) == 1:
        return None, None, parts[0].root
    if start is None or end is None:
        start, end = period_start(parts[0].period), period_end(parts[-1].period)
    roots = [part.root.hex() for part in parts]
    return start, end, window_hash(customer.customer_id, instant_text(start), instant_text(end), roots)


def brought_forward(snapshot: Snapshot, customer: Customer, scope: Scope) -> int:
    """The amount that a scope without deltas brings and carries forward."""
    return balance_of(snapshot, customer, scope, log_in_use(snapshot, customer)).brought_forward


def _empty_view(snapshot: Snapshot, customer: Customer, scope: Scope) -> EmptyScope:
    """The reply for a scope without deltas: zeros and no root."""
    carried = showing.number(brought_forward(snapshot, customer, scope))
    return {
        "checkpointId": None,
        "receiptId": None,
        "proofRoot": None,
        "createdAt": None,
        "verifiedAt": None,
        "firstRecordAt": None,
        "lastRecordAt": None,
        "previousCheckpointId": None,
        "invoiceReference": None,
        "customerId": customer.customer_id,
        **span(scope),
        **counted(0),
        "startingBalance": showing.number(0),
        **computed(0),
        "netChange": showing.number(0),
        "broughtForward": carried,
        "carriedForward": carried,
        "status": showing.PROVISIONAL,
        "locked": False,
        "alsoLocked": [],
        "idempotent": False,
        "warnings": ["the scope has no deltas; nothing was locked"],
    }


def list_checkpoints(
    context: Context, caller: Caller, customer_id: str | None, scope: Scope | None, limit: int, offset: int
) -> Checkpoints:
    """Checkpoints, newest first."""
    with context.storage.snapshot() as snapshot:
        customer = find_customer(context, snapshot, caller, customer_id) if customer_id is not None else None
        first, last = (scope.first, scope.last) if scope is not None and scope.first else (None, None)
        rows, total = snapshot.checkpoints(caller.environment_id, customer, first, last, limit, offset)
        shown = checkpoint_views(snapshot, rows)
    return {"checkpoints": shown, "pagination": {"limit": limit, "offset": offset, "total": total}}
