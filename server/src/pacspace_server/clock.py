"""The wall clock. An environment has its own ledger clock, `Snapshot.now`; time-outs use `time.monotonic`."""

from __future__ import annotations

import time


def now_us() -> int:
    """Microseconds since 1970, UTC."""
    return time.time_ns() // 1000
