"""Measurements of how long one waits: for an acknowledgement, and for the log to have what was acknowledged."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from figures import Bench, Row, latency, ms, times
from recording import CONNECTIONS
from serving import Connection, Disturbance, Failed, Server, finish_load, load, running, start_load
from worlds import Worlds

SAMPLERS = 4
POLL_S = 0.04
P99_BAR_MS, LONE_BAR_MS, VERIFIED_BAR_S = 25, 5, 0.5


@contextmanager
def new_server(worlds: Worlds) -> Iterator[Server]:
    """A server on a new record, which is removed afterwards."""
    folder = worlds.fresh("new")
    with running(worlds.engine.serve(folder)) as server:
        yield server
    worlds.engine.remove(folder)


def emit_latency(bench: Bench, worlds: Worlds) -> list[Row]:
    """Latency at half of the measured load, and of a request that is alone."""
    name, engine, seconds = worlds.engine.name, worlds.engine, bench.sizes.seconds
    with new_server(worlds) as server:
        if name not in bench.emit_rates:
            found = load(server, server.key, engine, connections=CONNECTIONS, seconds=seconds, warmup=2.0)
            bench.emit_rates[name] = found["requestsPerSecond"]
        rate = bench.emit_rates[name] / 2
        half = load(server, server.key, engine, connections=CONNECTIONS, seconds=max(6.0, seconds), warmup=2.0,
                    mode="open", rate=rate, start=10**9)  # fmt: skip
        lone = load(server, server.key, engine, connections=1, seconds=max(5.0, seconds), warmup=1.0, think=0.02,
                    start=2 * 10**9)  # fmt: skip
    note = (
        f"{rate:,.0f}/s, open loop; {latency(half)} from the instant each was due; sent "
        f"{half['sendLatenessMs']['p99']:.1f} ms late at p99; {half['errors']} errors"
    )
    return [
        _p99("emit latency at half of that load, p99", name, half, P99_BAR_MS, note),
        _p99("emit latency of a lone request, p99", name, lone, LONE_BAR_MS, latency(lone)),
    ]


def _p99(what: str, name: str, result: dict[str, Any], bar_ms: float, note: str) -> Row:
    p99 = result["latencyMs"]["p99"]
    return Row("latency", what, name, f"{p99:.1f} ms", f"< {bar_ms} ms", p99 < bar_ms, [note], result, result["others"])


def verified(bench: Bench, worlds: Worlds) -> list[Row]:
    """From the acknowledgement to the first GET that answers VERIFIED, while the full load runs."""
    waits: list[float] = []
    failures: list[str] = []
    stop = threading.Event()
    with new_server(worlds) as server:
        disturbance = Disturbance(server, worlds.engine)
        child = start_load(server, server.key, connections=CONNECTIONS, seconds=bench.sizes.seconds * 2)
        time.sleep(1.5)
        samplers = [threading.Thread(target=_sample, args=(server, n, waits, failures, stop)) for n in range(SAMPLERS)]
        for sampler in samplers:
            sampler.start()
        result = finish_load(child)
        stop.set()
        for sampler in samplers:
            sampler.join()
        disturbed = disturbance.share()
    if failures or not waits:
        raise Failed(failures[0] if failures else "no sample became VERIFIED while the load ran")
    spread, median_s = times(waits), statistics.median(waits)
    note = (
        f"{len(waits)} samples, p90 {spread['p90']:.0f} ms, max {spread['max']:.0f} ms, "
        f"under {result['requestsPerSecond']:,.0f} emits/s; polled every {POLL_S * 1000:.0f} ms"
    )
    what = "verified after acknowledged, median, at full load"
    bar, met = f"< {VERIFIED_BAR_S * 1000:.0f} ms", median_s < VERIFIED_BAR_S
    return [Row("verified", what, worlds.engine.name, ms(median_s), bar, met, [note], spread, disturbed)]


def _sample(server: Server, number: int, waits: list[float], failures: list[str], stop: threading.Event) -> None:
    """Emits one delta at a time and asks for it until it is verified."""
    try:
        connection = server.connect()
        while not stop.is_set():
            body = {"customerId": f"customer-{len(waits) % 1000:06d}", "delta": -1.5, "reason": f"sample_{number}"}
            record = connection.ask("POST", "/api/v1/balance/delta", body)["recordId"]
            waited = until_verified(connection, record, POLL_S)
            if not stop.is_set():
                waits.append(waited)
        connection.close()
    except (Failed, OSError) as error:
        failures.append(str(error))


def until_verified(connection: Connection, record: str, poll_s: float) -> float:
    """Seconds until a delta that was just acknowledged is verified."""
    acknowledged = time.perf_counter()
    while connection.ask("GET", f"/api/v1/balance/delta/{record}")["status"] != "VERIFIED":
        if time.perf_counter() - acknowledged > 60:
            raise Failed("a delta was not verified within 60 s")
        time.sleep(poll_s)
    return time.perf_counter() - acknowledged
