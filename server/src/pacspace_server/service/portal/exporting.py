"""A customer's export: all deltas as CSV or JSON, or receipt files that verify alone. Streamed."""

from __future__ import annotations

import csv
import io
import time
import zipfile
from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec

from pacspace_proofs.record import parse_context

from ...clock import now_us
from ...domain.amounts import amount_text
from ...domain.instants import instant_text
from ...domain.scopes import LAST_PERIOD
from ...storage.model.protocols import Snapshot
from ...storage.model.records import Delta, PeriodHead
from ...views.sharing import SharedRecordLine
from ..base.context import Context
from ..base.csv_lines import harmless
from ..base.errors import ServiceError, unavailable
from ..base.lookup import log_in_use, verifier_key
from ..base.restored import trust_file
from ..receipts.bundle import month_file
from ..sharing.links import Shared
from .reading import line_views

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

CSV, JSON, BUNDLE = "csv", "json", "bundle"
MEDIA_TYPES = {CSV: "text/csv; charset=utf-8", JSON: "application/json", BUNDLE: "application/zip"}
SUFFIXES = {CSV: "csv", JSON: "json", BUNDLE: "zip"}
ROWS = 500
COLUMNS = (
    "environment",
    "period",
    "recordId",
    "referenceId",
    "delta",
    "reason",
    "metadata",
    "recordedAt",
    "postedAt",
    "occurredAt",
    "latePosting",
    "adjusts",
    "state",
    "receiptId",
    "contentHash",
)
README = """\
{warning}The record of {customer}, as its vendor wrote it.
Exported at {at}. Key fingerprint: {fingerprint}

Each month is a file that verifies on its own, without network or account:

    python -m pacspace_proofs {files} --trust trust.txt{allowed}

pacspace_proofs is the open verifier, the folder proofs/python of the PacSpace source; `pacspace verify` does the same.
trust.txt has the verifier keys of the server that these files came from: compare the fingerprint above with the one on
your contract or on an earlier receipt.

A verified file proves that the vendor recorded each amount once, never rewrote it, and showed everyone the same record.
It does not prove that the vendor's meter was right.
{left_out}"""


def file_name(shared: Shared, kind: str, period: str | None) -> str:
    side = "SANDBOX-" if shared.environment.name == "sandbox" else ""
    return f"{side}record-{period or 'all'}.{SUFFIXES[kind]}"


def export(context: Context, shared: Shared, kind: str, period: str | None) -> Iterator[bytes]:
    """The file in pieces. Raises before the first one."""
    with context.storage.snapshot() as snapshot:
        if kind == BUNDLE:
            return _bundle(context, snapshot, shared, period)
        head = snapshot.head(shared.customer, period) if period else None
        last = (head.delta_count if head else 0) if period else shared.customer.last_sequence
        fingerprint = verifier_key(context.signer, log_in_use(snapshot, shared.customer)).fingerprint
    rows = _rows(context, shared, head, last)
    return _csv(shared, rows) if kind == CSV else _json(shared, fingerprint, rows)


def _rows(
    context: Context, shared: Shared, head: PeriodHead | None, last: int
) -> Iterator[tuple[Delta, SharedRecordLine]]:
    """Deltas in order, read in pages, so that a slow reader does not keep a snapshot open."""
    for first in range(1, last + 1, ROWS):
        end = min(first + ROWS, last + 1)
        with context.storage.snapshot() as snapshot:
            customer = snapshot.customer_at(shared.customer.id)
            if head is not None:
                deltas = list(snapshot.deltas_in_period(head, first, end))
            else:
                deltas = list(snapshot.deltas_by_sequence(customer, first, end - 1))
            seen = line_views(snapshot, customer, deltas, log_in_use(snapshot, customer))
        yield from zip(deltas, seen, strict=True)


# ---------------------------------------------------------------- CSV


