"""Balances of every scope, checked against a model in plain Python."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from testkit.chance import SEED
from testkit.history import (
    UTC,
    Entry,
    History,
    make_history,
    month_of,
    next_month,
    random_instant,
    start_of,
    text,
    total,
)
from testkit.server import Client, Server


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A server with one random history."""
    print(f"CONFORMANCE_SEED={SEED}")
    server = Server(tmp_path_factory.mktemp("history")).start("--sandbox-clock", "2025-09-20T12:00:00Z")
    history = make_history(server.client, "acme", random.Random(SEED))
    yield server.client, history
    server.close()


def check(reply: dict[str, Any], entries: list[Entry], brought: Decimal) -> None:
    """Totals, counts and deltas of a reply against the model's entries in scope."""
    assert (reply["netChange"], reply["deltaCount"]) == (total(entries), len(entries))
    assert reply["computedBalance"] == reply["neutralBalance"] == reply["finalBalance"] == reply["endingBalance"]
    assert reply["computedBalance"] == reply["startingBalance"] + reply["netChange"]
    assert reply["deltasCount"] == reply["deltaCount"] == reply["verifiedCount"] + reply["pendingCount"]
    assert reply["broughtForward"] == brought
    latest = max(entries, key=lambda e: e.sequence, default=None)
    assert reply["latestReceiptId"] == (latest.receipt_id if latest else None)
    if "deltas" in reply:
        ordered = sorted(entries, key=lambda e: (e.period, e.sequence))
        assert [d["recordId"] for d in reply["deltas"]] == [e.record_id for e in ordered]
        assert [d["postedAt"] for d in reply["deltas"]] == [text(e.posted_at) for e in ordered]


def test_a_random_history_is_posted_by_the_rules(world: tuple[Client, History]) -> None:
    """Every delta of a random history has the period, instant and sequence that the written rules give it."""
    client, history = world
    for entry in history.entries:
        delta = client.record(entry.record_id).data
        assert (delta["period"], delta["postedAt"]) == (entry.period, text(entry.posted_at))
        assert (delta["recordedAt"], delta["delta"]) == (text(entry.recorded_at), entry.amount)
        assert delta["sequenceNumber"] == entry.sequence


def test_every_month_of_a_random_history(world: tuple[Client, History]) -> None:
    """Each month, locked, open, empty or ahead, is its own total; what came before is broughtForward."""
    client, history = world
    period, last = "2025-05", max(e.period for e in history.entries)
    while period <= last:
        start, end = start_of(period), start_of(next_month(period))
        reply = client.derive("acme", period=period, include="deltas", limit=1000).data
        check(reply, history.within(start, end), history.before(start))
        assert reply["scope"]["periods"] == [period] and reply["scope"]["mode"] == "period"
        assert (reply["scope"]["startDate"], reply["scope"]["endDate"]) == (text(start), text(end))
        if period in history.locks:
            locked = client.checkpoint("acme", period=period).data
            assert (locked["proofRoot"], locked["deltaCount"]) == (
                history.locks[period]["proofRoot"],
                reply["deltaCount"],
            )
            assert locked["carriedForward"] == locked["broughtForward"] + locked["netChange"]
        period = next_month(period)


def test_the_default_scope_is_this_month_and_what_is_ahead(world: tuple[Client, History]) -> None:
    """Nothing, or current_month, means the running month and what is posted ahead of it."""
    client, history = world
    start = start_of(month_of(history.now))
    entries = [e for e in history.entries if e.posted_at >= start]
    for query in ({}, {"timePreset": "current_month"}):
        reply = client.derive("acme", include="deltas", limit=1000, **query).data
        check(reply, entries, history.before(start))
        assert reply["scope"]["mode"] == "current_month"
        assert reply["scope"]["periods"] == sorted({month_of(history.now), *(e.period for e in entries)})


def spelled(instant: datetime, rng: random.Random) -> str:
    """An instant as a date where it is one, or in some offset, or without one."""
    utc = instant.astimezone(UTC)
    if utc.time() == datetime.min.time() and rng.random() < 0.5:
        return utc.date().isoformat()
    choice = rng.randrange(3)
    if choice == 0:
        return utc.replace(tzinfo=None).isoformat()
    if choice == 1:
        return text(utc)
    return instant.astimezone(timezone(timedelta(minutes=rng.choice([-720, -210, 60, 345, 840])))).isoformat()


