"""Lockouts: five failed attempts within 15 minutes lock a key for 15 minutes, at log-in and for access codes.

A key names what is guarded and the client (an address or a cookie), so that a lockout affects that client only.
"""

from __future__ import annotations

import ipaddress

from ...storage.model.lockouts import Lockout
from ...storage.model.protocols import Snapshot, Unit
from .errors import ServiceError

FAILURES, WINDOW_US = 5, 15 * 60 * 1_000_000


def client_network(address: str) -> str:
    """A client's identity in a key: its IPv4 address or IPv6 /64, since one machine can use a whole /64."""
    return prefix(address, 32, 64) or address


def prefix(address: str, bits_4: int, bits_6: int) -> str:
    """The network of an address; empty if it is not an address."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return ""
    mapped = getattr(parsed, "ipv4_mapped", None)
    parsed = mapped or parsed
    return str(ipaddress.ip_network((parsed, bits_4 if parsed.version == 4 else bits_6), strict=False))


def refuse_locked(snapshot: Snapshot, key: str, now: int) -> None:
    """429 RATE_LIMITED during a lockout. `now` is the wall clock, in microseconds."""
    found = snapshot.lockout(key)
    if found is not None and now < found.locked_until:
        wait_s = -(-(found.locked_until - now) // 1_000_000)
        message = f"too many failed attempts: try again in {wait_s} seconds"
        raise ServiceError("RATE_LIMITED", message, retryAfterSeconds=wait_s)


def failed(unit: Unit, key: str, now: int, most: int = FAILURES) -> bool:
    """Counts a failed attempt. Returns whether it starts a lockout: whether it is number `most`."""
    found = unit.lockout(key)
    if found is None or now - found.since >= WINDOW_US:
        found = Lockout(key, 0, now, 0)
    found.failures += 1
    locks = found.failures == most
    if found.failures >= most:
        found.locked_until = now + WINDOW_US
    unit.set_lockout(found)
    unit.forget_lockouts_before(now - WINDOW_US)
    return locks


def uncount(unit: Unit, key: str, most: int = FAILURES) -> None:
    """Removes one counted failure; earlier ones still count."""
    found = unit.lockout(key)
    if found is not None:
        found.failures -= 1
        if found.failures < most:
            found.locked_until = 0
        unit.set_lockout(found)


def succeeded(unit: Unit, key: str) -> None:
    """Forgets earlier failures."""
    unit.forget_lockout(key)
