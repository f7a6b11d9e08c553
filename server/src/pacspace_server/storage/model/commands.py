"""Commands that write to the record, and their outcomes."""

from __future__ import annotations

from dataclasses import dataclass, field

from msgspec import Struct

from .records import Checkpoint, Delta


class RecordDelta(Struct):
    """Record one delta. `adjusts` is ("recordId" or "referenceId", record id or reference MAC, its text)."""

    environment_id: int
    shard_key: bytes
    customer_id: str
    delta: int
    context: bytes
    body_mac: bytes
    reference_mac: bytes | None
    key_hash: bytes | None
    occurred_at: int | None
    adjusts: tuple[str, str, bytes] | None


@dataclass(slots=True)
class LockPeriod:
    """Lock one customer's month, after every earlier month that holds deltas."""

    environment_id: int
    shard_key: bytes
    customer_id: str
    period: str
    invoice_reference: str | None
    key_hash: bytes | None
    body_mac: bytes
    actor: str | None = None  # for the audit trail; None for a job, which has its own entry


class Recorded(Struct):
    """The delta is in the record. `replayed` names what matched, key or reference, if it already was."""

    delta: Delta
    replayed: str | None = None


@dataclass(slots=True)
class Locked:
    """The month is locked. If it has no tree, `next_locked` is the month whose closing leaf proves the gap."""

    checkpoint: Checkpoint
    also_locked: list[Checkpoint] = field(default_factory=list)
    replayed: bool = False
    existing: bool = False
    gap: bool = False
    running: bool = False


class Conflict(Struct):
    """A field whose value differs from that of the earlier delta with the same reference; both values as text."""

    field: str
    recorded: str | None
    sent: str | None


@dataclass(slots=True)
class Refusal:
    """Nothing was written. `code` is None if one field has an invalid value: `problem` is the field and the reason.

    `earlier` is the recordId of the delta that has the reference, `conflicts` the fields that differ.
    """

    code: str | None
    message: str
    problem: tuple[str, str] | None = None
    earlier: str | None = None
    conflicts: tuple[Conflict, ...] = ()


Command = RecordDelta | LockPeriod
Outcome = Recorded | Locked | Refusal
