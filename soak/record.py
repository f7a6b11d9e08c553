"""A record under fault: its database, its signer's folder, its servers, and starting them again."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

from testkit.cluster import Cluster
from testkit.command import run_command
from testkit.server import Client, Server

from .children import end_children
from .ledger import Ledger, Violation
from .observer import Observer
from .points import HITS, ORDERS, STEPS, steps_on
from .wire import Wire

ROOT = Path(__file__).resolve().parent.parent
PROGRAM = [
    sys.executable, "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r}); from soak.program import main; main()",
]  # fmt: skip
SQLITE, POSTGRES = "sqlite", "postgres"


class FaultyServer(Server):
    """A server that can be told where to fail."""

    def __init__(self, folder: Path, engine: str, database: str, signer: Path, seed: str, bug: str | None) -> None:
        folder.mkdir()
        super().__init__(folder)
        self.database, self.signer = database, signer
        self.command = PROGRAM
        self.environment = {"SOAK_FOLDER": str(folder), "SOAK_SEED": seed, "SOAK_ENGINE": engine}
        self.environment |= {"SOAK_BUG": bug} if bug else {}
        os.mkfifo(folder / ORDERS)
        self._orders = os.open(folder / ORDERS, os.O_RDWR)
        self._hits_read = self._sent = 0
        self.stopped = False

    def start(self, *options: str) -> Server:
        self.hits()
        try:
            return super().start("--signer-dir", str(self.signer), *options)
        except AssertionError as error:
            raise Violation("start", str(error)[-2000:]) from error

    @property
    def dead(self) -> bool:
        return self.process is None or self.process.poll() is not None

    def bury(self) -> None:
        """After it died by itself."""
        if self.process is not None:
            self._ended()

    def order(self, **order: Any) -> None:
        os.write(self._orders, json.dumps(order).encode() + b"\n")
        self._sent += 1

    @property
    def obedient(self) -> bool:
        """Whether every order so far was carried out; a dead server has none to follow."""
        path = self.folder / HITS
        return self.dead or (path.exists() and path.read_text().count('"obeyed"') >= self._sent)

    def hits(self) -> list[dict[str, str]]:
        """The strikes since this was asked last."""
        path = self.folder / HITS
        text = path.read_text() if path.exists() else ""
        new, self._hits_read = text[self._hits_read :], len(text)
        return [hit for hit in map(json.loads, new.splitlines()) if hit["how"] != "obeyed"]

    def steps(self) -> list[str]:
        return steps_on(self.folder / STEPS)

    def signal(self, number: int) -> None:
        assert self.process is not None
        os.killpg(self.process.pid, number)

    def kill(self) -> None:
        """Its children go first: one that lives on keeps SQLite's index, and nobody looks what else is in the log."""
        assert self.process is not None
        end_children(self.process.pid)
        super().kill()

    def close(self) -> None:
        if self.process is not None and self.dead:
            self.bury()
        elif self.process is not None:
            self.signal(signal.SIGCONT)
            self.kill()
        os.close(self._orders)
        for client in self.clients.values():
            client.close()


class Record:
    """One record, kept over several rounds. On PostgreSQL two servers share it, and a wire leads to the cluster."""

    def __init__(self, folder: Path, seed: str, cluster: Cluster | None, bug: str | None = None) -> None:
        folder.mkdir(parents=True)
        self.folder, self.seed, self.cluster = folder, seed, cluster
        self.engine = POSTGRES if cluster else SQLITE
        self.signer = folder / "signer"
        self.ledger = Ledger()
        self.wire: Wire | None = None
        self.direct = self.database = f"sqlite:///{folder}/record.db"
        if cluster is not None:
            self.direct = new_database(cluster, folder)
            self.wire = Wire(cluster.port)
            self.database = self.direct.replace(f":{cluster.port}/", f":{self.wire.port}/")
        self.bug = bug
        self.servers = [self.server(f"server{n}") for n in range(2 if cluster else 1)]
        self.start()
        self.origin = self._origin()
        if bug is not None:  # how the record began is not what the bug is to be found by
            for server in self.servers:
                server.restart()
        self.observer = Observer(self.origin, [partial(self._client_of, server) for server in self.servers])
        self.customers = [f"kept_{n}" for n in range(5)]
        self.rounds = 0

    def server(self, name: str) -> FaultyServer:
        """Another server of this record, not started."""
        return FaultyServer(
            self.folder / name, self.engine, self.database, self.signer, f"{self.seed}:{name}", self.bug
        )

    def start(self) -> None:
        """Starts every server that is down."""
        for server in self.servers:
            if server.dead:
                server.bury()
                server.key = self.servers[0].key
                server.start()

    def _origin(self) -> str:
        client = self.servers[0].client
        client.emit("first", -1, metadata={"token": "first"}).data
        client.checkpoint("first").data
        bundle = json.loads(client.bundle(client.checkpoint("first").data["checkpointId"]))
        return str(bundle["head"]["origin"])

    @property
    def clients(self) -> list[Client]:
        return [server.client for server in self.servers]

    def _client_of(self, server: FaultyServer) -> Client | None:
        return None if server.process is None or server.stopped else server.client

    @property
    def alive(self) -> list[FaultyServer]:
        return [server for server in self.servers if not server.dead]

    def last_signed(self) -> dict[str, Any]:
        """The signer's own record of what it signed last."""
        path = self.signer / f"{self.origin.rpartition('/')[2]}.signed"
        try:
            return json.loads(path.read_text())
        except (OSError, ValueError) as error:
            raise Violation("last-signed", f"{path.name} can't be read: {error}") from error

    def fsck(self) -> None:
        done = run_command("fsck", "--database", self.direct, "--signer-dir", str(self.signer), folder=self.folder)
        if done.returncode != 0:
            raise Violation("fsck", done.stdout[-1500:] + done.stderr[-1500:])

    def close(self) -> None:
        self.observer.close()
        for server in self.servers:
            server.close()
        if self.wire is not None:
            self.wire.close()


def new_database(cluster: Cluster, folder: Path) -> str:
    from testkit.cluster import APPLICATION, OWNER

    name = cluster.new_database()
    done = run_command("migrate", "--database", cluster.url(name, OWNER), "--role", APPLICATION, folder=folder)
    assert done.returncode == 0, done.stderr
    return cluster.url(name)


def wait_until(condition: Any, seconds: float, pause_s: float = 0.01) -> bool:
    """Whether it came true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(pause_s)
    return True
