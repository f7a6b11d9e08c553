"""Columns of the tables, and the rows made from them."""

from __future__ import annotations

from typing import Any

from ...domain.amounts import amount_text, units
from ...domain.tree import Frontier, unpack
from ..model import ids
from ..model.records import Checkpoint, Customer, DayTotal, Delta, PeriodHead
from ..model.sealing import parts_of

CUSTOMER = (
    "c.id, c.environment_id, c.shard_key, c.customer_id, c.slot_key, c.unit, c.created_at, c.last_sequence, c.total, "
    "c.last_recorded_at, c.locked_through, c.locked_root, c.locked_total, c.locked_count, c.seal"
)
HEAD = (
    "id, customer, period, opening, size, peaks, spine, merged, total, closing, root, frozen, first_recorded_at, "
    "last_recorded_at, integrated_size, integrated_root, integrated_peaks, integrated_total, entry_index, batch_index, "
    "batch_size, previous_size, seal, state_seal"
)
DELTA = (
    "d.id, d.customer, d.period_id, p.period, d.leaf_index, d.sequence, d.record_nonce, d.delta, d.period_total, "
    "d.total, d.posted_at, d.recorded_at, d.occurred_at, d.adjusts, d.context_hash, d.leaf_hash, d.context, d.salt, "
    "d.reference_mac, d.body_mac, d.receipt_key, d.seal, c.shard_key, c.customer_id"
)
DELTA_FROM = "FROM delta d JOIN period_head p ON p.id = d.period_id JOIN customer c ON c.id = d.customer"
CHECKPOINT = (
    "id, checkpoint_id, customer, locked, period, start_at, end_at, proof_root, delta_count, net_change, "
    "brought_forward, starting_balance, first_recorded_at, last_recorded_at, invoice_reference, "
    "previous_checkpoint_id, created_at, parts, seal"
)

_INT64 = 2**63
_FLAGS = {0: False, 1: True}  # any other number is invalid, and no condition would find it


def stored_total(total: int) -> int | str:
    """The stored form of a sum: an integer of 10^-9 units where that fits, else canonical decimal text."""
    return total if -_INT64 <= total < _INT64 else amount_text(total)


def total_of(stored: int | str) -> int:
    """Units of 10^-9 of a stored sum."""
    return stored if type(stored) is int else units(str(stored))


def customer_of(row: Any) -> Customer:
    values: list[Any] = [*row[:8], total_of(row[8]), *row[9:12], total_of(row[12]), *row[13:]]
    return Customer(*values)


def head_of(row: Any) -> PeriodHead:
    frontier = Frontier(row[4], unpack(row[5]), unpack(row[6]), unpack(row[7]))
    values: list[Any] = [*row[:4], frontier, total_of(row[8]), row[9], row[10], bool(row[11]), *row[12:15]]
    values += [row[15] or b"", row[16] or b"", total_of(row[17] or 0), *row[18:22], row[22] or b"", row[23]]
    return PeriodHead(*values)


def day_of_row(row: Any) -> DayTotal:
    return DayTotal(row[0], row[1], total_of(row[2]), *row[3:])


def delta_of(row: Any) -> Delta:
    record_id = ids.record_id(row[22], row[5], row[6])
    values: list[Any] = [*row[:6], record_id, row[7], total_of(row[8]), total_of(row[9]), *row[10:22]]
    return Delta(*values)


def checkpoint_of(row: Any) -> Checkpoint:
    parts = parts_of(row[17])
    values: list[Any] = [*row[:3], _FLAGS[row[3]], *row[4:9], *map(total_of, row[9:12]), *row[12:17], parts, row[18]]
    return Checkpoint(*values)
