"""The Shared Record: a customer's page behind its link. Works without JavaScript."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any
from urllib.parse import urlencode, urlsplit

from ..domain.instants import InstantError, parse_period
from ..http.cookies import RECORD, cookies_named, set_cookie
from ..http.limits import AddressLimit
from ..http.messages import Call, Handler, Reply, iterate_in_thread
from ..http.refusals import retry_after, status_of
from ..service.balances import their_lines
from ..service.base.errors import ServiceError, invalid
from ..service.portal import comparing as shared_compare
from ..service.portal import exporting as shared_export
from ..service.portal import reading as shared_record
from ..service.running import Running
from ..service.sharing import access, remarks, visits
from ..service.sharing.access import DETAIL, SUMMARY, Visitor
from ..service.sharing.links import Shared
from ..storage.model.protocols import Snapshot
from ..views.sharing import SharedComparison, SharedSummary
from .forms import Form, read_form
from .rendering import FORM_POLICY, Renderer

ROUTES = [
    ("GET", "/c/{handle}", "_landing"),
    ("POST", "/c/{handle}/access", "_access"),
    ("GET", "/c/{handle}/activity", "_activity"),
    ("GET", "/c/{handle}/periods", "_periods"),
    ("GET", "/c/{handle}/compare", "_compare"),
    ("POST", "/c/{handle}/compare", "_compared"),
    ("GET", "/c/{handle}/notes", "_notes"),
    ("POST", "/c/{handle}/notes", "_leave"),
    ("GET", "/c/{handle}/export", "_export"),
]
PLACES = ("", "/activity", "/periods", "/compare", "/notes")
RECENT, RECORDS, NOTES, LINES = 8, 50, 50, 200  # shown on one page
AT_ONCE = 2  # concurrent requests that read a whole month
REFUSED_VALUES = "must be one of the choices"


NOTHING_GIVEN = dict.fromkeys(("total", "lines", "turn"), "")
Look = Callable[[Shared, Visitor, Snapshot], Mapping[str, object]]


class SharedPages:
    """The pages under /c. Each identifies the visitor, calls the service, and renders."""

    def __init__(self, running: Running, limit: AddressLimit | None, renderer: Renderer) -> None:
        self.context, self._visits = running.context, running.visits
        self._limit, self._renderer = limit, renderer
        self._base = urlsplit(self.context.public_url).path.rstrip("/")
        self._places = asyncio.Semaphore(AT_ONCE)

    def routes(self) -> dict[tuple[str, str], Handler]:
        return {(method, path): self._refusing(getattr(self, name)) for method, path, name in ROUTES}

    def _refusing(self, handler: Callable[[Call], Awaitable[Reply]]) -> Handler:
        """The handler, with refusals that have a page here."""

        async def page(call: Call) -> Reply:
            try:
                return await handler(call)
            except ServiceError as error:
                if error.code == "LINK_NOT_FOUND":
                    return self._page("shared/no_link.html", 404)
                status = status_of(error)
                if status not in (400, 403, 413, 429):
                    raise
                problems = error.extra.get("details") or [{"field": "", "problem": error.message}]
                refusal = self._page("shared/refused.html", status, problems=problems)
                refusal.headers |= retry_after(error)
                return refusal

        return page

    def _page(self, template: str, status: int = 200, **values: Any) -> Reply:
        page = self._renderer.page(template, status, **values)
        page.headers["Content-Security-Policy"] = FORM_POLICY
        return page

    # ------------------------------------------------------------ who is there

    async def _enter(self, call: Call) -> tuple[Shared, Visitor]:
        if self._limit is not None:
            self._limit.take(call.address)
        known = cookies_named(call.header(b"cookie"), RECORD)
        asked = call.path("handle"), known, call.address, call.header(b"user-agent")
        return await access.enter(self.context, *asked, None)

    async def _show(
        self,
        call: Call,
        part: str,
        place: str,
        look: Look | None = None,
        status: int = 200,
        **values: Any,
    ) -> Reply:
        """A page of the record, or the form for the code. The template gets the result of `look` as `view`."""
        shared, visitor = await self._enter(call)
        if not access.may_see(shared, visitor, part):
            return await self._gate(shared, visitor, place, values.get("period"))
        self._visits.record(shared, visitor, visits.VIEWED)
        if look is not None:
            values["view"] = await self.context.look(partial(look, shared, visitor))
        return self._page(
            f"shared/{place.strip('/') or 'landing'}.html",
            status,
            **await self._frame(shared, visitor, place),
            **values,
        )

    async def _frame(self, shared: Shared, visitor: Visitor, place: str) -> dict[str, Any]:
        """The values that every page of a record shows."""

        def look(snapshot: Snapshot) -> SharedSummary:
            return shared_record.summary(self.context, snapshot, shared, visitor, None)

        found = await self.context.look(look)
        return {
            "record": f"{self._base}/c/{shared.handle}",
            "place": place,
            "opened": found["opened"],
            "environment": found["environment"],
            "vendor": found["vendorName"],
            "customer": found["customerDisplayName"],
            "unit": found["unit"],
            "months": [month["period"] for month in found["months"]],
            "fingerprint": found["keyFingerprint"],
        }

    async def _gate(
        self,
        shared: Shared,
        visitor: Visitor,
        place: str,
        period: str | None,
        status: int = 200,
        problem: str | None = None,
    ) -> Reply:
        """The form for the code. It shows the vendor's name, but no month, unit or amount."""
        frame = await self._frame(shared, visitor, place) | {"months": [], "unit": None, "customer": None}
        return self._page("shared/gate.html", status, **frame, period=period, problem=problem, shut=status == 429)

    # ------------------------------------------------------------ pages

    async def _landing(self, call: Call) -> Reply:
        period = _period_of(call)

        def look(shared: Shared, visitor: Visitor, snapshot: Snapshot) -> Mapping[str, object]:
            view = shared_record.summary(self.context, snapshot, shared, visitor, period)
            page = shared_record.ActivityPage(RECENT, period=view["period"])
            recent = shared_record.activity(snapshot, shared, page)["records"] if view["opened"] else []
            return {**view, "recent": recent}

        return await self._show(call, SUMMARY, "", look, period=period, problem=None)

    async def _access(self, call: Call) -> Reply:
        """Checks the code from the form, then continues to the requested page."""
        shared, visitor = await self._enter(call)
        form = await read_form(call)
        place = _text(form, "place")
        place = place if place in PLACES else ""
        period = _month(_text(form, "period"))
        problem, status = None, 303
        try:
            visitor = await access.give_code(self.context, shared.handle, visitor, _text(form, "code")[:80])
        except ServiceError as error:
            if error.code not in ("ACCESS_CODE_INVALID", "RATE_LIMITED"):
                raise
            if error.code == "ACCESS_CODE_INVALID":
                self._visits.record(shared, visitor, visits.CODE_FAILED)
            problem, status = error.message, status_of(error)
        if problem is None:
            page = self._go(shared, place + (f"?period={period}" if period else ""))
        else:
            page = await self._gate(shared, visitor, place, period, status, problem)
        path = f"{self._base}/c/{shared.handle}"
        token = access.visitor_token(self.context, shared, visitor)
        page.headers["Set-Cookie"] = set_cookie(RECORD, token, access.COOKIE_LIFE_S, self.context.public_url, path)
        return page

    def _go(self, shared: Shared, place: str) -> Reply:
        return self._renderer.redirect(f"/c/{shared.handle}{place}")

    async def _activity(self, call: Call) -> Reply:
        asked, period = call.query(), _period_of(call)
        before = asked.get("before", "")
        if before and not (before.isascii() and before.isdigit() and len(before) <= 12 and int(before) > 0):
            raise invalid(("before", "is not a position in this list"))
        reference = asked.get("reference", "").strip()[:255] or None
        page = shared_record.ActivityPage(RECORDS, int(before) if before else None, period, reference)

        def look(shared: Shared, visitor: Visitor, snapshot: Snapshot) -> Mapping[str, object]:
            found = shared_record.activity(snapshot, shared, page)
            following = {"before": found["nextBefore"]} | ({"period": period} if period else {})
            return {**found, "older": f"?{urlencode(following)}" if found["nextBefore"] else None}

        return await self._show(call, DETAIL, "/activity", look, period=period, reference=reference)

    async def _periods(self, call: Call) -> Reply:
        def look(shared: Shared, visitor: Visitor, snapshot: Snapshot) -> Mapping[str, object]:
            return shared_record.periods(self.context, snapshot, shared)

        return await self._show(call, DETAIL, "/periods", look)

    async def _export(self, call: Call) -> Reply:
        """An export file, or the form for the code."""
        period, kind = _period_of(call), call.query().get("format", shared_export.CSV)
        if kind not in shared_export.MEDIA_TYPES:
            raise invalid(("format", REFUSED_VALUES))
        shared, visitor = await self._enter(call)
        if not access.may_see(shared, visitor, DETAIL):
            return await self._gate(shared, visitor, "/periods", period)
        async with self._places:
            chunks = await asyncio.to_thread(shared_export.export, self.context, shared, kind, period)
        self._visits.record(shared, visitor, visits.EXPORTED)
        name = shared_export.file_name(shared, kind, period)
        headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
        return Reply(200, headers=headers, media_type=shared_export.MEDIA_TYPES[kind], stream=iterate_in_thread(chunks))

    async def _notes(self, call: Call) -> Reply:
        def look(shared: Shared, visitor: Visitor, snapshot: Snapshot) -> Mapping[str, object]:
            return remarks.list_remarks(snapshot, shared.customer, NOTES, 0)

        asked = call.query()
        return await self._show(
            call,
            DETAIL,
            "/notes",
            look,
            period=_period_of(call),
            record_id=asked.get("record", "")[:64],
            problems=[],
            said={},
        )

    async def _leave(self, call: Call) -> Reply:
        shared, visitor = await self._enter(call)
        if not access.may_see(shared, visitor, DETAIL):
            return self._go(shared, "/notes")
        form = await read_form(call)
        said = {name: _text(form, name).strip() for name in ("text", "name", "period", "record")}
        text = said["text"].replace("\r\n", "\n")
        if not 0 < len(text) <= remarks.MAX_TEXT_CHARS:
            raise invalid(("text", f"must have 1 to {remarks.MAX_TEXT_CHARS:,} characters, has {len(text):,}"))
        if len(said["name"]) > remarks.MAX_AUTHOR_CHARS:
            raise invalid(("name", f"must have at most {remarks.MAX_AUTHOR_CHARS} characters"))
        new = remarks.NewRemark(text, said["name"] or None, _month(said["period"]), said["record"] or None)
        await remarks.leave(self.context, shared.handle, new)
        return self._go(shared, "/notes#notes")

    # ------------------------------------------------------------ compare

    async def _compare(self, call: Call) -> Reply:
        return await self._show(
            call, DETAIL, "/compare", period=_period_of(call), given=NOTHING_GIVEN, problems=[], view=None, shown=LINES
        )

    async def _compared(self, call: Call) -> Reply:
        shared, visitor = await self._enter(call)
        if not access.may_see(shared, visitor, DETAIL):
            return self._go(shared, "/compare")
        form = await read_form(call)
        given = {name: _text(form, name) for name in NOTHING_GIVEN}
        period = _month(_text(form, "period"))
        values: dict[str, Any] = {"period": period, "given": given, "problems": [], "view": None, "shown": LINES}
        status = 200
        try:
            theirs = await asyncio.to_thread(_theirs, given, form.files.get("file", b""))
            async with self._places:
                values["view"] = await asyncio.to_thread(self._against, shared, theirs, period)
            self._visits.record(shared, visitor, visits.COMPARED)
        except ServiceError as error:
            if error.code is not None:
                raise
            values["problems"], status = error.extra["details"], 400
        frame = await self._frame(shared, visitor, "/compare")
        return self._page("shared/compare.html", status, **frame, **values)

    def _against(self, shared: Shared, theirs: shared_compare.Theirs, period: str | None) -> SharedComparison:
        with self.context.storage.snapshot() as snapshot:
            return shared_compare.compare(snapshot, shared, theirs, period)


def _theirs(given: dict[str, str], file: bytes) -> shared_compare.Theirs:
    """The customer's list from the file or the text, or only a total."""
    turned = given["turn"] == "yes"
    listed = file if file.strip() else given["lines"].encode()
    if listed.strip():
        theirs = their_lines.read_list(listed)
        return shared_compare.Theirs(theirs, theirs.total, turned)
    if not given["total"].strip():
        raise invalid(("list", "paste a list, choose a file, or give a total"))
    return shared_compare.Theirs(None, their_lines.total_of(given["total"]), turned)


def _text(form: Form, name: str) -> str:
    return form.last(name)


def _month(text: str) -> str | None:
    try:
        return parse_period(text) if text else None
    except InstantError as error:
        raise invalid(("period", str(error))) from error


def _period_of(call: Call) -> str | None:
    return _month(call.query().get("period", ""))
