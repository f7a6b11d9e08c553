"""The Python client over a bad network: every call is recorded exactly once, and the server's waits are kept.

Its waits are noted, not waited. SDK_RETRIES_EMITS=10000 is the full form; the seed is printed.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from decimal import Decimal
from typing import Any

import pytest
from testkit.proxy import FAULTS, WAITS_S, Proxy
from testkit.server import Client, Server, in_threads

from pacspace_sdk import AsyncPacSpace, PacSpace, PacSpaceError

EMITS = int(os.environ.get("SDK_RETRIES_EMITS", "400"))
TIMEOUT_MS, STALL_S, AT_ONCE, MAX_RETRIES = 1_000, 1.5, 8, 6
HANG_S = 60 + EMITS  # a call that is not over by then hangs


class Waits:
    """Notes the client's waits, and how often it gave up on each kind of refusal."""

    def __init__(self) -> None:
        self.slept: Counter[float] = Counter()
        self.given_up: Counter[int] = Counter()

    def sleep(self, seconds: float) -> None:
        self.slept[seconds] += 1

    def note(self, error: PacSpaceError) -> str:
        """The key under which the failed call goes on."""
        self.given_up[error.status_code] += 1
        assert error.code in ("NETWORK_ERROR", "RATE_LIMITED", "SERVICE_UNAVAILABLE", "TIMEOUT"), error
        assert error.idempotency_key
        return error.idempotency_key


@pytest.fixture
def proxy(server: Server, rng: random.Random) -> Iterator[Proxy]:
    proxy = Proxy(server.url, rng, STALL_S)
    yield proxy
    proxy.close()


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> Waits:
    waits = Waits()
    real = asyncio.sleep

    async def no_sleep(seconds: float, result: Any = None) -> Any:
        if seconds:
            waits.sleep(seconds)
        return await real(0, result)

    monkeypatch.setattr("pacspace_sdk.client.time.sleep", waits.sleep)
    monkeypatch.setattr("asyncio.sleep", no_sleep)
    return waits


def emit_blocking(proxy: Proxy, key: str, customers: list[str], waits: Waits) -> None:
    """Emits from several threads with one client; a call that gives up is made again under its key."""
    pac = PacSpace(key, base_url=proxy.url, timeout=TIMEOUT_MS, max_retries=MAX_RETRIES)

    def work(numbers: range) -> None:
        for number in numbers:
            options: Any = {}
            while True:
                try:
                    pac.balance.emit(customers[number % len(customers)], number + 1, f"emit {number}", options)
                    break
                except PacSpaceError as error:
                    options = {"idempotencyKey": waits.note(error)}

    in_threads([lambda n=n: work(range(n, EMITS, AT_ONCE)) for n in range(AT_ONCE)], timeout_s=HANG_S)
    pac.close()


def emit_async(proxy: Proxy, key: str, customers: list[str], waits: Waits) -> None:
    """The same on an event loop."""

    async def emit(pac: AsyncPacSpace, number: int) -> None:
        options: Any = {}
        while True:
            try:
                await pac.balance.emit(customers[number % len(customers)], number + 1, f"emit {number}", options)
                return
            except PacSpaceError as error:
                options = {"idempotencyKey": waits.note(error)}

    async def worker(pac: AsyncPacSpace, numbers: Iterator[int]) -> None:
        for number in numbers:
            await emit(pac, number)

    async def run() -> None:
        async with AsyncPacSpace(key, base_url=proxy.url, timeout=TIMEOUT_MS, max_retries=MAX_RETRIES) as pac:
            numbers = iter(range(EMITS))
            await within(asyncio.gather(*(worker(pac, numbers) for _ in range(AT_ONCE))))

    asyncio.run(run())


def within(work: Any) -> Coroutine[Any, Any, Any]:
    return asyncio.wait_for(work, HANG_S)


def recorded(client: Client, customers: list[str]) -> Counter[tuple[str, Decimal]]:
    """Every delta of the customers, by reason and amount."""
    return Counter(
        (delta["reason"], Decimal(delta["delta"])) for customer in customers for delta in client.all_deltas(customer)
    )


@pytest.mark.parametrize("emit", [emit_blocking, emit_async], ids=["blocking", "async"])
def test_each_call_is_recorded_exactly_once(
    server: Server, client: Client, proxy: Proxy, waits: Waits, customer: str, emit: Callable[..., None]
) -> None:
    """Over a network that drops, delays, doubles, refuses and stalls, nothing is lost, doubled, or hangs.

    The deltas have no referenceId: only the client's idempotency keys stand between a retry and a second record.
    """
    customers = [f"{customer}_{n}" for n in range(4)]
    emit(proxy, server.key or "", customers, waits)
    assert recorded(client, customers) == Counter((f"emit {n}", Decimal(n + 1)) for n in range(EMITS))

    if EMITS >= 400:
        assert {fault for fault in FAULTS if not proxy.done[fault]} <= {"stall"}, "a kind of fault never happened"
    # Each wait that the server asked for was kept, except after the attempt that was the last.
    asked = Counter({wait_s: proxy.done[fault] for fault, wait_s in WAITS_S.items()})
    assert asked[7] - waits.slept[7] == waits.given_up[429]
    assert asked[11] + asked[12] - waits.slept[11] - waits.slept[12] == waits.given_up[503]
    assert asked[3] + asked[5] - waits.slept[3] - waits.slept[5] == waits.given_up[202]
    requests = sum(proxy.done.values())
    print(f"{EMITS} emits in {requests} requests: {dict(sorted(proxy.done.items()))}, given up: {dict(waits.given_up)}")


@pytest.mark.parametrize("call", ["emit_batch", "checkpoint"])
def test_batches_and_checkpoints_too(
    server: Server, client: Client, proxy: Proxy, waits: Waits, customer: str, call: str
) -> None:
    """A batch is recorded once, item by item, and a checkpoint gives the same root, however often they are sent."""
    pac = PacSpace(server.key or "", base_url=proxy.url, max_retries=50)
    if call == "emit_batch":
        for number in range(40):
            items = [{"customerId": customer, "delta": number * 10 + n + 1, "reason": "batch"} for n in range(10)]
            assert pac.balance.emit_batch(items)["totalQueued"] == 10  # type: ignore[arg-type]
        amounts = sorted(int(delta["delta"]) for delta in client.all_deltas(customer))
        assert amounts == list(range(1, 401))
    else:
        client.emit(customer, 1).data
        roots = {pac.balance.checkpoint(customer, period="2026-02")["proofRoot"] for _ in range(40)}
        assert len(roots) == 1
    pac.close()


def test_a_stalled_server_does_not_hang_the_client(
    server: Server, rng: random.Random, waits: Waits, customer: str
) -> None:
    """With every reply too late the call ends after its attempts, and going on under its key records once."""
    proxy = Proxy(server.url, rng, stall_s=30)
    proxy._choose = lambda: "stall"  # type: ignore[method-assign]
    pac = PacSpace(server.key or "", base_url=proxy.url, timeout=100, max_retries=2)
    with pytest.raises(PacSpaceError) as error:
        pac.balance.emit(customer, 5, "late")
    assert error.value.code == "NETWORK_ERROR" and sum(waits.slept.values()) == 2
    proxy.close()
    direct = PacSpace(server.key or "", base_url=server.url)
    emitted = direct.balance.emit(customer, 5, "late", idempotencyKey=error.value.idempotency_key)
    balance = direct.balance.derive(customer)
    assert (balance["computedBalance"], balance["deltaCount"], emitted["sequenceNumber"]) == (5, 1, 1)
    pac.close()
    direct.close()
    assert time.sleep == waits.sleep
