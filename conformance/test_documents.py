"""Receipts as documents: the forms agree on every amount, answer what finance asks, and run nothing that users wrote."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from babel.numbers import parse_decimal
from testkit.documents import Forms, condensed, forms_of, leaves, rows_of
from testkit.extent import times
from testkit.server import Client, Server

REASONS = ["compute_minutes", "storage, GB-hours", "=1+1", "Größe", "goodwill"]
NASTY = [
    "<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "#eval(read(1)) $x^2$ \\n *bold* _i_ `raw` // /* @me [a](b)",
    "=HYPERLINK(1,2)", "+1+1", "-1+1", "@SUM(1)", "\tx", "\rx", "\uff1d1", "W" * 200, "{{ 7*7 }}", "#" * 30,
]  # fmt: skip


def amount(rng: random.Random) -> Decimal:
    digits = rng.choice([0, 0, 2, 2, 4, 9])
    return Decimal(rng.randint(1, 10 ** rng.choice([3, 6, 9]))).scaleb(-digits) * rng.choice([-1, -1, -1, 1])


def usage(rng: random.Random, client: Client, customer: str, month: int, last_day: int, count: int) -> list[Any]:
    """Some usage of a month in 2026, and whatever the record makes of it when it is recorded now."""
    made = []
    for _ in range(count):
        day = f"2026-{month:02d}-{rng.randint(1, last_day):02d}T{rng.randint(0, 23):02d}:00:00Z"
        reference = {"referenceId": f"ref-{rng.random()}"} if rng.random() < 0.7 else {}
        made.append(client.emit(customer, amount(rng), rng.choice(REASONS), occurredAt=day, **reference).data)
    return made


def correct(rng: random.Random, client: Client, customer: str, made: list[Any], count: int) -> None:
    for record in rng.sample(made, count):
        client.emit(customer, amount(rng), "correction", adjusts={"recordId": record["recordId"]}).data


def check_agreement(forms: Forms, locale: str) -> None:
    """Page, PDF, CSV, JSON document and verified file have the same amounts, one by one and in sum."""
    signed = [(leaf["recordId"], Decimal(leaf["delta"])) for leaf in leaves(forms.bundle)]
    assert [(row["recordId"], Decimal(row["amount"])) for row in forms.csv] == signed
    assert forms.page.records == [delta for _, delta in signed]
    assert [(d["recordId"], d["delta"]) for d in forms.document["deltas"]] == signed
    for exact, written in forms.page.amounts:
        assert parse_decimal(written, locale.replace("-", "_")) == exact, written
    pdf, place = condensed(forms.pdf), 0
    for _, written in forms.page.amounts:  # the PDF has the same amounts, in the same order
        found = pdf.find(condensed(written), place)
        assert found >= 0, (written, pdf[place : place + 300])
        place = found + len(condensed(written))
    check_sums(forms, [delta for _, delta in signed])


def check_sums(forms: Forms, amounts: list[Decimal]) -> None:
    document, shown = forms.document, [exact for exact, _ in forms.page.amounts]
    total = sum(amounts, Decimal(0))
    debits, credits = (sum(part, Decimal(0)) for part in ([a for a in amounts if a < 0], [a for a in amounts if a > 0]))
    assert (document["netChange"], document["debits"], document["credits"]) == (total, debits, credits)
    assert shown[:6] == [total, document["broughtForward"], debits, credits, total, document["carriedForward"]]
    parts = document["parts"]
    assert shown[6:9] == [parts[name]["total"] for name in ("ordinary", "late", "corrections")]
    assert sum(part["total"] for part in parts.values()) == total == sum(s["total"] for s in document["subtotals"])
    for facts in forms.facts:
        assert (Decimal(facts["debits"]), Decimal(facts["credits"])) == (debits, credits)
        assert {s["reason"]: Decimal(s["total"]) for s in facts["subtotals"]} == {
            s["reason"]: s["total"] for s in document["subtotals"]
        }
    by_kind = {"late": Decimal(0), "corrections": Decimal(0), "ordinary": Decimal(0)}
    for row in forms.csv:
        kind = "corrections" if row["adjusts"] else "late" if row["late"] == "yes" else "ordinary"
        by_kind[kind] += Decimal(row["amount"])
    assert by_kind == {name: part["total"] for name, part in parts.items()}


@pytest.mark.parametrize("locale", ["en-US", "de-DE", "fr-FR", "hi-IN"])
def test_the_forms_agree(start_server: Callable[..., Server], rng: random.Random, locale: str) -> None:
    """Of generated months (late, correcting, erased, windows, empty, open) every form has every amount, exactly."""
    server = start_server("--sandbox-clock", "2026-02-28T23:30:00Z")
    client, customer = server.client, "cust_forms"
    february = usage(rng, client, customer, 2, 28, rng.randint(3, 12))
    client.clock(now="2026-03-05T09:00:00Z").data
    locked = client.checkpoint(customer, period="2026-02", invoiceReference="INV-1").data
    check_agreement(forms_of(client, locked["receiptId"], "locked-full", locale=locale), locale)
    late = usage(rng, client, customer, 2, 28, rng.randint(1, 4))
    assert all(record["latePosting"] for record in late)
    usage(rng, client, customer, 3, 4, rng.randint(1, 6))
    correct(rng, client, customer, february, 2)
    opened = client.receipt(customer, period="2026-03").data
    check_agreement(forms_of(client, opened["receiptId"], "provisional-full", locale=locale), locale)
    window = client.receipt(customer, startDate="2026-02-05", endDate="2026-03-02").data
    check_agreement(forms_of(client, window["receiptId"], "", locale=locale), locale)
    client.clock(now="2026-05-01T09:00:00Z").data
    client.checkpoint(customer, period="2026-03").data
    empty = client.checkpoint(customer, period="2026-04").data
    check_agreement(forms_of(client, empty["receiptId"], "locked-full", locale=locale), locale)
    assert server.run("--json", "erase", customer, "--before", "2026-03", "--yes").returncode == 0
    forms = forms_of(client, locked["receiptId"], "locked-full", locale=locale)
    check_agreement(forms, locale)
    assert {row["reason"] for row in forms.csv} == {""} and "(erased)" in forms.page.text and "(erased)" in forms.pdf


@pytest.fixture(scope="module")
def billed(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A customer with a unit and a name, a mixed March and an April of nothing but a correction; all forms of both."""
    server = Server(tmp_path_factory.mktemp("billed")).start("--sandbox-clock", "2026-02-10T09:00:00Z")
    token = {"Authorization": f"Bearer {server.new_key('test', '--scopes', 'admin')}"}
    body = {"displayName": "Globex Corporation", "customerId": "cust_globex", "unitLabel": "API calls"}
    server.public.post("/dashboard/customers", body, token).data
    client = server.client
    wrong = client.emit("cust_globex", -500, "api_calls", referenceId="feb-10").data
    client.emit("cust_globex", 25, "goodwill").data
    client.clock(now="2026-03-03T09:00:00Z").data
    client.checkpoint("cust_globex", period="2026-02").data
    client.emit("cust_globex", -7.5, "api_calls", occurredAt="2026-02-20T10:00:00Z", referenceId="feb-20").data
    client.emit("cust_globex", -100, "api_calls", referenceId="mar-3").data
    client.emit("cust_globex", 450, "too many counted", adjusts={"recordId": wrong["recordId"]}).data
    march = client.checkpoint("cust_globex", period="2026-03", invoiceReference="INV-0043").data
    client.clock(now="2026-04-02T09:00:00Z").data
    client.emit("cust_globex", 12, "credit note", adjusts={"recordId": wrong["recordId"]}).data
    april = client.checkpoint("cust_globex", period="2026-04").data
    client.emit("cust_globex", -3, "debit note", adjusts={"recordId": wrong["recordId"]}).data
    may = client.receipt("cust_globex", period="2026-05").data
    yield {
        "server": server,
        "march": forms_of(client, march["receiptId"], "locked-full", locale="en-GB"),
        "april": forms_of(client, april["receiptId"], "locked-full", locale="en-GB"),
        "open": forms_of(client, may["receiptId"], "provisional-full", locale="en-GB"),
    }
    server.close()


