"""A server and a model side by side: how replies are compared, what is asked for, and what is checked at the end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

from hypothesis.stateful import RuleBasedStateMachine

from . import expected
from .drawn import DAY, MONTH, NOBODY, START, UNKNOWN
from .model import Model
from .modelled import Checkpoint, Delta, Refused, begin, shifted, total
from .receipts import accept, leaves_of, set_checks, total_of
from .server import Client, Reply, Server, decode


def one(found: list[Any], pick: int) -> Any:
    return found[pick % len(found)]


def as_value(field: str, shown: str | None) -> Any:
    """A value as a conflict names it, in text."""
    if field == "delta":
        return Decimal(shown)
    return decode(shown) if field == "metadata" and shown is not None else shown


def spelled(value: Any) -> Any:
    """A value as the model has it; a delta that is corrected by its recordId."""
    return value.record_id if isinstance(value, Delta) else value


@dataclass
class Answer:
    """What is expected where it is more than the data."""

    data: Any
    status: int
    replayed: bool = False


class BothSides(RuleBasedStateMachine):
    """The server and the model, both of them asked the same; its rules are in `test_model.py`."""

    server: Server

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[tuple[list[dict[str, Any]], str | None]] = []
        self.restarted, self.sound = False, True
        self.empty()

    @property
    def client(self) -> Client:
        return self.server.client

    def empty(self) -> None:
        shown = self.client.post("/api/v1/sandbox/reset", {}).data
        self.model = Model(START)
        assert self.model.once("origin") == shown["logOrigin"]
        assert self.model.once("fingerprint") == shown["keyFingerprint"]
        self.sent.clear()
        self.hold(START)

    def hold(self, now: str) -> None:
        self.agree(self.client.clock(now=now), 200, lambda: self.model.move(now) or self.clock())

    def clock(self) -> dict[str, Any]:
        return {"environment": "sandbox", "now": self.model.now, "held": True}

    # ------------------------------------------------------------ what is compared

    def agree(self, reply: Reply, status: int, ask: Callable[[], Any]) -> None:
        """The reply is what the model says, or the refusal that the model says."""
        try:
            wanted = ask()
        except Refused as refused:
            return self.refusal(refused, reply.status, reply.error)
        answer = wanted if isinstance(wanted, Answer) else Answer(wanted, status)
        assert reply.status == answer.status, (reply.status, reply.body)
        assert ("idempotent-replayed" in reply.headers) is answer.replayed, "Idempotent-Replayed"
        self.same(reply.data, answer.data)

    def same(self, seen: Any, wanted: Any) -> None:
        found = list(expected.differences(seen, wanted))
        self.sound = self.sound and not found
        assert not found, "\n".join(["the server and the model differ:", *found])

    def refusal(self, refused: Refused, status: int, error: dict[str, Any]) -> None:
        assert (status, error.get("code")) == (refused.status, refused.code), (status, error, vars(refused))
        if refused.field:
            assert [detail["field"] for detail in error["details"]] == [refused.field], error
        if refused.named:
            self.conflict(error, **refused.named)

    def conflict(self, error: dict[str, Any], recorded: Delta, fields: dict[str, tuple[Any, Any]]) -> None:
        """A conflict names the earlier record and each field that differs, with both values as texts."""
        assert error["recordId"] == recorded.record_id
        assert {conflict["field"] for conflict in error["conflicts"]} == set(fields), error
        for conflict in error["conflicts"]:
            for name, value in zip(("recorded", "sent"), fields[conflict["field"]]):
                self.same(as_value(conflict["field"], conflict[name]), spelled(value))

    # ------------------------------------------------------------ what the picks mean

    def months(self, customer: str) -> list[str]:
        """Months worth asking for: the running one and those that hold something, oftenest, and those around them."""
        known = self.model.trees(customer) if customer in self.model.deltas else []
        near = [
            shifted(begin(p), timedelta(seconds=s))[:7] for p in [*known, self.model.now[:7]] for s in (-1, 0, 32 * DAY)
        ]
        return sorted([*near, *known])

    def instants(self, customer: str) -> list[str]:
        found = [d.posted for d in self.model.deltas.get(customer, [])] + [self.model.now]
        found += [begin(period) for period in self.months(customer)]
        return sorted({shifted(at, timedelta(microseconds=us)) for at in found for us in (-1, 0, 1)})

    def who(self, pick: int) -> str:
        """A customer that is known, as a rule."""
        return NOBODY if pick % 16 == 15 else one(list(self.model.deltas) or [NOBODY], pick)

    def scoped(self, customer: str, asked: tuple[int, int, int]) -> tuple[dict[str, Any], dict[str, Any]]:
        """A scope as request fields, and as the model takes it."""
        kind, first, second = asked
        deltas = self.model.deltas.get(customer, [])
        checkpoints = [c for c in self.model.checkpoints if c.customer == customer]
        if kind == 1:
            return {"timePreset": "current_month"}, {}
        if kind in (2, 3):
            period = one(self.months(customer), first)
            return {"period": period}, {"period": period}
        if kind == 4:
            ends = sorted([one(self.instants(customer), first), one(self.instants(customer), second)])
            ends[1] = shifted(ends[1], timedelta(microseconds=ends[0] == ends[1]))
            return {"startDate": ends[0], "endDate": ends[1]}, {"window": ends}
        if kind == 5 and deltas:
            after: Any = one(deltas, first)
            return {"startingCheckpoint": str((after.record_id, after.receipt_id)[second % 2])}, {"after": after}
        if kind == 6 and checkpoints:
            after = one(checkpoints, first)
            return {"startingCheckpoint": str((after.id, after.root)[second % 2])}, {"after": after}
        return {}, {}

    def filled(self, item: dict[str, Any]) -> dict[str, Any]:
        """An item as it is sent."""
        item = dict(item)
        if "occurredAt" in item:
            at, now = item["occurredAt"], self.model.now
            item["occurredAt"] = begin(now[:7]) if at == MONTH else shifted(now, timedelta(seconds=at))
        if "adjusts" in item:
            by_record, pick = item.pop("adjusts")
            if pick % 16 != 15 and item["customerId"] not in self.model.deltas:
                return item
            named = None if pick % 16 == 15 else one(self.model.deltas.get(item["customerId"]) or [None], pick)
            name = "recordId" if by_record or (named and named.reference is None) else "referenceId"
            value = (str(named.record_id) if name == "recordId" else named.reference) if named else UNKNOWN[name]
            item["adjusts"] = {name: value}
        return item

    # ------------------------------------------------------------ at the end

    def clean(self) -> None:
        done = self.server.run("--json", "fsck")
        assert done.returncode == 0, done.stdout

    def teardown(self) -> None:
        """Whatever happened: ids and hashes differ, and each customer's locked months verify offline, with the model's totals."""
        if not self.sound:
            return
        deltas = [d for known in self.model.deltas.values() for d in known]
        for name, things in (
            ("record_id", deltas),
            ("receipt_id", deltas),
            ("content_hash", deltas),
            ("id", self.model.checkpoints),
        ):
            seen = [value for thing in things if (value := getattr(thing, name).value)]
            assert len(seen) == len(set(seen)), f"two have the same {name}"
        for customer in self.model.deltas:
            self.verify(customer, self.model.locks(customer))
        assert not (mistakes := self.server.mistakes()), mistakes[:3]

    def verify(self, customer: str, locks: list[Checkpoint]) -> None:
        files = [self.client.bundle(str(lock.id)) for lock in locks]
        if not files:
            return
        for lock, facts, file in zip(locks, accept(self.client, "locked-full", *files), files):
            (closing,) = leaves_of(file, "closing")
            told = (facts["deltaCount"], total_of(facts), facts["proofRoot"], Decimal(closing["carriedForward"]))
            sums = total(lock.scope.deltas)
            self.same(list(told), [len(lock.scope.deltas), sums, lock.root, lock.scope.before + sums])
            assert [leaf["recordId"] for leaf in leaves_of(file, "delta")] == [d.record_id for d in lock.scope.deltas]
        whole = len(self.model.deltas[customer]) == sum(len(lock.scope.deltas) for lock in locks)
        checks = set_checks(self.client, *files)
        assert not whole or checks[12] == "ok", checks
