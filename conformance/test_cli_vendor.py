"""The vendor's side of the command, as a person or a script uses it."""

from __future__ import annotations

import csv
import io
import json
import random
import re
import subprocess
import threading
import time
from collections.abc import Callable
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from testkit.command import COMMAND, run_command
from testkit.flaky import flaky
from testkit.server import Server, decode
from testkit.vendor import Vendor


@pytest.fixture
def vendor(server: Server, tmp_path: Path) -> Vendor:
    """On the server that tests share; its sandbox clock stands in February 2026."""
    return Vendor(server, tmp_path)


# ---------------------------------------------------------------- emit


def test_emit_records_an_exact_amount(vendor: Vendor, customer: str) -> None:
    """`emit` takes a negative amount as it stands, digit for digit, and says where it was recorded."""
    text = vendor.text("emit", customer, "-42.123456789", "compute_minutes")
    assert re.search(r"^recorded: -42\.123456789 for \S+, compute_minutes$", text, re.M)
    assert re.search(r"rec_[0-9a-f]{52}", text) and "2026-02" in text and "QUEUED" in text
    assert vendor.json("derive", customer)["computedBalance"] == Decimal("-42.123456789")
    smallest = vendor.run("--json", "emit", customer, "0.000000001", "usage")
    assert '"delta": 0.000000001' in smallest.stdout


def test_emit_sends_every_field(vendor: Vendor, customer: str) -> None:
    """Reference, metadata, instant and correction arrive as they were given."""
    first = vendor.json(
        "emit", customer, -5, "usage", "--reference", "-5", "--metadata", '{"n": 1.50, "id": 123456789012345678901}'
    )
    assert (first["referenceId"], first["metadata"]) == ("-5", {"n": Decimal("1.5"), "id": 123456789012345678901})
    second = vendor.json(
        "emit", customer, "2", "credit", "--adjusts", "-5", "--occurred-at", "2026-02-03T04:05:06+01:00"
    )
    assert second["adjusts"] == {"recordId": first["recordId"]}
    assert second["occurredAt"] == "2026-02-03T03:05:06.000000Z"
    third = vendor.json("emit", customer, "3", "credit", "--adjusts", first["recordId"])
    assert third["adjusts"] == {"recordId": first["recordId"]}


def test_emit_says_that_it_was_recorded_before(vendor: Vendor, customer: str) -> None:
    """The same reference again adds nothing and says so; another amount under it is refused with both values."""
    first = vendor.json("emit", customer, -7, "usage", "--reference", "r1")
    again = vendor.text("emit", customer, -7, "usage", "--reference", "r1")
    assert "already recorded, nothing was added" in again and first["recordId"] in again
    said = vendor.refused("emit", customer, -8, "usage", "--reference", "r1", code=3)
    assert "recorded -7, sent -8" in said
    assert vendor.json("derive", customer)["deltaCount"] == 1


def test_emit_waits_until_the_log_has_it(vendor: Vendor, customer: str) -> None:
    """With --wait the status is VERIFIED, with its place in the log."""
    told = vendor.json("emit", customer, -1, "usage", "--wait")
    assert told["status"] == "VERIFIED" and told["verificationReference"] is not None and told["verifiedAt"]


@pytest.mark.parametrize(
    ("arguments", "word"),
    [(["c", "-0", "r"], "0"), (["c", "1,5", "r"], "not a JSON number"), (["c", "-1.0123456789", "r"], "9 digits"),
     (["c", "2000000000", "r"], "1,000,000,000"), (["c", "-1", "r", "--metadata", "[1]"], "--metadata"),
     (["c", "-1", "r", "--metadata", '{"a":1,"a":2}'], "twice"), (["c", "-1", "r", "--occurred-at", "soon"], "soon"),
     (["c", "-1", "r", "--refrence", "x"], "--reference"), (["c", "-1"], "REASON"), (["c d", "-1", "r"], "customerId:"),
     (["c", "-1", ""], "reason:"), (["c", "-1", "r", "--adjusts", "nothing"], "nothing")],
    ids=str,
)  # fmt: skip
def test_emit_says_what_is_wrong(vendor: Vendor, arguments: list[str], word: str) -> None:
    """A mistake is named on stderr, with 2 for wrong use (3 for what is not there), and nothing is recorded."""
    said = vendor.refused("emit", *arguments, code=3 if "nothing" in arguments else 2)
    assert word in said


