"""Leases: one process at a time does a task, whatever its clock says."""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable
from typing import Protocol, TypeVar

from ..model.protocols import InDoubt, LeaseLost, Unavailable, Unit
from .unit import PostgresUnit

T = TypeVar("T")
BEAT_S, EXPIRY_S = 0.5, 3.0


class Writes(Protocol):
    """A storage's own write: begin, work, flush and commit in one call."""

    def __call__(self, work: Callable[[Unit], T], /) -> T: ...


class PostgresLease:
    """A row that its holder changes every half second. Another process takes over when it has not changed for 3
    seconds.

    The watcher counts these seconds on its monotonic clock: it compares no clocks and stores no instants, so a stepped
    clock grants nobody a lease. A holder that was paused finds another fencing number in its own transaction (`guard`),
    and the signer, outside the database, refuses the older number.
    """

    def __init__(self, write: Writes, name: str) -> None:
        self._write, self._name = write, name
        # Host and process id are for people; the random part makes it unique.
        self._holder = f"{socket.gethostname()} {os.getpid()} {secrets.token_hex(8)}"
        self._lock = threading.Lock()
        self._fencing: int | None = None
        self._seen, self._at_s = (0, 0), 0.0  # fencing number and beat last seen, and since when

    def hold(self) -> int | None:
        with self._lock:
            if self._fencing is not None and time.monotonic() - self._at_s < BEAT_S:
                return self._fencing
            holder, *seen = self._write(lambda unit: self._unit(unit).lease(self._name))
            fencing, beat = seen
            if holder == self._holder and fencing == self._fencing:
                self._move(fencing, beat, fencing)
            elif holder and (fencing, beat) != self._seen:
                self._fencing, self._seen, self._at_s = None, (fencing, beat), time.monotonic()
            elif not holder or time.monotonic() - self._at_s >= EXPIRY_S:
                self._move(fencing, beat, fencing + 1)
            return self._fencing

    def _move(self, fencing: int, beat: int, next_fencing: int) -> None:
        """Compare and set: takes the lease unless another process was faster."""
        started = time.monotonic()
        name, holder = self._name, self._holder
        moved = self._write(
            lambda unit: self._unit(unit).move_lease(name, (fencing, beat), holder, next_fencing, beat + 1)
        )
        self._fencing = next_fencing if moved else None
        self._seen, self._at_s = (next_fencing, beat + 1), started

    def guard(self, work: Callable[[Unit], T], fencing: int | None) -> Callable[[Unit], T]:
        def guarded(unit: Unit) -> T:
            if self._unit(unit).lease_for_share(self._name) != (self._holder, fencing):
                raise LeaseLost(f"another process now holds the lease {self._name}")
            return work(unit)

        return guarded

    def release(self) -> None:
        with self._lock:
            if self._fencing is not None:
                fencing, beat = self._seen
                # Without the database, the lease expires.
                with contextlib.suppress(Unavailable, InDoubt):
                    self._write(
                        lambda unit: self._unit(unit).move_lease(self._name, (fencing, beat), "", fencing, beat + 1)
                    )
                self._fencing = None

    def _unit(self, unit: Unit) -> PostgresUnit:
        assert isinstance(unit, PostgresUnit)
        return unit
