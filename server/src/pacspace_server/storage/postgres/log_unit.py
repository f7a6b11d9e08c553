"""Writes of the log, and of leases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..model import sealing
from ..model.records import Integration, Key, Log, LogEntry
from ..sql.logs import LogWrites
from ..sql.rows import LOG
from . import statements
from .columns import column
from .rows import integrated_row
from .writing import PostgresWriter


class LogUnit(LogWrites, PostgresWriter):
    """The integrator's writes."""

    def log_by_origin(self, origin: str) -> Log | None:
        """Locks the row: one unit at a time appends to a log."""
        row = self._one(f"SELECT {LOG} WHERE l.origin = %s FOR UPDATE OF l", (origin,))
        return self._log_of(row) if row else None

    def add_log_entries(self, log: Log, entries: Sequence[LogEntry]) -> None:
        rows = [(log.id, e.index, e.entry, e.leaf_hash, e.commitments) for e in entries]
        self._copy(statements.COPY_ENTRY, statements.ENTRY_TYPES, rows)
        log.size += len(entries)
        self._change_log(log.id, size=log.size)
        if entries:
            last = entries[-1]
            self.was_written = lambda unit: unit.holds_entry(log, last)

    def holds_entry(self, log: Log, entry: LogEntry) -> bool:
        return self.log_by_origin(log.origin) is not None and self.log_entries(
            log.id, entry.index, entry.index + 1
        ) == [entry]

    def add_closed_slots(self, log_id: int, entries: Mapping[bytes, int]) -> None:
        self._store((statements.NEW_SLOTS, [(log_id, slot, index) for slot, index in entries.items()]))

    def set_integrated(self, heads: Sequence[Integration]) -> None:
        for head in heads:
            head.seal = sealing.integration_seal(self.secret, head)
        ordered = sorted(heads, key=lambda head: head.id)
        self._store((statements.SET_INTEGRATED, [integrated_row(head) for head in ordered]))
        self.connection.execute(statements.TAKEN_UP, (column("bytea", [head.customer for head in ordered]),))

    def set_damaged(self, customer: Key, period: str) -> None:
        self.connection.execute(
            "INSERT INTO integrated_head (shard_key, period, frozen) VALUES (%s, %s, true) "
            "ON CONFLICT (shard_key, period) DO UPDATE SET frozen = excluded.frozen",
            (customer, period),
        )

    def clear_damaged(self) -> None:
        self.connection.execute("UPDATE integrated_head SET frozen = false WHERE frozen")

    def touch(self) -> None:
        self.connection.execute("INSERT INTO lease VALUES ('readiness', '', 0, 0) ON CONFLICT (name) DO NOTHING")
        self.connection.execute("UPDATE lease SET beat = beat + 1 WHERE name = 'readiness'")

    def lease(self, name: str) -> tuple[str, int, int]:
        """Holder, fencing number and beat of a lease; none, 0, 0 for one that was never held."""
        return self._one("SELECT holder, fencing, beat FROM lease WHERE name = %s", (name,)) or ("", 0, 0)

    def lease_for_share(self, name: str) -> tuple[str, int] | None:
        """Holder and fencing number, which can't change before this unit ends."""
        found: tuple[str, int] | None = self._one(
            "SELECT holder, fencing FROM lease WHERE name = %s FOR SHARE", (name,)
        )
        return found

    def move_lease(self, name: str, seen: tuple[int, int], holder: str, fencing: int, beat: int) -> bool:
        """Compare and set: returns whether the lease still had the values in `seen`."""
        self.connection.execute("INSERT INTO lease VALUES (%s, '', 0, 0) ON CONFLICT (name) DO NOTHING", (name,))
        moved = self.connection.execute(
            "UPDATE lease SET holder = %s, fencing = %s, beat = %s WHERE name = %s AND fencing = %s AND beat = %s",
            (holder, fencing, beat, name, *seen),
        )
        self.was_written = lambda unit: unit.lease(name) == (holder, fencing, beat)
        return moved.rowcount == 1
