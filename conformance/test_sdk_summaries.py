"""The client's summaries with a journal: a process that is killed again and again loses nothing and doubles nothing.

SDK_SUMMARIES_KILLS=200 is the long form; the seed is printed.
"""

from __future__ import annotations

import random
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from testkit.extent import times
from testkit.proxy import Proxy
from testkit.server import Client, Server
from testkit.summaries_life import summary

from pacspace_sdk import AsyncPacSpace, PacSpace

KILLS = times(6, 15, "SDK_SUMMARIES_KILLS")
ROOT = Path(__file__).parents[1]
CLOCK = "2026-10-31T12:00:00Z"  # after every window that the lives name


@pytest.fixture
def year_end(start_server: Callable[..., Server]) -> Server:
    return start_server("--sandbox-clock", CLOCK)


@pytest.fixture
def journal(tmp_path: Path) -> str:
    return str(tmp_path / "summaries.journal")


def one_life(arguments: list[str], queued: list[int], limit_s: float) -> str:
    """Runs one life and kills it after `limit_s` of work; notes the numbers whose queueing returned. What it last did."""
    process = subprocess.Popen(
        [sys.executable, "-m", "testkit.summaries_life", *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT,
    )  # fmt: skip
    assert process.stdout is not None and process.stderr is not None
    last = "nothing"
    for line in process.stdout:
        kind, *rest = line.split()
        if kind == "open":
            threading.Timer(limit_s, process.kill).start()
        if not line.endswith("\n"):
            break  # the kill came while it printed
        last = kind
        if kind == "queued":
            queued.append(int(rest[0]))
        assert kind != "flushed" or rest[2] == "0", f"a summary was rejected: {line}"
    errors = process.stderr.read()
    assert process.wait(60) == -9, errors
    process.stdout.close()
    process.stderr.close()
    return last


def amounts(client: Client, customer: str) -> Counter[tuple[Any, Decimal]]:
    found = client.all_deltas(customer, startDate="2026-01-01", endDate="2027-01-01")
    return Counter((delta["referenceId"], Decimal(delta["delta"])) for delta in found)


def test_killed_at_random_instants(year_end: Server, journal: str, rng: random.Random, tmp_path: Path) -> None:
    """Whatever was queued when the process was killed is recorded once, after any number of kills at any instant."""
    proxy = Proxy(year_end.url, rng, stall_s=0.05)
    arguments = [proxy.url, year_end.key or "", journal, "cust_kill"]
    queued: list[int] = []
    last: Counter[str] = Counter()
    while sum(last.values()) < KILLS or not (last["flushing"] and last["queued"]):
        assert sum(last.values()) < 10 * KILLS, "no kill came while it flushed, or none while it queued"
        # A number whose queueing did not return is queued again: its key is the same, so it is no second summary.
        first = queued[-1] + 1 if queued else 0
        last[one_life([*arguments, str(first), f"{rng.random()}"], queued, rng.uniform(0, 0.7))] += 1
    assert queued == list(range(len(queued))) and len(queued) < 400_000, "the windows would begin again"
    proxy.close()

    options: Any = {"journal": journal, "autoStart": False, "maxRequestsPerMinute": 1e6}
    with PacSpace(year_end.key or "", base_url=year_end.url, submission=options) as pac:
        pac.balance.flush_summaries()
        state = pac.balance.get_summary_queue_state()
        assert state["queuedCount"] == 0 and state["rejected"] == []
        wanted = Counter(reference_and_amount(pac, number) for number in queued)
    found = amounts(year_end.client, "cust_kill")
    # One more may be there: on disk when the last kill came, before its queueing returned.
    extra = found - wanted
    assert wanted - found == Counter() and sum(extra.values()) <= 1, "something was lost or doubled"
    assert all(count == 1 for count in found.values())
    print(
        f"{sum(last.values())} kills after {dict(last)}, {len(queued)} summaries, {sum(found.values())} records, {dict(proxy.done)}"
    )


def reference_and_amount(pac: PacSpace, number: int) -> tuple[str, Decimal]:
    from pacspace_sdk.summaries import read_summary

    read = read_summary(summary("cust_kill", number), "usage_summary")  # type: ignore[arg-type]
    return read["referenceId"], Decimal(str(read["delta"]))


def test_two_days_with_equal_amounts(year_end: Server, journal: str) -> None:
    """Equal amounts of two days are two records, and flushing the same days again records nothing."""
    days = [("2026-05-26", "2026-05-27"), ("2026-05-27", "2026-05-28")]
    for again in range(2):
        with client(year_end, journal) as pac:
            for start, end in days:
                pac.balance.queue_summary({"customerId": "c", "delta": -100, "windowStart": start, "windowEnd": end})
            flushed = pac.balance.flush_summaries()
            assert (flushed["accepted"], flushed["replayed"]) == (2, 2 * again)
            balance = pac.balance.derive_for_period("c", "2026-05")
            assert (balance["computedBalance"], balance["deltaCount"]) == (-200, 2)
            shown = [delta["occurredAt"] for delta in pac.balance.iter_deltas("c", period="2026-05")]
            assert shown == ["2026-05-26T23:59:59.999999Z", "2026-05-27T23:59:59.999999Z"]


def test_a_corrected_amount_never_counts_twice(year_end: Server, journal: str) -> None:
    """Corrected before it was sent, the newer amount counts; after, it is a conflict that names both, and nothing more counts."""
    day: Any = {"customerId": "c", "delta": -100, "windowStart": "2026-05-26", "windowEnd": "2026-05-27"}
    with client(year_end, journal) as pac:
        pac.balance.queue_summary(day)
        pac.balance.queue_summary({**day, "delta": -110})
        assert pac.balance.flush_summaries()["accepted"] == 1
        assert pac.balance.derive_for_period("c", "2026-05")["computedBalance"] == -110
        pac.balance.queue_summary({**day, "delta": -120})
        flushed = pac.balance.flush_summaries()
        assert (flushed["accepted"], flushed["failed"], flushed["queuedAfterFlush"]) == (0, 1, 0)
        (rejected,) = flushed["rejected"]
        assert rejected["code"] == "REFERENCE_ID_CONFLICT" and "110" in rejected["error"] and "120" in rejected["error"]
        assert pac.balance.derive_for_period("c", "2026-05")["computedBalance"] == -110


def test_corrected_while_in_flight(year_end: Server, journal: str, rng: random.Random) -> None:
    """An amount corrected while the first is on its way, over a crash, is a conflict too: one of them counts, never both."""
    proxy = Proxy(year_end.url, rng, stall_s=0)
    proxy._choose = lambda: "drop after"  # type: ignore[method-assign]
    day: Any = {"customerId": "c", "delta": -100, "windowStart": "2026-05-26", "windowEnd": "2026-05-27"}
    options: Any = {"journal": journal, "autoStart": False}
    lost = PacSpace(year_end.key or "", base_url=proxy.url, submission=options, max_retries=0)
    lost.balance.queue_summary(day)
    assert lost.balance.flush_summaries()["failed"] == 1  # recorded, but the reply was lost
    lost.balance.queue_summary({**day, "delta": -120})
    lost.close()
    proxy.close()
    with client(year_end, journal) as pac:
        first = pac.balance.flush_summaries()
        second = pac.balance.flush_summaries()
        assert (first["accepted"] + second["accepted"], first["failed"] + second["failed"]) == (1, 1)
        assert pac.balance.derive_for_period("c", "2026-05")["computedBalance"] == -100


def test_one_bad_summary_of_many(year_end: Server, journal: str) -> None:
    """A summary that the server does not take leaves the queue with its reason; the others are recorded."""
    good: Any = {"customerId": "c", "delta": -1}
    with client(year_end, journal) as pac:
        pac.balance.queue_summaries(
            [good, {"customerId": "not an id!", "delta": -1}, {**good, "delta": 2_000_000_000}, good]
        )
        flushed = pac.balance.flush_summaries()
        assert (flushed["accepted"], flushed["failed"], flushed["queuedAfterFlush"]) == (2, 2, 0)
        assert [one["code"] for one in flushed["rejected"]] == ["VALIDATION_ERROR"] * 2
        assert pac.balance.derive("c")["deltaCount"] == 2


def test_a_server_that_is_away(year_end: Server, journal: str) -> None:
    """While the server is down everything waits; when it is back, everything is recorded, by the async client too."""
    import asyncio

    with client(year_end, journal, max_retries=0) as pac:
        year_end.stop()
        for number in range(5):
            pac.balance.queue_summary({"customerId": "c", "delta": number + 1, "referenceId": f"r{number}"})
        assert pac.balance.flush_summaries()["failed"] == 5
    year_end.start("--sandbox-clock", CLOCK)

    async def run() -> Any:
        options: Any = {"journal": journal, "autoStart": False}
        async with AsyncPacSpace(year_end.key or "", base_url=year_end.url, submission=options) as pac:
            await pac.balance.flush_summaries()
            return await pac.balance.derive("c")

    balance = asyncio.run(run())
    assert (balance["computedBalance"], balance["deltaCount"]) == (15, 5)


def client(server: Server, journal: str, **options: Any) -> PacSpace:
    submission: Any = {"journal": journal, "autoStart": False}
    return PacSpace(server.key or "", base_url=server.url, submission=submission, **options)
