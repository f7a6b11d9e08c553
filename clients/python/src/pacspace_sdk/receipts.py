"""`pac.receipts`: receipt documents and files by receiptId, and their use without the server."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from .operations import receipts
from .protocol import Core
from .receipt_text import email_body, email_html
from .surface import AsyncSurface, Surface, awaitable, blocking
from .types import VerificationReport

if TYPE_CHECKING:
    from pacspace_proofs import Trust


ReceiptFile: TypeAlias = bytes | str | Path | Mapping[str, Any]


class Offline:
    """Functions that send no request."""

    def verify(
        self, receipt: ReceiptFile | Sequence[ReceiptFile], trust: str | Trust | None = None
    ) -> VerificationReport:
        """Recomputes receipt files (from `download`, or the Path of a saved one) on this machine, without any server.

        `trust` is a trust file's text, for which one verifier key is enough; without it the signer is unknown, and the
        result is at best `undecided`. Several receipts are also checked against each other. `result` is `locked-full`,
        `locked-summary`, `provisional-full`, `provisional-summary`, `undecided` or `refused`; amounts are exact text.
        Raises FormatError (of pacspace_proofs) for invalid trust, TypeError for anything but receipt files, such as a
        file name as text.
        """
        from pacspace_proofs import Trust, parse_trust, verify_receipts
        from pacspace_proofs.command import as_object

        given = [receipt] if isinstance(receipt, bytes | str | Path | Mapping) else receipt
        files = [_file_bytes(file) for file in given]
        trusted = parse_trust(trust) if isinstance(trust, str) else trust or Trust()
        report = verify_receipts(files, trusted, int(time.time()))
        found: VerificationReport = as_object([str(n) for n in range(len(files))], report)  # type: ignore[assignment]
        return found

    def email_body(self, receipt: Mapping[str, Any], *, html: bool = False) -> str:
        """An e-mail to the customer, as plain text or HTML, from `pac.balance.receipt` or `pac.receipts.get`."""
        return email_html(receipt) if html else email_body(receipt)


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
    if isinstance(file, Path):
        return file.read_bytes()
    if isinstance(file, str):
        if not file.startswith("{") and os.path.isfile(file):
            raise TypeError(f"{file!r} is the name of a file: pass the file's bytes or a Path, Path({file!r})")
        return file.encode()
    if isinstance(file, Mapping) and "schema" in file:
        return canonical(file)
    if isinstance(file, Mapping):
        raise TypeError("this is the receipt's description; pac.receipts.download(receiptId) returns its file")
    raise TypeError(f"a receipt is bytes, text, a Path or a dict, not {type(file).__name__}")
