"""Options that several commands share."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from .. import config as settings
from .. import exit_status
from ..domain.enumerations import Environment as EnvironmentName
from ..domain.enumerations import KeyEnvironment

if TYPE_CHECKING:
    from ..storage.model.people import Workspace
    from ..storage.model.protocols import Snapshot
    from ..storage.model.records import Environment
    from .client import Client
    from .output import Output

Function = Callable[..., Any]

ENVIRONMENTS: dict[KeyEnvironment, EnvironmentName] = {"test": "sandbox", "live": "production"}
DATABASE = click.option("--database", help="Where the record is.  [default: sqlite:///./pacspace.db]")
SIGNER = click.option("--signer-dir", help="Folder of signing keys.  [default: beside the database]")
WORKSPACE = click.option("--workspace", metavar="ID", help="Which workspace, if there are several.")
URL = click.option("--url", help="The server.  [default: PACSPACE_BASE_URL or http://127.0.0.1:8787]")
KEY = click.option("--key", help="The API key.  [default: PACSPACE_API_KEY]")


def pick_workspace(out: Output, snapshot: Snapshot, named: str | None) -> Workspace:
    """The named workspace, or the only one."""
    there = snapshot.workspaces()
    if named is None and len(there) > 1:
        listed = ", ".join(f"{workspace.id} ({workspace.name})" for workspace in there)
        out.fail(f"--workspace: there are several; name one of {listed}", exit_status.WRONG_USE)
    found = next((workspace for workspace in there if named in (None, workspace.id)), None)
    if found is None:
        out.fail(f"--workspace: there is no workspace {named}; see pacspace workspace list", exit_status.NO)
    return found


def pick_environment(out: Output, snapshot: Snapshot, named: str | None, side: str) -> Environment:
    """The workspace's sandbox or production."""
    picked = pick_workspace(out, snapshot, named).id
    return next(each for each in snapshot.environments() if (each.workspace_id, each.name) == (picked, side))


def with_client(function: Function) -> Function:
    """Adds --url and --key, and passes the function a `client`."""

    @functools.wraps(function)
    def connected(*args: Any, url: str | None, key: str | None, **rest: Any) -> Any:
        return function(*args, client=open_client(url, key), **rest)

    return URL(KEY(connected))


def open_client(url: str | None, key: str | None) -> Client:
    """A client from flags and settings. Raises ConfigError."""
    from .client import Client

    def notice(message: str) -> None:
        click.echo(f"pacspace: {message}", err=True)

    client = Client.from_settings(settings.load({"base_url": url, "api_key": key}), notice)
    click.get_current_context().call_on_close(client.close)
    return client


_SCOPE = [
    click.option("--period", metavar="YYYY-MM", help="A UTC month.  [default: the current one]"),
    click.option("--from", "start", metavar="T", help="Instead of a month: from this date or instant (UTC) ..."),
    click.option("--to", "end", metavar="T", help="... up to, but not including, this one."),
]
_SINCE = click.option(
    "--since", metavar="CHECKPOINT", help="After a locked month (proof root or chk_...) or a delta (rec_...)."
)


def with_scope(function: Function) -> Function:
    """Adds --period, --from and --to, and passes them to the function as `scope`, with the API's names."""
    return _scoped(function)


def with_scope_or_start(function: Function) -> Function:
    """The same with --since."""
    return _SINCE(_scoped(function))


def _scoped(function: Function) -> Function:
    @functools.wraps(function)
    def scoped(
        *args: Any, period: str | None, start: str | None, end: str | None, since: str | None = None, **rest: Any
    ) -> Any:
        named = {"period": period, "startDate": start, "endDate": end, "startingCheckpoint": since}
        return function(*args, scope={name: value for name, value in named.items() if value is not None}, **rest)

    for option in reversed(_SCOPE):
        scoped = option(scoped)
    return scoped


def scope_words(scope: dict[str, Any]) -> str:
    """A reply's scope, in words."""
    if not scope.get("startDate"):
        return f"after the checkpoint ({', '.join(scope['periods']) or 'nothing yet'})"
    if scope["mode"] == "custom":
        return f"{short_instant(scope['startDate'])} to {short_instant(scope['endDate'])} (exclusive)"
    return " and ".join(scope["periods"])


def short_instant(text: str | None) -> str | None:
    """An instant without a fraction of zero."""
    return None if text is None else text.replace(".000000Z", "Z")
