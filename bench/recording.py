"""Measurements of recording: single emits, batches, latency, and how soon the log has what was acknowledged."""

from __future__ import annotations

import json
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import bare_engine
from figures import TWO_PROCESSES, Bench, Row, cores, latency, middle, ms, say, times
from serving import HERE, Disturbance, Failed, Process, Server, finish_load, load, running, start_load
from worlds import Worlds

CONNECTIONS = 64
SAMPLERS = 4
POLL_S = 0.04
FAKE_KEY = "pk_test_0123456789abcdef." + "0" * 43  # as long as a real one
BATCHES = ((100, 8), (1_000, 4))  # deltas in each, connections
RATE_BAR, BATCH_BAR, BARE_BAR, POSTGRES_BAR = 6_000, 25_000, 0.35, 0.8
RAW_REPLY = b'{"success":true,"data":{"totalFailed":0,"filler":"' + b"x" * 550 + b'"}}'


@contextmanager
def new_server(worlds: Worlds) -> Iterator[Server]:
    """A server on a new record, which is removed afterwards."""
    folder = worlds.fresh("new")
    with running(worlds.engine.serve(folder)) as server:
        yield server
    worlds.engine.remove(folder)


def columns(bench: Bench) -> dict[str, tuple[Worlds, int]]:
    """The columns of the table: worlds and server processes by name."""
    found = {worlds.engine.name: (worlds, 1) for worlds in bench.worlds}
    postgres = next((worlds for worlds in bench.worlds if worlds.engine.file_name == "postgres"), None)
    return found | ({TWO_PROCESSES: (postgres, 2)} if postgres else {})


def one_round(worlds: Worlds, workers: int, **spec: Any) -> tuple[dict[str, Any], bytes]:
    """A load on a new record, beside the bare engine with the same rows in groups as large; and the bytes of a reply."""
    engine, folder = worlds.engine, worlds.fresh("new")
    with running(engine.serve(folder, workers=workers)) as server:
        reply = sample_reply(server)
        result = load(server, server.key, engine, **spec)
    deltas, commits = engine.counts(folder)
    certain, unsure = result["acknowledgedDeltas"], result["errors"] * (spec.get("batch") or 1)
    if not certain <= deltas - 1 <= certain + unsure:
        raise Failed(f"{certain} deltas were acknowledged, {deltas - 1} are in the database")
    result["groupSize"] = deltas / commits
    result["bareEngine"] = bare_engine.measure(engine, folder, round(result["groupSize"]))
    engine.remove(folder)
    return result, reply


def sample_reply(server: Server) -> bytes:
    body = json.dumps({
        "customerId": "customer-000001", "delta": -12.25, "reason": "api_calls", "referenceId": f"sample-{time.time()}",
        "metadata": {"region": "eu-west-1", "model": "large", "tokens": 17},
    }).encode()  # fmt: skip
    connection = server.connect()
    status, reply = connection.exchange(connection.request("POST", "/api/v1/balance/delta", body))
    connection.close()
    if status != 201:
        raise Failed(f"a sample emit was answered {status}: {reply[:500]!r}")
    return reply


def baseline(bench: Bench, reply: bytes, *flags: str, **spec: Any) -> dict[str, Any]:
    """The same load on a peer that answers these bytes to everything."""
    file = bench.scratch / "reply"
    file.write_bytes(reply)
    with running(Process([str(HERE / "baseline.py"), str(file), *flags], bench.scratch)) as process:
        return load(process, FAKE_KEY, seconds=bench.sizes.seconds, **spec)


