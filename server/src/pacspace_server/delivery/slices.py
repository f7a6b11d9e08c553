"""Which endpoints this process sends to: slices of all endpoints, each under a lease, divided among the processes."""

from __future__ import annotations

import math
import os
import secrets
import socket
import time
from collections.abc import Callable
from hashlib import sha256
from typing import TypeVar

from ..storage.model.protocols import Lease, Storage, Unit

T = TypeVar("T")
SLICES = 4
BEAT_S, GONE_S = 1.0, 5.0


class Slices:
    """The slices of this process. Used by one thread at a time, which waits for the database."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._count = SLICES if storage.remote else 1  # a file has one server
        self._leases: dict[int, Lease] = {n: storage.lease(f"deliveries/{n}") for n in range(self._count)}
        self.held: dict[int, int] = {}  # fencing number by slice
        self._name = f"{socket.gethostname()} {os.getpid()} {secrets.token_hex(8)}"
        self._beat, self._beaten_s = 0, -math.inf
        self._seen: dict[str, tuple[int, float]] = {}  # the other senders: their beat, and since when it is unchanged
        self._share = self._count

    def slice_of(self, endpoint_id: str) -> int:
        return sha256(endpoint_id.encode()).digest()[0] % self._count

    def holds(self, endpoint_id: str) -> bool:
        return self.slice_of(endpoint_id) in self.held

    def look(self) -> None:
        """Renews held leases, takes free slices up to a fair share, and frees those beyond it."""
        if self._storage.remote:
            self._count_senders()
        for number in list(self.held)[self._share :]:
            del self.held[number]
            self._leases[number].release()
        for number, lease in self._leases.items():
            if number in self.held or len(self.held) < self._share:
                fencing = lease.hold()
                if fencing is None:
                    self.held.pop(number, None)
                else:
                    self.held[number] = fencing

    def _count_senders(self) -> None:
        """Counts this process's beat up; a process whose beat does not change, by this process's clock, has ended."""
        now_s = time.monotonic()
        if now_s - self._beaten_s < BEAT_S:
            return
        self._beat, self._beaten_s = self._beat + 1, now_s

        def beat(unit: Unit) -> dict[str, int]:
            unit.set_sender(self._name, self._beat)
            return unit.senders()

        others = {name: beat for name, beat in self._storage.write(beat).items() if name != self._name}
        self._seen = {
            name: self._seen[name] if name in self._seen and self._seen[name][0] == beat else (beat, now_s)
            for name, beat in others.items()
        }
        gone = [name for name, (_, since_s) in self._seen.items() if now_s - since_s > GONE_S]
        if gone:
            self._storage.write(lambda unit: unit.forget_senders(gone))
        self._share = math.ceil(self._count / (1 + len(others) - len(gone)))

    def guard(self, number: int, work: Callable[[Unit], T]) -> Callable[[Unit], T]:
        """The work, but refused with LeaseLost if another process has the slice by then."""
        return self._leases[number].guard(work, self.held.get(number))

    def release(self) -> None:
        """Frees all slices immediately."""
        for number in list(self.held):
            self._leases[number].release()
        if self._storage.remote and self._beat:
            self._storage.write(lambda unit: unit.forget_senders([self._name]))
            self._beat, self._beaten_s = 0, -math.inf
        self.held.clear()
