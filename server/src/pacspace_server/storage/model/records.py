"""Stored rows, the same for both engines. Amounts are units of 10^-9, instants microseconds, hashes bytes."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from msgspec import Struct

from ...domain import enumerations
from ...domain.tree import Frontier

# An engine's own name of a row: opaque elsewhere, and equal only for the same row.
Key = int | bytes
Month = tuple[Key, str]  # a customer's
# Takes the amount of work and its unit; gives a function to call with each finished part.
Shown = Callable[[int, str], AbstractContextManager[Callable[[int], None]]]


@dataclass(slots=True)
class Environment:
    """A workspace's `sandbox` or `production`: its log, the log it continues, and the sandbox's held clock."""

    id: int
    workspace_id: str
    name: enumerations.Environment
    log_id: int
    origin: str
    clock_at: int | None
    restored_from: str | None = None
    seal: bytes | None = field(default=None, compare=False)


@dataclass(slots=True)
class ApiKey:
    """An API key. Only the SHA-256 hash of its secret is stored."""

    id: str
    environment_id: int
    environment: enumerations.Environment
    public_id: str
    secret_hash: bytes
    name: str
    scopes: tuple[enumerations.KeyScope, ...]
    created_at: int
    revoked_at: int | None
    disabled_at: int | None = None
    last_used_at: int | None = None

    @property
    def is_active(self) -> bool:
        return self.revoked_at is None and self.disabled_at is None


@dataclass(slots=True)
class Customer:
    """A customer's head: the current sequence, balance and chain of locked months."""

    id: Key
    environment_id: int
    shard_key: bytes
    customer_id: str
    slot_key: bytes
    unit: str | None
    created_at: int
    last_sequence: int = 0
    total: int = 0
    last_recorded_at: int = 0
    locked_through: str | None = None
    locked_root: bytes | None = None
    locked_total: int = 0
    locked_count: int = 0
    seal: bytes | None = field(default=None, compare=False)


@dataclass(slots=True)
class PeriodHead:
    """The state of one customer's month: its tree's frontier, its total, and how much of it is integrated.

    The log trails the record by a run or two, so a head holds two states. A month with its opening leaf and 5 deltas,
    of which the last run integrated 3 and the run before it 2:

        frontier.size    6   stored: opening leaf and 5 deltas
        integrated_size  4   as of the last run, with integrated_root, _peaks and _total at that size; that run's
                             entry is entry_index, a log batch with this head at batch_index of batch_size
        previous_size    3   integrated by the run before, which is certainly published

    Verified is `integrated_size` once the log's published size exceeds `entry_index`, and `previous_size` until then. A
    locked month has its own closed entry, and no log batch. `seal` is a keyed hash over these sizes and indexes, by
    which fsck finds a changed row.
    """

    id: Key
    customer: Key
    period: str
    opening: bytes
    frontier: Frontier
    total: int = 0
    closing: bytes | None = None
    root: bytes | None = None  # of a locked month
    damaged: bool = False
    first_recorded_at: int | None = None
    last_recorded_at: int | None = None
    integrated_size: int = 0
    integrated_root: bytes = b""
    integrated_peaks: bytes = b""
    integrated_total: int = 0
    entry_index: int | None = None
    batch_index: int | None = None
    batch_size: int | None = None
    previous_size: int = 0
    seal: bytes = b""  # over the integrated state
    state_seal: bytes | None = None  # over the rest

    @property
    def closed(self) -> bool:
        return self.closing is not None

    @property
    def size(self) -> int:
        return self.frontier.size

    @property
    def delta_count(self) -> int:
        return delta_count(self.size, self.closed)

    @property
    def origin(self) -> str:
        """The log that the month belongs to: the first origin in the opening leaf's canonical bytes."""
        return self.opening.partition(b'"origin":"')[2].partition(b'"')[0].decode()

    def verified_size(self, log: Log) -> int:
        """Leaves under a published log checkpoint. `log` is the one in use: earlier logs are fully published.

        The run before the last is always published.
        """
        if self.origin != log.origin:
            return self.integrated_size
        published = self.entry_index is not None and self.entry_index < log.published_size
        return self.integrated_size if published else self.previous_size


