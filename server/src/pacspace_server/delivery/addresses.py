"""Which URLs and addresses webhooks may use, so that nobody can make this server call its own network. Pure."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

PUBLIC, ANY = "public", "any"
MAX_URL_CHARS = 2048
PORTS = {"https": 443, "http": 80}
FIRST_FREE_PORT = 1024  # below it only the two web ports, not mail, shells or directories
_SHARED = ipaddress.ip_network("100.64.0.0/10")  # carrier-grade NAT
_METADATA = {ipaddress.ip_address(text) for text in ("169.254.169.254", "fd00:ec2::254")}
_NAT64, _NAT64_LOCAL = ipaddress.ip_network("64:ff9b::/96"), ipaddress.ip_network("64:ff9b:1::/48")
_SIX_TO_FOUR, _COMPATIBLE = ipaddress.ip_network("2002::/16"), ipaddress.ip_network("::/96")
_PATH = re.compile(r"[!-~]*")


class Forbidden(ValueError):
    """A URL or address that webhooks may not use; the message says why."""


@dataclass(frozen=True)
class Target:
    """The destination of a request."""

    scheme: str
    host: str  # as resolved: lower case, an IPv6 address without brackets
    port: int
    path: str

    @property
    def authority(self) -> str:
        """The Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"


def parse_target(url: str, environment: str, targets: str) -> Target:
    """The target of an endpoint's URL. Raises Forbidden."""
    if len(url) > MAX_URL_CHARS or not _PATH.fullmatch(url):
        raise Forbidden(f"must be at most {MAX_URL_CHARS} printable ASCII characters, without spaces")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise Forbidden(f"is not a URL: {error}") from error
    if parts.scheme not in PORTS or not parts.hostname:
        raise Forbidden("must be an absolute URL such as https://example.com/webhooks")
    if parts.username is not None or parts.password is not None:
        raise Forbidden("must not contain a user name or password: the signature identifies the sender")
    if "#" in url:
        raise Forbidden("must not contain a fragment (#...)")
    if targets != ANY and parts.scheme == "http" and environment == "production":
        raise Forbidden("must begin with https:// in production")
    found = Target(parts.scheme, parts.hostname.lower(), port or PORTS[parts.scheme], _path(parts.path, parts.query))
    if port == 0 or (targets != ANY and found.port < FIRST_FREE_PORT and found.port not in PORTS.values()):
        raise Forbidden(f"port {found.port} is not allowed: use 443, 80, or 1024 and above")
    check_name(found.host, targets)
    return found


def _path(path: str, query: str) -> str:
    return (path or "/") + (f"?{query}" if query else "")


def check_name(host: str, targets: str) -> None:
    """Refuses, without a look-up, an address that is not allowed and the names of this machine. Raises Forbidden."""
    if targets == ANY:
        return
    if host.rstrip(".") == "localhost" or host.rstrip(".").endswith((".localhost", ".local", ".internal")):
        raise Forbidden(f"{host} is a name in the server's own network")
    try:
        check_address(host, targets)
    except ValueError as error:
        if isinstance(error, Forbidden):
            raise


def check_address(text: str, targets: str) -> None:
    """Raises Forbidden for an address that must not be used, ValueError for text that is not an address."""
    address = ipaddress.ip_address(text.partition("%")[0])
    if targets == ANY:
        return
    for one in (address, *_embedded(address)):
        if (kind := _kind(one)) is not None:
            meant = "" if one == address else f" (as {one})"
            raise Forbidden(f"{text} is {kind}{meant}: webhooks go to public addresses only")


def _embedded(address: Address) -> list[ipaddress.IPv4Address]:
    """The IPv4 addresses that an IPv6 address contains."""
    if isinstance(address, ipaddress.IPv4Address):
        return []
    low = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    found = [address.ipv4_mapped] if address.ipv4_mapped is not None else []
    if address in _NAT64 or address in _NAT64_LOCAL or (address in _COMPATIBLE and int(address) > 1):
        found.append(low)
    if address in _SIX_TO_FOUR:
        found.append(ipaddress.IPv4Address((int(address) >> 80) & 0xFFFFFFFF))
    if address.teredo is not None:
        found += address.teredo
    return found


def _kind(address: Address) -> str | None:
    """The reason that an address is not allowed, or None."""
    if address in _METADATA:
        return "the address of a cloud's metadata service"
    if isinstance(address, ipaddress.IPv4Address) and address in _SHARED:
        return "an address in a carrier's own network"
    if isinstance(address, ipaddress.IPv6Address) and address in _NAT64_LOCAL:
        return "a private address"
    for name, says in (
        ("is_unspecified", "the unspecified address"),
        ("is_loopback", "a loopback address"),
        ("is_link_local", "a link-local address"),
        ("is_multicast", "a multicast address"),
        ("is_private", "a private address"),
        ("is_reserved", "a reserved address"),
    ):
        # 64:ff9b::/96 counts as reserved, but leads to the public address inside it, which is checked too.
        if getattr(address, name) and address not in _NAT64:
            return says
    if isinstance(address, ipaddress.IPv6Address) and address.is_site_local:
        return "a site-local address"
    return None if address.is_global or address in _NAT64 else "not a public address"
