"""Documents without HTTP: who is shown what, sums that must be right, words that are exact, cells that run nothing."""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal
from typing import Any

import pytest
from babel.numbers import parse_decimal
from testkit.inside.book import SANDBOX, Book
from testkit.inside.engines import BOTH

from pacspace_server.domain.amounts import amount_text, units
from pacspace_server.domain.instants import parse_instant
from pacspace_server.http.refusals import status_of
from pacspace_server.service.base.context import Caller, Context
from pacspace_server.service.base.csv_lines import csv_chunks, harmless
from pacspace_server.service.base.errors import ServiceError
from pacspace_server.service.base.server_secret import ServerSecret
from pacspace_server.service.receipts import access as receipt_access
from pacspace_server.service.receipts import documents
from pacspace_server.service.receipts import lines as receipt_csv
from pacspace_server.service.receipts import pdf as document_pdf
from pacspace_server.service.receipts.access import Reader
from pacspace_server.service.receipts.documents import CREDIT_NOTE, DEBIT_NOTE, RECEIPT, Presentation, read_document
from pacspace_server.service.receipts.printed import printed, title_of
from pacspace_server.service.receipts.reader_words import Words, locales
from pacspace_server.storage.model.protocols import Damaged

NOBODY = Reader()
NANO = units("0.000000001")


def context_of(book: Book) -> Context:
    nothing: Any = None
    return Context(
        book.storage, nothing, book.integrator, book.signer, ServerSecret(book.signer.folder), "https://vendor.example"
    )


def billed(book: Book) -> str:
    """A locked March of an ordinary line, a late one and a correction; its receiptId."""
    book.at("2026-02-10T09:00:00Z")
    wrong = book.emit("cust_a", units("-500"), reference="secret-reference-1", reason="secret reason")
    book.at("2026-03-03T09:00:00Z")
    book.lock("cust_a", "2026-02")
    book.emit(
        "cust_a",
        units("-7.25"),
        occurred_at="2026-02-11T00:00:00Z",
        reason="secret reason",
        reference="secret-reference-2",
    )
    book.emit("cust_a", units("-100"), reason="secret reason")
    book.emit("cust_a", units("450"), reason="secret reason", adjusts=wrong.delta.record_id)
    locked = book.lock("cust_a", "2026-03")
    book.integrate()
    return locked.checkpoint.checkpoint_id


@BOTH
def test_each_line_is_in_one_group(book: Book) -> None:
    """Ordinary, late and correcting lines add up to the total, and a correction names number, month and reference."""
    document = read_document(context_of(book), billed(book), Presentation(), NOBODY)
    sums = document.sums
    groups = [(g.count, amount_text(g.total)) for g in (sums.ordinary, sums.late_lines, sums.correcting)]
    assert groups == [(1, "-100"), (1, "-7.25"), (1, "450")] and document.kind == RECEIPT
    (corrected,) = document.corrected.values()
    assert (corrected.sequence, corrected.period, corrected.reference) == (1, "2026-02", "secret-reference-1")
    assert document.brought_forward == units("-500") and document.carried_forward == units("-157.25")


