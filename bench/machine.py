"""What the figures were taken on."""

from __future__ import annotations

import os
import platform
import statistics
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

from engines import postgres_version

PACKAGES = ("apsw", "psycopg", "uvicorn", "uvloop", "httptools", "msgspec", "cryptography", "starlette")


def machine(folder: Path, postgres: bool) -> dict[str, Any]:
    """Processor, memory, disk, versions, and how busy it was before."""
    import apsw

    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    found = {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory": f"{memory:.1f} GiB",
        "system": f"{platform.system()} {platform.release().partition('-')[0]} {platform.machine()}",
        "file system": file_system(folder),
        "durable 4 KiB write": f"{sync_ms(folder)} ms (median)",
        "load before": round(os.getloadavg()[0], 2),
        "Python": platform.python_version(),
        "SQLite": apsw.sqlite_lib_version(),
    }
    if postgres:
        found["PostgreSQL"] = postgres_version()
    return found | {name: version(name) for name in PACKAGES}


def _processor() -> str:
    lines = (line.partition(":") for line in Path("/proc/cpuinfo").read_text().splitlines())
    return next((value.strip() for name, _, value in lines if name.strip() == "model name"), platform.machine())


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
