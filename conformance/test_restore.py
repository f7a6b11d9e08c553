"""Backup, restore, and the way forward when a restored record is behind what was signed: all from outside."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from testkit.cluster import APPLICATION, OWNER, shared_cluster
from testkit.command import run_command
from testkit.receipts import origin_of, save
from testkit.server import BROKEN, POSTGRES, Server, decode, signer_of, verify_alone

from .test_verification import settled

FEBRUARY = "2026-02-10T12:00:00Z"
START = Callable[..., Server]


def backup(server: Server, name: str) -> Path:
    file = server.folder / name
    told = server.run_json("backup", str(file))
    assert told["bytes"] == file.stat().st_size
    return file


def as_owner(server: Server) -> str:
    return server.database.replace(f"{APPLICATION}@", f"{OWNER}@")


def restore(server: Server, file: Path) -> tuple[int, Any]:
    """The backup in the place of the server's database, or in a new one of PostgreSQL; exit status and what was told."""
    if POSTGRES:
        cluster = shared_cluster()
        name = cluster.new_database()
        server.database = cluster.url(name)
        flags = ["--role", APPLICATION, "--signer-dir", str(signer_of(server)), "--database", cluster.url(name, OWNER)]
    else:
        flags = ["--replace", "--yes", "--database", server.database]
    done = run_command("--json", "restore", str(file), *flags, folder=server.folder)
    assert done.returncode in (0, 1), done.stderr
    return done.returncode, decode(done.stdout)


def new_log(server: Server, *options: str) -> Any:
    flags = ["--database", as_owner(server), "--signer-dir", str(signer_of(server))]
    done = run_command("--json", "new-log", *options, *flags, folder=server.folder)
    assert done.returncode == 0, done.stderr
    return decode(done.stdout)["renewed"]


def start(server: Server) -> Server:
    return server.start("--signer-dir", str(signer_of(server)))


def trust_of(server: Server, folder: Path) -> Path:
    """The trust file that the command prints, which is what the server shows."""
    told = server.run_json("trust", "--env", "test")["trust"]
    name = told.splitlines()[1].partition("+")[0].rpartition("/")[2]
    assert server.public.get(f"/log/{name}/trust").body.decode() == told
    path = folder / "trust.txt"
    path.write_text(told)
    return path


def fsck(server: Server) -> None:
    done = server.run("fsck", "--signer-dir", str(signer_of(server)))
    assert done.returncode == 0, done.stdout


def billed(start_server: START) -> tuple[Server, dict[str, Any], list[bytes]]:
    """January locked, February open with a provisional receipt; their files."""
    server = start_server("--sandbox-clock", "2026-01-10T00:00:00Z")
    client = server.client
    for amount in (-5, 2):
        client.emit("anna", amount).data
    client.clock(now=FEBRUARY).data
    january = client.checkpoint("anna", period="2026-01").data
    client.emit("anna", -7).data
    february = client.receipt("anna", period="2026-02").data
    return server, january, [client.bundle(january["checkpointId"]), client.bundle(february["checkpointId"])]


