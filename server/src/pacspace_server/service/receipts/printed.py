"""A document in a reader's language: strings, which the page and the PDF only lay out."""

from __future__ import annotations

import io

from pacspace_proofs.command import printable

from ...domain.amounts import amount_text
from ...domain.instants import instant_text
from ...storage.model.records import Delta
from ...views.printed import (
    Account,
    Checking,
    CorrectionLine,
    Head,
    LateLine,
    Line,
    Lines,
    LinesApart,
    MarkedLine,
    Printed,
    PrintedDocument,
    Row,
    Section,
)
from ..balances.sums import Group, happened
from ..base import showing
from .documents import CREDIT_NOTE, RECEIPT, Document, Presentation
from .reader_words import Words

ERASED = "(erased)"
PROVES = (
    "A verified receipt file proves that the vendor recorded each amount once, never rewrote it, and showed everyone "
    "the same record: two receipts that contradict each other are evidence that anyone can check. It does not prove "
    "that the vendor\u2019s meter was right, and every time shown here is the vendor\u2019s word. This document is a "
    "copy for reading: the proof is in the receipt file."
)
LOCKED = "The month is locked: it can\u2019t change any more."
OPEN = (
    "The month is not locked yet: new deltas can be recorded, and change the total. A bill should use a locked month."
)
WINDOW = "A window of time is never locked; the months it touches are."
GROWN = "The record has grown since this receipt; a newer receipt has more deltas."
QUEUED = "Locked. The published log normally includes the lock within a second."


def title_of(document: Document, words: Words) -> str:
    """Receipt for February 2026; for corrections only: Credit note for the corrected months."""
    if document.kind == RECEIPT:
        return f"Receipt for {span_of(document, words)}"
    name = "Credit note" if document.kind == CREDIT_NOTE else "Debit note"
    return f"{name} for {words.months(document.corrected_periods) or span_of(document, words)}"


def span_of(document: Document, words: Words) -> str:
    """The month, or the window, in words."""
    checkpoint = document.checkpoint
    if checkpoint.start is None or checkpoint.end is None:
        return words.month(checkpoint.period or checkpoint.parts[0].period)
    return words.window(checkpoint.start, checkpoint.end)


def printed(document: Document, wanted: Presentation) -> PrintedDocument:
    """All texts of a document."""
    words = Words(wanted.locale, wanted.timezone, document.sums.digits)
    return _Printer(document, words).all()


