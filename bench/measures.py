"""The measurements: each makes what it needs, measures, and returns rows for the table."""

from __future__ import annotations

import asyncio
import http.client
import json
import shutil
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import engines
import worlds
from load import percentiles
from serving import (
    HERE,
    PATIENCE_S,
    Connection,
    Disturbance,
    Failed,
    Process,
    Server,
    finish_load,
    load,
    running,
    start_load,
)
from worlds import MONTH, Worlds

CONNECTIONS = 64
SAMPLERS = 4
POLL_S = 0.04
FAKE_KEY = "pk_test_0123456789abcdef." + "0" * 43  # as long as a real one


@dataclass
class Row:
    """One line of the table; `met` is None where there is no bar."""

    name: str
    what: str
    figure: str
    bar: str = ""
    met: bool | None = None
    notes: list[str] = field(default_factory=list)
    values: dict[str, Any] = field(default_factory=dict)
    disturbed: float = 0.0


@dataclass
class Sizes:
    """How much of everything."""

    seconds: float
    rounds: int
    many: int
    receipt: int
    customers: int
    repeats: int
    locks: int


FULL = Sizes(seconds=8, rounds=3, many=1_000_000, receipt=100_000, customers=10_000, repeats=500, locks=3)
QUICK = Sizes(seconds=4, rounds=1, many=100_000, receipt=20_000, customers=2_000, repeats=200, locks=1)


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def ms(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms"


def times(values: Iterable[float]) -> dict[str, float]:
    return percentiles(sorted(values))


class Bench:
    """One run: its sizes, its databases, and what later measurements take from earlier ones."""

    def __init__(self, sizes: Sizes, made: Worlds) -> None:
        self.sizes, self.worlds = sizes, made
        self._rate: float | None = None

    # Emits

    def _emit_rate(self, server: Server, seconds: float) -> dict[str, Any]:
        result = load(server, server.key, connections=CONNECTIONS, seconds=seconds, warmup=min(2.0, seconds / 2))
        self._rate = result["requestsPerSecond"]
        return result

    def _reply(self, server: Server) -> bytes:
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

    def engines(self) -> list[Row]:
        """PostgreSQL against SQLite, in turns."""
        rows = []
        for what, engine, rate, ratio, errors, _ in engines.compare(
            self.worlds.fresh, self.sizes.seconds, self.sizes.rounds
        ):
            say(f"  {what}, {engine}: {rate:,.0f}/s, {ratio:.0%} of SQLite")
            barred = (what, engine) == ("emits", "PostgreSQL")
            bar, met = (">= 80 % of SQLite", ratio >= 0.8) if barred else ("", None)
            # What PostgreSQL's own processes use counts as others', so there is no saying how disturbed it was.
            rows.append(
                Row("engines", f"{what}, {engine}", f"{rate:,.0f}/s, {ratio:.0%}", bar, met, [f"{errors} errors"])
            )
        return rows

    def emit(self) -> list[Row]:
        """Single emits against the baseline, in turns."""
        seconds, rounds = self.sizes.seconds, []
        for number in range(self.sizes.rounds):
            folder = self.worlds.fresh("emit")
            with running(Server(folder)) as server:
                (folder / "reply").write_bytes(self._reply(server))
                emits = self._emit_rate(server, seconds)
                rows = _acknowledged_rows(server) - 1
            bare = self._bare(folder)
            if not emits["acknowledgedDeltas"] <= rows <= emits["acknowledgedDeltas"] + emits["errors"]:
                raise Failed(f"{emits['acknowledgedDeltas']} emits were acknowledged, {rows} are in the database")
            rounds.append((emits, bare))
            say(
                f"  round {number + 1}: {emits['requestsPerSecond']:,.0f}/s, baseline {bare['requestsPerSecond']:,.0f}/s"
            )
            shutil.rmtree(folder)
        raw_folder = self.worlds.fresh("raw")
        (raw_folder / "reply").write_bytes(b"x" * 600)
        raw = self._bare(raw_folder, "--raw")
        rate = statistics.median(e["requestsPerSecond"] for e, _ in rounds)
        bare_rate = statistics.median(b["requestsPerSecond"] for _, b in rounds)
        ratio = statistics.median(e["requestsPerSecond"] / b["requestsPerSecond"] for e, b in rounds)
        emits, bare = rounds[0]
        self._rate = rate
        errors = sum(e["errors"] for e, _ in rounds)
        notes = [
            f"baseline {bare_rate:,.0f}/s; the generator alone {raw['requestsPerSecond']:,.0f}/s; {errors} errors",
            f"latency under this load {_latency(emits)}",
            (
                f"server {emits['processBusy']:.2f} cores, generator {emits['generatorBusy']:.2f}; baseline "
                f"{bare['processBusy']:.2f}, generator {bare['generatorBusy']:.2f}"
            ),
        ]
        values = {"rounds": rounds, "raw": raw}
        disturbed = max(r["others"] for pair in rounds for r in pair)
        what = f"single emits, {CONNECTIONS} connections, 1,000 customers"
        return [
            Row("emit", what, f"{rate:,.0f}/s", ">= 6,000/s", rate >= 6_000, notes, values, disturbed),
            Row("emit", "  of the bare ASGI application", f"{ratio:.0%}", ">= 35 %", ratio >= 0.35, [], {}, disturbed),
        ]

    def _bare(self, folder: Path, *flags: str) -> dict[str, Any]:
        with running(Process([str(HERE / "baseline.py"), str(folder / "reply"), *flags], folder)) as process:
            return load(process, FAKE_KEY, connections=CONNECTIONS, seconds=self.sizes.seconds)

    def batch(self) -> list[Row]:
        """Batches of 100 and 1,000, items over 1,000 customers."""
        rows = []
        for size, connections in ((100, 8), (1_000, 4)):
            results = []
            for _ in range(self.sizes.rounds):
                folder = self.worlds.fresh("batch")
                with running(Server(folder)) as server:
                    results.append(load(
                        server, server.key, connections=connections, seconds=self.sizes.seconds, warmup=2.0, batch=size
                    ))  # fmt: skip
                shutil.rmtree(folder)
            rate = statistics.median(r["deltasPerSecond"] for r in results)
            note = (
                f"latency {_latency(results[0])}; server {results[0]['processBusy']:.2f} cores, generator "
                f"{results[0]['generatorBusy']:.2f}; {sum(r['errors'] for r in results)} errors"
            )
            what = f"batches of {size:,}, {connections} connections"
            disturbed = max(r["others"] for r in results)
            values = {"rounds": results}
            rows.append(Row("batch", what, f"{rate:,.0f}/s", ">= 25,000/s", rate >= 25_000, [note], values, disturbed))
        return rows

    def latency(self) -> list[Row]:
        """Latency at half of the measured load, and of a request that is alone."""
        folder = self.worlds.fresh("latency")
        with running(Server(folder)) as server:
            if self._rate is None:
                self._emit_rate(server, self.sizes.seconds)
            rate = (self._rate or 0) / 2
            half = load(
                server, server.key, connections=CONNECTIONS, seconds=max(6.0, self.sizes.seconds), warmup=2.0,
                mode="open", rate=rate, start=10**9,
            )  # fmt: skip
            lone = load(
                server, server.key, connections=1, seconds=max(5.0, self.sizes.seconds), warmup=1.0,
                think=0.02, start=2 * 10**9,
            )  # fmt: skip
        shutil.rmtree(folder)
        p99, alone = half["latencyMs"]["p99"], lone["latencyMs"]["p99"]
        notes = [
            (
                f"{_latency(half)} from the instant each was due; sent {half['sendLatenessMs']['p99']:.1f} ms late at p99; "
                f"{half['errors']} errors"
            )
        ]
        return [
            Row("latency", f"emit latency at {rate:,.0f}/s (half the load), p99", f"{p99:.1f} ms", "< 25 ms", p99 < 25,
                notes, half, half["others"]),
            Row("latency", "a lone request, p99", f"{alone:.1f} ms", "< 5 ms", alone < 5, [_latency(lone)], lone,
                lone["others"]),
        ]  # fmt: skip

    def verified(self) -> list[Row]:
        """From the acknowledgement to the first GET that answers VERIFIED, while the full load runs."""
        folder = self.worlds.fresh("verified")
        waits: list[float] = []
        stop = threading.Event()
        failures: list[str] = []
        with running(Server(folder)) as server:
            disturbance = Disturbance(server)
            child = start_load(server, server.key, connections=CONNECTIONS, seconds=self.sizes.seconds * 3)
            time.sleep(1.5)
            samplers = [
                threading.Thread(target=_sample, args=(server, n, waits, failures, stop)) for n in range(SAMPLERS)
            ]
            for sampler in samplers:
                sampler.start()
            result = finish_load(child)
            stop.set()
            for sampler in samplers:
                sampler.join()
            disturbed = disturbance.share()
        shutil.rmtree(folder)
        if failures or not waits:
            raise Failed(failures[0] if failures else "no sample became VERIFIED while the load ran")
        middle = statistics.median(waits)
        spread = times(waits)
        note = (
            f"{len(waits)} samples, p90 {spread['p90']:.0f} ms, max {spread['max']:.0f} ms, "
            f"under {result['requestsPerSecond']:,.0f} emits/s; polled every {POLL_S * 1000:.0f} ms"
        )
        what = "verified after acknowledged, median, at full load"
        return [Row("verified", what, ms(middle), "< 500 ms", middle < 0.5, [note], spread, disturbed)]

    # Reads

    def _reads(self) -> Path:
        count = self.sizes.many
        return self.worlds.made(f"reads-{count}", lambda path: worlds.fill_reads(path, count))

    def memory(self) -> list[Row]:
        """Of a server that has just started, and after many deltas came in over HTTP."""
        measured = worlds.Memory(**json.loads((self._reads() / "memory.json").read_text()))
        idle, after = measured.idle, measured.after
        growth = after["now"] - idle["now"]
        notes = [
            (
                f"from {idle['now']:.0f} to {after['now']:.0f} MB, peak {after['peak']:.0f} MB, anonymous "
                f"{idle['anonymous']:.0f} to {after['anonymous']:.0f} MB; the writer may cache 32 MB of pages, each reader 4 MB"
            ),
            f"filled by batches of 1,000 for one customer at {measured.deltas_per_second:,.0f} deltas/s",
        ]
        what = f"  growth after {measured.deltas:,} deltas"
        return [
            Row(
                "memory",
                "server memory, idle",
                f"{idle['now']:.0f} MB",
                "< 120 MB",
                idle["now"] < 120,
                [],
                vars(measured),
            ),
            Row("memory", what, f"{growth:.0f} MB", "< 60 MB", growth < 60, notes),
        ]

    def derive(self) -> list[Row]:
        """Every kind of scope, for a customer with ten deltas and one with many, in turns on one connection."""
        folder = self.worlds.copy(self._reads())
        rows = []
        wide = "startDate=2024-04-01&endDate=2026-04-01"
        with running(Server(folder)) as server:
            connection = server.connect()
            for kind, month, window in (
                ("month", MONTH, worlds.WINDOW), ("spread", worlds.SPREAD_MONTH, worlds.SPREAD_WINDOW)
            ):  # fmt: skip
                middles = {size: _middle(connection, f"{size}-{kind}", wide) for size in ("small", "big")}
                same = {"a month": f"period={month}", "all months": wide}
                same["7 whole days"] = f"startDate={window[0]}&endDate={window[1]}"
                scopes = {name: {"small": query, "big": query} for name, query in same.items()}
                scopes["since a recordId"] = {size: f"startingCheckpoint={middles[size]}" for size in middles}
                rows += [self._derive(server, connection, kind, *scope) for scope in scopes.items()]
        shutil.rmtree(folder)
        return rows

    def _derive(self, server: Server, connection: Connection, kind: str, name: str, queries: dict[str, str]) -> Row:
        asked: dict[str, bytes] = {}
        taken: dict[str, list[float]] = {}
        counts: dict[str, int] = {}
        for size in ("small", "big"):
            path = f"/api/v1/balance/derive/{size}-{kind}?{queries[size]}"
            asked[size], taken[size] = connection.request("GET", path), []
            counts[size] = connection.ask("GET", path)["deltaCount"]
            for _ in range(20):
                connection.exchange(asked[size])
        disturbance = Disturbance(server)
        for _ in range(self.sizes.repeats):
            for size in ("small", "big"):
                started = time.perf_counter()
                status, _ = connection.exchange(asked[size])
                taken[size].append(time.perf_counter() - started)
                if status != 200:
                    raise Failed(f"derive answered {status}")
        small, big = times(taken["small"]), times(taken["big"])
        ratio = big["p50"] / small["p50"]
        note = (
            f"medians {small['p50']:.2f} and {big['p50']:.2f} ms over {self.sizes.repeats} each; scopes of {counts['small']:,} "
            f"and {counts['big']:,} deltas"
        )
        where = "in one month" if kind == "month" else "over 24 months"
        what = f"derive {name}: 10 and {self.sizes.many:,} deltas {where}"
        figure = f"x{ratio:.2f}, p99 {big['p99']:.1f} ms"
        met = ratio <= 1.5 and big["p99"] < 10
        return Row(
            "derive", what, figure, "<= x1.5, < 10 ms", met, [note], {"small": small, "big": big}, disturbance.share()
        )

    def checkpoint(self) -> list[Row]:
        """Locking a month of ten and of many deltas; then what is done for the first time after it."""
        taken: dict[str, dict[str, list[float]]] = {size: {} for size in ("small", "big")}
        disturbed = 0.0
        for number in range(self.sizes.locks):
            folder = self.worlds.copy(self._reads())
            with running(Server(folder)) as server:
                connection = server.connect()
                disturbance = Disturbance(server)
                few = [f"small-{i:03d}" for i in range(worlds.SMALL_CUSTOMERS)]
                for customer in few[:5]:  # not counted: opens connections, starts threads
                    _lock_and_look(connection, customer, {})
                for customer in few[5:25]:
                    _lock_and_look(connection, customer, taken["small"])
                _lock_and_look(connection, "big-month", taken["big"], look=number == 0)
                disturbed = max(disturbed, disturbance.share())
            shutil.rmtree(folder)
        folder = self.worlds.copy(self._reads())
        alone = {size: _locks_rolled_back(folder, f"{size}-month") for size in ("small", "big")}
        chain = _locks_rolled_back(folder, "big-spread")
        shutil.rmtree(folder)
        middle = {size: {step: statistics.median(v) for step, v in steps.items()} for size, steps in taken.items()}
        ratio = middle["big"]["checkpoint"] / middle["small"]["checkpoint"]
        what = f"checkpoint of a month with 10 and {self.sizes.many:,} deltas"
        notes = [
            (
                f"{ms(middle['small']['checkpoint'])} and {ms(middle['big']['checkpoint'])}, with the wait for the log; "
                f"{self.sizes.locks} locks of the large month; the transaction alone (rolled back, 20 times) "
                f"{ms(alone['small'])} and {ms(alone['big'])}, with 22 earlier months {ms(chain)}"
            ),
            *(
                f"its first {step}: {ms(middle['small'][step])} and {ms(middle['big'][step])}"
                for step in ("summary receipt", "public verify (db)", "public verify (chain)")
            ),
        ]
        return [Row("checkpoint", what, f"x{ratio:.2f}", "<= x2", ratio <= 2, notes, {"seconds": taken}, disturbed)]

    # Receipts

    def _receipts(self) -> Path:
        count = self.sizes.receipt
        return self.worlds.made(f"receipt-{count}", lambda path: worlds.fill_receipt(path, count))

    def receipt(self) -> list[Row]:
        """Memory of the server while it sends a long receipt; and how long each side takes for it."""
        folder = self.worlds.copy(self._receipts())
        with running(Server(folder)) as server:
            connection = server.connect()
            _fetch(server.port, _lock(connection, "short"), folder / "short.json")
            checkpoint = _lock(connection, "long")
            time.sleep(0.5)
            before = server.memory()
            server.forget_peak()
            started = time.perf_counter()
            size, streamed, first = _fetch(server.port, checkpoint, folder / "long.json")
            seconds = time.perf_counter() - started
            after = server.memory()
            again: list[float] = []
            for _ in range(2):
                server.forget_peak()
                _fetch(server.port, checkpoint, folder / "long.json")
                again.append(server.memory()["peak"] - before["now"])
            growth = after["peak"] - before["now"]
            name = json.loads((folder / "short.json").read_bytes())["log"]["checkpoint"].split("\n")[0].split("/")[-1]
            status, key = connection.exchange(connection.request("GET", f"/log/{name}/key"))
            if status != 200:
                raise Failed(f"the log's key was answered {status}")
        verify = self._verify(folder / "long.json", key.decode())
        shutil.rmtree(folder)
        count = self.sizes.receipt
        notes = [
            (
                f"{size / 1e6:.1f} MB in {seconds:.1f} s ({count / seconds:,.0f} deltas/s), first byte after {ms(first)}, "
                f"{'chunked' if streamed else 'NOT chunked'}; before {before['now']:.0f} MB, anonymous growth "
                f"{after['anonymous'] - before['anonymous']:.0f} MB, peak growth when sent again {again[0]:.0f} and {again[1]:.0f} MB"
            )
        ]
        what = f"receipt of {count:,} deltas: growth of the server"
        return [
            Row("receipt", what, f"{growth:.0f} MB", "< 50 MB", growth < 50 and streamed, notes, {"seconds": seconds}),
            verify,
        ]

    def _verify(self, file: Path, key: str) -> Row:
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
        what = f"verify {self.sizes.receipt:,} deltas offline"
        return Row("verify", what, f"x{ratio:.1f}", "<= x6", ratio <= 6, [note], found, disturbance.share())

    # Locking

    def locking(self) -> list[Row]:
        """Many customers by a job, in process so that some can be made to fail, with the integrator running."""
        customers = self.sizes.customers
        world = self.worlds.made(f"locking-{customers}", lambda path: worlds.fill_locking(path, customers, 30))
        rows = []
        for failing in (customers // 1_000, 0):
            folder = self.worlds.copy(world)
            disturbance = Disturbance()
            done, seconds, integrated = asyncio.run(_lock_all(folder, customers, failing))
            if done != customers - failing:
                raise Failed(f"{done} customers were locked, not {customers - failing}")
            shutil.rmtree(folder)
            rate = customers / seconds
            note = f"{seconds:.1f} s, in the log {ms(integrated)} later"
            what = f"locking {customers:,} customers with 30 deltas, {failing} fail half way"
            if failing:
                row = Row("locking", what, f"{rate:,.0f}/s", ">= 2,000/s", rate >= 2_000, [note])
            else:
                row = Row("locking", "  none fails", f"{rate:,.0f}/s", "", None, [note])
            row.disturbed = disturbance.share()
            rows.append(row)
        return rows


def _latency(result: dict[str, Any]) -> str:
    found = result["latencyMs"]
    return f"p50 {found['p50']:.1f}, p90 {found['p90']:.1f}, p99 {found['p99']:.1f}, max {found['max']:.1f} ms"


def _acknowledged_rows(server: Server) -> int:
    import apsw

    connection = apsw.Connection(str(server.database), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        return int(next(connection.execute("SELECT count(*) FROM delta"))[0])
    finally:
        connection.close()


def _sample(server: Server, number: int, waits: list[float], failures: list[str], stop: threading.Event) -> None:
    """Emits one delta at a time and asks for it until it is verified."""
    try:
        connection = server.connect()
        while not stop.is_set():
            body = {"customerId": f"customer-{len(waits) % 1000:06d}", "delta": -1.5, "reason": f"sample_{number}"}
            record = connection.ask("POST", "/api/v1/balance/delta", body)["recordId"]
            acknowledged = time.perf_counter()
            while connection.ask("GET", f"/api/v1/balance/delta/{record}")["status"] != "VERIFIED":
                if stop.is_set() and time.perf_counter() - acknowledged > 30:
                    raise Failed("a delta was not verified 30 s after the load ended")
                time.sleep(POLL_S)
            if not stop.is_set():
                waits.append(time.perf_counter() - acknowledged)
        connection.close()
    except (Failed, OSError) as error:
        failures.append(str(error))


def _middle(connection: Connection, customer: str, scope: str) -> str:
    """The recordId of the delta in the middle of the customer's record."""
    count = connection.ask("GET", f"/api/v1/balance/derive/{customer}?{scope}")["deltaCount"]
    path = f"/api/v1/balance/derive/{customer}?{scope}&limit=1&offset={count // 2}"
    return str(connection.ask("GET", path)["deltas"][0]["recordId"])


def _lock(connection: Connection, customer: str) -> str:
    answer = connection.ask("POST", "/api/v1/balance/checkpoint", {"customerId": customer, "period": MONTH})
    return str(answer["checkpointId"])


def _lock_and_look(connection: Connection, customer: str, taken: dict[str, list[float]], look: bool = True) -> None:
    """Locks the month, then asks for its summary receipt and its public verification, and times each."""
    started = time.perf_counter()
    body = {"customerId": customer, "period": MONTH}
    answer = connection.ask("POST", "/api/v1/balance/checkpoint", body)
    taken.setdefault("checkpoint", []).append(time.perf_counter() - started)
    if answer["status"] != "VERIFIED":
        say(f"  {customer}: {answer['status']} after the longest wait")
    looks = {
        "summary receipt": f"/receipts/{answer['checkpointId']}.json?kind=summary",
        "public verify (db)": f"/api/v1/verify/{answer['proofRoot']}?source=db",
        "public verify (chain)": f"/api/v1/verify/{answer['proofRoot']}?source=chain",
    }
    for step, path in looks.items() if look else ():
        started = time.perf_counter()
        if "kind=" in path:
            _fetch(connection.port, answer["checkpointId"], None, "summary")
        elif not connection.ask("GET", path)["verified"]:
            raise Failed(f"{customer}: not verified")
        taken.setdefault(step, []).append(time.perf_counter() - started)


class _RollBack(Exception):
    pass


def _locks_rolled_back(folder: Path, customer_id: str, repeats: int = 20) -> float:
    """Seconds of the locking transaction without its commit: median of some that were rolled back."""
    from pacspace_server.storage import ids
    from pacspace_server.storage.commands import Locked, LockPeriod
    from pacspace_server.storage.locking import lock_period
    from pacspace_server.storage.sqlite import SqliteStorage

    storage = SqliteStorage(folder / "record.db", create=False)
    with storage.snapshot() as snapshot:
        side = next(e for e in snapshot.environments() if e.name == "sandbox")
    shard = ids.shard_key(storage.secret, side.workspace_id, side.name, customer_id)

    def work(unit: Any) -> None:
        if not isinstance(lock_period(unit, LockPeriod(side.id, shard, customer_id, MONTH, None, None, b"")), Locked):
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


def _fetch(port: int, checkpoint: str, file: Path | None, kind: str = "full") -> tuple[int, bool, float]:
    """Reads a receipt piece by piece. Its size, whether it came chunked, and seconds to the first byte."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    started = time.perf_counter()
    connection.request("GET", f"/receipts/{checkpoint}.json?kind={kind}")
    reply = connection.getresponse()
    if reply.status != 200:
        raise Failed(f"the receipt was answered {reply.status}: {reply.read(500)!r}")
    size, first, parts = 0, 0.0, []
    while part := reply.read(1 << 16):
        first = first or time.perf_counter() - started
        size += len(part)
        parts.append(part)
    if file is not None:
        file.write_bytes(b"".join(parts))
    chunked = reply.getheader("content-length") is None
    connection.close()
    return size, chunked, first


async def _lock_all(folder: Path, customers: int, failing: int) -> tuple[int, float, float]:
    """Locked customers, seconds until the job was done, and seconds more until the log had them."""
    from pacspace_server.cli.loglines import configure_logging
    from pacspace_server.cli.wiring import open_signer, open_storage
    from pacspace_server.config import Database
    from pacspace_server.log.integrator import Integrator
    from pacspace_server.service.context import Context
    from pacspace_server.service.jobs import Jobs
    from pacspace_server.storage.committer import Committer
    from pacspace_server.storage.records import Job

    configure_logging("critical")  # as a server logs: without the local variables that a terminal is shown
    storage = open_storage(Database("", folder / "record.db"), create=False)
    signer = open_signer(storage, folder / "record.db.signer")
    integrator: Any = None
    committer = Committer(storage, lambda: integrator.wake())
    integrator = Integrator(storage, signer, committer.run_blocking, lambda: None)
    integrator.start()
    context = Context(storage, committer, integrator, signer, "")
    context.jobs = Jobs(context)
    with storage.snapshot() as snapshot:
        side = next(e for e in snapshot.environments() if e.name == "sandbox")
    job = Job("job_bench", side.id, MONTH, "RUNNING", customers, 0)
    await committer.run(lambda unit: unit.add_job(job))
    with _failing_half_way(customers, failing):
        started = time.perf_counter()
        await context.jobs.start(job.id)
        seconds = time.perf_counter() - started
    with storage.snapshot() as snapshot:
        ended = snapshot.job(job.id)
    while True:
        with storage.snapshot() as snapshot:
            log = snapshot.log(side.log_id)
        if log.size == log.published_size and log.published_size >= customers - failing:
            break
        await asyncio.sleep(0.01)
    integrated = time.perf_counter() - started - seconds
    await asyncio.to_thread(integrator.stop)
    await committer.close()
    storage.close()
    return ended.done - ended.failed if ended else 0, seconds, integrated


@contextmanager
def _failing_half_way(customers: int, failing: int) -> Iterator[None]:
    """So many customers raise inside the transaction, with their trees closed: the committer halves their groups."""
    from pacspace_server.storage import committer as room

    real, spacing = room.lock_period, customers // failing if failing else 0

    def lock(unit: Any, command: Any) -> Any:
        outcome = real(unit, command)
        if spacing and int(command.customer_id.rpartition("-")[2]) % spacing == spacing // 2:
            raise Failed("made to fail")
        return outcome

    room.lock_period = lock
    try:
        yield
    finally:
        room.lock_period = real


MEASURES: dict[str, Callable[[Bench], list[Row]]] = {
    "emit": Bench.emit,
    "latency": Bench.latency,
    "verified": Bench.verified,
    "batch": Bench.batch,
    "memory": Bench.memory,
    "derive": Bench.derive,
    "checkpoint": Bench.checkpoint,
    "receipt": Bench.receipt,  # and offline verification of it
    "locking": Bench.locking,
    "engines": Bench.engines,
}
