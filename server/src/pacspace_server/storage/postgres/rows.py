"""Columns of the tables, and the rows made from them. A row's `id` is its primary key as bytes."""

from __future__ import annotations

from decimal import Context, Decimal
from typing import Any

from ...domain.tree import Frontier, pack, unpack
from ..model import ids, sealing
from ..model.records import Checkpoint, Customer, DayTotal, Delta, Integration, PeriodHead

CUSTOMER = (
    "c.shard_key, c.environment_id, c.shard_key, c.customer_id, c.slot_key, c.unit, c.created_at, c.last_sequence, "
    "c.total, c.last_recorded_at, c.locked_through, c.locked_root, c.locked_total, c.locked_count, c.seal"
)
CUSTOMER_WIDTH = CUSTOMER.count(",") + 1
HEAD = (
    "h.shard_key, h.period, o.leaf, h.size, h.peaks, h.spine, h.merged, h.total, k.leaf, h.root, i.frozen, "
    "h.first_recorded_at, h.last_recorded_at, i.integrated_size, i.integrated_root, i.integrated_peaks, "
    "i.integrated_total, i.entry_index, i.batch_index, i.batch_size, i.previous_size, i.seal, h.state_seal"
)
HEAD_FROM = (
    "period_head h JOIN leaf o ON o.shard_key = h.shard_key AND o.period = h.period AND NOT o.closing "
    "LEFT JOIN leaf k ON k.shard_key = h.shard_key AND k.period = h.period AND k.closing "
    "LEFT JOIN integrated_head i ON i.shard_key = h.shard_key AND i.period = h.period"
)
DELTA = (
    "d.shard_key, d.period, d.leaf_index, d.sequence, d.record_nonce, d.delta, d.period_total, d.total, d.posted_at, "
    "d.recorded_at, d.occurred_at, d.adjusts, d.context_hash, d.leaf_hash, d.context, d.salt, d.reference_mac, "
    "d.body_mac, d.receipt_key, d.seal, (SELECT o.customer_id FROM customer o WHERE o.shard_key = d.shard_key)"
)
CHECKPOINT = (
    "k.shard_key, k.number, k.nonce, k.locked, k.period, k.start_at, k.end_at, k.proof_root, k.delta_count, "
    "k.net_change, k.brought_forward, k.starting_balance, k.first_recorded_at, k.last_recorded_at, "
    "k.invoice_reference, k.previous_checkpoint_id, k.created_at, k.parts, k.seal"
)

_EXACT = Context(prec=60)
_SCALE = 9


def stored(units: int) -> Decimal:
    """The stored form of an amount."""
    return Decimal(units).scaleb(-_SCALE, _EXACT)


def units_of(amount: Decimal) -> int:
    """Units of 10^-9; the column holds no further digits."""
    return int(amount.scaleb(_SCALE, _EXACT))


def head_key(shard_key: bytes, period: str) -> bytes:
    return shard_key + period.encode()


def numbered(shard_key: bytes, number: int) -> bytes:
    """The key of a customer's numbered row: a delta by its sequence, a checkpoint by its number."""
    return shard_key + number.to_bytes(8, "big", signed=True)


def number_of(key: int | bytes) -> int:
    """The number in such a key."""
    assert isinstance(key, bytes)
    return int.from_bytes(key[-8:], "big", signed=True)


def customer_of(row: Any) -> Customer:
    values: list[Any] = [*row[:8], units_of(row[8]), *row[9:12], units_of(row[12]), *row[13:]]
    return Customer(*values)


def head_of(row: Any) -> PeriodHead:
    frontier = Frontier(row[3], unpack(row[4]), unpack(row[5]), unpack(row[6]))
    values: list[Any] = [
        head_key(row[0], row[1]), row[0], row[1], row[2], frontier, units_of(row[7]), row[8], row[9], bool(row[10]),
        row[11], row[12], row[13] or 0, row[14] or b"", row[15] or b"", units_of(row[16] or Decimal(0)), *row[17:20],
        row[20] or 0, row[21] or b"", row[22],
    ]  # fmt: skip
    return PeriodHead(*values)


def day_of_row(row: Any) -> DayTotal:
    return DayTotal(row[0], row[1], units_of(row[2]), *row[3:])


def delta_of(row: Any) -> Delta:
    shard_key, period, sequence = row[0], row[1], row[3]
    return Delta(
        numbered(shard_key, sequence), shard_key, head_key(shard_key, period), period, row[2], sequence,
        ids.record_id(shard_key, sequence, row[4]), units_of(row[5]), units_of(row[6]), units_of(row[7]), *row[8:20],
    )  # fmt: skip


def checkpoint_of(row: Any) -> Checkpoint:
    parts = sealing.parts_of(row[17])
    public = f"chk_{row[0].hex()}{row[2].hex()}"
    values: list[Any] = [*row[3:9], *map(units_of, row[9:12]), *row[12:17], parts, row[18]]
    return Checkpoint(numbered(row[0], row[1]), public, row[0], *values)


# The rows that a unit stores: each table's columns in order.


def new_customer_row(secret: bytes, c: Customer, numbers: dict[bytes, int]) -> tuple[Any, ...]:
    return (
        c.shard_key, c.environment_id, c.customer_id, c.slot_key, c.unit, c.created_at, c.last_sequence, c.total,
        c.last_recorded_at, c.locked_through, c.locked_root, c.locked_total, c.locked_count, numbers[c.shard_key],
        sealing.customer_seal(secret, c),
    )  # fmt: skip


def customer_row(secret: bytes, c: Customer, numbers: dict[bytes, int]) -> tuple[Any, ...]:
    return (
        c.shard_key, c.last_sequence, c.total, c.last_recorded_at, c.locked_through, c.locked_root,
        c.locked_total, c.locked_count, numbers[c.shard_key], sealing.customer_seal(secret, c),
    )  # fmt: skip


def head_row(secret: bytes, h: PeriodHead) -> tuple[Any, ...]:
    frontier = h.frontier
    return (
        h.customer, h.period, frontier.size, pack(frontier.peaks), pack(frontier.spine), pack(frontier.merged),
        h.total, h.root, h.first_recorded_at, h.last_recorded_at, sealing.head_seal(secret, h),
    )  # fmt: skip


def integrated_row(h: Integration) -> tuple[Any, ...]:
    return (
        h.customer, h.period, h.integrated_size, h.integrated_root, h.integrated_peaks, h.integrated_total,
        h.entry_index, h.batch_index, h.batch_size, h.previous_size, h.seal,
    )  # fmt: skip


def delta_row(d: Delta) -> tuple[Any, ...]:
    return (
        d.customer, d.sequence, d.period, d.leaf_index, bytes.fromhex(d.record_id[-8:]), stored(d.delta),
        stored(d.period_total), stored(d.total), d.posted_at, d.recorded_at, d.occurred_at, d.adjusts, d.context_hash,
        d.leaf_hash, d.context, d.salt, d.reference_mac, d.body_mac, d.receipt_key, d.seal,
    )  # fmt: skip


def checkpoint_row(secret: bytes, c: Checkpoint, environment_id: int) -> tuple[Any, ...]:
    return (
        c.customer, number_of(c.id), bytes.fromhex(c.checkpoint_id[-24:]), environment_id, c.locked, c.period, c.start,
        c.end, c.proof_root, c.delta_count, c.net_change, c.brought_forward, c.starting_balance,
        c.first_recorded_at, c.last_recorded_at, c.invoice_reference, c.previous_checkpoint_id, c.created_at,
        sealing.checkpoint_parts(c), sealing.checkpoint_seal(secret, c),
    )  # fmt: skip