# ---------------------------------------------------------------- derive, compare


def test_derive_takes_each_scope(vendor: Vendor, customer: str) -> None:
    """A month, a window, the time after a record, and by default the current month."""
    first = vendor.json("emit", customer, -1, "usage", "--occurred-at", "2026-02-01T12:00:00Z")
    vendor.json("emit", customer, -2, "usage", "--occurred-at", "2026-02-02T12:00:00Z")
    vendor.json("emit", customer, -4, "usage", "--occurred-at", "2026-01-15T12:00:00Z")
    for options, balance in (
        ([], -3), (["--period", "2026-01"], -4), (["--from", "2026-02-02", "--to", "2026-02-03"], -2),
        (["--since", first["recordId"]], -6),
    ):  # fmt: skip
        assert vendor.json("derive", customer, *options)["computedBalance"] == balance
        assert re.search(rf"balance +{balance}$", vendor.text("derive", customer, *options), re.M)


def test_derive_says_what_is_wrong(vendor: Vendor, customer: str) -> None:
    """A scope that can't be read ends with 2 and its reason, an unknown customer with 3 and its name."""
    assert "2026-2" in vendor.refused("derive", customer, "--period", "2026-2", code=2)
    both = vendor.refused(
        "derive", customer, "--period", "2026-02", "--from", "2026-02-01", "--to", "2026-02-02", code=2
    )
    assert "period excludes" in both
    assert "need each other" in vendor.refused("derive", customer, "--from", "2026-02-01", code=2)
    assert customer in vendor.refused("derive", customer, code=3)


def test_compare_answers_with_its_exit_status(vendor: Vendor, customer: str) -> None:
    """0 when both match, 1 when one does not, with the difference; a tolerance is honoured."""
    vendor.json("emit", customer, "-12.5", "usage")
    assert vendor.json("compare", customer, "-12.5", "-12.50")["match"] is True
    off = vendor.run("compare", customer, "-12.5", -12)
    assert off.returncode == 1 and "differs by 0.5" in off.stdout and "your view matches" in off.stdout
    assert vendor.json("compare", customer, "-12.5", -12, code=1)["discrepancy"]["theirDifference"] == Decimal("0.5")
    assert vendor.run("compare", customer, "-12.5", -12, "--tolerance", "0.5").returncode == 0
    assert "YOURS" in vendor.refused("compare", customer, "twelve", "12", code=2)


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_compare_names_the_entries(vendor: Vendor, customer: str, form: str) -> None:
    """With their records each entry that differs or is missing on either side is named, whatever other columns they have."""
    for reference, delta in (("same", -1), ("other", -2), ("ours", "-3.25")):
        vendor.json("emit", customer, delta, "usage", "--reference", reference)
    theirs = [("same", "-1"), ("other", "-2.000000001"), ("theirs", "-9")]
    if form == "csv":
        text = "when,referenceId,delta\n" + "".join(f"x,{name},{delta}\n" for name, delta in theirs)
    else:
        text = "".join(f'{{"when": 1, "referenceId": "{name}", "delta": {delta}}}\n' for name, delta in theirs)
    (vendor.folder / f"theirs.{form}").write_text(text)
    options = [customer, "-6.25", "-12.000000001", "--their-records", f"theirs.{form}"]
    told = vendor.json("compare", *options, code=1)
    assert [entry["referenceId"] for entry in told["different"]] == ["other"]
    assert told["different"][0]["difference"] == Decimal("-0.000000001")
    assert [entry["referenceId"] for entry in told["missingInTheirs"]] == ["ours"]
    assert [entry["referenceId"] for entry in told["missingInOurs"]] == ["theirs"]
    text = vendor.run("compare", *options).stdout
    for words in (
        r"different +other +-2 +-2\.000000001",
        r"not in theirs +ours +-3\.25",
        r"not in the record +theirs +-9",
    ):
        assert re.search(words, text), text