def emit(bench: Bench) -> list[Row]:
    """Single emits on every engine, the bare application and the bare engine, in turns."""
    variants, bare = columns(bench), []
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in variants}
    reply = b""
    for number in range(bench.sizes.rounds):
        for name, (worlds, workers) in variants.items():
            result, reply = one_round(worlds, workers, connections=CONNECTIONS, seconds=bench.sizes.seconds, warmup=2.0)
            found[name].append(result)
            say(f"  round {number + 1}, {name}: {result['requestsPerSecond']:,.0f}/s; {cores(result)}")
        bare.append(baseline(bench, reply, connections=CONNECTIONS))
        say(f"  round {number + 1}, bare application: {bare[-1]['requestsPerSecond']:,.0f}/s")
    raw = baseline(bench, RAW_REPLY, "--raw", connections=CONNECTIONS)
    bench.emit_rates = {name: middle(results, "requestsPerSecond") for name, results in found.items()}
    rows = [row for name, results in found.items() for row in _emit_rows(name, results, bare, found.get("SQLite"))]
    others = max(result["others"] for result in [*bare, raw])
    what = "the bare ASGI application, 64 connections"
    rate = f"{middle(bare, 'requestsPerSecond'):,.0f}/s"
    return [
        *rows,
        Row("emit", what, "", rate, notes=[f"{latency(bare[0])}; {cores(bare[0])}"], disturbed=others,
            values={"rate": middle(bare, "requestsPerSecond"), "rounds": bare}),
        Row("emit", "the load generator alone, single emits", "", f"{raw['requestsPerSecond']:,.0f}/s", values=raw,
            notes=[cores(raw)], disturbed=others),
    ]  # fmt: skip


def _emit_rows(
    name: str, results: list[dict[str, Any]], bare: list[dict[str, Any]], sqlite: list[dict[str, Any]] | None
) -> list[Row]:
    def of(others: list[dict[str, Any]]) -> float:
        return statistics.median(
            mine["requestsPerSecond"] / other["requestsPerSecond"] for mine, other in zip(results, others, strict=True)
        )

    barred, disturbed = name == "SQLite", max(result["others"] for result in [*results, *bare])
    rate, share = middle(results, "requestsPerSecond"), of(bare)
    bars = (f">= {RATE_BAR:,}/s (SQLite)", f">= {BARE_BAR:.0%} (SQLite)", f">= {POSTGRES_BAR:.0%} (one process)")
    notes = [
        f"{latency(results[0])}; {cores(results[0])}; groups of {middle(results, 'groupSize'):.0f}; "
        f"{sum(result['errors'] for result in results):.0f} errors"
    ]
    what = f"single emits, {CONNECTIONS} connections"
    rows = [
        Row("emit", what, name, f"{rate:,.0f}/s", bars[0], rate >= RATE_BAR if barred else None, notes,
            {"rounds": results, "rate": rate}, disturbed),
        Row("emit", f"{what}: of the bare ASGI application", name, f"{share:.0%}", bars[1],
            share >= BARE_BAR if barred else None, disturbed=disturbed),
        _of_bare_engine(what, name, results, rate),
    ]  # fmt: skip
    if sqlite and sqlite is not results:
        ratio = of(sqlite)
        met = ratio >= POSTGRES_BAR if name == "PostgreSQL" else None
        rows.append(Row("emit", f"{what}: of SQLite", name, f"{ratio:.0%}", bars[2], met, disturbed=disturbed))
    return rows


def _of_bare_engine(what: str, name: str, results: list[dict[str, Any]], rate: float) -> Row:
    """How much of what the engine alone inserts."""
    alone = statistics.median(result["bareEngine"]["rowsPerSecond"] for result in results)
    ratio = statistics.median(result["deltasPerSecond"] / result["bareEngine"]["rowsPerSecond"] for result in results)
    note = f"the bare engine inserts {alone:,.0f} rows/s in groups of {middle(results, 'groupSize'):.0f}"
    disturbed = max(result["bareEngine"]["others"] for result in results)
    return Row("emit", f"{what}: of the bare engine", name, f"{ratio:.0%}", notes=[note], disturbed=disturbed,
               values={"rate": rate, "bareEngine": alone})  # fmt: skip


