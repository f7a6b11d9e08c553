"""The benchmark: every bar on speed and memory, on both engines, as one table. See README.md."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import tempfile
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import growth
import locking
import reading
import receipts
import recording
import report
import waiting
import webhooks
from engines import ENGINES, opened
from figures import FULL, QUICK, Bench, Row, say
from machine import file_system, machine
from serving import HERE
from worlds import Worlds

# Of all engines in turns, or of none.
TOGETHER: dict[str, Callable[[Bench], list[Row]]] = {
    "emit": recording.emit,
    "batch": recording.batch,
    "import": receipts.import_time,
}
OF_EACH: dict[str, Callable[[Bench, Worlds], Iterable[Row]]] = {
    "latency": waiting.emit_latency,
    "verified": waiting.verified,
    "webhooks": webhooks.webhooks,
    "memory": reading.memory,
    "derive": reading.derive,
    "checkpoint": locking.checkpoint,
    "locking": locking.locking,
    "receipt": receipts.receipt,  # and offline verification of it
    "growth": growth.growth,
}
MEASURES = [*TOGETHER, *OF_EACH]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Measures the server against its bars. Reports; the exit status is 0 whatever the figures are.",
        epilog=f"measurements: {', '.join(MEASURES)}",
    )
    parser.add_argument("--quick", action="store_true", help="smaller and shorter: a few minutes")
    parser.add_argument("--only", action="append", choices=MEASURES, metavar="NAME", help="one measurement; repeatable")
    parser.add_argument("--engine", action="append", choices=ENGINES, help="one engine; default: both")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure to a file")
    parser.add_argument("--folder", type=Path, default=HERE / ".bench", help="where databases are made; a real disk")
    parser.add_argument("--nice", type=int, default=0, help="scheduling priority of all that is measured, such as -10")
    return parser.parse_args()


def set_priority(nice: int) -> None:
    """Of this process and its children; where the kernel groups processes by session, of the group too."""
    os.nice(nice)
    group = Path("/proc/self/autogroup")
    if group.exists():
        with contextlib.suppress(PermissionError):  # leads a session already
            os.setsid()
        group.write_text(str(nice))


def measure(bench: Bench, names: list[str]) -> list[Row]:
    rows: list[Row] = []
    for name in names:
        for worlds in bench.worlds if name in OF_EACH else [None]:
            engine = worlds.engine.name if worlds else ""
            work = partial(OF_EACH[name], bench, worlds) if worlds else partial(TOGETHER[name], bench)
            say(f"{name} {engine}: {(work.func.__doc__ or '').strip()}")
            rows += attempt(name, engine, work)
    return rows


def attempt(name: str, engine: str, work: Callable[[], Iterable[Row]]) -> Iterator[Row]:
    """Its rows; one that says so if it fails, because the figures of an hour are not to be lost with it."""
    started = time.monotonic()
    try:
        yield from work()
    except Exception as failure:
        say("".join(traceback.format_exception(failure)))
        yield Row(name, f"failed: {name}", engine, "failed", "", False, [f"{type(failure).__name__}: {failure}"[:500]])
    say(f"  took {time.monotonic() - started:.0f} s")


def run(given: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """The whole document: machine, date, rows."""
    for place in (folder, Path(tempfile.gettempdir())):
        if file_system(place) == "tmpfs":
            say(f"warning: {place} is in memory, so commits cost nothing; give --folder (or TMPDIR) on a disk")
    names, started = given.engine or list(ENGINES), time.time()
    with opened(names) as engines:
        about = machine(folder, "postgres" in names)
        bench = Bench(QUICK if given.quick else FULL, [Worlds(e, folder / e.file_name) for e in engines], folder)
        rows = measure(bench, given.only or MEASURES)
    return {
        "form": "quick" if given.quick else "full",
        "date": datetime.fromtimestamp(started, UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "minutes": round((time.time() - started) / 60, 1),
        "machine": about,
        "rows": [asdict(row) for row in rows],
    }


def main() -> None:
    given = arguments()
    if given.nice:
        set_priority(given.nice)
    given.folder.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="run-", dir=given.folder.resolve()))
    try:
        document = run(given, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if given.json:
        given.json.write_text(json.dumps(document, indent=1) + "\n")
    print(report.text(document))


if __name__ == "__main__":
    main()
