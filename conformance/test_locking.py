"""A locked month never moves."""

from __future__ import annotations

import random
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from testkit.chance import SEED
from testkit.receipts import accept, leaves_of, log_key, origin_of, save, set_checks, total_of
from testkit.server import Client, Server, in_threads, verify_alone


@pytest.fixture
def client(start_server: Callable[..., Server]) -> Client:
    """A server of the test's own, its sandbox clock in January 2026."""
    return start_server("--sandbox-clock", "2026-01-15T10:00:00Z").client


@pytest.fixture(scope="module")
def january(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A shared server whose sandbox clock stays in January 2026."""
    server = Server(tmp_path_factory.mktemp("january")).start("--sandbox-clock", "2026-01-15T10:00:00Z")
    yield server.client
    server.close()


def go_to(client: Client, instant: str) -> None:
    client.clock(now=instant).data


def test_a_locked_month_never_changes(client: Client) -> None:
    """After late, backdated and correcting deltas a locked month has the same root, total and file as before."""
    first = client.emit("c", -10, referenceId="r1").data
    go_to(client, "2026-02-02T00:00:00Z")
    locked = client.checkpoint("c", period="2026-01").data
    bundle = client.bundle(locked["checkpointId"])
    receipt = client.receipt("c", period="2026-01").data

    late = client.emit("c", -3, occurredAt="2026-01-20T12:00:00Z").data
    assert (late["period"], late["postedAt"], late["latePosting"]) == ("2026-02", "2026-02-01T00:00:00.000000Z", True)
    assert any("2026-01" in warning and "2026-02" in warning for warning in late["warnings"])
    backdated = client.emit("c", -4, occurredAt="2024-06-01T00:00:00Z").data
    assert (backdated["period"], backdated["latePosting"]) == ("2026-02", True)
    correcting = client.emit("c", 10, "credit", adjusts={"recordId": first["recordId"]}).data
    assert (correcting["period"], correcting["latePosting"]) == ("2026-02", False)
    assert correcting["adjusts"] == {"recordId": first["recordId"]}
    by_reference = client.emit("c", 1, "credit", adjusts={"referenceId": "r1"}).data
    assert by_reference["adjusts"] == {"recordId": first["recordId"]}

    again = client.checkpoint("c", period="2026-01").data
    assert again["proofRoot"] == locked["proofRoot"] and again["idempotent"] is True
    assert again["checkpointId"] == locked["checkpointId"]
    after = client.receipt("c", period="2026-01").data
    for field in ("proofRoot", "finalBalance", "deltaCount", "checkpointId", "debits", "credits", "subtotals"):
        assert after[field] == receipt[field]
    facts = accept(client, "locked-full", bundle, client.bundle(locked["checkpointId"]))
    assert facts[0]["proofRoot"] == facts[1]["proofRoot"] == locked["proofRoot"]
    assert client.derive("c", period="2026-01").data["computedBalance"] == -10
    february = client.derive("c", period="2026-02").data
    assert (february["computedBalance"], february["deltaCount"], february["broughtForward"]) == (4, 4, -10)
    shown = client.receipt("c", period="2026-02").data
    assert [line["recordId"] for line in shown["lateLines"]] == [late["recordId"], backdated["recordId"]]


def test_an_unlocked_earlier_month_takes_backdated_usage(client: Client) -> None:
    """Usage of an earlier month that is still open goes to that month, at the instant when it happened."""
    client.emit("c", -1).data
    go_to(client, "2026-03-05T10:00:00Z")
    for instant, period in (("2026-01-31T23:59:59.999999Z", "2026-01"), ("2026-02-01T00:00:00Z", "2026-02")):
        delta = client.emit("c", -1, occurredAt=instant).data
        assert (delta["period"], delta["latePosting"], delta["warnings"]) == (period, False, [])
        assert delta["postedAt"] == delta["occurredAt"]
    assert client.derive("c", period="2026-01").data["deltaCount"] == 2


@pytest.mark.parametrize(
    ("occurred", "ok"),
    [("2026-01-15T10:05:00Z", True), ("2026-01-15T10:05:00.000001Z", False), ("2023-01-01T00:00:00Z", True),
     ("2022-12-31T23:59:59Z", False), ("1970-01-21T13:00:00Z", False), ("2026-01-15T10:00:00.1234567Z", False),
     ("2026-02-30T00:00:00Z", False), ("2026-01-15", False), ("yesterday", False), ("58000-01-01T00:00:00Z", False)],
)  # fmt: skip
def test_occurred_at_has_bounds(january: Client, customer: str, occurred: str, ok: bool) -> None:
    """occurredAt may lie five minutes ahead and 36 months back; anything else is a 400 that names it."""
    reply = january.emit(customer, -1, occurredAt=occurred)
    assert reply.status == (201 if ok else 400)
    if not ok:
        assert reply.error["details"][0]["field"] == "occurredAt"


def test_the_turn_of_the_month_is_warned_about(client: Client) -> None:
    """A delta without occurredAt in a month's first six hours is warned about; with occurredAt it is not."""
    go_to(client, "2026-02-01T05:59:59Z")
    assert client.emit("c", -1).data["warnings"]
    in_january = client.emit("c", -1, occurredAt="2026-01-31T23:59:59.999999Z").data
    assert (in_january["warnings"], in_january["period"]) == ([], "2026-01")
    go_to(client, "2026-02-01T06:00:00Z")
    assert client.emit("c", -1).data["warnings"] == []


def test_only_a_named_period_locks(client: Client) -> None:
    """`{}`, a preset, a window, a receipt and reading lock nothing: usage still goes to the running month."""
    client.emit("c", -1).data
    scopes = [{}, {"timePreset": "current_month"}, {"startDate": "2026-01-01", "endDate": "2026-02-01"},
              {"timePreset": "custom", "startDate": "2025-01-01", "endDate": "2026-12-31"}]  # fmt: skip
    for scope in scopes:
        interim = client.checkpoint("c", **scope).data
        assert (interim["locked"], interim["status"]) == (False, "PROVISIONAL") and interim["proofRoot"]
    everyone = client.checkpoint().data
    assert [one["locked"] for one in everyone["checkpoints"]] == [False]
    client.receipt("c", period="2026-01").data
    after = client.emit("c", -1).data
    assert (after["period"], after["latePosting"]) == ("2026-01", False)
    assert not any(one["locked"] for one in client.get("/api/v1/balance/checkpoints").data["checkpoints"])


def test_an_interim_root_is_part_of_the_lock(client: Client) -> None:
    """A provisional file kept before the lock fits the locked month: it was only added to."""
    client.emit("c", -1).data
    interim = client.checkpoint("c").data
    kept = client.bundle(interim["checkpointId"])
    client.emit("c", -2).data
    locked = client.checkpoint("c", period="2026-01").data
    final = client.bundle(locked["checkpointId"])
    assert interim["proofRoot"] != locked["proofRoot"]
    accept(client, "provisional-full", kept, final)
    assert set_checks(client, kept, final)[11] == "ok"


def test_locking_a_month_locks_the_earlier_ones_first(client: Client) -> None:
    """Locking March locks January and February before it, says so, and their files link to each other."""
    client.emit("c", -1).data
    go_to(client, "2026-02-10T10:00:00Z")
    client.emit("c", -2).data
    go_to(client, "2026-04-01T10:00:00Z")
    client.emit("c", -4, occurredAt="2026-03-10T00:00:00Z").data
    locked = client.checkpoint("c", period="2026-03", invoiceReference="INV-3").data
    assert [one["period"] for one in locked["alsoLocked"]] == ["2026-01", "2026-02"]
    assert (locked["broughtForward"], locked["finalBalance"], locked["carriedForward"]) == (-3, -4, -7)
    assert locked["previousCheckpointId"] == locked["alsoLocked"][1]["checkpointId"]
    for one in locked["alsoLocked"]:
        read = client.checkpoint("c", period=one["period"]).data
        assert (read["proofRoot"], read["idempotent"], read["locked"]) == (one["proofRoot"], True, True)
    listed = client.get("/api/v1/balance/checkpoints", customerId="c").data["checkpoints"]
    assert sorted(one["period"] for one in listed) == ["2026-01", "2026-02", "2026-03"]
    bundles = [client.bundle(one["checkpointId"]) for one in (*locked["alsoLocked"], locked)]
    facts = accept(client, "locked-full", *bundles)
    assert facts[2]["invoiceReference"] == "INV-3"
    assert set_checks(client, *bundles) == {10: "ok", 11: "not applicable", 12: "ok", 13: "ok"}


def test_an_empty_month_after_the_last_locked_one_gets_a_tree(client: Client) -> None:
    """Locking a month without deltas gives a file of opening and closing leaf, with zero and what was brought forward."""
    client.emit("c", -5).data
    client.checkpoint("c", period="2026-01").data
    go_to(client, "2026-03-01T10:00:00Z")
    empty = client.checkpoint("c", period="2026-02").data
    assert (empty["deltaCount"], empty["finalBalance"], empty["locked"]) == (0, 0, True)
    assert (empty["broughtForward"], empty["carriedForward"]) == (-5, -5)
    bundle = client.bundle(empty["checkpointId"])
    (facts,) = accept(client, "locked-full", bundle)
    assert (facts["deltaCount"], total_of(facts), facts["proofRoot"]) == (0, 0, empty["proofRoot"])
    assert client.checkpoint("c", period="2026-02").data["proofRoot"] == empty["proofRoot"]
    assert client.verify(empty["proofRoot"]).data["verified"] is True


def test_a_month_that_was_passed_over_needs_no_tree(client: Client) -> None:
    """A month at or before the last locked one answers zero deltas and the next locked month, whose file proves the gap."""
    client.emit("c", -5).data
    go_to(client, "2026-04-10T10:00:00Z")
    client.emit("c", -7).data
    april = client.checkpoint("c", period="2026-04").data
    for passed_over in ("2026-02", "2026-03"):
        gap = client.checkpoint("c", period=passed_over).data
        assert (gap["period"], gap["deltaCount"], gap["finalBalance"]) == (passed_over, 0, 0)
        assert gap["proofRoot"] == april["proofRoot"] and gap["warnings"]
        assert client.derive("c", period=passed_over).data["deltaCount"] == 0
    before = client.checkpoint("c", period="2025-06").data
    assert before["deltaCount"] == 0 and before["proofRoot"] == april["alsoLocked"][0]["proofRoot"]
    (closing,) = leaves_of(client.bundle(april["checkpointId"]), "closing")
    assert closing["previousPeriod"] == "2026-01"


def test_nothing_is_posted_at_or_before_the_last_locked_month(client: Client) -> None:
    """After a lock of the running month usage is posted ahead, stays visible by default, and can be locked too."""
    client.emit("c", -1).data
    locked = client.checkpoint("c", period="2026-01").data
    assert any("has not ended" in warning for warning in locked["warnings"])
    ahead = client.emit("c", -2).data
    assert (ahead["period"], ahead["postedAt"], ahead["latePosting"]) == (
        "2026-02",
        "2026-02-01T00:00:00.000000Z",
        True,
    )
    default = client.derive("c").data
    assert (default["computedBalance"], default["scope"]["periods"]) == (-3, ["2026-01", "2026-02"])
    assert client.derive("c", period="2026-02").data["computedBalance"] == -2
    accept(client, "locked-full", client.bundle(client.checkpoint("c", period="2026-02").data["checkpointId"]))
    assert client.emit("c", -4).data["period"] == "2026-03"


def test_a_future_month_can_not_be_locked(client: Client) -> None:
    """A month that has not begun and holds nothing is a plain 400 that names `period`, and locks nothing."""
    client.emit("c", -1).data
    reply = client.checkpoint("c", period="2026-02")
    assert reply.status == 400 and reply.error["details"][0]["field"] == "period" and "code" not in reply.error
    assert client.derive("c", period="2026-02").status == 400
    assert client.emit("c", -1).data["period"] == "2026-01"


def test_an_unknown_customer_can_not_be_locked(client: Client) -> None:
    """Locking or correcting for a customer that was never recorded is a 404 and makes no customer."""
    assert client.checkpoint("nobody", period="2026-01").error["code"] == "CUSTOMER_NOT_FOUND"
    refused = client.emit("nobody", 1, adjusts={"referenceId": "r"})
    assert refused.status == 404 and refused.error["code"] == "RECORD_NOT_FOUND"
    assert client.derive("nobody").error["code"] == "CUSTOMER_NOT_FOUND"
    other = client.emit("somebody", -1, referenceId="r").data
    client.emit("another", -1).data
    for adjusts in ({"recordId": other["recordId"]}, {"referenceId": "r"}):
        assert client.emit("another", 1, adjusts=adjusts).status == 404


def test_months_verify_together_with_the_command(client: Client, tmp_path: Path) -> None:
    """`python -m pacspace_proofs jan.json feb.json mar.json` accepts three linked months and adds nothing itself."""
    saved = []
    for month, instant in (("2026-01", None), ("2026-02", "2026-02-12T00:00:00Z"), ("2026-03", "2026-03-12T08:00:00Z")):
        if instant:
            go_to(client, instant)
        for number in range(5):
            client.emit("c", Decimal(number + 1).scaleb(-1), f"reason {number % 2}").data
        locked = client.checkpoint("c", period=month).data
        saved.append(save(tmp_path, f"{month}.json", client.bundle(locked["checkpointId"])))
    key = log_key(client, origin_of(saved[0].read_bytes()))
    code, report = verify_alone(tmp_path, saved, "--key", key)
    assert code == 0 and report["result"] == "locked-full", report
    (together,) = report["sets"]
    assert {check["number"]: check["status"] for check in together["checks"]}[10] == "ok"
    code, report = verify_alone(tmp_path, [saved[0], saved[2]], "--key", key)
    skipped = {check["number"]: check["status"] for check in report["sets"][0]["checks"]}
    assert 12 in skipped and skipped[12] != "ok", "a month left out must not count as complete"


@pytest.mark.parametrize("attempt", range(3))
def test_racing_emits_and_locks_leave_every_delta_on_one_side(client: Client, attempt: int) -> None:
    """Emits that race with locks land clearly before or after one closing leaf; all months add up to the whole."""
    print(f"CONFORMANCE_SEED={SEED}")
    customers = ["left", "right"]
    for customer in customers:
        client.emit(customer, -1).data
    go_to(client, "2026-06-15T00:00:00Z")
    replies: dict[str, list[dict[str, object]]] = defaultdict(list)
    roots: dict[tuple[str, str], set[str]] = defaultdict(set)
    emitting = threading.Event()
    emitting.set()
    lock = threading.Lock()

    def emit(number: int) -> None:
        rng = random.Random(f"{SEED}:{attempt}:{number}")
        for _ in range(60):
            customer = rng.choice(customers)
            happened = f"2026-{rng.randint(1, 6):02d}-{rng.randint(1, 14):02d}T00:00:00Z"
            fields = {"occurredAt": happened} if rng.random() < 0.7 else {}
            if rng.random() < 0.3:
                item = {"customerId": customer, "delta": -1, "reason": "usage", **fields}
                found = client.batch([item] * rng.randint(1, 9)).data["results"]
            else:
                found = [client.emit(customer, -rng.randint(1, 99), **fields).data]
            with lock:
                replies[customer] += found

    def lock_months(number: int) -> None:
        rng = random.Random(f"{SEED}:{attempt}:lock:{number}")
        for period in ("2026-01", "2026-02", "2026-04", "2026-06"):
            for customer in rng.sample(customers, 2):
                locked = client.checkpoint(customer, period=period).data
                with lock:
                    roots[customer, period].add(locked["proofRoot"])
                    for one in locked["alsoLocked"]:
                        roots[customer, one["period"]].add(one["proofRoot"])

    in_threads([lambda n=n: emit(n) for n in range(4)] + [lambda n=n: lock_months(n) for n in range(3)])
    for customer in customers:
        last = max(str(reply["period"]) for reply in replies[customer])
        if last > "2026-06":
            client.checkpoint(customer, period=last).data
        listed = client.get("/api/v1/balance/checkpoints", customerId=customer).data["checkpoints"]
        months = {one["period"]: one for one in listed if one["locked"]}
        bundles = {period: client.bundle(one["checkpointId"]) for period, one in sorted(months.items())}
        facts = accept(client, "locked-full", *bundles.values())
        checks = set_checks(client, *bundles.values())
        assert checks[10] == checks[12] == checks[13] == "ok"
        for fact in facts:
            assert roots[customer, fact["period"]] <= {fact["proofRoot"]}, "one month was locked under two roots"
            assert fact["proofRoot"] == months[fact["period"]]["proofRoot"]
        held = {leaf["recordId"]: period for period, bundle in bundles.items() for leaf in leaves_of(bundle, "delta")}
        told = {reply["recordId"]: reply["period"] for reply in replies[customer]}
        assert told.items() <= held.items() and len(held) == len(told) + 1
        everything = client.derive(customer, startDate="2026-01-01", endDate="2027-01-01").data
        assert everything["computedBalance"] == sum(map(total_of, facts))
        assert everything["deltaCount"] == len(held)
        (closing,) = leaves_of(bundles[min(bundles)], "closing")
        assert int(closing["deltaCount"]) == len(leaves_of(bundles[min(bundles)], "delta"))


def test_everyone_is_locked_by_a_period_alone(client: Client) -> None:
    """A checkpoint of a period without a customer locks every customer with activity in it, under one job."""
    for number in range(3):
        client.emit(f"c{number}", -number - 1).data
    preview = client.checkpoint(period="2026-01", preview=True)
    if preview.status == 400:
        pytest.skip("not served yet: locking all customers")
    assert len(preview.data["checkpoints"]) == 3
    assert client.emit("c0", -1).data["period"] == "2026-01"
    locked = client.checkpoint(period="2026-01").data
    assert all(one["locked"] for one in locked["checkpoints"]) and len(locked["checkpoints"]) == 3
    assert client.emit("c0", -1).data["period"] == "2026-02"
