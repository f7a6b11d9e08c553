"""What all `pacspace` commands share: --json, examples, negative amounts, exit status."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib import import_module
from typing import Any

import click

from .. import exit_status
from .output import WrongUse, fail

_NEGATIVE = re.compile(r"-\.?[0-9].*")
_SHIELD = "\0"  # can't be in an argument


def examples(*lines: str) -> str:
    """The examples at the end of a command's help."""
    return "\n".join(["\b", "Examples:", *(f"  {line}" for line in lines)])


class Command(click.Command):
    """A command that accepts --json after its name, and negative amounts without a `--` before them."""

    def __init__(self, *args: Any, **attributes: Any) -> None:
        super().__init__(*args, **attributes)
        self.params.append(
            click.Option(
                ["--json"],
                is_flag=True,
                expose_value=False,
                callback=_answer_in_json,
                help="Print one JSON document instead of text.",
            )
        )

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not any(isinstance(param.type, Amount) for param in self.params):
            return super().parse_args(ctx, args)
        # -42.5 looks like an option: a prefix hides it from the parser.
        rest = super().parse_args(ctx, [_SHIELD + arg if _NEGATIVE.fullmatch(arg) else arg for arg in args])
        ctx.params = {name: _unshielded(value) for name, value in ctx.params.items()}
        return rest


def _unshielded(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(_unshielded(item) for item in value)
    return value.removeprefix(_SHIELD) if type(value) is str else value


def _answer_in_json(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted:
        ctx.obj.as_json = True


class Group(click.Group):
    """A group of commands."""

    command_class = Command


class Amount(click.ParamType[str]):
    """The exact text of a JSON number, with the server's checks."""

    name = "amount"

    def __init__(self, is_delta: bool) -> None:
        self.is_delta = is_delta

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        from ..domain.amounts import AmountError, parse_balance, parse_delta
        from ..domain.exact_json import Number

        text = _unshielded(value)
        try:
            (parse_delta if self.is_delta else parse_balance)(text)
        except AmountError as error:
            self.fail(f"{error} (an amount is written like -42.5)", param, ctx)
        return Number(text)


class Main(Group):
    """Imports a command when it is called, and turns exceptions into a message and an exit status.

    `where` maps each command to its module below this package and its name there.
    """

    group_class = Group

    def __init__(self, *args: Any, where: Mapping[str, str], **attributes: Any) -> None:
        super().__init__(*args, **attributes)
        self.where = where

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(self.where)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.where:
            return None
        module, _, name = self.where[cmd_name].partition(":")
        found: click.Command = getattr(import_module(f".{module}", __package__), name)
        return found

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (click.exceptions.Exit, click.ClickException, click.Abort, BrokenPipeError):
            raise  # click's own way of ending
        except KeyboardInterrupt:
            fail("stopped", exit_status.NOT_DONE)
        except Exception as error:
            _end(error)
            raise


def _end(error: Exception) -> None:
    """Ends the command with a message if the error is an expected one."""
    import apsw

    from pacspace_proofs import command as verify_command

    from .. import config as settings
    from ..domain.instants import InstantError
    from ..process.engines import AlreadyServed
    from ..service.base.errors import ServiceError
    from ..storage.model.backups import UnusableBackup
    from ..storage.model.protocols import Damaged, InDoubt, Unavailable, UnusableDatabase
    from .client import CallFailed

    if isinstance(error, settings.ConfigError | InstantError | WrongUse | verify_command.WrongUse):
        fail(str(error), exit_status.WRONG_USE)
    if isinstance(error, ServiceError | CallFailed):
        details = [f"{d['field']}: {d['problem']}" for d in error.extra.get("details", ())]
        message = "the server rejects this:" if details else error.message
        is_wrong = error.status == 400 if isinstance(error, CallFailed) else error.code is None
        fail(message, exit_status.WRONG_USE if is_wrong else exit_status.NOT_DONE, details)
    if isinstance(error, Unavailable):
        fail(f"the database: {error}{f': {error.reason}' if error.reason else ''}", exit_status.NOT_DONE)
    if isinstance(error, apsw.Error):
        fail(f"the database file: {error}; if it is damaged, restore a backup", exit_status.NOT_DONE)
    if isinstance(error, Damaged):
        fail(f"{error} ({error.where})", exit_status.NOT_DONE)
    if isinstance(error, InDoubt):
        fail(f"{error}: check whether this was done before you run it again", exit_status.NOT_DONE)
    if isinstance(error, UnusableDatabase | UnusableBackup | AlreadyServed | OSError | verify_command.NotDone):
        fail(str(error), exit_status.NOT_DONE)
