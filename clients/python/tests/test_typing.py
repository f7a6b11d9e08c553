"""What type checkers say of programs that use the client: right uses pass, each wrong use is found where it is."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from testkit import seed_snippets

ROOT = Path(__file__).parents[3]
BIN = Path(sys.executable).parent

RIGHT = """
import os
from datetime import datetime, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

from pacspace_sdk import AsyncPacSpace, ConflictError, PacSpace, Webhooks
from pacspace_sdk.client import TransportResponse
from pacspace_sdk.submission import SubmissionCoordinator
from pacspace_sdk.types import BatchReply, EmitOptions

pac = PacSpace.init("pk_test_a", base_url="http://a", max_retries=3, submission={"profile": "daily", "journal": "x"})
text: str = pac.balance.emit("c", 1, "r")["recordId"]
pac.balance.emit("c", Decimal("1.5"), "r", {"referenceId": "x", "metadata": {"a": [1]}, "adjusts": {"recordId": "y"}})
pac.balance.emit("c", 1.5, "r", reference_id="x", occurredAt=None, timeout=5)
pac.balance.emit({"customerId": "c", "delta": 1, "reason": "r", "referenceId": "x", "idempotencyKey": "k"})
now = datetime.now(timezone.utc)
pac.balance.emit("c", 1, "r", occurred_at=now)
pac.balance.emit_batch([{"customerId": "c", "delta": 1, "reason": "r", "occurredAt": now}])
pac.balance.derive("c", {"startDate": now, "endDate": "2026-06-01"})
pac.balance.queue_summary({"customerId": "c", "delta": 1, "windowStart": now, "windowEnd": now})
pac.sandbox.set_clock(now)
held: bool = pac.sandbox.clock()["held"]
closed = pac.balance.close_month("2026-05", {"pollInterval": 5}, preview=True, timeout=5)
reasons: "list[str]" = [one["code"] for one in closed["failed"]]
many = (closed["totals"]["deltaCount"], closed["failedCount"], closed["checkpoints"], closed["locked"])
pac.receipts.verify(Path("receipt.json"))
pac.receipts.verify([Path("receipt.json"), b"{}", "{}", {}])
options: EmitOptions = {"idempotencyKey": "k"}
pac.balance.emit("c", 1, "r", options)
count: int = pac.balance.derive("c", period="2026-05")["deltaCount"]
total: float = pac.balance.derive("c", {"startDate": "2026-05-01", "endDate": "2026-06-01", "limit": 5})["finalBalance"]
usage = abs(total) * 0.002
pac.balance.derive("c", {"startingCheckpoint": None, "startingCheckpointType": "proofRoot", "startingBalance": 0})
root: "str | None" = pac.balance.checkpoint("c", {"period": "2026-05"})["proofRoot"]
pac.balance.checkpoint(None, period="2026-05", preview=True)
report = pac.balance.compare("c", {"yours": 1, "theirs": 2}, {"period": "2026-05"}, their_records=[{"referenceId": "r", "delta": 1}])
resolution = report["discrepancy"]["resolution"] if report["discrepancy"] else None
pac.balance.compare({"customerId": "c", "yourBalance": 1, "theirBalance": 2})
names: "list[str]" = [row["customerId"] for row in pac.balance.iter_customers(search="a", limit=5)]
amounts: "list[float]" = [delta["delta"] for delta in pac.balance.iter_deltas("c", period="2026-05")]
pac.balance.queue_summary({"customerId": "c", "delta": 1, "windowStart": "2026-05-01", "windowEnd": "2026-05-02"})
accepted: int = pac.balance.flush_summaries({"maxItems": 5})["accepted"]
pac.balance.emit_batch([{"customerId": "c", "delta": 1, "reason": "r"}], idempotency_key="k")
pac.balance.emit_and_wait("c", 1, "r", {"timeout": 5, "pollInterval": 1, "httpTimeout": 5, "referenceId": "x"})
pac.receipts.verify(pac.receipts.download("chk_1"), trust="key")["result"].upper()
pac.customers.create(display_name="A", options={"dashboardToken": "t"})
pac.sandbox.set_clock(None)
pac.verify("0xab", "both")["verified"]
if pac.webhooks is not None:
    pac.webhooks.verify_from_headers({"a": ["b"]}, b"")["data"]["receiptId"]
