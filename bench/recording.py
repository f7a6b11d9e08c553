"""Measurements of recording: single emits and batches, beside a bare application and the bare engines."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Iterator
from typing import Any

import bare_engine
from figures import TWO_PROCESSES, Bench, Row, cores, latency, middle, say
from serving import HERE, Failed, Process, Server, load, running
from worlds import Worlds

CONNECTIONS = 64
FAKE_KEY = "pk_test_0123456789abcdef." + "0" * 43  # as long as a real one
BATCHES = ((100, 8), (1_000, 4))  # deltas in each, connections
RATE_BAR, BATCH_BAR, BARE_BAR, POSTGRES_BAR = 6_000, 25_000, 0.35, 0.8
RAW_REPLY = b'{"success":true,"data":{"totalFailed":0,"filler":"' + b"x" * 550 + b'"}}'
Result = dict[str, Any]


def columns(bench: Bench) -> dict[str, tuple[Worlds, int]]:
    """The columns of the table: worlds and server processes by name."""
    found = {worlds.engine.name: (worlds, 1) for worlds in bench.worlds}
    postgres = next((worlds for worlds in bench.worlds if worlds.engine.file_name == "postgres"), None)
    return found | ({TWO_PROCESSES: (postgres, 2)} if postgres else {})


def one_round(worlds: Worlds, workers: int, **spec: Any) -> tuple[Result, bytes]:
    """A load on a new record, beside the bare engine with the same rows in groups as large; and the bytes of a
    reply."""
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


def baseline(bench: Bench, reply: bytes, *flags: str, **spec: Any) -> Result:
    """The same load on a peer that answers these bytes to everything."""
    file = bench.scratch / "reply"
    file.write_bytes(reply)
    with running(Process([str(HERE / "baseline.py"), str(file), *flags], bench.scratch)) as process:
        return load(process, FAKE_KEY, seconds=bench.sizes.seconds, **spec)


def rounds(bench: Bench, found: dict[str, list[Result]], **spec: Any) -> Iterator[bytes]:
    """Adds a result for every column, in turns; after each round the bytes of a reply."""
    for number in range(bench.sizes.rounds):
        reply = b""
        for name, (worlds, workers) in columns(bench).items():
            result, reply = one_round(worlds, workers, seconds=bench.sizes.seconds, warmup=2.0, **spec)
            found.setdefault(name, []).append(result)
            say(f"  round {number + 1}, {name}: {result['deltasPerSecond']:,.0f} deltas/s; {cores(result)}")
        yield reply


def emit(bench: Bench) -> list[Row]:
    """Single emits on every engine, the bare application and the bare engine, in turns."""
    found: dict[str, list[Result]] = {}
    bare = []
    for reply in rounds(bench, found, connections=CONNECTIONS):
        bare.append(baseline(bench, reply, connections=CONNECTIONS))
        say(f"  bare application: {bare[-1]['requestsPerSecond']:,.0f}/s")
    raw = baseline(bench, RAW_REPLY, "--raw", connections=CONNECTIONS)
    bench.emit_rates = {name: middle(results, "requestsPerSecond") for name, results in found.items()}
    what, rows = "single emits", []
    for name, results in found.items():
        own = RATE_BAR if name == "SQLite" else None
        rows += [_rate("emit", what, name, results, f">= {RATE_BAR:,}/s (SQLite)", own),
                 _share(f"{what}: of the bare ASGI application", name, results, bare, BARE_BAR, "SQLite"),
                 _of_bare_engine("emit", what, name, results)]  # fmt: skip
        if name != "SQLite" and "SQLite" in found:
            rows.append(_share(f"{what}: of SQLite", name, results, found["SQLite"], POSTGRES_BAR, "PostgreSQL"))
    alone = _of_no_engine("emit", "the bare ASGI application, single requests", bare)
    return [*rows, alone, _of_no_engine("emit", "the load generator alone, single emits", [raw])]


def batch(bench: Bench) -> list[Row]:
    """Batches of 100 and 1,000, items over 1,000 customers, on every engine and the bare engine."""
    rows = []
    for size, connections in BATCHES:
        found: dict[str, list[Result]] = {}
        for _ in rounds(bench, found, connections=connections, batch=size):
            pass
        what, bar = f"deltas in batches of {size:,}", f">= {BATCH_BAR:,}/s (one process)"
        for name, results in found.items():
            own = BATCH_BAR if name != TWO_PROCESSES else None
            rows += [_rate("batch", what, name, results, bar, own), _of_bare_engine("batch", what, name, results)]
        raw = baseline(bench, RAW_REPLY, "--raw", connections=connections, batch=size)
        rows.append(_of_no_engine("batch", f"the load generator alone, {what}", [raw]))
    return rows


def _rate(kind: str, what: str, name: str, results: list[Result], bar: str, own_bar: float | None) -> Row:
    """`own_bar` is what this column has to reach."""
    rate = middle(results, "deltasPerSecond")
    first, errors = results[0], sum(result["errors"] for result in results)
    note = (
        f"{first['connections']} connections; {latency(first)}; {cores(first)}; groups of {middle(results, 'groupSize'):.0f}; "
        f"{errors} errors"
    )
    met = None if own_bar is None else rate >= own_bar
    values = {"rounds": results, "rate": rate}
    return Row(kind, what, name, f"{rate:,.0f}/s", bar, met, [note], values, max(r["others"] for r in results))


def _share(what: str, name: str, results: list[Result], of: list[Result], bar: float, barred: str) -> Row:
    """Of what something else reached in the same round."""
    ratio = statistics.median(
        mine["requestsPerSecond"] / other["requestsPerSecond"] for mine, other in zip(results, of, strict=True)
    )
    met = ratio >= bar if name == barred else None
    disturbed = max(result["others"] for result in [*results, *of])
    return Row("emit", what, name, f"{ratio:.0%}", f">= {bar:.0%} ({barred})", met, disturbed=disturbed)


def _of_bare_engine(kind: str, what: str, name: str, results: list[Result]) -> Row:
    """How much of what the engine alone inserts."""
    alone = statistics.median(result["bareEngine"]["rowsPerSecond"] for result in results)
    ratio = statistics.median(result["deltasPerSecond"] / result["bareEngine"]["rowsPerSecond"] for result in results)
    note = f"the bare engine inserts {alone:,.0f} rows/s in groups of {middle(results, 'groupSize'):.0f}"
    values = {"rate": middle(results, "deltasPerSecond"), "bareEngine": alone}
    disturbed = max(max(result["others"], result["bareEngine"]["others"]) for result in results)
    return Row(kind, f"{what}: of the bare engine", name, f"{ratio:.0%}", "", None, [note], values, disturbed)


def _of_no_engine(kind: str, what: str, results: list[Result]) -> Row:
    rate = middle(results, "deltasPerSecond")
    values, disturbed = {"rounds": results, "rate": rate}, max(result["others"] for result in results)
    note = f"{latency(results[0])}; {cores(results[0])}"
    return Row(kind, what, "", f"{rate:,.0f}/s", "", None, [note], values, disturbed)
