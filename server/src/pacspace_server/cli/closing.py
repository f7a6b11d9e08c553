"""`pacspace checkpoint` and `pacspace close-month`: locks can't be undone, so people are asked first."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

import click

from .command import Command, examples
from .options import short_instant, with_client, with_scope
from .output import EXIT_NO, EXIT_NOT_DONE, Output, amount, fields, table

if TYPE_CHECKING:
    from .client import Client

POLL_S = 0.2
SHOWN = 100


def _ask(out: Output, question: str) -> None:
    """On a terminal, a lock needs a yes."""
    if sys.stdin.isatty() and not click.confirm(question, err=True):
        out.fail("nothing was locked", EXIT_NO)


YES = click.option("--yes", is_flag=True, help="Don't ask before locking.")


@click.command(
    cls=Command,
    epilog=examples(
        "pacspace checkpoint cust_acme --period 2026-02 --invoice inv-2026-02",
        "pacspace checkpoint cust_acme",
        "pacspace checkpoint cust_acme --from 2026-02-01 --to 2026-02-15",
    ),
)
@click.argument("customer")
@with_scope
@click.option("--invoice", metavar="REF", help="The invoice that the proof root goes on.")
@YES
@with_client
@click.pass_obj
def checkpoint(
    out: Output, /, client: Client, customer: str, scope: dict[str, str], invoice: str | None, yes: bool
) -> None:
    """Lock a month of CUSTOMER under one proof root.

    Without --period: an interim root, which locks nothing.
    A locked month never changes again: what comes late is posted to the next open month.
    """
    from .client import BALANCE, in_path

    if "period" in scope and not yes and sys.stdin.isatty():
        balance = client.get(f"{BALANCE}/derive/{in_path(customer)}", **scope)
        held = f"{balance['deltaCount']} deltas, {amount(balance['netChange'])}"
        _ask(out, f"Lock {scope['period']} of {customer} ({held})? It can't be undone.")
    body = {"customerId": customer, **scope} | ({"invoiceReference": invoice} if invoice else {})
    told = client.post_once(f"{BALANCE}/checkpoint", body)
    out.show(told, _locked(told))


def _locked(told: Any) -> str:
    if told["locked"]:
        head = f"{told['customerId']}, {told['period']} is locked{' (it was before)' if told['idempotent'] else ''}"
    else:
        span = f"{short_instant(told['startDate'])} to {short_instant(told['endDate'])}"
        head = f"{told['customerId']}, {told['period'] or span}: an interim root, nothing is locked"
    lines = [
        ("proof root", told["proofRoot"]),
        ("checkpoint", told["checkpointId"]),
        ("total", f"{amount(told['netChange'])} in {told['deltaCount']} deltas"),
        ("brought forward", amount(told["broughtForward"])),
        ("carried forward", amount(told["carriedForward"])),
        ("status", told["status"]),
        ("invoice", told["invoiceReference"]),
        *(("also locked", f"{earlier['period']}  {earlier['proofRoot']}") for earlier in told["alsoLocked"]),
        *(("warning", warning) for warning in told["warnings"]),
    ]
    return f"{head}\n{fields(lines)}"


@click.command(
    "close-month",
    cls=Command,
    epilog=examples("pacspace close-month 2026-02 --preview", "pacspace close-month 2026-02 --yes"),
)
@click.argument("period", metavar="PERIOD")
@click.option("--preview", is_flag=True, help="Show what would be locked, lock nothing.")
@YES
@with_client
@click.pass_obj
def close_month(out: Output, /, client: Client, period: str, preview: bool, yes: bool) -> None:
    """Lock a month for every customer.

    PERIOD is YYYY-MM; every customer with activity in it is locked.
    The server does it as a job: after Ctrl-C it goes on, and the same command shows it on. Customers that are locked
    already stay as they are. Exit status: 0 all locked, 1 some failed.
    """
    from .client import BALANCE

    if preview or (not yes and sys.stdin.isatty()):
        told = client.post_once(f"{BALANCE}/checkpoint", {"period": period, "preview": True})
        if preview:
            return out.show(told, _previewed(period, told))
        _ask(out, f"{_totals(told['totals'])}. Lock {period} for all of them? It can't be undone.")
    begun = client.post_once(f"{BALANCE}/checkpoint", {"period": period})
    try:
        job = _follow(out, client, begun["jobId"])
    except KeyboardInterrupt:
        again = f"pacspace close-month {period}"
        out.fail(f"the server goes on locking {period}; `{again}` shows it on", EXIT_NOT_DONE)
    out.show(job, _closed(period, job))
    if job["failedCount"]:
        raise SystemExit(EXIT_NO)


def _totals(totals: Any) -> str:
    return (
        f"{totals['customers']:,} customers, {totals['deltaCount']:,} deltas, net change {amount(totals['netChange'])}"
    )


def _previewed(period: str, told: Any) -> str:
    shown = told["checkpoints"][:SHOWN]
    rows = [[c["customerId"], c["netChange"], c["deltaCount"], ", ".join(c["alsoLocks"])] for c in shown]
    text = table(["customer", "total", "deltas", "also locks"], rows, numbers=("total", "deltas")) if rows else ""
    if told["totals"]["customers"] > len(shown):
        text += f"\n... and {told['totals']['customers'] - len(shown):,} more"
    return f"{text}\n{period}: {_totals(told['totals'])}. Nothing was locked.".lstrip()


def _follow(out: Output, client: Client, job_id: str) -> Any:
    """The finished job; its progress is shown on a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from .client import BALANCE, in_path

    columns = (TextColumn("locking"), BarColumn(), MofNCompleteColumn(), TextColumn("customers"), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty(), transient=True) as progress:
        task = progress.add_task("close", total=None)
        while True:
            job = client.get(f"{BALANCE}/jobs/{in_path(job_id)}")
            progress.update(task, completed=job["done"], total=job["total"])
            if job["status"] == "DONE":
                return job
            time.sleep(POLL_S)


def _closed(period: str, job: Any) -> str:
    if not job["failedCount"]:
        return f"{period} is locked: {_totals(job['totals'])}"
    rows = [[failed["customerId"], failed["code"], failed["message"]] for failed in job["failed"][:SHOWN]]
    more = f"\n... and {job['failedCount'] - len(rows)} more" if job["failedCount"] > len(rows) else ""
    text = table(["not locked", "code", "why"], rows)
    done = f"{period} is locked for the others: {_totals(job['totals'])}"
    return f"{text}{more}\n{done}\nrun the command again to try those that failed"
