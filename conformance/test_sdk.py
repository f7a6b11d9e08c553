"""The Python client against a real server: every call, in both forms, with the keys that its types promise."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from testkit.server import Server

from pacspace_sdk import (
    AsyncPacSpace,
    ConflictError,
    InvalidApiKeyError,
    NotFoundError,
    PacSpace,
    PacSpaceError,
    ScopeTooWideError,
    ValidationError,
    types,
)

CLOCK = "2026-04-27T12:00:00Z"
Call = Callable[..., Any]


@pytest.fixture(params=["blocking", "async"])
def call(request: pytest.FixtureRequest, start_server: Callable[..., Server]) -> Iterator[Call]:
    """Calls a client of one of the two forms, on a server of its own; `call.server` is that server."""
    server = start_server("--sandbox-clock", CLOCK)
    loop = asyncio.new_event_loop() if request.param == "async" else None
    clients: dict[Any, Any] = {}

    def run(name: str, *arguments: Any, key: str | None = None, **keywords: Any) -> Any:
        kind: Any = AsyncPacSpace if loop else PacSpace
        if key not in clients:
            clients[key] = kind(key or server.key, base_url=server.url, max_retries=0)
        method: Any = clients[key]
        for part in name.split("."):
            method = getattr(method, part)
        found = method(*arguments, **keywords)
        if loop is None:
            return list(found) if isinstance(found, Iterator) else found
        if hasattr(found, "__aiter__"):
            return loop.run_until_complete(read(found))
        return loop.run_until_complete(found) if inspect.isawaitable(found) else found

    run.server = server  # type: ignore[attr-defined]
    yield run
    for key in clients:
        run("close", key=key)
    if loop is not None:
        loop.close()


async def read(items: Any) -> list[Any]:
    return [item async for item in items]


def fits(value: Any, kind: Any) -> Any:
    """Asserts that a reply has each required key of its type, and no key that the type does not have."""
    missing, unknown = kind.__required_keys__ - value.keys(), value.keys() - kind.__annotations__.keys()
    assert not missing and not unknown, f"{kind.__name__}: missing {sorted(missing)}, unknown {sorted(unknown)}"
    return value


def test_recording(call: Call) -> None:
    """emit, emit_batch, their statuses, references, corrections and late usage, with the keys of their types."""
    first = fits(call("balance.emit", "c1", -1.5, "r", referenceId="a", metadata={"n": 1.25}), types.EmitReply)
    again = call(
        "balance.emit",
        {"customerId": "c1", "delta": Decimal("-1.50"), "reason": "r", "referenceId": "a", "metadata": {"n": 1.25}},
    )
    assert again["recordId"] == first["recordId"] and again["idempotent"] and not first["idempotent"]
    with pytest.raises(ConflictError) as conflict:
        call("balance.emit", "c1", -2, "r", referenceId="a")
    assert conflict.value.code == conflict.value.server_code == "REFERENCE_ID_CONFLICT" and conflict.value.request_id
    call("balance.emit", "c1", 5, "r", idempotency_key="k")
    with pytest.raises(ConflictError, match="Idempotency-Key"):
        call("balance.emit", "c1", 6, "r", idempotency_key="k")
    correction = call(
        "balance.emit", "c1", 0.5, "fix", adjusts={"referenceId": "a"}, occurred_at="2026-04-01T00:00:00Z"
    )
    assert correction["adjusts"] == {"recordId": first["recordId"]} and correction["occurredAt"].startswith(
        "2026-04-01"
    )
    batch = fits(
        call(
            "balance.emit_batch",
            [{"customerId": "c1", "delta": 1, "reason": "r"}, {"customerId": "c 1", "delta": 1, "reason": "r"}],
        ),
        types.BatchReply,
    )
    assert (batch["totalQueued"], batch["totalFailed"]) == (1, 1)
    fits(batch["results"][0], types.BatchResult)
    assert batch["results"][1].keys() >= types.BatchResult.__required_keys__
    waited = call("balance.emit_and_wait", "c1", 1, "r", timeout=30_000, poll_interval=20)
    assert fits(waited, types.DeltaStatus)["status"] == "VERIFIED"
    for ident in (first["recordId"], first["receiptId"]):
        assert fits(call("balance.delta_status", ident), types.DeltaStatus)["metadata"] == {"n": 1.25}
    assert call("balance.wait_for_verified", first["recordId"])["status"] == "VERIFIED"


def test_reading(call: Call) -> None:
    """derive and its helpers, compare, usage, gaps, customers: totals, pages and the keys of their types."""
    for number in range(5):
        call("balance.emit", "c1", number + 1, "r", referenceId=f"r{number}")
    call("balance.emit", "c2", -7, "r")
    derived = fits(
        call("balance.derive", "c1", include="deltas", limit=2, granularity="week", period="2026-04"), types.DeriveReply
    )
    assert derived["computedBalance"] == 15 and derived["pagination"]["total"] == 5
    fits(derived["deltas"][0], types.Delta)
    fits(derived["breakdown"][0], types.Bucket)
    fits(derived["scope"], types.ScopeView)
    assert [delta["delta"] for delta in call("balance.iter_deltas", "c1", limit=2)] == [1, 2, 3, 4, 5]
    assert [delta["delta"] for delta in call("balance.iter_deltas", "c1", limit=2, offset=3)] == [4, 5]
    assert call("balance.derive_current_month", "c1", starting_balance=Decimal("0.5"))["computedBalance"] == 15.5
    assert call("balance.derive_for_period", "c1", "2026-04")["deltaCount"] == 5
    for helper in ("derive_months_back", "derive_days_back"):
        assert fits(call(f"balance.{helper}", "c1", 2), types.DeriveReply)["scope"]["mode"] == "custom"
    after = call(
        "balance.derive", "c1", startingCheckpoint=derived["deltas"][1]["recordId"], startingCheckpointType="recordId"
    )
    assert after["computedBalance"] == 12
    report = call(
        "balance.compare", "c1", {"yours": 15, "theirs": 14}, their_records=[{"referenceId": "r0", "delta": 1}]
    )
    assert fits(report, types.CompareReply)["matchesYours"] and len(report["missingInTheirs"]) == 4
    assert fits(report["discrepancy"], types.Discrepancy)["resolution"] == "YOURS_MATCHES"
    assert call("balance.compare", {"customerId": "c1", "yourBalance": 15, "theirBalance": 15.01}, tolerance=0.01)[
        "match"
    ]
    assert fits(call("balance.usage"), types.UsageReply)["used"] == 6
    assert fits(call("balance.gaps", "c1", from_sequence=2), types.GapsReply)["missingCount"] == 0
    page = fits(call("balance.customers", search="c", limit=1), types.CustomerList)
    fits(page["customers"][0], types.Customer)
    fits(page["pagination"], types.NumberedPage)
    assert [row["customerId"] for row in call("balance.iter_customers", limit=1)] == ["c1", "c2"]
    customer = fits(call("balance.customer", "c1", period="2026-04", delta_limit=2), types.CustomerReply)
    fits(customer["recentActivity"]["items"][0], types.ActivityItem)
    fits(call("balance.list_webhook_deliveries", limit=5), types.DeliveryList)


def test_closing_a_month(call: Call) -> None:
    """checkpoint, job, lists, timeline, difference, receipts and verification, with the keys of their types."""
    call("balance.emit", "c1", -1.5, "april")
    call("balance.emit", "c2", -2, "april")
    interim = fits(call("balance.checkpoint", "c1"), types.CheckpointReply)
    assert not interim["locked"]
    april = fits(call("balance.checkpoint", "c1", period="2026-04", invoice_reference="inv"), types.CheckpointReply)
    assert april["locked"] and april["status"] == "VERIFIED" and april["invoiceReference"] == "inv"
    assert call("balance.checkpoint", "c1", {"period": "2026-04"})["proofRoot"] == april["proofRoot"]
    fits(call("sandbox.advance_clock", 5 * 86_400), types.ClockReply)
    call("balance.emit", "c1", -7, "may")
    preview = call("balance.checkpoint", None, period="2026-05", preview=True)
    assert [one["customerId"] for one in preview["checkpoints"]] == ["c1"] and preview["locked"] is False
    everyone = call("balance.checkpoint", period="2026-05")
    assert everyone["totals"]["deltaCount"] == 1
    assert fits(call("balance.checkpoint_job", everyone["jobId"]), types.JobReply)["status"] == "DONE"
    may = call("balance.checkpoint", "c1", period="2026-05")
    listed = fits(call("balance.list_checkpoints", customer_id="c1", limit=1), types.CheckpointList)
    fits(listed["checkpoints"][0], types.Checkpoint)
    timeline = fits(call("balance.checkpoint_timeline", "c1"), types.TimelineReply)
    assert [fits(month, types.TimelineMonth)["period"] for month in timeline["periods"]] == ["2026-04", "2026-05"]
    diff = fits(call("balance.diff_checkpoints", april["checkpointId"], may["checkpointId"]), types.DiffReply)
    assert diff["consistent"] and diff["difference"]["netChange"] == -5.5 and len(diff["deltas"]) == 1

    receipt = fits(call("balance.receipt", "c1", period="2026-04"), types.ReceiptReply)
    assert {**call("balance.invoice_proof", "c1", period="2026-04"), "generatedAt": 0} == {**receipt, "generatedAt": 0}
    assert fits(call("balance.receipt", "c2"), types.ReceiptReply)["proofRoot"] is None
    for root in (april["proofRoot"], april["checkpointId"]):
        for source in (None, "db", "chain", "both"):
            assert fits(call("verify", root, source), types.VerifyReply)["verified"] is True
    with pytest.raises(NotFoundError) as unknown:
        call("verify", "0x" + "00" * 32)
    assert unknown.value.server_code == "PROOF_NOT_FOUND"
    documents = call("receipts.list", "c1")
    assert [fits(one, types.ListedReceipt)["period"] for one in documents if one["locked"]] == ["2026-05", "2026-04"]
    document = fits(
        call("receipts.get", april["receiptId"], locale="de-DE", unit="calls", customer_display_name=False),
        types.ReceiptDocument,
    )
    assert (document["unit"], document["locale"]) == ("calls", "de-DE")
    check_files(call, document, [call("receipts.download", one["receiptId"]) for one in (april, may)])


def test_closing_everybodys_month(call: Call) -> None:
    """close_month locks a month for more customers than one reply has, and returns its job when it is done."""
    customers = [f"c{number}" for number in range(150)]
    call("balance.emit_batch", [{"customerId": name, "delta": -2, "reason": "r"} for name in customers])
    preview = fits(call("balance.close_month", "2026-04", preview=True), types.MonthReply)
    assert preview["totals"]["customers"] == 150 and not preview["locked"] and len(preview["checkpoints"]) == 150
    assert not call("balance.checkpoint_timeline", "c0")["periods"][0]["locked"]
    closed = fits(call("balance.close_month", "2026-04", poll_interval=20), types.MonthReply)
    assert (closed["status"], closed["locked"], closed["failed"]) == ("DONE", True, [])
    assert closed["totals"]["customers"] == 150 and closed["totals"]["netChange"] == -300
    assert call("balance.checkpoint_timeline", "c149")["periods"][0]["locked"]
    assert call("sandbox.clock") == fits(call("sandbox.clock"), types.ClockReply)
    call("sandbox.advance_clock", 5 * 86_400)
    call("balance.emit", "c1", 1, "r")
    few = fits(call("balance.close_month", "2026-05"), types.MonthReply)
    assert few["locked"] and [one["customerId"] for one in few["checkpoints"]] == ["c1"]
    with pytest.raises(ValidationError, match="period"):
        call("balance.close_month", "May")


def test_an_email_shows_what_was_corrected(call: Call) -> None:
    """Corrections and late lines stand apart, each once, with its dates; a correction names what it corrects."""
    april = call("balance.emit", "c1", -10, "r", referenceId="a1")
    fixed = call("balance.emit", "c1", 4, "fix", adjusts={"referenceId": "a1"})
    text = call("receipts.email_body", call("balance.receipt", "c1"))
    assert "Late" not in text and fixed["recordId"] not in text
    assert f"Corrections, counted above:\n  4, recorded 2026-04-27: corrects {april['recordId']} (a1)\n\n" in text
    call("balance.checkpoint", "c1", period="2026-04")
    call("sandbox.advance_clock", 5 * 86_400)
    happened = datetime(2026, 4, 20, 12, tzinfo=UTC)
    late = call("balance.emit", "c1", -3, "r", occurred_at=happened)
    call(
        "balance.emit",
        "c1",
        1,
        "fix",
        {"adjusts": {"recordId": april["recordId"]}, "occurredAt": "2026-04-21T00:00:00Z"},
    )
    made = call("balance.checkpoint", "c1", period="2026-05")
    for receipt in (call("balance.receipt", "c1", period="2026-05"), call("receipts.get", made["receiptId"])):
        text = call("receipts.email_body", receipt)
        assert (
            "\n\nCorrections, counted above:\n"
            f"  1, of 2026-04-21, recorded 2026-05-02: corrects {april['recordId']}\n"
            "\nLate lines of months that were already locked, counted above:\n"
            f"  -3, of 2026-04-20, recorded 2026-05-02: {late['recordId']}\n\nLook at it:"
        ) in text


def check_files(call: Call, document: Any, files: list[bytes]) -> None:
    """Receipt files verify offline, alone and together, and a changed one does not."""
    key = document["verification"]["verifierKey"]
    alone = fits(call("receipts.verify", files[0], trust=key), types.VerificationReport)
    assert alone["result"] == "locked-full" and alone["files"][0]["months"][0]["total"] == "-1.5"
    assert call("receipts.verify", files[0])["result"] == "undecided"
    together = call("receipts.verify", files, trust=key)
    assert together["result"] == "locked-full" and len(together["files"]) == 2 and together["sets"]
    assert call("receipts.verify", files[0].replace(b'"-1.5"', b'"-1.6"'), trust=key)["result"] == "refused"
    with pytest.raises(TypeError, match="download"):
        call("receipts.verify", document, trust=key)
    text = call("receipts.email_body", document)
    assert "-1.5 calls in 1 record, locked" in text and document["proofRoot"] in text and "SANDBOX" in text
    assert document["bundleUrl"] in text and document["verifyUrl"] in text


def test_the_sandbox_and_the_dashboard(call: Call) -> None:
    """The clock is held, advanced and let go, the sandbox emptied; customers are made with an admin key as token."""
    server: Server = call.server  # type: ignore[attr-defined]
    assert fits(call("sandbox.set_clock", "2026-07-01T00:00:00Z"), types.ClockReply)["held"]
    call("balance.emit", "c1", 1, "r")
    with pytest.raises(ValidationError, match="only goes forward"):
        call("sandbox.set_clock", "2026-06-01T00:00:00Z")
    assert fits(call("sandbox.reset"), types.ResetReply)["reset"]
    with pytest.raises(NotFoundError):
        call("balance.derive", "c1")
    assert call("sandbox.set_clock", None)["held"] is False
    token = {"dashboardToken": server.new_key("test", "--scopes", "admin")}
    made = call("customers.create", display_name="New", customer_id="n1", unit_label="calls", options=token)
    assert fits(made, types.CreatedCustomer)["displayName"] == "New" and made["unit"] == "calls"
    with pytest.raises(ConflictError) as taken:
        call("customers.create", display_name="New", customer_id="n1", options=token)
    assert taken.value.server_code == "CUSTOMER_ID_CONFLICT"
    generated = call("customers.create", display_name="Another", options=token)
    assert generated["customerId"] not in ("n1", "")
    with pytest.raises(PacSpaceError):
        call("customers.create", display_name="Nobody")
    live = server.new_key("live")
    with pytest.raises(PacSpaceError) as production:
        call("sandbox.reset", key=live)
    assert production.value.status_code == 403 and production.value.server_code == "FORBIDDEN"


def test_errors(call: Call) -> None:
    """What the server refuses arrives as the right class, with its code, its details and its request id."""
    call("balance.emit", "c1", 1, "r")
    with pytest.raises(InvalidApiKeyError):
        call("balance.usage", key="pk_test_nobody.nothing")
    with pytest.raises(NotFoundError) as unknown:
        call("balance.derive", "nobody")
    assert (unknown.value.code, unknown.value.server_code) == ("NOT_FOUND", "CUSTOMER_NOT_FOUND")
    with pytest.raises(ScopeTooWideError):
        call("balance.derive", "c1", startDate="2000-01-01", endDate="2026-01-01")
    with pytest.raises(ValidationError) as invalid:
        call("balance.emit", "c1", Decimal("0.1234567891"), "")
    assert {one["field"] for one in invalid.value.details} == {"delta", "reason"}
    assert invalid.value.request_id and invalid.value.request_path == "/api/v1/balance/delta"


def test_exact_amounts(start_server: Callable[..., Server]) -> None:
    """What is sent as Decimal comes back as the same Decimal with decimals=True, where a float has lost digits."""
    server = start_server("--sandbox-clock", CLOCK)
    amounts = [Decimal("999999999.999999999"), Decimal("0.000000001"), Decimal("-1000000000")]
    with PacSpace(server.key or "", base_url=server.url, decimals=True) as pac:
        for amount in amounts:
            assert pac.balance.emit("c", amount, "r")["delta"] == amount
        pac.balance.emit("c", 86.38000000000001, "r")
        balance = pac.balance.derive("c")
        assert balance["computedBalance"] == Decimal("86.38") and isinstance(balance["computedBalance"], Decimal)
        shown = [delta["delta"] for delta in pac.balance.iter_deltas("c")]
        assert shown == [*amounts, Decimal("86.38")] and all(isinstance(one, Decimal) for one in shown)
