"""The same load on SQLite and on PostgreSQL, in turns: a PostgreSQL server of its own, `fsync` on, on the same machine."""

from __future__ import annotations

import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from serving import SERVE, Failed, Process, Server, load, running

sys.path.insert(0, str(Path(__file__).parents[1] / "conformance"))
from cluster import APPLICATION, OWNER, Cluster

LOADS: dict[str, dict[str, Any]] = {"emits": {"connections": 64}, "batches of 500": {"connections": 8, "batch": 500}}


class PostgresServer(Process):
    """A server, of one process or several, on a new database."""

    def __init__(self, folder: Path, cluster: Cluster, workers: int) -> None:
        database = cluster.new_database()
        migrate = ["-c", SERVE, "migrate", "--database", cluster.url(database, OWNER), "--role", APPLICATION]
        if subprocess.run([sys.executable, *migrate], stdout=subprocess.DEVNULL).returncode:
            raise Failed("the database could not be made")
        serve = ["--json", "serve", "--port", "0", "--database", cluster.url(database), "--workers", str(workers)]
        super().__init__(["-c", SERVE, *serve], folder)
        self.key: str = self.document["fullKey"]


@contextmanager
def cluster_running() -> Iterator[Cluster]:
    cluster = Cluster()
    try:
        yield cluster
    finally:
        cluster.close()


def compare(
    fresh: Callable[[str], Path], seconds: float, rounds: int
) -> Iterator[tuple[str, str, float, float, int, float]]:
    """Load, engine, deltas per second, their ratio to SQLite in the same round, errors, and how disturbed it was."""
    with cluster_running() as cluster:
        for what, spec in LOADS.items():
            found: dict[str, list[dict[str, Any]]] = {"SQLite": [], "PostgreSQL": [], "PostgreSQL, 2 processes": []}
            for _ in range(rounds):
                for engine, results in found.items():
                    workers = 2 if "2" in engine else 1
                    folder = fresh("engine")
                    server = Server(folder) if engine == "SQLite" else PostgresServer(folder, cluster, workers)
                    with running(server):
                        results.append(load(server, server.key, seconds=seconds, warmup=2.0, **spec))
            deltas = {
                e: [r["requestsPerSecond"] * spec.get("batch", 1) for r in results] for e, results in found.items()
            }
            for engine, results in found.items():
                ratio = statistics.median(
                    mine / lite for mine, lite in zip(deltas[engine], deltas["SQLite"], strict=True)
                )
                disturbed = max(result["others"] for result in results)
                errors = sum(result["errors"] for result in results)
                yield what, engine, statistics.median(deltas[engine]), ratio, errors, disturbed
