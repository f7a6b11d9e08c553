"""`pacspace derive`, `compare`, `customers` and `customer`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from ... import exit_status
from ..command import Amount, Command, examples
from ..options import scope_words, short_instant, with_client, with_scope_or_start
from ..output import Output, amount, fields, table

if TYPE_CHECKING:
    from ..client import Client

PAGE = 1_000


@click.command(
    cls=Command,
    epilog=examples(
        "pacspace derive cust_acme",
        "pacspace derive cust_acme --period 2026-02",
        "pacspace derive cust_acme --from 2026-02-01 --to 2026-02-08",
        "pacspace --json derive cust_acme --since 0x7f3a...",
    ),
)
@click.argument("customer")
@with_scope_or_start
@with_client
@click.pass_obj
def derive(out: Output, /, client: Client, customer: str, scope: dict[str, str]) -> None:
    """Derive CUSTOMER's balance from the record.

    Without options: the balance of the current UTC month.
    """
    from ..client import BALANCE, in_path

    reply = client.get(f"{BALANCE}/derive/{in_path(customer)}", **scope)
    lines = [
        ("balance", amount(reply["computedBalance"])),
        ("brought forward", amount(reply["broughtForward"])),
        ("deltas", reply["deltaCount"]),
        ("verified", reply["verifiedCount"]),
        ("pending", reply["pendingCount"]),
        ("first recorded", short_instant(reply["firstRecordAt"])),
        ("last recorded", short_instant(reply["lastRecordAt"])),
        ("latest checkpoint", reply["latestCheckpoint"]),
    ]
    out.show(reply, f"{customer}, {scope_words(reply['scope'])}\n{fields(lines)}")


@click.command(
    cls=Command,
    epilog=examples(
        "pacspace compare cust_acme -1247 -1240 --period 2026-02",
        "pacspace compare cust_acme -1247 -1240 --period 2026-02 --their-records theirs.csv",
        "pacspace compare cust_acme -1247 -1247.004 --tolerance 0.01",
    ),
)
@click.argument("customer")
@click.argument("yours", type=Amount(is_delta=False))
@click.argument("theirs", type=Amount(is_delta=False))
@with_scope_or_start
@click.option("--tolerance", type=Amount(is_delta=False), help="The largest difference that matches.  [default: 0]")
@click.option(
    "--their-records",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False),
    help="Their entries, .csv or .jsonl with referenceId and delta (ignores other columns): lists the differences.",
)
@with_client
@click.pass_obj
def compare(
    out: Output, /, client: Client, customer: str, yours: str, theirs: str, scope: dict[str, str],
    tolerance: str | None, their_records: str | None,
) -> None:  # fmt: skip
    """Compare two balances of CUSTOMER with the record.

    Exit status: 0 both match, 1 they differ.
    """
    from ..client import BALANCE

    body: dict[str, Any] = {"customerId": customer, "yourBalance": yours, "theirBalance": theirs, **scope}
    if tolerance is not None:
        body["tolerance"] = tolerance
    if their_records is not None:
        from .imports.rows import read_entries

        body["theirRecords"] = read_entries(their_records)
    reply = client.post(f"{BALANCE}/compare", body, repeatable=True)
    out.show(reply, _compared(customer, reply))
    if not reply["match"]:
        raise SystemExit(exit_status.NO)


def _compared(customer: str, reply: Any) -> str:
    gap = reply["discrepancy"] or {"yourDifference": 0, "theirDifference": 0, "message": "both match the record"}
    views = [
        ("the record", amount(reply["computedBalance"])),
        ("yours", _view(reply["yourBalance"], reply["matchesYours"], gap["yourDifference"])),
        ("theirs", _view(reply["theirBalance"], reply["matchesTheirs"], gap["theirDifference"])),
    ]
    parts = [f"{customer}, {scope_words(reply['scope'])}: {gap['message']}", fields(views)]
    if "missingInOurs" in reply:
        parts.append(_entries(reply) or "their entries and the record are the same")
    return "\n".join(parts)


def _view(balance: Any, matches: bool, difference: Any) -> str:
    return f"{amount(balance)}  {'matches' if matches else f'differs by {amount(difference)}'}"


def _entries(reply: Any) -> str:
    rows = [
        *(["different", e["referenceId"], e["ourDelta"], e["theirDelta"], e["recordId"]] for e in reply["different"]),
        *(["not in theirs", e["referenceId"], e["delta"], None, e["recordId"]] for e in reply["missingInTheirs"]),
        *(["not in the record", e["referenceId"], None, e["delta"], None] for e in reply["missingInOurs"]),
    ]
    columns = ["entry", "reference", "the record", "theirs", "recordId"]
    return "\n" + table(columns, rows, numbers=("the record", "theirs")) if rows else ""


@click.command(
    cls=Command,
    epilog=examples(
        "pacspace customers", "pacspace customers --search acme --period 2026-02", "pacspace customers --all"
    ),
)
@click.option("--search", metavar="TEXT", help="Only customers with this in their id or name.")
@click.option("--period", metavar="YYYY-MM", help="Balances and deltas of this month.  [default: the current one]")
@click.option("--limit", type=click.IntRange(1, 1000), default=25, show_default=True, help="How many to show.")
@click.option("--all", "everyone", is_flag=True, help="Show all of them.")
@with_client
@click.pass_obj
def customers(
    out: Output, /, client: Client, search: str | None, period: str | None, limit: int, everyone: bool
) -> None:
    """List the customers with their balances."""
    found, total = _customers(client, None if everyone else limit, {"search": search, "period": period})
    month = f" {period}" if period else ""
    deltas = "periodDeltas" if period else "totalDeltas"
    rows = [
        [c["customerId"], c["displayName"], c["computedBalance"], c[deltas], short_instant(c["lastActivityAt"])]
        for c in found
    ]
    columns = ["customer", "name", f"balance{month}", f"deltas{month}", "last activity"]
    text = (
        table(columns, rows, numbers=columns[2:4])
        if rows
        else f"no customer matches {search!r}"
        if search
        else "no customers yet"
    )
    if len(found) < total:
        text += f"\n{len(found)} of {total}; --all shows all of them"
    out.show({"customers": found, "total": total}, text)


def _customers(client: Client, limit: int | None, query: dict[str, Any]) -> tuple[list[Any], int]:
    """Up to `limit` customers, or all of them, and the total number."""
    from ..client import BALANCE

    found: list[Any] = []
    cursor = None
    while True:
        left = PAGE if limit is None else min(limit - len(found), PAGE)
        reply = client.get(f"{BALANCE}/customers", cursor=cursor, limit=left, **query)
        found += reply["customers"]
        cursor = reply["pagination"]["nextCursor"]
        if cursor is None or len(found) == limit:
            return found, reply["pagination"]["total"]


@click.command(
    cls=Command, epilog=examples("pacspace customer cust_acme", "pacspace --json customer cust_acme --period 2026-02")
)
@click.argument("customer_id", metavar="CUSTOMER")
@click.option("--period", metavar="YYYY-MM", help="The month of the balance.  [default: the current one]")
@with_client
@click.pass_obj
def customer(out: Output, /, client: Client, customer_id: str, period: str | None) -> None:
    """Show one CUSTOMER: balance, latest checkpoint, recent activity."""
    from ..client import BALANCE, in_path

    reply = client.get(f"{BALANCE}/customers/{in_path(customer_id)}", period=period)
    lines = [
        ("name", reply["displayName"]),
        ("reference", reply["customerReference"]),
        (f"balance {period or 'this month'}", amount(reply["computedBalance"])),
        ("all-time balance", amount(reply["allTimeBalance"])),
        ("deltas", reply["totalDeltas"]),
        ("locked through", reply["lockedThrough"]),
        ("latest checkpoint", reply["latestCheckpoint"]),
    ]
    rows = [
        [short_instant(d["postedAt"]), d["delta"], d["reason"] or "(erased)", d["referenceId"], d["status"]]
        for d in reply["recentActivity"]["items"]
    ]
    text = f"{reply['customerId']}\n{fields(lines)}"
    if rows:
        text += "\n\n" + table(["posted at", "delta", "reason", "reference", "status"], rows, numbers=("delta",))
    out.show(reply, text)
