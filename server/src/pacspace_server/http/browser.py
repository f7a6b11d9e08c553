"""A session in a browser: its cookie, and whether a request comes from one of our own pages.

Both the API and the pages need it, and they don't know each other.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from ..service.base.errors import ServiceError
from ..service.people.sessions import LONGEST_US

COOKIE = "pacspace_session"


def set_cookie(token: str, public_url: str) -> str:
    """A Set-Cookie header. Behind https it never travels without."""
    return f"{COOKIE}={token}; Max-Age={LONGEST_US // 1_000_000}{_attributes(public_url)}"


def clear_cookie(public_url: str) -> str:
    return f"{COOKIE}=; Max-Age=0{_attributes(public_url)}"


def _attributes(public_url: str) -> str:
    secure = "; Secure" if public_url.startswith("https:") else ""
    return f"; Path=/; HttpOnly; SameSite=Lax{secure}"


def token_in(cookie_header: str | None) -> str | None:
    """The session token that a Cookie header has."""
    for part in (cookie_header or "").split(";"):  # whatever else is in there may be as odd as it likes
        name, _, value = part.strip().partition("=")
        if name == COOKIE and value:
            return value
    return None


def refuse_foreign(origin: str | None, fetch_site: str | None, host: str | None, public_url: str) -> None:
    """403 FORBIDDEN for a write that a browser sends from another site's page. What it does not say is not held against it."""
    if origin is not None and not _is_ours(origin, host, public_url):
        raise ServiceError(403, "FORBIDDEN", "this request comes from another site's page (Origin)")
    if fetch_site is not None and fetch_site.strip().lower() not in ("same-origin", "none"):
        raise ServiceError(403, "FORBIDDEN", "this request comes from another site's page (Sec-Fetch-Site)")


def _is_ours(origin: str, host: str | None, public_url: str) -> bool:
    """The public URL's origin, or whatever name the request itself was sent to."""
    parts, ours = urlsplit(origin), urlsplit(public_url)
    if not parts.netloc or parts.scheme not in ("http", "https"):
        return False
    return parts.netloc == host or (parts.scheme, parts.netloc) == (ours.scheme, ours.netloc)
