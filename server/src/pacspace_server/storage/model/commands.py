"""What can be asked of the record in one write, and what comes back."""

from __future__ import annotations

from dataclasses import dataclass, field

from msgspec import Struct

from .records import Checkpoint, Delta


class RecordDelta(Struct):
    """Record one delta. `adjusts` is ("recordId" or "referenceId", record id or reference MAC and its text)."""

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
    """Lock one customer's month, and first every earlier month that holds deltas."""

    environment_id: int
    shard_key: bytes
    customer_id: str
    period: str
    invoice_reference: str | None
    key_hash: bytes | None
    body_mac: bytes
    actor: str | None = None  # who asked, for the audit trail; a job has one entry of its own


class Recorded(Struct):
    """A delta is in the record; `replayed` by the key or the reference when it already was."""

    delta: Delta
    replayed: str | None = None


@dataclass(slots=True)
class Locked:
    """A month is locked. `next_locked` names the month whose closing leaf proves a gap, when this one has no tree."""

    checkpoint: Checkpoint
    also_locked: list[Checkpoint] = field(default_factory=list)
    replayed: bool = False
    existing: bool = False
    gap: bool = False
    running: bool = False


class Conflict(Struct):
    """A field that an earlier delta of the same reference was recorded with otherwise; both values as text."""

    field: str
    recorded: str | None
    sent: str | None


@dataclass(slots=True)
class Refusal:
    """Nothing was written. `code` is None where one field has a value that can't be: `problem` names both.

    `earlier` is the recordId of the delta that has the reference already, `conflicts` what differs from it.
    """

    code: str | None
    message: str
    problem: tuple[str, str] | None = None
    earlier: str | None = None
    conflicts: tuple[Conflict, ...] = ()


Command = RecordDelta | LockPeriod
Outcome = Recorded | Locked | Refusal