Webhooks("whsec_a").verify("v1=", 5, "{}")["event"].upper()


def transport(method: str, url: str, headers: "dict[str, str]", body: "str | None", timeout_ms: int) -> TransportResponse:
    return TransportResponse(200, {}, b"")


with PacSpace("pk_test_a", transport=transport, decimals=True) as other:
    other.balance.usage()["remaining"]

try:
    pac.balance.emit("c", 1, "r")
except ConflictError as error:
    code: str = error.code
    key: "str | None" = error.idempotency_key


def submit(deltas: "list[dict[str, Any]]") -> BatchReply:
    return {"totalQueued": 0, "totalFailed": 0, "results": []}


SubmissionCoordinator(submit_batch=submit, options={"autoStart": False}).queue_summary({"customerId": "c", "delta": 1})


async def run() -> None:
    async with AsyncPacSpace("pk_test_a") as pac:
        text: str = (await pac.balance.emit("c", 1, "r", {"referenceId": "x"}))["recordId"]
        count: int = (await pac.balance.derive("c", period="2026-05"))["deltaCount"]
        async for delta in pac.balance.iter_deltas("c"):
            amount: float = delta["delta"]
        await pac.balance.queue_summary({"customerId": "c", "delta": 1})
        await pac.balance.shutdown_summary_scheduler()
        await pac.verify("0xab")
        (await pac.receipts.download("chk_1")).decode()
        pac.receipts.email_body({})
        await pac.shutdown()
"""
# Each is one line that must be found wrong, for the blocking client; the async one says `await` before it.
WRONG = [
    'pac.balance.emit("c", 1)',
    'pac.balance.emit("c", "1", "r")',
    'pac.balance.emit(1, 1, "r")',
    'pac.balance.emit("c", 1, "r", {"refrenceId": "x"})',
    'pac.balance.emit("c", 1, "r", refrence_id="x")',
    'pac.balance.emit("c", 1, "r", {"metadata": [1]})',
    'pac.balance.emit({"customerId": "c", "delta": 1})',
    'pac.balance.emit({"customerId": "c", "delta": 1, "reason": "r", "note": "x"})',
    'pac.balance.emit_batch([{"customerId": "c", "delta": 1}])',
    'pac.balance.emit_batch({"customerId": "c", "delta": 1, "reason": "r"})',
    'pac.balance.emit_and_wait("c", 1, "r", {"pollInterval": "1s"})',
    'pac.balance.derive()',
    'pac.balance.derive("c", {"perod": "2026-05"})',
    'pac.balance.derive("c", period=202605)',
    'pac.balance.derive("c", {"timePreset": "last_month"})',
    'pac.balance.derive("c", granularity="hour")',
    'pac.balance.derive_for_period("c")',
    'pac.balance.derive_months_back("c", "3")',
    'pac.balance.derive_months_back("c", 3, {"period": "2026-05"})',
    'pac.balance.compare("c", {"yours": 1})',
    'pac.balance.compare("c", {"yours": 1, "theirs": "2"})',
    'pac.balance.compare("c", {"yours": 1, "theirBalance": 2})',
    'pac.balance.checkpoint("c", {"period": 5})',
    'pac.balance.emit("c", 1, "r", occurred_at=5)',
    'pac.balance.emit("c", 1, "r", {"adjusts": "d1"})',
    'pac.balance.close_month()',
    'pac.balance.close_month("2026-05", invoice_reference="x")',
    'pac.balance.close_month("2026-05", {"preview": "yes"})',
    'pac.balance.customers({"serach": "x"})',
    'pac.balance.queue_summary({"customerId": "c"})',
    'pac.balance.queue_summary({"customerId": "c", "delta": 1, "windowstart": "x"})',
    'pac.balance.flush_summaries({"maxItem": 1})',
    'pac.receipts.get(5)',
    'pac.customers.create("Acme")',
    'pac.customers.create(display_name="Acme", customerid="x")',
    'pac.sandbox.set_clock()',
    'pac.verify(7)',
]  # fmt: skip
# Wrong in the same way for both, and wrong uses of what comes back.
ALONE = [
    'PacSpace()', 'PacSpace.init("k", base="http://a")', 'PacSpace("k", timeout="5s")',
    'PacSpace("k", submission={"profil": "daily"})', 'Webhooks()', 'Webhooks("s").verify("v1=", 5)',
    'pac.balance.derive("c")["computedBalanc"]', 'pac.balance.emit("c", 1, "r").recordId',
    'pac.balance.emit("c", 1, "r")["recordId"] + 1', 'pac.balance.deriv("c")',
]  # fmt: skip
HEAD = "from pacspace_sdk import AsyncPacSpace, PacSpace, Webhooks\npac = PacSpace('pk_test_a')\n"
ASYNC_HEAD = "from pacspace_sdk import AsyncPacSpace\nasync def run(pac: AsyncPacSpace) -> None:\n"


def wrong_program() -> tuple[str, set[int]]:
    """A program whose every listed line is wrong, and the numbers of these lines."""
    lines = (HEAD + "\n".join([*WRONG, *ALONE])).split("\n")
    wrong = set(range(HEAD.count("\n") + 1, len(lines) + 1))
    start = len(lines)
    lines += (ASYNC_HEAD + "\n".join(f"    await {line}" for line in WRONG)).split("\n")
    return "\n".join(lines) + "\n", wrong | set(range(start + ASYNC_HEAD.count("\n") + 1, len(lines) + 1))


Lines = dict[str, set[int]]  # of each file, those that are found wrong


def mypy(folder: Path, names: list[str]) -> Lines:
    """With strict; without this project's settings, and with the packages as they are installed."""
    options = ["--strict", "--no-error-summary", "--config-file=", "--cache-dir", str(folder / "mypy")]
    command = [sys.executable, "-m", "mypy", *options, *names]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=folder)
    assert done.stderr == "", done.stderr
    found: Lines = {name: set() for name in names}
    for name, number in re.findall(r"^(\S+?):(\d+): error: ", done.stdout, re.MULTILINE):
        found[name].add(int(number))
    return found


