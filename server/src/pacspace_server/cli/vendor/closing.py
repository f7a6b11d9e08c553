"""`pacspace checkpoint` and `pacspace close-month`. A lock can't be undone, so both ask first."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

import click

from ... import exit_status
from ..asking import ask, need_terminal
from ..command import Command, examples
from ..options import short_instant, with_client, with_scope
from ..output import Output, amount, counted, fields, table

if TYPE_CHECKING:
    from ..client import Client

POLL_S = 0.2
MONTHS = 1_000  # in one page of a timeline
SHOWN = 100
LOCK, UNLOCKED = "a lock", "nothing was locked"

YES = click.option("--yes", is_flag=True, help="Don't ask before locking. Required without a terminal.")


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
@click.option("--invoice", metavar="REF", help="The invoice that will carry the proof root.")
@YES
@with_client
@click.pass_obj
def checkpoint(
    out: Output, /, client: Client, customer: str, scope: dict[str, str], invoice: str | None, yes: bool
) -> None:
    """Lock a month of CUSTOMER under one proof root.

    Without --period: an interim root, which locks nothing.
    A locked month never changes: late deltas are posted to the next open month.
    """
    from ..client import BALANCE, in_path

    if "period" in scope and not yes:
        need_terminal(out, LOCK)
        balance = client.get(f"{BALANCE}/derive/{in_path(customer)}", **scope)
        held = f"{counted(balance['deltaCount'], 'delta')}, {amount(balance['netChange'])}"
        ask(out, f"Lock {scope['period']} of {customer} ({held})? It can't be undone.", UNLOCKED)
    body = {"customerId": customer, **scope} | ({"invoiceReference": invoice} if invoice else {})
    reply = client.post_once(f"{BALANCE}/checkpoint", body)
    prover = _prover(client, reply)
    out.show(reply, _gap(reply, prover) if prover else _locked(reply))


def _prover(client: Client, reply: Any) -> str | None:
    """The month whose root the reply has, if the requested month is empty and has no root."""
    from ..client import BALANCE, in_path

    if not reply["locked"] or reply["deltaCount"]:
        return None
    months = client.get(f"{BALANCE}/customers/{in_path(reply['customerId'])}/timeline", limit=MONTHS)["periods"]
    own = next((month["period"] for month in months if month["checkpointId"] == reply["checkpointId"]), None)
    return own if own != reply["period"] else None


def _gap(reply: Any, prover: str) -> str:
    head = f"{reply['period']} is empty and has no root; the root of {prover} proves that it is empty"
    others = [warning for warning in reply["warnings"] if not warning.startswith(f"{reply['period']} had no deltas")]
    lines = [(f"root of {prover}", reply["proofRoot"]), (f"checkpoint of {prover}", reply["checkpointId"])]
    lines += [("warning", warning) for warning in others]
    return f"{reply['customerId']}, {head}\n{fields(lines)}"


def _locked(reply: Any) -> str:
    if reply["locked"]:
        head = f"{reply['customerId']}, {reply['period']} is {'already ' if reply['idempotent'] else ''}locked"
    else:
        span = f"{short_instant(reply['startDate'])} to {short_instant(reply['endDate'])}"
        head = f"{reply['customerId']}, {reply['period'] or span}: an interim root, nothing is locked"
    lines = [
        ("proof root", reply["proofRoot"]),
        ("checkpoint", reply["checkpointId"]),
        ("total", f"{amount(reply['netChange'])} in {counted(reply['deltaCount'], 'delta')}"),
        ("brought forward", amount(reply["broughtForward"])),
        ("carried forward", amount(reply["carriedForward"])),
        ("status", reply["status"]),
        ("invoice", reply["invoiceReference"]),
        *(("also locked", f"{earlier['period']}  {earlier['proofRoot']}") for earlier in reply["alsoLocked"]),
        *(("warning", warning) for warning in reply["warnings"]),
    ]
    return f"{head}\n{fields(lines)}"


@click.command(
    "close-month",
    cls=Command,
    epilog=examples("pacspace close-month 2026-02 --preview", "pacspace close-month 2026-02 --yes"),
)
@click.argument("period", metavar="PERIOD")
@click.option("--preview", is_flag=True, help="Show what would be locked; lock nothing.")
@YES
@with_client
@click.pass_obj
def close_month(out: Output, /, client: Client, period: str, preview: bool, yes: bool) -> None:
    """Lock a month for every customer.

    PERIOD is YYYY-MM. Locks it for every customer with deltas in it; existing locks stay as they are.
    The server runs this as a job: it continues after Ctrl-C, and the same command shows its progress again.
    Exit status: 0 all locked, 1 some failed, or the month has no deltas.
    """
    from ..client import BALANCE

    if not (preview or yes):
        need_terminal(out, LOCK)
    reply = client.post_once(f"{BALANCE}/checkpoint", {"period": period, "preview": True})
    left = reply["totals"]["customers"]
    if not left and not _was_locked(client, period):
        out.show(reply, f"{period} has no deltas; nothing was locked")
        raise SystemExit(exit_status.NO)
    if preview or not (left or yes):
        return out.show(reply, _previewed(period, reply))
    if not yes:
        ask(out, f"{_totals(reply['totals'])}. Lock {period} for all of them? It can't be undone.", UNLOCKED)
    job = _lock(out, client, period) | {"idempotent": not left}
    out.show(job, _closed(period, job))
    if job["failedCount"]:
        raise SystemExit(exit_status.NO)


def _lock(out: Output, client: Client, period: str) -> Any:
    """The finished job; after Ctrl-C the server continues it."""
    from ..client import BALANCE

    begun = client.post_once(f"{BALANCE}/checkpoint", {"period": period})
    try:
        return _follow(out, client, begun["jobId"])
    except KeyboardInterrupt:
        again = f"pacspace close-month {period} --yes"
        out.fail(f"the server continues to lock {period}; `{again}` shows its progress", exit_status.NOT_DONE)


def _totals(totals: Any) -> str:
    who, what = counted(totals["customers"], "customer"), counted(totals["deltaCount"], "delta")
    return f"{who}, {what}, net change {amount(totals['netChange'])}"


def _was_locked(client: Client, period: str) -> bool:
    """Whether any deltas of the month are locked."""
    from ..client import BALANCE

    known = client.get(f"{BALANCE}/checkpoints", period=period, limit=SHOWN)["checkpoints"]
    return any(checkpoint["locked"] and checkpoint["deltaCount"] for checkpoint in known)


def _previewed(period: str, reply: Any) -> str:
    if not reply["checkpoints"]:
        return f"{period} is already locked for all customers with deltas in it"
    shown = reply["checkpoints"][:SHOWN]
    rows = [[c["customerId"], c["netChange"], c["deltaCount"], ", ".join(c["alsoLocks"])] for c in shown]
    text = table(["customer", "total", "deltas", "also locks"], rows, numbers=("total", "deltas"))
    if reply["totals"]["customers"] > len(shown):
        text += f"\n... and {reply['totals']['customers'] - len(shown):,} more"
    return f"{text}\n{period}: {_totals(reply['totals'])}. Nothing was locked."


def _follow(out: Output, client: Client, job_id: str) -> Any:
    """The finished job; its progress is shown on a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from ..client import BALANCE, in_path

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
        return f"{period} is {'already ' if job['idempotent'] else ''}locked: {_totals(job['totals'])}"
    rows = [[failed["customerId"], failed["code"], failed["message"]] for failed in job["failed"][:SHOWN]]
    more = f"\n... and {job['failedCount'] - len(rows)} more" if job["failedCount"] > len(rows) else ""
    text = table(["not locked", "code", "why"], rows)
    done = f"{period} is locked for all other customers: {_totals(job['totals'])}"
    return f"{text}{more}\n{done}\nrun the command again to retry the failed ones"
