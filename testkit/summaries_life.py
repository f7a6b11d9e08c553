"""One life of a program that sends summaries from a journal: queues what it is told to, flushes, and is killed by chance.

Run as `python -m testkit.summaries_life URL KEY JOURNAL FIRST SEED`; prints a line for each summary whose queueing
returned, and one for each flush. What it queues follows from the numbers alone, so that the test knows it.
"""

from __future__ import annotations

import itertools
import random
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

WINDOWED, REFERENCED = 3, 2  # of five summaries: with a window, with a reference of the caller's


def summary(customer: str, number: int) -> dict[str, Any]:
    """The summary with a number: most have a window or a reference, and many have equal amounts."""
    made: dict[str, Any] = {"customerId": customer, "delta": -(number % 3) - 1, "reason": "usage"}
    if number % (WINDOWED + REFERENCED) < WINDOWED:
        start = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=number)
        end = start + timedelta(minutes=1)
        return made | {"windowStart": start.isoformat(), "windowEnd": end.isoformat()}
    return made | {"referenceId": f"ref-{number}"}


def live(url: str, key: str, journal: str, customer: str, first: int, seed: str) -> None:
    """Queues from number `first` on and flushes now and then, for ever."""
    from pacspace_sdk import PacSpace

    rng = random.Random(seed)
    flushes = rng.choice([0, 0.3])  # some lives only queue
    options: Any = {"journal": journal, "autoStart": False, "maxDeltasPerRequest": 7, "maxRequestsPerMinute": 1e6}
    pac = PacSpace(key, base_url=url, submission=options, timeout=5_000, max_retries=0)
    print("open", flush=True)
    for number in itertools.count(first):
        pac.balance.queue_summary(summary(customer, number))  # type: ignore[arg-type]
        print("queued", number, flush=True)
        if rng.random() < flushes:
            print("flushing", flush=True)
            done = pac.balance.flush_summaries()
            print("flushed", done["accepted"], done["failed"], len(done["rejected"]), flush=True)


if __name__ == "__main__":
    live(*sys.argv[1:5], int(sys.argv[5]), sys.argv[6])  # type: ignore[call-arg, misc]
