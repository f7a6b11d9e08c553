"""Users of a workspace, for its owner."""

from __future__ import annotations

from typing import Any

from ..http.messages import Call, Reply, success
from ..service.base.context import Caller, Context
from ..service.base.errors import invalid
from ..service.people import people
from ..service.running import Running
from ..storage.model.people import ROLES
from ..storage.model.protocols import Unit
from ..views.dashboard import Invited, User
from . import fields
from .auth import EMAIL, NAME
from .fields import Table

Given = dict[str, Any]

_ROLE = fields.choice(*ROLES, says="viewer: reads. admin: also writes. owner: also manages users and settings.")
NEW_USER: Table = {
    "email": fields.required(EMAIL.like("grace@example.com")),
    "name": NAME.like("Grace Hopper"),
    "role": fields.required(_ROLE.like("viewer")),
}
CHANGES: Table = {
    "name": NAME,
    "role": _ROLE.like("admin"),
    "disabled": fields.flag(says="This user can't log in."),
}


async def list_users(running: Running, caller: Caller, call: Call, given: Given) -> Reply:
    """List the workspace's users with their roles, oldest first."""
    members = await running.context.look(lambda snapshot: snapshot.members(caller.workspace_id))
    return success({"users": [people.user_view(*member) for member in members]})


async def invite(running: Running, caller: Caller, call: Call, given: Given) -> Reply:
    """Create a user, with a link that sets the password and works once. The server sends no mail: pass the link on."""
    asked = people.NewUser(given["email"], given.get("name", ""), given["role"], None)
    made = await running.context.committer.run(lambda unit: people.invite(unit, caller, asked))
    return _with_link(running.context, *made)


async def password_link(running: Running, caller: Caller, call: Call, given: Given) -> Reply:
    """Create a link that sets a user's new password and works once. Until then the current password stays valid."""
    user_id = call.path("userId")
    made = await running.context.committer.run(lambda unit: people.password_link(unit, caller, user_id))
    return _with_link(running.context, *made)


def _with_link(context: Context, user: User, token: str) -> Reply:
    link = f"{context.public_url}/app/password?token={token}"
    invited: Invited = {**user, "setPasswordUrl": link}
    return success(invited, 201, {"Cache-Control": "no-store"})


async def change(running: Running, caller: Caller, call: Call, given: Given) -> Reply:
    """Change a user's name or role, or disable or enable the user. A disabled user's sessions end immediately."""
    if not given:
        raise invalid(("body", "must have at least one of name, role and disabled"))
    user_id = call.path("userId")

    def work(unit: Unit) -> User:
        if "role" in given:
            people.change_role(unit, caller, user_id, given["role"])
        if "disabled" in given:
            people.set_disabled(unit, caller, user_id, given["disabled"])
        if "name" in given:
            people.rename(unit, caller, user_id, given["name"])
        return people.user_view(*people.find_member(unit, caller, user_id))

    return success(await running.context.committer.run(work))
