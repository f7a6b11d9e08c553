"""Filling databases over HTTP, in batches of 1,000, as a vendor would; kept and copied between measurements."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from itertools import islice
from pathlib import Path

from engines import Engine
from serving import PATIENCE_S, Connection, Disturbance, Failed, Server, running

CLOCK = "2026-03-20T12:00:00Z"  # the sandbox's held clock: the same months in every run
MONTH = "2026-02"
FIRST = datetime(2024, 4, 1)
MONTHS = 24
SMALL_MONTHS = (0, 2, 5, 7, 10, 13, 15, 18, 20, 22)
SPREAD_MONTH, SPREAD_WINDOW = "2024-11", ("2024-11-05", "2024-11-12")  # SMALL_MONTHS has it, with the 8th
WINDOW = ("2026-02-05", "2026-02-12")
FEW = 10
SMALL_CUSTOMERS = 60
WRITERS = 3
BATCH = 1_000
SHOW_S = 10

Item = tuple[str, int, datetime]  # customer, number, when it happened


def in_month(customer: str, count: int) -> Iterator[Item]:
    """Deltas evenly over February 2026."""
    start, step = datetime(2026, 2, 1), timedelta(days=28) / count
    return ((customer, i, start + step * i) for i in range(count))


def in_months(customer: str, count: int) -> Iterator[Item]:
    """Deltas evenly over 24 months that end with the clock; a few of them on the 8th of every second month or so."""
    if count == FEW:
        for i, month in enumerate(SMALL_MONTHS):
            year, zero_based = divmod(FIRST.month - 1 + month, 12)
            yield customer, i, datetime(FIRST.year + year, zero_based + 1, 8, 12)
        return
    step = (datetime(2026, 3, 20, 12) - FIRST) / count
    for i in range(count):
        yield customer, i, FIRST + step * i


def batches(items: Iterable[Item]) -> Iterator[bytes]:
    rest = iter(items)
    while part := list(islice(rest, BATCH)):
        deltas = (
            f'{{"customerId":"{customer}","delta":-{1 + i % 97}.25,"reason":"api_calls",'
            f'"referenceId":"{customer}-{i:08d}","occurredAt":"{at.isoformat(timespec="microseconds")}Z",'
            f'"metadata":{{"region":"eu-west-1","tokens":{i % 4096}}}}}'
            for customer, i, at in part
        )
        yield ('{"deltas":[' + ",".join(deltas) + "]}").encode()


def feed(server: Server, items: Iterable[Item], count: int, what: str) -> float:
    """Sends everything over a few connections; every item must be queued. Returns deltas per second."""
    connections = [server.connect() for _ in range(WRITERS)]
    waiting, done = batches(items), 0
    shown = started = time.perf_counter()

    def send(connection: Connection, body: bytes) -> int:
        status, reply = connection.exchange(connection.request("POST", "/api/v1/balance/delta/batch", body))
        if status != 201 or b'"totalFailed":0,' not in reply[:200]:
            raise Failed(f"seeding {what}: {status} {reply[:600].decode('utf-8', 'replace')}")
        return int(reply[reply.find(b'"totalQueued":') + 14 :].partition(b",")[0])

    with ThreadPoolExecutor(WRITERS) as pool:
        while bodies := list(islice(waiting, WRITERS * 4)):
            work = [pool.submit(_each, send, connections[i], bodies[i::WRITERS]) for i in range(WRITERS)]
            done += sum(future.result() for future in work)
            now = time.perf_counter()
            if now - shown > SHOW_S or done == count:
                rate, shown = done / (now - started), now
                print(f"  {what}: {done:,} of {count:,} deltas, {rate:,.0f}/s", file=sys.stderr, flush=True)
    for connection in connections:
        connection.close()
    if done != count:
        raise Failed(f"seeding {what}: {done} deltas were recorded, not {count}")
    return done / (time.perf_counter() - started)


def _each(send: Callable[[Connection, bytes], int], connection: Connection, bodies: list[bytes]) -> int:
    return sum(send(connection, body) for body in bodies)


def settle(server: Server, customer: str, seconds: float = PATIENCE_S) -> None:
    """Waits until the log has every delta of the customer."""
    connection, deadline = server.connect(), time.monotonic() + seconds
    path = f"/api/v1/balance/derive/{customer}?startDate={FIRST:%Y-%m-%d}&endDate=2026-04-01"
    while connection.ask("GET", path)["pendingCount"]:
        if time.monotonic() > deadline:
            raise Failed(f"the log has not caught up with {customer} after {seconds} s")
        time.sleep(0.05)
    connection.close()


@dataclass
class Memory:
    """Resident memory of the server in MB while a world was filled."""

    deltas: int
    idle: dict[str, float]
    after: dict[str, float]
    deltas_per_second: float
    others: float  # how disturbed the filling was


def fill_reads(engine: Engine, folder: Path, count: int) -> None:
    """Customers with `count` deltas and with ten, in one month and over 24. The first `count` are the memory test."""
    with running(engine.serve(folder, "--sandbox-clock", CLOCK)) as server:
        first: list[Item] = [*in_month("first", 1)]  # with it in the log all of the server's processes are there
        feed(server, first, 1, "first delta")
        settle(server, "first")
        time.sleep(1)
        idle, disturbance = server.memory(), Disturbance(server, engine)
        rate = feed(server, in_month("big-month", count), count, "one month")
        settle(server, "big-month")
        time.sleep(1)
        after = server.memory()
        memory = Memory(count, idle, after, rate, disturbance.share())
        feed(server, in_months("big-spread", count), count, "24 months")
        few: list[Item] = [*in_month("small-month", FEW), *in_months("small-spread", FEW)]
        for number in range(SMALL_CUSTOMERS):
            few += in_month(f"small-{number:03d}", FEW)
        feed(server, few, len(few), "small customers")
        for customer in ("big-spread", "small-spread", f"small-{SMALL_CUSTOMERS - 1:03d}"):
            settle(server, customer)
    (folder / "memory.json").write_text(json.dumps(vars(memory)))


def fill_receipt(engine: Engine, folder: Path, count: int) -> None:
    """One customer with `count` deltas in a month and one with 1,000."""
    with running(engine.serve(folder, "--sandbox-clock", CLOCK)) as server:
        for customer, deltas in (("long", count), ("short", 1_000)):
            feed(server, in_month(customer, deltas), deltas, f"receipt of {deltas:,}")
            settle(server, customer)


def fill_customers(engine: Engine, folder: Path, customers: int, deltas: int) -> None:
    """Many customers with a few deltas each, interleaved as they would arrive."""
    rounds = [in_month(customer_name(number), deltas) for number in range(customers)]
    items = (next(source) for _ in range(deltas) for source in rounds)
    with running(engine.serve(folder, "--sandbox-clock", CLOCK)) as server:
        feed(server, items, customers * deltas, f"{customers:,} customers")
        settle(server, customer_name(customers - 1))


def customer_name(number: int) -> str:
    """As the load generator's."""
    return f"customer-{number:06d}"


class Worlds:
    """Makes each of an engine's records once; hands out copies, so that a measurement can change its own."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        self.engine, self._folder, self._copies = engine, folder, 0
        self._made: set[str] = set()

    def fresh(self, name: str) -> Path:
        """A folder that is not there yet."""
        self._copies += 1
        return self._folder / f"{name}-{self._copies}"

    def made(self, fill: Callable[..., None], *sizes: int) -> Path:
        """The filled record. Not to be changed."""
        name = "-".join((fill.__name__, *map(str, sizes)))
        path = self._folder / name
        if name not in self._made:
            fill(self.engine, path, *sizes)
            self._made.add(name)
        return path

    @cached_property
    def empty_bytes(self) -> int:
        """What a record takes on disk that has nothing in it."""
        folder = self.fresh("empty")
        with running(self.engine.serve(folder)):
            pass
        size_bytes = self.engine.size_bytes(folder)
        self.engine.remove(folder)
        return size_bytes

    @contextmanager
    def copied(self, fill: Callable[..., None], *sizes: int) -> Iterator[Path]:
        """A copy of it, to be changed at will."""
        target = self.fresh("copy")
        self.engine.copy(self.made(fill, *sizes), target)
        yield target
        self.engine.remove(target)
