"""kill -9 under load: nothing that was acknowledged is lost, changed or counted twice."""

from __future__ import annotations

import random
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pytest
from testkit.chance import SEED
from testkit.extent import times
from testkit.logreader import assert_extends, read_log, signed_checkpoint
from testkit.receipts import accept, leaves_of, origin_of, set_checks, total_of
from testkit.server import BROKEN, Client, Server, in_threads

from pacspace_proofs.note import LogCheckpoint

ROUNDS = times(5, 20, "CONFORMANCE_KILLS")
CUSTOMERS = [f"cust_{number}" for number in range(6)]


@dataclass
class Ledger:
    """What was acknowledged, and what was sent but not answered."""

    acknowledged: dict[str, dict[str, Any]] = field(default_factory=dict)  # by reference
    unanswered: dict[str, dict[str, Any]] = field(default_factory=dict)
    locks: dict[tuple[str, str], str] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def send(self, client: Client, items: list[dict[str, Any]], batch: bool) -> bool:
        """Sends deltas and notes what was acknowledged; False when the server is gone."""
        with self.lock:
            self.unanswered |= {item["referenceId"]: item for item in items}
        try:
            results = client.batch(items).data["results"] if batch else [client.emit(**item).data for item in items]
        except BROKEN:
            return False
        with self.lock:
            for item, result in zip(items, results, strict=True):
                assert result["status"] == "QUEUED", result
                self._note(item, result)
        return True

    def _note(self, item: dict[str, Any], result: dict[str, Any]) -> None:
        self.unanswered.pop(item["referenceId"], None)
        told = {"item": item, **{name: result[name] for name in ("recordId", "sequenceNumber", "period")}}
        before = self.acknowledged.setdefault(item["referenceId"], told)
        assert before == told, "one reference was acknowledged as two records"


@dataclass
class Killed:
    """A server after all its kills."""

    server: Server
    ledger: Ledger
    origin: str
    published: list[LogCheckpoint]
    checked: int = 0


def write(ledger: Ledger, client: Client, name: str, rng: random.Random) -> None:
    """One writer, until the server is gone."""
    number = 0
    while True:
        size = rng.choice([1, 1, 1, rng.randint(2, 40)])
        items = []
        for _ in range(size):
            number += 1
            item = {
                "customerId": rng.choice(CUSTOMERS),
                "delta": Decimal(rng.randint(1, 10**6)).scaleb(-3),
                "reason": "usage",
            }
            items.append(item | {"referenceId": f"{name}-{number}"})
        batch = size > 1 or rng.random() < 0.2
        if not batch:
            items = [{"customer" if k == "customerId" else k: v for k, v in item.items()} for item in items]
        if not ledger.send(client, items, batch):
            return


def lock_months(ledger: Ledger, client: Client, rng: random.Random) -> None:
    """Moves the clock and locks months that have passed, until the server is gone."""
    try:
        while True:
            now = client.clock(advanceSeconds=rng.randint(1, 3 * 86_400)).data["now"]
            listed = client.get("/api/v1/sandbox/clock")
            now = listed.data["now"] if listed.status == 200 else now
            for customer in rng.sample(CUSTOMERS, 2):
                year, month = int(now[:4]), int(now[5:7])
                period = f"{year - (month == 1)}-{(month - 2) % 12 + 1:02d}"
                reply = client.checkpoint(customer, period=period)
                if reply.status == 404:
                    continue
                locked = reply.data
                with ledger.lock:
                    for one in [*locked["alsoLocked"], *([locked] if locked["deltaCount"] else [])]:
                        known = ledger.locks.setdefault((customer, one["period"]), one["proofRoot"])
                        assert known == one["proofRoot"], "a locked month changed its root"
            time.sleep(rng.random() * 0.2)
    except BROKEN:
        return


def watch(client: Client, origin: str, published: list[LogCheckpoint]) -> None:
    """Keeps every log checkpoint that is published, until the server is gone."""
    try:
        while True:
            checkpoint = signed_checkpoint(client, origin)
            if not published or checkpoint.size != published[-1].size:
                published.append(checkpoint)
            time.sleep(0.02)
    except BROKEN:
        return


