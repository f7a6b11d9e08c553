"""API keys, for users of the dashboard."""

from __future__ import annotations

from typing import Any

from ..domain.enumerations import Environment
from ..http.messages import Call, Reply, success
from ..service.base.context import SCOPES, Caller
from ..service.base.limits import MAX_PAGE
from ..service.people import keys as keys_service
from ..service.running import Running
from . import fields
from .fields import Table
from .scope import MAX_OFFSET

Given = dict[str, Any]

SIDES: dict[str, Environment] = {"test": "sandbox", "live": "production"}
PAGE: Table = {
    "page": fields.from_query(fields.whole_number(1, MAX_OFFSET // MAX_PAGE, says="The page number, from 1.")),
    "limit": fields.from_query(fields.whole_number(1, MAX_PAGE, says="The page size. Default: 25.")),
}
NEW_KEY: Table = {
    "name": fields.required(fields.text(100, *fields.NO_NUL, says="What the key is for.").like("billing")),
    "environment": fields.choice(*SIDES, says="test: the sandbox (the default of a session). live: production."),
    "scopes": fields.items(fields.choice(*SCOPES), len(SCOPES), "Default: read and write.", least=1),
}
TOGGLE: Table = {"active": fields.flag(says="Whether to enable the key. Default: the opposite of its state.")}


async def list_keys(running: Running, caller: Caller, call: Call, given: Given) -> Reply:
    """List the workspace's API keys without their secrets, newest first."""
    page = given.get("page", 1), given.get("limit", 25)
    return success(await running.context.look(lambda snapshot: keys_service.list_keys(snapshot, caller, *page)))


def _own_side(caller: Caller, call: Call) -> Environment:
    """A key makes keys of its own environment, a person of the sandbox, unless one is named."""
    return "sandbox" if call.actor is not None or not caller.environment else caller.environment


async def create(running: Running, caller: Caller, call: Call, given: Given) -> Reply:
    """Create an API key. Only this reply shows its secret."""
    side = SIDES[given["environment"]] if "environment" in given else _own_side(caller, call)
    scopes = tuple(scope for scope in SCOPES if scope in given["scopes"]) if "scopes" in given else ("read", "write")
    made = await running.context.committer.run(
        lambda unit: keys_service.add_key(unit, caller, side, given["name"], scopes)
    )
    return success(keys_service.shown_once(*made), 201, {"Cache-Control": "no-store"})


async def get(running: Running, caller: Caller, call: Call, given: Given) -> Reply:
    """Get one API key, without its secret."""
    key_id = call.path("keyId")
    return success(
        keys_service.key_view(
            await running.context.look(lambda snapshot: keys_service.find_key(snapshot, caller, key_id))
        )
    )


async def rotate(running: Running, caller: Caller, call: Call, given: Given) -> Reply:
    """Give an API key a new secret, shown only in this reply. The old secret stops working within a second."""
    key_id = call.path("keyId")
    made = await running.context.committer.run(lambda unit: keys_service.rotate_key(unit, caller, key_id))
    return success(keys_service.shown_once(*made), headers={"Cache-Control": "no-store"})


async def toggle(running: Running, caller: Caller, call: Call, given: Given) -> Reply:
    """Disable or enable an API key."""
    wanted = call.path("keyId"), given.get("active")
    key = await running.context.committer.run(lambda unit: keys_service.switch_key(unit, caller, *wanted))
    return success(keys_service.key_view(key))


async def revoke(running: Running, caller: Caller, call: Call, given: Given) -> Reply:
    """Revoke an API key permanently. It stays in the list."""
    key_id = call.path("keyId")
    key = await running.context.committer.run(lambda unit: keys_service.revoke_key(unit, caller, key_id))
    return success(keys_service.key_view(key))
