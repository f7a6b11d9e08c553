"""`pacspace checkpoint` and `pacspace close-month`: what is locked, what is asked before, what is said of it."""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest
from testkit.flaky import flaky
from testkit.server import Server
from testkit.vendor import Vendor

OLD = "2026-02-05T00:00:00Z"


@pytest.fixture
def vendor(server: Server, tmp_path: Path) -> Vendor:
    """On the server that tests share; its sandbox clock stands in February 2026."""
    return Vendor(server, tmp_path)


def billing(start_server: Callable[..., Server], folder: Path, customers: int) -> Vendor:
    """On a server of its own, in March, with one delta of each customer in February."""
    server = start_server("--sandbox-clock", "2026-03-02T12:00:00Z")
    names = [f"c{n:03}" for n in range(customers)]
    deltas = [{"customerId": name, "delta": Decimal("-1.5"), "reason": "u", "occurredAt": OLD} for name in names]
    server.client.batch(deltas).data
    return Vendor(server, folder)


def test_checkpoint_locks_only_a_named_month(vendor: Vendor, customer: str) -> None:
    """Without --period an interim root and nothing locked; with it the month, once, with the invoice on it."""
    vendor.json("emit", customer, -5, "usage", "--occurred-at", "2026-01-05T00:00:00Z")
    interim = vendor.text("checkpoint", customer)
    assert "nothing is locked" in interim and "PROVISIONAL" in interim
    locked = vendor.json("checkpoint", customer, "--period", "2026-01", "--invoice", "inv-1", "--yes")
    assert locked["locked"] is True and locked["invoiceReference"] == "inv-1"
    again = vendor.text("checkpoint", customer, "--period", "2026-01", "--invoice", "inv-1", "--yes")
    assert "2026-01 is already locked" in again and locked["proofRoot"] in again
    window = vendor.json("checkpoint", customer, "--from", "2026-01-01", "--to", "2026-02-01")
    assert window["locked"] is False


def test_a_lock_is_asked_for_on_a_terminal(vendor: Vendor, customer: str) -> None:
    """On a terminal a lock shows what it would lock and needs a yes; a no ends with 1 and locks nothing; --yes skips it."""
    vendor.json("emit", customer, "-5.5", "usage")
    lock = ["checkpoint", customer, "--period", "2026-02"]
    code, shown = vendor.on_terminal(*lock, typed="n\n")
    assert code == 1 and "(1 delta, -5.5)" in shown and "nothing was locked" in shown
    assert vendor.json("derive", customer)["latestCheckpoint"] is None
    code, shown = vendor.on_terminal(*lock, typed="y\n")
    assert code == 0 and "2026-02 is locked" in shown
    code, shown = vendor.on_terminal(*lock, "--yes")
    assert code == 0 and "already locked" in shown and "?" not in shown


def test_close_month_locks_everybody(start_server: Callable[..., Server], tmp_path: Path) -> None:
    """A preview locks nothing; then every customer's month is locked, by a job for many; doing it again changes nothing."""
    vendor = billing(start_server, tmp_path, 250)
    preview = vendor.json("close-month", "2026-02", "--preview")
    assert preview["totals"]["customers"] == 250 and preview["totals"]["netChange"] == -375
    text = vendor.text("close-month", "2026-02", "--preview")
    assert "Nothing was locked" in text and re.search(r"c000 +-1\.5 +1", text) and "... and 150 more" in text
    assert vendor.json("derive", "c000", "--period", "2026-02")["latestCheckpoint"] is None
    job = vendor.json("close-month", "2026-02", "--yes")
    assert (job["status"], job["done"], job["failedCount"], job["totals"]["netChange"]) == ("DONE", 250, 0, -375)
    assert vendor.json("checkpoint", "c249", "--period", "2026-02", "--yes")["idempotent"] is True
    assert job["idempotent"] is False
    assert "2026-13" in vendor.refused("close-month", "2026-13", "--yes", code=2)


def test_ctrl_c_leaves_the_job_to_the_server(start_server: Callable[..., Server], tmp_path: Path) -> None:
    """Ctrl-C while the month is closed ends with 3 and says how to see the rest; the server ends the job all the same."""
    server = start_server("--sandbox-clock", "2026-02-10T12:00:00Z")
    names = [f"c{n:03}" for n in range(300)]
    server.client.batch([{"customerId": name, "delta": -1, "reason": "u"} for name in names]).data
    with flaky(server.url) as network:
        network.held = "/jobs/"  # so the client still asks how far it is when Ctrl-C comes
        process = Vendor(server, tmp_path, network.url).start("close-month", "2026-02", "--yes")
        deadline = time.monotonic() + 60
        while not any("/jobs/" in request["path"] for request in network.seen):
            assert time.monotonic() < deadline and process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 3 and "Traceback" not in errors
    assert "`pacspace close-month 2026-02 --yes` shows its progress" in errors
    assert "300 customers" in Vendor(server, tmp_path).text("close-month", "2026-02", "--yes")