def test_their_records_that_can_not_be_read_are_named(vendor: Vendor, customer: str) -> None:
    """A file of theirs without a referenceId, or with an amount that is none, is refused with its line."""
    (vendor.folder / "a.csv").write_text("id,delta\nx,1\n")
    assert "line 2: there is no referenceId" in vendor.refused(
        "compare", customer, 1, 1, "--their-records", "a.csv", code=2
    )
    (vendor.folder / "b.jsonl").write_text('{"referenceId": "x", "delta": 1}\n{"referenceId": "y", "delta": NaN}\n')
    assert "b.jsonl, line 2" in vendor.refused("compare", customer, 1, 1, "--their-records", "b.jsonl", code=2)
    assert "no.csv" in vendor.refused("compare", customer, 1, 1, "--their-records", "no.csv", code=2)


# ---------------------------------------------------------------- receipt


def test_receipt_for_people_and_as_a_file(vendor: Vendor, customer: str, server: Server) -> None:
    """The receipt shows totals, subtotals, late lines and SANDBOX; its file verifies with the command it prints."""
    vendor.json("emit", customer, "-10.25", "storage", "--occurred-at", "2026-01-05T00:00:00Z")
    vendor.json("emit", customer, "-20", "compute", "--occurred-at", "2026-01-06T00:00:00Z")
    vendor.json("checkpoint", customer, "--period", "2026-01", "--invoice", "inv-7", "--yes")
    vendor.json("emit", customer, "-3", "compute", "--occurred-at", "2026-01-07T00:00:00Z")
    text = vendor.text("receipt", customer, "--period", "2026-01", "--out", "receipt.json")
    assert text.startswith("*** SANDBOX")
    for words in (
        r"total +-30\.25 in 2 deltas",
        r"compute +1 +-20",
        r"storage +1 +-10\.25",
        "inv-7",
        r"locked, VERIFIED",
        "key fingerprint",
    ):
        assert re.search(words, text), (words, text)
    command = re.search(r"^  pacspace (verify .*)$", text, re.M)
    assert command is not None
    file, key = re.findall(r"'([^']+)'", command[1])
    verified = vendor.run("verify", file, "--key", key)
    assert verified.returncode == 0 and "locked-full" in verified.stdout
    assert [path.name for path in vendor.folder.iterdir()] == ["receipt.json"]
    late = vendor.text("receipt", customer, "--period", "2026-02")
    assert (
        "PROVISIONAL" in late and "late, because their own month was locked" in late and "2026-01-07T00:00:00Z" in late
    )
    told = vendor.json("receipt", customer, "--period", "2026-01", "--out", "again.json")
    assert told["file"] == "again.json" and told["finalBalance"] == Decimal("-30.25")
    assert (vendor.folder / "again.json").read_bytes() == server.client.bundle(told["receiptId"])
    for form, begins in (("pdf", b"%PDF-"), ("csv", b"\xef\xbb\xbfrecordId,")):
        said = vendor.text("receipt", customer, "--period", "2026-01", "--out", f"receipt.{form}")
        assert said.endswith(f"saved receipt.{form}\n") and "pacspace verify" not in said
        assert (vendor.folder / f"receipt.{form}").read_bytes().startswith(begins)


def test_a_receipt_file_that_can_not_be_written_leaves_nothing(vendor: Vendor, customer: str) -> None:
    """Without the folder, or without deltas in the scope, it ends with 3 and there is no file, not even a part of one."""
    vendor.json("emit", customer, -1, "usage")
    assert "nowhere" in vendor.refused("receipt", customer, "--out", "nowhere/receipt.json", code=3)
    vendor.json("emit", customer, -1, "usage", "--occurred-at", "2026-01-05T00:00:00Z")
    said = vendor.refused("receipt", customer, "--period", "2025-06", "--out", "receipt.json", code=3)
    assert "no deltas" in said and not list(vendor.folder.iterdir())


# ---------------------------------------------------------------- customers, customer