# What finance asks; which receipt; what must be said, by form. {} stands for the key's fingerprint.
ASKED: list[tuple[str, str, dict[str, str]]] = [
    ("what do the amounts count?", "march", {"page": "342.5 API calls", "pdf": "342.5 API calls", "csv": "API calls", "json": '"unit": "API calls"'}),
    ("who is it for?", "march", {"page": "Globex Corporation", "pdf": "Globex Corporation", "csv": "cust_globex", "json": "Globex Corporation"}),
    ("which month, and whose months are they?", "march", {"page": "March 2026, in UTC", "pdf": "March 2026, in UTC", "csv": "2026-03", "json": '"period": "2026-03"'}),
    ("what was opened with, and handed on?", "march", {"page": "Brought forward -475.0", "pdf": "Brought forward -475.0", "json": '"broughtForward": -475'}),
    ("debits apart", "march", {"page": "Debits (amounts below zero) 2 -107.5", "pdf": "Debits (amounts below zero) 2 -107.5", "json": '"debits": "-107.5"'}),
    ("credits apart", "march", {"page": "Credits (amounts above zero) 1 450.0", "pdf": "Credits (amounts above zero) 1 450.0", "json": '"credits": 450'}),
    ("subtotals per reason", "march", {"page": "api_calls 2 -107.5", "pdf": "api_calls 2 -107.5", "json": '"reason": "api_calls"'}),
    ("late lines apart, with their month", "march", {"page": "for February 2026, recorded 3 Mar 2026", "pdf": "for February 2026, recorded 3 Mar 2026", "csv": " yes ", "json": '"lateLines": [{'}),
    ("late lines' own subtotal", "march", {"page": "Late, for earlier months 1 -7.5", "pdf": "Late, for earlier months 1 -7.5", "json": '"late": {"count": 1, "total": "-7.5"}'}),
    ("what a correction corrects", "march", {"page": "No. 1 of February 2026 (feb-10)", "pdf": "No. 1 of February 2026 (feb-10)", "csv": "rec_", "json": '"adjusts": "rec_'}),
    ("corrections' own subtotal", "march", {"page": "Corrections 1 450.0", "pdf": "Corrections 1 450.0", "json": '"corrections": {"count": 1, "total": 450}'}),
    ("our invoice number", "march", {"page": "INV-0043", "pdf": "INV-0043", "csv": "INV-0043", "json": "INV-0043"}),
    ("is it final?", "march", {"page": "can’t change any more", "pdf": "LOCKED", "csv": "locked", "json": '"locked": true'}),
    ("is this one final?", "open", {"page": "PROVISIONAL", "pdf": "PROVISIONAL", "csv": "provisional", "json": '"provisional": true'}),
    ("is it a credit note, for which month?", "april", {"page": "Credit note for February 2026", "pdf": "Credit note for February 2026", "json": '"kind": "creditNote"'}),
    ("and when it is in the vendor's favour?", "open", {"page": "Debit note for February 2026", "pdf": "Debit note for February 2026", "json": '"kind": "debitNote"'}),
    ("is it real?", "march", {"page": "SANDBOX", "pdf": "SANDBOX", "csv": "sandbox", "json": '"environment": "sandbox"'}),
    ("whose key?", "march", {"page": "{}", "pdf": "{}", "csv": "{}", "json": "{}"}),
    ("how do we check it?", "march", {"page": "python -m pacspace_proofs receipt.json", "pdf": "python -m pacspace_proofs receipt.json", "json": "python -m pacspace_proofs receipt.json"}),
    ("what does it not prove?", "march", {"page": "It does not prove that the vendor’s meter was right", "pdf": "It does not prove that the vendor’s meter was right"}),
]  # fmt: skip