@BOTH
def test_a_reader_without_the_lines_sees_totals(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the access rule says no, page, PDF and JSON have totals and nothing of a line, and the CSV is refused."""
    receipt, context = billed(book), context_of(book)
    for room in (documents, receipt_csv, receipt_access):
        monkeypatch.setattr(room, "may_read_lines", lambda *_: False)
    shown = json.dumps(printed(read_document(context, receipt, Presentation(), NOBODY), Presentation()))
    view = documents.document_view(context, receipt, Presentation(), NOBODY, lambda document: "title")
    assert view["linesWithheld"] and view["deltas"] == view["subtotals"] == view["corrections"] == []
    for text in (shown, str(view)):
        assert "secret" not in text and "rec_" not in text
    assert '"exact": "342.75"' in shown and "access code" in shown
    with pytest.raises(ServiceError) as refused:
        receipt_csv.receipt_csv(context, receipt, NOBODY)
    with book.storage.snapshot() as snapshot, pytest.raises(ServiceError):
        receipt_access.require_lines(context, snapshot, receipt, NOBODY)
    assert (status_of(refused.value), refused.value.code) == (403, "FORBIDDEN")


@BOTH
def test_another_environment_has_no_such_receipt(book: Book) -> None:
    """A key of the other environment gets the same 404 as for a receipt that there is not."""
    caller = Caller(SANDBOX + 1, "production", book.workspace, ("read",))
    for receipt, reader in ((billed(book), Reader(caller)), ("chk_" + "0" * 56, NOBODY)):
        with pytest.raises(ServiceError) as refused:
            read_document(context_of(book), receipt, Presentation(), reader)
        assert refused.value.code == "RECEIPT_NOT_FOUND"


def test_a_document_that_does_not_add_up_is_not_made(book: Book) -> None:
    """A stored amount that was changed makes the receipt a 503, in the page, the PDF and the JSON alike."""
    import apsw

    receipt = billed(book)
    connection = apsw.Connection(str(book.path))
    connection.execute("DROP TRIGGER IF EXISTS delta_is_append_only")
    connection.execute("UPDATE delta SET delta = delta - 1 WHERE sequence = 3")
    connection.close()
    with pytest.raises(Damaged):
        read_document(context_of(book), receipt, Presentation(), NOBODY)


@pytest.mark.parametrize(("amounts", "kind", "title"), [
    (["5"], CREDIT_NOTE, "Credit note for February 2026"), (["5", "-5"], CREDIT_NOTE, "Credit note for February 2026"),
    (["-5"], DEBIT_NOTE, "Debit note for February 2026"), ([], RECEIPT, "Receipt for March 2026"),
])  # fmt: skip
def test_what_a_receipt_is_called(book: Book, amounts: list[str], kind: str, title: str) -> None:
    """Nothing but corrections is a credit note, below zero a debit note, of the month they correct; an empty month is a receipt."""
    book.at("2026-02-10T09:00:00Z")
    wrong = book.emit("cust_a", units("-500"))
    book.lock("cust_a", "2026-02")
    book.at("2026-03-10T09:00:00Z")
    for text in amounts:
        book.emit("cust_a", units(text), adjusts=wrong.delta.record_id)
    receipt = book.lock("cust_a", "2026-03").checkpoint.checkpoint_id
    document = read_document(context_of(book), receipt, Presentation(), NOBODY)
    assert (document.kind, title_of(document, Words("en-US", "UTC"))) == (kind, title)


@pytest.mark.parametrize(
    "tag", ["en-US", "de-DE", "fr-FR", "hi-IN", "sv-SE", "es", "pt-PT", "de-CH", "ja-JP", "pl", "ar-EG"]
)
def test_amounts_are_exact_in_every_language(tag: str) -> None:
    """The longest total, the smallest amount and zero are written with every digit, and read back as they were."""
    for digits, value in (
        (9, 10**38 + NANO),
        (9, -NANO),
        (9, units("-1234567.1")),
        (0, units("1234")),
        (2, units("0.5")),
        (2, NANO),
        (0, 0),
    ):
        written = Words(tag, "UTC", digits).amount(value).replace("\u200e", "").replace("\u061c", "")
        assert parse_decimal(written, tag.replace("-", "_")) == Decimal(amount_text(value)), written


def test_every_language_writes_something() -> None:
    """Each tag that is offered writes an amount, a month, an instant and a window."""
    for tag in locales():
        words = Words(tag, "Asia/Kolkata", 2)
        for text in (
            words.amount(units("-1.5")),
            words.month("2026-02"),
            words.instant(0),
            words.window(0, 5),
            words.count(7),
        ):
            assert text


def test_the_ends_of_time_are_written() -> None:
    """The first and the last instant are written in zones in which they lie outside the calendar."""
    last = parse_instant("9999-12-31T23:59:59.999999Z")
    assert "9999" in Words("en-GB", "Pacific/Kiritimati").instant(last)
    assert "1969" in Words("en-GB", "America/Los_Angeles").instant(0)
    assert Words("en-GB", "UTC").window(0, last + 1).endswith("31 December 9999")


@pytest.mark.parametrize(("cell", "written"), [
    ("=1+1", "'=1+1"), ("+1", "'+1"), ("-x", "'-x"), ("-1.5", "-1.5"), ("-1e5", "'-1e5"), ("-", "'-"), ("@a", "'@a"), ("\ta", "'\ta"),
    ("\ra", "'\ra"), ("\na", "'\na"), ("\uff1d1", "'\uff1d1"), ("a=1", "a=1"), ("", ""), ("'=1", "'=1"), ("{}", "{}"), ("12", "12"),
])  # fmt: skip
def test_cells_that_would_run_are_made_harmless(cell: str, written: str) -> None:
    """What a spreadsheet might take for a formula gets an apostrophe; a plain number and all else stays."""
    assert harmless(cell) == written


def test_a_csv_is_bounded_pieces() -> None:
    """A long file comes in pieces, with one byte order mark, CRLF lines, and quotes where they are needed."""
    pieces = list(csv_chunks(["a", "b"], ([str(n), 'x,"y"'] for n in range(20_000))))
    whole = b"".join(pieces)
    assert len(pieces) > 3 and whole.startswith(b"\xef\xbb\xbfa,b\r\n0,") and whole.count(b"\xef\xbb\xbf") == 1
    assert whole.endswith(b'19999,"x,""y"""\r\n') and whole.count(b"\r\n") == 20_001


def test_without_the_typesetter_a_pdf_is_refused_in_words(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server without the extra answers 503 and says what to install."""
    monkeypatch.setattr(document_pdf, "find_spec", lambda name: None)
    maker = document_pdf.PdfMaker(context_of(book))
    with pytest.raises(ServiceError, match=r"pacspace-server\[pdf\]") as refused:
        asyncio.run(maker.receipt(billed(book), Presentation(), NOBODY))
    assert status_of(refused.value) == 503
