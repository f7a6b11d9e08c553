"""The benchmark: every bar on speed and memory that concerns SQLite, as one table. See README.md."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import shutil
import statistics
import tempfile
import time
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from measures import FULL, MEASURES, QUICK, Bench, Row, say
from serving import HERE, Failed
from worlds import Worlds

NOTICEABLE = 0.1


def machine(folder: Path) -> dict[str, Any]:
    """What the figures were taken on."""
    import apsw

    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.machine(),
    )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    packages = ("apsw", "uvicorn", "uvloop", "httptools", "msgspec", "cryptography", "starlette")
    return {
        "cpu": model, "cores": os.cpu_count(), "memoryGiB": round(memory, 1), "system": platform.platform(),
        "python": platform.python_version(), "sqlite": apsw.sqlite_lib_version(), "fileSystem": file_system(folder),
        "syncMs": sync_ms(folder), "loadBefore": os.getloadavg()[0], **{name: version(name) for name in packages},
    }  # fmt: skip


def file_system(folder: Path) -> str:
    """The type of the file system that a folder is on."""
    mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    at = str(folder.resolve())
    fits = [m for m in mounts if at == m[1] or at.startswith(m[1].rstrip("/") + "/")]
    return max(fits, key=lambda m: len(m[1]))[2] if fits else "unknown"


def sync_ms(folder: Path) -> float:
    """Median of one durable 4 KiB write."""
    taken = []
    with tempfile.TemporaryFile(dir=folder) as file:
        for _ in range(100):
            file.write(b"x" * 4096)
            file.flush()
            started = time.perf_counter()
            os.fdatasync(file.fileno())
            taken.append(time.perf_counter() - started)
    return round(statistics.median(taken) * 1000, 3)


def table(rows: list[Row], notes: bool) -> str:
    """The rows as text; notes under each."""
    head = ("what", "figure", "bar", "met")
    cells = [(r.what, r.figure, r.bar, {True: "yes", False: "NO", None: ""}[r.met]) for r in rows]
    widths = [max(len(line[column]) for line in [head, *cells]) for column in range(4)]

    def line(values: tuple[str, ...]) -> str:
        return "  ".join(value.ljust(width) for value, width in zip(values, widths, strict=True)).rstrip()

    lines = [line(head), line(tuple("-" * width for width in widths))]
    for row, values in zip(rows, cells, strict=True):
        lines.append(line(values))
        if notes:
            lines += [f"    {note}" for note in row.notes]
        if row.disturbed > NOTICEABLE:
            lines.append(f"    disturbed: other processes used {row.disturbed:.0%} of the machine meanwhile")
    return "\n".join(lines)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Measures the server against its bars. Reports; the exit status is 0 whatever the figures are.",
        epilog=f"measurements: {', '.join(MEASURES)}",
    )
    parser.add_argument("--quick", action="store_true", help="smaller and shorter: about four minutes")
    parser.add_argument("--only", action="append", choices=MEASURES, metavar="NAME", help="one measurement; repeatable")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure to a file")
    parser.add_argument("--folder", type=Path, default=HERE / ".bench", help="where databases are made; a real disk")
    parser.add_argument(
        "--reuse", action="store_true", help="keep the filled databases and take those of an earlier run"
    )
    parser.add_argument("--nice", type=int, default=0, help="scheduling priority of all that is measured, such as -10")
    parser.add_argument("--no-notes", action="store_true", help="the table only")
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
        say(f"{name}: {(MEASURES[name].__doc__ or '').strip()}")
        started = time.monotonic()
        try:
            found = MEASURES[name](bench)
        except Failed as failure:
            say(f"  {failure}")
            found = [Row(name, name, "failed", "", False, [str(failure)])]
        rows += found
        say(f"  took {time.monotonic() - started:.0f} s: {'; '.join(row.figure for row in found)}")
    return rows


def main() -> None:
    given = arguments()
    if given.nice:
        set_priority(given.nice)
    given.folder.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="run-", dir=given.folder.resolve()))
    try:
        about = machine(folder)
        if about["fileSystem"] == "tmpfs":
            say("warning: the folder is in memory, so commits cost nothing; give --folder on a disk")
        rows = measure(Bench(QUICK if given.quick else FULL, Worlds(folder, given.reuse)), given.only or list(MEASURES))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(
        f"{'quick' if given.quick else 'full'} form; " + ", ".join(f"{name} {value}" for name, value in about.items())
    )
    print()
    print(table(rows, not given.no_notes))
    if given.json:
        document = {"form": "quick" if given.quick else "full", "machine": about, "rows": [asdict(row) for row in rows]}
        given.json.write_text(json.dumps(document, indent=2))


if __name__ == "__main__":
    main()
