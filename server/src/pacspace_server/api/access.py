"""Authentication: an API key in X-Api-Key; on the dashboard a session (cookie or bearer token) or an admin's key."""

from __future__ import annotations

import asyncio
import time

from ..clock import now_us
from ..http.cookies import SESSION, cookie_named
from ..http.messages import Call
from ..http.origin import refuse_foreign
from ..service.base.context import Caller, Context
from ..service.base.errors import ServiceError, invalid
from ..service.people.keys import authenticate
from ..service.people.sessions import ENDED, ENVIRONMENTS, PREFIX, current_actor

KEY_CACHE_S, KEY_CACHE_ENTRIES = 1.0, 1_000
NOBODY = (
    "log in (POST /dashboard/auth/login), or send Authorization: Bearer with a session's token or an admin's API key"
)


class Access:
    """Recognises keys and sessions."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._callers: dict[str, tuple[float, Caller]] = {}
        self._looks: dict[str, asyncio.Future[Caller]] = {}

    async def key(self, full_key: str | None) -> Caller:
        """The caller of a key. Caches keys for one second, so a revoked key stops working within a second."""
        key = full_key or ""
        known = self._callers.get(key)
        if known is not None and time.monotonic() < known[0]:
            return known[1]
        # Concurrent requests with the same key share one lookup.
        if key not in self._looks:
            self._looks[key] = asyncio.ensure_future(self._look(key))
            self._looks[key].add_done_callback(lambda _: self._looks.pop(key))
        return await asyncio.shield(self._looks[key])

    async def _look(self, key: str) -> Caller:
        now = time.monotonic()
        caller = await self._context.look(lambda snapshot: authenticate(snapshot, key))
        if len(self._callers) >= KEY_CACHE_ENTRIES:
            self._callers.clear()
        self._callers[key] = now + KEY_CACHE_S, caller
        self._context.key_uses[caller.actor.removeprefix("key:")] = now_us()
        return caller

    async def dashboard(self, call: Call, is_write: bool) -> Caller:
        """The caller of a dashboard request. An Authorization header wins over the cookie."""
        token = _bearer(call)
        if token is not None and not token.startswith(PREFIX):
            return await self._admin_key(call, token)
        if token is None:
            token = cookie_named(call.header(b"cookie"), SESSION)
            if token is not None and is_write:
                refuse_foreign(call, self._context.public_url)
                _need_csrf_header(call)
        return await self._session(call, token)

    async def _admin_key(self, call: Call, token: str) -> Caller:
        """The caller of an admin's key. The request must name no other environment than the key's."""
        caller = await self.key(token)
        await self._agree(call, caller, _named(call))
        caller.require("admin")
        return caller

    async def _session(self, call: Call, token: str | None) -> Caller:
        """The caller of a session. X-Environment selects the environment of this request."""
        named = _named(call)
        if named is not None and named not in ENVIRONMENTS:
            raise invalid(("X-Environment", f"must be {' or '.join(ENVIRONMENTS)}"))
        actor = await current_actor(self._context, token, named)
        if actor is None:
            raise ServiceError("INVALID_API_KEY", ENDED if token else NOBODY)
        caller = actor.caller
        await self._agree(call, caller, None)
        call.actor = actor
        return caller

    async def _agree(self, call: Call, caller: Caller, named: str | None) -> None:
        key = call.header(b"x-api-key")
        others = ([(await self.key(key)).environment] if key else []) + ([named] if named else [])
        if any(other != caller.environment for other in others):
            message = f"the token is for {caller.environment}, the request names {', '.join(others)}"
            raise ServiceError("API_KEY_ENVIRONMENT_MISMATCH", message)


def _bearer(call: Call) -> str | None:
    header = call.header(b"authorization")
    if header is None:
        return None
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise ServiceError("INVALID_API_KEY", NOBODY)
    return token.strip()


def _named(call: Call) -> str | None:
    """The environment that X-Environment names."""
    return (call.header(b"x-environment") or "").strip().lower() or None


def _need_csrf_header(call: Call) -> None:
    if call.header(b"x-pacspace-csrf") != "1":
        message = "a write with a session's cookie needs the header X-Pacspace-CSRF: 1 (other sites can't send it)"
        raise ServiceError("FORBIDDEN", message)
