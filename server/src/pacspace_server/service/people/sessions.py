"""Sessions: log-in, and the user, workspace and environment of a session token.

A session ends after 12 hours without use and after 30 days in any case. It ends immediately when its user logs out,
gets a new password, is disabled, or leaves the workspace.
"""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass
from hashlib import sha256

from ...clock import now_us
from ...domain.enumerations import Environment, Role
from ...domain.instants import DAY_US, instant_text
from ...storage.model.people import Session, User, Workspace
from ...storage.model.protocols import Snapshot, Unit
from ...views.dashboard import Me
from ..base import audit, lockouts
from ..base.context import SCOPES_OF, Caller, Context
from ..base.errors import ServiceError, invalid
from ..base.lockouts import client_network
from ..base.passwords import check_password, hash_password, is_password
from . import people

IDLE_US, LONGEST_US = DAY_US // 2, 30 * DAY_US
LONGEST_S = LONGEST_US // 1_000_000
SEEN_US = 5 * 60 * 1_000_000  # how old `last_seen_at` gets before it is written again
FAILURES_PER_ADDRESS = 30
PREFIX = "pss_"
ENVIRONMENTS: tuple[Environment, ...] = ("sandbox", "production")
ENDED = "this session has ended: log in again"
NOT_KNOWN = "wrong e-mail or password, or the user is disabled"


@dataclass(frozen=True)
class Actor:
    """A logged-in user with workspace, role, and the environment in view."""

    user_id: str
    email: str
    name: str
    workspace_id: str
    workspace_name: str
    role: Role
    environment: Environment
    environment_id: int
    token_hash: bytes
    expires_at: int
    last_seen_at: int

    @property
    def caller(self) -> Caller:
        """The same as services take it."""
        return Caller(
            self.environment_id,
            self.environment,
            self.workspace_id,
            SCOPES_OF[self.role],
            f"user:{self.email}",
            self.role,
        )


def find_actor(snapshot: Snapshot, token: str | None, environment: Environment | None = None) -> Actor | None:
    """The user of a session token; None if it is not valid. `environment` overrides the session's."""
    if not token or not token.startswith(PREFIX):
        return None
    session = snapshot.session(people.token_hash(token))
    if session is None or _expires_at(session) <= now_us():
        return None
    user = snapshot.user(session.user_id)
    if user is None or user.disabled_at is not None:
        return None
    member = next((pair for pair in snapshot.memberships(user.id) if pair[0].id == session.workspace_id), None)
    if member is None:
        return None
    name = environment or session.environment
    side = _side(snapshot, session.workspace_id, name)
    return Actor(
        user.id,
        user.email,
        user.name,
        member[0].id,
        member[0].name,
        member[1],
        name,
        side,
        session.token_hash,
        _expires_at(session),
        session.last_seen_at,
    )


def _side(snapshot: Snapshot, workspace_id: str, name: str) -> int:
    return next(e.id for e in snapshot.environments() if e.workspace_id == workspace_id and e.name == name)


def _expires_at(session: Session) -> int:
    return min(session.last_seen_at + IDLE_US, session.created_at + LONGEST_US)


async def current_actor(context: Context, token: str | None, environment: Environment | None = None) -> Actor | None:
    """The same for a request: also updates when the session was last seen."""
    actor = await context.look(lambda snapshot: find_actor(snapshot, token, environment))
    now = now_us()
    if actor is not None and now - actor.last_seen_at >= SEEN_US:

        def seen(unit: Unit) -> None:
            session = unit.session(actor.token_hash)
            if session is not None:
                session.last_seen_at = now
                unit.set_session(session)

        await context.committer.run(seen)
    return actor


def _lockout_key(address: str, email: str) -> str:
    """The lockout key of one e-mail from one address."""
    return "login:" + sha256(f"{client_network(address)}\x00{email.casefold()}".encode()).hexdigest()


async def log_in(
    context: Context, address: str, email: str, password: str, old_token: str | None = None
) -> tuple[str, Actor]:
    """Begins a session, and ends the one the browser had. Returns its token and user.

    401 INVALID_CREDENTIALS never tells whether the e-mail has a user; 429 RATE_LIMITED after five failures for one
    e-mail from one address, or thirty for any e-mails.
    """
    now, email = now_us(), email.strip()
    key, wide = _lockout_key(address, email), f"login:{client_network(address)}"

    def count_attempt(unit: Unit) -> User | None:
        """Counts the attempt before the check, so that parallel attempts can't exceed the limit."""
        lockouts.refuse_locked(unit, key, now)
        lockouts.refuse_locked(unit, wide, now)
        lockouts.failed(unit, key, now)
        lockouts.failed(unit, wide, now, FAILURES_PER_ADDRESS)
        return unit.user_by_email(email)

    user = await context.committer.run(count_attempt)
    can_log_in = user is not None and user.disabled_at is None
    known = user.password_hash if user is not None and can_log_in else None
    is_right = await context.passwords.run(is_password, password, known)
    if user is None or not is_right:
        raise ServiceError("INVALID_CREDENTIALS", NOT_KNOWN)
    confirmed = user

    def enter(unit: Unit) -> tuple[str, Actor]:
        user = unit.user(confirmed.id)
        if user is None or user.password_hash != known or user.disabled_at is not None:
            raise ServiceError("INVALID_CREDENTIALS", NOT_KNOWN)  # changed meanwhile
        lockouts.succeeded(unit, key)
        lockouts.uncount(unit, wide, FAILURES_PER_ADDRESS)  # failures for other e-mails still count
        return begin(unit, user, old_token)

    return await context.committer.run(enter)


