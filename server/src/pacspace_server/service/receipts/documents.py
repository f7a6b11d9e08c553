"""A receipt as a document: the model behind the page, the PDF and the JSON."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from pacspace_proofs.record import slot_fingerprint

from ...clock import now_us
from ...domain.enumerations import CheckpointStatus, Environment
from ...domain.scopes import Scope
from ...storage.model import ids
from ...storage.model.protocols import Snapshot
from ...storage.model.records import Checkpoint, Customer, Delta
from ...views.receipts import Kind, Receipt, ReceiptDocument, ReceiptProof
from ...views.shapes import DocumentLinks
from ..balances.sums import Sums, group_view
from ..base import showing
from ..base.context import Context
from ..base.errors import ServiceError, invalid
from ..base.lookup import log_in_use, log_of, verifier_key
from ..base.vendor import vendor_name
from ..closing.checkpoint import checkpoint_status, refuse_damaged
from ..closing.leaves import heads_of
from .access import Reader, find_receipt, may_read_lines
from .reader_words import is_locale, locales, near, zones
from .receipt import MAX_DELTAS, checkpoint_deltas, document_links, receipt_view

RECEIPT: Final = "receipt"
CREDIT_NOTE: Final = "creditNote"
DEBIT_NOTE: Final = "debitNote"
PAGE_PARAMETERS = ("locale", "timezone", "unit")
MAX_UNIT_CHARS = 40


@dataclass(frozen=True)
class Presentation:
    """A reader's preferences: language tag, IANA time zone, unit of the amounts, and whether to show a name."""

    locale: str = "en-US"
    timezone: str = "UTC"
    unit: str | None = None
    display_name: bool = True


def presentation(given: Mapping[str, str]) -> Presentation:
    """The preferences in a page's query. A plain 400 names invalid values, and similar valid ones."""
    problems = [(name, "is not a parameter of this page") for name in given if name not in PAGE_PARAMETERS]
    locale, zone, unit = given.get("locale", "en-US"), given.get("timezone", "UTC"), given.get("unit")
    if not is_locale(locale):
        problems.append(("locale", f"must be a language tag such as en-US or de-DE{near(locale[:35], locales())}"))
    if zone not in zones():
        problems.append(("timezone", f"must be an IANA time zone such as Europe/Berlin{near(zone[:64], zones())}"))
    if unit is not None and not 0 < len(unit) <= MAX_UNIT_CHARS:
        problems.append(("unit", f"must have 1 to {MAX_UNIT_CHARS} characters"))
    if problems:
        raise invalid(*problems)
    return Presentation(locale, zone, unit)


@dataclass(frozen=True)
class Corrected:
    """A corrected delta: its sequence, its month, and its reference unless erased."""

    sequence: int
    period: str
    reference: str | None


@dataclass(frozen=True)
class Document:
    """One receipt. Amounts are units of 10^-9, instants microseconds; `corrected` is by recordId."""

    checkpoint: Checkpoint
    customer: Customer
    environment: Environment
    vendor: str | None
    customer_name: str | None
    unit: str | None
    sums: Sums
    corrected: dict[str, Corrected]
    shows_lines: bool
    status: CheckpointStatus
    has_grown: bool
    origin: str
    log_size: int
    verifier_key: str
    fingerprint: str
    slot_fingerprint: str
    verify_url: str
    commands: list[str]
    links: DocumentLinks
    generated_at: int

    @property
    def kind(self) -> Kind:
        """A receipt of corrections only is a credit note, or a debit note if their total is negative."""
        if self.sums.count == 0 or self.sums.correcting.count < self.sums.count:
            return RECEIPT
        return CREDIT_NOTE if self.sums.total >= 0 else DEBIT_NOTE

    @property
    def corrected_periods(self) -> list[str]:
        """The corrected months, in order; empty if there are more corrections than `sums` keeps."""
        if len(self.sums.corrections) < self.sums.correcting.count:
            return []
        return sorted({corrected.period for corrected in self.corrected.values()})

    @property
    def brought_forward(self) -> int:
        return self.checkpoint.brought_forward

    @property
    def carried_forward(self) -> int:
        return self.checkpoint.brought_forward + self.checkpoint.net_change


def read_document(
    context: Context, receipt_id: str, wanted: Presentation, reader: Reader, most_lines: int = MAX_DELTAS
) -> Document:
    """The document of a receiptId, with its first lines.

    404 RECEIPT_NOT_FOUND; 503 RECORD_DAMAGED if the stored deltas do not add up to the issued total.
    """
    with context.storage.snapshot() as snapshot:
        checkpoint, customer = find_receipt(context, snapshot, receipt_id, reader)
        return _document(context, snapshot, checkpoint, customer, wanted, reader, most_lines)