@pytest.mark.parametrize(("asked", "receipt", "says"), ASKED, ids=[asked for asked, _, _ in ASKED])
def test_finances_questions(billed: Any, asked: str, receipt: str, says: dict[str, str]) -> None:
    """What finance asks of a receipt is answered by each form that can."""
    forms: Forms = billed[receipt]
    for form, words in says.items():
        words = words.replace("{}", forms.document["keyFingerprint"])
        text = condensed(forms.text(form)) if form in ("pdf", "page") else forms.text(form)
        assert (condensed(words) if form in ("pdf", "page") else words) in text, (form, text[:3000])


def test_a_test_is_called_one_everywhere(billed: Any) -> None:
    """SANDBOX stands on every page of the PDF, in the names of both files, and first on the page; PROVISIONAL likewise."""
    for forms in (billed["march"], billed["april"], billed["open"]):
        assert all("SANDBOX" in page for page in forms.pages) and all("SANDBOX" in name for name in forms.names)
        assert forms.page.text.index("SANDBOX") < forms.page.text.index("Total recorded")
        assert all(forms.document["keyFingerprint"] in page for page in forms.pages)
        assert forms.pdf_title == forms.document["title"]
    assert all("PROVISIONAL" in page for page in billed["open"].pages)
    assert all("provisional" in name for name in billed["open"].names)
    assert not any("PROVISIONAL" in page for page in billed["march"].pages)


