"""Several server processes on one PostgreSQL database: always run, whatever engine the other tests use."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from testkit.chance import SEED
from testkit.cluster import OWNER, shared_cluster
from testkit.command import run_command
from testkit.extent import times
from testkit.logreader import assert_extends, read_log, signed_checkpoint
from testkit.receipts import origin_of
from testkit.server import BROKEN, Client, Server, in_threads, parts_of
from testkit.waiting import wait_until

from pacspace_proofs.note import LogCheckpoint

CUSTOMERS = [f"cust_{number}" for number in range(8)]
WRITERS = 16
KILLED_AFTER = 200
CLOSED = times(1_000, 3_000)
HELD = "SELECT holder FROM pacspace.lease WHERE name = 'integrator/1'"


def sql(server: Server, text: str) -> str:
    return shared_cluster().sql(server.database.rpartition("/")[2], text)


def processes(server: Server) -> list[int]:
    """The server's process and those it started: with several workers one of them integrates."""
    assert server.process is not None
    return [server.process.pid, *children(server.process.pid)]


def holder(server: Server) -> int:
    """The process that integrates."""
    deadline = time.monotonic() + 30
    while not (held := sql(server, HELD)):
        assert time.monotonic() < deadline, "nobody integrates"
        time.sleep(0.05)
    return int(held.split()[1])


class Told:
    """What was acknowledged, by reference."""

    def __init__(self) -> None:
        self.records: dict[str, Any] = {}
        self.unanswered: set[str] = set()
        self.stop = threading.Event()

    def write(self, clients: list[Client], number: int) -> None:
        """One writer. What is not answered it sends again, to the other process."""
        rng, count = random.Random(f"{SEED}:{number}"), 0
        while not self.stop.is_set():
            count += 1
            reference, customer = f"{number}-{count}", rng.choice(CUSTOMERS)
            for attempt in range(20):
                client = clients[(number + attempt) % len(clients)]
                try:
                    reply = client.emit(customer, -1, referenceId=reference)
                except BROKEN:
                    continue
                if reply.status == 503:
                    time.sleep(0.2)
                    continue
                self.records[reference] = customer, reply.data["recordId"], reply.data["sequenceNumber"]
                break
            else:
                raise AssertionError(f"{reference} was never answered")


def watch(clients: list[Client], origin: str, published: list[LogCheckpoint], stop: threading.Event) -> None:
    """Keeps every log checkpoint that any process shows."""
    while not stop.is_set():
        for client in clients:
            try:
                published.append(signed_checkpoint(client, origin))
            except (*BROKEN, AssertionError):
                continue
        time.sleep(0.02)


def wait_verified(client: Client) -> float:
    """Seconds until all deltas are under a published log checkpoint."""
    started = time.monotonic()
    while any(client.derive(customer).data["pendingCount"] for customer in CUSTOMERS):
        assert time.monotonic() - started < 60, "deltas stay unverified"
        time.sleep(0.05)
    return time.monotonic() - started


def test_two_processes_and_a_killed_lease_holder(on_postgres: Callable[..., Server]) -> None:
    """16 writers on the same customers, the integrating process killed: nothing lost or twice, no gap, no fork, verified."""
    print(f"CONFORMANCE_SEED={SEED}")
    first = on_postgres("--sandbox-clock", "2026-02-10T12:00:00Z")
    second = on_postgres()
    clients = [first.client, second.client]
    for customer in CUSTOMERS:
        first.client.emit(customer, -1, referenceId=f"first-{customer}").data
    origin = origin_of(first.client.bundle(first.client.checkpoint(CUSTOMERS[0]).data["checkpointId"]))
    told, published, seconds = Told(), [], 0.0

    def kill() -> None:
        nonlocal seconds
        wait_until(lambda: len(told.records) > KILLED_AFTER)
        integrating = holder(first)
        lost, left = (first, second) if integrating in processes(first) else (second, first)
        assert integrating in processes(lost)
        os.kill(integrating, signal.SIGKILL)
        lost.kill()  # and whoever works beside it
        started = time.monotonic()
        fixed = read_size(left.client, origin)
        while read_size(left.client, origin) == fixed:
            assert time.monotonic() - started < 60, "nobody integrates any more"
            time.sleep(0.02)
        seconds, before = time.monotonic() - started, len(told.records)
        wait_until(lambda: len(told.records) > before + KILLED_AFTER)

    def kill_and_stop() -> None:
        try:
            kill()
        finally:
            told.stop.set()

    works = [lambda n=n: told.write(clients, n) for n in range(WRITERS)]
    in_threads([*works, kill_and_stop, lambda: watch(clients, origin, published, told.stop)])
    print(f"verification went on {seconds:.1f} s after the kill; {len(told.records)} acknowledged")
    left = first if first.process is not None else second
    wait_verified(left.client)
    check(left, told)
    log = read_log(left.client, origin)
    for old in {checkpoint.size: checkpoint for checkpoint in published}.values():
        assert_extends(old, log)
    clean = left.run("fsck", "--signer-dir", str(left.folder.parent / "signer"))
    assert clean.returncode == 0, clean.stdout[-2000:] + clean.stderr[-2000:]


def read_size(client: Client, origin: str) -> int:
    return signed_checkpoint(client, origin).size


def check(server: Server, told: Told) -> None:
    """Each customer has exactly what was acknowledged, each once, numbered without a gap."""
    for customer in CUSTOMERS:
        deltas = sorted(server.client.all_deltas(customer, page=1000), key=lambda delta: delta["sequenceNumber"])
        assert [delta["sequenceNumber"] for delta in deltas] == list(range(1, len(deltas) + 1))
        mine = {reference: one for reference, one in told.records.items() if one[0] == customer}
        assert {delta["referenceId"] for delta in deltas} == mine.keys() | {f"first-{customer}"}
        for delta in deltas[1:]:
            assert mine[delta["referenceId"]][1:] == (delta["recordId"], delta["sequenceNumber"])


