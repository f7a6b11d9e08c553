"""API keys: create, list, rotate, disable, revoke, authenticate. A secret is shown once and stored as a hash."""

from __future__ import annotations

import asyncio
import hmac
import re
import secrets
from functools import partial
from hashlib import sha256

import structlog

from ...clock import now_us
from ...domain.enumerations import Environment, KeyEnvironment, KeyScope
from ...domain.instants import instant_text
from ...storage.model.protocols import Snapshot, Storage, Unit
from ...storage.model.records import ApiKey
from ...telemetry import said
from ...views.dashboard import ApiKey as ApiKeyView
from ...views.dashboard import ApiKeys, NewApiKey
from ..base import audit
from ..base.context import Caller, Context
from ..base.errors import ServiceError
from .people import command_caller

USES_WRITTEN_EVERY_S = 60
logger = structlog.get_logger("pacspace.keys")
SIDES: dict[Environment, KeyEnvironment] = {"sandbox": "test", "production": "live"}
PREFIXES = {"sandbox": "pk_test_", "production": "pk_live_"}
_KEY = re.compile(r"pk_(test|live)_([0-9a-z]{16})\.([0-9A-Za-z_-]{20,100})")


def create_key(
    storage: Storage, environment: Environment, name: str, scopes: tuple[KeyScope, ...], workspace_id: str | None = None
) -> tuple[ApiKey, str]:
    """Creates a key for a command, by default in the first workspace. Returns it with its full text."""

    def work(unit: Unit) -> tuple[ApiKey, str]:
        return add_key(unit, command_caller(workspace_id or unit.workspaces()[0].id), environment, name, scopes)

    return storage.write(work)


def add_key(
    unit: Unit, caller: Caller, environment: Environment, name: str, scopes: tuple[KeyScope, ...]
) -> tuple[ApiKey, str]:
    """Creates a key in the caller's workspace. Returns it with its full text, which is not stored."""
    _need_environment(caller, environment)
    sides = unit.environments()
    side = next(e for e in sides if e.workspace_id == caller.workspace_id and e.name == environment)
    (public_id, digest), full = _new_secret(environment)
    key = ApiKey(f"key_{secrets.token_hex(8)}", side.id, environment, public_id, digest, name, scopes, now_us(), None)
    unit.add_api_key(key)
    audit.record(unit, caller, "key.create", key.id, {"environment": environment, "name": name, "scopes": scopes})
    return key, full


def _new_secret(environment: Environment) -> tuple[tuple[str, bytes], str]:
    """The stored parts of a new key (public id and hash), and its full text."""
    public_id, secret = secrets.token_hex(8), secrets.token_urlsafe(32)
    return (public_id, sha256(secret.encode()).digest()), f"{PREFIXES[environment]}{public_id}.{secret}"


def _need_environment(caller: Caller, environment: Environment) -> None:
    """A key can only create keys of its own environment: a sandbox key must not lead to a production key."""
    if caller.actor.startswith("key:") and caller.environment != environment:
        message = f"an API key of {caller.environment} can't manage keys of {environment}: log in for that"
        raise ServiceError("FORBIDDEN", message)


def _visible(caller: Caller) -> str | None:
    """The environment whose keys the caller sees: a key sees its own; a user sees both (None)."""
    return caller.environment if caller.actor.startswith("key:") else None


def find_key(snapshot: Snapshot, caller: Caller, key_id: str) -> ApiKey:
    """A key of the caller's workspace; 404 NOT_FOUND."""
    key = snapshot.workspace_key(caller.workspace_id, key_id)
    if key is None or _visible(caller) not in (None, key.environment):
        raise ServiceError("NOT_FOUND", f"no API key {key_id[:80]} in this workspace")
    return key


