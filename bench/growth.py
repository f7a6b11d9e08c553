"""How the figures change as a record grows: with the deltas of one customer, and with the number of customers."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from figures import Bench, Row, say
from locking import lock
from reading import WIDE, middle_record, timed
from serving import Connection, Disturbance, load, running
from waiting import until_verified
from worlds import FIRST, MONTH, Worlds, customer_name, fill_customers, fill_reads

DELTAS_EACH = 10
ASKED, LOCKED, FOLLOWED = 50, 20, 10  # requests of each scope, months locked, deltas followed into the log
POLL_S = 0.005
Point = dict[str, Any]
SERIES = {"deltas": "deltas of one customer", "customers": f"customers with {DELTAS_EACH} deltas each"}


def growth(bench: Bench, each: Worlds) -> Iterator[Row]:
    """A record of each size, small to large: recording, deriving, locking, and what it takes on disk."""
    for series, sizes in (("deltas", bench.sizes.grown_deltas), ("customers", bench.sizes.grown_customers)):
        for size in sizes:
            point = MEASURES[series](bench, each, size)
            disturbed = point.pop("others")
            say(f"  {each.engine.name}, {size:,} {SERIES[series]}: " + json.dumps(point))
            figure = f"{point['emitsPerSecond']:,.0f} emits/s"
            what = f"a record of {size:,} {SERIES[series]}"
            values = {"series": series, "size": size} | point
            yield Row("growth", what, each.engine.name, figure, values=values, disturbed=disturbed)


def _of_one_customer(bench: Bench, each: Worlds, size: int) -> Point:
    """The customers with all deltas in one month and over 24; the months that are locked have a 24th of them each."""
    paths = ("big-month?period=" + MONTH, "big-spread?" + WIDE)
    months = [f"{FIRST.year + (FIRST.month - 1 + n) // 12}-{(FIRST.month - 1 + n) % 12 + 1:02d}" for n in range(LOCKED)]
    with each.copied(fill_reads, size) as folder:
        with running(each.engine.serve(folder)) as server:
            connection, disturbance = server.connect(), Disturbance(server, each.engine)
            since = f"big-spread?startingCheckpoint={middle_record(connection, 'big-spread')}"
            names = ("deriveMonthMs", "deriveAllMonthsMs", "deriveSinceRecordMs")
            found = {name: _derive(connection, [path]) for name, path in zip(names, (*paths, since), strict=True)}
            found["verifiedMs"] = _verified(connection, ["big-month"])
            found["checkpointMs"] = _locks(connection, [("big-spread", month) for month in months])
            found |= _loads(bench, each, server, customers=1, customer="big-month")
            found["others"] = disturbance.share()
    return found | _on_disk(each, each.made(fill_reads, size))


def _of_many_customers(bench: Bench, each: Worlds, size: int) -> Point:
    """Each request is about another customer."""
    names = [customer_name(number) for number in range(0, size, max(1, size // ASKED))][:ASKED]
    with each.copied(fill_customers, size, DELTAS_EACH) as folder:
        with running(each.engine.serve(folder)) as server:
            connection, disturbance = server.connect(), Disturbance(server, each.engine)
            found = {
                "deriveMonthMs": _derive(connection, [f"{name}?period={MONTH}" for name in names]),
                "deriveAllMonthsMs": _derive(connection, [f"{name}?{WIDE}" for name in names]),
                "verifiedMs": _verified(connection, names[:FOLLOWED]),
                "checkpointMs": _locks(connection, [(name, MONTH) for name in names[:LOCKED]]),
            }
            found |= _loads(bench, each, server, customers=size)
            found["others"] = disturbance.share()
    return found | _on_disk(each, each.made(fill_customers, size, DELTAS_EACH))


MEASURES: dict[str, Callable[[Bench, Worlds, int], Point]] = {
    "deltas": _of_one_customer,
    "customers": _of_many_customers,
}


def _median_ms(seconds: Iterator[float]) -> float:
    return round(statistics.median(seconds) * 1000, 3)


def _derive(connection: Connection, paths: list[str]) -> float:
    requests = [connection.request("GET", f"/api/v1/balance/derive/{path}") for path in paths]
    return _median_ms(timed(connection, requests[number % len(requests)]) for number in range(ASKED))


def _verified(connection: Connection, names: list[str]) -> float:
    """Of deltas that come alone."""

    def one(number: int) -> float:
        body = {"customerId": names[number % len(names)], "delta": -1.5, "reason": "followed"}
        return until_verified(connection, connection.ask("POST", "/api/v1/balance/delta", body)["recordId"], POLL_S)

    return _median_ms(one(number) for number in range(FOLLOWED))


def _locks(connection: Connection, months: list[tuple[str, str]]) -> float:
    """Of customers and months, with the wait for the log."""

    def one(name: str, month: str) -> float:
        started = time.perf_counter()
        lock(connection, name, month)
        return time.perf_counter() - started

    return _median_ms(one(name, month) for name, month in months)


def _loads(bench: Bench, each: Worlds, server: Any, **spec: Any) -> Point:
    """Emits and batches on top of what is there, and the server's memory after them."""
    spec |= {"seconds": bench.sizes.grown_seconds, "warmup": 1.0}
    single = load(server, server.key, each.engine, connections=64, **spec)
    many = load(server, server.key, each.engine, connections=4, batch=1_000, start=10**9, **spec)
    return {
        "emitsPerSecond": round(single["requestsPerSecond"]), "batchedDeltasPerSecond": round(many["deltasPerSecond"]),
        "serverMB": round(server.memory()["now"], 1), "errors": single["errors"] + many["errors"],
    }  # fmt: skip


def _on_disk(each: Worlds, record: Path) -> Point:
    """Less what a record takes that has nothing in it."""
    deltas, _ = each.engine.counts(record)
    added_bytes = each.engine.size_bytes(record) - each.empty_bytes
    return {"deltas": deltas, "addedBytes": added_bytes, "bytesPerDelta": round(added_bytes / deltas)}
