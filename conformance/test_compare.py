"""Two views beside the record: which one matches, and which entries make the difference."""

from __future__ import annotations

import random
from decimal import Decimal
from typing import Any

import pytest
from testkit.server import BALANCE, Client

CASES = [
    (-10, -10, 0, None, (0, 0)),
    (-10, -9, 0, "YOURS_MATCHES", (0, 1)),
    (-11, -10, 0, "THEIRS_MATCHES", (-1, 0)),
    (-11, Decimal("-9.5"), 0, "NEITHER_MATCHES", (-1, Decimal("0.5"))),
    (-11, -9, 1, None, (-1, 1)),
    (-11, Decimal("-8.999999999"), 1, "YOURS_MATCHES", (-1, Decimal("1.000000001"))),
]  # fmt: skip


@pytest.mark.parametrize(("yours", "theirs", "tolerance", "resolution", "differences"), CASES)
def test_the_record_says_which_view_matches(
    client: Client, customer: str, yours: Any, theirs: Any, tolerance: int, resolution: str | None, differences: Any
) -> None:
    """Compare names the view that equals the record within the tolerance, and both differences."""
    client.emit(customer, Decimal("-10.5")).data
    client.emit(customer, Decimal("0.5")).data
    report = client.compare(customer, yours, theirs, tolerance=tolerance)
    assert report.status == 201
    data = report.data
    assert data["neutralBalance"] == data["computedBalance"] == -10 and data["deltaCount"] == data["deltasCount"] == 2
    assert data["matchesYours"] is (abs(yours + 10) <= tolerance)
    assert data["matchesTheirs"] is (abs(theirs + 10) <= tolerance)
    assert data["match"] is (resolution is None)
    if resolution is None:
        assert data["discrepancy"] is None
    else:
        found = data["discrepancy"]
        assert found["resolution"] == resolution and found["message"]
        assert (found["yourDifference"], found["theirDifference"]) == differences


def test_short_names_and_a_starting_balance_are_taken(client: Client, customer: str) -> None:
    """`yours` and `theirs` mean the same, and a starting balance is added to the scope's sum."""
    client.emit(customer, -42).data
    body = {"customerId": customer, "yours": 58, "theirs": 60, "startingBalance": 100}
    data = client.post(f"{BALANCE}/compare", body).data
    assert (data["startingBalance"], data["netChange"], data["computedBalance"]) == (100, -42, 58)
    assert (data["matchesYours"], data["matchesTheirs"]) == (True, False)


@pytest.mark.parametrize(
    ("body", "field"),
    [({"yourBalance": 1}, "theirBalance"), ({"theirBalance": 1}, "yourBalance"), ({"yourBalance": "1", "theirBalance": 1}, "yourBalance"),
     ({"yourBalance": 1, "yours": 1, "theirBalance": 1}, "yourBalance"), ({"yourBalance": 1, "theirBalance": 1, "tolerance": -1}, "tolerance"),
     ({"yourBalance": 1, "theirBalance": 1, "theirRecords": {}}, "theirRecords"),
     ({"yourBalance": 1, "theirBalance": 1, "theirRecords": [{"referenceId": "a"}]}, "theirRecords")],
)  # fmt: skip
def test_a_view_that_is_missing_or_no_number_is_refused(
    client: Client, customer: str, body: dict[str, Any], field: str
) -> None:
    """A compare without both balances, or with one given twice, is a 400 that names the field."""
    client.emit(customer, -1).data
    reply = client.post(f"{BALANCE}/compare", {"customerId": customer, **body})
    assert reply.status == 400
    assert any(detail["field"].startswith(field) for detail in reply.error["details"]), reply.error


