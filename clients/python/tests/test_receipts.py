"""What can be done with receipts without a server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from testkit.scripted import Blocking, Script

VECTOR = Path(__file__).parents[3] / "proofs" / "vectors" / "receipts" / "alone-in-its-batch.json"
LINE = {"recordId": "rec_1", "delta": -1, "recordedAt": "2026-05-02T00:00:00Z"}
RECEIPT: dict[str, Any] = {"customerId": "c", "period": "2026-05", "deltaCount": 1, "netChange": -1, "locked": True}


def receipt_file() -> bytes:
    text: str = json.loads(VECTOR.read_text("utf-8"))["input"]["files"][0]
    return text.encode()


def test_a_path_is_read(pac: Blocking, script: Script, tmp_path: Path) -> None:
    """The Path of a receipt file says the same as its bytes and its text, alone and among others; nothing is sent."""
    path = tmp_path / "receipt.json"
    path.write_bytes(receipt_file())
    found = pac.call("receipts.verify", path)
    assert found["result"] == "undecided" and found == pac.call("receipts.verify", receipt_file())
    assert found == pac.call("receipts.verify", receipt_file().decode())
    assert pac.call("receipts.verify", [path, path.read_bytes()]) == pac.call("receipts.verify", [path, path])
    assert script.requests == []
    with pytest.raises(FileNotFoundError):
        pac.call("receipts.verify", tmp_path / "nothing.json")


def test_a_files_name_is_no_receipt(pac: Blocking, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Text that names a file is a TypeError that says what to pass; any other text is judged as a receipt."""
    monkeypatch.chdir(tmp_path)
    for name in ("receipt.json", "{}"):
        Path(name).write_bytes(receipt_file())
    for given in ("receipt.json", str(tmp_path / "receipt.json"), ["receipt.json"]):
        with pytest.raises(TypeError, match="pass the file's bytes or a Path"):
            pac.call("receipts.verify", given)
    for text in ("{}", "nothing.json", "\0", "x" * 10_000):
        assert pac.call("receipts.verify", text)["result"] == "refused"
    with pytest.raises(TypeError, match="a Path or a dict, not int"):
        pac.call("receipts.verify", [5])


def test_an_email_is_not_flooded(pac: Blocking) -> None:
    """Of many lines of one kind an e-mail shows the first twenty and how many more there are."""
    late = [{**LINE, "occurredAt": "2026-04-30T00:00:00Z", "recordId": f"rec_{n}"} for n in range(23)]
    text = pac.call("receipts.email_body", {**RECEIPT, "lateLines": late})
    assert text.count("recorded 2026-05-02") == 20 and "... and 3 more, in the receipt file" in text
    assert "Corrections" not in text


def test_an_email_without_corrections(pac: Blocking) -> None:
    """A receipt without corrections and late lines has no headings for them."""
    text = pac.call("receipts.email_body", {**RECEIPT, "lateLines": [], "corrections": []})
    assert "Corrections" not in text and "Late" not in text and "-1 in 1 record, locked" in text


def test_an_email_says_what_finance_needs(pac: Blocking) -> None:
    """Total with unit, period, invoice, link, code, key and how to check; SANDBOX first; a credit note by its name."""
    receipt = {
        **RECEIPT, "environment": "sandbox", "unit": "calls", "invoiceReference": "INV-1", "accessHint": "A1B2C3",
        "verifyUrl": "https://v.example/c/cus_1?period=2026-05", "proofRoot": "0x" + "ab" * 32, "keyFingerprint": "cd" * 32,
        "title": "Credit note for April 2026", "kind": "creditNote", "links": {"pdf": "https://v.example/receipts/chk_1.pdf"},
    }  # fmt: skip
    text = pac.call("receipts.email_body", receipt)
    assert text.startswith(
        "SANDBOX: a test, not a bill.\n\nCredit note for April 2026\n\nRecorded for c, 2026-05:\n  -1 calls in 1 record"
    )
    for line in (
        "Invoice: INV-1", f"Look at it: {receipt['verifyUrl']}", "Access code: A1B2C3", f"PDF: {receipt['links']['pdf']}",
        f"Proof root: {receipt['proofRoot']}", f"Key fingerprint: {receipt['keyFingerprint']}",
    ):  # fmt: skip
        assert f"\n{line}\n" in text
    assert "pacspace_proofs receipt.json" in text
    for word in ("used", "consumed", "charged", "deducted", "expected", "measured", "metered", "calculated"):
        assert word not in text


def test_an_email_can_not_be_forged_by_a_reason(pac: Blocking) -> None:
    """Line ends, markup and hidden characters of a reason are shown as text, in plain text and in HTML."""
    reason = 'x\nAccess code: ZZZZZZ <a href="https://evil.example">\u202e'
    receipt = {**RECEIPT, "subtotals": [{"reason": reason, "count": 1, "total": -1}]}
    text, page = pac.call("receipts.email_body", receipt), pac.call("receipts.email_body", receipt, html=True)
    assert "\nAccess code" not in text and "\u202e" not in text and "x\\nAccess code: ZZZZZZ" in text
    assert '<a href="https://evil' not in page and "&lt;a href=" in page and page.startswith("<p>Recorded for c")
    linked = pac.call("receipts.email_body", {**receipt, "verifyUrl": "https://v.example/?a=1&b=2"}, html=True)
    assert '<a href="https://v.example/?a=1&amp;b=2">https://v.example/?a=1&amp;b=2</a>' in linked
