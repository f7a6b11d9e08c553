"""Who fails five times at a door within 15 minutes finds it shut for 15 minutes: log-in, and the code of a Shared Record.

A key names the door and whoever knocks (an address, a cookie), so that nobody can shut it for somebody else.
"""

from __future__ import annotations

import ipaddress

from ...storage.model.lockouts import Lockout
from ...storage.model.protocols import Snapshot, Unit
from .errors import ServiceError

FAILURES, WINDOW_US = 5, 15 * 60 * 1_000_000


def knocks_from(address: str) -> str:
    """Who one is, at a door: an address, and of IPv6 its /64, all of which anybody's own machine may use."""
    return prefix(address, 32, 64) or address


def prefix(address: str, bits_4: int, bits_6: int) -> str:
    """The network that an address lies in; empty for what is no address."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return ""
    mapped = getattr(parsed, "ipv4_mapped", None)
    parsed = mapped or parsed
    return str(ipaddress.ip_network((parsed, bits_4 if parsed.version == 4 else bits_6), strict=False))


def refuse_locked(snapshot: Snapshot, key: str, now: int) -> None:
    """429 RATE_LIMITED while the door is shut. `now` is the wall clock, in microseconds."""
    found = snapshot.lockout(key)
    if found is not None and now < found.locked_until:
        wait_s = -(-(found.locked_until - now) // 1_000_000)
        message = f"too many failed tries: the next one is looked at in {wait_s} seconds"
        raise ServiceError("RATE_LIMITED", message, retryAfterSeconds=wait_s)


def failed(unit: Unit, key: str, now: int, most: int = FAILURES) -> bool:
    """Counts a failed try; whether it was the one that shuts the door: the fifth, unless it is a wider one."""
    found = unit.lockout(key)
    if found is None or now - found.since >= WINDOW_US:
        found = Lockout(key, 0, now, 0)
    found.failures += 1
    shuts = found.failures == most
    if found.failures >= most:
        found.locked_until = now + WINDOW_US
    unit.set_lockout(found)
    unit.forget_lockouts_before(now - WINDOW_US)
    return shuts


def taken_back(unit: Unit, key: str, most: int = FAILURES) -> None:
    """What was counted was no failure; what failed before it still counts."""
    found = unit.lockout(key)
    if found is not None:
        found.failures -= 1
        if found.failures < most:
            found.locked_until = 0
        unit.set_lockout(found)


def succeeded(unit: Unit, key: str) -> None:
    """Forgets what failed before."""
    unit.forget_lockout(key)