@pytest.mark.parametrize("receipt", ["march", "april", "open"])
def test_documents_only_say_recorded(billed: Any, receipt: str) -> None:
    """No form claims that anything was used, charged or measured, or calls anybody names."""
    forms: Forms = billed[receipt]
    for text in (forms.page.text, forms.pdf):
        found = re.findall(
            r"(?i)\bused\b|consum\w+|charged?\b|deduct\w*|\bexpected\b|measur\w+|\bmetered\b|calculat\w+|\bscores?\b|fraud",
            text,
        )
        assert found == [] and "recorded" in text


def test_a_page_is_for_everybody(billed: Any) -> None:
    """Each table has column and row headings, each image words, each section a name; there is one h1 and a main landmark."""
    elements = billed["march"].page.elements
    tags = [tag for tag, _ in elements]
    assert tags.count("h1") == 1 and tags.count("main") == 1 and tags.count("table") == tags.count("thead") == 6
    assert {given.get("scope") for tag, given in elements if tag == "th"} == {"col", "row"}
    assert all(given.get("alt") is not None for tag, given in elements if tag == "img")
    assert all("aria-label" in given or "aria-labelledby" in given for tag, given in elements if tag == "section")
    names = [given["id"] for _, given in elements if "id" in given]
    assert len(names) == len(set(names))
    assert {given["aria-labelledby"] for _, given in elements if "aria-labelledby" in given} <= set(names)


def test_what_users_write_is_only_shown(start_server: Callable[..., Server]) -> None:
    """Markup and formulas in any field a user fills are text in every form, and the text is there."""
    server = start_server("--sandbox-clock", "2026-02-10T09:00:00Z")
    token = {"Authorization": f"Bearer {server.new_key('test', '--scopes', 'admin')}"}
    client = server.client
    for number, text in enumerate(NASTY):
        name = f"cust_{number}"
        made = {"displayName": text, "customerId": name, "unitLabel": text[:40]}
        reply = server.public.post("/dashboard/customers", made, token)
        assert reply.status == 201, (text, reply.body)
        client.emit(name, -2, text, referenceId=text, metadata={"note": text}).data
        client.emit(name, -1, text, adjusts={"referenceId": text}).data
        locked = client.checkpoint(name, period="2026-02", invoiceReference=text[:255]).data
        check_harmless(forms_of(client, locked["receiptId"], "locked-full", unit=text[:40]), text)


