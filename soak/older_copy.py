"""A copy of the database is served with the signing folder of the original, which must not sign another future."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from testkit.cluster import APPLICATION
from testkit.logreader import signed_checkpoint
from testkit.server import Client

from .ledger import Request, Violation
from .record import FaultyServer, Record, wait_until
from .scene import Scene

WATCH_S = 1.0
PATIENCE_S = 20


def serve_an_older_copy(scene: Scene) -> None:
    """One entry is signed after the copy was made; then the copy is served, which is behind what was signed."""
    with at_rest(scene) as (server, copy):
        server.start()
        size = record_one(scene, server.client)
        server.stop()
        copy.start()
        must_refuse(scene, copy, size)
    scene.hit("sign", "older copy")


def serve_a_copy_beside(scene: Scene) -> None:
    """Both are served from the same entry on; then each gets one, and the copy's log is as long as what was signed."""
    with at_rest(scene) as (server, copy):
        server.start()
        copy.start()
        size = record_one(scene, server.client)
        must_refuse(scene, copy, size)
    scene.hit("sign", "copy beside")


@contextmanager
def at_rest(scene: Scene) -> Iterator[tuple[FaultyServer, FaultyServer]]:
    """A server of the record, and one for a copy of its database in which the log has everything; neither runs."""
    scene.pause(0.2, 0.4)
    scene.load.stop()
    record = scene.record
    record.observer.resting.set()
    for server in record.servers:
        server.stop()
    server = record.servers[0]
    server.start()
    if not wait_until(lambda: has_everything(server.client), PATIENCE_S):
        raise Violation("unverified", "the log does not get everything after a clean restart")
    server.stop()
    copy = record.server(f"copy{record.rounds}")
    copy.database, copy.key = copy_of(record, copy.folder), server.key
    try:
        yield server, copy
    finally:
        copy.close()
        record.observer.resting.clear()


def has_everything(client: Client) -> bool:
    """Whether the published log does. What it misses is counted at the start of a server, and nobody writes after
    that."""
    text = client.get("/metrics").body.decode()

    def of_logs(name: str) -> list[float]:
        return [float(value) for value in re.findall(rf"^pacspace_{name}\{{.*\}} (\S+)$", text, re.MULTILINE)]

    months = of_logs("unverified_months")  # none before the first look
    return bool(months) and not any(months) and of_logs("log_entries") == of_logs("log_published_entries")


def record_one(scene: Scene, client: Client) -> int:
    """Records one delta and waits until it is signed; the log's size before."""
    origin = scene.record.origin
    size = signed_checkpoint(client, origin).size
    item = scene.load.item(scene.rng) | {"customerId": scene.load.customers[0]}
    if not scene.record.ledger.send(client, Request([item], False, None)):
        raise Violation("reply", "refused after a clean restart")
    if not wait_until(lambda: signed_checkpoint(client, origin).size > size, PATIENCE_S):
        raise Violation("unverified", "nothing is signed after a clean restart")
    return size


def must_refuse(scene: Scene, copy: FaultyServer, size: int) -> None:
    """A delta that only the copy has is recorded, but not signed, and the copy says why."""
    copy.client.emit(scene.load.customers[0], 1, metadata={"token": "of the copy"}).data

    def refuses() -> bool:
        shown = signed_checkpoint(copy.client, scene.record.origin)
        if shown.size > size:
            raise Violation(
                "log forked", f"a copy that left the log at {size} signed another one of {shown.size} entries"
            )
        return bool(copy.public.get("/readyz").data["unsigned"])

    if not wait_until(refuses, PATIENCE_S):
        raise Violation("unverified", "a copy signs nothing and does not say why")
    if wait_until(lambda: not refuses(), WATCH_S):
        raise Violation("log forked", "a copy no longer says that it signs nothing")


def copy_of(record: Record, folder: Path) -> str:
    """The URL of a copy of the database; no server runs."""
    if record.cluster is None:
        for suffix in ("", "-wal"):
            if Path(f"{record.folder}/record.db{suffix}").exists():
                shutil.copy(f"{record.folder}/record.db{suffix}", f"{folder}/older.db{suffix}")
        return f"sqlite:///{folder}/older.db"
    name = record.direct.rpartition("/")[2]
    copy = f"{name}_{record.rounds}"
    record.cluster.sql("postgres", f"CREATE DATABASE {copy} TEMPLATE {name} OWNER record_owner")
    assert record.wire is not None
    return record.cluster.url(copy, APPLICATION).replace(f":{record.cluster.port}/", f":{record.wire.port}/")
