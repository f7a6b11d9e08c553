"""A receipt as plain text, for an e-mail to the customer."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from typing import Any

from pacspace_proofs.command import printable

SHOWN = 20  # lines per section; the receipt file has all

# The lines that become links. An address in a reason or a reference stays text.
LINK = re.compile(r"^((?:Look at it|PDF|Receipt file): )(https?://\S+)$", re.M)

Receipt = Mapping[str, Any]


def email_body(receipt: Receipt) -> str:
    """A receipt's totals, subtotals, corrections and late lines, and how to verify it."""
    lines = ["SANDBOX: a test, not a bill.", ""] if receipt.get("environment") == "sandbox" else []
    lines += [*_totals(receipt), *_corrections(receipt), *_late(receipt), *_links(receipt)]
    lines.append(
        "The vendor recorded this. Anyone can check it on their own machine: open the link, or save the receipt"
    )
    lines.append("file and run: python -m pacspace_proofs receipt.json --key <the vendor's verifier key>")
    return "\n".join(lines) + "\n"


def email_html(receipt: Receipt) -> str:
    """The same as HTML that any e-mail can contain: paragraphs and links, without styles or images."""
    paragraphs = re.split(r"\n{2,}", html.escape(email_body(receipt).strip()))
    linked = (LINK.sub(r'\1<a href="\2">\2</a>', text) for text in paragraphs)
    return "\n".join(f"<p>{text.replace(chr(10), '<br>' + chr(10))}</p>" for text in linked) + "\n"


def _totals(receipt: Receipt) -> list[str]:
    unit = f" {printable(receipt['unit'])}" if receipt.get("unit") else ""
    period = receipt.get("period") or f"{receipt.get('startDate')} to {receipt.get('endDate')}"
    state = "locked: it can't change any more" if receipt.get("locked") else "not locked yet: more may be recorded"
    total = _number(receipt.get("netChange", receipt.get("finalBalance")))
    parts = [
        f"  {_number(part['total'])}{unit} in {_records(part['count'])}: {_reason(part['reason'])}"
        for part in receipt.get("subtotals") or []
    ]
    title = f"{printable(receipt['title'])}\n\n" if receipt.get("kind", "receipt") != "receipt" else ""
    head = f"{title}Recorded for {printable(receipt['customerId'])}, {period}:"
    return [head, f"  {total}{unit} in {_records(receipt['deltaCount'])}, {state}", *parts]


def _corrections(receipt: Receipt) -> list[str]:
    late = {line["recordId"]: line for line in receipt.get("lateLines") or []}
    names = {delta["recordId"]: delta.get("referenceId") for delta in receipt.get("deltas") or []}
    lines = []
    for line in receipt.get("corrections") or []:
        happened = late.get(line["recordId"], line)
        corrected = names.get(line["adjusts"])
        named = f" ({printable(corrected)})" if corrected else ""
        lines.append(f"  {_number(line['delta'])}, {_dates(happened)}: corrects {line['adjusts']}{named}")
    return _section("Corrections, counted above:", lines)


def _late(receipt: Receipt) -> list[str]:
    """The late lines except corrections, so that none is listed twice."""
    corrections = {line["recordId"] for line in receipt.get("corrections") or []}
    return _section(
        "Late lines of months that were already locked, counted above:",
        [
            f"  {_number(line['delta'])}, {_dates(line)}: {line['recordId']}"
            for line in receipt.get("lateLines") or []
            if line["recordId"] not in corrections
        ],
    )


def _section(head: str, lines: list[str]) -> list[str]:
    if not lines:
        return []
    more = [f"  ... and {len(lines) - SHOWN:,} more, in the receipt file"] if len(lines) > SHOWN else []
    return ["", head, *lines[:SHOWN], *more]


def _dates(line: Mapping[str, Any]) -> str:
    recorded = f"recorded {_date(line['recordedAt'])}"
    return f"of {_date(line['occurredAt'])}, {recorded}" if line.get("occurredAt") else recorded


def _date(instant: str) -> str:
    return instant.partition("T")[0]


def _links(receipt: Receipt) -> list[str]:
    links = receipt.get("links") or receipt
    reference = receipt.get("invoiceReference")
    shown = {
        "Invoice": printable(reference) if reference else None,
        "Look at it": receipt.get("verifyUrl") or links.get("permalink"),
        "Access code": receipt.get("accessHint"),
        "Proof root": receipt.get("proofRoot"),
        "PDF": links.get("pdf"),
        "Receipt file": receipt.get("bundleUrl"),
        "Key fingerprint": receipt.get("keyFingerprint"),
    }
    return ["", *(f"{label}: {value}" for label, value in shown.items() if value), ""]


def _reason(reason: str | None) -> str:
    return "(reason erased)" if reason is None else printable(reason)


def _records(count: Any) -> str:
    return f"{_number(count)} record{'' if count == 1 else 's'}"


def _number(value: Any) -> str:
    return f"{value:,}"
