"""Confirms what can't be undone: with a question on a terminal, elsewhere only with --yes."""

from __future__ import annotations

import sys

import click

from .. import exit_status
from .output import Output


def need_terminal(out: Output, act: str) -> None:
    """Ends the command if there is no terminal to ask on; `act` is what can't be undone."""
    if not sys.stdin.isatty():
        out.fail(f"{act} can't be undone: confirm with --yes", exit_status.WRONG_USE)


def ask(out: Output, question: str, otherwise: str) -> None:
    """Ends the command with the message `otherwise` unless the answer is yes."""
    if not click.confirm(question, err=True):
        out.fail(otherwise, exit_status.NO)
