"""A receipt in its four forms, each read by a library that is not ours."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import dataclass, field
from decimal import Decimal
from html.parser import HTMLParser
from typing import Any

import pypdf

from .receipts import accept
from .server import Client

SPACES = re.compile(r"[\s\u00a0\u202f\u2009]+")
EMPTY = ("meta", "link", "img", "br", "wbr", "hr", "input")


def condensed(text: str) -> str:
    """Text without spaces: PDFs have no lines."""
    return SPACES.sub("", text)


class PageReader(HTMLParser):
    """What a page shows: its text, its amounts (canonical and as written) in order, its elements."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.text, self.amounts, self.elements = (
            "",
            list[tuple[Decimal, str]](),
            list[tuple[str, dict[str, str | None]]](),
        )
        self._value: str | None = None
        self.records: list[Decimal] = []
        self._section = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        self.elements.append((tag, given))
        if tag == "section":
            self._section = given.get("aria-labelledby") or ""
        if tag == "data":
            self._value = given["value"]
        self.text += "" if tag in ("wbr", "bdi", "data") else " "

    def handle_data(self, data: str) -> None:
        self.text += data
        if self._value is not None:
            self.amounts.append((Decimal(self._value), data))
            if self._section == "records":
                self.records.append(Decimal(self._value))
            self._value = None


@dataclass
class Forms:
    """One receipt as page, PDF, CSV, JSON document and verified file."""

    page: PageReader
    pdf: str
    pages: list[str]
    pdf_title: str
    csv: list[dict[str, str]]
    document: Any
    bundle: bytes
    facts: list[dict[str, Any]]
    names: list[str] = field(default_factory=list)

    def text(self, form: str) -> str:
        """All that a form says."""
        if form == "csv":
            return "\n".join(" ".join(row.values()) for row in self.csv)
        return {"page": self.page.text, "pdf": self.pdf, "json": json.dumps(self.document, default=str)}[form]


def forms_of(client: Client, receipt_id: str, result: str, **asked: str) -> Forms:
    """All forms of a receipt; the file of a month must verify with this result, that of a window has none."""
    bundle = client.bundle(receipt_id)  # waits for the log
    facts = accept(client, result, bundle) if result else []
    page, pdf, table = (
        client.get(f"/receipt/{receipt_id}", **asked),
        client.get(f"/receipts/{receipt_id}.pdf", **asked),
        client.get(f"/receipts/{receipt_id}.csv"),
    )
    assert [reply.status for reply in (page, pdf, table)] == [200] * 3, (page.body, pdf.body[:500], table.body[:500])
    read = pypdf.PdfReader(io.BytesIO(pdf.body))
    pages = [one.extract_text() for one in read.pages]
    return Forms(
        PageReader(page.body.decode()), "\n".join(pages), pages, str((read.metadata or {}).get("/Title")), rows_of(table.body),
        client.get(f"/api/v1/receipt/{receipt_id}", **asked).data, bundle, facts,
        [reply.headers["content-disposition"] for reply in (pdf, table)],
    )  # fmt: skip


def rows_of(body: bytes) -> list[dict[str, str]]:
    assert body.startswith(b"\xef\xbb\xbf") and body.endswith(b"\r\n")
    return list(csv.DictReader(io.StringIO(body.decode("utf-8-sig"), newline="")))


def leaves(bundle: bytes) -> list[dict[str, Any]]:
    """The delta leaves of a file, of a month or of a window's months; those that a window takes."""
    value = json.loads(bundle)
    months = value.get("receipts", [value])
    start, end = value.get("startDate", ""), value.get("endDate", "~")
    found = [item["leaf"] for month in months for item in month["leaves"]]
    return [leaf for leaf in found if leaf["schema"] == "pacspace.delta.v1" and start <= leaf["postedAt"] < end]
