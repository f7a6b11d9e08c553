"""What the rooms below write down for whoever operates the server: whom work is for, what was counted, what went wrong."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from typing import Any

# Whom the work at hand is for: `request_id`, `run_id` or `job_id`. Every log line carries it, also of threads.
doing: ContextVar[Mapping[str, Any]] = ContextVar("doing", default={})  # noqa: B039 - nobody changes it

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
SIZES = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0)
# SQLSTATE classes whose messages speak of connections, resources and the server, never of values.
_NO_VALUES = ("08", "25", "28", "40", "53", "55", "57", "58", "XX")


class Histogram:
    """How many values were at most each bound, and their sum. Written by one thread; a reader may be one value behind."""

    __slots__ = ("bounds", "counts", "sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def observe(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value

    @property
    def count(self) -> int:
        return sum(self.counts)


def said(error: BaseException) -> str:
    """An error as a log line may tell it: of what a database server says, nothing that may hold the values of a row."""
    if not hasattr(error, "sqlstate"):
        return str(error)
    state = error.sqlstate
    if state is None:  # nothing came back from it: this is the driver's own
        return str(error)
    primary = getattr(getattr(error, "diag", None), "message_primary", None)
    return f"{state} {primary}" if primary and state.startswith(_NO_VALUES) else f"SQLSTATE {state}"
