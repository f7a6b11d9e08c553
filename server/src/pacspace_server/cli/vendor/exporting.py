"""`pacspace export`: every delta of a scope as CSV or JSON lines."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from ..command import Command, examples
from ..options import with_client, with_scope
from ..output import Output, WrongUse, amount, counted, json_text
from .saving import whole_file

if TYPE_CHECKING:
    from ..client import Client

PAGE = 1_000
GIVEN = ["customerId", "delta", "reason", "referenceId", "metadata", "occurredAt", "adjusts.recordId"]
RECORDED = [
    "recordId", "receiptId", "contentHash", "sequenceNumber", "period", "postedAt", "recordedAt",
    "latePosting", "status",
]  # fmt: skip


@click.command(
    cls=Command,
    epilog=examples(
        "pacspace export cust_acme --period 2026-02 --out february.csv",
        "pacspace export cust_acme --from 2026-01-01 --to 2026-04-01 --format jsonl | jq .delta",
    ),
)
@click.argument("customer")
@with_scope
@click.option(
    "--format", "form", type=click.Choice(["csv", "jsonl"]), help="The file's format, if its name doesn't say."
)
@click.option(
    "--out",
    "file",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Write to this file.  [default: standard output]",
)
@with_client
@click.pass_obj
def export(
    out: Output, /, client: Client, customer: str, scope: dict[str, str], form: str | None, file: Path | None
) -> None:
    """Write every delta of CUSTOMER to a file.

    The columns that `import` reads come first, then those that the record adds.
    Deltas recorded during the export may be missing from it. With --json and --out, prints what was written.
    """
    from .imports.rows import format_of

    if file is None and form is None:
        raise WrongUse("name a format: --format csv or --format jsonl, or --out with a name that ends in one of them")
    form = form or format_of(str(file))
    deltas, count = deltas_of(client, customer, scope), 0

    def tallied() -> Iterator[Any]:
        nonlocal count
        for count, delta in enumerate(deltas, 1):  # noqa: B007 - the last one is the answer
            yield delta

    write = _write_csv if form == "csv" else _write_jsonl
    if file is None:
        return write(sys.stdout, tallied())
    with whole_file(file) as target:
        text = io.TextIOWrapper(target, encoding="utf-8", newline="")
        write(text, tallied())
        text.detach()
    out.show(
        {"file": str(file), "customerId": customer, "deltas": count}, f"{counted(count, 'delta')} written to {file}"
    )


def deltas_of(client: Client, customer: str, scope: dict[str, str]) -> Iterator[Any]:
    """The deltas of a scope, month by month. Checks immediately that the scope is valid."""
    from ..client import BALANCE, in_path

    path = f"{BALANCE}/derive/{in_path(customer)}"
    whole = client.get(path, **scope)["scope"]
    start, end = (whole["startDate"], whole["endDate"]) if whole["mode"] == "custom" else ("", "~")
    months = (_month(client, path, period) for period in whole["periods"])
    return (delta for month in months for delta in month if start <= delta["postedAt"] < end)


def _month(client: Client, path: str, period: str) -> Iterator[Any]:
    """The deltas that the month had at the first request.

    Each page starts after the last delta of the page before, by sequence: every page costs the same, and concurrent
    writes cause no duplicates.
    """
    from ..client import CallFailed

    first = client.get(path, period=period, limit=1)
    page, left = first["deltas"], first["deltaCount"]
    while left:
        if not page:
            raise CallFailed(503, None, f"{period} was reset during the export: start again")
        found = [delta for delta in page if delta["period"] == period][:left]
        yield from found
        left -= len(found)
        if left:
            page = client.get(path, startingCheckpoint=page[-1]["recordId"], limit=PAGE)["deltas"]


def _write_csv(target: IO[str], deltas: Iterator[Any]) -> None:
    writer = csv.writer(target, lineterminator="\n")
    writer.writerow(GIVEN + RECORDED)
    for delta in deltas:
        metadata = delta["metadata"]
        given = [
            delta["customerId"],
            amount(delta["delta"]),
            delta["reason"],
            delta["referenceId"],
            None if metadata is None else json_text(metadata),
            delta.get("occurredAt"),
            delta.get("adjusts", {}).get("recordId"),
        ]
        writer.writerow(given + [str(delta[n]).lower() if n == "latePosting" else delta[n] for n in RECORDED])


def _write_jsonl(target: IO[str], deltas: Iterator[Any]) -> None:
    for delta in deltas:
        target.write(json_text(delta) + "\n")
