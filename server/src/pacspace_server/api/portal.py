"""Shared Records for programs: behind a customer's link, with a cookie once the visitor gave the access code."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import urlsplit

from ..http.cookies import RECORD, cookies_named, set_cookie
from ..http.messages import Call, Reply, iterate_in_thread, success
from ..http.refusals import as_json
from ..service.balances import their_lines
from ..service.base.errors import ServiceError, invalid
from ..service.base.limits import DEFAULT_PAGE, MAX_BATCH_BODY_BYTES
from ..service.portal import comparing as shared_compare
from ..service.portal import exporting as shared_export
from ..service.portal import reading as shared_record
from ..service.sharing import access, remarks, visits
from ..service.sharing.access import DETAIL, SUMMARY, Visitor
from ..service.sharing.links import Shared
from ..storage.model.protocols import Snapshot
from ..views.sharing import SharedComparison, SharedSummary
from . import fields
from .balance import THEIR_RECORD
from .fields import Table
from .public import Public
from .scope import PERIOD

Given = dict[str, Any]

MAX_PAGE, MAX_LIST_CHARS = 200, MAX_BATCH_BODY_BYTES
BODY_TEXT = fields.text(
    remarks.MAX_TEXT_CHARS, *fields.NO_NUL, says="The remark's text; not part of the signed record."
).like("Call 4711 is not ours.")
MONTH: Table = {"period": PERIOD.meaning("A UTC calendar month, YYYY-MM. Default: the current one.")}
_FACTOR = fields.choice("ACCESS_HINT", says="ACCESS_HINT: the code printed beside the link.")
_VALUE = fields.text(40, says="The six characters; case, spaces and dashes don't matter.")
CODE: Table = {
    "factor": fields.required(_FACTOR.like("ACCESS_HINT")),
    "value": fields.required(_VALUE.like("A2B-C3D")),
}
ACTIVITY: Table = {
    "limit": fields.from_query(fields.whole_number(1, MAX_PAGE, says="The page size. Default: 100.")),
    "before": fields.from_query(fields.whole_number(1, 10**12 - 1, says="nextBefore of the previous page.")),
    "period": PERIOD,
    "referenceId": fields.text(255, says="Only the delta with this reference."),
}
EXPORT: Table = {
    "format": fields.choice(
        *shared_export.MEDIA_TYPES,
        says="bundle: a ZIP archive of receipt files that verify on their own. Default: csv.",
    ),
    "period": PERIOD.meaning("A UTC calendar month, YYYY-MM. Default: all months."),
}
COMPARE: Table = {
    **MONTH,
    "theirTotal": fields.balance_amount(says="The customer's total."),
    "theirRecords": fields.items(fields.nested(THEIR_RECORD), their_lines.MAX_LINES, says="The customer's list."),
    "lines": fields.text(
        MAX_LIST_CHARS, says="The list as text: CSV with the columns referenceId and delta, or JSON."
    ).like("referenceId,delta\ncall-1,-100"),
    "turnSigns": fields.flag(says="Whether the customer's amounts have the opposite sign."),
}
NOTE: Table = {
    "text": fields.required(BODY_TEXT),
    "name": fields.text(remarks.MAX_AUTHOR_CHARS, *fields.NO_NUL, says="The author's name."),
    "period": PERIOD.meaning("The month it is about."),
    "recordId": fields.text(64, says="The delta it is about."),
}


async def _enter(public: Public, call: Call, part: str | None) -> tuple[Shared, Visitor]:
    public.limit.take(call.address)
    known = cookies_named(call.header(b"cookie"), RECORD)
    asked = call.path("handle"), known, call.address, call.header(b"user-agent")
    return await access.enter(public.context, *asked, part)


async def need_detail(public: Public, call: Call) -> None:
    """Refuses visitors without access to deltas."""
    await _enter(public, call, DETAIL)


async def verify_code(public: Public, call: Call, given: Given) -> Reply:
    """Give a link's access code. The reply's cookie opens the whole Shared Record for 30 days."""
    shared, visitor = await _enter(public, call, None)
    path = f"{urlsplit(public.context.public_url).path.rstrip('/')}/api/v1/c/{shared.handle}"
    try:
        visitor = await access.give_code(public.context, shared.handle, visitor, given["value"])
    except ServiceError as error:
        if error.code != "ACCESS_CODE_INVALID":
            raise
        public.running.visits.record(shared, visitor, visits.CODE_FAILED)
        reply = as_json(error)
    else:
        reply = success({"verified": True, "expiresInSeconds": access.COOKIE_LIFE_S})
    token = access.visitor_token(public.context, shared, visitor)
    reply.headers["Set-Cookie"] = set_cookie(RECORD, token, access.COOKIE_LIFE_S, public.context.public_url, path)
    return reply


async def summary(public: Public, call: Call, given: Given) -> Reply:
    """Get the totals of a month and of all months, with their proof status."""
    shared, visitor = await _enter(public, call, SUMMARY)
    public.running.visits.record(shared, visitor, visits.VIEWED)

    def work(snapshot: Snapshot) -> SharedSummary:
        return shared_record.summary(public.context, snapshot, shared, visitor, given.get("period"))

    return success(await public.context.look(work))


async def periods(public: Public, call: Call, given: Given) -> Reply:
    """List the months with proof root, receipt, and how to verify each."""
    shared, visitor = await _enter(public, call, DETAIL)
    public.running.visits.record(shared, visitor, visits.VIEWED)
    return success(await public.context.look(lambda snapshot: shared_record.periods(public.context, snapshot, shared)))


async def activity(public: Public, call: Call, given: Given) -> Reply:
    """List deltas with their proof status, newest first."""
    shared, visitor = await _enter(public, call, DETAIL)
    public.running.visits.record(shared, visitor, visits.VIEWED)
    asked = given.get("limit", DEFAULT_PAGE), given.get("before"), given.get("period"), given.get("referenceId")
    page = shared_record.ActivityPage(*asked)
    return success(await public.context.look(lambda snapshot: shared_record.activity(snapshot, shared, page)))


async def export(public: Public, call: Call, given: Given) -> Reply:
    """Export everything recorded for the customer."""
    shared, visitor = await _enter(public, call, DETAIL)
    kind, period = given.get("format", shared_export.CSV), given.get("period")
    work = public.context, shared, kind, period
    async with public.places:
        chunks = await asyncio.to_thread(shared_export.export, *work)
    public.running.visits.record(shared, visitor, visits.EXPORTED)
    headers = {
        "Content-Disposition": f'attachment; filename="{shared_export.file_name(shared, kind, period)}"',
        "Cache-Control": "no-store",
    }
    return Reply(200, stream=iterate_in_thread(chunks), headers=headers, media_type=shared_export.MEDIA_TYPES[kind])


async def compare(public: Public, call: Call, given: Given) -> Reply:
    """Compare the customer's total or list of a month with the record, and list the differences."""
    shared, visitor = await _enter(public, call, DETAIL)
    theirs = await asyncio.to_thread(_theirs, given)

    def work() -> SharedComparison:
        with public.context.storage.snapshot() as snapshot:
            return shared_compare.compare(snapshot, shared, theirs, given.get("period"))

    async with public.places:  # reads every delta: strangers must not occupy all threads
        reply = await asyncio.to_thread(work)
    public.running.visits.record(shared, visitor, visits.COMPARED)
    return success(reply)


