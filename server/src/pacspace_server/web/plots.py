"""Plots as SVG shapes: bars, steps and grid lines, in per cent of the picture, so that text keeps its size.

Values are integers (counts, or units of 10^-9). The templates draw the shapes, and show the same values as a table.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

TOP, BOTTOM = 9.0, 98.0  # the range for values
BAR = 0.7  # a bar's share of its slot
MAX_SCALE_CHARS = 16


@dataclass(frozen=True)
class Grid:
    """A grid line at a round value."""

    value: int
    text: str
    y: float


@dataclass(frozen=True)
class Bar:
    """One value's bar."""

    text: str
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Line:
    """A straight line between two points."""

    x1: float
    y1: float
    x2: float
    y2: float


@dataclass(frozen=True)
class Plot:
    """The shapes, and the same values as table rows of name and text."""

    grid: list[Grid]
    bars: list[Bar]
    lines: list[Line]
    rows: list[tuple[str, str]]

    @property
    def scale_chars(self) -> int:
        """The width of the grid's labels in characters, at most MAX_SCALE_CHARS."""
        return min(max(len(line.text) for line in self.grid), MAX_SCALE_CHARS)


def bars(names: Sequence[str], values: Sequence[int], said: Callable[[int], str]) -> Plot:
    """A bar for each value, up or down from 0. `said` formats a value."""
    low, high, step = _range(values)
    room, zero = 100 / max(len(values), 1), _y(0, low, high)
    rows = [(name, said(value)) for name, value in zip(names, values, strict=True)]
    drawn = []
    for index, value in enumerate(values):
        y = _y(value, low, high)
        x = _rounded(room * (index + (1 - BAR) / 2))
        text = ": ".join(rows[index])
        if value:
            drawn.append(Bar(text, x, min(zero, y), _rounded(room * BAR), _rounded(abs(zero - y))))
    return Plot(_grid(low, high, step, said), drawn, [], rows)


def steps(names: Sequence[str], values: Sequence[int], said: Callable[[int], str]) -> Plot:
    """A step line from 0 through the values."""
    low, high, step = _range(values)
    room, before = 100 / max(len(values), 1), _y(0, low, high)
    lines: list[Line] = []
    for index, value in enumerate(values):
        left, right, y = _rounded(room * index), _rounded(room * (index + 1)), _y(value, low, high)
        if y != before:
            lines.append(Line(left, before, left, y))
        lines.append(Line(left, y, right, y))
        before = y
    rows = [(name, said(value)) for name, value in zip(names, values, strict=False)]
    return Plot(_grid(low, high, step, said), [], lines, rows)


def _range(values: Sequence[int]) -> tuple[int, int, int]:
    """The range of the values and 0, widened to multiples of a round step; and that step."""
    low, high = min(0, *values, 0), max(0, *values, 0)
    step = _step(high - low)
    return step * (low // step), step * -(-high // step) or (0 if low else step), step


def _step(span: int) -> int:
    """A round step (1, 2 or 5 times a power of ten), about a third of the span."""
    target = max(span // 3, 1)
    power = int(10 ** (len(str(target)) - 1))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= target)


def _grid(low: int, high: int, step: int, said: Callable[[int], str]) -> list[Grid]:
    return [Grid(value, said(value), _y(value, low, high)) for value in range(low, high + 1, step)]


def _y(value: int, low: int, high: int) -> float:
    return _rounded(BOTTOM - (BOTTOM - TOP) * (value - low) / max(high - low, 1))


def _rounded(value: float) -> float:
    return round(value, 2)
