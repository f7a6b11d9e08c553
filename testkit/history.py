"""A random history of one customer and its model in plain Python, from the written rules alone."""

from __future__ import annotations

import calendar
import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from .server import Client

UTC = UTC


def text(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def month_of(instant: datetime) -> str:
    return instant.strftime("%Y-%m")


def start_of(period: str) -> datetime:
    return datetime(int(period[:4]), int(period[5:]), 1, tzinfo=UTC)


def next_month(period: str) -> str:
    return month_of(start_of(period) + timedelta(days=calendar.monthrange(int(period[:4]), int(period[5:]))[1]))


@dataclass
class Entry:
    """One delta as the rules say it must be."""

    sequence: int
    amount: Decimal
    recorded_at: datetime
    posted_at: datetime
    period: str
    record_id: str = ""
    receipt_id: str = ""


@dataclass
class History:
    """What a customer's record must hold."""

    customer: str
    now: datetime
    entries: list[Entry] = field(default_factory=list)
    locks: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def locked_through(self) -> str:
        return max(self.locks, default="")

    def post(self, happened: datetime) -> tuple[str, datetime]:
        """The first open month at or after the one that it happened in."""
        if month_of(happened) > self.locked_through:
            return month_of(happened), happened
        period = next_month(self.locked_through)
        return period, start_of(period)

    def emit(self, client: Client, amount: Decimal, occurred: datetime | None, batch: bool) -> None:
        fields = {"occurredAt": text(occurred)} if occurred else {}
        item = {"customerId": self.customer, "delta": amount, "reason": "usage", **fields}
        (recorded,) = (
            client.batch([item]).data["results"] if batch else [client.post("/api/v1/balance/delta", item).data]
        )
        happened = occurred or self.now
        period, posted_at = self.post(happened)
        entry = Entry(
            len(self.entries) + 1, amount, self.now, posted_at, period, recorded["recordId"], recorded["receiptId"]
        )
        self.entries.append(entry)
        assert (recorded["sequenceNumber"], recorded["period"]) == (entry.sequence, period)
        assert recorded["latePosting"] is (posted_at != happened)

    def lock(self, client: Client, period: str) -> None:
        locked = client.checkpoint(self.customer, period=period).data
        also = [one["period"] for one in locked["alsoLocked"]]
        held = sorted({e.period for e in self.entries if self.locked_through < e.period < period})
        assert also == held, "months lock in order, each that holds deltas"
        for one in locked["alsoLocked"]:
            self.locks[one["period"]] = one
        self.locks[period] = locked
        inside = self.within(start_of(period), start_of(next_month(period)))
        assert (locked["deltaCount"], locked["finalBalance"]) == (len(inside), total(inside))

    def within(self, start: datetime, end: datetime) -> list[Entry]:
        return [e for e in self.entries if start <= e.posted_at < end]

    def before(self, instant: datetime) -> Decimal:
        return total([e for e in self.entries if e.posted_at < instant])


def total(entries: list[Entry]) -> Decimal:
    return sum((e.amount for e in entries), Decimal(0))


def random_instant(rng: random.Random, first: datetime, last: datetime) -> datetime:
    """Between the two, often on an edge of an hour, a day or a month."""
    instant = first + timedelta(microseconds=rng.randrange(int((last - first).total_seconds()) * 10**6 + 1))
    match rng.randrange(5):
        case 0:
            instant = instant.replace(minute=0, second=0, microsecond=0)
        case 1:
            instant = instant.replace(hour=0, minute=0, second=0, microsecond=0)
        case 2:
            instant = instant.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return max(first, min(instant, last))


def make_history(client: Client, customer: str, rng: random.Random, steps: int = 220) -> History:
    """Emits, backdated emits, clock steps and locks over about a year."""
    history = History(customer, datetime(2025, 9, 20, 12, tzinfo=UTC))
    client.clock(now=text(history.now)).data
    for _ in range(steps):
        chance = rng.random()
        if chance < 0.12:
            history.now += timedelta(seconds=rng.randrange(1, 12 * 86_400))
            client.clock(now=text(history.now)).data
        elif chance < 0.16 and history.entries:
            # Any month from the last locked one to the running one; at times the running one itself.
            choices = sorted({e.period for e in history.entries if e.period > history.locked_through})
            choices += (
                [month_of(history.now)] if rng.random() < 0.3 and month_of(history.now) > history.locked_through else []
            )
            if choices:
                history.lock(client, rng.choice(choices[:2] + choices[-1:]))
        else:
            amount = Decimal(rng.randint(-(10**9), 10**9) or 1).scaleb(-rng.randint(0, 9))
            first = max(history.now - timedelta(days=120), datetime(2025, 6, 1, tzinfo=UTC))
            occurred = random_instant(rng, first, history.now) if rng.random() < 0.6 else None
            history.emit(client, amount, occurred, rng.random() < 0.3)
    return history
