"""What can't be undone is asked for: on a terminal with a question, elsewhere only --yes will do."""

from __future__ import annotations

import sys

import click

from .. import exit_status
from .output import Output


def need_terminal(out: Output, act: str) -> None:
    """Ends the command where nobody can answer a question; `act` is what can't be undone."""
    if not sys.stdin.isatty():
        out.fail(f"{act} can't be undone: confirm with --yes", exit_status.WRONG_USE)


def ask(out: Output, question: str, otherwise: str) -> None:
    """Needs a yes; else the command ends and says `otherwise`."""
    if not click.confirm(question, err=True):
        out.fail(otherwise, exit_status.NO)
