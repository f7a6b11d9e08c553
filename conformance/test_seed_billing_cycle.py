"""The billing cycle of the second interface document, by the document's own code."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import requests
from testkit.server import Server, verify_alone

SEEDS = Path(__file__).parent / "seeds"
DOCUMENT = SEEDS / "004_f8431cc128021a1f.txt"
# As in the document's full example.
FLUSHES = [("2026-02-01", 420), ("2026-02-02", 390), ("2026-02-03", 437)]


def python_snippets(text: str) -> list[str]:
    """The code below each line that says `python`, up to the next step's heading."""
    lines = text.split("\n")
    snippets = []
    for number, line in enumerate(lines):
        if line == "python":
            ends = (
                n for n in range(number + 1, len(lines)) if re.match(r"(Step [0-9]|[A-Z][A-Za-z ]*\(SDK\)$)", lines[n])
            )
            snippets.append("\n".join(lines[number + 1 : next(ends)]))
    return snippets


def document_code(server: Server) -> str:
    """Every Python snippet, verbatim but for the key and the base URL."""
    code = "\n".join(python_snippets(DOCUMENT.read_text("utf-8")))
    for placeholder, value in (("YOUR_API_KEY", server.key or ""), ("https://app.pacspace.io", server.url)):
        assert code.count(placeholder) == 1
        code = code.replace(placeholder, value)
    return code


def test_the_document_has_the_four_python_snippets_that_are_run() -> None:
    """Every line of Python in the second document is among the snippets that the next tests run."""
    text = DOCUMENT.read_text("utf-8")
    snippets = python_snippets(text)
    assert len(snippets) == text.split("\n").count("python") == 4
    functions = [name for snippet in snippets for name in re.findall(r"^def (\w+)", snippet, re.MULTILINE)]
    assert functions == ["flush_daily_usage", "get_usage", "lock_period", "generate_receipt"] == re.findall(
        r"^def (\w+)", text, re.MULTILINE
    )  # fmt: skip
    for snippet in snippets:
        compile(snippet, str(DOCUMENT), "exec")


def test_the_billing_cycle_of_the_document(start_server: Callable[..., Server], tmp_path: Path) -> None:
    """The document's code, run verbatim, bills 1,247 units in 3 deltas for $2.49, and anyone can verify it."""
    server = start_server("--sandbox-clock", "2026-02-03T18:00:00Z")
    document: dict[str, Any] = {}
    exec(compile(document_code(server), str(DOCUMENT), "exec"), document)
    for date, calls in FLUSHES:
        flushed = document["flush_daily_usage"]("cust_acme_001", date, calls)
        assert flushed["referenceId"] == f"usage:cust_acme_001:{date}" and flushed["delta"] == -calls
        assert flushed["reason"] == f"daily_usage_flush:{date}"

    usage = document["get_usage"]("cust_acme_001")
    assert usage == {"customer_id": "cust_acme_001", "total_usage_units": 1247, "verified_deltas": 3}

    locked = document["lock_period"]("cust_acme_001", "2026-02")
    again = document["lock_period"]("cust_acme_001", "2026-02")
    receipt = document["generate_receipt"]("cust_acme_001", "2026-02")
    assert locked["proofRoot"] == again["proofRoot"] == receipt["proofRoot"]
    assert re.fullmatch("0x[0-9a-f]{64}", receipt["proofRoot"])
    units = abs(receipt["finalBalance"])
    assert f"{units:,}" == "1,247" and receipt["deltaCount"] == 3
    assert f"${units * 0.002:.2f}" == "$2.49"
    assert [delta["delta"] for delta in receipt["deltas"]] == [-420, -390, -437]

    saved = tmp_path / "feb.json"
    saved.write_bytes(requests.get(receipt["bundleUrl"], timeout=30).content)
    origin = json.loads(saved.read_bytes())["head"]["origin"]
    key = requests.get(f"{server.url}/log/{origin.rpartition('/')[2]}/key", timeout=30).text.strip()
    code, report = verify_alone(tmp_path, [saved], "--key", key)
    assert code == 0, report
    (month,) = report["files"][0]["months"]
    assert (report["result"], month["total"], month["deltaCount"]) == ("locked-full", "-1247", 3)
    assert month["proofRoot"] == receipt["proofRoot"] and month["environment"] == "sandbox"

    verdict = requests.get(receipt["verificationApiUrl"], timeout=30).json()["data"]
    assert verdict["verified"] is True and verdict["summary"]["netChange"] == -1247


def test_the_flushes_may_be_run_again(start_server: Callable[..., Server]) -> None:
    """A flush that is run twice for the same day is counted once, also after the month was locked."""
    server = start_server("--sandbox-clock", "2026-02-03T18:00:00Z")
    document: dict[str, Any] = {}
    exec(compile(document_code(server), str(DOCUMENT), "exec"), document)
    for _ in range(2):
        for date, calls in FLUSHES:
            document["flush_daily_usage"]("cust_acme_001", date, calls)
        assert document["get_usage"]("cust_acme_001")["total_usage_units"] == 1247
        document["lock_period"]("cust_acme_001", "2026-02")
    assert document["generate_receipt"]("cust_acme_001", "2026-02")["deltaCount"] == 3


def test_the_verify_url_opens_without_a_key(start_server: Callable[..., Server]) -> None:
    """The receipt's verifyUrl is a page that anyone can open."""
    server = start_server("--sandbox-clock", "2026-02-03T18:00:00Z")
    server.client.emit("cust_acme_001", -420).data
    server.client.checkpoint("cust_acme_001", period="2026-02").data
    receipt = server.client.receipt("cust_acme_001", period="2026-02").data
    assert receipt["verifyUrl"].startswith(server.url)
    page = requests.get(receipt["verifyUrl"], timeout=30)
    assert page.status_code == 200 and page.headers["content-type"].startswith("text/html"), page.text[:300]
    assert "420" in page.text or receipt["proofRoot"] in page.text
