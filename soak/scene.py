"""One round as a fault sees it."""

from __future__ import annotations

import random
import signal
import time
from dataclasses import dataclass, field
from typing import Any

from .load import Load
from .record import FaultyServer, Record, wait_until

HIT_S = 10.0
BETWEEN = "between steps"


@dataclass
class Scene:
    """The record, the writers, and what was hit."""

    record: Record
    load: Load
    rng: random.Random
    hits: list[str] = field(default_factory=list)

    def pause(self, least_s: float, most_s: float) -> None:
        time.sleep(self.rng.uniform(least_s, most_s))

    def hit(self, step: str, how: str) -> None:
        self.hits.append(f"{step}: {how}")

    def order(self, **order: Any) -> None:
        for server in self.record.alive:
            server.order(**order)

    def arm(self, step: str, how: str, after: int, everywhere: bool) -> list[FaultyServer]:
        """Arms a fault in all servers, or in one; those that it struck. What only one process does strikes where it
        is."""
        servers = self.record.servers if everywhere else [self.rng.choice(self.record.servers)]
        for server in servers:
            server.order(do="arm", step=step, how=how, after=after)
        struck: list[FaultyServer] = []

        def look() -> bool:
            struck.extend(server for server in servers if self._collect(server))
            return bool(struck)

        wait_until(look, HIT_S)
        for server in servers:
            if server not in struck:
                server.order(do="disarm")
                wait_until(lambda s=server: s.obedient, 5)  # else it might strike later
        return struck

    def _collect(self, server: FaultyServer) -> bool:
        new = server.hits()
        for step, how in {(hit["step"], hit["how"]) for hit in new}:
            self.hit(step, how)
        return bool(new)

    def collect(self) -> None:
        """What trouble was met since."""
        for server in self.record.servers:
            self._collect(server)

    def kill(self, server: FaultyServer) -> None:
        """kill -9; what its threads were doing stays on its board."""
        server.signal(signal.SIGKILL)
        for step in server.steps() or [BETWEEN]:
            self.hit(step, "killed")
        server.bury()