def check_harmless(forms: Forms, text: str) -> None:
    tags = {tag for tag, _ in forms.page.elements}
    assert not tags & {"script", "style", "iframe", "object", "form"}
    assert all(not name.startswith("on") for _, given in forms.page.elements for name in given)
    assert all(
        str(given["src"]).startswith(("/static/", "data:")) for tag, given in forms.page.elements if tag == "img"
    )
    for row in forms.csv:
        for cell in row.values():
            assert not cell.startswith(("=", "+", "@", "\t", "\r", "\uff1d")), cell
            assert not cell.startswith("-") or re.fullmatch(r"-[0-9.]+", cell), cell
        assert row["reason"].removeprefix("'") == text
    shown = condensed(text.replace("\\", "\\\\").replace("\t", "\\t").replace("\r", "\\r"))
    assert condensed(forms.page.text).count(shown) >= 5
    if shown.isascii():  # whether other glyphs are there is up to the fonts of this machine
        assert shown in condensed(forms.pdf), (shown, forms.pdf)


def test_scripts_of_the_world_are_typeset(client: Client, customer: str) -> None:
    """Right-to-left and Chinese text is no obstacle to a PDF, and is whole in the other forms."""
    words = ["مرحبا بالعالم", "שלום עולם", "請求書の件", "नमस्ते", "a\u0301 \U0001f9fe"]
    for word in words:
        client.emit(customer, -1, word).data
    forms = forms_of(client, client.checkpoint(customer, period="2026-02").data["receiptId"], "locked-full")
    assert [row["reason"] for row in forms.csv] == words
    assert all(word in forms.page.text for word in words)
    assert "Total recorded" in forms.pdf


def test_a_reader_is_told_what_is_near(client: Client, customer: str) -> None:
    """An unknown language or zone is a 400 that names near ones, for the document, the PDF and the page."""
    client.emit(customer, -1, "usage").data
    receipt = client.checkpoint(customer, period="2026-02").data["receiptId"]
    for path in (f"/receipts/{receipt}.pdf", f"/api/v1/receipt/{receipt}", f"/api/v1/receipt/{receipt}.pdf"):
        problems = {
            d["field"]: d["problem"]
            for d in client.get(path, locale="de-DEE", timezone="Europe/Berln").error["details"]
        }
        assert "did you mean de-DE" in problems["locale"] and "Europe/Berlin" in problems["timezone"]
    page = client.get(f"/receipt/{receipt}", locale="de-DEE", timezone="Europe/Berln", colour="red")
    assert page.status == 400 and "de-DE" in page.body.decode() and "Europe/Berlin" in page.body.decode()
    assert "colour" in page.body.decode()


def test_zones_move_times_and_never_months(client: Client, customer: str) -> None:
    """In another zone instants are that zone's; the period stays the UTC month and says so."""
    client.emit(customer, -1, "usage", occurredAt="2026-02-01T01:30:00Z").data
    receipt = client.checkpoint(customer, period="2026-02").data["receiptId"]
    forms = forms_of(client, receipt, "locked-full", timezone="America/Los_Angeles", locale="en-GB")
    for text in (condensed(forms.page.text), condensed(forms.pdf)):
        assert condensed("31 Jan 2026, 17:30:00") in text
        assert (
            condensed("February 2026, in UTC as all periods; times on this document are in America/Los_Angeles") in text
        )
    assert forms.csv[0]["postedAt"] == "2026-02-01T01:30:00.000000Z"


def test_more_lines_than_a_document_holds(start_server: Callable[..., Server]) -> None:
    """The page shows the first 1,000 lines and where the others are; a PDF of over 3,000 has none, but all totals."""
    server = start_server("--sandbox-clock", "2026-02-10T09:00:00Z")
    client = server.client
    for part in range(4):
        client.batch([{"customerId": "many", "delta": -1 - n, "reason": f"r{part}"} for n in range(800)]).data
    receipt = client.checkpoint("many", period="2026-02").data["receiptId"]
    client.bundle(receipt)
    forms = forms_of(client, receipt, "locked-full")
    assert len(forms.page.records) == 1000 and "2,200 more lines" in forms.page.text
    assert len(forms.csv) == 3200 and sum(int(row["amount"]) for row in forms.csv) == -4 * 320_400
    assert "3,200 more lines: all are in the CSV" in forms.pdf.replace("\n", " ") and "-1,281,600" in forms.pdf
    assert "-320,400" in forms.pdf and len(forms.pages) <= 4