def test_their_records_name_the_entries_that_differ(client: Client, customer: str, rng: random.Random) -> None:
    """With theirRecords, compare names exactly the entries that a plain set difference names."""
    ours = {f"ref-{n}": Decimal(rng.randint(1, 10**6)).scaleb(-2) for n in range(200)}
    items = [
        {"customerId": customer, "delta": amount, "reason": "usage", "referenceId": r} for r, amount in ours.items()
    ]
    client.batch(items).data
    unnamed = client.emit(customer, 7).data
    theirs = dict(ours)
    for reference in rng.sample(sorted(ours), 40):
        theirs[reference] += Decimal(rng.randint(1, 99)).scaleb(-2)
    for reference in rng.sample(sorted(ours), 30):
        del theirs[reference]
    theirs |= {f"theirs-{n}": Decimal(n) for n in range(20)}
    records = [{"referenceId": reference, "delta": amount} for reference, amount in theirs.items()]
    rng.shuffle(records)
    data = client.compare(customer, sum(ours.values()) + 7, sum(theirs.values()), theirRecords=records).data
    assert data["matchesYours"] is True
    missing = {entry["recordId"]: entry for entry in data["missingInTheirs"]}
    assert missing[unnamed["recordId"]]["delta"] == 7
    named = {entry["referenceId"]: entry["delta"] for entry in missing.values() if entry["referenceId"]}
    assert named == {r: ours[r] for r in ours.keys() - theirs.keys()} and len(missing) == len(named) + 1
    assert {e["referenceId"]: e["delta"] for e in data["missingInOurs"]} == {
        r: theirs[r] for r in theirs.keys() - ours.keys()
    }  # fmt: skip
    assert {e["referenceId"]: (e["ourDelta"], e["theirDelta"]) for e in data["different"]} == {
        r: (ours[r], theirs[r]) for r in ours.keys() & theirs.keys() if ours[r] != theirs[r]
    }  # fmt: skip
    named_sum = sum(e["delta"] for e in data["missingInOurs"]) - sum(e["delta"] for e in data["missingInTheirs"])
    named_sum += sum(e["difference"] for e in data["different"])
    assert named_sum == data["discrepancy"]["theirDifference"], "the named entries do not make up the difference"


def test_equal_records_name_nothing(client: Client, customer: str) -> None:
    """When both keep the same entries, nothing is named."""
    client.emit(customer, Decimal("1.50"), referenceId="a").data
    data = client.compare(
        customer, Decimal("1.5"), Decimal("1.5"), theirRecords=[{"referenceId": "a", "delta": Decimal("1.500")}]
    ).data
    assert (data["missingInTheirs"], data["missingInOurs"], data["different"]) == ([], [], [])


def test_a_reference_given_twice_is_refused(client: Client, customer: str) -> None:
    """The same referenceId twice in theirRecords is a 400: nobody can say which one is meant."""
    client.emit(customer, 1, referenceId="a").data
    reply = client.compare(customer, 1, 1, theirRecords=[{"referenceId": "a", "delta": 1}] * 2)
    assert reply.status == 400 and reply.error["details"][0]["field"] == "theirRecords"


def test_compare_knows_the_scopes_of_derive(client: Client, customer: str) -> None:
    """Compare adds up the same scope as derive, and names only entries in it."""
    client.emit(customer, -1, referenceId="jan", occurredAt="2026-01-10T00:00:00Z").data
    february = client.emit(customer, -2, referenceId="feb").data
    assert client.compare(customer, -1, 0, period="2026-01").data["matchesYours"] is True
    window = client.compare(
        customer,
        -3,
        0,
        startDate="2026-01-10",
        endDate="2026-02-11",
        theirRecords=[{"referenceId": "feb", "delta": -2}],
    ).data
    assert window["matchesYours"] is True and [e["referenceId"] for e in window["missingInTheirs"]] == ["jan"]
    after = client.compare(
        customer, 0, 1, startingCheckpoint=february["recordId"], startingCheckpointType="recordId"
    ).data
    assert after["matchesYours"] is True and after["scope"]["mode"] == "checkpoint"
    mixed = client.compare(customer, 0, 0, period="2026-01", timePreset="current_month")
    assert mixed.error["code"] == "INVALID_SCOPE_COMBINATION"
    assert client.compare(customer + "_unknown", 0, 0).error["code"] == "CUSTOMER_NOT_FOUND"
