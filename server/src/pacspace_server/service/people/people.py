"""Users: create, invite, change roles and passwords, disable. The routes check the caller's scope."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from hashlib import sha256

from ...clock import now_us
from ...domain.enumerations import EnvironmentOrNone, Role
from ...domain.instants import DAY_US, instant_text
from ...storage.model.people import ROLES, OneTimeLink, User
from ...storage.model.protocols import Snapshot, Unit
from ...views.dashboard import User as UserView
from ..base import audit
from ..base.context import SCOPES_OF, Caller
from ..base.errors import ServiceError, invalid

MAX_EMAIL_CHARS, MAX_NAME_CHARS = 254, 100
_EMAIL = re.compile(r"[^@\s\x00-\x1f\x7f<>\"]{1,64}@[^@\s\x00-\x1f\x7f<>\"]{1,189}")
LINK_US = {"setup": 7 * DAY_US, "password": 3 * DAY_US}
LINK_GONE = "this link was already used or has expired: ask for a new one"


@dataclass(frozen=True)
class NewUser:
    """A user to create, with or without the hash of a password."""

    email: str
    name: str
    role: str
    password_hash: str | None


def token_hash(token: str) -> bytes:
    return sha256(token.encode()).digest()


def check_email(email: str) -> str:
    """The e-mail without surrounding white space; a plain 400 if it is not one."""
    email = email.strip()
    if not _EMAIL.fullmatch(email):
        raise invalid(("email", "must be an e-mail address such as ada@example.com"))
    return email


def command_caller(workspace_id: str, environment: EnvironmentOrNone = "") -> Caller:
    """The caller of a command on the server's machine."""
    return Caller(0, environment, workspace_id, SCOPES_OF["owner"], "command", "owner")


def role_of(text: str) -> Role:
    """The role of this name; a plain 400 if there is none."""
    for role in ROLES:
        if role == text:
            return role
    raise invalid(("role", f"must be one of {', '.join(ROLES)}"))


def add_member(unit: Unit, caller: Caller, asked: NewUser) -> User:
    """Creates a user as a member of the caller's workspace. 409 EMAIL_TAKEN if the e-mail has a user."""
    role = role_of(asked.role)
    email = check_email(asked.email)
    if unit.user_by_email(email) is not None:
        raise ServiceError("EMAIL_TAKEN", f"the e-mail {email} already has a user")
    name = asked.name.strip() or email.partition("@")[0]
    user = User(f"usr_{secrets.token_hex(8)}", email, name, asked.password_hash, now_us())
    unit.add_user(user)
    unit.set_role(user.id, caller.workspace_id, role)
    audit.record(unit, caller, "user.create", user.id, {"email": email, "role": role})
    return user


def find_member(snapshot: Snapshot, caller: Caller, user_id: str) -> tuple[User, Role]:
    """A user of the caller's workspace, and the user's role there; 404 NOT_FOUND."""
    found = next((pair for pair in snapshot.members(caller.workspace_id) if pair[0].id == user_id), None)
    if found is None:
        raise ServiceError("NOT_FOUND", f"no user {user_id} in this workspace")
    return found


def change_role(unit: Unit, caller: Caller, user_id: str, role: Role) -> None:
    """Changes a role; the last owner who can log in keeps theirs."""
    unit.hold_workspace(caller.workspace_id)
    user, before = find_member(unit, caller, user_id)
    if role == before:
        return
    if before == "owner":
        _need_another_owner(unit, caller, user)
    unit.set_role(user.id, caller.workspace_id, role)
    audit.record(unit, caller, "user.role", user.id, {"from": before, "to": role})


def set_disabled(unit: Unit, caller: Caller, user_id: str, disabled: bool) -> None:
    """Disables or enables a user. Disabling ends the user's sessions and blocks log-in."""
    unit.hold_workspace(caller.workspace_id)
    user, role = find_member(unit, caller, user_id)
    if disabled == (user.disabled_at is not None):
        return
    _need_sole_workspace(unit, caller, user)
    if disabled and role == "owner":
        _need_another_owner(unit, caller, user)
    user.disabled_at = now_us() if disabled else None
    unit.set_user(user)
    if disabled:
        unit.end_sessions(user.id)
    audit.record(unit, caller, "user.disable" if disabled else "user.enable", user.id)


def rename(unit: Unit, caller: Caller, user_id: str, name: str) -> None:
    user, _ = find_member(unit, caller, user_id)
    _need_sole_workspace(unit, caller, user)
    user.name = name
    unit.set_user(user)
    audit.record(unit, caller, "user.rename", user.id, {"name": name})


