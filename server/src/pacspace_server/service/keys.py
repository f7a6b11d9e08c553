"""API keys: made, listed, revoked, recognised. The secret is shown once and kept only as a hash."""

from __future__ import annotations

import hmac
import re
import secrets
import time
from hashlib import sha256

from ..storage.protocols import Snapshot, Storage
from ..storage.records import ApiKey
from .context import Caller
from .errors import ServiceError

PREFIXES = {"sandbox": "pk_test_", "production": "pk_live_"}
_KEY = re.compile(r"pk_(test|live)_([0-9a-z]{16})\.([0-9A-Za-z_-]{20,100})")


def create_key(storage: Storage, environment: str, name: str, scopes: tuple[str, ...]) -> tuple[ApiKey, str]:
    """A new key and its full text, which is never shown again."""
    public_id, secret = secrets.token_hex(8), secrets.token_urlsafe(32)
    with storage.snapshot() as snapshot:
        side = next(e for e in snapshot.environments() if e.name == environment)
    now = time.time_ns() // 1000
    digest = sha256(secret.encode()).digest()
    key = ApiKey(f"key_{secrets.token_hex(8)}", side.id, environment, public_id, digest, name, scopes, now, None)
    storage.write(lambda unit: unit.add_api_key(key))
    return key, f"{PREFIXES[environment]}{public_id}.{secret}"


def authenticate(snapshot: Snapshot, full_key: str | None) -> Caller:
    """Who a full key speaks for. 401 INVALID_API_KEY without saying which part is wrong."""
    match = _KEY.fullmatch(full_key or "")
    key = snapshot.api_key(match[2]) if match else None
    digest = sha256(match[3].encode()).digest() if match else b""
    if (
        match is None or key is None or not key.is_active
        or not hmac.compare_digest(digest, key.secret_hash)
        or PREFIXES[key.environment] != f"pk_{match[1]}_"
    ):  # fmt: skip
        raise ServiceError(401, "INVALID_API_KEY", _refused(full_key, match))
    environment = snapshot.environment(key.environment_id)
    return Caller(environment.id, environment.name, environment.workspace_id, key.scopes, f"key:{key.id}")


def _refused(full_key: str | None, match: re.Match[str] | None) -> str:
    """What to do about a key that is not taken; its secret part is not repeated."""
    if not full_key:
        return "the X-Api-Key header is missing: send an API key (pk_test_... or pk_live_...)"
    if match is None:
        return "this is not an API key: one looks like pk_test_0123456789abcdef.SECRET, with the secret part"
    return (
        f"this server does not know the key pk_{match[1]}_{match[2]}, or it was revoked, or its secret part is another: "
        "`pacspace keys list` on the server shows the keys, `pacspace keys create` makes one"
    )
