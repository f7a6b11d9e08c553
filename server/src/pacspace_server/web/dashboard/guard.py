"""Who asks, what they may see and change, and whether a form is ours: for every page, in one place, before it runs."""

from __future__ import annotations

import secrets
from http.cookies import CookieError, SimpleCookie
from urllib.parse import urlencode

import structlog

from ...http import browser
from ...service.base.context import Context
from ...service.base.errors import ServiceError, invalid, unavailable
from ...service.people.sessions import current_actor, is_csrf_token
from ...service.recording.readiness import Readiness
from ...storage.model.protocols import InDoubt, Unavailable, Vanished
from ...storage.writing.committer import NotWritten
from ..forms import FormError, read_form
from ..page import Call, Handler, Page
from .desk import ANYBODY, NOTICE, Desk, MenuItem, Request
from .routes import ROUTES, Route

logger = structlog.get_logger("pacspace.web")
VISITOR, VISITOR_S = "pacspace_visitor", 24 * 3600
OLD_FORM = "this form is not from a page of your session: go back, reload the page, and send it again"
OTHER_SIDE = (
    "the page you sent this from shows the {sent} environment, and you look at {now} by now: nothing was changed; "
    "switch back, or open the page anew"
)


class Dashboard:
    """The pages under /app."""

    def __init__(self, context: Context, readiness: Readiness) -> None:
        self._context = context
        self._desk = Desk(context, readiness, menu())

    def routes(self) -> dict[tuple[str, str], Handler]:
        """Method and path of every page."""
        return {(route.method, route.path): self._guarded(route) for route in ROUTES}

    def _guarded(self, route: Route) -> Handler:
        """The page's function behind the guard, with its refusals said in words."""

        async def page(call: Call) -> Page:
            request = Request(call, "", None)
            try:
                return await self._answer(route, request)
            except Exception as error:
                return self._refusal(request, _as_service_error(error, call))

        return page

    async def _answer(self, route: Route, request: Request) -> Page:
        visitor = await self._recognise(request)
        if route.role != ANYBODY and request.someone is None:
            return self._to_log_in(route, request)
        if not request.may(route.role) and route.role != ANYBODY:
            raise ServiceError(403, "FORBIDDEN", f"this needs the role {route.role}, yours is {request.actor.role}")
        request.query = request.call.query()
        if route.method == "POST":
            await self._read_form(route, request)
        page = await route.handler(self._desk, request)
        if visitor and "Set-Cookie" not in page.headers:
            page.headers["Set-Cookie"] = visitor
        return page

    async def _recognise(self, request: Request) -> str:
        """Finds out who asks; the cookie that a stranger is given, so that forms before the log-in are safe too."""
        header = request.call.header(b"cookie")
        token = browser.token_in(header)
        request.someone = await current_actor(self._context, token)
        cookies = _cookies(header)
        request.notice = self._desk.notice_of(cookies.get(NOTICE, ""))
        if request.someone is not None:
            request.secret = token or ""
            return ""
        request.secret = cookies.get(VISITOR, "")
        if request.secret:
            return ""
        request.secret = secrets.token_urlsafe(24)
        return self._desk.cookie(VISITOR, request.secret, VISITOR_S)

    async def _read_form(self, route: Route, request: Request) -> None:
        """The form, if it is one of ours: from this site, of this session, of the environment that is in view."""
        call = request.call
        browser.refuse_foreign(
            call.header(b"origin"), call.header(b"sec-fetch-site"), call.header(b"host"), self._context.public_url
        )
        request.form = await read_form(call)
        if not is_csrf_token(request.secret, request.form.one("csrf")):
            raise ServiceError(403, "FORBIDDEN", OLD_FORM)
        sent, now = request.form.one("environment"), request.someone.environment if request.someone else ""
        if route.role != ANYBODY and sent != now:
            raise ServiceError(409, None, OTHER_SIDE.format(sent=sent or "no", now=now))

    def _to_log_in(self, route: Route, request: Request) -> Page:
        """Back to where one was after logging in; what was sent in a form is not kept."""
        query = request.call.query() if route.method == "GET" else {}
        wanted = request.path + (f"?{urlencode(query)}" if query else "")
        page = self._desk.go("/app/login", next=wanted if route.method == "GET" else "/app")
        if request.is_part:
            page.headers["HX-Redirect"] = page.headers.pop("Location")
            page.status = 200
        return page

    def _refusal(self, request: Request, error: ServiceError) -> Page:
        page = self._desk.page(
            request, "refusal.html", error.status, kind=error.status, message=error.message,
            request_id=request.call.request_id,
        )  # fmt: skip
        if "retryAfterSeconds" in error.extra:
            page.headers["Retry-After"] = str(error.extra["retryAfterSeconds"])
        return page


def _as_service_error(error: Exception, call: Call) -> ServiceError:
    if isinstance(error, ServiceError):
        return error
    if isinstance(error, FormError):
        return invalid(("form", str(error)))
    if isinstance(error, Vanished):
        return ServiceError(404, "NOT_FOUND", str(error))
    if isinstance(error, NotWritten | Unavailable):
        return unavailable("the database can't be asked right now; nothing was changed")
    if isinstance(error, InDoubt):
        return unavailable("the database was lost at this moment: look whether it was done before you do it again")
    logger.exception("page failed", request_id=call.request_id)
    return ServiceError(500, "INTERNAL_ERROR", "a mistake of the server's")


def _cookies(header: str | None) -> dict[str, str]:
    try:
        return {name: morsel.value for name, morsel in SimpleCookie(header or "").items()}
    except CookieError:
        return {}


def menu() -> list[list[MenuItem]]:
    """The pages that have a place in the menu, in its groups."""
    groups: dict[int, list[MenuItem]] = {}
    for route in ROUTES:
        if route.menu:
            item = MenuItem(route.path, route.menu, route.role, route.in_sandbox_only)
            groups.setdefault(route.group, []).append(item)
    return [groups[group] for group in sorted(groups)]
