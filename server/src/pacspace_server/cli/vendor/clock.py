"""`pacspace clock`: the sandbox's clock, and resetting the sandbox."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from ..asking import ask, need_terminal
from ..command import Group, examples
from ..options import short_instant, with_client
from ..output import Output

if TYPE_CHECKING:
    from ..client import Client

CLOCK, RESET = "/api/v1/sandbox/clock", "/api/v1/sandbox/reset"
UNCHANGED = "nothing was reset"


@click.group(cls=Group)
def clock() -> None:
    """Hold and move the sandbox's clock, or reset the sandbox."""


@clock.command("show", epilog=examples("pacspace clock show"))
@with_client
@click.pass_obj
def show(out: Output, /, client: Client) -> None:
    """Show the time of the clock."""
    _tell(out, client.get(CLOCK))


@clock.command("set", epilog=examples("pacspace clock set 2026-02-01T00:00:00Z", "pacspace clock set real"))
@click.argument("instant")
@with_client
@click.pass_obj
def set_to(out: Output, /, client: Client, instant: str) -> None:
    """Hold the sandbox's clock at INSTANT, such as 2026-02-01T00:00:00Z; `real` returns to real time."""
    _tell(out, client.post(CLOCK, {"now": None if instant == "real" else instant}))


@clock.command("advance", epilog=examples("pacspace clock advance 86400"))
@click.argument("seconds", type=click.IntRange(0))
@with_client
@click.pass_obj
def advance(out: Output, /, client: Client, seconds: int) -> None:
    """Advance the sandbox's clock by SECONDS."""
    _tell(out, client.post(CLOCK, {"advanceSeconds": seconds}))


@clock.command("reset", epilog=examples("pacspace clock reset", "pacspace clock reset --yes"))
@click.option("--yes", is_flag=True, help="Don't ask.")
@with_client
@click.pass_obj
def reset(out: Output, /, client: Client, yes: bool) -> None:
    """Delete every customer, delta, lock and receipt of the sandbox.

    Then you can set its clock to any instant. API keys stay; the log and its key are new. Production stays unchanged.
    """
    if not yes:
        need_terminal(out, "a reset")
        ask(out, f"Delete all customers, deltas, locks and receipts of the sandbox at {client.base_url}?", UNCHANGED)
    reply = client.post(RESET, {})
    line = f"the sandbox is empty; its new log has the key fingerprint {reply['keyFingerprint']}"
    out.show(reply, f"{line}\n{_time(reply)}")


def _tell(out: Output, reply: Any) -> None:
    out.show(reply, _time(reply))


def _time(reply: Any) -> str:
    state = "is held at" if reply["held"] else "shows real time:"
    return f"the {reply['environment']} clock {state} {short_instant(reply['now'])}"
