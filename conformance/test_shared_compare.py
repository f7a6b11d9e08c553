"""The customer's own list against the record: every line that differs is named, and nothing is guessed."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Iterator
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from testkit.command import run_command
from testkit.portal import Reader, Vendor
from testkit.server import Server, verify_alone

_names = count(1)
RECORDED = {"call-1": -100, "call-2": -250, "call-3": Decimal("-1234.5"), "call-4": 7}


@pytest.fixture(scope="module")
def vendor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vendor]:
    server = Server(tmp_path_factory.mktemp("compare")).start("--sandbox-clock", "2026-02-10T12:00:00Z")
    yield Vendor(server, server.new_key("test", "--scopes", "admin"))
    server.close()


@pytest.fixture
def reader(vendor: Vendor) -> Reader:
    """Somebody with an open link to four records of this month, one without a reference, and one of the month before."""
    name = f"cust_compare_{next(_names)}"
    client = vendor.server.client
    for reference, delta in RECORDED.items():
        client.emit(name, delta, "calls", referenceId=reference).data
    client.emit(name, -1, "calls").data
    client.emit(name, -9, "calls", referenceId="call-0", occurredAt="2026-01-09T00:00:00Z").data
    client.checkpoint(name, period="2026-01").data
    client.receipt(name).data
    handle = vendor.link(name)["customerHandle"]
    vendor.change(name, "sharing", {"sharingStateHint": "OPEN"})
    return Reader(vendor.server, handle)


def compared(reader: Reader, lines: str, **more: Any) -> Any:
    return reader.post("compare", {"lines": lines, **more}).data


def problems(reader: Reader, lines: str) -> dict[str, str]:
    """What is said about each line that can't be read."""
    reply = reader.post("compare", {"lines": lines})
    assert reply.status == 400, reply.body
    return {detail["field"]: detail["problem"] for detail in reply.error["details"]}


def test_a_long_list_is_read_only_from_whoever_may_compare(vendor: Vendor, reader: Reader) -> None:
    """Two megabytes that are no JSON are refused for what they are from a reader, and unread from anybody else."""
    kind, body = {"Content-Type": "application/json"}, b"{" * (2 << 20)
    stranger = Reader(vendor.server, f"cus_{'0' * 64}")
    assert reader.send("POST", f"{reader.api}/compare", body, kind).status == 400
    assert stranger.send("POST", f"{stranger.api}/compare", body, kind).status == 404


def test_exactly_the_lines_that_differ_are_named(reader: Reader) -> None:
    """Missing here, missing there, another amount, and twice in their file: each with its line, in both directions."""
    lines = "referenceId,delta\ncall-1,-100\ncall-2,-200\ncall-9,-3\ncall-1,-100\ncall-4,7\n"
    report = compared(reader, lines)
    assert [(e["referenceId"], e["delta"]) for e in report["missingInTheirs"]] == [
        ("call-3", Decimal("-1234.5")),
        (None, -1),
    ]
    assert report["missingInOurs"] == [{"referenceId": "call-9", "delta": -3, "line": 4}]
    (other,) = report["different"]
    assert (other["referenceId"], other["ourDelta"], other["theirDelta"], other["difference"], other["line"]) == (
        "call-2", -250, -200, 50, 3,
    )  # fmt: skip
    assert report["repeated"] == [{"referenceId": "call-1", "delta": -100, "line": 5}]
    assert (report["recordedTotal"], report["theirTotal"], report["difference"]) == (
        Decimal("-1578.5"), -396, Decimal("1182.5"),
    )  # fmt: skip
    assert (report["recordCount"], report["theirCount"], report["match"]) == (5, 5, False)
    # What is named makes up the whole difference.
    named = sum(e["difference"] for e in report["different"]) - sum(e["delta"] for e in report["missingInTheirs"])
    named += sum(e["delta"] for e in [*report["missingInOurs"], *report["repeated"]])
    assert named == report["difference"]


def test_a_month_of_its_own_is_compared(reader: Reader) -> None:
    """The list is held against the month that is named and no other; the same list matches."""
    january = compared(reader, "call-0,-9", period="2026-01")
    assert january["match"] and january["difference"] == 0 and january["period"] == "2026-01"
    assert compared(reader, "call-0,-9")["missingInOursCount"] == 1
    assert compared(reader, "call-0,-9", period="2019-01")["recordCount"] == 0


def test_a_total_alone_is_compared(reader: Reader) -> None:
    """A total needs no list; two ways at once are refused."""
    assert reader.post("compare", {"theirTotal": Decimal("-9"), "period": "2026-01"} | {"theirTotal": -9}).data["match"]
    report = reader.post("compare", {"theirTotal": -10, "period": "2026-01"}).data
    assert (report["match"], report["difference"], report["theirCount"], report["missingInTheirs"]) == (
        False,
        -1,
        None,
        [],
    )
    for body in ({}, {"theirTotal": 1, "lines": "a,1"}, {"period": "2026-01"}):
        assert reader.post("compare", body).status == 400