def _csv(shared: Shared, rows: Iterator[tuple[Delta, SharedRecordLine]]) -> Iterator[bytes]:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    side = "SANDBOX" if shared.environment.name == "sandbox" else shared.environment.name
    for number, (delta, view) in enumerate(rows, 1):
        writer.writerow(map(harmless, _cells(side, delta, view)))
        if number % ROWS == 0:
            yield buffer.getvalue().encode()
            buffer.seek(0)
            buffer.truncate()
    yield buffer.getvalue().encode()


def _cells(side: str, delta: Delta, view: SharedRecordLine) -> list[str]:
    metadata = parse_context(delta.context).get("metadata") if delta.context is not None else None
    own = {
        "environment": side,
        "delta": amount_text(delta.delta),
        "metadata": metadata,
        "adjusts": delta.adjusts,
        "latePosting": "true" if view["latePosting"] else "false",
    }
    values = (own[name] if name in own else view.get(name) for name in COLUMNS)
    return ["" if value is None else str(value) for value in values]


# ---------------------------------------------------------------- JSON


def _json(shared: Shared, fingerprint: str, rows: Iterator[tuple[Delta, SharedRecordLine]]) -> Iterator[bytes]:
    head = {
        "environment": shared.environment.name,
        "customerId": shared.customer.customer_id,
        "unit": shared.customer.unit,
        "keyFingerprint": fingerprint,
        "exportedAt": instant_text(now_us()),
    }
    yield msgspec.json.encode(head)[:-1] + b',"records":['
    pieces: list[bytes] = []
    for number, (_, view) in enumerate(rows):
        pieces.append((b"," if number else b"") + msgspec.json.encode(view))
        if len(pieces) == ROWS:
            yield b"".join(pieces)
            pieces.clear()
    yield b"".join(pieces) + b"]}"


# ---------------------------------------------------------------- receipt files


class _Sink(io.RawIOBase):
    """Collects the bytes of a ZIP archive."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: ReadableBuffer) -> int:
        piece = bytes(data)
        self._pieces.append(piece)
        return len(piece)

    def take(self) -> bytes:
        taken = b"".join(self._pieces)
        self._pieces.clear()
        return taken


def _bundle(context: Context, snapshot: Snapshot, shared: Shared, period: str | None) -> Iterator[bytes]:
    """A ZIP archive: a receipt file for each month in the log, the verifier keys, and instructions."""
    customer, log = shared.customer, log_in_use(snapshot, shared.customer)
    reason = context.integrator.refusals.get(customer.environment_id)
    heads = snapshot.heads(customer, period or "", period or LAST_PERIOD)
    files: dict[str, Iterator[bytes]] = {}
    left_out: list[str] = []
    for head in heads:
        try:
            files[f"{head.period}.json"] = month_file(context.storage, snapshot, customer, head.period, reason)
        except ServiceError:
            left_out.append(head.period)
    if not files:
        raise unavailable("no month is in the log yet; ask again" if heads else "nothing is recorded yet")
    key = verifier_key(context.signer, log)
    sandbox = shared.environment.name == "sandbox"
    readme = README.format(
        warning="SANDBOX: a test, not a bill.\n\n" if sandbox else "",
        customer=customer.customer_id,
        at=instant_text(now_us()),
        fingerprint=key.fingerprint,
        files=" ".join(files),
        allowed="" if all(head.closed for head in heads) else " --allow-provisional",
        left_out=f"\nMonths left out because they are not in the log yet: {', '.join(left_out)}\n" if left_out else "",
    )
    texts = {"README.txt": readme, "trust.txt": trust_file(snapshot, log)}
    return _zip({name: iter([text.encode()]) for name, text in texts.items()} | files)


def _zip(files: dict[str, Iterator[bytes]]) -> Iterator[bytes]:
    sink = _Sink()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, pieces in files.items():
            with archive.open(zipfile.ZipInfo(name, time.gmtime()[:6]), "w") as entry:
                for piece in pieces:
                    entry.write(piece)
                    if taken := sink.take():
                        yield taken
    yield sink.take()
