"""`pacspace clock`: the sandbox's clock, and starting over."""

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


@click.group(cls=Group)
def clock() -> None:
    """Hold and move the sandbox's clock, or start it over."""


@clock.command("show", epilog=examples("pacspace clock show"))
@with_client
@click.pass_obj
def show(out: Output, /, client: Client) -> None:
    """Show where the clock stands."""
    _tell(out, client.get(CLOCK))


@clock.command("set", epilog=examples("pacspace clock set 2026-02-01T00:00:00Z", "pacspace clock set real"))
@click.argument("instant")
@with_client
@click.pass_obj
def set_to(out: Output, /, client: Client, instant: str) -> None:
    """Hold the sandbox's clock at INSTANT (such as 2026-02-01T00:00:00Z), or `real` for real time again."""
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
    """Empty the sandbox: every customer, delta, lock and receipt in it goes.

    Then its clock can be set to any instant. API keys stay; the log is a new one, with a new key. Production is not touched.
    """
    if not yes:
        need_terminal(out, "a reset")
        question = f"Everything in the sandbox of {client.base_url} goes: customers, deltas, locks, receipts. Reset it?"
        ask(out, question, "nothing was reset")
    told = client.post(RESET, {})
    line = f"the sandbox is empty, under a new log whose key has the fingerprint {told['keyFingerprint']}"
    out.show(told, f"{line}\n{_standing(told)}")


def _tell(out: Output, told: Any) -> None:
    out.show(told, _standing(told))


def _standing(told: Any) -> str:
    return f"the {told['environment']} clock {'is held at' if told['held'] else 'shows real time:'} {short_instant(told['now'])}"
