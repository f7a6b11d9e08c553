"""Rounds: writers, one fault, recovery, checks."""

from __future__ import annotations

import random
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from testkit.cluster import VERSION, Cluster
from testkit.server import BROKEN

from .checks import check_record
from .faults import WAL_SEGMENT, Fault
from .ledger import Violation
from .load import Load
from .record import Record, wait_until
from .scene import Scene

ROUNDS_PER_RECORD = 15
FRESH = 4
READY_S = 30
Say = Callable[[str], None]


def silent(line: str) -> None:
    """For runs without progress."""


@dataclass
class Result:
    """What a run did and found."""

    engine: str
    seed: int
    rounds: int = 0
    seconds: float = 0.0
    acknowledged: int = 0
    answers: int = 0
    looked_at: int = 0
    locks: int = 0
    checkpoints: int = 0
    hits: dict[str, Counter[str]] = field(default_factory=dict)
    missed: Counter[str] = field(default_factory=Counter)
    violation: str | None = None
    found_by: str | None = None
    kept: str | None = None  # the folder, with databases and server logs

    def never_hit(self, faults: list[Fault]) -> list[str]:
        """Faults that never landed."""
        return [fault.name for fault in faults if not self.hits.get(fault.name)]


class Campaign:
    """A seeded run on one engine. `cluster` is PostgreSQL's, None for SQLite."""

    def __init__(
        self,
        seed: int,
        folder: Path,
        cluster: Cluster | None,
        faults: list[Fault],
        bug: str | None = None,
        say: Say = silent,
    ) -> None:
        self.seed, self.folder, self.cluster, self.faults, self.bug, self.say = seed, folder, cluster, faults, bug, say
        self.result = Result("postgres" if cluster else "sqlite", seed)
        self._record: Record | None = None

    def fault(self, number: int) -> Fault:
        """All faults in an order that the seed draws, then all again in another one."""
        deck, place = divmod(number, len(self.faults))
        order = list(self.faults)
        random.Random(f"{self.seed}:deck:{deck}").shuffle(order)
        return order[place]

    def run(self, rounds: int) -> Result:
        """Plays the rounds; ends at the first broken promise."""
        started = time.monotonic()
        try:
            for number in range(rounds):
                self._round(number)
                self.result.rounds += 1
            self._end_record()
        except Violation as violation:
            self.result.violation, self.result.found_by = str(violation), violation.check
        except AssertionError as error:  # a reply that is not as documented
            self.result.violation, self.result.found_by = f"reply: {error}", "reply"
        finally:
            self.result.seconds = round(time.monotonic() - started, 1)
            if self._record is not None:
                self._record.close()
        return self.result

    def _round(self, number: int) -> None:
        started = time.monotonic()
        fault, rng = self.fault(number), random.Random(f"{self.seed}:{number}")
        record = self._record_of(number)
        customers = [*record.customers, *(f"r{number}_{n}" for n in range(FRESH))]
        load = Load(record.servers, record.ledger, customers, f"{self.seed}:{number}")
        scene = Scene(record, load, rng)
        try:
            fault.strike(scene)
        finally:
            load.stop()
        recover(record)
        scene.collect()
        looked_at = check_record(record, customers, rng)
        record.rounds += 1
        self._count(fault, scene, looked_at)
        outcome = ", ".join(scene.hits) or "missed"
        self.say(
            f"{number + 1:4d}  {fault.name:22s} {looked_at:6d} deltas  {time.monotonic() - started:5.1f} s  {outcome}"
        )

    def _count(self, fault: Fault, scene: Scene, looked_at: int) -> None:
        self.result.looked_at += looked_at
        self.result.hits.setdefault(fault.name, Counter()).update(scene.hits)
        if not scene.hits:
            self.result.missed[fault.name] += 1

    def _record_of(self, number: int) -> Record:
        if self._record is not None and self._record.rounds >= ROUNDS_PER_RECORD:
            self._end_record()
        if self._record is None:
            self._record = Record(self.folder / f"record{number}", f"{self.seed}:{number}", self.cluster, self.bug)
        return self._record

    def _end_record(self) -> None:
        """Once more everything, also of customers of earlier rounds."""
        record, self._record = self._record, None
        if record is None:
            return
        try:
            everybody = sorted({told.customer for told in record.ledger.acknowledged.values()})
            check_record(record, everybody, random.Random(self.seed))
        finally:
            record.close()
            self.result.acknowledged += len(record.ledger.acknowledged)
            self.result.answers += record.ledger.answers
            self.result.locks += len(record.ledger.locks)
            self.result.checkpoints += record.observer.count


def recover(record: Record) -> None:
    """Starts what is down; returns when every server says that it can record."""

    def ready() -> bool:
        record.start()
        try:
            return all([client.get("/readyz").status == 200 for client in record.clients])
        except BROKEN:
            return False  # one died only now

    if not wait_until(ready, READY_S, 0.05):
        raise Violation("start", "not ready half a minute after the fault")


def play(engine: str, seed: int, rounds: int, faults: list[Fault], say: Say = silent, bug: str | None = None) -> Result:
    """A run in a temporary folder, which stays where it is when something was found that nobody planted."""
    cluster = Cluster(VERSION, f"--wal-segsize={WAL_SEGMENT >> 20}") if engine == "postgres" else None
    folder = Path(tempfile.mkdtemp(prefix="pacspace-soak-"))
    try:
        result = Campaign(seed, folder, cluster, faults, bug, say).run(rounds)
    finally:
        if cluster is not None:
            cluster.close()
    if result.violation and bug is None:
        result.kept = str(folder)
    else:
        shutil.rmtree(folder)
    return result