def test_random_windows(world: tuple[Client, History], rng: random.Random) -> None:
    """150 random windows, with edges inside days and in any time zone, hold what the model says, end excluded."""
    client, history = world
    instants = [e.posted_at for e in history.entries]
    first, last = datetime(2025, 5, 20, tzinfo=UTC), max(instants) + timedelta(days=40)
    for _ in range(150):
        start, end = sorted([random_instant(rng, first, last), random_instant(rng, first, last)])
        if rng.random() < 0.3:  # an edge exactly on a delta
            start = min(end, rng.choice(instants))
        if rng.random() < 0.3:
            end = max(start, rng.choice(instants))
        if start == end:
            end += timedelta(microseconds=1)
        query = {"startDate": spelled(start, rng), "endDate": spelled(end, rng)}
        reply = client.derive("acme", include="deltas", limit=1000, **query).data
        check(reply, history.within(start, end), history.before(start))
        assert (reply["scope"]["startDate"], reply["scope"]["endDate"]) == (text(start), text(end))
        assert reply["scope"]["mode"] == "custom" and reply["scope"]["timezone"] == "UTC"


def test_windows_and_months_compare_alike(world: tuple[Client, History], rng: random.Random) -> None:
    """A window of a whole month is that month, and compare says the same as derive."""
    client, history = world
    for period in sorted({e.period for e in history.entries}):
        whole = {"startDate": f"{period}-01", "endDate": f"{next_month(period)}-01", "timePreset": "custom"}
        by_month, by_window = (client.derive("acme", **q).data for q in ({"period": period}, whole))
        for field in ("netChange", "deltaCount", "broughtForward", "latestReceiptId"):
            assert by_month[field] == by_window[field]
        compared = client.compare("acme", by_month["netChange"], 0, **whole).data
        assert compared["matchesYours"] is True


def test_everything_after_a_record(world: tuple[Client, History], rng: random.Random) -> None:
    """From a recordId or receiptId, in the new names or the old, derive adds up the later sequences."""
    client, history = world
    for entry in [history.entries[0], history.entries[-1], *rng.sample(history.entries, 20)]:
        later = [e for e in history.entries if e.sequence > entry.sequence]
        earlier = [e for e in history.entries if e.sequence <= entry.sequence]
        for start in (entry.record_id, entry.receipt_id):
            kind = rng.choice([None, "recordId", "anchorId"])
            reply = client.derive("acme", startingCheckpoint=start, startingCheckpointType=kind, startingBalance=5).data
            check(reply, later, total(earlier))
            assert reply["computedBalance"] == 5 + total(later) and reply["scope"]["mode"] == "checkpoint"
        deltas = client.all_deltas("acme", page=37, startingCheckpoint=entry.record_id)
        assert [d["sequenceNumber"] for d in deltas] == [e.sequence for e in later]


def test_what_comes_after_a_record_names_its_own_months(client: Client, customer: str) -> None:
    """Also when everything was recorded at one instant: only months that hold later deltas are named."""
    dates = ("2026-01-05T00:00:00Z", "2026-02-05T00:00:00Z")
    january, february = (client.emit(customer, -1, occurredAt=date).data["recordId"] for date in dates)
    for start, periods in ((january, ["2026-02"]), (february, [])):
        assert client.derive(customer, startingCheckpoint=start).data["scope"]["periods"] == periods


def test_everything_after_a_locked_month(world: tuple[Client, History], rng: random.Random) -> None:
    """From a locked month's proof root or chk_ id, derive adds up what was posted to later months."""
    client, history = world
    assert history.locks, "the history locked nothing"
    for period, lock in history.locks.items():
        edge = start_of(next_month(period))
        later = [e for e in history.entries if e.posted_at >= edge]
        for start in (lock["proofRoot"], lock["checkpointId"]):
            kind = rng.choice([None, "proofRoot", "itemsRoot"])
            reply = client.derive("acme", startingCheckpoint=start, startingCheckpointType=kind).data
            check(reply, later, history.before(edge))
        deltas = client.all_deltas("acme", page=50, startingCheckpoint=lock["proofRoot"])
        assert sorted(d["recordId"] for d in deltas) == sorted(e.record_id for e in later)