@pytest.mark.parametrize("lock", [["checkpoint", "c", "--period", "2026-02"], ["close-month", "2026-02"]], ids=" ".join)
def test_a_script_must_say_yes_to_a_lock(vendor: Vendor, server: Server, lock: list[str]) -> None:
    """Where nobody can be asked, a lock without --yes ends with 2 before anything is sent; the interim root needs none."""
    with flaky(server.url) as network:
        vendor.environment["PACSPACE_BASE_URL"] = network.url
        assert "a lock can't be undone: confirm with --yes" in vendor.refused(*lock, code=2)
        assert "confirm with --yes" in vendor.refused(*lock, "--json", code=2)
        assert not network.seen


def test_a_month_that_was_locked_before_is_told(start_server: Callable[..., Server], tmp_path: Path) -> None:
    """When everybody's month is locked already, each way to close it says so, asks nothing, and ends with 0."""
    vendor = billing(start_server, tmp_path, 2)
    assert vendor.text("close-month", "2026-02", "--yes") == "2026-02 is locked: 2 customers, 2 deltas, net change -3\n"
    again = vendor.text("close-month", "2026-02", "--yes")
    assert again == "2026-02 is already locked: 2 customers, 2 deltas, net change -3\n"
    assert vendor.json("close-month", "2026-02", "--yes")["idempotent"] is True
    already = "2026-02 is already locked for all customers with deltas in it"
    assert already in vendor.text("close-month", "2026-02", "--preview")
    code, shown = vendor.on_terminal("close-month", "2026-02")
    assert code == 0 and already in shown and "?" not in shown


def test_a_no_to_closing_a_month_locks_nothing(start_server: Callable[..., Server], tmp_path: Path) -> None:
    """On a terminal the question says how many customers and deltas would be locked; a no ends with 1 and locks nothing."""
    vendor = billing(start_server, tmp_path, 1)
    code, shown = vendor.on_terminal("close-month", "2026-02", typed="n\n")
    assert code == 1 and "1 customer, 1 delta, net change -1.5. Lock" in shown and "nothing was locked" in shown
    assert vendor.json("close-month", "2026-02", "--preview")["totals"]["customers"] == 1
    code, shown = vendor.on_terminal("close-month", "2026-02", typed="y\n")
    assert code == 0 and "2026-02 is locked: 1 customer" in shown


def test_a_month_of_nobody_is_not_closed(start_server: Callable[..., Server], tmp_path: Path) -> None:
    """A month in which nobody has deltas ends with 1 and says so, asked about or not; nothing is locked."""
    vendor = billing(start_server, tmp_path, 1)
    nobody = "2020-03 has no deltas; nothing was locked"
    for options in (["--yes"], ["--preview"], ["--yes", "--json"]):
        done = vendor.run("close-month", "2020-03", *options)
        assert done.returncode == 1 and not done.stderr, done.stderr
        assert ('"locked": false' if "--json" in options else nobody) in done.stdout
    code, shown = vendor.on_terminal("close-month", "2020-03")
    assert code == 1 and nobody in shown and "?" not in shown


def test_an_empty_month_has_no_root_of_its_own(vendor: Vendor, customer: str) -> None:
    """A checkpoint of an empty month before a locked one names the month whose root proves the gap; an empty month after it is locked itself."""
    vendor.json("emit", customer, -5, "usage", "--occurred-at", "2026-01-05T00:00:00Z")
    root = vendor.json("checkpoint", customer, "--period", "2026-01", "--yes")["proofRoot"]
    text = vendor.text("checkpoint", customer, "--period", "2025-03", "--yes", "--invoice", "inv-3")
    assert f"{customer}, 2025-03 is empty and has no root; the root of 2026-01 proves that it is empty" in text
    assert re.search(rf"root of 2026-01 +{root}", text) and "2025-03 is locked" not in text
    assert "invoiceReference can't change" in text and text.count("proves") == 1
    vendor.json("emit", customer, -5, "usage", "--occurred-at", "2026-02-05T00:00:00Z", "--reference", "later")
    assert "2026-01 is already locked" in vendor.text("checkpoint", customer, "--period", "2026-01", "--yes")


def test_an_empty_month_after_the_last_lock_is_locked(start_server: Callable[..., Server], tmp_path: Path) -> None:
    """It gets a root of its own, with 0 deltas, and is not mistaken for a gap."""
    vendor = billing(start_server, tmp_path, 1)
    first = vendor.json("checkpoint", "c000", "--period", "2026-02", "--yes")["proofRoot"]
    text = vendor.text("checkpoint", "c000", "--period", "2026-03", "--yes")
    assert "2026-03 is locked" in text and "0 in 0 deltas" in text and first not in text and "gap" not in text
