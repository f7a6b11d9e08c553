"""The page docs/benchmark.md and its plots from the figures of a run: `report.py FIGURES FOLDER`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from plots import Line, bars, lines, number

Json = dict[str, Any]
COLUMNS = ("SQLite", "PostgreSQL", "PostgreSQL, 2 processes")
NOTICEABLE = 0.1
IMAGES = "images/benchmark"
SERIES = {
    "deltas": ("With the deltas of one customer", "deltas of one customer"),
    "customers": ("With the number of customers", "customers with 10 deltas each"),
}
# File name, title, axis, what is drawn: the name of each line and its field.
GROWTH = (
    ("emits", "Single emits, 64 connections", "emits per second", {"emits": "emitsPerSecond"}),
    ("batches", "Deltas in batches of 1,000, 4 connections", "deltas per second", {"deltas": "batchedDeltasPerSecond"}),
    (
        "derive",
        "Deriving a balance",
        "milliseconds (median)",
        {"a month": "deriveMonthMs", "all months": "deriveAllMonthsMs", "since a recordId": "deriveSinceRecordMs"},
    ),
    (
        "checkpoint",
        "Locking a month, with the wait for the log; a lone delta until it is verified",
        "milliseconds (median)",
        {"locking": "checkpointMs", "verified": "verifiedMs"},
    ),
    ("disk", "On disk, with all indexes, less an empty record", "bytes per delta", {"bytes": "bytesPerDelta"}),
    ("memory", "Memory of the server's processes after these loads", "MB", {"memory": "serverMB"}),
)
SMALLEST = {"disk": 1_000}  # below, half-empty pages are most of it
HEAD = """\
# Benchmark