def pyright(folder: Path, names: list[str]) -> Lines:
    command = [str(BIN / "pyright"), "--outputjson", "--pythonpath", sys.executable, *names]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=folder)
    found: Lines = {name: set() for name in names}
    for one in json.loads(done.stdout)["generalDiagnostics"]:
        if one["severity"] == "error":
            found[Path(one["file"]).name].add(one["range"]["start"]["line"] + 1)
    return found


@pytest.fixture(scope="module", params=[mypy, pyright], ids=["mypy", "pyright"])
def found(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Lines:
    """What a checker finds wrong in each program, in one run over all of them."""
    folder = tmp_path_factory.mktemp("programs")
    document = "headers: dict[str, str] = {}\nraw_body = ''\n" + "\n".join(seed_snippets.snippets())
    programs = {"right.py": RIGHT, "wrong.py": wrong_program()[0], "document.py": document}
    for name, text in programs.items():
        (folder / name).write_text(text)
    return request.param(folder, list(programs))  # type: ignore[no-any-return]


def test_right_uses(found: Lines) -> None:
    """Programs that are right are found right."""
    compile(RIGHT, "right", "exec")
    assert found["right.py"] == set()


def test_wrong_uses(found: Lines) -> None:
    """Each of 30 wrong uses, misspelled keys, wrong types and missing arguments, is found, in both forms, and no other line."""
    program, wrong = wrong_program()
    assert len(WRONG) >= 30
    lines = program.split("\n")
    assert [lines[number - 1] for number in sorted(wrong - found["wrong.py"])] == [], "not found"
    assert [lines[number - 1] for number in sorted(found["wrong.py"] - wrong)] == [], "found, but right"


def test_the_documents_code(found: Lines) -> None:
    """The interface document's snippets are right as they stand."""
    assert found["document.py"] == set()


def test_every_public_type_is_known() -> None:
    """pyright finds the type of each public name complete."""
    environment = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
    command = [str(BIN / "pyright"), "--ignoreexternal", "--outputjson", "--verifytypes", "pacspace_sdk"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment, cwd=ROOT / "clients")
    found = json.loads(done.stdout)["typeCompleteness"]
    incomplete = [symbol["name"] for symbol in found["symbols"] if symbol["isExported"] and not symbol["isTypeKnown"]]
    assert incomplete == [] and found["completenessScore"] == 1
    assert found["exportedSymbolCounts"]["withKnownType"] > 1_000
