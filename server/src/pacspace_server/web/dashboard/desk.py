"""What every page of the dashboard needs: the request, the user, rendering and redirects."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import quote, unquote, urlencode

from ...http.cookies import NOTICE, set_cookie
from ...http.messages import Call, Reply
from ...http.refusals import status_of
from ...service.base.context import Caller
from ...service.base.errors import ServiceError
from ...service.people.sessions import Actor, csrf_token
from ...service.recording.readiness import Readiness
from ...service.running import Running
from ..forms import Form
from ..rendering import Renderer

T = TypeVar("T")
POLICY = (
    "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'self'; img-src 'self' data:; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
ANYBODY, VIEWER, ADMIN, OWNER = "", "viewer", "admin", "owner"
RANK = {ANYBODY: 0, VIEWER: 1, ADMIN: 2, OWNER: 3}
# The labels of form fields, where they differ from the names.
FIELD_WORDS = {
    "customerId": "Customer id",
    "currentPassword": "Current password",
    "defaultUnit": "Default unit",
    "delta": "Amount to add",
    "description": "Description",
    "displayName": "Name",
    "email": "E-mail",
    "events": "Events",
    "invoiceReference": "Invoice number",
    "lines": "Their list",
    "locale": "Language",
    "name": "Name",
    "newPassword": "New password",
    "now": "The instant",
    "password": "Password",
    "period": "Month",
    "reason": "Reason",
    "referenceId": "Your reference",
    "role": "Role",
    "scopes": "Permissions",
    "seconds": "The step",
    "sharingPolicy": "Shared Records",
    "sharingStateHint": "Shared Record",
    "since": "From",
    "timeZone": "Time zone",
    "total": "Their total",
    "typed": "Confirmation",
    "unitLabel": "Unit",
    "url": "URL",
}
NOTICE_S = 60
TAG_CHARS = 16


@dataclass
class Request:
    """One request to a page. `secret` is the source of the CSRF token: the session's token, or a stranger's cookie."""

    call: Call
    secret: str
    someone: Actor | None
    form: Form = field(default_factory=Form)
    query: Mapping[str, str] = field(default_factory=dict)
    notice: str = ""

    @property
    def actor(self) -> Actor:
        """The logged-in user; always there on pages that require a role."""
        assert self.someone is not None
        return self.someone

    @property
    def caller(self) -> Caller:
        return self.actor.caller

    @property
    def is_part(self) -> bool:
        """Whether a script requests only a part of the page."""
        return self.call.header(b"hx-request") == "true"

    @property
    def path(self) -> str:
        return str(self.call.scope["path"])

    def may(self, role: str) -> bool:
        return self.someone is not None and RANK[self.someone.role] >= RANK[role]


@dataclass
class Filled:
    """A form's values, and the problem of each field; `""` is the whole form."""

    values: dict[str, str] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)


def filled(form: Form, error: ServiceError | None = None) -> Filled:
    """The form with a service's problems. Omits passwords."""
    values = {name: texts[-1] for name, texts in form.fields.items() if "assword" not in name}
    return Filled(values, problems_of(error) if error is not None else {})


def problems_of(error: ServiceError) -> dict[str, str]:
    """The problems by field, if the error names fields."""
    if status_of(error) >= 500:
        raise error
    details = error.extra.get("details")
    if details:
        return {detail["field"]: detail["problem"] for detail in details}
    return {"": error.message}


@dataclass(frozen=True)
class MenuItem:
    """A menu entry."""

    path: str
    label: str
    role: str
    in_sandbox_only: bool


class Desk:
    """The running server, for pages."""

    def __init__(self, running: Running, readiness: Readiness, menu: list[list[MenuItem]]) -> None:
        self.running, self.context, self.readiness = running, running.context, readiness
        self._render = Renderer(self.context.public_url)
        self._menu = menu
        self.overviews: dict[int, Any] = {}  # by environment: a cache of the overview page

    def page(self, request: Request, template: str, status: int = 200, **values: Any) -> Reply:
        """A page in the dashboard's frame."""
        shell = {
            "me": request.someone,
            "may": request.may,
            "csrf": csrf_token(request.secret),
            "here": request.path,
            "notice": request.notice,
            "menu": self._shown_menu(request),
            "is_sandbox": request.someone is not None and request.someone.environment == "sandbox",
            "is_part": request.is_part,
            "field_words": FIELD_WORDS,
            "base_url": self.context.public_url,
        }
        page = self._render.page(f"dashboard/{template}", status, POLICY, **(shell | values))
        # With no-referrer, browsers would send forms with `Origin: null`.
        page.headers["Referrer-Policy"] = "same-origin"
        if request.notice and not request.is_part:
            page.headers["Set-Cookie"] = self.cookie(NOTICE, "", 0)
        return page

    def _shown_menu(self, request: Request) -> list[list[MenuItem]]:
        actor = request.someone
        if actor is None:
            return []
        is_there = [
            [
                item
                for item in group
                if request.may(item.role) and (actor.environment == "sandbox" or not item.in_sandbox_only)
            ]
            for group in self._menu
        ]
        return [group for group in is_there if group]

    def go(self, path: str, notice: str = "", **query: str) -> Reply:
        """A redirect after a form, with a notice that the next page shows once."""
        page = self._render.redirect(path + (f"?{urlencode(query)}" if query else ""))
        if notice:
            page.headers["Set-Cookie"] = self.cookie(NOTICE, self._signed(notice), NOTICE_S)
        return page

    def cookie(self, name: str, value: str, seconds: int) -> str:
        return set_cookie(name, value, seconds, self.context.public_url)

    def _signed(self, notice: str) -> str:
        return f"{self._tag(notice)}.{quote(notice, safe='')}"

    def _tag(self, notice: str) -> str:
        return self.context.server_secret.derive("notice", notice).hex()[:TAG_CHARS]

    def notice_of(self, value: str) -> str:
        """The notice in a cookie, if this server signed it."""
        tag, _, text = value.partition(".")
        notice = unquote(text)
        return notice if hmac.compare_digest(self._tag(notice).encode(), tag.encode()) else ""

    async def ask(self, service: Callable[..., T], request: Request, *arguments: Any) -> T:
        """Calls a reading service on a thread: a page may read more than an API reply."""
        return await asyncio.to_thread(service, self.context, request.caller, *arguments)


PageFunction = Callable[[Desk, Request], Awaitable[Reply]]


def local_path(text: str) -> str:
    """A local path for a redirect; the overview for any other."""
    is_ours = text == "/app" or text.startswith(("/app/", "/app?"))
    plain = text.isascii() and text.isprintable() and not any(sign in text for sign in "\\ ") and "//" not in text
    return text if is_ours and plain else "/app"
