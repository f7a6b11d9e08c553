"""`pacspace emit`."""

from __future__ import annotations

import shlex
import time
from typing import TYPE_CHECKING, Any

import click

from ... import exit_status
from ..command import Amount, Command, examples
from ..options import short_instant, with_client
from ..output import Output, amount, fields

if TYPE_CHECKING:
    from ..client import Client

QUEUED = " (recorded; the log includes it within a second)"
WAIT_S, FIRST_POLL_S, LONGEST_POLL_S = 60.0, 0.05, 1.0


@click.command(
    cls=Command,
    epilog=examples(
        "pacspace emit cust_acme -42.5 compute_minutes --reference usage_day_1",
        "pacspace emit cust_acme 2.5 correction --adjusts usage_day_1",
        'pacspace emit cust_acme -1 api_call --metadata \'{"region": "eu"}\' --occurred-at 2026-02-01T09:30:00Z',
    ),
)
@click.argument("customer")
@click.argument("delta", type=Amount(is_delta=True))
@click.argument("reason")
@click.option("--reference", metavar="ID", help="Your own id; the same id records only once.")
@click.option("--metadata", metavar="JSON", help="A JSON object to store with it.")
@click.option("--occurred-at", metavar="T", help="When it happened.  [default: now]")
@click.option("--adjusts", metavar="RECORD_OR_REFERENCE", help="The earlier delta that this one corrects.")
@click.option("--wait", is_flag=True, help="Wait until it is verified.")
@with_client
@click.pass_obj
def emit(out: Output, /, client: Client, wait: bool, **given: Any) -> None:
    """Record a DELTA, such as -42.5, for CUSTOMER."""
    from ..client import BALANCE, CallFailed

    try:
        reply = client.post_once(f"{BALANCE}/delta", _body(out, **given))
    except CallFailed as error:
        if error.code == "REFERENCE_ID_CONFLICT":
            error.message += f"; {_correction(given['customer'], given['reference'])}"
        raise
    if wait:
        seen = _wait(out, client, reply["recordId"])
        reply |= {name: seen.get(name) for name in ("status", "verifiedAt", "verificationReference")}
    before = "already recorded, nothing was added" if reply["idempotent"] else "recorded"
    lines = [
        ("recordId", reply["recordId"]),
        ("receiptId", reply["receiptId"]),
        ("status", reply["status"] + (QUEUED if reply["status"] == "QUEUED" else "")),
        ("period", reply["period"] + (" (late: its own month is locked)" if reply["latePosting"] else "")),
        ("posted at", short_instant(reply["postedAt"])),
        *(("warning", warning) for warning in reply["warnings"]),
    ]
    what = f"{amount(reply['delta'])} for {reply['customerId']}, {reply['reason'] or '(erased)'}"
    out.show(reply, f"{before}: {what}\n{fields(lines)}")
    if reply["status"] == "FAILED":
        out.fail("the delta is damaged: its stored row no longer matches its hash; run pacspace fsck", exit_status.NO)


def _correction(customer: str, reference: str) -> str:
    named = f"{shlex.quote(customer)} AMOUNT REASON --adjusts {shlex.quote(reference)}"
    return f"a correction is a new delta: pacspace emit {named}"


def _body(
    out: Output, customer: str, delta: str, reason: str, reference: str | None, metadata: str | None,
    occurred_at: str | None, adjusts: str | None,
) -> dict[str, Any]:  # fmt: skip
    from ...domain.instants import parse_instant

    if occurred_at is not None:
        parse_instant(occurred_at)
    body = {
        "customerId": customer,
        "delta": delta,
        "reason": reason,
        "referenceId": reference,
        "occurredAt": occurred_at,
        "metadata": None if metadata is None else _metadata(out, metadata),
        "adjusts": None if adjusts is None else _adjusts(adjusts),
    }
    return {name: value for name, value in body.items() if value is not None}


def _metadata(out: Output, text: str) -> Any:
    from ...domain.exact_json import JsonError, parse

    try:
        value = parse(text.encode(errors="surrogateescape"))
    except JsonError as error:
        out.fail(f"--metadata: {str(error).replace('the body', 'it')}", exit_status.WRONG_USE)
    if not isinstance(value, dict):
        out.fail('--metadata must be a JSON object, such as {"region": "eu"}', exit_status.WRONG_USE)
    return value


def _adjusts(named: str) -> dict[str, str]:
    from ...storage.model.ids import RECORD_ID

    return {"recordId" if RECORD_ID.fullmatch(named) else "referenceId": named}


def _wait(out: Output, client: Client, record_id: str) -> Any:
    """The delta once it is verified, or found damaged."""
    from ..client import BALANCE

    until, poll_s = time.monotonic() + WAIT_S, FIRST_POLL_S
    while True:
        seen = client.get(f"{BALANCE}/delta/{record_id}")
        if seen["status"] in ("VERIFIED", "FAILED"):
            return seen
        if time.monotonic() > until:
            state = f"recorded but not verified after {WAIT_S:.0f} s: {seen['status']}"
            out.fail(f"{record_id} is {state}; `/readyz?for=verify` says why", exit_status.NOT_DONE)
        time.sleep(poll_s)
        poll_s = min(poll_s * 2, LONGEST_POLL_S)
