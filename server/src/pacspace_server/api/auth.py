"""Log-in, log-out, the logged-in user, and passwords."""

from __future__ import annotations

from typing import Any

from ..http.cookies import SESSION, cookie_named, set_cookie
from ..http.messages import Call, Reply, success
from ..service.base.context import Caller, Context
from ..service.people import people, sessions, workspaces
from ..service.people.sessions import Actor
from ..service.running import Running
from ..views.dashboard import LoggedIn, Me, Person
from . import fields
from .fields import Table
from .public import Public

Given = dict[str, Any]

EMAIL = fields.text(people.MAX_EMAIL_CHARS, *fields.NO_NUL, says="Not case-sensitive.").like("ada@example.com")
_PASSWORD = fields.text(400, *fields.NO_NUL, says="10 to 200 characters.")
_NEW_PASSWORD = _PASSWORD.like("a long enough sentence")
_TOKEN = fields.text(200, says="The token in the link.").like("0" * 43)
NAME = fields.text(people.MAX_NAME_CHARS, *fields.NO_NUL, says="The user's name.").like("Ada Lovelace")
LOGIN: Table = {
    "email": fields.required(EMAIL),
    "password": fields.required(fields.text(400, *fields.NO_NUL).like("a long enough sentence")),
}
REGISTER: Table = {
    "email": fields.required(EMAIL),
    "password": fields.required(_NEW_PASSWORD),
    "name": NAME,
    "firstName": NAME.meaning("With lastName, instead of name.").like("Ada"),
    "lastName": NAME.meaning("With firstName, instead of name.").like("Lovelace"),
    "organization": fields.text(people.MAX_NAME_CHARS, *fields.NO_NUL, says="The workspace's name.").like("Analytical"),
    "companyName": fields.text(people.MAX_NAME_CHARS, *fields.NO_NUL, says="The same as organization."),
}
SETUP: Table = {
    "token": fields.required(_TOKEN),
    "email": fields.required(EMAIL),
    "password": fields.required(_NEW_PASSWORD),
    "name": NAME,
}
SET_PASSWORD: Table = {"token": fields.required(_TOKEN), "password": fields.required(_NEW_PASSWORD)}
PASSWORD: Table = {
    "currentPassword": fields.required(fields.text(400, *fields.NO_NUL).like("my old long sentence")),
    "newPassword": fields.required(_NEW_PASSWORD),
}
PREFERENCES: Table = {
    "preferredEnvironment": fields.choice(*sessions.ENVIRONMENTS, says="This session's environment from now on."),
    "workspaceId": fields.text(64, *fields.NO_NUL, says="Another workspace of the user."),
}


async def login(public: Public, call: Call, given: Given) -> Reply:
    """Log in. The reply has a session token for Authorization: Bearer, and sets it as a cookie."""
    old = cookie_named(call.header(b"cookie"), SESSION)
    token, actor = await sessions.log_in(public.context, call.address, given["email"], given["password"], old)
    return await _logged_in(public.context, call, token, actor)


async def register(public: Public, call: Call, given: Given) -> Reply:
    """Create a workspace and its owner. Available only if the operator has turned on registration."""
    name = given.get("name") or " ".join(filter(None, (given.get("firstName"), given.get("lastName"))))
    company = given.get("organization") or given.get("companyName") or f"Workspace of {name or given['email']}"
    made = await workspaces.register(public.context, call.address, given["email"], name, company, given["password"])
    return await _logged_in(public.context, call, *made, 201)


async def set_up(public: Public, call: Call, given: Given) -> Reply:
    """Create the first owner. The server prints a link with the token at each start until there is a user."""
    asked = given["token"], given["email"], given.get("name", ""), given["password"]
    return await _logged_in(public.context, call, *await sessions.set_up(public.context, *asked), 201)


async def set_password(public: Public, call: Call, given: Given) -> Reply:
    """Set a password with the token of an owner's link. The link works once."""
    made = await sessions.set_password(public.context, given["token"], given["password"])
    return await _logged_in(public.context, call, *made)


async def logout(running: Running, caller: Caller, call: Call, given: Given) -> Reply:
    """End this session."""
    assert call.actor is not None
    await sessions.log_out(running.context, call.actor)
    return success({"loggedOut": True}, headers={"Set-Cookie": set_cookie(SESSION, "", 0, running.context.public_url)})


async def me(running: Running, caller: Caller, call: Call, given: Given) -> Reply:
    """Get the logged-in user, with workspace and role."""
    assert call.actor is not None
    return success(await _view(running.context, call.actor))


async def password(running: Running, caller: Caller, call: Call, given: Given) -> Reply:
    """Change the user's password. All the user's sessions end; the reply has the token of a new one."""
    assert call.actor is not None
    asked = given["currentPassword"], given["newPassword"]
    made = await sessions.change_password(running.context, call.address, call.actor, *asked)
    return await _logged_in(running.context, call, *made)


async def preferences(running: Running, caller: Caller, call: Call, given: Given) -> Reply:
    """Set the environment and workspace of this session, for requests that name none."""
    assert call.actor is not None
    chosen = given.get("preferredEnvironment"), given.get("workspaceId")
    return success(await _view(running.context, await sessions.prefer(running.context, call.actor, *chosen)))


async def _view(context: Context, actor: Actor) -> Me:
    mine = await context.look(lambda snapshot: snapshot.memberships(actor.user_id))
    return sessions.actor_view(actor, mine)


async def _logged_in(context: Context, call: Call, token: str, actor: Actor, status: int = 200) -> Reply:
    view = await _view(context, actor)
    user: Person = {
        "id": view["id"],
        "email": view["email"],
        "name": view["name"],
        "role": view["role"],
        "isVerified": view["isVerified"],
        "tenantId": view["tenantId"],
    }
    cookie = set_cookie(SESSION, token, sessions.LONGEST_S, context.public_url)
    headers = {"Set-Cookie": cookie, "Cache-Control": "no-store"}
    logged_in: LoggedIn = {**view, "user": user, "token": token, "accessToken": token}
    return success(logged_in, status, headers)
