"""The load generator, in a process of its own: `load.py SPEC` with a JSON object, prints a JSON object.

Closed loop: every connection sends its next request when the reply to the last one is there (most throughput).
Open loop: requests are due at random instants of a fixed mean rate, whether or not earlier ones were answered; latency
counts from the instant a request was due, so a stalled server can't hide the requests it kept from being sent.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any

import uvloop

NUMBER = b"@@@@@@@@@@@@"  # replaced by the number of the request: what makes its referenceIds unique
TICK_S = 0.001
DRAIN_S = 15.0


@dataclass
class Spec:
    """What to send, and how."""

    port: int
    key: str
    host: str = "127.0.0.1"
    mode: str = "closed"  # or "open"
    connections: int = 64
    seconds: float = 5.0
    warmup: float = 1.0
    rate: float = 0.0  # open loop: requests per second
    think: float = 0.0  # closed loop: pause after each reply
    batch: int = 0  # deltas per request; 0 sends single emits
    customers: int = 1_000
    customer: str = "customer-{:06d}"  # their names, by number
    start: int = 0  # number of the first request
    seed: int = 1


def delta_json(customer: str, amount: int, position: int = 0) -> str:
    """One delta of about 180 bytes."""
    return (
        f'{{"customerId":"{customer}","delta":-{amount}.25,"reason":"api_calls",'
        f'"referenceId":"run-{NUMBER.decode()}-{position:04d}",'
        f'"metadata":{{"region":"eu-west-1","model":"large","tokens":{amount * 17}}}}}'
    )


def templates(spec: Spec) -> list[bytes]:
    """Whole requests, taken in turn, with a place for the request's number."""
    names = [spec.customer.format(number) for number in range(spec.customers)]
    if spec.batch:
        path, bodies = "/api/v1/balance/delta/batch", []
        step = max(1, min(spec.batch, spec.customers // 16))  # every customer is in some batch
        for first in range(0, spec.customers, step):
            deltas = (delta_json(names[(first + i) % spec.customers], 1 + i % 97, i) for i in range(spec.batch))
            bodies.append('{"deltas":[' + ",".join(deltas) + "]}")
    else:
        path, bodies = "/api/v1/balance/delta", [delta_json(name, 1 + i % 97) for i, name in enumerate(names)]
    return [
        f"POST {path} HTTP/1.1\r\nhost: {spec.host}\r\nx-api-key: {spec.key}\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\n\r\n{body}".encode()
        for body in bodies
    ]


@dataclass
class Tally:
    """What came back. Latencies: of replies within the measured time; in an open loop, of requests due within it."""

    sent: int = 0
    acknowledged: int = 0
    errors: int = 0
    latencies: list[float] = field(default_factory=list)
    lateness: list[float] = field(default_factory=list)
    first_error: str = ""


class Connection(asyncio.Protocol):
    """One keep-alive connection with at most one request under way."""

    def __init__(self, load: Load) -> None:
        self.load = load
        self.buffer = b""
        self.due = 0.0
        self.busy = False
        self.transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def send(self, due: float) -> None:
        self.due, self.busy = due, True
        self.transport.write(self.load.next_request())

    def data_received(self, data: bytes) -> None:
        if self.buffer:
            data = self.buffer + data
        end = data.find(b"\r\n\r\n")
        if end >= 0:
            head = data[:end].lower()
            at = head.find(b"content-length: ")
            if at < 0:
                self.load.failed("a reply without content-length")
                self.transport.close()
                return
            stop = head.find(b"\r\n", at)
            length = int(head[at + 16 : stop if stop >= 0 else end])
            if len(data) >= end + 4 + length:
                self.buffer, self.busy = b"", False
                good = data[9:12] == b"201" and (not self.load.spec.batch or b'"totalFailed":0,' in data)
                self.load.answered(self, good, data)
                return
        self.buffer = data

    def connection_lost(self, exc: Exception | None) -> None:
        if self.busy:
            self.load.failed("connection lost")
        self.load.lost(self)


class Load:
    """One run."""

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.tally = Tally()
        self.templates = templates(spec)
        self.number = spec.start
        self.idle: deque[Connection] = deque()
        self.queue: deque[float] = deque()
        self.open = 0
        self.sending = True
        self.random = random.Random(spec.seed)

    def next_request(self) -> bytes:
        number = self.number
        self.number += 1
        self.tally.sent += 1
        return self.templates[number % len(self.templates)].replace(NUMBER, b"%012d" % number)

    def answered(self, connection: Connection, good: bool, data: bytes) -> None:
        now = time.perf_counter()
        tally = self.tally
        if good:
            tally.acknowledged += 1
        else:
            self.failed(data[:600].decode("latin-1"))
        if self.begin <= (now if self.spec.mode == "closed" else connection.due) < self.end:
            tally.latencies.append(now - connection.due)
        if not self.sending:
            return
        if self.spec.mode == "closed":
            if self.spec.think:
                asyncio.get_running_loop().call_later(self.spec.think, self.think_over, connection)
            else:
                connection.send(now)
        elif self.queue:
            connection.send(self.queue.popleft())
        else:
            self.idle.append(connection)

    def think_over(self, connection: Connection) -> None:
        if self.sending:
            connection.send(time.perf_counter())

    def failed(self, why: str) -> None:
        self.tally.errors += 1
        self.tally.first_error = self.tally.first_error or why

    def lost(self, connection: Connection) -> None:
        self.open -= 1
        if connection in self.idle:
            self.idle.remove(connection)

    async def run(self) -> dict[str, Any]:
        loop, spec = asyncio.get_running_loop(), self.spec
        pairs = [
            await loop.create_connection(lambda: Connection(self), spec.host, spec.port)
            for _ in range(spec.connections)
        ]
        connections = [protocol for _, protocol in pairs]
        self.open = len(connections)
        started = time.perf_counter()
        self.begin, self.end = started + spec.warmup, started + spec.warmup + spec.seconds
        loop.call_later(spec.warmup, self._mark, "begin")
        loop.call_later(spec.warmup + spec.seconds, self._mark, "end")
        self.marks: dict[str, tuple[float, int]] = {}
        if spec.mode == "closed":
            for connection in connections:
                connection.send(time.perf_counter())
            while time.perf_counter() < self.end and self.open:
                await asyncio.sleep(0.01)
        else:
            self.idle.extend(connections)
            await self._keep_rate(started)
        self.sending = False
        deadline = time.perf_counter() + DRAIN_S
        while any(connection.busy for connection in connections) and time.perf_counter() < deadline:
            await asyncio.sleep(0.005)
        unanswered = sum(connection.busy for connection in connections) + len(self.queue)
        for connection in connections:
            connection.busy = False
            connection.transport.close()
        return self._result(unanswered)

    async def _keep_rate(self, started: float) -> None:
        due = started
        while due < self.end:
            now = time.perf_counter()
            while due <= now:
                if self.idle:
                    self.tally.lateness.append(now - due)
                    self.idle.popleft().send(due)
                else:
                    self.queue.append(due)
                due += self.random.expovariate(self.spec.rate)
            await asyncio.sleep(TICK_S)
        # What is still queued was due within the measured time: it is sent, and its wait counts.
        while self.queue and self.open and time.perf_counter() < self.end + DRAIN_S:
            await asyncio.sleep(TICK_S)

    def _mark(self, name: str) -> None:
        self.marks[name] = time.process_time(), len(self.tally.latencies)

    def _result(self, unanswered: int) -> dict[str, Any]:
        spec, tally = self.spec, self.tally
        latencies = sorted(tally.latencies)
        cpu = [self.marks[name][0] for name in ("begin", "end") if name in self.marks]
        per_request = spec.batch or 1
        result = {
            "mode": spec.mode, "connections": spec.connections, "seconds": spec.seconds,
            "requests": len(latencies), "requestsPerSecond": len(latencies) / spec.seconds,
            "deltasPerSecond": len(latencies) * per_request / spec.seconds,
            "errors": tally.errors + unanswered, "firstError": tally.first_error,
            "acknowledgedDeltas": tally.acknowledged * per_request, "nextNumber": self.number,
            "generatorBusy": (cpu[1] - cpu[0]) / spec.seconds if len(cpu) == 2 else None,
            "latencyMs": percentiles(latencies),
        }  # fmt: skip
        if spec.mode == "open":
            result |= {"rate": spec.rate, "sendLatenessMs": percentiles(sorted(tally.lateness))}
        return result


def percentiles(ascending: list[float]) -> dict[str, float]:
    """p50, p90, p99, p99.9 and the maximum of seconds, in milliseconds."""
    if not ascending:
        return {}
    at = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p999": 0.999}
    found = {name: ascending[min(len(ascending) - 1, int(len(ascending) * share))] for name, share in at.items()}
    return {name: round(value * 1000, 3) for name, value in (found | {"max": ascending[-1]}).items()}


def main() -> None:
    load = Load(Spec(**json.loads(sys.argv[1])))
    print(json.dumps(uvloop.run(load.run())))


if __name__ == "__main__":
    main()
