"""Locking months inside a write: closes the trees in order, each with its closing leaf. The same for both engines."""

from __future__ import annotations

import structlog

from pacspace_proofs.canonical import canonical
from pacspace_proofs.record import CLOSING
from pacspace_proofs.tree import leaf_hash

from ...domain.amounts import amount_text
from ...domain.instants import instant_text, period_of
from ..model import ids
from ..model.commands import Locked, LockPeriod, Refusal
from ..model.people import audit_entry
from ..model.protocols import Damaged, Unit
from ..model.records import Checkpoint, Customer, Environment, Part, PeriodHead
from .recording import new_head

logger = structlog.get_logger("pacspace.committer")


def lock_period(unit: Unit, command: LockPeriod) -> Locked | Refusal:
    """Locks the month, or refuses to: also when a row that the lock would sign is damaged."""
    try:
        return _lock(unit, command)
    except Damaged as damaged:
        logger.error("record damaged", row=damaged.where)
        return Refusal("RECORD_DAMAGED", f"nothing was locked: {damaged}")


def _lock(unit: Unit, command: LockPeriod) -> Locked | Refusal:
    """Locks the month permanently, or returns the existing lock."""
    environment = unit.environment(command.environment_id)
    customer = unit.customer(command.environment_id, command.shard_key)
    if customer is None:
        return Refusal("CUSTOMER_NOT_FOUND", f"no customer {command.customer_id} in this environment")
    if command.key_hash is not None and (known := unit.idempotency(command.shard_key, command.key_hash)) is not None:
        _, checkpoint, body_mac = known
        if checkpoint is None or body_mac != command.body_mac:
            message = "this Idempotency-Key was used with another body; nothing was locked"
            return Refusal("IDEMPOTENCY_CONFLICT", message)
        was_running = command.period >= period_of(checkpoint.created_at)
        return Locked(checkpoint, replayed=True, gap=checkpoint.period != command.period, running=was_running)
    now = max(unit.now(environment), customer.last_recorded_at)
    running = command.period >= period_of(now)
    if customer.locked_through is not None and command.period <= customer.locked_through:
        outcome = _already_locked(unit, customer, command.period)
    else:
        if command.period > period_of(now) and unit.head(customer, command.period) is None:
            problem = f"{command.period} has not begun and holds no deltas"
            return Refusal(None, problem, ("period", problem))
        earlier = [head for head in unit.open_heads(customer) if head.period < command.period]
        damaged = [head.period for head in [*earlier, unit.head(customer, command.period)] if head and head.damaged]
        if damaged:
            return Refusal("RECORD_DAMAGED", f"{damaged[0]} is damaged: its data does not match its hash; run fsck")
        also = [_close(unit, environment, customer, head, now, None) for head in earlier]
        head = unit.head(customer, command.period) or unit.add_head(
            new_head(environment, customer, command.period, now)
        )
        outcome = Locked(_close(unit, environment, customer, head, now, command.invoice_reference), also)
        _note(unit, environment, command, outcome)
    outcome.running = running
    if command.key_hash is not None:
        unit.add_idempotency(command.key_hash, None, outcome.checkpoint, command.body_mac)
    return outcome


def _note(unit: Unit, environment: Environment, command: LockPeriod, locked: Locked) -> None:
    """Adds the lock to the audit trail."""
    if command.actor is None:
        return
    months = [checkpoint.period for checkpoint in (*locked.also_locked, locked.checkpoint)]
    details = {"customerId": command.customer_id, "periods": months}
    subject = locked.checkpoint.checkpoint_id
    entry = audit_entry(environment.workspace_id, environment.name, command.actor, "period.lock", subject, details)
    unit.add_audit_entry(entry)


def _already_locked(unit: Unit, customer: Customer, period: str) -> Locked:
    """The month's own lock, or that of the next locked month, whose closing leaf proves the gap."""
    checkpoint = unit.lock_at_or_after(customer, period)
    return Locked(checkpoint, existing=True, gap=checkpoint.period != period)


def _close(
    unit: Unit, environment: Environment, customer: Customer, head: PeriodHead, now: int, invoice: str | None
) -> Checkpoint:
    previous = None
    if customer.locked_through is not None and customer.locked_root is not None:
        previous = unit.lock_at_or_after(customer, customer.locked_through)
    count, brought = head.delta_count, customer.locked_total
    customer.locked_count += count
    customer.locked_total += head.total
    customer.last_recorded_at = now
    checkpoint_id = ids.new_checkpoint_id(customer.shard_key)
    closing = {
        "schema": CLOSING, "customerId": customer.customer_id, "period": head.period, "deltaCount": str(count),
        "periodTotal": amount_text(head.total), "broughtForward": amount_text(brought),
        "carriedForward": amount_text(customer.locked_total), "lastSequence": str(customer.last_sequence),
        "countToDate": str(customer.locked_count), "checkpointId": checkpoint_id, "closedAt": instant_text(now),
    }  # fmt: skip
    if customer.locked_through is not None and customer.locked_root is not None:
        closing |= {"previousPeriod": customer.locked_through, "previousRoot": customer.locked_root.hex()}
    if invoice is not None:
        closing["invoiceReference"] = invoice
    head.closing = canonical(closing)
    head.frontier.append(leaf_hash(head.closing))
    head.root = head.frontier.root
    customer.locked_through, customer.locked_root = head.period, head.root
    checkpoint = Checkpoint(
        id=0,
        checkpoint_id=checkpoint_id,
        customer=customer.id,
        locked=True,
        period=head.period,
        start=None,
        end=None,
        proof_root=head.root,
        delta_count=count,
        net_change=head.total,
        brought_forward=brought,
        starting_balance=0,
        first_recorded_at=head.first_recorded_at,
        last_recorded_at=head.last_recorded_at,
        invoice_reference=invoice,
        previous_checkpoint_id=previous.checkpoint_id if previous else None,
        created_at=now,
        parts=[Part(head.period, head.frontier.size, head.root)],
    )
    return unit.add_checkpoint(checkpoint)
