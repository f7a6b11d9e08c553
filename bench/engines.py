"""The two engines behind one interface: making, serving, copying and looking into a record that lies in a folder."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from serving import PATIENCE_S, SERVE, Failed, Server, cpu_seconds

sys.path.append(str(Path(__file__).parents[1]))
from testkit.cluster import APPLICATION, DEBIAN, OWNER, Cluster

ENGINES = ("sqlite", "postgres")
_COUNTS = "SELECT count(*), count(DISTINCT recorded_at) FROM {}delta"


class Engine(Protocol):
    """Of a folder it makes a record, or finds the one that is there."""

    name: str
    file_name: str  # in the names of worlds

    def serve(self, folder: Path, *options: str, workers: int = 1, program: str = SERVE) -> Server:
        """A server on the folder's record, which is made if there is none."""

    def copy(self, source: Path, target: Path) -> None:
        """The record, while nothing is connected to it."""

    def remove(self, folder: Path) -> None: ...

    def size_bytes(self, folder: Path) -> int:
        """Of the record on disk with its indexes."""

    def counts(self, folder: Path) -> tuple[int, int]:
        """Deltas, and commits that brought them: what is committed together is recorded at the same instant."""

    def url(self, folder: Path) -> str: ...

    def cpu_seconds(self) -> float:
        """Of the engine's own processes."""


class Sqlite:
    """A file in the server's own process."""

    name, file_name = "SQLite", "sqlite"

    def url(self, folder: Path) -> str:
        return f"sqlite:///{folder / 'record.db'}"

    def serve(self, folder: Path, *options: str, workers: int = 1, program: str = SERVE) -> Server:
        assert workers == 1
        return Server(folder, ["--database", self.url(folder), *options], program)

    def copy(self, source: Path, target: Path) -> None:
        shutil.copytree(source, target)

    def remove(self, folder: Path) -> None:
        shutil.rmtree(folder)

    def size_bytes(self, folder: Path) -> int:
        return sum(file.stat().st_size for file in folder.glob("record.db*") if file.is_file())

    def counts(self, folder: Path) -> tuple[int, int]:
        import apsw

        connection = apsw.Connection(str(folder / "record.db"), flags=apsw.SQLITE_OPEN_READONLY)
        try:
            deltas, commits = next(connection.execute(_COUNTS.format("")))
        finally:
            connection.close()
        return int(deltas), int(commits)

    def cpu_seconds(self) -> float:
        return 0.0


class Postgres:
    """A database per folder on a server of the benchmark's own."""

    name, file_name = "PostgreSQL", "postgres"

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._postmaster = int(Path(cluster.data, "postmaster.pid").read_text().splitlines()[0])

    def _database(self, folder: Path) -> str:
        kept = folder / "database.txt"
        if not kept.exists():
            name = self._cluster.new_database()
            migrate = ["-c", SERVE, "migrate", "--database", self._cluster.url(name, OWNER), "--role", APPLICATION]
            if subprocess.run([sys.executable, *migrate], stdout=subprocess.DEVNULL).returncode:
                raise Failed("the database could not be made")
            folder.mkdir(parents=True, exist_ok=True)
            kept.write_text(name)
        return kept.read_text()

    def url(self, folder: Path) -> str:
        return self._cluster.url(self._database(folder))

    def serve(self, folder: Path, *options: str, workers: int = 1, program: str = SERVE) -> Server:
        where = ["--database", self.url(folder), "--signer-dir", str(folder / "signer")]
        return Server(folder, [*where, "--workers", str(workers), *options], program)

    def copy(self, source: Path, target: Path) -> None:
        name = f"{self._database(source)}_{target.name.replace('-', '_')}"
        template = f"CREATE DATABASE {name} OWNER {OWNER} TEMPLATE {self._database(source)} STRATEGY FILE_COPY"
        self._cluster.sql("postgres", template, PATIENCE_S)
        shutil.copytree(source, target)
        (target / "database.txt").write_text(name)

    def remove(self, folder: Path) -> None:
        self._cluster.sql("postgres", f"DROP DATABASE {self._database(folder)} (FORCE)")
        shutil.rmtree(folder)

    def size_bytes(self, folder: Path) -> int:
        return int(self._ask(folder, "SELECT pg_database_size(current_database())"))

    def counts(self, folder: Path) -> tuple[int, int]:
        deltas, commits = self._ask(folder, _COUNTS.format("pacspace.")).split("|")
        return int(deltas), int(commits)

    def _ask(self, folder: Path, sql: str) -> str:
        return self._cluster.sql(self._database(folder), sql, PATIENCE_S)

    def cpu_seconds(self) -> float:
        return cpu_seconds(self._postmaster)


def postgres_version() -> str:
    return subprocess.check_output([DEBIAN / "postgres", "--version"], text=True).split()[2]


@contextmanager
def opened(names: list[str]) -> Iterator[list[Any]]:
    """The engines of these names, ready to be used."""
    if "postgres" not in names:
        yield [Sqlite()]
        return
    cluster = Cluster()
    try:
        yield [Sqlite(), Postgres(cluster)] if "sqlite" in names else [Postgres(cluster)]
    finally:
        cluster.close()
