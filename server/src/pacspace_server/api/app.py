"""The ASGI application: finds the route, says who asks, reads the fields, and turns refusals into replies."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog
from starlette.routing import Match
from starlette.routing import Route as PathRoute

from ..service.context import Caller, Context
from ..service.errors import ServiceError, unavailable
from ..service.keys import authenticate
from ..storage.committer import NotWritten
from ..storage.protocols import InDoubt, Unavailable, Vanished
from .fields import parse_fields
from .http import Call, Receive, Reply, Scope, Send, failure, send_reply
from .openapi import document
from .public import Public
from .routes import BALANCE, BEARER, NONE, ROUTES, Route

logger = structlog.get_logger("pacspace.api")
KEY_CACHE_S, DISK_RETRY_S = 1.0, 5
KEY_CACHE_ENTRIES = 1_000
SECURITY_HEADERS = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}

Handler = Callable[[Call], Awaitable[Reply]]


@dataclass
class _Entry:
    """One path with its methods."""

    route: PathRoute
    handlers: dict[str, Handler]


class Api:
    """An ASGI application. The two emit routes are found without a search; everything else by Starlette's routes."""

    def __init__(
        self, context: Context, public: Public, pages: Mapping[tuple[str, str], Callable[[Any], Awaitable[Any]]]
    ) -> None:
        self.context = context
        self._callers: dict[str, tuple[float, Caller]] = {}
        public.document = partial(document, context.public_url)
        handlers = {(route.method, route.path): self._handler(route, public) for route in ROUTES}
        handlers |= pages
        self._fast = {("POST", path): handlers["POST", path] for path in (f"{BALANCE}/delta", f"{BALANCE}/delta/batch")}
        entries: dict[str, _Entry] = {}
        for (method, path), handler in handlers.items():
            entry = entries.setdefault(path, _Entry(PathRoute(path, endpoint=self, methods=None), {}))
            entry.handlers[method] = handler
        self._entries = list(entries.values())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise RuntimeError(f"only HTTP is served, not {scope['type']}")
        call = Call(scope, receive)
        started = time.perf_counter()
        try:
            reply = await self._find(scope)(call)
        except ServiceError as error:
            reply = failure(error)
        except Vanished as error:
            reply = failure(ServiceError(404, "CUSTOMER_NOT_FOUND", str(error)))
        except NotWritten as error:
            reply = failure(unavailable(f"the database could not take it, nothing was recorded: {error}", DISK_RETRY_S))
        except Unavailable as error:
            reply = failure(unavailable(f"the database can't be asked right now: {error}", DISK_RETRY_S))
        except InDoubt:
            message = (
                "the database was lost while it committed, so this may be recorded or not: ask again with the same "
                "Idempotency-Key or referenceId, which records it once"
            )
            reply = failure(unavailable(message, DISK_RETRY_S))
        except Exception:
            logger.exception("request failed", request_id=call.request_id, path=scope["path"])
            message = f"a mistake of the server's; its log has it under {call.request_id}"
            reply = failure(ServiceError(500, "INTERNAL_ERROR", message))
        reply.headers.update(SECURITY_HEADERS)
        await send_reply(reply, call.request_id, send, scope["method"] == "HEAD")
        logger.debug(
            "request", request_id=call.request_id, method=scope["method"], path=scope["path"], status=reply.status,
            duration_ms=round((time.perf_counter() - started) * 1000, 2),
        )  # fmt: skip

    def _find(self, scope: Scope) -> Handler:
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        fast = self._fast.get((method, scope["path"]))
        if fast is not None:
            return fast
        for entry in self._entries:
            match, child = entry.route.matches(scope)
            if match is not Match.NONE:
                handler = entry.handlers.get(method)
                if handler is None:
                    allowed = ", ".join(sorted(entry.handlers))
                    message = f"{scope['path'][:200]} takes {allowed}, not {method}"
                    raise ServiceError(405, "METHOD_NOT_ALLOWED", message, allow=allowed)
                scope.update(child)
                return handler
        raise ServiceError(404, "NOT_FOUND", f"there is nothing at {scope['path'][:200]}")

    def _handler(self, route: Route, public: Public) -> Handler:
        """Who asks, what they may do, what they ask: in this order, and only then the route's own part."""

        async def keyed(call: Call) -> Reply:
            caller = await (self._bearer(call) if route.auth == BEARER else self._caller(call.header(b"x-api-key")))
            caller.require(route.scope)
            reply = await route.handler(self.context, caller, call, await _fields(route, call))
            if route.auth == BEARER:
                reply.value["statusCode"] = reply.status  # what clients of the dashboard look for
            return reply

        async def open_to_all(call: Call) -> Reply:
            return await route.handler(public, call, await _fields(route, call))

        return open_to_all if route.auth == NONE else keyed

    async def _bearer(self, call: Call) -> Caller:
        """Who a dashboard token speaks for. Whatever else names an environment must name the token's."""
        scheme, _, token = (call.header(b"authorization") or "").partition(" ")
        if scheme.lower() != "bearer":
            raise ServiceError(401, "INVALID_API_KEY", "send Authorization: Bearer and a key that has the admin scope")
        caller = await self._caller(token.strip())
        key, named = call.header(b"x-api-key"), call.header(b"x-environment")
        others = ([(await self._caller(key)).environment] if key else []) + ([named.strip().lower()] if named else [])
        if any(other != caller.environment for other in others):
            message = f"the token speaks for {caller.environment}, the request names {', '.join(others)}"
            raise ServiceError(403, "API_KEY_ENVIRONMENT_MISMATCH", message)
        return caller

    async def _caller(self, full_key: str | None) -> Caller:
        """Who asks. A recognised key is remembered for a second, so a revoked one stops within a second."""
        now = time.monotonic()
        known = self._callers.get(full_key or "")
        if known is not None and now < known[0]:
            return known[1]
        caller = await self.context.look(lambda snapshot: authenticate(snapshot, full_key))
        if len(self._callers) >= KEY_CACHE_ENTRIES:
            self._callers.clear()
        self._callers[full_key or ""] = now + KEY_CACHE_S, caller
        return caller


async def _fields(route: Route, call: Call) -> dict[str, Any]:
    """The request's fields, read by the route's table: those of the body, else those of the query."""
    if route.body is None:
        return parse_fields(route.query, call.query())
    if call.scope["query_string"]:
        parse_fields(route.query, call.query())
    call.body_given = await call.json(route.max_body)
    return parse_fields(route.body, call.body_given)
