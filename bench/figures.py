"""What a measurement returns, and how much of everything there is to measure."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from load import percentiles
from worlds import Worlds

TWO_PROCESSES = "PostgreSQL, 2 processes"


@dataclass
class Row:
    """A figure. Those with the same `what` stand in one line of the table, each in the column of its engine ("" when it
    is no engine's); `met` is None where there is no bar."""

    name: str
    what: str
    engine: str
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
    grown_deltas: tuple[int, ...]
    grown_customers: tuple[int, ...]
    grown_seconds: float


FULL = Sizes(
    seconds=8, rounds=3, many=1_000_000, receipt=100_000, customers=10_000, repeats=500, locks=3,
    grown_deltas=(10, 1_000, 100_000, 1_000_000), grown_customers=(10, 1_000, 10_000, 100_000), grown_seconds=3,
)  # fmt: skip
QUICK = Sizes(
    seconds=3, rounds=1, many=20_000, receipt=5_000, customers=2_000, repeats=100, locks=1,
    grown_deltas=(10, 1_000, 20_000), grown_customers=(10, 1_000), grown_seconds=2,
)  # fmt: skip


@dataclass
class Bench:
    """One run: its sizes, its databases, and what later measurements take from earlier ones."""

    sizes: Sizes
    worlds: list[Worlds]  # of each engine
    scratch: Path
    emit_rates: dict[str, float] = field(default_factory=dict)


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def ms(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms"


def times(values: Iterable[float]) -> dict[str, float]:
    """Percentiles of seconds, in milliseconds."""
    return percentiles(sorted(values))


def latency(result: dict[str, Any]) -> str:
    found = result["latencyMs"]
    if not found:
        return "no reply in the time"
    return f"p50 {found['p50']:.1f}, p90 {found['p90']:.1f}, p99 {found['p99']:.1f}, max {found['max']:.1f} ms"


def cores(result: dict[str, Any]) -> str:
    database = f"PostgreSQL {result['databaseBusy']:.2f}, " if result.get("databaseBusy") else ""
    return f"cores: server {result['processBusy']:.2f}, {database}generator {result['generatorBusy']:.2f}"


def middle(results: list[dict[str, Any]], name: str) -> float:
    return statistics.median(result[name] for result in results)
