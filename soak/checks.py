"""What must be true of a record after every round."""

from __future__ import annotations

import json
import random
from collections import defaultdict
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from testkit.logreader import assert_extends, read_log
from testkit.receipts import accept
from testkit.server import Client, in_threads

from .ledger import Request, Told, Violation, token_of
from .load import scope
from .record import Record, wait_until

VERIFIED_S, ANSWERED_S = 30, 10
LOCKED = ("checkpointId", "proofRoot", "deltaCount", "finalBalance", "carriedForward")


def require(condition: object, check: str, message: str) -> None:
    if not condition:
        raise Violation(check, message)


def check_record(record: Record, customers: list[str], rng: random.Random) -> int:
    """Every check on these customers; how many acknowledged deltas were looked at. What was in doubt is settled."""
    client = rng.choice(record.clients)
    listings = dict(zip(customers, in_threads([lambda c=c: listing(client, c) for c in customers])))
    found = {token: delta for deltas in listings.values() for token, delta in deltas.items()}
    check_acknowledged(record, listings)
    require(published_is_signed(record, client), "last-signed", "the last-signed record is behind what is published")
    settle_locks(record)
    settle(record, found, rng)
    works: list[Callable[[], Any]] = [lambda: check_log(record, client), record.fsck]
    works += [lambda c=c: check_customer(record, client, c, listings[c]) for c in customers]
    in_threads(works)
    check_verified(record, client, customers)
    check_receipt(record, client, customers, rng)
    record.observer.check()
    return sum(told.customer in listings for told in record.ledger.acknowledged.values())


def published_is_signed(record: Record, client: Client) -> bool:
    """Read in this order: what is published was signed before."""
    from testkit.logreader import signed_checkpoint

    published = signed_checkpoint(client, record.origin)
    signed = record.last_signed()
    if signed["size"] == published.size:
        return bool(signed["root"] == published.root.hex())
    return bool(signed["size"] > max(published.size, record.observer.size - 1))


def listing(client: Client, customer: str) -> dict[str, Any]:
    """Every delta of a customer by its token; a customer that nobody recorded for has none."""
    if client.derive(customer).status == 404:
        return {}
    deltas = sorted(client.all_deltas(customer, page=1000, **scope()), key=lambda delta: delta["sequenceNumber"])
    numbers = [delta["sequenceNumber"] for delta in deltas]
    require(numbers == list(range(1, len(deltas) + 1)), "sequence gap", f"{customer}: {numbers[-5:]} of {len(numbers)}")
    by_token = {token_of(delta): delta for delta in deltas}
    require(len(by_token) == len(deltas), "recorded twice", f"{customer}: {len(deltas)} deltas, {len(by_token)} tokens")
    times = [delta["recordedAt"] for delta in deltas]
    require(times == sorted(times), "recordedAt goes back", customer)
    return by_token


def settle(record: Record, found: dict[str, Any], rng: random.Random) -> None:
    """What was not answered is there once or not at all; sent again it is recorded once."""
    ledger = record.ledger
    for token in ledger.denied & found.keys():
        raise Violation("said nothing was recorded", f"{found[token]}")
    for request in list(ledger.doubtful.values()):
        if request.repeatable:
            send_again(record, request, rng)
            for item in request.items:
                agree(found, ledger.acknowledged[token_of(item)])
            continue
        settle_by_reading(record, request, found)
    for request in rng.sample(ledger.requests, min(5, len(ledger.requests))):
        send_again(record, request, rng)


def send_again(record: Record, request: Request, rng: random.Random) -> None:
    """No fault is about: it must be answered, though perhaps not at once."""
    answered = wait_until(lambda: record.ledger.send(rng.choice(record.clients), request), ANSWERED_S, 0.2)
    require(answered, "reply", f"refused when sent again: {request.items[0]}")


def agree(found: dict[str, Any], told: Told) -> None:
    """What was there before it was sent again is what the answer names."""
    there = found.get(told.token)
    require(there is None or there["recordId"] == told.record_id, "recorded twice", f"{there} and {told}")


def settle_by_reading(record: Record, request: Request, found: dict[str, Any]) -> None:
    """Without reference and key: whatever is there was recorded, the rest never comes."""
    ledger = record.ledger
    tokens = {token_of(item) for item in request.items}
    with ledger.lock:
        ledger.doubtful.pop(id(request), None)
        for token in tokens & found.keys():
            ledger.acknowledged.setdefault(token, told_of(found[token]))
        ledger.denied |= tokens - found.keys()