def test_workers_share_one_socket_and_end_together(on_postgres: Callable[..., Server]) -> None:
    """With --workers 2 a killed worker is told of and the other goes on; SIGTERM ends all, with exit status 0."""
    server = on_postgres("--workers", "2")
    assert server.client.emit("cust", -1).status == 201
    assert server.process is not None
    workers = children(server.process.pid)
    assert len(workers) == 2
    os.kill(holder(server), signal.SIGKILL)
    deadline = time.monotonic() + 30
    while "a worker ended; it is not replaced" not in server.log_text():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    for number in range(20):
        try:
            assert server.client.emit("cust", -1, referenceId=f"r{number}").status == 201
        except BROKEN:  # a connection of the one that is gone
            continue
    assert server.client.derive("cust").data["deltaCount"] >= 20
    assert server.stop() == 0, server.log_text()
    assert not any(Path(f"/proc/{pid}").exists() for pid in workers)


def test_workers_end_with_their_parent(on_postgres: Callable[..., Server]) -> None:
    """When the parent is killed its workers end by themselves, and leave nothing behind that a new start would meet."""
    server = on_postgres("--workers", "2")
    server.client.emit("cust", -1).data
    assert server.process is not None
    workers = children(server.process.pid)
    server.process.kill()
    deadline = time.monotonic() + 60
    while any(Path(f"/proc/{pid}").exists() for pid in workers):
        assert time.monotonic() < deadline, "a worker outlives its parent"
        time.sleep(0.05)
    server._ended()
    server.start()
    assert server.client.derive("cust").data["deltaCount"] == 1


def children(pid: int) -> list[int]:
    return [int(text) for text in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_a_database_that_goes_away_and_comes_back(on_postgres: Callable[..., Server]) -> None:
    """While PostgreSQL is down writes and reads are a 503 with Retry-After, the process answers, and nothing is lost."""
    server = on_postgres()
    client = server.client
    client.emit("cust", -1, referenceId="before").data
    shared_cluster().stop("immediate")
    try:
        for reply in (client.emit("cust", -1, referenceId="during"), client.derive("cust"), client.get("/readyz")):
            assert reply.status == 503 and reply.headers["retry-after"], reply.body
            assert "127.0.0.1" not in reply.error["message"]
        assert client.get("/healthz").status == 200
    finally:
        shared_cluster().start()
    assert client.emit("cust", -1, referenceId="during").status == 201
    assert client.derive("cust").data["deltaCount"] == 2
    assert not server.mistakes()


def test_a_jobs_process_is_killed_and_another_one_ends_it(on_postgres: Callable[..., Server]) -> None:
    """A month that one process locks for everybody is locked to the end by the other one, without a restart."""
    first = on_postgres("--sandbox-clock", "2026-01-10T00:00:00Z")
    names = [f"c{number:04d}" for number in range(CLOSED)]
    for part in parts_of(names, 500):
        first.client.batch([{"customerId": name, "delta": -1, "reason": "u"} for name in part]).data
    second = on_postgres()
    first.client.clock(now="2026-02-03T00:00:00Z").data
    job = first.client.checkpoint(period="2026-01").data["jobId"]
    first.kill()
    deadline = time.monotonic() + 120
    while (shown := second.client.get(f"/api/v1/balance/jobs/{job}").data)["status"] != "DONE":
        assert time.monotonic() < deadline, shown
        time.sleep(0.1)
    assert (shown["done"], shown["failedCount"], shown["totals"]["netChange"]) == (CLOSED, 0, -CLOSED)


def test_the_schema_is_made_by_its_owner(tmp_path: Path) -> None:
    """serve refuses a database without a record in words; serve --migrate as the owner makes it; migrate says what it did."""
    cluster = shared_cluster()
    owner = cluster.url(cluster.new_database(), OWNER)
    to = ["--port", "0", "--database", owner]
    refused = run_command("serve", *to, folder=tmp_path)
    assert refused.returncode == 3 and "pacspace migrate" in refused.stderr and "Traceback" not in refused.stderr
    server = Server(tmp_path)
    server.database = owner
    server.start("--migrate")
    assert server.client.emit("cust", -1).status == 201
    assert server.restart().client.derive("cust").data["deltaCount"] == 1
    again = run_command("migrate", "--database", owner, folder=tmp_path)
    assert again.returncode == 0 and "up to date" in again.stdout
    of_a_file = run_command("migrate", "--database", f"sqlite:///{tmp_path}/x.db", folder=tmp_path)
    assert of_a_file.returncode == 2 and "PostgreSQL" in of_a_file.stderr
    server.close()


def test_passwords_are_not_shown(tmp_path: Path) -> None:
    """Neither `pacspace config` nor a failing start shows the password of the database's URL, wherever it stands."""
    for url in ("postgresql://me:s3cret@127.0.0.1:1/x", "postgresql://me@127.0.0.1:1/x?password=s3cret&sslmode=disable",
                "postgresq://me:s3cret@127.0.0.1:1/x"):  # fmt: skip
        for command in (["config"], ["serve", "--port", "0"], ["fsck"]):
            done = run_command(*command, folder=tmp_path, environment={"PACSPACE_DATABASE": url})
            assert "s3cret" not in done.stdout + done.stderr, command
            assert done.returncode == (0 if command == ["config"] else 2 if "postgresq:" in url else 3)
            assert "Traceback" not in done.stderr
