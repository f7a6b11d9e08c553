"""Measurement of webhooks: real emits, ten endpoints of which three are dead, and when each event reaches the
others."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from figures import Bench, Row, latency
from serving import HERE, SERVE, Disturbance, Failed, Process, Server, finish_load, running, start_load
from worlds import Worlds

RATE, HEALTHY, P99_BAR_S = 1_000, 7, 2.0
PATIENCE_S = 60.0


def webhooks(bench: Bench, worlds: Worlds) -> list[Row]:
    """1,000 emits a second to 10 endpoints, of which one refuses, one hangs and one answers 500."""
    engine, folder = worlds.engine, worlds.fresh("new")
    seconds = max(10.0, bench.sizes.seconds * 2)
    with running(Process([str(HERE / "receiver.py")], bench.scratch)) as receiver, closed_port() as refusing:
        with running(engine.serve(folder, "--webhook-targets", "any")) as server:
            key = admin_key(engine.url(folder), bench)
            base = receiver.document["url"]
            dead = [f"{base}/hang", f"{base}/fail", f"http://127.0.0.1:{refusing}/"]
            for url in [*(f"{base}/ok/{number}" for number in range(HEALTHY)), *dead]:
                make_endpoint(server, key, url)
            disturbance = Disturbance(server, engine, receiver)
            before = server.cpu_seconds(), receiver.cpu_seconds(), engine.cpu_seconds()
            spec = {"mode": "open", "rate": RATE, "seconds": seconds, "warmup": 1.0, "connections": 32}
            result = finish_load(start_load(server, server.key, **spec))
            busy = [
                (after - earlier) / (seconds + 1)
                for after, earlier in zip((server.cpu_seconds(), receiver.cpu_seconds(), engine.cpu_seconds()), before)
            ]
            told = wait_for_all(base, result["acknowledgedDeltas"])
            disturbed = disturbance.share()
    engine.remove(folder)
    return [row(worlds.engine.name, result, told, busy, disturbed)]


def row(name: str, result: dict[str, Any], told: dict[str, Any], busy: list[float], disturbed: float) -> Row:
    p99_s = max(each["delayMs"]["p99"] for each in told.values()) / 1000
    repeated = sum(each["requests"] - each["events"] for each in told.values())
    note = (
        f"{result['acknowledgedDeltas']:,} emits at {result['requestsPerSecond']:,.0f}/s ({latency(result)}), each told to "
        f"{len(told)} endpoints beside 3 dead ones; {repeated} told twice; server {busy[0]:.2f} cores, receiver {busy[1]:.2f}, "
        f"database {busy[2]:.2f}"
    )
    values = {"load": result, "told": told, "busy": busy}
    what, bar = "webhooks: from verified to received, p99, 1,000 events/s to 10 endpoints", f"< {P99_BAR_S:.0f} s"
    met = p99_s < P99_BAR_S and result["requestsPerSecond"] > 0.95 * RATE
    return Row("webhooks", what, name, f"{p99_s * 1000:.0f} ms", bar, met, [note], values, disturbed)


@contextmanager
def closed_port() -> Iterator[int]:
    """A port that refuses connections: taken, and nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield int(taken.getsockname()[1])


def admin_key(url: str, bench: Bench) -> str:
    """A key that may make endpoints."""
    made = [sys.executable, "-c", SERVE, "--json", "keys", "create", "--env", "test", "--scopes", "read,write,admin"]
    done = subprocess.run([*made, "--database", url], capture_output=True, check=True, cwd=bench.scratch)
    return str(json.loads(done.stdout)["fullKey"])


def make_endpoint(server: Server, key: str, url: str) -> None:
    request = urllib.request.Request(
        f"http://127.0.0.1:{server.port}/dashboard/webhooks", json.dumps({"url": url}).encode(),
        {"Authorization": f"Bearer {key}", "Content-Type": "application/json"},
    )  # fmt: skip
    with urllib.request.urlopen(request, timeout=PATIENCE_S) as reply:
        if reply.status != 201:
            raise Failed(f"an endpoint was answered {reply.status}")


def wait_for_all(base: str, events: int) -> dict[str, Any]:
    """What each healthy endpoint was told, once it was told everything."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        with urllib.request.urlopen(f"{base}/told", timeout=PATIENCE_S) as reply:
            told: dict[str, Any] = json.load(reply)
        if len(told) == HEALTHY and all(each["events"] >= events for each in told.values()):
            return told
        if time.monotonic() > deadline:
            counts = {name: each["events"] for name, each in told.items()}
            raise Failed(f"of {events} events only these came within {PATIENCE_S:.0f} s: {counts}")
        time.sleep(0.5)