class Integration(Struct):
    """The new state of a month's head after integration; the fields are the head's."""

    id: Key
    customer: Key
    period: str
    previous_size: int
    integrated_size: int
    integrated_root: bytes
    integrated_peaks: bytes
    integrated_total: int
    entry_index: int | None = None
    batch_index: int | None = None
    batch_size: int | None = None
    seal: bytes = b""


def delta_count(size: int, closed: bool) -> int:
    """Deltas in a period tree of a given size: all leaves but the opening and the closing one."""
    return max(0, size - 1 - closed)


class Delta(Struct):
    """One recorded delta. `period_total` and `total` are the running sums after it, of its month and its customer."""

    id: Key
    customer: Key
    period_id: Key
    period: str
    leaf_index: int
    sequence: int
    record_id: str
    delta: int
    period_total: int
    total: int
    posted_at: int
    recorded_at: int
    occurred_at: int | None
    adjusts: str | None
    context_hash: bytes
    leaf_hash: bytes
    context: bytes | None
    salt: bytes | None
    reference_mac: bytes | None
    body_mac: bytes
    receipt_key: int
    seal: bytes


@dataclass(slots=True)
class DayTotal:
    """The sum and count posted to one day of one customer."""

    customer: Key
    day: int
    total: int = 0
    count: int = 0
    first_sequence: int = 0
    last_sequence: int = 0
    seal: bytes | None = field(default=None, compare=False)


@dataclass(slots=True)
class Part:
    """One month's state inside a checkpoint."""

    period: str
    size: int
    root: bytes


@dataclass(slots=True)
class Checkpoint:
    """A checkpoint: a locked month, or the interim state of a scope as it was issued."""

    id: Key
    checkpoint_id: str
    customer: Key
    locked: bool
    period: str | None
    start: int | None
    end: int | None
    proof_root: bytes
    delta_count: int
    net_change: int
    brought_forward: int
    starting_balance: int
    first_recorded_at: int | None
    last_recorded_at: int | None
    invoice_reference: str | None
    previous_checkpoint_id: str | None
    created_at: int
    parts: list[Part] = field(default_factory=list)
    seal: bytes | None = field(default=None, compare=False)


@dataclass(slots=True)
class ReplacedTree:
    """The first leaf of a month's tree before a restore; if the month was locked, also its last leaf and root.

    The deltas between are those of the current tree.
    """

    customer: Key
    period: str
    origin: str
    opening: bytes
    closing: bytes | None
    root: bytes | None
    seal: bytes = b""


@dataclass(slots=True)
class Profile:
    """The vendor's description of a customer; not part of the record."""

    customer: Key
    display_name: str
    sharing_hint: enumerations.SharingHint | None = None
    event_cadence: enumerations.EventCadence | None = None
    seal: bytes | None = field(default=None, compare=False)


@dataclass(slots=True)
class JobFailure:
    """A customer whose month could not be locked, and why."""

    customer_id: str
    code: str
    message: str


@dataclass(slots=True)
class Job:
    """Locking a month for all customers. All up to the customerId `after` are done; instants are wall clock."""

    id: str
    environment_id: int
    period: str
    status: enumerations.JobStatus
    total: int
    started_at: int
    done: int = 0
    failed: int = 0
    after: str = ""
    delta_count: int = 0
    net_change: int = 0
    finished_at: int | None = None


@dataclass(slots=True)
class Log:
    """A log of one environment. `size` counts fixed entries, `published_size` those under the published checkpoint.

    `restored_from` is canonical JSON of the origin, size and root that the log continues after a restore.
    """

    id: int
    environment_id: int
    environment: enumerations.Environment
    origin: str
    blinding_key: bytes
    size: int
    published_size: int
    note: str | None
    published_at: int | None
    verifier_key: str | None = None
    restored_from: str | None = None
    seal: bytes | None = field(default=None, compare=False)


@dataclass(slots=True)
class LogEntry:
    """One entry of a log; `commitments` are a log batch's members, ascending, in one blob."""

    index: int
    entry: bytes
    leaf_hash: bytes
    commitments: bytes | None = None


@dataclass(frozen=True)
class BackupLog:
    """The sizes of a log in use; `root` covers its published entries."""

    environment_id: int
    environment: enumerations.Environment
    origin: str
    size: int
    published_size: int
    root: bytes


@dataclass(frozen=True)
class Backup:
    """The contents of a backup."""

    customers: int
    deltas: int
    logs: list[BackupLog]
