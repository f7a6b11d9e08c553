"""Checks before every page: the user, the role, and the origin of a form."""

from __future__ import annotations

import secrets
from urllib.parse import urlencode

from ...http.cookies import NOTICE, SESSION, STRANGER, cookie_named
from ...http.messages import Call, Handler, Reply
from ...http.origin import refuse_foreign
from ...http.refusals import answered, retry_after, status_of
from ...service.base.errors import ServiceError
from ...service.people.sessions import current_actor, is_csrf_token
from ...service.recording.readiness import Readiness
from ...service.running import Running
from ..forms import read_form
from .desk import ANYBODY, Desk, MenuItem, Request
from .routes import ROUTES, Route

STRANGER_S = 24 * 3600
OLD_FORM = "this form is not from a page of your session: go back, reload the page, and send the form again"
OTHER_SIDE = (
    "this form's page showed the {sent} environment, but you have switched to {now}: nothing was changed; "
    "switch back, or reload the page"
)


class Dashboard:
    """The pages under /app."""

    def __init__(self, running: Running, readiness: Readiness) -> None:
        self._context = running.context
        self._desk = Desk(running, readiness, menu())

    def routes(self) -> dict[tuple[str, str], Handler]:
        """The handlers, by method and path."""
        return {(route.method, route.path): self._guarded(route) for route in ROUTES}

    def _guarded(self, route: Route) -> Handler:
        """The page's function behind the guard, with refusals as pages."""

        async def page(call: Call) -> Reply:
            request = Request(call, "", None)
            return await answered(
                call, lambda call: self._answer(route, request), lambda error: self._refusal(request, error)
            )

        return page

    async def _answer(self, route: Route, request: Request) -> Reply:
        visitor = await self._recognise(request)
        if route.role != ANYBODY and request.someone is None:
            return self._to_log_in(route, request)
        if not request.may(route.role) and route.role != ANYBODY:
            raise ServiceError("FORBIDDEN", f"this needs the role {route.role}; yours is {request.actor.role}")
        request.query = request.call.query()
        if route.method == "POST":
            await self._read_form(route, request)
        page = await route.handler(self._desk, request)
        if visitor and "Set-Cookie" not in page.headers:
            page.headers["Set-Cookie"] = visitor
        return page

    async def _recognise(self, request: Request) -> str:
        """Identifies the user. Returns the cookie for a stranger, which protects the forms before the log-in."""
        header = request.call.header(b"cookie")
        token = cookie_named(header, SESSION)
        request.someone = await current_actor(self._context, token)
        request.notice = self._desk.notice_of(cookie_named(header, NOTICE) or "")
        if request.someone is not None:
            request.secret = token or ""
            return ""
        request.secret = cookie_named(header, STRANGER) or ""
        if request.secret:
            return ""
        request.secret = secrets.token_urlsafe(24)
        return self._desk.cookie(STRANGER, request.secret, STRANGER_S)

    async def _read_form(self, route: Route, request: Request) -> None:
        """Reads the form; refuses it if it is from another site, session or environment."""
        call = request.call
        refuse_foreign(call, self._context.public_url)
        request.form = await read_form(call)
        if not is_csrf_token(request.secret, request.form.one("csrf")):
            raise ServiceError("FORBIDDEN", OLD_FORM)
        sent, now = request.form.one("environment"), request.someone.environment if request.someone else ""
        if route.role != ANYBODY and sent != now:
            raise ServiceError("ENVIRONMENT_CHANGED", OTHER_SIDE.format(sent=sent or "no", now=now))

    def _to_log_in(self, route: Route, request: Request) -> Reply:
        """Redirects to the log-in, and from there back to this page. Drops a submitted form."""
        query = request.call.query() if route.method == "GET" else {}
        wanted = request.path + (f"?{urlencode(query)}" if query else "")
        page = self._desk.go("/app/login", next=wanted if route.method == "GET" else "/app")
        if request.is_part:
            page.headers["HX-Redirect"] = page.headers.pop("Location")
            page.status = 200
        return page

    def _refusal(self, request: Request, error: ServiceError) -> Reply:
        status, request_id = status_of(error), request.call.request_id
        page = self._desk.page(
            request, "refusal.html", status, kind=status, message=error.message, request_id=request_id
        )
        page.headers |= retry_after(error)
        return page


def menu() -> list[list[MenuItem]]:
    """The menu entries, by group."""
    groups: dict[int, list[MenuItem]] = {}
    for route in ROUTES:
        if route.menu:
            item = MenuItem(route.path, route.menu, route.role, route.in_sandbox_only)
            groups.setdefault(route.group, []).append(item)
    return [groups[group] for group in sorted(groups)]