def _document(
    context: Context,
    snapshot: Snapshot,
    checkpoint: Checkpoint,
    customer: Customer,
    wanted: Presentation,
    reader: Reader,
    most_lines: int,
) -> Document:
    heads = heads_of(snapshot, checkpoint)
    refuse_damaged(heads)
    sums = Sums.of(checkpoint_deltas(snapshot, heads, checkpoint), most_lines)
    _refuse_other_sums(checkpoint, sums)
    environment = snapshot.environment(customer.environment_id)
    log = log_of(snapshot, heads[-1]) if heads else log_in_use(snapshot, customer)
    key = verifier_key(context.signer, log)
    profile = snapshot.profile(customer) if wanted.display_name else None
    return Document(
        checkpoint=checkpoint,
        customer=customer,
        environment=environment.name,
        vendor=vendor_name(snapshot, environment),
        customer_name=profile.display_name if profile else None,
        unit=customer.unit or wanted.unit,
        sums=sums,
        corrected=_corrected(snapshot, customer, sums.corrections),
        shows_lines=may_read_lines(context, snapshot, customer, checkpoint, reader),
        status=checkpoint_status(snapshot, checkpoint),
        has_grown=any(head.size > part.size for head, part in zip(heads, checkpoint.parts)),
        origin=log.origin,
        log_size=log.published_size,
        verifier_key=str(key),
        fingerprint=key.fingerprint,
        slot_fingerprint=slot_fingerprint(customer.slot_key),
        verify_url=f"{context.public_url}/verify/{showing.hash_text(checkpoint.proof_root)}",
        commands=commands(context, checkpoint, str(key)),
        links=document_links(context, checkpoint),
        generated_at=now_us(),
    )


def _refuse_other_sums(checkpoint: Checkpoint, sums: Sums) -> None:
    """503 RECORD_DAMAGED for a document that does not add up."""
    if (sums.count, sums.total) != (checkpoint.delta_count, checkpoint.net_change):
        message = "the stored deltas do not add up to the total of this receipt when it was issued; run fsck"
        raise ServiceError("RECORD_DAMAGED", message)


def _corrected(snapshot: Snapshot, customer: Customer, corrections: Iterable[Delta]) -> dict[str, Corrected]:
    found: dict[str, Corrected] = {}
    for record_id in {delta.adjusts for delta in corrections}:
        match = ids.RECORD_ID.fullmatch(record_id or "")
        delta = snapshot.delta_at(customer, int(match[2], 16)) if match else None
        if record_id is not None and delta is not None:
            reference = showing.context_fields(delta)["referenceId"]
            found[record_id] = Corrected(delta.sequence, delta.period, reference)
    return found


def commands(context: Context, checkpoint: Checkpoint, key: str) -> list[str]:
    """The commands that verify the receipt offline: save the file, recompute it."""
    url = f"{context.public_url}/receipts/{checkpoint.checkpoint_id}.json"
    allowed = "" if checkpoint.locked else " --allow-provisional"
    return [
        f"curl -o receipt.json {shlex.quote(url)}",
        f"python -m pacspace_proofs receipt.json --key '{key}'{allowed}",
    ]


def document_view(
    context: Context, receipt_id: str, wanted: Presentation, reader: Reader, title_of: Callable[[Document], str]
) -> ReceiptDocument:
    """The document as JSON: the receipt with the document's extra fields, in canonical amounts and instants."""
    with context.storage.snapshot() as snapshot:
        checkpoint, customer = find_receipt(context, snapshot, receipt_id, reader)
        document = _document(context, snapshot, checkpoint, customer, wanted, reader, MAX_DELTAS)
        scope = Scope("period", checkpoint.period or "")
        is_vendor = reader.caller is not None
        view = receipt_view(context, snapshot, customer, scope, checkpoint, document.sums, with_link=is_vendor)
    shown = view if document.shows_lines else _without_lines(view)
    return {
        **shown,
        "title": title_of(document),
        "kind": document.kind,
        "correctedPeriods": document.corrected_periods,
        "vendorName": document.vendor,
        "unit": document.unit,
        "customerDisplayName": document.customer_name,
        "parts": {
            "ordinary": group_view(document.sums.ordinary),
            "late": group_view(document.sums.late_lines),
            "corrections": group_view(document.sums.correcting),
        },
        "linesWithheld": not document.shows_lines,
        "slotFingerprint": document.slot_fingerprint,
        "commands": document.commands,
        "locale": wanted.locale,
        "timezone": wanted.timezone,
        "links": document.links,
    }


def _without_lines(view: Receipt) -> Receipt:
    """The totals alone."""
    proof: ReceiptProof = {**view["verification"], "itemHashes": []}
    return {
        **view,
        "subtotals": [],
        "lateLines": [],
        "corrections": [],
        "deltas": [],
        "otherReasons": None,
        "verification": proof,
    }
