"""Plots as shapes for SVG: where bars, steps and grid lines lie, in per cent of the picture, so that text keeps its size.

Pure. Values are whole numbers (counts, or units of 10^-9); the templates draw, and show the same values as a table.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

TOP, BOTTOM = 9.0, 98.0  # between which values lie
BAR = 0.7  # of the room that each has


@dataclass(frozen=True)
class Grid:
    """A value with a line through it."""

    value: int
    y: float


@dataclass(frozen=True)
class Bar:
    """One value."""

    index: int
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Line:
    """A stretch from one point to another."""

    x1: float
    y1: float
    x2: float
    y2: float


@dataclass(frozen=True)
class Plot:
    """What there is to draw. `zero` is the height of 0."""

    grid: list[Grid]
    zero: float
    bars: list[Bar]
    lines: list[Line]


def bars(values: Sequence[int]) -> Plot:
    """A bar for each value, from 0 up or down."""
    low, high = _range(values)
    room = 100 / max(len(values), 1)
    zero = _y(0, low, high)
    drawn = [
        Bar(
            index,
            _rounded(room * (index + (1 - BAR) / 2)),
            min(zero, _y(value, low, high)),
            _rounded(room * BAR),
            _rounded(abs(zero - _y(value, low, high))),
        )
        for index, value in enumerate(values)
        if value
    ]
    return Plot(_grid(low, high), zero, drawn, [])


def steps(values: Sequence[int], start: int = 0) -> Plot:
    """A line that stands at each value for as long as it is the newest, and begins at `start`."""
    low, high = _range([start, *values])
    room = 100 / max(len(values), 1)
    lines: list[Line] = []
    before = _y(start, low, high)
    for index, value in enumerate(values):
        left, right, y = _rounded(room * index), _rounded(room * (index + 1)), _y(value, low, high)
        if y != before:
            lines.append(Line(left, before, left, y))
        lines.append(Line(left, y, right, y))
        before = y
    return Plot(_grid(low, high), _y(0, low, high), [], lines)


def _range(values: Sequence[int]) -> tuple[int, int]:
    """The values' own range with 0 in it, out to round numbers."""
    low, high = min(0, *values, 0), max(0, *values, 0)
    step = _step(high - low)
    return -step * (-low // step + (-low % step > 0)), step * (high // step + (high % step > 0)) or (step if not low else 0)


def _step(span: int) -> int:
    """1, 2 or 5 times a power of ten, so that two to five of it are the span."""
    target = max(span // 3, 1)
    power = int(10 ** (len(str(target)) - 1))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= target)


def _grid(low: int, high: int) -> list[Grid]:
    step = _step(high - low)
    return [Grid(value, _y(value, low, high)) for value in range(low, high + 1, step)]


def _y(value: int, low: int, high: int) -> float:
    return _rounded(BOTTOM - (BOTTOM - TOP) * (value - low) / max(high - low, 1))


def _rounded(value: float) -> float:
    return round(value, 2)
