"""`pac.receipts`: receipt documents and files by receiptId, and what can be done with them without the server."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from .operations import receipts
from .protocol import Core
from .surface import AsyncSurface, Surface, awaitable, blocking
from .types import VerificationReport

if TYPE_CHECKING:
    from pacspace_proofs import Trust


class Offline:
    """What needs no request."""

    def verify(
        self, receipt: bytes | str | Mapping[str, Any] | Sequence[bytes | str], trust: str | Trust | None = None
    ) -> VerificationReport:
        """Recomputes receipt files (from `download`, or a saved one) on this machine, asking nobody.

        `trust` is a trust file's text, for which one verifier key is enough; without it nobody knows who signed, and
        the result is at best `undecided`. Several receipts are also checked against each other. `result` is
        `locked-full`, `locked-summary`, `provisional-full`, `provisional-summary`, `undecided` or `refused`; amounts
        are exact text. Raises FormatError (of pacspace_proofs) for trust that can't be read.
        """
        from pacspace_proofs import Trust, parse_trust, verify_receipts
        from pacspace_proofs.command import as_object

        one = isinstance(receipt, bytes | str | Mapping)
        files = [_file_bytes(file) for file in ([receipt] if one else receipt)]
        trusted = parse_trust(trust) if isinstance(trust, str) else trust or Trust()
        report = verify_receipts(files, trusted, int(time.time()))
        found: VerificationReport = as_object([str(n) for n in range(len(files))], report)  # type: ignore[assignment]
        return found

    def email_body(self, receipt: Mapping[str, Any]) -> str:
        """Plain text for an e-mail to the customer, from `pac.balance.receipt` or `pac.receipts.get`."""
        return _email_body(receipt)


class Receipts(Offline, Surface[Core]):
    """Receipts by receiptId."""

    list: Final = blocking(receipts.list_receipts)
    get: Final = blocking(receipts.get)
    download: Final = blocking(receipts.download)


class AsyncReceipts(Offline, AsyncSurface[Core]):
    """The same on an event loop; `verify` and `email_body` send nothing and are plain functions."""

    list: Final = awaitable(receipts.list_receipts)
    get: Final = awaitable(receipts.get)
    download: Final = awaitable(receipts.download)


def _file_bytes(file: object) -> bytes:
    from pacspace_proofs import canonical

    if isinstance(file, bytes):
        return file
    if isinstance(file, str):
        return file.encode()
    if isinstance(file, Mapping) and "schema" in file:
        return canonical(file)
    if isinstance(file, Mapping):
        raise TypeError("this is the receipt's description; its file is what pac.receipts.download(receiptId) gives")
    raise TypeError(f"a receipt is bytes, text or a dict, not {type(file).__name__}")


def _email_body(receipt: Mapping[str, Any]) -> str:
    unit = f" {receipt['unit']}" if receipt.get("unit") else ""
    period = receipt.get("period") or f"{receipt.get('startDate')} to {receipt.get('endDate')}"
    state = "locked: it can't change any more" if receipt.get("locked") else "not locked yet: more may be recorded"
    lines = ["SANDBOX: a test, not a bill.", ""] if receipt.get("environment") == "sandbox" else []
    lines += [
        f"Recorded for {receipt['customerId']}, {period}:",
        f"  {_number(receipt.get('netChange', receipt.get('finalBalance')))}{unit} in {_records(receipt['deltaCount'])}, {state}",
    ]
    for part in receipt.get("subtotals") or []:
        lines.append(
            f"  {_number(part['total'])}{unit} in {_records(part['count'])}: {part['reason'] or '(reason erased)'}"
        )
    links = receipt.get("links") or receipt
    shown = {
        "Look at it": receipt.get("verifyUrl") or links.get("permalink"),
        "Access code": receipt.get("accessHint"),
        "Proof root": receipt.get("proofRoot"),
        "Receipt file": receipt.get("bundleUrl"),
    }
    lines += ["", *(f"{label}: {value}" for label, value in shown.items() if value), ""]
    lines.append(
        "The vendor recorded this. Anyone can check it on their own machine: open the link, or save the receipt"
    )
    lines.append("file and run: python -m pacspace_proofs receipt.json --key <the vendor's verifier key>")
    return "\n".join(lines) + "\n"


def _records(count: Any) -> str:
    return f"{_number(count)} record{'' if count == 1 else 's'}"


def _number(value: Any) -> str:
    return f"{value:,}"
