"""Measurements of locking: one customer's month, and everybody's."""

from __future__ import annotations

import statistics
import time
from pathlib import Path
from typing import Any

import failing
import worlds
from engines import Engine
from figures import Bench, Row, ms, say
from serving import PATIENCE_S, SERVE, Connection, Disturbance, Failed, fetch, running
from worlds import MONTH, Worlds, customer_name, fill_customers, fill_reads

RATIO_BAR, RATE_BAR = 2, 2_000
DELTAS_EACH = 30
POLL_S = 0.02
STEPS = ("summary receipt", "public verify (db)", "public verify (chain)")
Times = dict[str, list[float]]


def checkpoint(bench: Bench, each: Worlds) -> list[Row]:
    """Locking a month of ten and of many deltas; then what is done for the first time after it."""
    sizes, disturbed = bench.sizes, 0.0
    taken: dict[str, Times] = {"small": {}, "big": {}}
    for number in range(sizes.locks):
        with each.copied(fill_reads, sizes.many) as folder, running(each.engine.serve(folder)) as server:
            connection, disturbance = server.connect(), Disturbance(server, each.engine)
            few = [f"small-{i:03d}" for i in range(worlds.SMALL_CUSTOMERS)]
            for customer in few[:5]:  # not counted: opens connections, starts threads
                _lock_and_look(connection, customer, {})
            for customer in few[5:25]:
                _lock_and_look(connection, customer, taken["small"])
            _lock_and_look(connection, "big-month", taken["big"], look=number == 0)
            disturbed = max(disturbed, disturbance.share())
    with each.copied(fill_reads, sizes.many) as folder:
        alone = [_locks_rolled_back(each.engine, folder, name) for name in ("small-month", "big-month", "big-spread")]
    middle = {size: {step: statistics.median(v) for step, v in steps.items()} for size, steps in taken.items()}
    small, big = middle["small"], middle["big"]
    ratio = big["checkpoint"] / small["checkpoint"]
    firsts = "; ".join(f"its first {step} {ms(small[step])} and {ms(big[step])}" for step in STEPS)
    notes = [
        f"{ms(small['checkpoint'])} and {ms(big['checkpoint'])}, with the wait for the log; {sizes.locks} locks of the "
        f"large month; the transaction alone (rolled back, 20 times) {ms(alone[0])} and {ms(alone[1])}, with 22 earlier "
        f"months {ms(alone[2])}",
        firsts,
    ]
    what = f"checkpoint of a month with 10 and {sizes.many:,} deltas"
    bar = f"<= x{RATIO_BAR}"
    return [
        Row("checkpoint", what, each.engine.name, f"x{ratio:.2f}", bar, ratio <= RATIO_BAR, notes, middle, disturbed)
    ]


def lock(connection: Connection, customer: str, period: str = MONTH) -> dict[str, Any]:
    """The reply to a checkpoint once the log has it: the server waits for two seconds, then it is asked again."""
    body, deadline = {"customerId": customer, "period": period}, time.monotonic() + PATIENCE_S
    while True:
        answer: dict[str, Any] = connection.ask("POST", "/api/v1/balance/checkpoint", body)
        if answer["status"] == "VERIFIED":
            return answer
        say(f"  {customer}, {period}: {answer['status']} after the longest wait")
        if time.monotonic() > deadline:
            raise Failed(f"the log does not take up the lock of {customer}, {period}")


def _lock_and_look(connection: Connection, customer: str, taken: Times, look: bool = True) -> None:
    """Locks the month, then asks for its summary receipt and its public verification, and times each."""
    started = time.perf_counter()
    answer = lock(connection, customer)
    taken.setdefault("checkpoint", []).append(time.perf_counter() - started)
    verify = f"/api/v1/verify/{answer['proofRoot']}?source="
    for step in STEPS if look else ():
        started = time.perf_counter()
        if step == STEPS[0]:
            fetch(connection.port, answer["checkpointId"], None, "summary")
        elif not connection.ask("GET", verify + ("db" if step == STEPS[1] else "chain"))["verified"]:
            raise Failed(f"{customer}: not verified")
        taken.setdefault(step, []).append(time.perf_counter() - started)


class _RollBack(Exception):
    pass


def _locks_rolled_back(engine: Engine, folder: Path, customer_id: str, repeats: int = 20) -> float:
    """Seconds of the locking transaction without its commit: median of some that were rolled back."""
    from pacspace_server import config
    from pacspace_server.process.engines import open_storage
    from pacspace_server.storage.model import ids
    from pacspace_server.storage.model.commands import Locked, LockPeriod
    from pacspace_server.storage.writing.locking import lock_period

    storage = open_storage(config.database(config.Value(engine.url(folder), "flag")), create=False)
    with storage.snapshot() as snapshot:
        side = next(e for e in snapshot.environments() if e.name == "sandbox")
    shard = ids.shard_key(storage.secret, side.workspace_id, side.name, customer_id)
    command = LockPeriod(side.id, shard, customer_id, MONTH, None, None, b"")

    def work(unit: Any) -> None:
        unit.expect([command])
        if not isinstance(lock_period(unit, command), Locked):
            raise Failed(f"{customer_id} could not be locked")
        unit.flush()
        raise _RollBack

    taken = []
    for _ in range(repeats):
        started = time.perf_counter()
        try:
            storage.write(work)
        except _RollBack:
            taken.append(time.perf_counter() - started)
    storage.close()
    return statistics.median(taken)


def locking(bench: Bench, each: Worlds) -> list[Row]:
    """Everybody's month by a job of a real server, once with some customers made to fail half way."""
    return [_locking(bench, each, failures) for failures in (max(1, bench.sizes.customers // 1_000), 0)]


def _locking(bench: Bench, each: Worlds, failures: int) -> Row:
    customers = bench.sizes.customers
    program = failing.program(customers // failures) if failures else SERVE
    with (
        each.copied(fill_customers, customers, DELTAS_EACH) as folder,
        running(each.engine.serve(folder, program=program)) as server,
    ):
        connection, disturbance = server.connect(), Disturbance(server, each.engine)
        started = time.perf_counter()
        job = connection.ask("POST", "/api/v1/balance/checkpoint", {"period": MONTH})
        while job["status"] != "DONE":
            time.sleep(POLL_S)
            job = connection.ask("GET", f"/api/v1/balance/jobs/{job['jobId']}")
        seconds = time.perf_counter() - started
        lock(connection, customer_name(customers - 1))  # is locked already: waits for the log
        later = time.perf_counter() - started - seconds
        share = disturbance.share()
    if (job["done"], job["failedCount"]) != (customers, failures):
        raise Failed(
            f"{job['done']} customers were done and {job['failedCount']} failed, not {customers} and {failures}"
        )
    rate = customers / seconds
    what = f"locking {customers:,} customers with {DELTAS_EACH} deltas, {failures or 'none'} failing half way"
    bar, met = (f">= {RATE_BAR:,}/s", rate >= RATE_BAR) if failures else ("", None)
    note = f"{seconds:.1f} s, the last in the log {ms(later)} later"
    return Row("locking", what, each.engine.name, f"{rate:,.0f}/s", bar, met, [note], {"rate": rate}, share)