SAME = [
    "referenceId,delta\ncall-0,-9\n",
    "delta,referenceId\r\n-9,call-0\r\n",
    "\ufeffReference ID;Amount\ncall-0;-9,00\n",
    "when\tref\tquantity\n2026-01-09\tcall-0\t-9.000\n",
    'note,reference_id,amount\n"a, b",call-0,"-9.0"\n',
    "call-0,-9",
    "\n\nreferenceId,delta\n\ncall-0,\u22129\n\n",
    '[{"referenceId": "call-0", "delta": -9}]',
    '{"records": [{"reference": "call-0", "amount": "-9", "note": 1}]}',
    '{"referenceId": "call-0", "delta": -9.0}\n',
]


@pytest.mark.parametrize("lines", SAME)
def test_a_list_may_be_written_in_many_ways(reader: Reader, lines: str) -> None:
    """Order and names of columns, marks between cells, line ends, and JSON in three forms all say the same."""
    report = compared(reader, lines, period="2026-01")
    assert report["match"] and report["theirCount"] == 1


NUMBERS = {
    "1,234.5": "1234.5", "1.234,5": "1234.5", "1 234,5": "1234.5", "1\u00a0234.5": "1234.5", "1'234.5": "1234.5", "+1234.50": "1234.5",
    "1,234,567": "1234567", "1.234.567": "1234567", "12,5": "12.5", "0,125": "0.125", "1.234": "1.234", "-1,234.5": "-1234.5",
    "1234,567": "1234.567", "007": "7",
}  # fmt: skip


@pytest.mark.parametrize("written, meant", NUMBERS.items())
def test_numbers_are_read_where_they_mean_one_thing(reader: Reader, written: str, meant: str) -> None:
    """Marks between thousands and both kinds of decimal marks are understood when only one reading is possible."""
    report = compared(reader, f'referenceId,delta\nx,"{written}"\n')
    assert report["missingInOurs"][0]["delta"] == Decimal(meant)


def test_what_is_unclear_is_said_by_line(reader: Reader) -> None:
    """A number with two readings, no number, no reference, or too little: each line says what is the matter with it."""
    said = problems(reader, 'referenceId,delta\nok,1\na,"1,234"\nb,many\n,5\nc\nd,1.2.3\ne,"12,34,567"\n')
    assert list(said) == [f"line {number}" for number in range(3, 9)]
    assert "may be 1234 or 1.234" in said["line 3"] and "'many' is not a number" in said["line 4"]
    assert "no reference" in said["line 5"]
    assert "line 1" in problems(reader, "referenceId,amount,quantity\na,1,2") and "any of amount, quantity" in str(
        problems(reader, "referenceId,amount,quantity\na,1,2")
    )
    assert "no column is named referenceId" in problems(reader, "when,delta,who\n1,2,3")["line 1"]
    assert "not JSON" in str(problems(reader, '[{"referenceId": "a", "delta": 1}'))
    assert "line 2" in problems(reader, '{"referenceId": "a", "delta": 1}\n{"referenceId": "b"}')
    assert "must be a number" in problems(reader, '[{"referenceId": "a", "delta": null}]')["line 1"]
    assert "10^-9" not in str(problems(reader, "a,0.0000000001"))
    for empty in (" ", "\n\n", "referenceId,delta\n", "[]"):
        assert reader.post("compare", {"lines": empty}).status == 400


def test_opposite_signs_are_noticed_and_turned(reader: Reader) -> None:
    """A list that counts the other way round differs in each line, says so, and matches when it is turned."""
    lines = "call-0,9"
    report = compared(reader, lines, period="2026-01")
    assert (report["match"], report["oppositeSigns"]) == (False, 1)
    turned = compared(reader, lines, period="2026-01", turnSigns=True)
    assert turned["match"] and turned["theirTotal"] == -9


def test_notes_are_both_sides_own_and_bounded(vendor: Vendor, reader: Reader) -> None:
    """A note names its side, month and record, says that it isn't signed, and the customer leaves twenty a day."""
    (record,) = reader.get("activity", referenceId="call-1").data["records"]
    said = {"text": "Not ours.\nSee below.", "name": "Ada", "period": "2026-02", "recordId": record["recordId"]}
    note = reader.post("notes", said).data
    assert (note["by"], note["author"], note["text"], note["recordId"]) == (
        "customer",
        "Ada",
        said["text"],
        record["recordId"],
    )
    path = f"/dashboard/customers/{record['customerId']}/notes"
    answer = vendor.call("POST", path, {"text": "It is call-1.", "recordId": record["recordId"]}).data
    both = reader.get("notes").data
    assert both["notes"] == [answer, note] == vendor.call("GET", path).data["notes"]
    assert "not part of the signed record" in both["about"]
    for bad in (
        {},
        {"text": ""},
        {"text": "x" * 2001},
        {"text": "x", "period": "2026"},
        {"text": "x", "recordId": "rec_1"},
    ):
        assert reader.post("notes", bad).status == 400
    for _ in range(19):
        assert reader.post("notes", {"text": "again"}).status == 201
    full = reader.post("notes", {"text": "again"})
    assert full.status == 429 and full.error["code"] == "RATE_LIMITED"
    assert vendor.call("POST", path, {"text": "The vendor may still answer."}).status == 201
    assert reader.get("activity", referenceId="call-1").data["records"] == [record]