def test_a_csv_is_one_line_per_record(client: Client, customer: str) -> None:
    """The columns are those that are documented; every cell is spelled the canonical way."""
    made = client.emit(customer, -1.5, 'a "quoted", reason', referenceId="r-1", metadata={"a": 1}).data
    receipt = client.checkpoint(customer, period="2026-02").data
    (row,) = rows_of(client.get(f"/receipts/{receipt['receiptId']}.csv").body)
    assert row == {
        "recordId": made["recordId"], "sequence": "1", "postedAt": made["postedAt"], "recordedAt": made["recordedAt"],
        "occurredAt": "", "amount": "-1.5", "reason": 'a "quoted", reason', "referenceId": "r-1", "adjusts": "", "late": "no",
        "receiptId": made["receiptId"], "contentHash": made["contentHash"], "metadata": '{"a":1}', "customerId": customer,
        "period": "2026-02", "unit": "", "environment": "sandbox", "state": "locked", "invoiceReference": "",
        "proofRoot": receipt["proofRoot"], "keyFingerprint": client.receipt(customer, period="2026-02").data["keyFingerprint"],
    }  # fmt: skip
    for kind in ("pdf", "csv"):
        assert client.get(f"/receipts/{receipt['proofRoot']}.{kind}").error["code"] == "RECEIPT_NOT_FOUND"


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="the peak of another process is read from Linux")
def test_a_long_receipt_is_streamed(start_server: Callable[..., Server]) -> None:
    """All forms of 40,000 lines (or of 100,000) take hardly more memory of the server than those of 1,000; the PDF is short."""
    server = start_server("--sandbox-clock", "2026-02-10T09:00:00Z")
    ask_all_forms(server.client, locked_month(server.client, "short", 1), 1)
    thousands = times(40, 100)
    receipt = locked_month(server.client, "long", thousands)
    before = reset_peak(server)
    ask_all_forms(server.client, receipt, thousands)
    assert peak_bytes(server) - before < 15_000_000, "a form was held in memory"
    assert len(server.client.get(f"/receipts/{receipt}.pdf").body) < 1_000_000
    assert peak_bytes(server) - before < 30_000_000


def locked_month(client: Client, customer: str, thousands: int) -> str:
    """The receipt of a month of so many thousand lines, in the log."""
    for part in range(thousands):
        lines = [{"delta": -1, "reason": f"r{n % 7}", "referenceId": f"{part}-{n}"} for n in range(1000)]
        client.batch([{"customerId": customer, **line} for line in lines]).data
    receipt: str = client.checkpoint(customer, period="2026-02").data["receiptId"]
    client.bundle(receipt, "summary")
    return receipt


def ask_all_forms(client: Client, receipt: str, thousands: int) -> None:
    """Those that hold every line, and the page."""
    assert client.get(f"/receipts/{receipt}.csv").body.count(b"\r\n") == 1000 * thousands + 1
    assert client.bundle(receipt).count(b'"pacspace.delta.v1"') == 1000 * thousands
    assert client.get(f"/receipt/{receipt}").body.count(b"<tr>") >= 1000


def processes(server: Server) -> list[Path]:
    """The server's process and its workers."""
    assert server.process is not None
    first = Path(f"/proc/{server.process.pid}")
    return [first, *(Path(f"/proc/{pid}") for pid in (first / f"task/{first.name}/children").read_text().split())]


def reset_peak(server: Server) -> int:
    for process in processes(server):
        (process / "clear_refs").write_text("5")
    return peak_bytes(server)


def peak_bytes(server: Server) -> int:
    found = [re.search(r"VmHWM:\s+(\d+) kB", (process / "status").read_text()) for process in processes(server)]
    return sum(int(match[1]) * 1024 for match in found if match)
