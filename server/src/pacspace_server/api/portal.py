"""What is behind a customer's link, for programs: no key; a cookie says that the access code was given."""

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
    remarks.MAX_TEXT_CHARS, *fields.NO_NUL, says="What is said; not part of the signed record."
).like("Call 4711 is not ours.")
MONTH: Table = {"period": PERIOD.meaning("One UTC calendar month, YYYY-MM; the running one without it.")}
CODE: Table = {
    "factor": fields.required(fields.choice("ACCESS_HINT", says="ACCESS_HINT: the code printed beside the link.").like("ACCESS_HINT")),
    "value": fields.required(fields.text(40, says="The six characters, in any case; spaces and dashes don't matter.").like("A2B-C3D")),
}  # fmt: skip
ACTIVITY: Table = {
    "limit": fields.from_query(fields.whole_number(1, MAX_PAGE, says="How many at most; 100 without it.")),
    "before": fields.from_query(fields.whole_number(1, 10**12 - 1, says="nextBefore of the page before.")),
    "period": PERIOD,
    "referenceId": fields.text(255, says="The one record of this reference."),
}
EXPORT: Table = {
    "format": fields.choice(
        *shared_export.MEDIA_TYPES,
        says="csv without it; bundle: a ZIP archive of receipt files that verify on their own.",
    ),
    "period": PERIOD.meaning("One UTC calendar month, YYYY-MM; everything without it."),
}  # fmt: skip
COMPARE: Table = {
    **MONTH,
    "theirTotal": fields.balance_amount(says="A total alone."),
    "theirRecords": fields.items(fields.nested(THEIR_RECORD), their_lines.MAX_LINES, says="A list."),
    "lines": fields.text(
        MAX_LIST_CHARS, says="A list as text: CSV with the columns referenceId and delta, or JSON."
    ).like("referenceId,delta\ncall-1,-100"),
    "turnSigns": fields.flag(says="Whether their amounts have the opposite sign of the record's."),
}
NOTE: Table = {
    "text": fields.required(BODY_TEXT),
    "name": fields.text(remarks.MAX_AUTHOR_CHARS, *fields.NO_NUL, says="Who says it."),
    "period": PERIOD.meaning("The month it is about."),
    "recordId": fields.text(64, says="The record it is about."),
}


async def _enter(public: Public, call: Call, part: str | None) -> tuple[Shared, Visitor]:
    public.limit.take(call.address)
    known = cookies_named(call.header(b"cookie"), RECORD)
    asked = call.path("handle"), known, call.address, call.header(b"user-agent")
    return await access.enter(public.context, *asked, part)


async def need_detail(public: Public, call: Call) -> None:
    """Refuses visitors who may not see deltas."""
    await _enter(public, call, DETAIL)


async def verify_code(public: Public, call: Call, given: Given) -> Reply:
    """Give the access code of a link; the reply's cookie opens the rest of it, for 30 days."""
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
    """Totals of a month and of each month, and how far the published log has them."""
    shared, visitor = await _enter(public, call, SUMMARY)
    public.running.visits.record(shared, visitor, visits.VIEWED)

    def work(snapshot: Snapshot) -> SharedSummary:
        return shared_record.summary(public.context, snapshot, shared, visitor, given.get("period"))

    return success(await public.context.look(work))


async def periods(public: Public, call: Call, given: Given) -> Reply:
    """Each month with its proof root, its receipt, and how to check it alone."""
    shared, visitor = await _enter(public, call, DETAIL)
    public.running.visits.record(shared, visitor, visits.VIEWED)
    return success(await public.context.look(lambda snapshot: shared_record.periods(public.context, snapshot, shared)))


async def activity(public: Public, call: Call, given: Given) -> Reply:
    """Records, newest first, each with how far its proof is."""
    shared, visitor = await _enter(public, call, DETAIL)
    public.running.visits.record(shared, visitor, visits.VIEWED)
    asked = given.get("limit", DEFAULT_PAGE), given.get("before"), given.get("period"), given.get("referenceId")
    page = shared_record.ActivityPage(*asked)
    return success(await public.context.look(lambda snapshot: shared_record.activity(snapshot, shared, page)))


async def export(public: Public, call: Call, given: Given) -> Reply:
    """Everything that is recorded, to take away."""
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
    """The customer's own total or list of a month against the record: which lines differ, and by how much."""
    shared, visitor = await _enter(public, call, DETAIL)
    theirs = await asyncio.to_thread(_theirs, given)

    def work() -> SharedComparison:
        with public.context.storage.snapshot() as snapshot:
            return shared_compare.compare(snapshot, shared, theirs, given.get("period"))

    async with public.places:  # reads every line: strangers must not take all threads
        reply = await asyncio.to_thread(work)
    public.running.visits.record(shared, visitor, visits.COMPARED)
    return success(reply)


def _theirs(given: Given) -> shared_compare.Theirs:
    """What they sent, in exactly one way."""
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
    """What both sides have said, newest first. Not part of the signed record."""
    shared, visitor = await _enter(public, call, DETAIL)
    public.running.visits.record(shared, visitor, visits.VIEWED)
    page = given.get("limit", DEFAULT_PAGE), given.get("offset", 0)
    return success(await public.context.look(lambda snapshot: remarks.list_remarks(snapshot, shared.customer, *page)))


async def leave_note(public: Public, call: Call, given: Given) -> Reply:
    """Say something about a month or a record, for both sides to read. It changes no amount and no proof."""
    shared, _ = await _enter(public, call, DETAIL)
    return success(await remarks.leave(public.context, shared.handle, new_note(given)), 201)


def new_note(given: Given) -> remarks.NewRemark:
    return remarks.NewRemark(given["text"], given.get("name"), given.get("period"), given.get("recordId"))