def list_keys(snapshot: Snapshot, caller: Caller, page: int, limit: int) -> ApiKeys:
    """A page of keys, newest first, without their secrets."""
    of = caller.workspace_id, _visible(caller)
    keys = snapshot.workspace_keys(*of, limit, (page - 1) * limit)
    total = snapshot.count_workspace_keys(*of)
    return {
        "items": [key_view(key) for key in keys],
        "total": total,
        "page": page,
        "limit": limit,
        "totalPages": -(-total // limit),
    }


def key_view(key: ApiKey) -> ApiKeyView:
    """A key as replies show it."""
    return {
        "id": key.id,
        "name": key.name,
        "environment": SIDES[key.environment],
        "scopes": list(key.scopes),
        "publicKey": PREFIXES[key.environment] + key.public_id,
        "active": key.is_active,
        "createdAt": instant_text(key.created_at),
        "lastUsedAt": _instant(key.last_used_at),
        "revokedAt": _instant(key.revoked_at),
    }


def _instant(at: int | None) -> str | None:
    return None if at is None else instant_text(at)


def shown_once(key: ApiKey, full: str) -> NewApiKey:
    """The same with the secret, for the reply that creates or rotates the key."""
    return {**key_view(key), "fullKey": full, "secretKey": full.partition(".")[2]}


def _changeable(unit: Unit, caller: Caller, key_id: str) -> ApiKey:
    key = find_key(unit, caller, key_id)
    if key.revoked_at is not None:
        raise ServiceError("NOT_FOUND", f"the API key {key.id} is permanently revoked: create a new one")
    return key


def rotate_key(unit: Unit, caller: Caller, key_id: str) -> tuple[ApiKey, str]:
    """Gives a key a new secret; the previous one stops working within a second."""
    key = _changeable(unit, caller, key_id)
    (key.public_id, key.secret_hash), full = _new_secret(key.environment)
    unit.set_api_key(key)
    audit.record(unit, caller, "key.rotate", key.id)
    return key, full


def switch_key(unit: Unit, caller: Caller, key_id: str, active: bool | None) -> ApiKey:
    """Enables or disables a key; None toggles it."""
    key = _changeable(unit, caller, key_id)
    wanted = not key.is_active if active is None else active
    if wanted != key.is_active:
        key.disabled_at = None if wanted else now_us()
        unit.set_api_key(key)
        audit.record(unit, caller, "key.enable" if wanted else "key.disable", key.id)
    return key


def revoke_key(unit: Unit, caller: Caller, key_id: str) -> ApiKey:
    """Revokes a key permanently; it stops working within a second."""
    key = _changeable(unit, caller, key_id)
    key.revoked_at = now_us()
    unit.set_api_key(key)
    audit.record(unit, caller, "key.revoke", key.id)
    return key


def revoke_by_command(unit: Unit, key_id: str) -> bool:
    """The same in any workspace. Returns whether it revoked a key."""
    owners = {environment.id: environment.workspace_id for environment in unit.environments()}
    key = next((key for key in unit.api_keys() if key.id == key_id and key.revoked_at is None), None)
    if key is None:
        return False
    revoke_key(unit, command_caller(owners[key.environment_id]), key_id)
    return True


async def keep_writing_uses(context: Context) -> None:
    """Writes the keys' last uses once a minute, until cancelled. A crash loses a minute of them at most."""
    while True:
        await asyncio.sleep(USES_WRITTEN_EVERY_S)
        await write_uses(context)


async def write_uses(context: Context) -> None:
    """Writes the uses since the last call."""
    if uses := dict(context.key_uses):
        context.key_uses.clear()
        try:
            await context.committer.run(partial(_write, uses=uses))
        except Exception as problem:
            logger.warning("the last uses of keys could not be written", problem=said(problem))


def _write(unit: Unit, uses: dict[str, int]) -> None:
    unit.note_key_uses(uses)


def authenticate(snapshot: Snapshot, full_key: str | None) -> Caller:
    """The caller of a full key. 401 INVALID_API_KEY does not tell which part is wrong."""
    match = _KEY.fullmatch(full_key or "")
    key = snapshot.api_key(match[2]) if match else None
    digest = sha256(match[3].encode()).digest() if match else b""
    if (
        match is None
        or key is None
        or not key.is_active
        or not hmac.compare_digest(digest, key.secret_hash)
        or PREFIXES[key.environment] != f"pk_{match[1]}_"
    ):
        raise ServiceError("INVALID_API_KEY", _refused(full_key, match))
    environment = snapshot.environment(key.environment_id)
    return Caller(environment.id, environment.name, environment.workspace_id, key.scopes, f"key:{key.id}")


def _refused(full_key: str | None, match: re.Match[str] | None) -> str:
    """How to fix a refused key, without repeating its secret."""
    if not full_key:
        return "the X-Api-Key header is missing: send an API key (pk_test_... or pk_live_...)"
    if match is None:
        return "this is not an API key: a key looks like pk_test_0123456789abcdef.SECRET, with its secret part"
    return (
        f"the key pk_{match[1]}_{match[2]} is unknown or revoked, or its secret part is wrong: on the server, "
        "`pacspace keys list` shows the keys and `pacspace keys create` makes one"
    )