def test_days_weeks_and_months_are_zero_filled(world: tuple[Client, History], rng: random.Random) -> None:
    """Every bucket of a breakdown has the model's sum, none is left out, and together they are the scope."""
    client, history = world
    first, last = datetime(2025, 8, 20, tzinfo=UTC), max(e.posted_at for e in history.entries) + timedelta(days=3)
    for granularity in ("day", "week", "month") * 5:
        start, end = sorted([random_instant(rng, first, last), random_instant(rng, first, last)])
        end += timedelta(microseconds=1)
        query = {"startDate": text(start), "endDate": text(end), "granularity": granularity}
        reply = client.derive("acme", **query).data
        at = start
        expected = []
        while at < end:
            if granularity == "month":
                until = start_of(next_month(month_of(at)))
            else:
                day = datetime(at.year, at.month, at.day, tzinfo=UTC)
                until = day + timedelta(days=1 if granularity == "day" else 7 - day.weekday())
            inside = history.within(at, min(until, end))
            expected.append((text(at), text(min(until, end)), total(inside), len(inside)))
            at = until
        found = [(b["startDate"], b["endDate"], b["netChange"], b["deltaCount"]) for b in reply["breakdown"]]
        assert found == expected
        assert sum(b["netChange"] for b in reply["breakdown"]) == reply["netChange"]
    month = client.derive("acme", period="2025-10", granularity="day").data["breakdown"]
    assert len(month) == 31 and all(b["deltasCount"] == b["deltaCount"] for b in month)


def test_pages_show_each_delta_once(world: tuple[Client, History]) -> None:
    """Pages of any size show every delta of the scope once, in order, and an offset beyond the end shows none."""
    client, history = world
    scope = {"startDate": "2025-05-01", "endDate": "2027-01-01"}
    whole = client.all_deltas("acme", page=1000, **scope)
    assert len(whole) == len(history.entries)
    for page in (1, 7, 100):
        assert client.all_deltas("acme", page=page, **scope) == whole
    beyond = client.derive("acme", offset=len(whole) + 5, **scope).data
    assert beyond["deltas"] == [] and beyond["pagination"]["total"] == len(whole)
    assert "deltas" not in client.derive("acme", **scope).data
    assert len(client.derive("acme", include="deltas", **scope).data["deltas"]) == 100


MIXES: list[dict[str, Any]] = [
    {"period": "2026-01", "timePreset": "current_month"}, {"period": "2026-01", "startDate": "2026-01-01", "endDate": "2026-02-01"},
    {"timePreset": "custom"}, {"startDate": "2026-01-01"}, {"endDate": "2026-01-01"}, {"timePreset": "custom", "startDate": "2026-01-01"},
    {"timePreset": "current_month", "startDate": "2026-01-01", "endDate": "2026-02-01"},
    {"startingCheckpoint": "rec_x", "period": "2026-01"}, {"startingCheckpoint": "rec_x", "timePreset": "current_month"},
    {"startingCheckpoint": "rec_x", "startDate": "2026-01-01", "endDate": "2026-02-01"},
]  # fmt: skip


@pytest.mark.parametrize("scope", MIXES, ids=str)
def test_a_scope_is_said_in_one_way(client: Client, customer: str, scope: dict[str, str]) -> None:
    """Scope fields that exclude each other are a 400 INVALID_SCOPE_COMBINATION on derive, compare, checkpoint and receipt."""
    client.emit(customer, -1).data
    replies = [client.derive(customer, **scope), client.compare(customer, 0, 0, **scope)]
    if "startingCheckpoint" not in scope:
        replies += [client.checkpoint(customer, **scope), client.receipt(customer, **scope)]
    for reply in replies:
        assert reply.status == 400 and reply.error["code"] == "INVALID_SCOPE_COMBINATION", reply.body