def test_a_restored_record_goes_on_in_a_new_log(start_server: START, tmp_path: Path) -> None:
    """An older backup under a newer last-signed record records, answers and signs nothing, in words, until `new-log`; then
    receipts from before and after verify together offline, and what lies beyond the backup is a declared loss."""
    server, january, files = billed(start_server)
    file = backup(server, "monday.backup")
    server.client.emit("anna", -100, referenceId="lost").data
    lost_lock = server.client.checkpoint("anna", period="2026-02").data
    lost = server.client.bundle(lost_lock["checkpointId"])
    assert server.stop() == 0

    code, told = restore(server, file)
    assert code == 1 and told["willSign"] is False, told
    sandbox, production = told["logs"]
    assert "is behind" in sandbox["problem"] and "pacspace new-log" in sandbox["problem"]
    assert f"up to entry {sandbox['signedSize']}, but ends" in sandbox["problem"] and production["willSign"] is True
    if not POSTGRES:
        assert Path(told["movedAside"]).exists()

    start(server)
    client = server.client
    assert client.emit("anna", -1).status == 201
    assert client.derive("anna", period="2026-02").data["computedBalance"] == -8
    for reply in (
        client.checkpoint("anna", period="2026-02"), client.checkpoint(period="2026-02"), client.receipt("anna", period="2026-02"),
        server.public.get("/readyz", **{"for": "verify"}),
    ):  # fmt: skip
        assert reply.status == 503 and "pacspace new-log" in reply.error["message"], reply.body
    ready = server.public.get("/readyz").data
    assert ready["status"] == "ready" and "pacspace new-log" in ready["unsigned"][0]
    assert client.receipt("anna", period="2026-01").data["proofRoot"] == january["proofRoot"]
    assert server.public.verify(january["proofRoot"], "both").data["verified"] is True
    assert any("nothing is signed" in line for line in server.mistakes())
    refused = run_command(
        "new-log", "--yes", "--database", as_owner(server), "--signer-dir", str(signer_of(server)), folder=server.folder
    )
    assert refused.returncode == 3 and "stop" in refused.stderr, refused.stderr
    assert server.stop() == 0

    (renewed,) = new_log(server, "--yes")
    assert (renewed["monthsKept"], renewed["monthsMoved"], renewed["lockedAnew"]) == (1, 1, 0)
    assert renewed["signedSize"] == sandbox["signedSize"] and renewed["frozen"] == sandbox["origin"]
    assert new_log(server, "--yes") == [], "nothing is left to do"
    start(server)
    client = server.client
    assert server.public.get("/readyz").data["unsigned"] == []
    february = client.checkpoint("anna", period="2026-02").data
    after = client.bundle(february["checkpointId"])
    assert origin_of(after) == renewed["origin"] != origin_of(files[0])
    receipt = client.receipt("anna", period="2026-02").data["verification"]
    assert receipt["restored"] == {
        "origin": renewed["frozen"], "backupSize": renewed["backupSize"], "signedSize": renewed["signedSize"],
    }  # fmt: skip
    assert receipt["logOrigin"] == renewed["origin"] and receipt["verifierKey"] == renewed["verifierKey"]
    page = server.public.get(f"/verify/{january['proofRoot']}").body.decode()
    assert "This log is frozen: the record was restored from a backup" in page and renewed["frozen"][-8:] in page
    sizes = renewed["signedSize"], renewed["backupSize"]
    newer = " ".join(server.public.get(f"/verify/{february['proofRoot']}").body.decode().split())
    assert (
        f"The earlier log had {sizes[0]} signed entries; the backup had {sizes[1]} of them" in newer
        and "frozen" not in newer
    )
    gone = f"after the backup from which this record was restored ({sizes[1]} of {sizes[0]} entries)"
    assert gone in server.public.verify(lost_lock["proofRoot"]).error["message"]
    assert gone in server.public.get(f"/verify/{lost_lock['proofRoot']}").body.decode()
    told = run_command(
        "receipt", "anna", "--period", "2026-02", folder=tmp_path,
        environment={"PACSPACE_BASE_URL": server.url, "PACSPACE_API_KEY": server.key or ""},
    ).stdout  # fmt: skip
    assert f"a backup with {sizes[1]} of {sizes[0]} entries of {renewed['frozen']}" in told
    for root in (january["proofRoot"], february["proofRoot"]):
        assert settled(server.public, root, "both")["verified"] is True
    log = server.public.get(f"/log/{renewed['frozen'].rpartition('/')[2]}/checkpoint")
    assert log.status == 200 and log.body.decode().splitlines()[1] == str(renewed["backupSize"])

    trust = trust_of(server, tmp_path)
    saved = [save(tmp_path, f"{number}.json", data) for number, data in enumerate([*files, after])]
    options = ("--trust", str(trust), "--allow-provisional")
    code, report = verify_alone(tmp_path, saved, *options)
    assert code == 0, report
    shown = run_command("verify", *map(str, saved), *options, folder=tmp_path).stdout
    assert shown.count(f"restoredFrom     a backup with {sizes[1]} entries of {renewed['frozen']}") == 1
    code, report = verify_alone(tmp_path, [*saved, save(tmp_path, "lost.json", lost)], *options)
    assert code == 1 and "LOST_IN_RESTORE" in str(report)
    fsck(server)


