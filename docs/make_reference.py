"""Writes docs/reference.md from the server's own tables, so that it can't say anything else than the code does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from pacspace_server import config
from pacspace_server.api.metrics import METRICS, PROCESS_METRICS
from pacspace_server.api.openapi import document
from pacspace_server.cli.command import Main
from pacspace_server.cli.main import main as command
from pacspace_server.http.refusals import CODES
from pacspace_server.service.base.limits import limits
from pacspace_server.web.manual import Entry, Manual, Row, Shape, read_manual
from pacspace_server.web.pages import ROUTES as PAGES
from pacspace_server.web.portal import ROUTES as SHARED_PAGES

PAGE = Path(__file__).with_name("reference.md")
SHARED_PATHS = list(dict.fromkeys(path for _, path, _ in SHARED_PAGES))
HEAD = """\
# Reference

Made by `make docs` from the server's own tables; a test fails when it is out of date.

Replies are `{"success": true, "data": ...}`; errors `{"success": false, "statusCode": n, "error": {...}, "message": ...}`.
On a plain 400 `error.type` is `VALIDATION_ERROR`, `error.code` is absent, and `error.details[]` names every field and its
problem. Amounts are exact JSON numbers. `X-Request-Id` is on every reply and in the log.
"""


def routes(manual: Manual) -> list[str]:
    lines = ["## Routes", "", "A running server shows the same at `/docs`, and as OpenAPI 3.1 at `/openapi.json`.", ""]
    for group in manual.groups:
        lines += [f"### {group.name}", "", group.says, ""]
        for entry in group.entries:
            lines += [*route(entry), ""]
    return [
        *lines,
        "Pages for people: " + ", ".join(f"`{path}`" for path in [*(path for path, _ in PAGES), *SHARED_PATHS]) + ".",
    ]


def route(entry: Entry) -> list[str]:
    """One route: what it does, takes, answers and refuses."""
    lines = [f"#### `{entry.method} {entry.path}`", "", f"{entry.says}."]
    if entry.needs:
        scheme, _, scope = entry.needs.partition(", scope ")
        lines += ["", f"Needs `{scheme}` with the scope `{scope}`."]
    for where, rows in [*entry.parameters, ("body", entry.body)]:
        if rows:
            lines += [
                "",
                f"| in the {where} | | |",
                "|---|---|---|",
                *(row(field, field.needed and "needed") for field in rows),
            ]
    statuses = " or ".join(entry.statuses)
    for shape in entry.reply:
        lines += ["", f"Replies {statuses} with {shape.name}: {lower(shape.says)}", "", *fields(shape)]
    if not entry.reply:
        lines += ["", f"Replies {statuses} with `{entry.media_type}`."]
    refusals = ", ".join(f"{r.status} `{r.code}`" if r.code else f"{r.status} (fields)" for r in entry.refusals)
    return [*lines, "", f"Refuses with {refusals}."]


def shapes(manual: Manual) -> list[str]:
    lines = ["## Shapes", "", "What the fields of replies are made of."]
    for shape in manual.shapes:
        lines += ["", f"### {shape.name}", "", *([shape.says, ""] if shape.says else []), *fields(shape)]
    return lines


def fields(shape: Shape) -> list[str]:
    return ["| field | | |", "|---|---|---|", *(row(field, not field.needed and "not always") for field in shape.rows)]


def row(field: Row, mark: str | bool) -> str:
    named = " or ".join(f"[{name}](#{name.lower()})" for name in field.shapes)
    kind = field.kind if not named else f"{field.kind} of {named}" if field.kind != "object" else named
    note = f"{mark}. " if mark else ""
    return f"| `{field.name}` | {kind} | {(note + field.says).strip()} |"


def lower(text: str) -> str:
    return text[:1].lower() + text[1:]


def errors() -> list[str]:
    return [
        "## Error codes",
        "",
        "| code | meaning |",
        "|---|---|",
        *(f"| `{code}` | {status}: {meaning} |" for code, (status, meaning) in CODES.items()),
    ]


def settings() -> list[str]:
    lines = ["## Settings", "", "Flags, then environment variables, then `pacspace.toml`, then defaults.", ""]
    lines += ["| setting | environment | default | meaning |", "|---|---|---|---|"]
    return lines + [
        f"| `{s.name}` | `{s.variable}` | {f'`{s.default}`' if s.default else ''} | {s.help} |" for s in config.SETTINGS
    ]


def children(found: click.Command, context: click.Context) -> Iterator[click.Command]:
    """The commands of a group, in the order in which they are written down."""
    if isinstance(found, click.Group):
        for name in found.where if isinstance(found, Main) else found.commands:
            child = found.get_command(context, name)
            assert child is not None
            yield child


def commands() -> list[str]:
    lines = ["## Command", ""]

    def describe(found: click.Command, name: str) -> None:
        context = click.Context(found, info_name=name, max_content_width=100, terminal_width=100)
        lines.extend(["```", *found.get_help(context).splitlines(), "```", ""])
        for child in children(found, context):
            describe(child, f"{name} {child.name}")

    describe(command, "pacspace")
    return lines


def metrics() -> list[str]:
    lines = [
        "## Metrics",
        "",
        "Of `GET /metrics`. Each has the label `process`, the number of a server process, from 1.",
        "",
    ]
    lines += ["| metric | kind | labels | meaning |", "|---|---|---|---|"]
    own = [(m.name, m.kind, ", ".join(f"`{label}`" for label in m.labels), m.says) for m in METRICS]
    process = [(name, kind, "", says) for name, (kind, says) in PROCESS_METRICS.items()]
    return lines + [f"| `{name}` | {kind} | {labels} | {says} |" for name, kind, labels, says in [*own, *process]]


def limit_table() -> list[str]:
    return ["## Limits", "", "| limit | value |", "|---|---|", *(f"| `{k}` | {v:,} |" for k, v in limits().items())]


def reference() -> str:
    manual = read_manual(document("http://127.0.0.1:8787"))
    parts = [routes(manual), shapes(manual), errors(), metrics(), limit_table(), settings(), commands()]
    return HEAD + "\n" + "\n\n".join("\n".join(part).rstrip() for part in parts) + "\n"


if __name__ == "__main__":
    PAGE.write_text(reference(), encoding="utf-8")
