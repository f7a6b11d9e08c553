"""The settings of a client: the key, the address, retries and time-outs."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from .errors import PacSpaceError

VERSION = "0.2.0"
LOCAL_URL = "http://127.0.0.1:8787"  # where `pacspace serve` listens by default
TEST_PREFIX, LIVE_PREFIX = "pk_test_", "pk_live_"
TEST_CHAIN_ID, LIVE_CHAIN_ID = 296, 295  # part of the interface; this server ignores it


@dataclass(frozen=True)
class ClientConfig:
    """The settings of one client. `timeout` in milliseconds, for one request."""

    api_key: str = field(repr=False)
    base_url: str
    chain_id: int | str
    credit_pool_id: int | str | None = None
    max_retries: int = 2
    timeout: int = 30_000
    decimals: bool = False


def choose_base_url(api_key: str, base_url: str | None, sandbox_url: str | None, production_url: str | None) -> str:
    """The server's address: as given, else PACSPACE_BASE_URL, else, for a test key, this machine."""
    test = api_key.startswith(TEST_PREFIX)
    mine, other = (sandbox_url, production_url) if test else (production_url, sandbox_url)
    chosen = base_url or mine or other or os.environ.get("PACSPACE_BASE_URL")
    if chosen:
        return check_url(chosen)
    if test:
        return LOCAL_URL
    message = "no server address: pass base_url (or production_url, sandbox_url), or set PACSPACE_BASE_URL"
    if not api_key.startswith(LIVE_PREFIX):
        message = f"an API key begins with {TEST_PREFIX} or {LIVE_PREFIX}; this one does not. If it is right: {message}"
    raise PacSpaceError(message, code="INVALID_URL")


def check_url(url: str) -> str:
    """Returns an absolute http(s) address without query and final slash; PacSpaceError INVALID_URL for any other."""
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018  # reading it checks it
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and not (parts.query or parts.fragment)
    except ValueError:
        good = False
    else:
        if parts.username is not None or parts.password is not None:
            raise PacSpaceError("the server's address must not contain credentials", code="INVALID_URL")
    if not good:
        raise PacSpaceError(f"{url!r} is not an absolute http or https address", code="INVALID_URL")
    return url.rstrip("/")


def check_api_key(api_key: object) -> str:
    """Returns the key; PacSpaceError MISSING_API_KEY if there is none."""
    if not isinstance(api_key, str) or not api_key.strip():
        message = (
            f"an API key is needed: it begins with {TEST_PREFIX} or {LIVE_PREFIX}; `pacspace keys create` creates one"
        )
        raise PacSpaceError(message, code="MISSING_API_KEY")
    return api_key.strip()