def test_a_second_restore_and_the_signing_folder_lost(start_server: START, tmp_path: Path) -> None:
    """A record that was restored before, and has lost its keys as well, goes on again; all three logs verify together."""
    server, _, files = billed(start_server)
    first = backup(server, "first.backup")
    server.client.emit("anna", -100).data
    server.client.receipt("anna", period="2026-02").data
    assert server.stop() == 0
    assert restore(server, first)[0] == 1
    new_log(server, "--yes")
    start(server)
    february = server.client.checkpoint("anna", period="2026-02").data
    files.append(server.client.bundle(february["checkpointId"]))
    server.client.clock(now="2026-03-10T00:00:00Z").data
    server.client.emit("anna", -3).data
    march = server.client.receipt("anna", period="2026-03").data
    files.append(server.client.bundle(march["checkpointId"]))
    second = backup(server, "second.backup")
    assert server.stop() == 0

    keys = signer_of(server)
    keys.rename(server.folder / "burnt")
    keys.mkdir()
    code, told = restore(server, second)
    assert code == 1 and "is missing" in told["logs"][0]["problem"], told
    renewed = {one["environment"]: one for one in new_log(server, "--yes")}
    assert renewed.keys() == {"sandbox", "production"}  # the key of the other one is lost too
    renewed = renewed["sandbox"]
    assert renewed["signedSize"] is None and (renewed["monthsKept"], renewed["monthsMoved"]) == (2, 1)
    start(server)
    march = server.client.checkpoint("anna", period="2026-03").data
    files.append(server.client.bundle(march["checkpointId"]))
    assert len({origin_of(data) for data in files}) == 3
    saved = [save(tmp_path, f"{number}.json", data) for number, data in enumerate(files)]
    code, report = verify_alone(tmp_path, saved, "--trust", str(trust_of(server, tmp_path)), "--allow-provisional")
    assert code == 0, report
    assert server.public.verify(february["proofRoot"], "both").data["verified"] is True
    fsck(server)


