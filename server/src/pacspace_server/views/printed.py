"""A receipt as a document: strings, as the page and the PDF print them."""

from typing import TypedDict

from .shapes import DocumentLinks


class Printed(TypedDict):
    """An amount or an instant: as the reader writes it, and exactly."""

    text: str
    exact: str


class Row(TypedDict):
    """One line of an account. `strong`: the total."""

    label: str
    amount: Printed
    count: str
    strong: bool


class Line(TypedDict):
    """One delta."""

    number: str
    posted: Printed
    reason: str
    reference: str | None
    amount: Printed
    recordId: str


class MarkedLine(Line):
    """A delta in the list of all: a late one and a correction say so."""

    mark: str | None


class LateLine(Line):
    """A late delta, and the month it is for."""

    belongs: str | None


class CorrectionLine(LateLine):
    """A delta that corrects an earlier one: in words, and by its recordId."""

    corrects: str | None
    adjusts: str | None


class Section(TypedDict):
    """What the lines of a section add up to. `more`: how many of them are not printed."""

    subtotal: Printed
    count: str
    more: str | None


class LateSection(Section):
    """Late lines."""

    rows: list[LateLine]


class CorrectionSection(Section):
    """Corrections."""

    rows: list[CorrectionLine]


class Lines(TypedDict):
    """All lines. `withheld`: why none of them is printed."""

    rows: list[MarkedLine]
    more: str | None
    withheld: str | None


class Checking(TypedDict):
    """How to check the receipt: an address, the same as a QR code (SVG), commands."""

    url: str
    qr: str
    commands: list[str]


class Head(TypedDict):
    """What a document says first."""

    title: str
    paper: str
    vendor: str | None
    customer: str
    customerId: str
    sandbox: bool
    locked: bool
    says: list[str]
    unit: str | None
    total: Printed
    records: str
    first: Printed | None
    last: Printed | None
    zone: str
    generated: Printed
    fingerprint: str
    receiptId: str


class Account(TypedDict):
    """The total: carried through the account, by kind, by reason."""

    account: list[Row]
    kinds: list[Row]
    reasons: list[Row]


class LinesApart(TypedDict):
    """The lines that are printed apart."""

    late: LateSection
    corrections: CorrectionSection


class PrintedDocument(Head, Account, LinesApart):
    """Everything that a document says. `facts` and `proof` are pairs of label and value."""

    lines: Lines
    facts: list[list[str]]
    proof: list[list[str]]
    checking: Checking
    proves: str
    links: DocumentLinks