def begin(unit: Unit, user: User, old_token: str | None = None) -> tuple[str, Actor]:
    """Begins a session under a new token, in the sandbox of the user's first workspace."""
    now = now_us()
    unit.forget_sessions(now - IDLE_US, now - LONGEST_US)
    if old_token is not None:
        unit.end_session(people.token_hash(old_token))
    memberships = unit.memberships(user.id)
    if not memberships:
        raise ServiceError("INVALID_CREDENTIALS", NOT_KNOWN)
    token = PREFIX + secrets.token_urlsafe(32)
    unit.add_session(Session(people.token_hash(token), user.id, memberships[0][0].id, "sandbox", now, now))
    actor = find_actor(unit, token)
    assert actor is not None
    audit.record(unit, actor.caller, "session.create", user.id)
    return token, actor


async def log_out(context: Context, actor: Actor) -> None:
    """Ends this session; the user's other sessions continue."""

    def work(unit: Unit) -> None:
        unit.end_session(actor.token_hash)
        audit.record(unit, actor.caller, "session.end", actor.user_id)

    await context.committer.run(work)


async def prefer(context: Context, actor: Actor, environment: Environment | None, workspace_id: str | None) -> Actor:
    """Switches the session to another environment or workspace of the user."""

    def work(unit: Unit) -> Session:
        session = unit.session(actor.token_hash)
        if session is None:
            raise ServiceError("INVALID_API_KEY", ENDED)
        session.environment = environment or session.environment
        if workspace_id is not None:
            if workspace_id not in [workspace.id for workspace, _ in unit.memberships(actor.user_id)]:
                raise ServiceError("NOT_FOUND", f"you have no workspace {workspace_id}")
            session.workspace_id = workspace_id
        unit.set_session(session)
        return session

    session = await context.committer.run(work)
    return await context.look(lambda snapshot: _again(snapshot, actor, session))


def _again(snapshot: Snapshot, actor: Actor, session: Session) -> Actor:
    workspace, role = next(pair for pair in snapshot.memberships(actor.user_id) if pair[0].id == session.workspace_id)
    side = _side(snapshot, workspace.id, session.environment)
    return Actor(
        actor.user_id,
        actor.email,
        actor.name,
        workspace.id,
        workspace.name,
        role,
        session.environment,
        side,
        actor.token_hash,
        actor.expires_at,
        actor.last_seen_at,
    )


async def change_password(context: Context, address: str, actor: Actor, current: str, new: str) -> tuple[str, Actor]:
    """Sets a new password, ends the user's sessions, and begins a new one. A wrong current password is a plain 400."""
    new = check_password(new, "newPassword")
    now = now_us()
    key = _lockout_key(address, actor.email)

    def count_attempt(unit: Unit) -> str | None:
        lockouts.refuse_locked(unit, key, now)
        lockouts.failed(unit, key, now)
        user = unit.user(actor.user_id)
        return user.password_hash if user else None

    known = await context.committer.run(count_attempt)
    if not await context.passwords.run(is_password, current, known):
        raise invalid(("currentPassword", "is not your password"))
    new_hash = await context.passwords.run(hash_password, new)

    def work(unit: Unit) -> tuple[str, Actor]:
        user = unit.user(actor.user_id)
        if user is None or user.password_hash != known:
            raise invalid(("currentPassword", "is not your password"))
        lockouts.succeeded(unit, key)
        people.set_password(unit, actor.caller, user, new_hash)
        return begin(unit, user)

    return await context.committer.run(work)


async def set_up(context: Context, token: str, email: str, name: str, password: str) -> tuple[str, Actor]:
    """Creates the first owner by the link that `serve` prints, and begins a session. 404 NOT_FOUND for a bad link."""
    await context.look(lambda snapshot: people.find_link(snapshot, "setup", token))
    hashed = await context.passwords.run(hash_password, check_password(password))
    asked = people.NewUser(email, name, "owner", hashed)
    return await context.committer.run(lambda unit: begin(unit, people.first_owner(unit, token, asked)))


async def set_password(context: Context, token: str, password: str) -> tuple[str, Actor]:
    """Sets a password by a link that an owner made, and begins a session. 404 NOT_FOUND for a bad link."""
    await context.look(lambda snapshot: people.find_link(snapshot, "password", token))
    hashed = await context.passwords.run(hash_password, check_password(password))
    return await context.committer.run(lambda unit: begin(unit, people.password_by_link(unit, token, hashed)))


def csrf_token(token: str) -> str:
    """The hidden field in this session's forms; making it requires the session token."""
    return hmac.digest(token.encode(), b"csrf", "sha256").hex()


def is_csrf_token(token: str, given: str) -> bool:
    return hmac.compare_digest(csrf_token(token).encode(), given.encode())


def actor_view(actor: Actor, workspaces: list[tuple[Workspace, Role]]) -> Me:
    """The logged-in user, as `me` and log-in return it."""
    return {
        "id": actor.user_id,
        "email": actor.email,
        "name": actor.name,
        "role": actor.role,
        "isVerified": True,
        "tenantId": actor.workspace_id,
        "workspace": {"id": actor.workspace_id, "name": actor.workspace_name, "role": actor.role},
        "workspaces": [{"id": workspace.id, "name": workspace.name, "role": role} for workspace, role in workspaces],
        "preferredEnvironment": actor.environment,
        "expiresAt": instant_text(actor.expires_at),
    }
