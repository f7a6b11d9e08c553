"""What the lower rooms report to the operator: the request at hand, counts, and errors."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from typing import Any

# The request at hand: `request_id`, `run_id` or `job_id`. Every log line has it, also in threads.
doing: ContextVar[Mapping[str, Any]] = ContextVar("doing", default={})  # noqa: B039 - never changed

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
SIZES = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0)
# SQLSTATE classes whose messages describe connections, resources and the server, never values.
_NO_VALUES = ("08", "25", "28", "40", "53", "55", "57", "58", "XX")


class Histogram:
    """Counts of values up to each bound, and their sum. Written by one thread; a reader may be one value behind."""

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
    """An error for a log line, without the parts of a database server's message that may contain values of a row."""
    if not hasattr(error, "sqlstate"):
        return str(error)
    state = error.sqlstate
    if state is None:  # no reply: this is the driver's own message
        return str(error)
    primary = getattr(getattr(error, "diag", None), "message_primary", None)
    return f"{state} {primary}" if primary and state.startswith(_NO_VALUES) else f"SQLSTATE {state}"
