"""Columns of the tables, and the records that their rows are."""

from __future__ import annotations

from typing import Any

from ...domain.amounts import amount_text, units
from ...domain.tree import Frontier, unpack
from ..model import ids
from ..model.records import ApiKey, Checkpoint, Customer, DayTotal, Delta, Job, PeriodHead
from ..model.sealing import parts_of

CUSTOMER = (
    "id, environment_id, shard_key, customer_id, slot_key, unit, created_at, last_sequence, total, last_recorded_at, "
    "locked_through, locked_root, locked_total, locked_count, seal"
)
HEAD = (
    "id, customer, period, opening, size, peaks, spine, merged, total, closing, root, frozen, first_recorded_at, "
    "last_recorded_at, integrated_size, integrated_root, integrated_peaks, integrated_total, entry_index, batch_index, "
    "batch_size, previous_size, seal"
)
DELTA = (
    "d.id, d.customer, d.period_id, p.period, d.leaf_index, d.sequence, d.record_nonce, d.delta, d.period_total, "
    "d.total, d.posted_at, d.recorded_at, d.occurred_at, d.adjusts, d.context_hash, d.leaf_hash, d.context, d.salt, "
    "d.reference_mac, d.body_mac, d.receipt_key, d.seal, c.shard_key"
)
DELTA_FROM = "FROM delta d JOIN period_head p ON p.id = d.period_id JOIN customer c ON c.id = d.customer"
CHECKPOINT = (
    "id, checkpoint_id, customer, locked, period, start_at, end_at, proof_root, delta_count, net_change, "
    "brought_forward, starting_balance, first_recorded_at, last_recorded_at, invoice_reference, "
    "previous_checkpoint_id, created_at, parts"
)
LOG = (
    "l.id, l.environment_id, e.name, l.origin, l.blinding_key, l.size, l.published_size, k.note, k.published_at, "
    "l.verifier_key, l.restored_from, l.seal "
    "FROM log l JOIN environment e ON e.id = l.environment_id "
    "LEFT JOIN log_checkpoint k ON k.log_id = l.id AND k.size = l.published_size"
)
JOB = "id, environment_id, period, status, total, started_at, done, failed, after, delta_count, net_change, finished_at"
KEY = (
    "k.id, k.environment_id, e.name, k.public_id, k.secret_hash, k.name, k.scopes, k.created_at, k.revoked_at, k.disabled_at, "
    "k.last_used_at "
    "FROM api_key k JOIN environment e ON e.id = k.environment_id"
)


_INT64 = 2**63
_FLAGS = {0: False, 1: True}  # any other number is none, and would be found by no condition


def stored_total(total: int) -> int | str:
    """A sum as it is stored: an integer of 10^-9 units where that fits, else canonical decimal text."""
    return total if -_INT64 <= total < _INT64 else amount_text(total)


def total_of(stored: int | str) -> int:
    """Units of 10^-9 of a stored sum."""
    return stored if type(stored) is int else units(str(stored))


def api_key_of(row: Any) -> ApiKey:
    values: list[Any] = [*row[:6], tuple(row[6].split(",")), *row[7:]]
    return ApiKey(*values)


def customer_of(row: Any) -> Customer:
    values: list[Any] = [*row[:8], total_of(row[8]), *row[9:12], total_of(row[12]), *row[13:]]
    return Customer(*values)


def head_of(row: Any) -> PeriodHead:
    frontier = Frontier(row[4], unpack(row[5]), unpack(row[6]), unpack(row[7]))
    values: list[Any] = [*row[:4], frontier, total_of(row[8]), row[9], row[10], bool(row[11]), *row[12:15]]
    values += [row[15] or b"", row[16] or b"", total_of(row[17] or 0), *row[18:22], row[22] or b""]
    return PeriodHead(*values)


def day_of_row(row: Any) -> DayTotal:
    return DayTotal(row[0], row[1], total_of(row[2]), *row[3:])


def delta_of(row: Any) -> Delta:
    record_id = ids.record_id(row[22], row[5], row[6])
    values: list[Any] = [*row[:6], record_id, row[7], total_of(row[8]), total_of(row[9]), *row[10:22]]
    return Delta(*values)


def checkpoint_of(row: Any) -> Checkpoint:
    parts = parts_of(row[17])
    values: list[Any] = [*row[:3], _FLAGS[row[3]], *row[4:9], *map(total_of, row[9:12]), *row[12:17], parts]
    return Checkpoint(*values)


def job_of(row: Any) -> Job:
    values: list[Any] = [*row[:10], total_of(row[10]), row[11]]
    return Job(*values)
