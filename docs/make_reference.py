"""Writes docs/reference.md from the server's own tables, so that it can't say anything else than the code does."""

from __future__ import annotations

import inspect
from pathlib import Path

import click

from pacspace_server import config
from pacspace_server.api.routes import BEARER, KEY, NONE, ROUTES
from pacspace_server.cli.main import main as command
from pacspace_server.service.errors import CODES
from pacspace_server.service.limits import limits
from pacspace_server.web.pages import ROUTES as PAGES

PAGE = Path(__file__).with_name("reference.md")
SECTIONS = {
    "Routes with an API key (`X-Api-Key`)": KEY,
    "Dashboard routes (`Authorization: Bearer` and a key that has the `admin` scope)": BEARER,
    "Public routes": NONE,
}
HEAD = """\
# Reference

Made by `make docs` from the server's own tables; a test fails when it is out of date.

Replies are `{"success": true, "data": ...}`; errors `{"success": false, "statusCode": n, "error": {...}, "message": ...}`.
On a plain 400 `error.type` is `VALIDATION_ERROR`, `error.code` is absent, and `error.details[]` names every field and its
problem. Amounts are exact JSON numbers. `X-Request-Id` is on every reply and in the log.
"""


def first_line(text: str | None) -> str:
    return (inspect.cleandoc(text or "").splitlines() or [""])[0].removesuffix(".")


def routes() -> list[str]:
    lines = []
    for title, auth in SECTIONS.items():
        lines += [f"## {title}", "", "| route | does |", "|---|---|"]
        lines += [f"| `{route.method} {route.path}` | {route.says} |" for route in ROUTES if route.auth == auth]
        lines.append("")
    return [*lines, "Pages for people: " + ", ".join(f"`{path}`" for path, _ in PAGES) + "."]


def errors() -> list[str]:
    return [
        "## Error codes",
        "",
        "| code | meaning |",
        "|---|---|",
        *(f"| `{c}` | {text} |" for c, text in CODES.items()),
    ]


def settings() -> list[str]:
    lines = ["## Settings", "", "Flags, then environment variables, then `pacspace.toml`, then defaults.", ""]
    lines += ["| setting | environment | default | meaning |", "|---|---|---|---|"]
    return lines + [
        f"| `{s.name}` | `{s.variable}` | {f'`{s.default}`' if s.default else ''} | {s.help} |" for s in config.SETTINGS
    ]


def commands() -> list[str]:
    lines = ["## Command", ""]

    def describe(found: click.Command, name: str) -> None:
        context = click.Context(found, info_name=name, max_content_width=100, terminal_width=100)
        lines.extend(["```", *found.get_help(context).splitlines(), "```", ""])
        for child in found.commands.values() if isinstance(found, click.Group) else ():
            describe(child, f"{name} {child.name}")

    describe(command, "pacspace")
    return lines


def limit_table() -> list[str]:
    return ["## Limits", "", "| limit | value |", "|---|---|", *(f"| `{k}` | {v:,} |" for k, v in limits().items())]


def reference() -> str:
    parts = [routes(), errors(), limit_table(), settings(), commands()]
    return HEAD + "\n" + "\n\n".join("\n".join(part).rstrip() for part in parts) + "\n"


if __name__ == "__main__":
    PAGE.write_text(reference(), encoding="utf-8")
