"""Writes docs/reference/ from the server's own tables, one page per group, so that the pages and the code agree."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import click

from pacspace_server import config
from pacspace_server.api.metrics import METRICS, PROCESS_METRICS
from pacspace_server.api.openapi import document
from pacspace_server.cli.command import Main
from pacspace_server.cli.main import main as command
from pacspace_server.domain.events import EVENTS
from pacspace_server.http.refusals import CODES
from pacspace_server.service.base.limits import limits
from pacspace_server.web.dashboard.webhooks import SAYS
from pacspace_server.web.manual import Entry, Group, Manual, Row, Shape, read_manual
from pacspace_server.web.pages import ROUTES as PAGES
from pacspace_server.web.portal import ROUTES as SHARED_PAGES

FOLDER = Path(__file__).with_name("reference")
SHARED_PATHS = list(dict.fromkeys(path for _, path, _ in SHARED_PAGES))
INDEX = """\
# Reference

`make docs` makes these pages from the server's own tables; a test fails when they are out of date.
A running server shows the routes at `/docs`, and as OpenAPI 3.1 at `/openapi.json`.

Replies are `{"success": true, "data": ...}`; errors `{"success": false, "statusCode": n, "error": {...}, "message": ...}`.
On a plain 400 `error.type` is `VALIDATION_ERROR`, `error.code` is absent, and `error.details[]` names every field and its
problem. Amounts are exact JSON numbers. `X-Request-Id` is on every reply and in the log.
"""


def index(manual: Manual) -> list[str]:
    lines = [*INDEX.splitlines(), "", "## Routes", "", "| group | |", "|---|---|"]
    lines += [f"| [{group.name}]({page_of(group)}) | {group.says} |" for group in manual.groups]
    lines += ["| [Shapes](shapes.md) | The named objects that replies are made of. |", "", "## Everything else", ""]
    lines += [
        "| page | |",
        "|---|---|",
        *(f"| [{title}]({name}) | {says} |" for name, (title, says, _) in TABLES.items()),
    ]
    pages = [*(path for path, _ in PAGES), *SHARED_PATHS]
    return [*lines, "", "Pages for people: " + ", ".join(f"`{path}`" for path in pages) + "."]


def page_of(group: Group) -> str:
    return f"{group.name.lower().replace(' ', '-')}.md"


def routes(group: Group) -> list[str]:
    lines = [f"# {group.name}", "", group.says]
    for entry in group.entries:
        lines += ["", *route(entry)]
    return lines


def route(entry: Entry) -> list[str]:
    """One route: what it does, takes, answers and refuses."""
    lines = [f"## `{entry.method} {entry.path}`", "", f"{entry.says}."]
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
    lines = ["# Shapes", "", "The named objects that replies are made of."]
    for shape in manual.shapes:
        lines += ["", f"## {shape.name}", "", *([shape.says, ""] if shape.says else []), *fields(shape)]
    return lines


def fields(shape: Shape) -> list[str]:
    return ["| field | | |", "|---|---|---|", *(row(field, not field.needed and "not always") for field in shape.rows)]


def row(field: Row, mark: str | bool) -> str:
    named = " or ".join(f"[{name}](shapes.md#{name.lower()})" for name in field.shapes)
    kind = field.kind if not named else f"{field.kind} of {named}" if field.kind != "object" else named
    note = f"{mark}. " if mark else ""
    return f"| `{field.name}` | {kind} | {(note + field.says).strip()} |"


def lower(text: str) -> str:
    return text[:1].lower() + text[1:]


def errors() -> list[str]:
    return [
        "| code | meaning |",
        "|---|---|",
        *(f"| `{code}` | {status}: {meaning} |" for code, (status, meaning) in CODES.items()),
    ]


def events() -> list[str]:
    return ["| event | what it says |", "|---|---|", *(f"| `{event}` | {SAYS[event]} |" for event in EVENTS)]


def settings() -> list[str]:
    return [
        "| setting | environment | default | meaning |",
        "|---|---|---|---|",
        *(
            f"| `{s.name}` | `{s.variable}` | {f'`{s.default}`' if s.default else ''} | {s.help} |"
            for s in config.SETTINGS
        ),
    ]


def children(found: click.Command, context: click.Context) -> Iterator[click.Command]:
    """The commands of a group, in the order in which they are written down."""
    if isinstance(found, click.Group):
        for name in found.where if isinstance(found, Main) else found.commands:
            child = found.get_command(context, name)
            assert child is not None
            yield child


def commands() -> list[str]:
    lines: list[str] = []

    def describe(found: click.Command, name: str) -> None:
        context = click.Context(found, info_name=name, max_content_width=100, terminal_width=100)
        lines.extend(["```", *found.get_help(context).splitlines(), "```", ""])
        for child in children(found, context):
            describe(child, f"{name} {child.name}")

    describe(command, "pacspace")
    return lines


def metrics() -> list[str]:
    own = [(m.name, m.kind, ", ".join(f"`{label}`" for label in m.labels), m.says) for m in METRICS]
    process = [(name, kind, "", says) for name, (kind, says) in PROCESS_METRICS.items()]
    return [
        "| metric | kind | labels | meaning |",
        "|---|---|---|---|",
        *(f"| `{name}` | {kind} | {labels} | {says} |" for name, kind, labels, says in [*own, *process]),
    ]


def limit_table() -> list[str]:
    return ["| limit | value |", "|---|---|", *(f"| `{k}` | {v:,} |" for k, v in limits().items())]


# Title, introduction and body of each page that is no group of routes.
TABLES: dict[str, tuple[str, str, Callable[[], list[str]]]] = {
    "command.md": ("Command", "The help of `pacspace` and each of its commands.", commands),
    "settings.md": (
        "Settings",
        "A flag overrides an environment variable, which overrides `pacspace.toml`, which overrides the default.",
        settings,
    ),
    "errors.md": ("Error codes", "The values of `error.code`.", errors),
    "events.md": (
        "Events",
        "What webhook endpoints receive. [Receive webhooks](../how-to/receive-webhooks.md) lists the data of each.",
        events,
    ),
    "metrics.md": (
        "Metrics",
        "The output of `GET /metrics`. The label `process` on each is the number of a server process, from 1.",
        metrics,
    ),
    "limits.md": ("Limits", "The bounds of requests and replies.", limit_table),
}


def reference() -> dict[str, str]:
    """Every page of the reference, by the name of its file."""
    manual = read_manual(document("http://127.0.0.1:8787"))
    pages = {"README.md": index(manual), "shapes.md": shapes(manual)}
    pages |= {page_of(group): routes(group) for group in manual.groups}
    pages |= {name: [f"# {title}", "", says, "", *body()] for name, (title, says, body) in TABLES.items()}
    return {name: "\n".join(lines).rstrip() + "\n" for name, lines in pages.items()}


if __name__ == "__main__":
    pages = reference()
    FOLDER.mkdir(exist_ok=True)
    for old in FOLDER.iterdir():
        if old.name not in pages:
            old.unlink()
    for name, text in pages.items():
        (FOLDER / name).write_text(text, encoding="utf-8")
