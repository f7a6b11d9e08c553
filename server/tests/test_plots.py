"""Where bars, steps and grid lines of a plot lie."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pacspace_server.web import plots

VALUES = st.lists(st.integers(-(10**40), 10**40), min_size=1, max_size=62)


def names(values: list[int]) -> list[str]:
    return [f"day {number}" for number in range(len(values))]


@given(VALUES)
def test_everything_lies_in_the_picture(values: list[int]) -> None:
    """Whatever the values, bars, lines and grid are within the picture, and the grid has 0 and a few lines."""
    for plot in (plots.bars(names(values), values, str), plots.steps(names(values), values, str)):
        ys = [y for bar in plot.bars for y in (bar.y, bar.y + bar.height)]
        ys += [y for line in plot.lines for y in (line.y1, line.y2)] + [line.y for line in plot.grid]
        assert all(plots.TOP - 0.02 <= y <= plots.BOTTOM + 0.02 for y in ys)
        xs = [x for bar in plot.bars for x in (bar.x, bar.x + bar.width)] + [
            x for line in plot.lines for x in (line.x1, line.x2)
        ]
        assert all(-0.02 <= x <= 100.02 for x in xs)
        assert 0 in [line.value for line in plot.grid] and 2 <= len(plot.grid) <= 7
        assert plot.rows == [(name, str(value)) for name, value in zip(names(values), values)]


def test_bars_stand_on_zero() -> None:
    """A positive bar reaches up from 0 by its share, a negative one down; a day without anything has none."""
    plot = plots.bars(["a", "b", "c"], [10, 0, -5], str)
    up, down = plot.bars
    zero = next(line.y for line in plot.grid if line.value == 0)
    assert up.y + up.height == pytest.approx(zero) and down.y == pytest.approx(zero)
    assert up.height == pytest.approx(2 * down.height, abs=0.02)
    assert (up.text, down.text) == ("a: 10", "c: -5")


def test_steps_stand_until_the_next_value() -> None:
    """The line begins at 0, rises to each value at its left edge, and stands there to its right edge."""
    plot = plots.steps(["a", "b"], [4, 4], str)
    assert [(line.x1, line.x2) for line in plot.lines] == [(0, 0), (0, 50), (50, 100)]
    assert plot.lines[0].y1 == plots.BOTTOM and {line.y2 for line in plot.lines} == {plot.lines[0].y2}


@pytest.mark.parametrize(
    ("values", "grid"), [([0], [0, 1]), ([7], [0, 2, 4, 6, 8]), ([-3, 10], [-5, 0, 5, 10]), ([-1], [-1, 0])]
)
def test_grid_lines_are_round(values: list[int], grid: list[int]) -> None:
    """Lines lie at 1, 2 or 5 times a power of ten."""
    assert [line.value for line in plots.bars(names(values), values, str).grid] == grid
