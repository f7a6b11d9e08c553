"""The first interface document's Python, run as written against a real server."""

from __future__ import annotations

import ast
import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from testkit import seed_snippets
from testkit.server import Server

from pacspace_proofs.webhook import signed_headers
from pacspace_sdk import PacSpace

SECRET = "whsec_" + "c2VjcmV0IG9mIGEgdGVzdA=="
CLOCK = "2026-05-27T12:00:00Z"
EVENT = {
    "id": "evt_1", "event": "delta.verified", "timestamp": CLOCK, "createdAt": CLOCK, "tenantId": "wsp_1",
    "environment": "sandbox", "data": {"receiptId": "0x" + "ab" * 32, "delta": -42.5},
}  # fmt: skip


def run_document(server: Server, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Every snippet in order, in one namespace; only the key and the base URL are ours."""
    monkeypatch.setenv("PACSPACE_API_KEY", server.key or "")
    monkeypatch.setenv("PACSPACE_WEBHOOK_SECRET", SECRET)
    raw_body = json.dumps(EVENT)
    headers = {
        name.title(): value
        for name, value in signed_headers([SECRET], "evt_1", int(time.time()), raw_body.encode()).items()
    }
    code = "\n".join(seed_snippets.snippets())
    assert code.count("https://app.pacspace.io") == 1
    code = code.replace("https://app.pacspace.io", server.url)
    names: dict[str, Any] = {"headers": headers, "raw_body": raw_body}
    exec(compile(code, str(seed_snippets.DOCUMENT), "exec"), names)
    return names


def test_no_code_line_of_the_document_is_left_out() -> None:
    """Every line of Python in the first document is in a snippet, and every snippet is Python."""
    text = seed_snippets.DOCUMENT.read_text("utf-8")
    snippets, prose = seed_snippets.split(text)
    assert sum(map(len, snippets)) + len(prose) == len(text.split("\n"))
    assert [line for line in prose if seed_snippets.looks_like_code(line)] == []
    assert all(seed_snippets.looks_like_code(line) for line in ('"period": "2026-05",', ")", "pac.close()", "x = 1"))
    calls = [
        node
        for lines in snippets
        for node in ast.walk(ast.parse(seed_snippets.indented(lines)))
        if isinstance(node, ast.Call)
    ]
    assert len(snippets) == 12 and len(calls) == text.count("(") - sum(line.count("(") for line in prose)


def test_the_document_runs_as_written(
    start_server: Callable[..., Server], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each snippet does what the document says of it, with nothing changed but the key and the base URL."""
    server = start_server("--sandbox-clock", CLOCK)
    found = run_document(server, monkeypatch)
    printed = capsys.readouterr().out.splitlines()

    emit, verified = found["emit"], found["verified"]
    assert emit["status"] == "QUEUED" and emit["referenceId"] == "usage_2026_05_001" and emit["delta"] == -42.5
    assert printed[:3] == [emit["recordId"], emit["receiptId"], "QUEUED"]
    assert verified["status"] == "VERIFIED" and printed[3] == "VERIFIED"
    assert found["balance"]["computedBalance"] == -85 and found["balance"]["deltaCount"] == 2
    assert printed[4:6] == [str(found["balance"]["computedBalance"]), "2"]
    report = found["report"]
    assert (report["neutralBalance"], report["matchesYours"], report["matchesTheirs"]) == (-85, False, False)

    checkpoint, receipt = found["checkpoint"], found["receipt"]
    assert checkpoint["locked"] and checkpoint["deltaCount"] == 2 and checkpoint["status"] == "VERIFIED"
    assert receipt["proofRoot"] == checkpoint["proofRoot"] in printed
    assert receipt["verifyUrl"] and receipt["verificationApiUrl"].endswith(receipt["proofRoot"])
    assert {"accessHint", "customerLinkUrl", "customerLinkHost"} <= receipt.keys()
    assert found["pac"].verify(receipt["proofRoot"])["verified"] is True
    assert [one["customerId"] for one in found["customers"]["customers"]] == ["cust_acme"]
    assert found["customer"]["computedBalance"] == -85

    result = found["result"]
    assert (result["accepted"], result["submitted"], result["failed"]) == (1, 1, 0)
    assert found["event"] == EVENT and EVENT["data"]["receiptId"] in printed
    # The month is locked by now: what is recorded after it counts for June.
    june = found["pac"].balance.derive_for_period("cust_acme", "2026-06")
    assert june["computedBalance"] == -200 and june["deltaCount"] == 2
    assert found["pac"].balance.derive_for_period("cust_acme", "2026-05")["computedBalance"] == -85
    found["pac"].shutdown()


def test_the_error_classes_of_the_document(start_server: Callable[..., Server]) -> None:
    """What the document catches is what is raised, and everything is a PacSpaceError."""
    from pacspace_sdk import PacSpaceError, RateLimitError, ValidationError

    server = start_server("--sandbox-clock", CLOCK)
    with PacSpace.init(server.key or "", production_url=server.url, max_retries=0) as pac:
        with pytest.raises(ValidationError) as invalid:
            pac.balance.emit("cust acme!", -100, "usage")
        assert invalid.value.details[0]["field"] == "customerId" and isinstance(invalid.value, PacSpaceError)
        assert issubclass(RateLimitError, PacSpaceError) and RateLimitError().retry_after is None