def test_visits_say_who_looked_and_what_they_took(vendor: Vendor, reader: Reader) -> None:
    """Views, exports, comparisons and failed codes are listed with a shortened address; nothing of it names a person."""
    customer = reader.get("activity").data["records"][0]["customerId"]
    reader.get("summary").data
    reader.get("export", format="csv")
    compared(reader, "a,1")
    reader.give("222222")
    path = f"/dashboard/customers/{customer}/visits"
    for _ in range(200):
        seen = vendor.call("GET", path).data["visits"]
        if len(seen) == 4 and sum(visit["times"] for visit in seen) >= 5:
            break
    assert {(v["kind"], v["times"]) for v in seen} == {
        ("viewed", 2),
        ("exported", 1),
        ("compared", 1),
        ("code failed", 1),
    }
    assert {(v["address"], v["userAgent"]) for v in seen} == {("127.0.0.0/24", "Reader/1")}


def test_an_export_is_no_formula_and_exact(vendor: Vendor, reader: Reader) -> None:
    """No cell of the CSV begins a formula, amounts stay numbers, and JSON and CSV hold each record once, exactly."""
    client = vendor.server.client
    customer = reader.get("activity").data["records"][0]["customerId"]
    for number, start in enumerate(("=", "+", "-", "@", "\t", "\r")):
        client.emit(customer, Decimal("-0.000000001"), f"{start}SUM(1)", referenceId=f"{start}ref{number}").data
    text = reader.get("export", format="csv").body.decode()
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    for row in rows:
        assert row["environment"] == "SANDBOX"
        for name, cell in row.items():
            assert not cell.startswith(("=", "+", "@", "\t", "\r")) and (name == "delta" or not cell.startswith("-")), (
                row
            )
    assert [row["reason"] for row in rows[6:]] == [f"'{start}SUM(1)" for start in ("=", "+", "-", "@", "\t", "\r")]
    assert rows[-1]["delta"] == "-0.000000001"
    exported = json.loads(reader.get("export", format="json").body, parse_float=Decimal)
    assert [Decimal(row["delta"]) for row in rows] == [record["delta"] for record in exported["records"]]
    assert exported["environment"] == "sandbox" and len(exported["keyFingerprint"]) == 64
    january = reader.get("export", format="csv", period="2026-01").body.decode()
    assert [row["referenceId"] for row in csv.DictReader(io.StringIO(january))] == ["call-0"]
    one = json.loads(reader.get("export", format="json", period="2019-01").body)
    assert one["records"] == []


def test_the_bundle_verifies_alone(reader: Reader, tmp_path: Path) -> None:
    """The files in the archive pass the lone verifier and `pacspace verify`, together, with the keys beside them."""
    archive = reader.get("export", format="bundle")
    assert archive.headers["content-type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(archive.body)) as files:
        assert files.testzip() is None
        assert sorted(files.namelist()) == ["2026-01.json", "2026-02.json", "README.txt", "trust.txt"]
        files.extractall(tmp_path)
    assert (tmp_path / "README.txt").read_text().startswith("SANDBOX: a test, not a bill.")
    months, trust = [tmp_path / "2026-01.json", tmp_path / "2026-02.json"], str(tmp_path / "trust.txt")
    status, report = verify_alone(tmp_path, months, "--trust", trust, "--allow-provisional")
    assert status == 0 and [file["result"] for file in report["files"]] == ["locked-full", "provisional-full"]
    done = run_command("verify", "2026-01.json", "--trust", trust, folder=tmp_path)
    assert done.returncode == 0 and "SANDBOX" in done.stdout
    with zipfile.ZipFile(io.BytesIO(reader.get("export", format="bundle", period="2026-01").body)) as files:
        assert "2026-02.json" not in files.namelist()


def test_a_record_of_nothing_has_no_bundle(vendor: Vendor) -> None:
    """A customer without a record gets empty files and a 503 for the proofs that there can't be."""
    vendor.call("POST", "/dashboard/customers", {"customerId": "cust_empty", "displayName": "Empty"}).data
    reader = Reader(vendor.server, vendor.link("cust_empty")["customerHandle"])
    vendor.change("cust_empty", "sharing", {"sharingStateHint": "OPEN"})
    assert reader.get("summary").data["months"] == [] and reader.get("activity").data["records"] == []
    assert len(reader.get("export", format="csv").body.decode().splitlines()) == 1
    assert reader.get("export", format="bundle").status == 503
    for page in ("", "/activity", "/periods", "/compare", "/notes"):
        assert reader.open(page).status == 200
