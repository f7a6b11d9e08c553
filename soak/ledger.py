"""What the campaign knows: what it sent, what was acknowledged, what is in doubt, what is locked."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from testkit.server import BROKEN, Client, Reply

NOTHING = "nothing was recorded"


class Violation(AssertionError):
    """A promise was broken; `check` names the check that found it."""

    def __init__(self, check: str, message: str) -> None:
        super().__init__(f"{check}: {message}")
        self.check = check


@dataclass(frozen=True)
class Told:
    """What was acknowledged of one delta."""

    token: str
    customer: str
    amount: Decimal
    record_id: str
    sequence: int
    period: str


@dataclass
class Request:
    """One call that records. Each item carries a token in its metadata that no other delta has."""

    items: list[dict[str, Any]]
    batch: bool
    key: str | None

    @property
    def repeatable(self) -> bool:
        """Whether sending it again can't record it twice."""
        return self.key is not None or all("referenceId" in item for item in self.items)

    def send(self, client: Client) -> Reply:
        headers = {"Idempotency-Key": self.key} if self.key else {}
        if self.batch:
            return client.post("/api/v1/balance/delta/batch", {"deltas": self.items}, headers)
        return client.post("/api/v1/balance/delta", self.items[0], headers)


def token_of(item: dict[str, Any]) -> str:
    return str(item["metadata"]["token"])


@dataclass
class Ledger:
    """The model of a record. All of it may be used from many threads."""

    acknowledged: dict[str, Told] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)  # acknowledged ones that can be repeated
    doubtful: dict[int, Request] = field(default_factory=dict)
    denied: set[str] = field(default_factory=set)  # the server said that it recorded nothing, or it was settled so
    locks: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    doubtful_locks: set[tuple[str, str]] = field(default_factory=set)
    lock: threading.Lock = field(default_factory=threading.Lock)
    answers: int = 0

    def send(self, client: Client, request: Request) -> bool:
        """Sends a request and notes what came of it; whether it was acknowledged."""
        with self.lock:
            before = id(request) in self.doubtful  # an earlier try of it may be recorded, whatever this one is told
            self.doubtful[id(request)] = request
        try:
            reply = request.send(client)
        except BROKEN:
            return False
        if reply.status == 503:
            with self.lock:
                if NOTHING in reply.error["message"] and not before and self.doubtful.pop(id(request), None):
                    self.denied |= {token_of(item) for item in request.items} - self.acknowledged.keys()
            return False
        if reply.status == 202:  # the same key is under way; it stays in doubt
            return False
        if reply.status not in (200, 201):
            raise Violation("reply", f"{reply.status} to {request.items[0]}: {reply.body[:300]!r}")
        self.acknowledge(request, reply.data["results"] if request.batch else [reply.data])
        return True

    def acknowledge(self, request: Request, results: list[dict[str, Any]]) -> None:
        with self.lock:
            self.answers += 1
            self.doubtful.pop(id(request), None)
            new = False
            for item, result in zip(request.items, results, strict=True):
                if result["status"] == "REJECTED":
                    raise Violation("reply", f"{item} was rejected: {result}")
                new |= self._note(item, result)
            if new and request.repeatable:
                self.requests.append(request)

    def _note(self, item: dict[str, Any], result: dict[str, Any]) -> bool:
        told = Told(
            token_of(item), item["customerId"], Decimal(item["delta"]), result["recordId"], result["sequenceNumber"],
            result["period"],
        )  # fmt: skip
        known = self.acknowledged.setdefault(told.token, told)
        if known != told:
            raise Violation("two answers", f"one delta was acknowledged as {known} and as {told}")
        return known is told

    def lock_month(self, client: Client, customer: str, period: str) -> None:
        """Locks a month and notes the roots; an answered one never changes."""
        with self.lock:
            self.doubtful_locks.add((customer, period))
        try:
            reply = client.checkpoint(customer, period=period)
        except BROKEN:
            return
        if reply.status == 503:
            return
        with self.lock:
            self.doubtful_locks.discard((customer, period))
        if reply.status == 404:
            return
        if reply.status not in (200, 201):
            raise Violation("reply", f"{reply.status} to the lock of {customer} {period}: {reply.body[:300]!r}")
        self.note_lock(customer, reply.data)

    def note_lock(self, customer: str, locked: dict[str, Any]) -> None:
        with self.lock:
            self.answers += 1
            for one in [*locked["alsoLocked"], *([locked] if locked["deltaCount"] else [])]:
                known = self.locks.setdefault((customer, one["period"]), one)
                if known["proofRoot"] != one["proofRoot"]:
                    raise Violation("lock changed", f"{customer} {one['period']} had another root")
