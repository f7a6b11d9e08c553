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
        match is None or key is None or key.revoked_at is not None
        or not hmac.compare_digest(digest, key.secret_hash)
        or PREFIXES[key.environment] != f"pk_{match[1]}_"
    ):  # fmt: skip
        message = "send an active API key in the X-Api-Key header" if full_key else "the X-Api-Key header is missing"
        raise ServiceError(401, "INVALID_API_KEY", message)
    environment = snapshot.environment(key.environment_id)
    return Caller(environment.id, environment.name, environment.workspace_id, key.scopes)
