"""Receipt documents and receipt files, by receiptId."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import ValidationError
from ..options import pick, read_options
from ..protocol import Call, Core, Operation, balance_path, call, path_of
from ..types import (
    DownloadOptions,
    ListedReceipt,
    PageOptions,
    ReceiptDocument,
    ReceiptDocumentOptions,
)

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ..types import DownloadKeywords, PageKeywords, ReceiptDocumentKeywords

FORMATS = ("json", "pdf", "csv")
SHOWN = ("locale", "timezone", "unit", "customerDisplayName")


def list_receipts(
    core: Core, customer_id: str, options: PageOptions | None = None, **keywords: Unpack[PageKeywords]
) -> Operation[list[ListedReceipt]]:
    """The receipts of a customer, newest first."""
    given = read_options(PageOptions, options, keywords)
    query = pick(given, "limit", "offset")
    found = yield from call(core, Call("GET", balance_path("customers", customer_id, "receipts"), query, options=given))
    documents: list[ListedReceipt] = found["receipts"] if isinstance(found, dict) else found
    return documents


def get(
    core: Core,
    receipt_id: str,
    options: ReceiptDocumentOptions | None = None,
    **keywords: Unpack[ReceiptDocumentKeywords],
) -> Operation[ReceiptDocument]:
    """One receipt (`chk_...`) as a document: what a person reads, with links."""
    given = read_options(ReceiptDocumentOptions, options, keywords)
    return call(core, Call("GET", balance_path("receipts", receipt_id), _query(given, *SHOWN), options=given))


def download(
    core: Core, receipt_id: str, options: DownloadOptions | None = None, **keywords: Unpack[DownloadKeywords]
) -> Operation[bytes]:
    """The receipt file (JSON): everything needed to verify it. Keep it with the invoice.

    `format="pdf"` is the document for people, `format="csv"` has one line per delta.
    """
    given = read_options(DownloadOptions, options, keywords)
    form = given.get("format") or "json"
    if form not in FORMATS:
        raise ValidationError(f"format must be one of {', '.join(FORMATS)}, is {form!r}")
    query = _query(given, *SHOWN)
    if form != "pdf" and query:
        raise ValidationError(f"{', '.join(query)} is only for format='pdf'; {form} is always the same")
    return call(core, Call("GET", path_of("receipts", f"{receipt_id}.{form}"), query, given, public=True, raw=True))


def _query(given: dict[str, Any], *names: str) -> dict[str, Any]:
    """Flags in the API's query form."""
    return {
        name: str(value).lower() if isinstance(value, bool) else value for name, value in pick(given, *names).items()
    }
