"""`pacspace receipt`: a month's receipt as text, and its verifiable file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..command import Command, examples
from ..options import short_instant, with_client, with_scope
from ..output import Output, amount, counted, fields, table
from .saving import whole_file

if TYPE_CHECKING:
    from ..client import Client

SHOWN = 20
DOCUMENTS = (".pdf", ".csv")  # any other name is a receipt file


@click.command(
    cls=Command,
    epilog=examples(
        "pacspace receipt cust_acme --period 2026-02",
        "pacspace receipt cust_acme --period 2026-02 --out receipt-2026-02.json",
        "pacspace receipt cust_acme --period 2026-02 --out receipt-2026-02.pdf",
    ),
)
@click.argument("customer")
@with_scope
@click.option(
    "--out",
    "file",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Save it here: .json is the verifiable receipt file, .pdf the document, .csv the deltas.",
)
@with_client
@click.pass_obj
def receipt(out: Output, /, client: Client, customer: str, scope: dict[str, str], file: Path | None) -> None:
    """Show CUSTOMER's receipt, or save it.

    Shows total, subtotals per reason, late lines, corrections and links. --out saves the receipt file, which verifies
    offline, or the document as PDF, or the deltas as CSV. Locks nothing.
    """
    from ..client import BALANCE, in_path

    told = client.get(f"{BALANCE}/receipt/{in_path(customer)}", **scope)
    text = _summary(told)
    if file is not None:
        if told["receiptId"] is None:
            out.fail(f"{customer} has no deltas in this scope, so there is no receipt file")
        form = file.suffix.lower() if file.suffix.lower() in DOCUMENTS else ".json"
        with whole_file(file) as target:
            client.download(f"/receipts/{in_path(told['receiptId'])}{form}", target)
        told = told | {"file": str(file)}
        text += f"\n\nsaved {file}" + (_verifying(told, file) if form == ".json" else "")
    out.show(told, text)


def _verifying(told: Any, file: Path) -> str:
    """The command that verifies the saved file."""
    allow = "" if told["locked"] else " --allow-provisional"
    key = told["verification"]["verifierKey"]
    return f"; to verify it offline:\n  pacspace verify '{file}' --key '{key}'{allow}"


def _summary(told: Any) -> str:
    sandbox = told["environment"] == "sandbox"
    span = told["period"] or f"{short_instant(told['startDate'])} to {short_instant(told['endDate'])} (exclusive)"
    unit = f" {told['unit']}" if told["unit"] else ""
    state = f"locked, {told['status']}" if told["locked"] else "PROVISIONAL: it may still change"
    lines = [
        ("total", f"{amount(told['finalBalance'])}{unit} in {counted(told['deltaCount'], 'delta')}"),
        ("debits, credits", f"{amount(told['debits'])}, {amount(told['credits'])}"),
        ("brought forward", amount(told["broughtForward"])),
        ("carried forward", amount(told["carriedForward"])),
        ("state", state),
        ("invoice", told["invoiceReference"]),
        ("proof root", told["proofRoot"]),
        ("verify at", told["verifyUrl"]),
        ("customer link", told["customerLinkUrl"]),
        ("access code", told["accessHint"]),
        ("receipt file", told["bundleUrl"]),
        ("key fingerprint", told["keyFingerprint"]),
        ("restored", _restored(told["verification"]["restored"])),
    ]
    parts = ["*** SANDBOX: a test, not a bill ***\n"] if sandbox else []
    parts.append(f"Receipt of {told['customerId']}, {span}\n{fields(lines)}")
    if told["subtotals"]:
        rows = [[s["reason"] or "(erased)", s["count"], s["total"]] for s in told["subtotals"][:SHOWN]]
        parts.append("\n" + table(["reason", "deltas", "subtotal"], rows, numbers=("deltas", "subtotal")))
        parts += _more(told["subtotals"])
    parts += _late(told["lateLines"]) + _corrections(told["corrections"])
    return "\n".join(parts)


def _restored(restored: Any) -> str | None:
    """The backup that the record was restored from, and how many entries of the earlier log it had."""
    if restored is None:
        return None
    signed = "" if restored["signedSize"] is None else f" of {restored['signedSize']:,}"
    return f"from a backup with {restored['backupSize']:,}{signed} entries of {restored['origin']}"


def _late(lines: list[Any]) -> list[str]:
    rows = [
        [d["delta"], short_instant(d["occurredAt"]), short_instant(d["recordedAt"]), d["recordId"]]
        for d in lines[:SHOWN]
    ]
    head = "\nlate, because their own month was locked:"
    return (
        [head, table(["delta", "happened", "recorded", "recordId"], rows, numbers=("delta",)), *_more(lines)]
        if rows
        else []
    )


def _corrections(lines: list[Any]) -> list[str]:
    rows = [[d["delta"], d["adjusts"], short_instant(d["recordedAt"]), d["recordId"]] for d in lines[:SHOWN]]
    head = "\ncorrections of earlier deltas:"
    return (
        [head, table(["delta", "corrects", "recorded", "recordId"], rows, numbers=("delta",)), *_more(lines)]
        if rows
        else []
    )


def _more(lines: list[Any]) -> list[str]:
    return [f"... and {len(lines) - SHOWN} more; --json lists them"] if len(lines) > SHOWN else []