def test_customers_are_listed_and_searched(start_server: Callable[..., Server], tmp_path: Path) -> None:
    """The list shows balances, as many as asked for, and --all shows every customer over all pages."""
    server = start_server("--sandbox-clock", "2026-02-10T12:00:00Z")
    vendor = Vendor(server, tmp_path)
    assert "no customers yet" in vendor.text("customers")
    for part in range(2):
        names = [f"cust_{part}_{n:04}" for n in range(1000)]
        server.client.batch([{"customerId": name, "delta": Decimal("-0.5"), "reason": "u"} for name in names]).data
    text = vendor.text("customers")
    assert len(re.findall(r"^cust_\d_\d{4} +-0\.5 +1 +2026-02-10T12:00:00Z$", text, re.M)) == 25
    assert "25 of 2000; --all shows all" in text
    everyone = vendor.json("customers", "--all")
    assert len({c["customerId"] for c in everyone["customers"]}) == everyone["total"] == 2000
    found = vendor.json("customers", "--search", "1_0007", "--period", "2026-01")
    assert [(c["customerId"], c["computedBalance"]) for c in found["customers"]] == [("cust_1_0007", 0)]
    assert "no customer matches 'zzz'" in vendor.text("customers", "--search", "zzz")
    assert "2026-1" in vendor.refused("customers", "--period", "2026-1", code=2)


def test_customer_shows_recent_activity(vendor: Vendor, customer: str) -> None:
    """One customer: balances, what it was locked through, and the newest deltas first."""
    vendor.json("emit", customer, -4, "storage", "--occurred-at", "2026-01-05T00:00:00Z")
    vendor.json("emit", customer, "-6.5", "compute", "--reference", "r2")
    vendor.json("checkpoint", customer, "--period", "2026-01", "--yes")
    text = vendor.text("customer", customer)
    for words in (
        r"balance this month +-6\.5",
        r"all-time balance +-10\.5",
        r"locked through +2026-01",
        r"-6\.5 +compute +r2",
    ):
        assert re.search(words, text), text
    assert text.index("compute") < text.index("storage")
    assert vendor.json("customer", customer, "--period", "2026-01")["computedBalance"] == -4
    assert "nobody" in vendor.refused("customer", "nobody", code=3)


# ---------------------------------------------------------------- export


def test_export_writes_every_delta_of_a_scope(vendor: Vendor, customer: str, server: Server) -> None:
    """CSV and JSON lines hold each delta once, exactly, over many pages and months, also those posted late in between."""
    items = [
        {"customerId": customer, "delta": Decimal(f"-{n + 1}.000000001"), "reason": "a \"b\",\n;c", "referenceId": f"r{n}",
         "metadata": {"n": n} if n % 2 else None, "occurredAt": f"2026-0{1 + n % 2}-05T00:00:00Z"}
        for n in range(2500)
    ]  # fmt: skip
    for start in range(0, 2500, 1000):
        server.client.batch(items[start : start + 1000]).data
    rows = list(
        csv.DictReader(
            io.StringIO(vendor.run("export", customer, "--period", "2026-01", "--format", "csv").stdout, newline="")
        )
    )
    assert [row["referenceId"] for row in rows] == [f"r{n}" for n in range(0, 2500, 2)]
    assert all(
        row["delta"] == f"-{int(row['referenceId'][1:]) + 1}.000000001" and row["period"] == "2026-01" for row in rows
    )
    assert {row["reason"] for row in rows} == {'a "b",\n;c'}
    told = vendor.json(
        "export", customer, "--from", "2026-01-01", "--to", "2026-03-01", "--format", "jsonl", "--out", "all.jsonl"
    )
    assert told["deltas"] == 2500
    lines = [decode(line) for line in (vendor.folder / "all.jsonl").read_text().splitlines()]
    assert {line["recordId"]: line["delta"] for line in lines} == {
        delta["recordId"]: delta["delta"]
        for delta in server.client.all_deltas(customer, startDate="2026-01-01", endDate="2026-03-01")
    }
    part = vendor.run(
        "export", customer, "--from", "2026-02-05", "--to", "2026-02-05T00:00:00.000001Z", "--format", "jsonl"
    ).stdout
    assert len(part.splitlines()) == 1250
    none = vendor.run("export", customer, "--from", "2026-02-06", "--to", "2026-02-07", "--format", "csv").stdout
    assert len(none.splitlines()) == 1


