"""Measurements of a long receipt: memory while it is sent, and offline verification; and what a vendor's program
pays."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

import locking
from figures import Bench, Row, ms
from serving import HERE, Connection, Disturbance, Failed, fetch, running
from worlds import Worlds, fill_receipt

GROWTH_BAR_MB, VERIFY_BAR, IMPORT_BAR_MS = 50, 6, 150
IMPORT = "import time; t = time.perf_counter(); import pacspace_sdk; print(time.perf_counter() - t)"
IMPORTS = 11


def receipt(bench: Bench, each: Worlds) -> list[Row]:
    """Memory of the server while it sends a long receipt; and how long each side takes for it."""
    file = bench.scratch / "receipt.json"
    row, key = _receipt(bench, each, file)
    return [row, _verify(bench, file, key)] if each is bench.worlds[0] else [row]


def _receipt(bench: Bench, each: Worlds, file: Path) -> tuple[Row, str]:
    """The row, and the log's key."""
    count = bench.sizes.receipt
    with each.copied(fill_receipt, count) as folder, running(each.engine.serve(folder)) as server:
        connection = server.connect()
        fetch(server.port, locking.lock(connection, "short")["checkpointId"], file)
        checkpoint = locking.lock(connection, "long")["checkpointId"]
        time.sleep(0.5)
        disturbance, before = Disturbance(server, each.engine), server.memory()
        growths = []
        for _ in range(3):
            server.forget_peak()
            started = time.perf_counter()
            size, streamed, first = fetch(server.port, checkpoint, file)
            seconds = time.perf_counter() - started
            growths.append(server.memory()["peak"] - before["now"])
        share, key = disturbance.share(), _log_key(connection, file)
    growth = max(growths)
    note = (
        f"{size / 1e6:.1f} MB in {seconds:.1f} s ({count / seconds:,.0f} deltas/s), first byte after {ms(first)}, "
        f"{'chunked' if streamed else 'NOT chunked'}; before {before['now']:.0f} MB; sent 3 times, peak growth "
        + ", ".join(f"{each:.0f}" for each in growths)
    )
    what = f"receipt of {count:,} deltas, growth of the server"
    met = growth < GROWTH_BAR_MB and streamed
    bar = f"< {GROWTH_BAR_MB} MB"
    return Row(
        "receipt", what, each.engine.name, f"{growth:.0f} MB", bar, met, [note], {"seconds": seconds}, share
    ), key


def _log_key(connection: Connection, file: Path) -> str:
    """The verifier key of the log that the receipt is in."""
    name = json.loads(file.read_bytes())["log"]["checkpoint"].split("\n")[0].split("/")[-1]
    status, key = connection.exchange(connection.request("GET", f"/log/{name}/key"))
    if status != 200:
        raise Failed(f"the log's key was answered {status}")
    return key.decode()


def _verify(bench: Bench, file: Path, key: str) -> Row:
    disturbance = Disturbance()
    arguments = [sys.executable, str(HERE / "offline.py"), str(file), key, "3"]
    found = json.loads(subprocess.run(arguments, stdout=subprocess.PIPE, check=True).stdout)
    if found["result"] != "locked-full":
        raise Failed(f"the receipt is {found['result']}")
    ratio = found["verifying"] / found["bare"]
    note = (
        f"{found['verifying']:.2f} s; bare {found['bare']:.2f} s for {found['bytes'] / 1e6:.1f} MB "
        f"(SHA-256 {found['hashing']:.2f}, json.loads {found['parsing']:.2f})"
    )
    what = f"verify {bench.sizes.receipt:,} deltas offline, of hashing and parsing the same bytes"
    bar = f"<= x{VERIFY_BAR}"
    return Row("verify", what, "", f"x{ratio:.1f}", bar, ratio <= VERIFY_BAR, [note], found, disturbance.share())


def import_time(bench: Bench) -> list[Row]:
    """Of the client, in new processes."""
    disturbance, taken = Disturbance(), []
    for _ in range(IMPORTS):
        done = subprocess.run([sys.executable, "-c", IMPORT], stdout=subprocess.PIPE, check=True)
        taken.append(float(done.stdout) * 1000)
    figure = statistics.median(taken)
    note = f"{IMPORTS} new processes, {min(taken):.0f} to {max(taken):.0f} ms"
    met, bar = figure < IMPORT_BAR_MS, f"< {IMPORT_BAR_MS} ms"
    return [Row("import", "import of pacspace_sdk, median", "", f"{figure:.0f} ms", bar, met, [note],
                {"ms": taken}, disturbance.share())]  # fmt: skip