class _Printer:
    def __init__(self, document: Document, words: Words) -> None:
        self._document, self._words = document, words

    def all(self) -> PrintedDocument:
        return {
            **self._head(),
            **self._account(),
            **self._apart(),
            "lines": self._lines(),
            "facts": self._facts(),
            "proof": self._proof(),
            "checking": self._checking(),
            "proves": PROVES,
            "links": self._document.links,
        }

    def _head(self) -> Head:
        document, words = self._document, self._words
        checkpoint, customer = document.checkpoint, document.customer
        name = document.customer_name
        return {
            "title": title_of(document, words),
            "paper": words.paper,
            "vendor": printable(document.vendor) if document.vendor else None,
            "customer": printable(name) if name else customer.customer_id,
            "customerId": customer.customer_id,
            "sandbox": document.environment == "sandbox",
            "locked": checkpoint.locked,
            "says": self._says(),
            "unit": printable(document.unit) if document.unit else None,
            "total": self._amount(checkpoint.net_change),
            "records": self._records(document.sums.count),
            "first": self._instant_if_any(checkpoint.first_recorded_at),
            "last": self._instant_if_any(checkpoint.last_recorded_at),
            "zone": words.zone_name,
            "generated": self._instant(document.generated_at),
            "fingerprint": document.fingerprint,
            "receiptId": checkpoint.checkpoint_id,
        }

    def _says(self) -> list[str]:
        checkpoint, document = self._document.checkpoint, self._document
        says = [LOCKED if checkpoint.locked else OPEN if checkpoint.start is None else WINDOW]
        if document.status == showing.QUEUED:
            says.append(QUEUED)
        return [*says, GROWN] if document.has_grown and not checkpoint.locked else says

    def _account(self) -> Account:
        """The account from brought forward to carried forward; the total by kind and by reason."""
        document, sums = self._document, self._document.sums
        account: list[Row] = [
            self._row("Brought forward", document.brought_forward),
            self._row("Debits (amounts below zero)", sums.debits.total, sums.debits.count),
            self._row("Credits (amounts above zero)", sums.credits.total, sums.credits.count),
            {**self._row("Total of this receipt", sums.total, sums.count), "strong": True},
            self._row("Carried forward", document.carried_forward),
        ]
        kinds = [
            self._group("Recorded for this period", sums.ordinary),
            self._group("Late, for earlier months", sums.late_lines),
            self._group("Corrections", sums.correcting),
        ]
        return {"account": account, "kinds": kinds, "reasons": self._reasons()}

    def _reasons(self) -> list[Row]:
        sums = self._document.sums
        if not self._document.shows_lines:
            return []
        rows = [self._group(ERASED if r is None else printable(r), group) for r, group in sums.reasons()]
        others = sums.other_reasons
        return [*rows, self._group("all other reasons", others)] if others else rows

    def _apart(self) -> LinesApart:
        """Late lines and corrections, each with a subtotal."""
        sums, shows = self._document.sums, self._document.shows_lines
        late = [delta for delta in sums.late if delta.adjusts is None] if shows else []
        corrections = sums.corrections if shows else []
        return {
            "late": {
                "rows": [self._late_line(delta) for delta in late],
                **self._section(sums.late_lines, len(late)),
            },
            "corrections": {
                "rows": [self._correction(delta) for delta in corrections],
                **self._section(sums.correcting, len(corrections)),
            },
        }

    def _section(self, group: Group, printed_count: int) -> Section:
        return {
            "subtotal": self._amount(group.total),
            "count": self._words.count(group.count),
            "more": self._more(group.count - printed_count),
        }

    def _more(self, missing: int) -> str | None:
        """The note about lines that are not printed."""
        if not self._document.shows_lines or missing <= 0:
            return None
        lines = "line" if missing == 1 else "lines"
        return f"{self._words.count(missing)} more {lines}: all are in the CSV and in the receipt file."

    def _late_line(self, delta: Delta) -> LateLine:
        return {**self._line(delta), "belongs": self._belongs(delta)}

    def _belongs(self, delta: Delta) -> str | None:
        if not showing.is_late(delta):
            return None
        at, words = happened(delta), self._words
        return f"for {words.month(instant_text(at)[:7])}, recorded {words.day(delta.recorded_at)}"

    def _correction(self, delta: Delta) -> CorrectionLine:
        return {**self._late_line(delta), "corrects": self._corrects(delta), "adjusts": delta.adjusts}

    def _corrects(self, delta: Delta) -> str | None:
        found = self._document.corrected.get(delta.adjusts or "")
        if found is None:
            return delta.adjusts
        reference = f" ({printable(found.reference)})" if found.reference else ""
        return f"No. {self._words.count(found.sequence)} of {self._words.month(found.period)}{reference}"

    def _lines(self) -> Lines:
        sums = self._document.sums
        shown = sums.lines if self._document.shows_lines else []
        rows: list[MarkedLine] = [{**self._line(delta), "mark": self._mark(delta)} for delta in shown]
        withheld = None
        if not self._document.shows_lines:
            withheld = "The deltas need the access code that the vendor gave to the customer."
        return {"rows": rows, "more": self._more(sums.count - len(shown)), "withheld": withheld}

    def _mark(self, delta: Delta) -> str | None:
        return "correction" if delta.adjusts is not None else "late" if showing.is_late(delta) else None

    def _line(self, delta: Delta) -> Line:
        context = showing.context_fields(delta)
        return {
            "number": self._words.count(delta.sequence),
            "posted": self._instant(delta.posted_at),
            "reason": ERASED if context["reason"] is None else printable(context["reason"]),
            "reference": printable(context["referenceId"]) if context["referenceId"] else None,
            "amount": self._amount(delta.delta),
            "recordId": delta.record_id,
        }

    def _facts(self) -> list[list[str]]:
        document, checkpoint, words = self._document, self._document.checkpoint, self._words
        facts = {
            "Invoice reference": checkpoint.invoice_reference and printable(checkpoint.invoice_reference),
            "Customer id": document.customer.customer_id,
            "Period": self._period(),
            "Unit": document.unit and printable(document.unit),
            "Deltas": words.count(document.sums.count),
            "First delta": self._zoned(checkpoint.first_recorded_at),
            "Last delta": self._zoned(checkpoint.last_recorded_at),
            "Locked" if checkpoint.locked else "State of": self._zoned(checkpoint.created_at),
            "Document created": self._zoned(document.generated_at),
        }
        return [[label, value] for label, value in facts.items() if value]

    def _period(self) -> str:
        span = span_of(self._document, self._words)
        if self._words.zone_name == "UTC":
            return f"{span}, in UTC"
        return f"{span}, in UTC as all periods; times on this document are in {self._words.zone_name}"

    def _zoned(self, at_us: int | None) -> str | None:
        zone = " UTC" if self._words.zone_name == "UTC" else ""
        return None if at_us is None else f"{self._words.instant(at_us)}{zone}"

    def _proof(self) -> list[list[str]]:
        document = self._document
        entries = "entry" if document.log_size == 1 else "entries"
        return [
            ["Receipt id", document.checkpoint.checkpoint_id],
            ["Proof root", f"0x{document.checkpoint.proof_root.hex()}"],
            ["Key fingerprint", document.fingerprint],
            ["Slot fingerprint", document.slot_fingerprint],
            ["Log", f"{document.origin}, {self._words.count(document.log_size)} {entries}"],
        ]

    def _checking(self) -> Checking:
        import segno  # only documents need it

        document = self._document
        code, image = segno.make(document.verify_url, error="m"), io.BytesIO()
        code.save(image, kind="svg", scale=4, border=2, light="#fff", xmldecl=False, svgclass=None, lineclass=None)
        return {"url": document.verify_url, "qr": image.getvalue().decode(), "commands": document.commands}

    def _row(self, label: str, units: int, count: int | None = None) -> Row:
        counted = "" if count is None else self._words.count(count)
        return {"label": label, "amount": self._amount(units), "count": counted, "strong": False}

    def _group(self, label: str, group: Group) -> Row:
        return self._row(label, group.total, group.count)

    def _records(self, count: int) -> str:
        return f"{self._words.count(count)} {'delta' if count == 1 else 'deltas'}"

    def _amount(self, units: int) -> Printed:
        return {"text": self._words.amount(units), "exact": amount_text(units)}

    def _instant(self, at_us: int) -> Printed:
        return {"text": self._words.instant(at_us), "exact": instant_text(at_us)}

    def _instant_if_any(self, at_us: int | None) -> Printed | None:
        return None if at_us is None else self._instant(at_us)