def test_what_export_adds_is_not_taken_by_import(vendor: Vendor, customer: str) -> None:
    """An exported file is refused by import until the record's own columns are out; then each row is there already."""
    vendor.json("emit", customer, "-1.25", "usage", "--reference", "r1", "--metadata", '{"a": [1, 2.50]}')
    (vendor.folder / "out.csv").write_text(vendor.text("export", customer, "--format", "csv"))
    assert "recordId comes from the record" in vendor.refused("import", "out.csv", code=2)
    rows = list(csv.reader(io.StringIO((vendor.folder / "out.csv").read_text())))
    given = rows[0].index("recordId")
    with (vendor.folder / "given.csv").open("w", newline="") as file:
        csv.writer(file).writerows(row[:given] for row in rows)
    assert vendor.json("import", "given.csv")["alreadyThere"] == 1


# ---------------------------------------------------------------- all of them


def commands(folder: Path) -> list[list[str]]:
    """Every command, with those of its groups."""
    found = []
    for name in _listed(run_command("--help", folder=folder).stdout):
        inner = _listed(run_command(name, "--help", folder=folder).stdout)
        found += [[name, one] for one in inner] or [[name]]
    return found


def _listed(text: str) -> list[str]:
    return re.findall(r"^  ([a-z-]+) ", text.partition("Commands:\n")[2], re.M)


def test_every_command_has_an_example(tmp_path: Path) -> None:
    """The help of each command ends with an example that names it, and offers --json."""
    known = commands(tmp_path)
    assert ["import"] in known and ["keys", "create"] in known and len(known) > 15
    for words in known:
        text = run_command(*words, "--help", folder=tmp_path).stdout
        example = text.partition("Examples:\n")[2]
        assert f"pacspace {' '.join(words)}" in example or f"pacspace --json {' '.join(words)}" in example, text
        assert "--json" in text


def test_json_may_stand_behind_the_command(vendor: Vendor, customer: str) -> None:
    """--json is taken before and after the command's name, and gives the same one document."""
    vendor.json("emit", customer, -1, "usage", "--wait")
    before, after = vendor.run("--json", "derive", customer), vendor.run("derive", customer, "--json")
    assert json.loads(before.stdout) == json.loads(after.stdout)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_knows_the_commands(vendor: Vendor, shell: str) -> None:
    """The script says how to install it, and what it asks the command gives its names."""
    text = vendor.text("completion", shell)
    assert text.startswith("# To install: ") and "_PACSPACE_COMPLETE" in text
    asked = {"_PACSPACE_COMPLETE": "bash_complete", "COMP_WORDS": "pacspace close", "COMP_CWORD": "1"}
    program = "import sys; sys.argv = ['pacspace']; from pacspace_server.cli import main; main(prog_name='pacspace')"
    done = subprocess.run(
        [COMMAND[0], "-c", program], env=vendor.environment | asked, capture_output=True, text=True, timeout=60
    )
    assert "close-month" in done.stdout


READS = [["derive", "c"], ["customers"], ["customer", "c"], ["receipt", "c"], ["export", "c", "--format", "csv"]]
WRITES = [
    ["emit", "c", "-1", "r"],
    ["compare", "c", "1", "2"],
    ["checkpoint", "c"],
    ["close-month", "2026-01", "--yes"],
]


@pytest.mark.parametrize("arguments", READS + WRITES, ids=" ".join)
def test_without_a_key_that_is_known_it_says_so(vendor: Vendor, arguments: list[str]) -> None:
    """Without a key a command ends with 2 and names the setting; with an unknown one with 3 and the server's words."""
    vendor.environment["PACSPACE_API_KEY"] = "pk_test_0000.nothing"
    assert "API key" in vendor.refused(*arguments, code=3)
    vendor.environment["PACSPACE_API_KEY"] = ""
    assert "PACSPACE_API_KEY" in vendor.refused(*arguments, code=2)


