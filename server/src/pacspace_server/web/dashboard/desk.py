"""What every page of the dashboard works with: the request, who asks, and how pages and redirects are made."""

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
# What the fields of forms are called on their pages, where that is not their name.
FIELD_WORDS = {
    "customerId": "Customer id", "currentPassword": "Password until now", "defaultUnit": "Default unit", "delta": "Amount to add",
    "description": "What it is for", "displayName": "Name", "email": "E-mail", "events": "Events", "invoiceReference": "Invoice number", "lines": "Their list", "locale": "Language",
    "name": "Name", "newPassword": "New password", "now": "The instant", "password": "Password", "period": "Month",
    "reason": "What for", "referenceId": "Your reference", "role": "Role", "scopes": "What it may do", "seconds": "The step",
    "sharingPolicy": "Shared Records", "sharingStateHint": "Shared Record", "since": "From", "timeZone": "Time zone", "total": "Their total",
    "typed": "What you type", "unitLabel": "Unit", "url": "Address",
}  # fmt: skip
NOTICE_S = 60
TAG_CHARS = 16


@dataclass
class Request:
    """One request to a page. `secret` is what its forms' hidden field is made of: the session's token, or a visitor's."""

    call: Call
    secret: str
    someone: Actor | None
    form: Form = field(default_factory=Form)
    query: Mapping[str, str] = field(default_factory=dict)
    notice: str = ""

    @property
    def actor(self) -> Actor:
        """Who is logged in: somebody, on each page that demands a role."""
        assert self.someone is not None
        return self.someone

    @property
    def caller(self) -> Caller:
        return self.actor.caller

    @property
    def is_part(self) -> bool:
        """Whether a script asks for a part of the page only."""
        return self.call.header(b"hx-request") == "true"

    @property
    def path(self) -> str:
        return str(self.call.scope["path"])

    def may(self, role: str) -> bool:
        return self.someone is not None and RANK[self.someone.role] >= RANK[role]


@dataclass
class Filled:
    """A form as it was filled in, and what is wrong with each field; under `""` what is wrong with the whole."""

    values: dict[str, str] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)


def filled(form: Form, error: ServiceError | None = None) -> Filled:
    """The form with what a service said about it. Passwords are not sent back."""
    values = {name: texts[-1] for name, texts in form.fields.items() if "assword" not in name}
    return Filled(values, problems_of(error) if error is not None else {})


def problems_of(error: ServiceError) -> dict[str, str]:
    """By field, where the error names fields."""
    if status_of(error) >= 500:
        raise error
    details = error.extra.get("details")
    if details:
        return {detail["field"]: detail["problem"] for detail in details}
    return {"": error.message}


@dataclass(frozen=True)
class MenuItem:
    """A line of the menu."""

    path: str
    label: str
    role: str
    in_sandbox_only: bool


class Desk:
    """The running server as pages see it."""

    def __init__(self, running: Running, readiness: Readiness, menu: list[list[MenuItem]]) -> None:
        self.running, self.context, self.readiness = running, running.context, readiness
        self._render = Renderer(self.context.public_url)
        self._menu = menu
        self.overviews: dict[int, Any] = {}  # by environment; what the first page keeps for a moment

    def page(self, request: Request, template: str, status: int = 200, **values: Any) -> Reply:
        """A page in its frame."""
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
        # With no-referrer browsers send forms with `Origin: null`, which is nobody's.
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
        """A redirect after a form, with a line that the next page shows once."""
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
        """The line in such a cookie, if this server wrote it."""
        tag, _, text = value.partition(".")
        notice = unquote(text)
        return notice if hmac.compare_digest(self._tag(notice).encode(), tag.encode()) else ""

    async def ask(self, service: Callable[..., T], request: Request, *arguments: Any) -> T:
        """A reading service, on a thread: a page may read more than a reply of the API."""
        return await asyncio.to_thread(service, self.context, request.caller, *arguments)


PageFunction = Callable[[Desk, Request], Awaitable[Reply]]


def local_path(text: str) -> str:
    """A page of ours to go on to; the first one for anything else."""
    is_ours = text == "/app" or text.startswith(("/app/", "/app?"))
    plain = text.isascii() and text.isprintable() and not any(sign in text for sign in "\\ ") and "//" not in text
    return text if is_ours and plain else "/app"