@pytest.mark.parametrize(
    ("scope", "field"),
    [({"period": "2026-13"}, "period"), ({"period": "2026-1"}, "period"), ({"period": "26-01"}, "period"), ({"period": "2026-01-01"}, "period"),
     ({"timePreset": "last_month"}, "timePreset"), ({"startDate": "2026-02-30", "endDate": "2026-03-02"}, "startDate"),
     ({"startDate": "2026-02-01", "endDate": "2026-02-01"}, "endDate"), ({"startDate": "2026-02-02", "endDate": "2026-02-01"}, "endDate"),
     ({"startDate": "now", "endDate": "2026-02-01"}, "startDate"), ({"startingCheckpoint": "rec_unknown"}, "startingCheckpoint"),
     ({"startingCheckpoint": "0x" + "0" * 64}, "startingCheckpoint"), ({"startingCheckpoint": "chk_unknown"}, "startingCheckpoint"),
     ({"startingCheckpointType": "block"}, "startingCheckpointType")],
    ids=str,
)  # fmt: skip
def test_a_scope_that_can_not_be_read_names_its_field(
    client: Client, customer: str, scope: dict[str, str], field: str
) -> None:
    """A month, instant or starting point that is none is a plain 400 that names the field."""
    client.emit(customer, -1).data
    reply = client.derive(customer, **scope)
    assert reply.status == 400 and "code" not in reply.error and reply.error["details"][0]["field"] == field, reply.body


def test_a_scope_has_a_width(client: Client, customer: str) -> None:
    """A window may touch 36 months and not 37, also when its edges are only instants of them."""
    client.emit(customer, -1).data
    assert client.derive(customer, startDate="2023-03-01", endDate="2026-03-01").status == 200
    for start, end in (("2023-02-28T23:59:59Z", "2026-02-02"), ("2023-03-01", "2026-03-01T00:00:00.000001Z")):
        assert client.derive(customer, startDate=start, endDate=end).error["code"] == "SCOPE_TOO_WIDE"
    assert client.get("/api/v1/balance/limits").data["maxScopeMonths"] == 36


def test_a_window_may_lie_ahead(client: Client, customer: str) -> None:
    """Both ends of a window may lie in the future."""
    client.emit(customer, -1).data
    assert client.derive(customer, startDate="2030-01-01", endDate="2030-02-01").data["deltaCount"] == 0


def test_the_type_alone_is_tolerated(client: Client, customer: str) -> None:
    """startingCheckpointType without a startingCheckpoint changes nothing."""
    client.emit(customer, -1).data
    for kind in ("proofRoot", "recordId", "itemsRoot", "anchorId"):
        assert client.derive(customer, startingCheckpointType=kind).data["computedBalance"] == -1


def test_a_provisional_root_is_no_starting_point(client: Client, customer: str) -> None:
    """Starting from an interim root, a window's root or another customer's lock is a plain 400."""
    client.emit(customer, -1).data
    other = customer + "_b"
    client.emit(other, -1).data
    provisional = client.checkpoint(customer).data
    window = client.checkpoint(customer, startDate="2026-02-01", endDate="2026-02-20").data
    locked = client.checkpoint(other, period="2026-02").data
    for start in (provisional["proofRoot"], provisional["checkpointId"], window["proofRoot"], locked["proofRoot"]):
        reply = client.derive(customer, startingCheckpoint=start)
        assert reply.status == 400 and reply.error["details"][0]["field"] == "startingCheckpoint"
    record = client.emit(other, -1).data["recordId"]
    assert client.derive(customer, startingCheckpoint=record).status == 400


def test_a_years_end_and_a_leap_day(start_server: Callable[..., Server]) -> None:
    """Months are UTC calendar months over a leap day and the turn of a year."""
    client = start_server("--sandbox-clock", "2024-03-05T00:00:00Z").client
    for happened in (
        "2024-02-29T23:59:59.999999Z",
        "2024-03-01T00:59:59+01:00",
        "2023-12-31T23:59:59Z",
        "2024-01-01T00:00:00Z",
    ):
        client.emit("c", -1, occurredAt=happened).data
    assert client.derive("c", period="2024-02").data["deltaCount"] == 2
    assert client.derive("c", period="2023-12").data["deltaCount"] == 1
    assert client.derive("c", startDate="2024-02-29", endDate="2024-03-01").data["deltaCount"] == 2
    assert len(client.derive("c", period="2024-02", granularity="day").data["breakdown"]) == 29
