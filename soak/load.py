"""Writers: many at a time, on the same customers, from a seed."""

from __future__ import annotations

import itertools
import random
import secrets
import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from testkit.history import month_of
from testkit.server import BROKEN, Client, Server

from .ledger import Ledger, Request, Violation

WRITERS = 16
ACTIONS = {"emit": 40, "batch": 14, "again": 16, "lock": 9, "interim": 3, "derive": 12, "conflict": 3}
PAST_DAYS = (45, 230)  # what happened then; nobody's clock is stepped farther back than the first
HEAVY_CHARS = 6_000
SCOPE_DAYS = 400


def scope() -> dict[str, str]:
    """Dates around everything that is recorded."""
    now = datetime.now(UTC)
    return {
        "startDate": f"{now - timedelta(days=SCOPE_DAYS):%Y-%m-%d}",
        "endDate": f"{now + timedelta(days=300):%Y-%m-%d}",
    }


class Load:
    """Writers against some servers until `stop`, on connections of their own. Raises the first broken promise then."""

    _tokens = itertools.count(1)

    def __init__(self, servers: Sequence[Server], ledger: Ledger, customers: list[str], seed: str) -> None:
        self.clients = [Client(server, server.key) for server in servers]
        self.ledger, self.customers = ledger, customers
        self._over = threading.Event()
        self._left: list[Server] = []
        self.heavy = False
        self._failures: list[Exception] = []
        self._run_id = secrets.token_hex(3)
        self._threads = [
            threading.Thread(target=self._write, args=(random.Random(f"{seed}:{n}"), n), daemon=True)
            for n in range(WRITERS)
        ]
        for thread in self._threads:
            thread.start()

    def leave(self, server: Server) -> None:
        """Nothing new is sent there."""
        self._left = [*self._left, server]

    def stop(self) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(60)
            if thread.is_alive():
                raise Violation("reply", "a request was not answered for a minute")
        for client in self.clients:
            client.close()
        if self._failures:
            raise self._failures[0]

    def _write(self, rng: random.Random, number: int) -> None:
        names, weights = list(ACTIONS), list(ACTIONS.values())
        while not self._over.is_set() and not self._failures:
            # Each has a server of its own, so that one that does not answer does not hold up all of them.
            client = self.clients[number % len(self.clients)]
            if client.server in self._left:
                client = next(other for other in self.clients if other.server not in self._left)
            action = getattr(self, f"_{rng.choices(names, weights)[0]}")
            started = time.monotonic()
            try:
                action(client, rng)
            except BROKEN:
                self._over.wait(0.05)
            except Exception as error:
                self._failures.append(error)
            if time.monotonic() - started < 0.002:
                self._over.wait(0.01)  # the server is gone: not so fast

    def item(self, rng: random.Random) -> dict[str, Any]:
        token = f"{self._run_id}-{next(self._tokens)}"
        metadata: dict[str, Any] = {"token": token}
        if self.heavy:
            metadata["ballast"] = secrets.token_hex(HEAVY_CHARS // 2)
        amount = Decimal(rng.randint(-(10**6), 10**6) or 1).scaleb(-3)
        item = {"customerId": rng.choice(self.customers), "delta": amount, "reason": "usage", "metadata": metadata}
        if rng.random() < 0.7:
            item["referenceId"] = token
        if rng.random() < 0.7:
            item["occurredAt"] = past(rng).isoformat(timespec="seconds").replace("+00:00", "Z")
        return item

    def _emit(self, client: Client, rng: random.Random) -> None:
        key = secrets.token_hex(8) if rng.random() < 0.3 else None
        self.ledger.send(client, Request([self.item(rng)], False, key))

    def _batch(self, client: Client, rng: random.Random) -> None:
        count = rng.choice([2, 5, 12]) if not self.heavy else 60
        key = secrets.token_hex(8) if rng.random() < 0.5 else None
        self.ledger.send(client, Request([self.item(rng) for _ in range(count)], True, key))

    def _again(self, client: Client, rng: random.Random) -> None:
        if requests := self.ledger.requests:
            self.ledger.send(client, rng.choice(requests))

    def _conflict(self, client: Client, rng: random.Random) -> None:
        """The same reference with another amount is refused."""
        if not (requests := self.ledger.requests):
            return
        item = rng.choice(requests).items[0]
        if "referenceId" in item:
            reply = Request([item | {"delta": item["delta"] + 1}], False, None).send(client)
            if reply.status not in (409, 503):
                raise Violation(
                    "reply", f"{reply.status} to another delta under a known reference: {reply.body[:300]!r}"
                )

    def _lock(self, client: Client, rng: random.Random) -> None:
        self.ledger.lock_month(client, rng.choice(self.customers), month_of(past(rng)))

    def _interim(self, client: Client, rng: random.Random) -> None:
        reply = client.checkpoint(rng.choice(self.customers), **scope())
        if reply.status not in (200, 201, 404, 503):
            raise Violation("reply", f"{reply.status} to an interim checkpoint: {reply.body[:300]!r}")

    def _derive(self, client: Client, rng: random.Random) -> None:
        """Includes everything that was acknowledged before."""
        customer = rng.choice(self.customers)
        with self.ledger.lock:
            latest = list(self.ledger.acknowledged.values())[-50:]
        least = max((told.sequence for told in latest if told.customer == customer), default=0)
        reply = client.derive(customer, **scope())
        if reply.status in (404, 503) and not (reply.status == 404 and least):
            return
        if reply.data["asOf"]["sequence"] < least:
            raise Violation("read your writes", f"{customer}: {reply.data['asOf']} after {least} was acknowledged")


def past(rng: random.Random) -> datetime:
    return datetime.now(UTC) - timedelta(days=rng.uniform(*PAST_DAYS))
