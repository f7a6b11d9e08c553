"""Measurements of deriving, and of the server's memory while a record grows."""

from __future__ import annotations

import json
import time

import worlds
from figures import Bench, Row, times
from serving import Connection, Disturbance, Failed, Server, running
from worlds import MONTH, Worlds, fill_reads

WIDE = "startDate=2024-04-01&endDate=2026-04-01"
KINDS = {
    "month": ("in one month", MONTH, worlds.WINDOW),
    "spread": ("over 24 months", worlds.SPREAD_MONTH, worlds.SPREAD_WINDOW),
}
RATIO_BAR, P99_BAR_MS = 1.5, 10
IDLE_BAR_MB, GROWTH_BAR_MB = 120, 60


def memory(bench: Bench, made: Worlds) -> list[Row]:
    """Of a server that has nothing to do, and after many deltas came in over HTTP; with its child, without
    PostgreSQL."""
    folder, engine = made.made(fill_reads, bench.sizes.many), made.engine.name
    measured = worlds.Memory(**json.loads((folder / "memory.json").read_text()))
    idle, after = measured.idle, measured.after
    growth = after["now"] - idle["now"]
    notes = [
        f"of which the re-hashing child {idle['children']:.0f} MB",
        f"from {idle['now']:.0f} to {after['now']:.0f} MB, the child's part {idle['children']:.0f} to {after['children']:.0f} MB; "
        f"peak {after['peak']:.0f} MB, anonymous {idle['anonymous']:.0f} to {after['anonymous']:.0f} MB; filled by batches of 1,000 "
        f"for one customer at {measured.deltas_per_second:,.0f} deltas/s",
    ]
    what = f"server memory, growth over {measured.deltas:,} deltas"
    return [
        Row("memory", "server memory, idle", engine, f"{idle['now']:.0f} MB", f"< {IDLE_BAR_MB} MB",
            idle["now"] < IDLE_BAR_MB, notes[:1], vars(measured), measured.others),
        Row("memory", what, engine, f"{growth:.0f} MB", f"< {GROWTH_BAR_MB} MB", growth < GROWTH_BAR_MB, notes[1:],
            disturbed=measured.others),
    ]  # fmt: skip


def derive(bench: Bench, each: Worlds) -> list[Row]:
    """Every kind of scope, for a customer with ten deltas and one with many, in turns on one connection."""
    rows = []
    with each.copied(fill_reads, bench.sizes.many) as folder, running(each.engine.serve(folder)) as server:
        connection = server.connect()
        for kind, (where, month, window) in KINDS.items():
            for name, queries in scopes(connection, kind, month, window).items():
                row = _derive(bench, each, server, connection, kind, queries)
                row.what = f"derive {name}: 10 and {bench.sizes.many:,} deltas {where}"
                rows.append(row)
    return rows


def scopes(connection: Connection, kind: str, month: str, window: tuple[str, str]) -> dict[str, dict[str, str]]:
    """The query of each kind of scope for the small and the big customer."""
    same = {
        "a month": f"period={month}", "all months": WIDE, "7 whole days": f"startDate={window[0]}&endDate={window[1]}"
    }  # fmt: skip
    since = {size: f"startingCheckpoint={middle_record(connection, f'{size}-{kind}')}" for size in ("small", "big")}
    return {name: {"small": query, "big": query} for name, query in same.items()} | {"since a recordId": since}


def middle_record(connection: Connection, customer: str) -> str:
    """The recordId of the delta in the middle of the customer's record."""
    count = connection.ask("GET", f"/api/v1/balance/derive/{customer}?{WIDE}")["deltaCount"]
    path = f"/api/v1/balance/derive/{customer}?{WIDE}&limit=1&offset={count // 2}"
    return str(connection.ask("GET", path)["deltas"][0]["recordId"])


def timed(connection: Connection, request: bytes) -> float:
    """Seconds of one request that must succeed."""
    started = time.perf_counter()
    status, reply = connection.exchange(request)
    seconds = time.perf_counter() - started
    if status >= 300:
        raise Failed(f"{request.partition(b' HTTP')[0]!r} was answered {status}: {reply[:300]!r}")
    return seconds


def _derive(
    bench: Bench, each: Worlds, server: Server, connection: Connection, kind: str, queries: dict[str, str]
) -> Row:
    asked: dict[str, bytes] = {}
    taken: dict[str, list[float]] = {}
    counts: dict[str, int] = {}
    for size, query in queries.items():
        path = f"/api/v1/balance/derive/{size}-{kind}?{query}"
        asked[size], taken[size] = connection.request("GET", path), []
        counts[size] = connection.ask("GET", path)["deltaCount"]
        for _ in range(20):
            connection.exchange(asked[size])
    disturbance = Disturbance(server, each.engine)
    for _ in range(bench.sizes.repeats):
        for size, request in asked.items():
            taken[size].append(timed(connection, request))
    small, big = times(taken["small"]), times(taken["big"])
    ratio = big["p50"] / small["p50"]
    note = (
        f"medians {small['p50']:.2f} and {big['p50']:.2f} ms over {bench.sizes.repeats} each; scopes of {counts['small']:,} "
        f"and {counts['big']:,} deltas"
    )
    figure = f"x{ratio:.2f}, p99 {big['p99']:.1f} ms"
    met = ratio <= RATIO_BAR and big["p99"] < P99_BAR_MS
    bar = f"<= x{RATIO_BAR}, < {P99_BAR_MS} ms"
    values = {"small": small, "big": big}
    return Row("derive", "", each.engine.name, figure, bar, met, [note], values, disturbance.share())
