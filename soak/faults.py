"""The faults: what is done to a record while it is written to."""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .ledger import Violation
from .older_copy import serve_a_copy_beside, serve_an_older_copy
from .record import POSTGRES, SQLITE, wait_until
from .scene import BETWEEN, Scene

DAY_S = 86_400
TAKEN_OVER_S = 45
WAL_SEGMENT = 1 << 20  # of the campaign's own cluster: no file that must grow is larger
COMMITS = ("emit", "lock", "fix", "publish")
ALONE = (
    "prepare",
    "signing",
    "fix",
    "sign",
    "sign: sync",
    "sign: rename",
    "publish",
    "lease",
)  # what one process at a time does
BOTH = (SQLITE, POSTGRES)


@dataclass(frozen=True)
class Fault:
    """A kind of blow. A full run must land each at least once."""

    name: str
    strike: Callable[[Scene], None]
    engines: tuple[str, ...] = BOTH


def at_step(how: str, step: str) -> Callable[[Scene], None]:
    """The process itself fails in one of the next such steps."""

    def strike(scene: Scene) -> None:
        most = {"emit": 25, "wal sync": 25, "sign: sync": 6}.get(step, 3)
        scene.arm(step, how, scene.rng.randint(1, most), step in ALONE)
        scene.pause(0.1, 0.4)

    return strike


def power(moment: str, step: str) -> Callable[[Scene], None]:
    """The machine loses power: unsynced writes are lost, and everything on the machine ends at once."""

    def strike(scene: Scene) -> None:
        most = {"emit": 25, "wal sync": 25}.get(step, 3)
        if scene.arm(step, f"power {moment}", scene.rng.randint(1, most), step in ALONE) and scene.record.cluster:
            scene.record.cluster.kill()
            for server in scene.record.alive:
                server.kill()
            scene.record.cluster.start()

    return strike


def broken_disk(step: str) -> Callable[[Scene], None]:
    """A sync fails after its bytes were written, nothing can be written any more, and somebody starts the server
    anew."""

    def strike(scene: Scene) -> None:
        struck = scene.arm(step, "fail for good", scene.rng.randint(1, 25), False)
        scene.load.stop()  # everybody is told what came of it
        for server in struck:
            server.kill()

    return strike


def kill(scene: Scene) -> None:
    scene.pause(0.1, 1.0)
    scene.kill(scene.rng.choice(scene.record.servers))
    scene.pause(0.05, 0.3)


def stop(step: str, moment: str) -> Callable[[Scene], None]:
    """A process is stopped, others go on without it, and then it wakes up in the middle of its step."""

    def strike(scene: Scene) -> None:
        struck = scene.arm(step, f"stop {moment}", scene.rng.randint(1, 3), step in ALONE)
        for server in struck:
            server.stopped = True
            scene.load.leave(server)
        size = scene.record.observer.size
        others_go_on = wait_until(lambda: scene.record.observer.size > size, TAKEN_OVER_S)
        for server in struck:
            server.signal(signal.SIGCONT)
            server.stopped = False
        if struck and not others_go_on:
            raise Violation("unverified", f"with one process stopped in {step}, the other one verified nothing")
        scene.pause(0.5, 0.8)

    return strike


def trouble(kind: str, seconds: float) -> Callable[[Scene], None]:
    def strike(scene: Scene) -> None:
        scene.pause(0.1, 0.3)
        scene.order(do="trouble", kind=kind, seconds=seconds)
        time.sleep(seconds)
        scene.pause(0.1, 0.3)
        scene.collect()

    return strike


def slow_disk(scene: Scene) -> None:
    """A disk, or a network, that takes its time; then a kill, because slowness alone loses nothing."""
    scene.order(do="trouble", kind="slow", seconds=1.5)
    if scene.record.wire is not None:
        scene.record.wire.delay_s = 0.02
    scene.pause(0.4, 0.9)
    scene.collect()
    if scene.record.wire is not None:
        scene.record.wire.delay_s = 0.0
        scene.hit("wire", "slow")
    scene.kill(scene.rng.choice(scene.record.servers))


def clock(scene: Scene) -> None:
    """The wall clock is stepped back and forth, on each server its own way."""
    for _ in range(4):
        scene.pause(0.1, 0.2)
        for server in scene.record.servers:
            server.order(do="clock", offset=scene.rng.randint(-40 * DAY_S, 35 * DAY_S))
    scene.pause(0.1, 0.2)
    scene.order(do="clock", offset=0)
    scene.hit("clock", "stepped")
    scene.pause(0.1, 0.2)