def check_round(killed: Killed, fresh: list[str]) -> None:
    """Right after a restart: everything of the round is there, and the log extends what was published."""
    client, ledger = killed.server.client, killed.ledger

    def look(references: list[str]) -> None:
        for reference in references:
            told = ledger.acknowledged[reference]
            delta = client.record(told["recordId"]).data
            assert (delta["referenceId"], delta["delta"]) == (reference, told["item"]["delta"])
            assert (delta["sequenceNumber"], delta["period"]) == (told["sequenceNumber"], told["period"])

    in_threads([lambda part=fresh[start::4]: look(part) for start in range(4)])
    killed.checked += len(fresh)
    log = read_log(client, killed.origin)
    for old in killed.published:
        assert_extends(old, log)
    killed.published[:] = [log.checkpoint]


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Killed]:
    """A server that was killed again and again while it was written to, and checked after each restart."""
    print(f"CONFORMANCE_SEED={SEED}, {ROUNDS} kills")
    rng = random.Random(f"{SEED}:kill")
    server = Server(tmp_path_factory.mktemp("killed")).start("--sandbox-clock", "2026-02-10T12:00:00Z")
    server.client.emit("first", -1).data
    origin = origin_of(server.client.bundle(server.client.checkpoint("first").data["checkpointId"]))
    state = Killed(server, Ledger(), origin, [])
    for number in range(ROUNDS):
        before = set(state.ledger.acknowledged)
        client, published = server.client, state.published
        works = [
            lambda n=n: write(state.ledger, client, f"{number}-{n}", random.Random(f"{SEED}:{number}:{n}"))
            for n in range(4)
        ]
        works.append(lambda: lock_months(state.ledger, client, random.Random(f"{SEED}:{number}:lock")))
        works.append(lambda: watch(client, origin, published))
        after_s = rng.uniform(0.02, 0.9)
        killer = threading.Timer(after_s, server.kill)
        killer.start()
        in_threads(works)
        killer.join()
        fresh = [reference for reference in state.ledger.acknowledged if reference not in before]
        print(
            f"kill {number} after {after_s:.3f} s: {len(fresh)} acknowledged, {len(state.ledger.unanswered)} unanswered"
        )
        server.start()
        check_round(state, fresh)
        # A client that got no answer sends the same again: each is recorded once, whether it was before or not.
        again = list(state.ledger.unanswered.values())
        assert all(state.ledger.send(server.client, [item], "customerId" in item) for item in again)
    print(f"{state.checked} acknowledged deltas checked")
    yield state
    server.close()


def test_every_acknowledged_delta_is_there_once(killed: Killed) -> None:
    """After all kills each customer has exactly the acknowledged references, each once, numbered without a gap."""
    client, ledger = killed.server.client, killed.ledger
    assert not ledger.unanswered and killed.checked > ROUNDS
    expected: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for told in ledger.acknowledged.values():
        expected[told["item"].get("customerId") or told["item"]["customer"]].append(told)
    scope = {"startDate": "2025-01-01", "endDate": "2027-12-31"}
    for customer in CUSTOMERS:
        deltas = sorted(client.all_deltas(customer, page=1000, **scope), key=lambda delta: delta["sequenceNumber"])
        assert [delta["sequenceNumber"] for delta in deltas] == list(range(1, len(deltas) + 1))
        told = sorted(expected[customer], key=lambda one: one["sequenceNumber"])
        assert [d["referenceId"] for d in deltas] == [one["item"]["referenceId"] for one in told]
        assert [d["recordId"] for d in deltas] == [one["recordId"] for one in told]
        total = sum((one["item"]["delta"] for one in told), Decimal(0))
        assert client.derive(customer, **scope).data["netChange"] == total


def test_no_locked_month_changed(killed: Killed) -> None:
    """Every lock that was acknowledged between the kills still has its root, and all months verify together."""
    client = killed.server.client
    for (customer, period), root in killed.ledger.locks.items():
        assert client.checkpoint(customer, period=period).data["proofRoot"] == root
    for customer in CUSTOMERS[:3]:
        last = client.derive(customer, startDate="2025-01-01", endDate="2027-12-31").data["scope"]["periods"][-1]
        deadline = time.monotonic() + 30  # locks every earlier month that is still open, too
        while client.checkpoint(customer, period=last).data["status"] != "VERIFIED":
            assert time.monotonic() < deadline, "a locked month does not get into the log"
        listed = client.get("/api/v1/balance/checkpoints", customerId=customer, limit=1000).data["checkpoints"]
        months = {one["period"]: one["checkpointId"] for one in listed if one["locked"]}
        bundles = [client.bundle(months[period]) for period in sorted(months)]
        facts = accept(client, "locked-full", *bundles)
        total = client.derive(customer, startDate="2025-01-01", endDate="2027-12-31").data["netChange"]
        assert sum(map(total_of, facts)) == total
        assert set_checks(client, *bundles)[10] == "ok" and set_checks(client, *bundles)[12] == "ok"
        ids = [leaf["recordId"] for bundle in bundles for leaf in leaves_of(bundle, "delta")]
        assert len(ids) == len(set(ids))


def test_the_log_never_shrank_or_forked(killed: Killed) -> None:
    """The last log extends every checkpoint published before any kill, and all deltas become verified."""
    client = killed.server.client
    deadline = time.monotonic() + 30
    while any(client.derive(c, startDate="2025-01-01", endDate="2027-12-31").data["pendingCount"] for c in CUSTOMERS):
        assert time.monotonic() < deadline, "deltas stay unverified"
        time.sleep(0.1)
    log = read_log(client, killed.origin)
    for old in killed.published:
        assert_extends(old, log)
    assert killed.server.client.call("GET", "/readyz?for=verify").status == 200


def test_fsck_is_clean_after_the_kills(killed: Killed) -> None:
    """`pacspace fsck` finds nothing to complain about, beside the running server and after it was killed once more."""
    beside = killed.server.run("fsck")
    assert beside.returncode == 0, beside.stdout[-2000:] + beside.stderr[-2000:]
    killed.server.kill()
    after = killed.server.run("fsck")
    assert after.returncode == 0, after.stdout[-2000:] + after.stderr[-2000:]
