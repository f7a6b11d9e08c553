"""The route table and the ASGI application."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import structlog
from starlette.routing import Match, Route

from ..service.context import Caller, Context
from ..service.errors import ServiceError, unavailable
from ..service.keys import authenticate
from ..storage.committer import NotWritten
from ..storage.protocols import Vanished
from . import balance
from .http import Call, Receive, Reply, Scope, Send, failure, send_reply
from .public import Public

logger = structlog.get_logger("pacspace.api")
KEY_CACHE_S, DISK_RETRY_S = 1.0, 5
KEY_CACHE_ENTRIES = 1_000
SECURITY_HEADERS = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}

KeyedHandler = Callable[[Context, Caller, Call], Awaitable[Reply]]
Handler = Callable[[Call], Awaitable[Reply]]

# Method, path, handler. The reference page and the tests are checked against this table.
BALANCE = "/api/v1/balance"
KEYED_ROUTES: list[tuple[str, str, KeyedHandler]] = [
    ("POST", f"{BALANCE}/delta", balance.emit),
    ("POST", f"{BALANCE}/delta/batch", balance.emit_batch),
    ("GET", f"{BALANCE}/delta/{{record_id}}", balance.get_delta),
    ("GET", f"{BALANCE}/derive/{{customer_id}}", balance.derive),
    ("GET", f"{BALANCE}/limits", balance.limits),
    ("POST", f"{BALANCE}/compare", balance.compare),
    ("POST", f"{BALANCE}/checkpoint", balance.checkpoint),
    ("GET", f"{BALANCE}/checkpoints", balance.checkpoints),
    ("GET", f"{BALANCE}/receipt/{{customer_id}}", balance.receipt),
    ("GET", f"{BALANCE}/invoice-proof/{{customer_id}}", balance.receipt),
    ("GET", "/api/v1/sandbox/clock", balance.get_clock),
    ("POST", "/api/v1/sandbox/clock", balance.set_clock),
    ("POST", "/api/v1/sandbox/reset", balance.reset),
]
PUBLIC_ROUTES: list[tuple[str, str, str]] = [
    ("GET", "/api/v1/verify/{proof_root}", "verify"),
    ("GET", "/receipts/{receipt_id}.json", "bundle"),
    ("GET", "/log/{name}/checkpoint", "log_checkpoint"),
    ("GET", "/log/{name}/key", "log_key"),
    ("GET", "/log/{name}/tile/{tile:path}", "log_tile"),
    ("GET", "/healthz", "health"),
    ("GET", "/readyz", "ready"),
]


@dataclass
class _Entry:
    """One path with its methods."""

    route: Route
    handlers: dict[str, Handler]


class Api:
    """An ASGI application. The two emit routes are found without a search; everything else by Starlette's routes."""

    def __init__(
        self, context: Context, public: Public, pages: Mapping[tuple[str, str], Callable[[Any], Awaitable[Any]]]
    ) -> None:
        self.context = context
        self._callers: dict[str, tuple[float, Caller]] = {}
        handlers: dict[tuple[str, str], Handler] = {
            (method, path): self._keyed(handler) for method, path, handler in KEYED_ROUTES
        }
        handlers |= {(method, path): getattr(public, name) for method, path, name in PUBLIC_ROUTES}
        handlers |= pages
        self._fast = {("POST", path): handlers["POST", path] for path in (f"{BALANCE}/delta", f"{BALANCE}/delta/batch")}
        entries: dict[str, _Entry] = {}
        for (method, path), handler in handlers.items():
            entry = entries.setdefault(path, _Entry(Route(path, endpoint=self, methods=None), {}))
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

    def _keyed(self, handler: KeyedHandler) -> Handler:
        async def keyed(call: Call) -> Reply:
            return await handler(self.context, self._caller(call.header(b"x-api-key")), call)

        return keyed

    def _caller(self, full_key: str | None) -> Caller:
        """Who asks. A recognised key is remembered for a second, so a revoked one stops within a second."""
        now = time.monotonic()
        known = self._callers.get(full_key or "")
        if known is not None and now < known[0]:
            return known[1]
        with self.context.storage.snapshot() as snapshot:
            caller = authenticate(snapshot, full_key)
        if len(self._callers) >= KEY_CACHE_ENTRIES:
            self._callers.clear()
        self._callers[full_key or ""] = now + KEY_CACHE_S, caller
        return caller