def kill_postgres(scene: Scene) -> None:
    assert scene.record.cluster is not None
    scene.pause(0.1, 0.8)
    scene.record.cluster.kill()
    for step in {step for server in scene.record.servers for step in server.steps()} or {BETWEEN}:
        scene.hit(step, "PostgreSQL killed")
    scene.pause(0.0, 0.5)
    scene.record.cluster.start()
    scene.pause(0.1, 0.3)


def away(scene: Scene) -> None:
    """The database can't be reached for a while, and all connections are lost."""
    assert scene.record.wire is not None
    scene.pause(0.1, 0.5)
    for step in {step for server in scene.record.servers for step in server.steps()} or {BETWEEN}:
        scene.hit(step, "database away")
    scene.record.wire.go_away(1.2)
    time.sleep(1.2)
    scene.pause(0.1, 0.3)


def postgres_disk_full(scene: Scene) -> None:
    """No file of PostgreSQL's may grow beyond a size: to its backends that is a disk without room for tables."""
    cluster = scene.record.cluster
    assert cluster is not None
    log = Path(cluster.folder) / "log"
    before = log.stat().st_size
    scene.load.heavy = True
    cluster.limit_files(WAL_SEGMENT)
    full = wait_until(lambda: re.search(b"could not (extend|write)", log.read_bytes()[before:]), 8, 0.05)
    time.sleep(0.4)
    scene.load.heavy = False
    cluster.limit_files(None)
    if full:
        scene.hit("extending a table", "disk full")
    scene.pause(0.1, 0.3)


DEADLY, CUTS = ("die before", "die after", "fail"), ("cut before", "cut after")
FILE, SERVER = (SQLITE,), (POSTGRES,)
# How a step goes wrong, which steps, on which engines.
AT_STEPS: list[tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]] = [
    (DEADLY, (*COMMITS, "sign"), BOTH),
    (("fail after",), ("sign",), BOTH),
    (("die before",), ("sign: sync",), BOTH),
    (("die after",), ("sign: rename",), BOTH),
    (DEADLY, ("wal sync",), FILE),
    (("die before", "fail"), ("file sync",), FILE),
    (DEADLY, ("lease",), SERVER),
    (CUTS, (*COMMITS, "lease"), SERVER),
    (("doubt",), ("emit",), SERVER),
]
POWER: list[tuple[str, tuple[str, ...], tuple[str, ...]]] = [
    ("before", ("wal sync", "file sync"), FILE),
    ("after", ("emit", "lock"), FILE),
    ("after", ("sign", "sign: rename", "publish"), BOTH),
]
OTHERS = [
    Fault("kill", kill),
    Fault("kill again", kill),
    Fault("slow disk", slow_disk),
    Fault("clock", clock),
    Fault("read-only", trouble("read-only", 0.5)),
    Fault("older copy", serve_an_older_copy),
    Fault("copy beside", serve_a_copy_beside),
    Fault("broken disk", broken_disk("wal sync"), FILE),
    Fault("broken disk in emit", broken_disk("emit: wal sync"), FILE),
    Fault("disk full", trouble("full", 0.5), FILE),
    Fault("disk full", postgres_disk_full, SERVER),
    Fault("kill PostgreSQL", kill_postgres, SERVER),
    Fault("away", away, SERVER),
    *(Fault(f"stop {step}", stop(step, "after"), SERVER) for step in ("prepare", "signing")),
    *(Fault(f"stop in {step}", stop(step, "before"), SERVER) for step in ("emit", "fix")),
]
FAULTS = [
    *(
        Fault(f"{how} {step}", at_step(how, step), engines)
        for hows, steps, engines in AT_STEPS
        for step in steps
        for how in hows
    ),
    *(
        Fault(f"power {moment} {step}", power(moment, step), engines)
        for moment, steps, engines in POWER
        for step in steps
    ),
    *OTHERS,
]


def faults_of(engine: str, name: str | None = None) -> list[Fault]:
    """Those of an engine, or those of them whose name begins so."""
    return [fault for fault in FAULTS if engine in fault.engines and fault.name.startswith(name or "")]