def invite(unit: Unit, caller: Caller, asked: NewUser) -> tuple[UserView, str]:
    """Creates a user without a password. Returns it with the token of the link that sets one."""
    user = add_member(unit, caller, asked)
    return user_view(user, role_of(asked.role)), make_link(unit, "password", user.id)


def password_link(unit: Unit, caller: Caller, user_id: str) -> tuple[UserView, str]:
    """The token of a link that sets a new password for a user who belongs to the caller's workspace only."""
    user, role = find_member(unit, caller, user_id)
    _need_sole_workspace(unit, caller, user)
    audit.record(unit, caller, "user.password_link", user.id)
    return user_view(user, role), make_link(unit, "password", user.id)


def add_to_workspace(unit: Unit, caller: Caller, email: str, role: Role) -> User:
    """Adds an existing user to the caller's workspace. 404 NOT_FOUND."""
    user = unit.user_by_email(email.strip())
    if user is None:
        raise ServiceError("NOT_FOUND", f"no user has the e-mail {email}")
    unit.set_role(user.id, caller.workspace_id, role)
    audit.record(unit, caller, "user.add", user.id, {"email": user.email, "role": role})
    return user


def _need_sole_workspace(snapshot: Snapshot, caller: Caller, user: User) -> None:
    if [workspace.id for workspace, _ in snapshot.memberships(user.id)] != [caller.workspace_id]:
        raise ServiceError("FORBIDDEN", "this user also belongs to other workspaces: ask the operator of the server")


def _need_another_owner(snapshot: Snapshot, caller: Caller, user: User) -> None:
    others = [
        other
        for other, role in snapshot.members(caller.workspace_id)
        if role == "owner" and other.id != user.id and other.disabled_at is None and other.password_hash is not None
    ]
    if not others:
        raise ServiceError("LAST_OWNER", "a workspace needs an owner who can log in: make another user an owner first")


def set_password(unit: Unit, caller: Caller, user: User, password_hash: str) -> None:
    """Sets a password, and ends the user's sessions and password links."""
    user.password_hash = password_hash
    unit.set_user(user)
    unit.end_sessions(user.id)
    unit.forget_one_time_links("password", user.id)
    audit.record(unit, caller, "user.password", user.id)


# ---------------------------------------------------------------- one-time links


def make_link(unit: Unit, purpose: str, user_id: str | None) -> str:
    """The token of a new link, which replaces earlier ones of the same purpose and user."""
    unit.forget_one_time_links(purpose, user_id)
    token, now = secrets.token_urlsafe(32), now_us()
    unit.add_one_time_link(OneTimeLink(token_hash(token), purpose, user_id, now, now + LINK_US[purpose]))
    return token


def find_link(snapshot: Snapshot, purpose: str, token: str) -> OneTimeLink:
    """A valid link, without using it up. 404 NOT_FOUND if it is used, expired or unknown."""
    link = snapshot.one_time_link(token_hash(token))
    gone = link is None or link.purpose != purpose or link.expires_at <= now_us()
    if link is None or gone or (purpose == "setup" and snapshot.has_users()):
        raise ServiceError("NOT_FOUND", LINK_GONE)
    return link


def take_link(unit: Unit, purpose: str, token: str) -> OneTimeLink:
    """The same, and uses it up."""
    link = find_link(unit, purpose, token)
    if not unit.take_one_time_link(link.token_hash):
        raise ServiceError("NOT_FOUND", LINK_GONE)
    return link


def first_owner(unit: Unit, token: str, asked: NewUser) -> User:
    """Creates the owner of the first workspace, by the link that `serve` prints while there are no users."""
    take_link(unit, "setup", token)
    caller = command_caller(unit.workspaces()[0].id)
    return add_member(unit, caller, NewUser(asked.email, asked.name, "owner", asked.password_hash))


def password_by_link(unit: Unit, token: str, password_hash: str) -> User:
    """Sets a user's password by a link."""
    link = take_link(unit, "password", token)
    user = unit.user(link.user_id or "")
    if user is None or user.disabled_at is not None:
        raise ServiceError("NOT_FOUND", LINK_GONE)
    workspace, role = unit.memberships(user.id)[0]
    caller = Caller(0, "", workspace.id, SCOPES_OF[role], f"user:{user.email}", role)
    set_password(unit, caller, user, password_hash)
    return user


def user_view(user: User, role: Role) -> UserView:
    """A user as replies show it."""
    return {
        "id": user.id,
        "email": user.email,
        "name": user.name,
        "role": role,
        "isVerified": user.password_hash is not None,
        "isDisabled": user.disabled_at is not None,
        "createdAt": instant_text(user.created_at),
    }
