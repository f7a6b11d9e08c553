"""`pacspace verify`: the offline verifier, which is `pacspace_proofs`."""

from __future__ import annotations

import sys

import click

from pacspace_proofs import command as verify_command

from .. import exit_status
from .command import Command, examples
from .output import Output


@click.command(
    "verify", cls=Command, epilog=examples("pacspace verify receipt-2026-02.json --key 'pacspace.log/sandbox/...'")
)
@click.argument("receipts", nargs=-1, required=True, metavar="RECEIPT.json...")
@click.option("--key", "keys_given", multiple=True, metavar="VERIFIER_KEY", help="The log's key; repeatable.")
@click.option("--trust", metavar="FILE", help="A trust file: log keys, customers' fingerprints, witnesses.")
@click.option("--allow-provisional", is_flag=True, help="Accept an unlocked month.")
@click.option("--allow-summary", is_flag=True, help="Accept a total without its deltas.")
@click.pass_obj
def verify(
    out: Output,
    receipts: tuple[str, ...],
    keys_given: tuple[str, ...],
    trust: str | None,
    allow_provisional: bool,
    allow_summary: bool,
) -> None:
    """Recompute receipt files and say what each proves. Needs no server and no API key.

    Exit status: 0 verified, 1 not verified, 2 wrong use, 3 could not be done.
    """
    if keys_given and trust:
        out.fail("--key and --trust are alternatives: a trust file lists keys too", exit_status.WRONG_USE)
    report, code = verify_command.run(receipts, keys_given, trust, allow_provisional, allow_summary)
    click.echo((verify_command.as_json if out.as_json else verify_command.as_text)(receipts, report, code))
    sys.exit(code)
