"""The ASGI application: finds the route, authenticates, reads the fields, and turns refusals into replies."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.routing import Match
from starlette.routing import Route as PathRoute

from ..http.messages import Call, Handler, Receive, Reply, Scope, Send, send_reply
from ..http.origin import refuse_foreign
from ..http.refusals import answered, as_json
from ..service.base.errors import ServiceError
from ..service.running import Running
from ..telemetry import doing
from .access import Access
from .fields import parse_fields
from .public import Public
from .requests import Target, lines_from, log_request
from .routes import BALANCE, DASHBOARD, NONE, ROUTES, Route

NOWHERE, ANY = "none", "other"  # in metrics: the route of an unknown path, the method of one that is not allowed
SECURITY_HEADERS = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}


@dataclass
class _Entry:
    """One path with its methods, and the target for all other methods."""

    route: PathRoute
    targets: dict[str, Target]
    refusing: Target


class Api:
    """An ASGI application. A dict finds the two emit routes; Starlette's routes match all others."""

    def __init__(
        self,
        running: Running,
        public: Public,
        pages: Mapping[tuple[str, str], Handler],
    ) -> None:
        self.running, self.context = running, running.context
        self.stopping = False  # then each connection closes after its next reply
        self._access = Access(self.context)
        handlers = {(route.method, route.path): self._handler(route, public) for route in ROUTES}
        handlers |= pages
        targets = [Target(method, path, handler) for (method, path), handler in handlers.items()]
        self._nowhere = Target(ANY, NOWHERE, _refuse_path)
        self._entries = _entries(targets)
        refusing = [entry.refusing for entry in self._entries]
        self._fast = {
            ("POST", t.route): t for t in targets if t.route in (f"{BALANCE}/delta", f"{BALANCE}/delta/batch")
        }
        public.metrics.count([*targets, *refusing, self._nowhere])
        self._lines_from = lines_from()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise RuntimeError(f"only HTTP is served, not {scope['type']}")
        started = time.perf_counter()
        call = Call(scope, receive)
        doing.set({"request_id": call.request_id})
        target = self._find(scope)
        call.route = target.route
        reply = await answered(call, target.answer, as_json)
        reply.headers = SECURITY_HEADERS | reply.headers
        if self.stopping:
            reply.headers["Connection"] = "close"
        sent_bytes = 0
        try:
            sent_bytes = await send_reply(reply, call.request_id, send, scope["method"] == "HEAD")
        finally:
            seconds = time.perf_counter() - started
            target.observe(reply.status, seconds)
            if reply.status >= self._lines_from:
                log_request(call, target, reply, sent_bytes, seconds)

    def _find(self, scope: Scope) -> Target:
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        fast = self._fast.get((method, scope["path"]))
        if fast is not None:
            return fast
        for entry in self._entries:
            match, child = entry.route.matches(scope)
            if match is not Match.NONE:
                scope.update(child)
                return entry.targets.get(method, entry.refusing)
        return self._nowhere

    def _handler(self, route: Route, public: Public) -> Handler:
        """Authenticates, authorizes, reads the fields, then calls the route's handler."""

        async def keyed(call: Call) -> Reply:
            if route.auth == DASHBOARD:
                caller = await self._access.dashboard(call, route.method != "GET")
            else:
                caller = await self._access.key(call.header(b"x-api-key"))
            call.environment, call.repeatable = caller.environment, route.takes_key
            if route.person and call.actor is None:
                raise ServiceError("FORBIDDEN", "this needs a logged-in user; an API key is not enough")
            caller.require(route.scope)
            return with_status(await route.handler(self.running, caller, call, await _fields(route, call)))

        async def open_to_all(call: Call) -> Reply:
            if route.is_dashboard and route.method != "GET":
                refuse_foreign(call, self.context.public_url)
            if route.before_body is not None and call.may_be_long(route.max_body):
                await route.before_body(public, call)
            return with_status(await route.handler(public, call, await _fields(route, call)))

        def with_status(reply: Reply) -> Reply:
            """Adds the `statusCode` that clients of the dashboard expect."""
            if route.is_dashboard and reply.value is not None:
                reply.value["statusCode"] = reply.status
            return reply

        return open_to_all if route.auth == NONE else keyed


def _entries(targets: list[Target]) -> list[_Entry]:
    """The paths in matching order."""
    by_route: dict[str, dict[str, Target]] = {}
    for target in targets:
        by_route.setdefault(target.route, {})[target.method] = target
    return [
        _Entry(
            PathRoute(path, endpoint=_refuse_path, methods=None), methods, Target(ANY, path, _refuse_method(methods))
        )
        for path, methods in by_route.items()
    ]


def _refuse_method(methods: Mapping[str, Target]) -> Handler:
    allowed = ", ".join(sorted(methods))

    async def refuse(call: Call) -> Reply:
        message = f"{call.scope['path'][:200]} allows {allowed}, not {call.scope['method']}"
        raise ServiceError("METHOD_NOT_ALLOWED", message, allow=allowed)

    return refuse


async def _refuse_path(call: Call) -> Reply:
    raise ServiceError("NOT_FOUND", f"there is nothing at {call.scope['path'][:200]}")


async def _fields(route: Route, call: Call) -> dict[str, Any]:
    """The request's fields: from the body if the route has one, else from the query."""
    if route.body is None:
        return parse_fields(route.query, call.query())
    if call.scope["query_string"]:
        parse_fields(route.query, call.query())
    call.body_given = await call.json(route.max_body)
    return parse_fields(route.body, call.body_given)
