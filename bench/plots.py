"""Plots as SVG: no script, no fonts of its own, readable on light and on dark pages."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

WIDTH, LEFT, RIGHT, TOP = 760, 74, 20, 56
PLOT_HEIGHT, BAR, LABELS = 240, 30, 250
COLOURS = ("a", "b", "c")
STYLE = """
text { font: 13px system-ui, sans-serif; fill: #1f2328 } .title { font-weight: 600; font-size: 15px }
.axis { stroke: #59636e } .grid { stroke: #d1d9e0 } .end { text-anchor: end } .middle { text-anchor: middle }
.a { --c: #0b62a8 } .b { --c: #b24d00 } .c { --c: #00785a }
.line { stroke: var(--c); stroke-width: 2; fill: none } .full { fill: var(--c); stroke: var(--c) }
.hollow { fill: #ffffff; stroke: var(--c); stroke-width: 2 } .dashed { stroke-dasharray: 7 4 }
@media (prefers-color-scheme: dark) {
text { fill: #f0f6fc } .axis { stroke: #9198a1 } .grid { stroke: #3d444d } .hollow { fill: #0d1117 }
.a { --c: #6cb6ff } .b { --c: #f0a35e } .c { --c: #4fd1a5 }
}
"""


@dataclass(frozen=True)
class Line:
    """A line of a plot. `colour` is an index; the first engine's lines are full, the other's dashed with hollow
    points."""

    name: str
    colour: int
    dashed: bool
    points: Sequence[tuple[float, float]]


def number(value: float) -> str:
    """As a person reads it: three digits, or all before the point."""
    if abs(value) >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}"


def lines(title: str, x_title: str, y_title: str, series: Sequence[Line]) -> str:
    """Lines over a logarithmic x axis; y from zero."""
    sizes = sorted({x for line in series for x, _ in line.points})
    low, high = math.log10(sizes[0]), math.log10(sizes[-1])
    ticks = y_ticks(max(y for line in series for _, y in line.points))
    key = 20 * len(series)
    bottom = TOP + PLOT_HEIGHT

    def x_of(x: float) -> float:
        return LEFT + 12 + (math.log10(x) - low) / ((high - low) or 1) * (WIDTH - LEFT - RIGHT - 40)

    def y_of(y: float) -> float:
        return bottom - y / ticks[-1] * PLOT_HEIGHT

    parts = [f'<text class="title" x="{LEFT}" y="20">{escape(title)}</text>', _text(8, 36, y_title)]
    for tick in ticks:
        y = y_of(tick)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(_text(LEFT - 8, y + 4, f"{tick:,.10g}", "end"))
    for size in sizes:
        parts.append(
            f'<line class="axis" x1="{x_of(size):.1f}" x2="{x_of(size):.1f}" y1="{bottom}" y2="{bottom + 5}"/>'
        )
        parts.append(_text(x_of(size), bottom + 20, number(size), "middle"))
    parts.append(f'<line class="axis" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{bottom}" y2="{bottom}"/>')
    parts.append(_text((LEFT + WIDTH - RIGHT) / 2, bottom + 40, x_title, "middle"))
    for index, line in enumerate(series):
        parts.append(_line(line, [(x_of(x), y_of(y)) for x, y in line.points]))
        y = bottom + 62 + 20 * index
        parts.append(_line(line, [(LEFT, y), (LEFT + 40, y)]))
        parts.append(_text(LEFT + 52, y + 4, line.name))
    return _document(title, bottom + 62 + key, parts)


def _line(line: Line, points: Sequence[tuple[float, float]]) -> str:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    shape = "hollow" if line.dashed else "full"
    dots = "".join(f'<circle class="{shape}" cx="{x:.1f}" cy="{y:.1f}" r="4"/>' for x, y in points)
    dash = " dashed" if line.dashed else ""
    return f'<g class="{COLOURS[line.colour]}"><polyline class="line{dash}" points="{path}"/>{dots}</g>'


def bars(title: str, unit: str, values: Sequence[tuple[str, float, int]]) -> str:
    """One horizontal bar per label, value and colour, from zero, with its figure at its end."""
    ticks = y_ticks(max(value for _, value, _ in values))
    bottom = TOP + BAR * len(values)

    def x_of(value: float) -> float:
        return LABELS + value / ticks[-1] * (WIDTH - LABELS - 70)

    parts = [f'<text class="title" x="8" y="20">{escape(title)}</text>']
    for tick in ticks:
        x = x_of(tick)
        parts.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP - 8}" y2="{bottom}"/>')
        parts.append(_text(x, bottom + 16, f"{tick:,.10g}", "middle"))
    for index, (label, value, colour) in enumerate(values):
        y = TOP + BAR * index
        width = x_of(value) - LABELS
        parts.append(_text(LABELS - 8, y + 15, label, "end"))
        parts.append(
            f'<g class="{COLOURS[colour]}"><rect class="full" x="{LABELS}" y="{y}" width="{width:.1f}" height="20"/></g>'
        )
        parts.append(_text(x_of(value) + 6, y + 15, number(value)))
    parts.append(f'<line class="axis" x1="{LABELS}" x2="{LABELS}" y1="{TOP - 8}" y2="{bottom}"/>')
    parts.append(_text((LABELS + WIDTH - 70) / 2, bottom + 36, unit, "middle"))
    return _document(title, bottom + 46, parts)


def y_ticks(most: float) -> list[float]:
    """Round numbers from zero to at least `most`, four to six of them."""
    rough = (most or 1) / 4
    power = 10 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough)
    return [step * index for index in range(math.ceil((most or 1) / step) + 1)]


def _text(x: float, y: float, text: str, kind: str = "") -> str:
    place = f' class="{kind}"' if kind else ""
    return f'<text{place} x="{x:.1f}" y="{y:.1f}">{escape(text)}</text>'


def _document(title: str, height: float, parts: Sequence[str]) -> str:
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" width="{WIDTH}" height="{height:.0f}" role="img">'
    return "\n".join([head, f"<title>{escape(title)}</title>", f"<style>{STYLE}</style>", *parts, "</svg>"]) + "\n"