Made by `make bench-report` from [bench/figures.json](../bench/figures.json), which `make bench` writes; a test fails when the page is out of date.
What each line means and how it is measured: [bench/README.md](../bench/README.md). Take the ratios, not the absolute figures: machines differ, and
one machine differs from run to run.
"""


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    body = ["| " + " | ".join(row) + " |" for row in [head, ["---"] * len(head), *rows]]
    return "\n".join(body)


def told(rows: list[Json]) -> list[Json]:
    """The rows of the table: those of growth have plots."""
    return [row for row in rows if row["name"] != "growth" or row["figure"] == "failed"]


def against_bars(rows: list[Json]) -> str:
    """One line per measurement, one column per engine."""
    own = [row for row in told(rows) if row["engine"]]
    columns = [column for column in COLUMNS if any(row["engine"] == column for row in own)]
    lines_of: dict[str, dict[str, Json]] = {}
    for row in own:
        lines_of.setdefault(row["what"], {})[row["engine"]] = row
    body = [
        [what, next((row["bar"] for row in found.values() if row["bar"]), ""),
         *(cell(found[column]) if column in found else "" for column in columns), others(found.values())]
        for what, found in lines_of.items()
    ]  # fmt: skip
    return table(["what", "bar", *columns, "others used"], body) if body else ""


def of_no_engine(rows: list[Json]) -> str:
    body = [[row["what"], row["bar"], cell(row), others([row])] for row in told(rows) if not row["engine"]]
    return table(["what", "bar", "figure", "others used"], body) if body else ""


def cell(row: Json) -> str:
    return row["figure"] + (" (**missed**)" if row["met"] is False else "")


def others(rows: Iterable[Json]) -> str:
    """How much of the machine other processes used meanwhile."""
    return f"{max(row['disturbed'] for row in rows):.0%}"


def bars_met(rows: list[Json]) -> str:
    met = [row["met"] for row in rows if row["met"] is not None]
    disturbed = sum(row["disturbed"] > NOTICEABLE for row in rows)
    said = f"{sum(met)} of {len(met)} figures that have a bar meet it." if met else ""
    if disturbed:
        said += (
            f" Other processes used over {NOTICEABLE:.0%} of the machine during {disturbed} of the {len(rows)} measurements: "
            "those figures say little, and are to be taken again on an idle machine."
        )
    return said.strip()


def notes(rows: list[Json]) -> str:
    """How each figure came about."""
    return "\n".join(
        f"- {row['what']}{', ' if row['engine'] else ''}{row['engine']}: {note}"
        for row in told(rows)
        for note in row["notes"]
    )


def taken_on(document: Json) -> str:
    form = f"The {document['form']} form, {document['date']}, {document['minutes']:.0f} minutes."
    return form + "\n\n" + table(["machine", ""], [[name, str(value)] for name, value in document["machine"].items()])


def text(document: Json) -> str:
    """What a terminal is shown."""
    rows = document["rows"]
    parts = [
        taken_on(document),
        against_bars(rows),
        of_no_engine(rows),
        growth_tables(rows),
        notes(rows),
        bars_met(rows),
    ]
    return "\n\n".join(part for part in parts if part)


def growth_points(rows: list[Json], series: str) -> dict[str, list[Json]]:
    """By engine, small to large."""
    found: dict[str, list[Json]] = {}
    for row in rows:
        if row["name"] == "growth" and row["values"].get("series") == series:
            found.setdefault(row["engine"], []).append(row["values"] | {"others": row["disturbed"]})
    return found


def growth_lines(points: dict[str, list[Json]], fields: dict[str, str], smallest: int) -> list[Line]:
    """A line per field and engine."""
    found = []
    for index, (name, field) in enumerate(fields.items()):
        for engine, each in points.items():
            values = [(point["size"], point[field]) for point in each if field in point and point["size"] >= smallest]
            if values:
                label = f"{engine}, {name}" if len(fields) > 1 else engine
                dashed = engine != next(iter(points)) if len(fields) > 1 else False
                colour = index if len(fields) > 1 else list(points).index(engine)
                found.append(Line(label, colour, dashed, values))
    return found


def line_table(x_title: str, series: list[Line]) -> str:
    sizes = sorted({x for line in series for x, _ in line.points})
    body = [
        [line.name, *(number(dict(line.points)[x]) if x in dict(line.points) else "" for x in sizes)] for line in series
    ]
    return table([x_title, *map(number, sizes)], body)


def growth_tables(rows: list[Json]) -> str:
    parts = []
    for series, (_, x_title) in SERIES.items():
        points = growth_points(rows, series)
        for name, title, y_title, fields in GROWTH if points else ():
            parts.append(
                f"{title}, {y_title}\n\n" + line_table(x_title, growth_lines(points, fields, SMALLEST.get(name, 0)))
            )
    return "\n\n".join(parts)


def growth_section(rows: list[Json], images: dict[str, str]) -> list[str]:
    parts = []
    for series, (heading, x_title) in SERIES.items():
        points = growth_points(rows, series)
        if not points:
            continue
        share = max(point["others"] for each in points.values() for point in each)
        parts += [f"## {heading}", f"Others used up to {share:.0%} of the machine meanwhile."]
        for name, title, y_title, fields in GROWTH:
            drawn = growth_lines(points, fields, SMALLEST.get(name, 0))
            file = f"{series}-{name}.svg"
            images[file] = lines(title, x_title, y_title, drawn)
            parts += [f"![{title}, by {x_title}]({IMAGES}/{file})", f"{title}, {y_title}:", line_table(x_title, drawn)]
    return parts


def comparison(rows: list[Json], name: str, what: str) -> list[tuple[str, float, int]]:
    """PacSpace on each engine between the bare application and the bare engines."""
    own = [row for row in rows if row["what"].startswith(what) and "rate" in row["values"]]
    found = [
        ("bare ASGI application", row["values"]["rate"], 2)
        for row in rows
        if name == "emit" and row["what"].startswith("the bare ASGI")
    ]
    found += [
        (f"PacSpace, {row['engine']}", row["values"]["rate"], 0) for row in own if "bareEngine" not in row["values"]
    ]
    bare = [row for row in own if "bareEngine" in row["values"] and row["engine"] in COLUMNS[:2]]
    return found + [(f"bare {row['engine']}, same rows", row["values"]["bareEngine"], 1) for row in bare]


def comparison_section(rows: list[Json], images: dict[str, str]) -> list[str]:
    parts = []
    for name, what, file, title in (
        ("emit", "single emits", "emits.svg", "Single emits, 64 connections"),
        ("batch", "deltas in batches of 1,000", "batches.svg", "Deltas in batches of 1,000, 4 connections"),
    ):
        values = comparison(rows, name, what)
        if values:
            images[file] = bars(title, "per second", values)
            body = [[label, number(value)] for label, value, _ in values]
            parts += [f"![{title}]({IMAGES}/{file})", table([title.lower(), "per second"], body)]
    if not parts:
        return []
    says = "The bare engine inserts the same delta rows durably, in groups as large as the server's were: without HTTP, JSON, hashing, heads and log."
    return ["## What the product adds", says, *parts]


def page(document: Json) -> tuple[str, dict[str, str]]:
    """The page, and its images by file name."""
    rows: list[Json] = document["rows"]
    images: dict[str, str] = {}
    parts = [
        HEAD.rstrip(),
        taken_on(document),
        "## Against the bars",
        bars_met(rows),
        against_bars(rows),
        of_no_engine(rows),
        *comparison_section(rows, images),
        *growth_section(rows, images),
        "## How each figure came about",
        notes(rows),
    ]
    return "\n\n".join(part for part in parts if part) + "\n", images


def main() -> None:
    figures, folder = Path(sys.argv[1]), Path(sys.argv[2])
    made, images = page(json.loads(figures.read_text("utf-8")))
    at = folder / IMAGES
    at.mkdir(parents=True, exist_ok=True)
    (folder / "benchmark.md").write_text(made, "utf-8")
    for old in at.glob("*.svg"):
        old.unlink()
    for name, image in images.items():
        (at / name).write_text(image, "utf-8")


if __name__ == "__main__":
    main()