def _theirs(given: Given) -> shared_compare.Theirs:
    """The customer's total or list, given in exactly one form."""
    sent = given.keys() & {"theirTotal", "theirRecords", "lines"}
    if len(sent) != 1:
        raise invalid(("lines", "send exactly one of theirTotal, theirRecords and lines"))
    turned = given.get("turnSigns", False)
    if "theirTotal" in sent:
        return shared_compare.Theirs(None, given["theirTotal"], turned)
    if "lines" in sent:
        listed = their_lines.read_list(given["lines"].encode())
    else:
        listed = their_lines.list_of((item["referenceId"], item["delta"]) for item in given["theirRecords"])
    return shared_compare.Theirs(listed, listed.total, turned)


async def notes_of(public: Public, call: Call, given: Given) -> Reply:
    """List the remarks from both sides, newest first. They are not part of the signed record."""
    shared, visitor = await _enter(public, call, DETAIL)
    public.running.visits.record(shared, visitor, visits.VIEWED)
    page = given.get("limit", DEFAULT_PAGE), given.get("offset", 0)
    return success(await public.context.look(lambda snapshot: remarks.list_remarks(snapshot, shared.customer, *page)))


async def leave_note(public: Public, call: Call, given: Given) -> Reply:
    """Leave a remark on a month or a delta. Both sides can read it; it changes no amount and no proof."""
    shared, _ = await _enter(public, call, DETAIL)
    return success(await remarks.leave(public.context, shared.handle, new_note(given)), 201)


def new_note(given: Given) -> remarks.NewRemark:
    return remarks.NewRemark(given["text"], given.get("name"), given.get("period"), given.get("recordId"))