# ---------------------------------------------------------------- the network fails


@pytest.mark.parametrize(
    "faults", [["lost"], ["unanswered"], ["unanswered", "lost", 503], [429], [503], [202, 202]], ids=str
)
def test_a_repeated_emit_records_once(server: Server, vendor: Vendor, customer: str, faults: list[str | int]) -> None:
    """Whatever the network does to it, one emit is one delta: it is sent again under its one key, after the time it is told."""
    with flaky(server.url) as network:
        network.faults = list(faults)
        told = Vendor(server, vendor.folder, network.url).run("--json", "emit", customer, "-2.5", "usage")
    assert told.returncode == 0, told.stderr
    assert len(network.seen) == len(faults) + 1
    assert len({request["key"] for request in network.seen}) == 1 and network.seen[0]["key"]
    assert "trying again" in told.stderr and decode(told.stdout)["delta"] == Decimal("-2.5")
    balance = vendor.json("derive", customer)
    assert (balance["deltaCount"], balance["computedBalance"]) == (1, Decimal("-2.5"))


def test_the_clock_is_not_advanced_twice(start_server: Callable[..., Server], tmp_path: Path) -> None:
    """What must not happen twice and has no key is not sent again after its answer was lost: it ends with 3 and says so."""
    server = start_server("--sandbox-clock", "2026-02-10T12:00:00Z")
    with flaky(server.url) as network:
        network.faults = ["unanswered"]
        said = Vendor(server, tmp_path, network.url).refused("clock", "advance", 60, code=3)
    assert len(network.seen) == 1 and network.url in said
    assert server.client.get("/api/v1/sandbox/clock").data["now"] == "2026-02-10T12:01:00.000000Z"


def test_reading_goes_on_over_one_connection(server: Server, vendor: Vendor, customer: str, rng: random.Random) -> None:
    """A command keeps its connection, and reads on over a new one when it breaks."""
    items = [{"customerId": customer, "delta": -1, "reason": "u"} for _ in range(1000)]
    for _ in range(5):
        server.client.batch(items).data
    while server.client.derive(customer).data["pendingCount"]:  # so that both exports show the same status
        time.sleep(0.05)
    with flaky(server.url) as network:
        through = Vendor(server, vendor.folder, network.url)
        whole = through.text("export", customer, "--format", "csv")
        assert len({request["from"] for request in network.seen}) == 1 and len(network.seen) > 5
        before = len(network.seen)
        network.faults = [""] * rng.randrange(1, before - 1) + ["lost"]
        again = through.run("export", customer, "--format", "csv")
        assert len({request["from"] for request in network.seen[before:]}) == 2
    same = again.stdout == whole  # pytest would spell the difference of so long a text for minutes
    assert same and len(whole.splitlines()) == 5001


def test_a_server_that_is_none_of_ours_is_told(vendor: Vendor, tmp_path: Path) -> None:
    """Whatever else answers at the URL, the command ends with 3 and words, not with a traceback."""
    (tmp_path / "in.csv").write_text("customerId,delta,reason\nc,-1,u\n")

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<html>hello</html>")

        do_POST = do_GET

        def log_message(self, *_: object) -> None:
            """Quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as other:
        threading.Thread(target=other.serve_forever, daemon=True).start()
        vendor.environment["PACSPACE_BASE_URL"] = f"http://127.0.0.1:{other.server_port}"
        said = [vendor.refused(*words, code=3) for words in (["derive", "c"], ["emit", "c", "-1", "u"])]
        said.append(vendor.run("import", "in.csv").stderr)
        other.shutdown()
    assert all("not from a PacSpace server" in one and "Traceback" not in one for one in said)


def test_a_server_that_stays_away_is_given_up(server: Server, vendor: Vendor, customer: str) -> None:
    """A command gives up after some seconds with 3, and says what it could not reach."""
    with flaky(server.url) as network:
        network.faults = [503] * 1000
        said = Vendor(server, vendor.folder, network.url).refused("emit", customer, -1, "usage", code=3)
    assert network.url in said and len(network.seen) > 2