def told_of(delta: dict[str, Any]) -> Told:
    return Told(
        token_of(delta), delta["customerId"], Decimal(delta["delta"]), delta["recordId"], delta["sequenceNumber"],
        delta["period"],
    )  # fmt: skip


def settle_locks(record: Record) -> None:
    for customer, period in list(record.ledger.doubtful_locks):
        record.ledger.lock_month(record.clients[-1], customer, period)
        require((customer, period) not in record.ledger.doubtful_locks, "reply", f"no lock of {customer} {period}")


def check_acknowledged(record: Record, listings: dict[str, dict[str, Any]]) -> None:
    """Everything that was acknowledged is there, as it was acknowledged."""
    for token, told in record.ledger.acknowledged.items():
        if told.customer in listings:
            delta = listings[told.customer].get(token)
            require(delta, "acknowledged delta lost", f"{told}")
            require(told_of(delta) == told, "changed", f"{delta} was acknowledged as {told}")


def check_customer(record: Record, client: Client, customer: str, found: dict[str, Any]) -> None:
    """Nothing is there that nobody sent; months and balances are the sums of what is."""
    mine = {token: told for token, told in list(record.ledger.acknowledged.items()) if told.customer == customer}
    require(found.keys() <= mine.keys(), "nobody sent it", f"{customer}: {list(found.keys() - mine.keys())[:3]}")
    if mine:
        check_months(record, client, customer, mine)


def check_months(record: Record, client: Client, customer: str, mine: dict[str, Told]) -> None:
    """Each month's count and total, what is carried from month to month, and the roots of locked ones."""
    amounts: dict[str, list[Decimal]] = defaultdict(list)
    for told in mine.values():
        amounts[told.period].append(told.amount)
    months = client.get(f"/api/v1/balance/customers/{customer}/timeline", limit=100).data["periods"]
    shown = {month["period"]: month for month in months}
    require(amounts.keys() <= shown.keys(), "period total", f"{customer}: months are missing")
    carried = Decimal(0)
    for period, month in sorted(shown.items()):
        carried += sum(amounts[period], Decimal(0))
        stated = month["deltaCount"], month["netChange"], month["carriedForward"]
        expected = len(amounts[period]), sum(amounts[period], Decimal(0)), carried
        require(stated == expected, "period total", f"{customer} {period}: {stated}, not {expected}")
        told = record.ledger.locks.get((customer, period))
        if told is not None:
            same = month["locked"] and all(month[name] == told[name] for name in LOCKED if name in told)
            require(same, "lock changed", f"{customer}: {told}, now {month}")
    balance = client.derive(customer, **scope()).data
    require((balance["deltaCount"], balance["netChange"]) == (len(mine), carried), "balance", f"{customer}: {balance}")


def check_log(record: Record, client: Client) -> None:
    """The whole log extends every checkpoint that anybody saw; no slot is closed twice."""
    observer = record.observer
    seen = list(observer.seen)
    log = read_log(client, record.origin)
    for old in seen:
        try:
            assert_extends(old, log)
        except AssertionError as error:
            raise Violation("log forked", f"{old.size} to {log.checkpoint.size}: {error}") from error
    observer.seen[: len(seen)] = [log.checkpoint]
    slots = [entry["slot"] for entry in map(json.loads, log.entries) if "slot" in entry]
    require(len(slots) == len(set(slots)), "slot closed twice", f"{len(slots) - len(set(slots))} slots")


def check_verified(record: Record, client: Client, customers: list[str]) -> None:
    """The log goes on: everything comes under a published checkpoint."""

    def pending() -> list[str]:
        replies = {customer: client.derive(customer, **scope()) for customer in customers}
        return [c for c, reply in replies.items() if reply.status != 404 and reply.data["pendingCount"]]

    require(wait_until(lambda: not pending(), VERIFIED_S, 0.1), "unverified", f"{pending()} stay unverified")


def check_receipt(record: Record, client: Client, customers: list[str], rng: random.Random) -> None:
    """A locked month's receipt file is proved by the verifier alone."""
    locks = [lock for (customer, _), lock in record.ledger.locks.items() if customer in customers]
    if locks:
        lock = rng.choice(locks)
        try:
            accept(client, "locked-full", client.bundle(lock["checkpointId"]))
        except AssertionError as error:
            raise Violation("receipt", f"{lock['customerId']} {lock['period']}: {str(error)[:1000]}") from error
