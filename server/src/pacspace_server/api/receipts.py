"""Receipts of a scope, and receipt documents by id."""

from __future__ import annotations

import asyncio
from typing import Any

from ..http.messages import Call, Reply, success
from ..service.base.context import Caller, Context
from ..service.base.limits import DEFAULT_PAGE
from ..service.receipts import documents as documents_service
from ..service.receipts import receipt as receipt_service
from ..service.receipts.access import Reader
from ..service.receipts.documents import Document, Presentation
from ..service.receipts.printed import title_of
from ..service.receipts.reader_words import Words
from ..service.running import Running
from ..views.receipts import ReceiptDocument
from . import fields
from .fields import Table
from .scope import read_scope

Given = dict[str, Any]

DOCUMENT: Table = {
    "locale": fields.locale(says="A language tag for numbers and dates. Default: en-US."),
    "timezone": fields.timezone(says="An IANA time zone such as America/Los_Angeles. Default: UTC."),
    "unit": fields.text(40, says="The unit of the amounts, if the customer has none."),
    "customerDisplayName": fields.choice("true", "false", says="Whether to show the customer's display name."),
}


def presentation(given: Given) -> Presentation:
    """How to present the receipt."""
    return Presentation(
        given.get("locale", "en-US"),
        given.get("timezone", "UTC"),
        given.get("unit"),
        given.get("customerDisplayName", "true") == "true",
    )


def document_data(context: Context, receipt_id: str, wanted: Presentation, reader: Reader) -> ReceiptDocument:
    """A receipt document as JSON. Reads every delta."""

    def title(document: Document) -> str:
        return title_of(document, Words(wanted.locale, wanted.timezone))

    return documents_service.document_view(context, receipt_id, wanted, reader, title)


async def receipt(running: Running, caller: Caller, call: Call, given: Given) -> Reply:
    """Get the receipt of a scope: totals, proof root, links."""
    scope = await read_scope(running.context, caller, given)
    return success(await receipt_service.receipt(running.context, caller, call.path("customerId"), scope))


async def document(running: Running, caller: Caller, call: Call, given: Given) -> Reply:
    """Get a receipt document by its receiptId (chk_), with formatted numbers and dates."""
    work = (running.context, call.path("receiptId"), presentation(given), Reader(caller))
    return success(await asyncio.to_thread(document_data, *work))


async def receipts(running: Running, caller: Caller, call: Call, given: Given) -> Reply:
    """List a customer's receipts, one per checkpoint, newest first."""
    page = given.get("limit", DEFAULT_PAGE), given.get("offset", 0)
    return success(
        await asyncio.to_thread(receipt_service.list_receipts, running.context, caller, call.path("customerId"), *page)
    )