def batch(bench: Bench) -> list[Row]:
    """Batches of 100 and 1,000, items over 1,000 customers, on every engine and the bare engine."""
    rows = []
    for size, connections in BATCHES:
        spec: dict[str, Any] = {"connections": connections, "batch": size, "warmup": 2.0}
        found: dict[str, list[dict[str, Any]]] = {name: [] for name in columns(bench)}
        for number in range(bench.sizes.rounds):
            for name, (worlds, workers) in columns(bench).items():
                result, _ = one_round(worlds, workers, seconds=bench.sizes.seconds, **spec)
                found[name].append(result)
                say(f"  round {number + 1}, {size}, {name}: {result['deltasPerSecond']:,.0f} deltas/s")
        raw = baseline(bench, RAW_REPLY, "--raw", **spec)
        what = f"deltas in batches of {size:,}"
        for name, results in found.items():
            rate, barred = middle(results, "deltasPerSecond"), name != TWO_PROCESSES
            note = (
                f"{connections} connections; {latency(results[0])}; {cores(results[0])}; "
                f"groups of {middle(results, 'groupSize'):.0f}; {sum(result['errors'] for result in results):.0f} errors"
            )
            bar = f">= {BATCH_BAR:,}/s (one process)"
            rows += [
                Row("batch", what, name, f"{rate:,.0f}/s", bar, rate >= BATCH_BAR if barred else None, [note],
                    {"rounds": results, "rate": rate}, max(result["others"] for result in results)),
                _of_bare_engine(what, name, results, rate),
            ]  # fmt: skip
        rows.append(Row("batch", f"the load generator alone, deltas in batches of {size:,}", "",
                        f"{raw['deltasPerSecond']:,.0f}/s", values=raw, notes=[cores(raw)], disturbed=raw["others"]))  # fmt: skip
    return rows


def emit_latency(bench: Bench) -> list[Row]:
    """Latency at half of the measured load, and of a request that is alone."""
    rows, seconds = [], bench.sizes.seconds
    for worlds in bench.worlds:
        name = worlds.engine.name
        with new_server(worlds) as server:
            if name not in bench.emit_rates:
                found = load(server, server.key, worlds.engine, connections=CONNECTIONS, seconds=seconds, warmup=2.0)
                bench.emit_rates[name] = found["requestsPerSecond"]
            rate = bench.emit_rates[name] / 2
            half = load(server, server.key, worlds.engine, connections=CONNECTIONS, seconds=max(6.0, seconds), warmup=2.0,
                        mode="open", rate=rate, start=10**9)  # fmt: skip
            lone = load(server, server.key, worlds.engine, connections=1, seconds=max(5.0, seconds), warmup=1.0,
                        think=0.02, start=2 * 10**9)  # fmt: skip
        p99, alone = half["latencyMs"]["p99"], lone["latencyMs"]["p99"]
        note = (
            f"{rate:,.0f}/s, open loop; {latency(half)} from the instant each was due; sent "
            f"{half['sendLatenessMs']['p99']:.1f} ms late at p99; {half['errors']} errors"
        )
        rows += [
            Row("latency", "emit latency at half of that load, p99", name, f"{p99:.1f} ms", "< 25 ms", p99 < 25,
                [note], half, half["others"]),
            Row("latency", "emit latency of a lone request, p99", name, f"{alone:.1f} ms", "< 5 ms", alone < 5,
                [latency(lone)], lone, lone["others"]),
        ]  # fmt: skip
    return rows


def verified(bench: Bench) -> list[Row]:
    """From the acknowledgement to the first GET that answers VERIFIED, while the full load runs."""
    return [_verified(bench, worlds) for worlds in bench.worlds]


def _verified(bench: Bench, worlds: Worlds) -> Row:
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
    return Row(
        "verified", what, worlds.engine.name, ms(median_s), "< 500 ms", median_s < 0.5, [note], spread, disturbed
    )


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


def until_verified(connection: Any, record: str, poll_s: float) -> float:
    """Seconds until a delta that was just acknowledged is verified."""
    acknowledged = time.perf_counter()
    while connection.ask("GET", f"/api/v1/balance/delta/{record}")["status"] != "VERIFIED":
        if time.perf_counter() - acknowledged > 60:
            raise Failed("a delta was not verified within 60 s")
        time.sleep(poll_s)
    return time.perf_counter() - acknowledged
