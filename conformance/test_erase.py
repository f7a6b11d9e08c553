"""Erasing contexts: nothing of them is left in the files, and everything is proven as before."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from testkit.cluster import shared_cluster
from testkit.receipts import log_key, origin_of, save
from testkit.server import POSTGRES, Server, verify_alone

SECRET = "an-erasable-phrase"


def billed(start_server: Callable[..., Server]) -> Server:
    """Two locked months and an open one of a customer whose contexts hold a phrase, and a neighbour's."""
    server = start_server("--sandbox-clock", "2026-01-10T00:00:00Z")
    for month in ("01", "02", "03"):
        server.client.clock(now=f"2026-{month}-10T00:00:00Z").data
        for customer in ("anna", "bert"):
            fields = {"referenceId": f"{SECRET}-{month}", "metadata": {"note": f"{SECRET} {customer}"}}
            server.client.emit(customer, -7, reason=f"{SECRET} {month}", key=f"key-{month}", **fields).data
    for period in ("2026-01", "2026-02"):
        server.client.checkpoint("anna", period=period).data
    return server


def contexts(server: Server, customer: str) -> list[object]:
    return [
        delta["reason"] for delta in server.client.all_deltas(customer, startDate="2026-01-01", endDate="2026-04-01")
    ]


def in_files(server: Server, phrase: str) -> bool:
    """Whether a phrase is in the record; of SQLite, whether any file still holds a trace of it."""
    if POSTGRES:
        asked = f"SELECT count(*) FROM pacspace.delta WHERE position('{phrase}'::bytea IN context) > 0"
        return shared_cluster().sql(server.database.rpartition("/")[2], asked) != "0"
    return any(
        phrase.encode() in path.read_bytes() for path in Path(server.folder).glob("record.db*") if path.is_file()
    )


def test_an_erased_context_is_gone_and_the_receipt_verifies(
    start_server: Callable[..., Server], tmp_path: Path
) -> None:
    """After `erase` the contexts are gone (from a SQLite file without a trace), replies say dataPurged, and the locked month's file verifies as before."""
    server = billed(start_server)
    root = server.client.receipt("anna", period="2026-01").data["proofRoot"]
    assert in_files(server, f"{SECRET} anna")
    done = server.run("--json", "erase", "anna", "--yes")
    assert done.returncode == 0, done.stderr
    assert '"erased": 3' in done.stdout and f'"scrubbed": {"false" if POSTGRES else "true"}' in done.stdout
    assert not in_files(server, f"{SECRET} anna") and in_files(server, f"{SECRET} bert")
    assert contexts(server, "anna") == [None] * 3 and None not in contexts(server, "bert")
    receipt = server.client.receipt("anna", period="2026-01").data
    assert receipt["proofRoot"] == root and receipt["deltas"][0]["dataPurged"] is True
    assert receipt["subtotals"] == [{"reason": None, "count": 1, "total": -7}]
    assert server.public.verify(root, "both").data["verified"] is True
    bundle = server.client.bundle(receipt["checkpointId"])
    saved = save(tmp_path, "jan.json", bundle)
    code, report = verify_alone(tmp_path, [saved], "--key", log_key(server.client, origin_of(bundle)))
    assert code == 0 and len(report["files"][0]["months"][0]["withheld"]) == 1, report
    assert server.run("fsck").returncode == 0


def test_an_erased_delta_still_replays(start_server: Callable[..., Server]) -> None:
    """A retry of an erased delta, by key or reference, replays; another amount is a conflict that names no values."""
    server = billed(start_server)
    before = server.client.all_deltas("anna", period="2026-01")[0]
    assert server.run("erase", "anna", "--yes").returncode == 0
    fields = {"reason": f"{SECRET} 01", "referenceId": f"{SECRET}-01", "metadata": {"note": f"{SECRET} anna"}}
    again = server.client.emit("anna", -7, **fields)
    assert again.status == 200 and again.data["recordId"] == before["recordId"] and again.data["dataPurged"] is True
    keyed = server.client.emit("anna", -7, key="key-01", **fields)
    assert keyed.data["recordId"] == before["recordId"]
    conflict = server.client.emit("anna", -8, **fields)
    assert conflict.status == 409 and SECRET not in conflict.body.decode()
    theirs = [{"referenceId": f"{SECRET}-01", "delta": -7}]
    assert server.client.compare("anna", -7, -7, period="2026-01", theirRecords=theirs).data["missingInTheirs"] == []


def test_erasing_before_a_month_leaves_the_rest(start_server: Callable[..., Server]) -> None:
    """--before keeps the contexts from that month on; a second run finds nothing more."""
    server = billed(start_server)
    assert server.run_json("erase", "anna", "--before", "2026-03", "--yes")["erased"] == 2
    assert contexts(server, "anna") == [None, None, f"{SECRET} 03"]
    assert server.run_json("erase", "anna", "--before", "2026-03", "--yes")["erased"] == 0


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [(["nobody", "--yes"], 1, "no customer nobody"), (["anna"], 2, "--yes"), (["anna", "--before", "March", "--yes"], 2, "month"),
     (["anna", "--env", "live", "--yes"], 1, "production")],
    ids=lambda value: str(value),
)  # fmt: skip
def test_what_erase_refuses(start_server: Callable[..., Server], arguments: list[str], code: int, says: str) -> None:
    """An unknown customer, a missing confirmation and a wrong month are refused in words, and nothing is erased."""
    server = billed(start_server)
    done = server.run("erase", *arguments)
    assert (done.returncode, says in done.stderr) == (code, True), done.stderr
    assert None not in contexts(server, "anna")


def test_the_retention_setting(start_server: Callable[..., Server], monkeypatch: pytest.MonkeyPatch) -> None:
    """With retention_days a server erases what is older by the ledger clock, in every customer, and keeps the rest."""
    server = billed(start_server)
    server.client.clock(now="2026-03-20T00:00:00Z").data
    monkeypatch.setenv("PACSPACE_RETENTION_DAYS", "30")
    server.restart()
    deadline = time.monotonic() + 30
    while contexts(server, "bert")[0] is not None and time.monotonic() < deadline:
        time.sleep(0.05)
    for customer in ("anna", "bert"):
        assert contexts(server, customer) == [None, None, f"{SECRET} 03"]
    assert server.run("fsck").returncode == 0
    monkeypatch.setenv("PACSPACE_RETENTION_DAYS", "soon")
    assert server.stop() == 0
    refused = server.run("serve", "--port", "0")
    assert refused.returncode == 2 and "retention_days" in refused.stderr
