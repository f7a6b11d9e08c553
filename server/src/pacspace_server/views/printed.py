"""A receipt as a document: the strings on the page and the PDF."""

from typing import TypedDict

from .shapes import DocumentLinks


class Printed(TypedDict):
    """An amount or an instant, in the reader's notation and in canonical form."""

    text: str
    exact: str


class Row(TypedDict):
    """One line of a table. `strong` marks the total."""

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
    """A delta in the list of all, marked if it is late or a correction."""

    mark: str | None


class LateLine(Line):
    """A late delta and its own month."""

    belongs: str | None


class CorrectionLine(LateLine):
    """A correction, and the delta it corrects: in words, and by recordId."""

    corrects: str | None
    adjusts: str | None


class Section(TypedDict):
    """The subtotal of a section. `more` tells how many lines are not printed."""

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
    """All lines. `withheld` tells why they are not printed."""

    rows: list[MarkedLine]
    more: str | None
    withheld: str | None


class Checking(TypedDict):
    """How to verify the receipt: a URL, its QR code (SVG), and commands."""

    url: str
    qr: str
    commands: list[str]


class Head(TypedDict):
    """The head of a document."""

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
    """The tables: the account, the total by kind, the total by reason."""

    account: list[Row]
    kinds: list[Row]
    reasons: list[Row]


class LinesApart(TypedDict):
    """Late lines and corrections, in separate sections."""

    late: LateSection
    corrections: CorrectionSection


class PrintedDocument(Head, Account, LinesApart):
    """All texts of a document. `facts` and `proof` are pairs of label and value."""

    lines: Lines
    facts: list[list[str]]
    proof: list[list[str]]
    checking: Checking
    proves: str
    links: DocumentLinks
