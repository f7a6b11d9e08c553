"""Writes: one transaction that locks its customers, keeps changes in memory, and stores them once, at the commit."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import psycopg

from ...domain.instants import day_of
from ...domain.posting import post
from ..model import sealing
from ..model.commands import Command, LockPeriod
from ..model.protocols import Damaged, Sealed
from ..model.records import Checkpoint, Customer, DayTotal, Delta, Environment, Key, PeriodHead, Profile
from . import statements
from .columns import Many, column
from .rows import (
    CUSTOMER_WIDTH,
    checkpoint_row,
    customer_of,
    customer_row,
    day_of_row,
    delta_of,
    delta_row,
    head_key,
    head_of,
    head_row,
    new_customer_row,
    number_of,
    numbered,
)
from .upkeep_unit import UpkeepUnit
from .writing import Rows

_RANDOM_BYTES = 4096


class Moved(Exception):
    """The unit's reads are out of date; a retry succeeds."""


class PostgresUnit(UpkeepUnit):
    """A write transaction.

    A unit locks the row of each customer it touches until its end, so its reads of that customer stay true, and no two
    units give out the same sequence number. It locks customers in the order of their keys.
    """

    def __init__(self, connection: psycopg.Connection[Any], secret: bytes) -> None:
        super().__init__(connection, secret)
        self._environments_read: dict[int, Environment] = {}
        self._customers: dict[bytes, Customer | None] = {}
        self._numbers: dict[bytes, int] = {}  # the last checkpoint of each locked customer
        self._heads: dict[tuple[Key, str], PeriodHead | None] = {}
        self._days: dict[tuple[Key, int], DayTotal] = {}
        self._unchecked: set[Any] = set()  # keys of rows that were read and not compared with their seals yet
        self._before: dict[Any, Any] = {}  # earlier values, to see which of the above changed
        self._deltas: dict[tuple[Key, int], Delta] = {}  # to be stored, like the next four
        self._checkpoints: list[Checkpoint] = []
        self._by_key: dict[bytes, tuple[Delta | None, Checkpoint | None, bytes]] = {}
        self._profiles: list[Profile] = []
        self._by_reference: dict[bytes, Delta] = {}
        self._new_references: set[bytes] = set()
        self._new_keys: set[bytes] = set()
        self._now: dict[tuple[int, int | None], int] = {}
        self._random, self._random_left = b"", 0

    def now(self, environment: Environment) -> int:
        """The ledger clock, read once: what is committed together was accepted at one instant."""
        key = environment.id, environment.clock_at
        if key not in self._now:
            self._now[key] = super().now(environment)
        return self._now[key]

    def random_bytes(self, count: int) -> bytes:
        """Random bytes, fetched from the system in larger pieces."""
        if self._random_left < count:
            self._random, self._random_left = os.urandom(_RANDOM_BYTES), _RANDOM_BYTES
        self._random_left -= count
        return self._random[self._random_left : self._random_left + count]

    def environment(self, environment_id: int) -> Environment:
        if environment_id not in self._environments_read:
            self._environments_read[environment_id] = super().environment(environment_id)
        return self._environments_read[environment_id]

    def customer(self, environment_id: int, shard_key: bytes) -> Customer | None:
        if shard_key not in self._customers:
            self._lock([shard_key])
        customer = self._customers[shard_key]
        self._check_once(shard_key, customer)
        return customer if customer and customer.environment_id == environment_id else None

    def _lock(self, shard_keys: Iterable[bytes]) -> None:
        """Locks customers in the order of their keys, so that units can't deadlock."""
        keys = sorted(set(shard_keys) - self._customers.keys())
        rows = self._all(statements.LOCK, (column("bytea", keys),))
        self._customers.update(dict.fromkeys(keys))
        for row in rows:
            customer = self._customers[row[0]] = customer_of(row[:CUSTOMER_WIDTH])
            self._unchecked.add(row[0])
            self._numbers[row[0]] = row[CUSTOMER_WIDTH]
            self._before[row[0]] = _customer_state(customer)
        for environment_id in self._environments_read:
            self._check_environment(environment_id)

    def add_customer(self, customer: Customer) -> Customer:
        """Shares a lock on the environment's row, since a new customer has no row for a sandbox reset to wait for."""
        self.environment(customer.environment_id)
        self._one("SELECT 1 FROM environment WHERE id = %s FOR SHARE", (customer.environment_id,))
        self._check_environment(customer.environment_id)
        customer.id = customer.shard_key
        self._customers[customer.shard_key] = customer
        self._numbers[customer.shard_key] = 0
        return customer

    def _check_environment(self, environment_id: int) -> None:
        """Raises Moved if the environment was emptied since it was read. This unit's locks now prevent that."""
        found = super().environment(environment_id)
        if found.origin != self._environments_read[environment_id].origin:
            raise Moved("the sandbox was emptied meanwhile")

    def head(self, customer: Customer, period: str) -> PeriodHead | None:
        key = customer.id, period
        if key not in self._heads:
            self._know(key, super().head(customer, period))
        self._check_once(key, self._heads[key])
        return self._heads[key]

    def _check_once(self, key: Any, row: Sealed | None) -> None:
        """A row read for many commands is checked when one of them needs it, so that only this one is refused."""
        if key in self._unchecked and row is not None:
            self._sound(row)
            self._unchecked.remove(key)

    def _know(self, key: tuple[Key, str], head: PeriodHead | None) -> None:
        if self._heads.get(key) is None:
            self._heads[key] = head
            self._before[key] = head.size if head else -1

    def heads(self, customer: Customer, first: str, last: str) -> list[PeriodHead]:
        return self._current(customer, super().heads(customer, first, last), first, last)

    def open_heads(self, customer: Customer) -> list[PeriodHead]:
        after = customer.locked_through or ""
        return [
            head for head in self._current(customer, super().open_heads(customer), after, "~") if head.period > after
        ]

    def _current(self, customer: Customer, found: list[PeriodHead], first: str, last: str) -> list[PeriodHead]:
        """The heads with this transaction's changes, and new ones."""
        for head in found:
            self._know((customer.id, head.period), head)
        known = [head for (shard, _), head in self._heads.items() if head is not None and shard == customer.id]
        return sorted((head for head in known if first <= head.period <= last), key=lambda head: head.period)

    def add_head(self, head: PeriodHead) -> PeriodHead:
        assert isinstance(head.customer, bytes)
        head.id = head_key(head.customer, head.period)
        self._heads[head.customer, head.period] = head
        self._before[head.customer, head.period] = 0
        return head

    def day(self, customer: Customer, day: int) -> DayTotal:
        key = customer.id, day
        if key not in self._days:
            found = super().days(customer, day, day + 1)
            self._know_day(key, found[0] if found else DayTotal(customer.id, day))
        self._check_once(key, self._days[key])
        return self._days[key]

    def _know_day(self, key: tuple[Key, int], total: DayTotal) -> None:
        if key not in self._days:
            self._days[key] = total
            self._before[key] = total.count

    def expect(self, commands: Sequence[Command]) -> None:
        """Locks all customers, then reads in one round trip what the commands replay or add to."""
        self._lock(command.shard_key for command in commands)
        # After the locks, for which emptying the sandbox waits: so this environment is that of these customers.
        for environment_id in {command.environment_id for command in commands}:
            self.environment(environment_id)
        references = [
            (command.shard_key, command.reference_mac)
            for command in commands
            if not isinstance(command, LockPeriod) and command.reference_mac is not None
        ]
        keys = [(command.shard_key, command.key_hash) for command in commands if command.key_hash is not None]
        months, days = self._places(commands)
        found = self._found(
            (statements.BY_REFERENCE, references),
            (statements.BY_KEY, keys),
            (statements.HEADS, sorted(months)),
            (statements.DAYS, sorted(days)),
        )
        self._by_reference = {delta.reference_mac: delta for delta in map(delta_of, found[0]) if delta.reference_mac}
        self._new_references = {mac for _, mac in references} - self._by_reference.keys()
        self._new_keys = {key for _, key in keys} - {row[1] for row in found[1]}
        heads = {(head.customer, head.period): head for head in map(head_of, found[2])}
        for month in months:
            self._know(month, heads.get(month))
        self._unchecked |= heads.keys()
        totals = {(total.customer, total.day): total for total in map(day_of_row, found[3])}
        for day in days:
            self._know_day(day, totals.get(day) or DayTotal(*day))
        self._unchecked |= totals.keys()

    def _places(self, commands: Sequence[Command]) -> tuple[set[tuple[Key, str]], set[tuple[Key, int]]]:
        """The months and days to which the commands will most likely add."""
        months: set[tuple[Key, str]] = set()
        days: set[tuple[Key, int]] = set()
        for command in commands:
            customer = self._customers[command.shard_key]
            if customer is None:
                continue
            if isinstance(command, LockPeriod):
                months.add((command.shard_key, command.period))
                continue
            now = max(self.now(self._environments_read[command.environment_id]), customer.last_recorded_at)
            posted = post(now if command.occurred_at is None else command.occurred_at, customer.locked_through)
            months.add((command.shard_key, posted.period))
            days.add((command.shard_key, day_of(posted.posted_at)))
        return months, days

    def delta_by_reference(self, customer: Customer, mac: bytes) -> Delta | None:
        known = self._by_reference.get(mac)
        if known is not None or mac in self._new_references:
            return known and self._sound_delta(known, customer.customer_id)
        return super().delta_by_reference(customer, mac)

    def delta_at(self, customer: Customer, sequence: int) -> Delta | None:
        return self._deltas.get((customer.id, sequence)) or super().delta_at(customer, sequence)

    def add_delta(self, delta: Delta) -> None:
        assert isinstance(delta.customer, bytes)
        delta.id = numbered(delta.customer, delta.sequence)
        if delta.reference_mac is not None:
            self._by_reference[delta.reference_mac] = delta
        self._deltas[delta.customer, delta.sequence] = delta

    def idempotency(self, shard_key: bytes, key_hash: bytes) -> tuple[Delta | None, Checkpoint | None, bytes] | None:
        known = self._by_key.get(key_hash)
        if known is not None or key_hash in self._new_keys:
            return known
        return super().idempotency(shard_key, key_hash)

    def add_idempotency(
        self, key_hash: bytes, delta: Delta | None, checkpoint: Checkpoint | None, body_mac: bytes
    ) -> None:
        self._by_key[key_hash] = delta, checkpoint, body_mac

    def add_profile(self, profile: Profile) -> None:
        self._profiles.append(profile)

    def add_checkpoint(self, checkpoint: Checkpoint) -> Checkpoint:
        assert isinstance(checkpoint.customer, bytes)
        self._numbers[checkpoint.customer] += 1
        checkpoint.id = numbered(checkpoint.customer, self._numbers[checkpoint.customer])
        self._checkpoints.append(checkpoint)
        return checkpoint

    def lock_at_or_after(self, customer: Customer, period: str) -> Checkpoint:
        """Months lock in order, so this unit's own locks come after all stored ones."""
        try:
            return super().lock_at_or_after(customer, period)
        except Damaged:
            locks = [
                c for c in self._checkpoints if c.customer == customer.id and c.locked and (c.period or "") >= period
            ]
            if not locks:
                raise
            return min(locks, key=lambda checkpoint: checkpoint.period or "")

    def flush(self) -> None:
        """Stores all changes in memory. Called once, just before the commit."""
        new, old = self._changed_customers()
        # First, in key order: another unit that adds the same customers waits here, before it locks other rows.
        self._store(
            (statements.NEW_CUSTOMERS, [new_customer_row(self.secret, customer, self._numbers) for customer in new])
        )
        self._copy(statements.COPY_DELTA, statements.DELTA_TYPES, map(delta_row, self._deltas.values()))
        profiles = [
            (
                p.customer,
                p.display_name,
                p.display_name.casefold(),
                p.sharing_hint,
                p.event_cadence,
                sealing.profile_seal(self.secret, p),
            )
            for p in self._profiles
        ]
        self._store(
            *self._head_rows(),
            *self._checkpoint_rows(),
            *self._day_rows(),
            (statements.SET_CUSTOMERS, [customer_row(self.secret, customer, self._numbers) for customer in old]),
            (statements.NEW_KEYS, [self._key_row(key, *known) for key, known in sorted(self._by_key.items())]),
            (statements.NEW_PROFILES, profiles),
        )
        self._remember_how_to_tell(new)

    def _changed_customers(self) -> tuple[list[Customer], list[Customer]]:
        """New customers, in the order of their keys, and changed ones."""
        known = sorted((c for c in self._customers.values() if c is not None), key=lambda customer: customer.shard_key)
        new = [customer for customer in known if customer.shard_key not in self._before]
        with_checkpoint = {checkpoint.customer for checkpoint in self._checkpoints}
        old = [
            customer
            for customer in known
            if customer.shard_key in self._before
            and (_customer_state(customer) != self._before[customer.shard_key] or customer.id in with_checkpoint)
        ]
        return new, old

    def _head_rows(self) -> Iterator[tuple[Many, Rows]]:
        """Months that have grown: their opening and closing leaves, their heads, and the integrator's list."""
        changed = [head for key, head in self._heads.items() if head is not None and head.size != self._before[key]]
        new = [head for head in changed if self._before[head.customer, head.period] == 0]
        known = [head for head in changed if self._before[head.customer, head.period]]
        yield statements.NEW_LEAVES, [(head.customer, head.period, False, head.opening) for head in new]
        yield statements.NEW_LEAVES, [(h.customer, h.period, True, h.closing) for h in changed if h.closing is not None]
        yield statements.NEW_HEADS, [head_row(self.secret, head) for head in new]
        yield statements.SET_HEADS, [head_row(self.secret, head) for head in known]
        environment = self._environment_of
        yield statements.NEW_CHANGES, [(h.customer, h.period, h.size, environment(h.customer)) for h in changed]

    def _checkpoint_rows(self) -> Iterator[tuple[Many, Rows]]:
        made = self._checkpoints
        rows = [
            checkpoint_row(self.secret, checkpoint, self._environment_of(checkpoint.customer)) for checkpoint in made
        ]
        yield statements.NEW_CHECKPOINTS, rows
        yield statements.NEW_ROOTS, sorted((c.proof_root, c.customer, number_of(c.id)) for c in made)

    def _day_rows(self) -> Iterator[tuple[Many, Rows]]:
        rows: dict[bool, list[tuple[Any, ...]]] = {True: [], False: []}
        for key, d in self._days.items():
            if d.count != self._before[key]:
                row = (
                    d.customer,
                    d.day,
                    d.total,
                    d.count,
                    d.first_sequence,
                    d.last_sequence,
                    sealing.day_seal(self.secret, d),
                )
                rows[self._before[key] == 0].append(row)
        yield statements.NEW_DAYS, rows[True]
        yield statements.SET_DAYS, rows[False]

    def _environment_of(self, customer: Key) -> int:
        assert isinstance(customer, bytes)
        found = self._customers[customer]
        assert found is not None
        return found.environment_id

    def _key_row(self, key: bytes, delta: Delta | None, checkpoint: Checkpoint | None, mac: bytes) -> tuple[Any, ...]:
        names = delta.id if delta else None, checkpoint.id if checkpoint else None
        owner = delta or checkpoint
        assert owner is not None
        seal = sealing.idempotency_seal(self.secret, key, *names, mac)
        number = number_of(checkpoint.id) if checkpoint else None
        return owner.customer, key, delta.sequence if delta else None, number, mac, seal

    def _remember_how_to_tell(self, new: list[Customer]) -> None:
        """Prepares the check by which another unit finds out whether this one was committed."""
        if self._deltas:
            last = next(reversed(self._deltas.values()))
            self.was_written = lambda unit: unit.holds_delta(last)
        elif self._checkpoints:
            checkpoint = self._checkpoints[-1]
            self.was_written = lambda unit: unit.holds_checkpoint(checkpoint)
        elif new:
            customer = new[-1]
            self.was_written = lambda unit: unit.customer_by_shard(customer.shard_key) == customer

    def holds_delta(self, delta: Delta) -> bool:
        """Whether exactly this delta is stored; asked under its customer's lock, which its unit holds to its end."""
        assert isinstance(delta.customer, bytes)
        self._lock([delta.customer])
        rows = self._all(
            "SELECT leaf_hash FROM delta WHERE shard_key = %s AND sequence = %s", (delta.customer, delta.sequence)
        )
        return rows == [(delta.leaf_hash,)]

    def holds_checkpoint(self, checkpoint: Checkpoint) -> bool:
        assert isinstance(checkpoint.customer, bytes)
        self._lock([checkpoint.customer])
        return self.checkpoint(checkpoint.checkpoint_id) is not None


def _customer_state(customer: Customer) -> tuple[Any, ...]:
    return customer.last_sequence, customer.last_recorded_at, customer.locked_through
