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

    reply = client.get(f"{BALANCE}/receipt/{in_path(customer)}", **scope)
    text = _summary(reply)
    if file is not None:
        if reply["receiptId"] is None:
            out.fail(f"{customer} has no deltas in this scope, so there is no receipt file")
        form = file.suffix.lower() if file.suffix.lower() in DOCUMENTS else ".json"
        with whole_file(file) as target:
            client.download(f"/receipts/{in_path(reply['receiptId'])}{form}", target)
        reply = reply | {"file": str(file)}
        text += f"\n\nsaved {file}" + (_verifying(reply, file) if form == ".json" else "")
    out.show(reply, text)


def _verifying(reply: Any, file: Path) -> str:
    """The command that verifies the saved file."""
    allow = "" if reply["locked"] else " --allow-provisional"
    key = reply["verification"]["verifierKey"]
    return f"; to verify it offline:\n  pacspace verify '{file}' --key '{key}'{allow}"


def _summary(reply: Any) -> str:
    sandbox = reply["environment"] == "sandbox"
    span = reply["period"] or f"{short_instant(reply['startDate'])} to {short_instant(reply['endDate'])} (exclusive)"
    unit = f" {reply['unit']}" if reply["unit"] else ""
    state = f"locked, {reply['status']}" if reply["locked"] else "PROVISIONAL: it may still change"
    lines = [
        ("total", f"{amount(reply['finalBalance'])}{unit} in {counted(reply['deltaCount'], 'delta')}"),
        ("debits, credits", f"{amount(reply['debits'])}, {amount(reply['credits'])}"),
        ("brought forward", amount(reply["broughtForward"])),
        ("carried forward", amount(reply["carriedForward"])),
        ("state", state),
        ("invoice", reply["invoiceReference"]),
        ("proof root", reply["proofRoot"]),
        ("verify at", reply["verifyUrl"]),
        ("customer link", reply["customerLinkUrl"]),
        ("access code", reply["accessHint"]),
        ("receipt file", reply["bundleUrl"]),
        ("key fingerprint", reply["keyFingerprint"]),
        ("restored", _restored(reply["verification"]["restored"])),
    ]
    parts = ["*** SANDBOX: a test, not a bill ***\n"] if sandbox else []
    parts.append(f"Receipt of {reply['customerId']}, {span}\n{fields(lines)}")
    if reply["subtotals"]:
        rows = [[s["reason"] or "(erased)", s["count"], s["total"]] for s in reply["subtotals"][:SHOWN]]
        parts.append("\n" + table(["reason", "deltas", "subtotal"], rows, numbers=("deltas", "subtotal")))
        parts += _more(reply["subtotals"])
    parts += _late(reply["lateLines"]) + _corrections(reply["corrections"])
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
