"""Recording one delta inside a write: replay, post, sequence, hash, grow the tree. The same for both engines."""

from __future__ import annotations

import secrets
from typing import Any

import structlog

from pacspace_proofs.canonical import canonical, parse_canonical
from pacspace_proofs.record import OPENING, context_hash, parse_context, receipt_tail
from pacspace_proofs.tree import leaf_hash

from ...domain.amounts import amount_text, fits_total
from ...domain.instants import day_of, instant_text
from ...domain.posting import check_occurred_at, post
from ...domain.tree import Frontier
from ..model import ids
from ..model.commands import Conflict, RecordDelta, Recorded, Refusal
from ..model.leaf_bytes import delta_leaf
from ..model.protocols import Damaged, Unit
from ..model.records import Customer, Delta, Environment, PeriodHead
from ..model.sealing import delta_seal

logger = structlog.get_logger("pacspace.committer")


def record_delta(unit: Unit, command: RecordDelta) -> Recorded | Refusal:
    """Records the delta, or refuses it: also when a row that it needs is damaged."""
    try:
        return _record(unit, command)
    except Damaged as damaged:
        logger.error("record damaged", row=damaged.where)
        return Refusal("RECORD_DAMAGED", f"nothing was recorded: {damaged}")


def _record(unit: Unit, command: RecordDelta) -> Recorded | Refusal:
    """Records the delta, finds it already recorded, or refuses it. A refusal writes nothing."""
    environment = unit.environment(command.environment_id)
    customer = unit.customer(command.environment_id, command.shard_key)
    if customer is not None:
        if customer.customer_id != command.customer_id:
            return Refusal("SERVICE_UNAVAILABLE", "two customerIds share a shard key; change one of them")
        replay = _replay(unit, customer, command)
        if replay is not None:
            return replay
    now = max(unit.now(environment), customer.last_recorded_at if customer else 0)
    if command.occurred_at is not None and (problem := check_occurred_at(command.occurred_at, now)):
        message = f"occurredAt {instant_text(command.occurred_at)} {problem} ({instant_text(now)})"
        return Refusal(None, message, ("occurredAt", problem))
    adjusts = None
    if command.adjusts is not None:
        adjusts = _resolve_adjusts(unit, customer, command.adjusts)
        if adjusts is None:
            field, text, _ = command.adjusts
            return Refusal("RECORD_NOT_FOUND", f"adjusts.{field} {text} does not name a delta of this customer")
    if customer is not None and not fits_total(customer.total + command.delta):
        problem = "the customer's total would need more than 40 characters"
        return Refusal(None, problem, ("delta", problem))
    if customer is None:
        customer = unit.add_customer(new_customer(environment, command.shard_key, command.customer_id, now))
    return Recorded(_append(unit, environment, customer, command, now, adjusts))


def new_customer(environment: Environment, shard: bytes, customer_id: str, now: int) -> Customer:
    """A new customer without deltas."""
    return Customer(0, environment.id, shard, customer_id, secrets.token_bytes(32), None, now)


def new_head(environment: Environment, customer: Customer, period: str, opened_at: int) -> PeriodHead:
    """A month's tree with its opening leaf."""
    opening: dict[str, Any] = {
        "schema": OPENING,
        "origin": environment.origin,
        "customerId": customer.customer_id,
        "period": period,
        "slotKey": customer.slot_key.hex(),
        "openedAt": instant_text(opened_at),
        "nonce": secrets.token_hex(16),
    }
    if customer.unit is not None:
        opening["unit"] = customer.unit
    if environment.restored_from is not None:
        opening["restoredFrom"] = parse_canonical(environment.restored_from.encode())
    frontier = Frontier()
    data = canonical(opening)
    frontier.append(leaf_hash(data))
    return PeriodHead(0, customer.id, period, data, frontier)