def test_a_backup_under_load_has_all_that_was_acknowledged_before(start_server: START) -> None:
    """Backups that are made while deltas come in restore to a sound record with every delta acknowledged before they began;
    a copy that is not behind goes on."""
    server = start_server("--sandbox-clock", FEBRUARY)
    acknowledged: list[str] = []
    stop = threading.Event()

    def emit(name: str) -> None:
        while not stop.is_set():
            try:
                acknowledged.append(server.client.emit(name, -1).data["recordId"])
            except BROKEN:
                return

    threads = [threading.Thread(target=emit, args=(f"cust_{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    try:
        deadline = time.monotonic() + 30
        while len(acknowledged) < 200 and time.monotonic() < deadline:
            time.sleep(0.01)
        before = list(acknowledged)
        file = backup(server, "loaded.backup")
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert len(before) >= 200
    assert server.stop() == 0
    last = backup(server, "last.backup")
    code, told = restore(server, last)
    assert code == 0 and told["willSign"] is True, told
    start(server)
    assert server.client.checkpoint("cust_0", period="2026-02").data["status"] == "VERIFIED"
    fsck(server)
    assert server.stop() == 0
    restore(server, file)
    new_log(server, "--yes")
    start(server)
    missing = [record for record in before if server.client.record(record).status != 200]
    assert missing == []
    fsck(server)


def test_a_lock_that_only_the_backup_knew(start_server: START) -> None:
    """The old proof root of a month that had to be locked anew is still known, and leads to the new one in words."""
    server, january, _ = billed(start_server)
    file = backup(server, "monday.backup")
    server.client.emit("anna", -100).data
    server.client.receipt("anna", period="2026-02").data
    assert server.stop() == 0
    restore(server, file)
    # The log's entries as if the backup had been made before they were published.
    size = (
        "UPDATE {}log SET published_size = 0, seal = NULL WHERE id = 1"  # a row without a seal is of an earlier version
    )
    notes = "DELETE FROM {}log_checkpoint WHERE log_id = 1"
    for text in (size, notes):
        if POSTGRES:
            shared_cluster().sql(server.database.rpartition("/")[2], text.format("pacspace."))
        else:
            import apsw

            connection = apsw.Connection(server.database.removeprefix("sqlite:///"))
            connection.execute(text.format(""))
            connection.close()
    (renewed,) = new_log(server, "--yes")
    assert (renewed["monthsKept"], renewed["monthsMoved"], renewed["lockedAnew"]) == (0, 2, 1)
    start(server)
    verdict = server.public.verify(january["proofRoot"]).data
    assert verdict["verified"] is False and "restored from a backup" in verdict["message"]
    now = server.client.receipt("anna", period="2026-01").data
    assert verdict["proofRoot"] == now["proofRoot"] != january["proofRoot"]
    assert now["proofRoot"] in verdict["message"] and now["checkpointId"] == january["checkpointId"]
    assert settled(server.public, now["proofRoot"], "both")["verified"] is True
    assert server.public.get(f"/verify/{january['proofRoot']}").status == 200
    fsck(server)


def test_a_signing_folder_from_a_copy_is_given_up_by_hand(start_server: START, tmp_path: Path) -> None:
    """Database and signing folder both came back from copies that fit: nothing shows it, so the operator says so, and
    the record goes on under a new key that names the old log."""
    server, _, _ = billed(start_server)
    origin = server.client.get("/readyz").data["logs"]
    server.stop()
    assert new_log(server) == []
    told = new_log(server, "--lost-signing-folder", "--yes")
    assert [one["environment"] for one in told] == ["sandbox"]
    start(server)
    after = server.client.get("/readyz").data["logs"]
    assert set(after) != set(origin)
    fsck(server)


def test_what_backup_and_restore_refuse(start_server: START, tmp_path: Path) -> None:
    """A file that is there, a record that is there, a damaged file and another engine's are refused in words."""
    server = start_server("--sandbox-clock", FEBRUARY)
    server.client.emit("anna", -1).data
    file = backup(server, "monday.backup")
    again = server.run("backup", str(file))
    assert again.returncode == 2 and "--force" in again.stderr
    assert server.run("backup", str(file), "--force").returncode == 0
    assert server.run("backup", str(tmp_path / "nowhere" / "x")).returncode == 2
    of_the_record = [] if POSTGRES else ["record.db", "record.db-wal"]
    for name in [*of_the_record, str(signer_of(server) / "x.backup")]:
        own = server.run("backup", name, "--force", "--signer-dir", str(signer_of(server)))
        assert own.returncode == 2 and "is part of the record" in own.stderr, name
    there = run_command("restore", str(file), "--database", as_owner(server), folder=server.folder)
    served = run_command(
        "restore", str(file), "--replace", "--yes", "--database", as_owner(server), folder=server.folder
    )
    assert served.returncode == 3, served.stderr
    if not POSTGRES:
        assert server.stop() == 0
        there = run_command("restore", str(file), "--database", as_owner(server), folder=server.folder)
        assert there.returncode == 2 and "--replace" in there.stderr
        unasked = run_command("restore", str(file), "--replace", "--database", as_owner(server), folder=server.folder)
        assert unasked.returncode == 2 and "--yes" in unasked.stderr
        other = run_command(
            "restore", str(file), "--database", "postgresql://nobody@127.0.0.1:1/x", folder=server.folder
        )
    else:
        assert there.returncode == 3 and "CREATE DATABASE" in there.stderr
        other = run_command("restore", str(file), "--database", "sqlite:///x.db", folder=server.folder)
    assert other.returncode == 3 and "another kind of database" in other.stderr
    if not POSTGRES:
        (tmp_path / "empty.db").touch()
        empty = run_command("fsck", "--database", f"sqlite:///{tmp_path}/empty.db", folder=tmp_path)
        assert empty.returncode == 3 and "does not hold a record" in empty.stderr
        torn = bytearray((server.folder / "record.db").read_bytes())
        torn[4096 * 3 : 4096 * 3 + 100] = b"x" * 100
        (tmp_path / "torn.db").write_bytes(torn)
        damage = run_command("fsck", "--database", f"sqlite:///{tmp_path}/torn.db", folder=tmp_path)
        assert damage.returncode in (1, 3) and "Traceback" not in damage.stderr, damage.stderr
    damaged = tmp_path / "damaged.backup"
    damaged.write_bytes(file.read_bytes()[:-500])
    done = run_command("restore", str(damaged), "--database", "sqlite:///x.db", folder=tmp_path)
    assert done.returncode == 3 and not (tmp_path / "x.db").exists(), done.stderr


@pytest.mark.parametrize("side", ["test", "live"])
def test_a_log_that_may_go_on_is_left_alone(start_server: START, side: str) -> None:
    """`new-log` changes nothing where nothing is wrong."""
    server = start_server()
    assert server.stop() == 0
    assert new_log(server, "--yes", "--env", side) == []
    assert server.start().public.get("/readyz").data["unsigned"] == []
