"""Refuses writes from other sites' pages."""

from __future__ import annotations

from urllib.parse import urlsplit

from ..service.base.errors import ServiceError
from .messages import Call


def refuse_foreign(call: Call, public_url: str) -> None:
    """Raises 403 FORBIDDEN if a browser sends this from another site's page. A request without these headers passes."""
    origin, fetch_site = call.header(b"origin"), call.header(b"sec-fetch-site")
    if origin is not None and not _is_ours(origin, call.header(b"host"), public_url):
        raise ServiceError("FORBIDDEN", "this request comes from another site's page (Origin)")
    if fetch_site is not None and fetch_site.strip().lower() not in ("same-origin", "none"):
        raise ServiceError("FORBIDDEN", "this request comes from another site's page (Sec-Fetch-Site)")


def _is_ours(origin: str, host: str | None, public_url: str) -> bool:
    """Whether it is the public URL's origin, or that of the host in the request."""
    parts, ours = urlsplit(origin), urlsplit(public_url)
    if not parts.netloc or parts.scheme not in ("http", "https"):
        return False
    return parts.netloc == host or (parts.scheme, parts.netloc) == (ours.scheme, ours.netloc)