def _append(
    unit: Unit, environment: Environment, customer: Customer, command: RecordDelta, now: int, adjusts: str | None
) -> Delta:
    posted = post(now if command.occurred_at is None else command.occurred_at, customer.locked_through)
    # All reads come first: a damaged row is found before anything is changed.
    head, day = unit.head(customer, posted.period), unit.day(customer, day_of(posted.posted_at))
    if head is None:
        head = unit.add_head(new_head(environment, customer, posted.period, now))
    random = unit.random_bytes(20)
    salt = random[:16]
    sequence = customer.last_sequence = customer.last_sequence + 1
    customer.total += command.delta
    customer.last_recorded_at = now
    head.total += command.delta
    hashed_context = context_hash(salt, command.context)
    delta = Delta(
        0, customer.id, head.id, posted.period, head.frontier.size, sequence,
        ids.record_id(customer.shard_key, sequence, random[16:]), command.delta, head.total, customer.total,
        posted.posted_at, now, command.occurred_at, adjusts, hashed_context, b"", command.context, salt,
        command.reference_mac, command.body_mac, 0, b"",
    )  # fmt: skip
    delta.leaf_hash = leaf_hash(delta_leaf(customer.customer_id, delta))
    delta.receipt_key = ids.receipt_key(receipt_tail(delta.leaf_hash))
    delta.seal = delta_seal(unit.secret, delta)
    head.frontier.append(delta.leaf_hash)
    head.last_recorded_at = now
    if head.first_recorded_at is None:
        head.first_recorded_at = now
    day.total += command.delta
    day.count += 1
    day.first_sequence = day.first_sequence or delta.sequence
    day.last_sequence = delta.sequence
    unit.add_delta(delta)
    if command.key_hash is not None:
        unit.add_idempotency(command.key_hash, delta, None, command.body_mac)
    return delta


def _replay(unit: Unit, customer: Customer, command: RecordDelta) -> Recorded | Refusal | None:
    """The earlier delta with the same key or reference. The key decides before the reference."""
    if command.key_hash is not None:
        known = unit.idempotency(command.shard_key, command.key_hash)
        if known is not None:
            recorded, _, body_mac = known
            if recorded is None or body_mac != command.body_mac:
                message = "this Idempotency-Key was used with another body; nothing was recorded"
                return Refusal("IDEMPOTENCY_CONFLICT", message)
            return Recorded(recorded, "key")
    if command.reference_mac is None:
        return None
    earlier = unit.delta_by_reference(customer, command.reference_mac)
    if earlier is None:
        return None
    if earlier.body_mac != command.body_mac:
        conflict = _reference_conflict(unit, customer, earlier, command)
        if conflict is not None:
            return conflict
    if command.key_hash is not None:
        # Bind the key to this delta: the same key with another body must not record either.
        unit.add_idempotency(command.key_hash, earlier, None, command.body_mac)
    return Recorded(earlier, "reference")


def _reference_conflict(unit: Unit, customer: Customer, earlier: Delta, command: RecordDelta) -> Refusal | None:
    """The differences, with both values. None if `adjusts` only names the same delta in another way."""
    code, message = "REFERENCE_ID_CONFLICT", "this referenceId was recorded with other values; nothing was recorded"
    if earlier.context is None:
        return Refusal(code, f"{message}. The earlier context was erased, so the values can't be named")
    before, now = parse_context(earlier.context), parse_context(command.context)
    adjusts = command.adjusts and (_resolve_adjusts(unit, customer, command.adjusts) or command.adjusts[1])
    values: dict[str, tuple[str | None, str | None]] = {
        "delta": (amount_text(earlier.delta), amount_text(command.delta)),
        "occurredAt": (_instant_or_none(earlier.occurred_at), _instant_or_none(command.occurred_at)),
        "adjusts": (earlier.adjusts, adjusts),
    }
    for name in ("reason", "metadata"):
        values[name] = before.get(name), now.get(name)
    differing = tuple(Conflict(name, *both) for name, both in values.items() if both[0] != both[1])
    if not differing:
        return None
    named = "; ".join(f"{d.field}: recorded {d.recorded or 'nothing'}, sent {d.sent or 'nothing'}" for d in differing)
    return Refusal(code, f"{message} ({named})", earlier=earlier.record_id, conflicts=differing)


def _instant_or_none(at_us: int | None) -> str | None:
    return None if at_us is None else instant_text(at_us)


def _resolve_adjusts(unit: Unit, customer: Customer | None, adjusts: tuple[str, str, bytes]) -> str | None:
    """The record id of the customer's earlier delta that `adjusts` names, or None."""
    if customer is None:
        return None
    field, text, mac = adjusts
    if field == "referenceId":
        named = unit.delta_by_reference(customer, mac)
    else:
        match = ids.RECORD_ID.fullmatch(text)
        named = unit.delta_at(customer, int(match[2], 16)) if match else None
        if named is not None and named.record_id != text:
            named = None
    return named.record_id if named else None
