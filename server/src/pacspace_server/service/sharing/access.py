"""Access to a Shared Record: what a policy opens, the access code, and the visitor's cookie."""

from __future__ import annotations

import hmac
import re
import secrets
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from ...clock import now_us
from ...domain.instants import instant_text
from ...storage.model.protocols import Snapshot, Unit
from ..base import lockouts
from ..base.context import Context
from ..base.errors import ServiceError
from ..base.events import queue_event
from ..base.lockouts import client_network, prefix
from .links import GATED, OPEN, TWO_TIER, Shared, find, is_code

SUMMARY, DETAIL = "summary", "detail"
# The parts that a link opens without the code, by policy.
OPENED_BY_LINK = {OPEN: (SUMMARY, DETAIL), TWO_TIER: (SUMMARY,), GATED: ()}
COOKIE_LIFE_S = 30 * 24 * 3600
VISITOR_BYTES, MAC_BYTES, AGENT_CHARS = 8, 16, 80
_VALUE = re.compile(r"([0-9a-f]{16})\.([0-9]{1,12})\.([yn])\.([0-9a-f]{32})")


@dataclass(frozen=True)
class Visitor:
    """A visitor of a link. `opened`: their cookie shows that they gave the current code."""

    id: bytes
    opened: bool
    has_cookie: bool
    address: str
    agent: str


def meet(context: Context, shared: Shared, tokens: Iterable[str], address: str, agent: str | None) -> Visitor:
    """The visitor of a request, by its tokens; without a valid one, by address and browser."""
    agent = (agent or "")[:AGENT_CHARS]
    known = _read_token(context, shared, tokens)
    if known is not None:
        return Visitor(known[0], known[1], True, address, agent)
    visitor = context.server_secret.derive("visitor", shared.handle, address, agent)[:VISITOR_BYTES]
    return Visitor(visitor, False, False, address, agent)


def may_see(shared: Shared, visitor: Visitor, part: str) -> bool:
    return visitor.opened or part in OPENED_BY_LINK[shared.policy]


def need(shared: Shared, visitor: Visitor, part: str) -> None:
    """401 ACCESS_CODE_REQUIRED unless the visitor may see this part."""
    if not may_see(shared, visitor, part):
        message = "this part needs the access code, which the vendor sent with the link: POST it to access/verify"
        raise ServiceError("ACCESS_CODE_REQUIRED", message)


async def enter(
    context: Context, handle: str, tokens: Sequence[str], address: str, agent: str | None, part: str | None
) -> tuple[Shared, Visitor]:
    """The Shared Record behind a link and its visitor, if they may see `part` (None: no check)."""

    def look(snapshot: Snapshot) -> tuple[Shared, Visitor]:
        shared = find(snapshot, handle)
        return shared, meet(context, shared, tokens, address, agent)

    shared, visitor = await context.look(look)
    if part is not None:
        need(shared, visitor, part)
    return shared, visitor


# ---------------------------------------------------------------- the visitor's token


def visitor_token(context: Context, shared: Shared, visitor: Visitor) -> str:
    """The cookie that recognizes a visitor behind this link: a signed random number."""
    known = visitor.id if visitor.has_cookie else secrets.token_bytes(VISITOR_BYTES)
    stated = f"{known.hex()}.{int(time.time()) + COOKIE_LIFE_S}.{'y' if visitor.opened else 'n'}"
    return f"{stated}.{_mac(context, shared, stated)}"


def _mac(context: Context, shared: Shared, stated: str) -> str:
    """The MAC also covers the link and its code's version, so that a cookie is bound to both."""
    derived = context.server_secret.derive("visitor-cookie", shared.handle, str(shared.link.version), stated)
    return derived[:MAC_BYTES].hex()


def _read_token(context: Context, shared: Shared, tokens: Iterable[str]) -> tuple[bytes, bool] | None:
    """The visitor of the first valid token for this link, and whether they gave the code."""
    for value in tokens:
        match = _VALUE.fullmatch(value)
        if match is None:
            continue
        stated, _, mac = value.rpartition(".")
        if hmac.compare_digest(mac, _mac(context, shared, stated)) and int(match[2]) > time.time():
            return bytes.fromhex(match[1]), match[3] == "y"
    return None


# ---------------------------------------------------------------- the code


async def give_code(context: Context, handle: str, visitor: Visitor, typed: str) -> Visitor:
    """Opens the record to a visitor. 403 ACCESS_CODE_INVALID; 429 RATE_LIMITED after five failures in 15 minutes."""
    await context.look(lambda snapshot: _refuse_locked(context, snapshot, find(snapshot, handle), visitor))

    def work(unit: Unit) -> bool:
        # Checked again inside the transaction, so that parallel attempts can't exceed the limit.
        shared = find(unit, handle)
        keys = _refuse_locked(context, unit, shared, visitor)
        if is_code(context, shared, typed):
            for key in keys:
                lockouts.succeeded(unit, key)
            return True
        _fail(unit, shared, visitor, keys)
        return False

    if not await context.committer.run(work):
        message = "this is not the code of this link: it has six letters and digits, printed beside the link"
        raise ServiceError("ACCESS_CODE_INVALID", message)
    return replace(visitor, opened=True)


def _refuse_locked(context: Context, snapshot: Snapshot, shared: Shared, visitor: Visitor) -> list[str]:
    """The visitor's lockout keys for this link, by address and by cookie. 429 RATE_LIMITED if one is locked."""
    customer = shared.customer.shard_key.hex()
    clients = [("address", client_network(visitor.address))]
    if visitor.has_cookie:
        clients.append(("cookie", visitor.id.hex()))
    keys = sorted(
        f"code:{customer}:{context.server_secret.derive('knock', kind, name)[:8].hex()}" for kind, name in clients
    )
    for key in keys:
        lockouts.refuse_locked(snapshot, key, now_us())
    return keys


def _fail(unit: Unit, shared: Shared, visitor: Visitor, keys: list[str]) -> None:
    now = now_us()
    locks = [lockouts.failed(unit, key, now) for key in keys]
    if any(locks):
        queue_event(
            unit,
            shared.customer,
            "customer.step_up_failed_repeatedly",
            {
                "customerId": shared.customer.customer_id,
                "failures": lockouts.FAILURES,
                "address": short(visitor.address),
                "lockedUntil": instant_text(now + lockouts.WINDOW_US),
            },
        )


def short(address: str) -> str:
    """The stored form of an address: its /24 or /48."""
    return prefix(address, 24, 48)
