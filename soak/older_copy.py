"""A database that was rolled back: the signer, whose folder was not, must not sign another future."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

from conformance.cluster import APPLICATION
from conformance.logreader import signed_checkpoint
from conformance.server import Client

from .ledger import Violation
from .record import FaultyServer, Record, wait_until
from .scene import Scene

WATCH_S = 1.0


def serve_an_older_copy(scene: Scene) -> None:
    """One entry is signed after the copy was made; then the copy is served, and gets an entry of its own there."""
    scene.pause(0.2, 0.4)
    scene.load.stop()
    record = scene.record
    record.observer.resting.set()
    for server in record.servers:
        server.stop()
    older = copy_of(record)
    server = record.servers[0]
    server.start()
    size = record_one(scene, server.client)
    if not wait_until(lambda: signed_checkpoint(server.client, record.origin).size > size, 20):
        raise Violation("unverified", "nothing is signed after a clean restart")
    server.stop()
    server.database = older
    watch(record, server, scene)
    server.stop()
    server.database = record.database
    record.observer.resting.clear()
    scene.hit("sign", "older copy")


def record_one(scene: Scene, client: Client) -> int:
    """Records one delta; the log's size before."""
    size = signed_checkpoint(client, scene.record.origin).size
    item = scene.load.item(scene.rng) | {"customerId": scene.load.customers[0]}
    from .ledger import Request

    if not scene.record.ledger.send(client, Request([item], False, None)):
        raise Violation("reply", "refused after a clean restart")
    return size


def watch(record: Record, server: FaultyServer, scene: Scene) -> None:
    """What the copy publishes must be a past of what was signed, or go on from it."""
    signed = record.last_signed()
    server.start()
    client = server.client
    client.emit(scene.load.customers[0], 1, metadata={"token": "of the copy"}).data
    deadline = time.monotonic() + WATCH_S
    while time.monotonic() < deadline:
        shown = signed_checkpoint(client, record.origin)
        if shown.size >= signed["size"] and shown.root.hex() != signed["root"]:
            raise Violation("log forked", f"an older copy signed another log of {shown.size} entries")
        time.sleep(0.02)


def copy_of(record: Record) -> str:
    """The URL of a copy of the database; no server runs."""
    if record.cluster is None:
        older = record.folder / "older.db"
        for suffix in ("", "-wal"):
            if Path(f"{record.folder}/record.db{suffix}").exists():
                shutil.copy(f"{record.folder}/record.db{suffix}", f"{older}{suffix}")
        return f"sqlite:///{older}"
    name = record.direct.rpartition("/")[2]
    copy = f"{name}_{record.rounds}"
    record.cluster.sql("postgres", f"CREATE DATABASE {copy} TEMPLATE {name} OWNER record_owner")
    assert record.wire is not None
    return record.cluster.url(copy, APPLICATION).replace(f":{record.cluster.port}/", f":{record.wire.port}/")
