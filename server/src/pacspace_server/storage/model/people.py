"""Workspaces, users, sessions, and the audit trail. Instants are the wall clock's, in microseconds."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from ...clock import now_us
from ...domain import enumerations
from ...domain.enumerations import Role
from .records import ApiKey

ROLES: tuple[Role, ...] = ("owner", "admin", "viewer")


@dataclass(slots=True)
class Workspace:
    """A vendor, and how its pages show what they show."""

    id: str
    name: str
    created_at: int
    time_zone: str = "UTC"
    locale: str = "en"
    unit: str | None = None
    sharing_policy: enumerations.SharingPolicy = "TWO_TIER"


@dataclass(slots=True)
class User:
    """A person. Without a password hash nobody can log in as this one yet; the e-mail is unique in any case."""

    id: str
    email: str
    name: str
    password_hash: str | None
    created_at: int
    disabled_at: int | None = None

    @property
    def folded_email(self) -> str:
        return self.email.casefold()


@dataclass(slots=True)
class Session:
    """A log-in. The token is kept only as a SHA-256 hash."""

    token_hash: bytes
    user_id: str
    workspace_id: str
    environment: enumerations.Environment
    created_at: int
    last_seen_at: int


@dataclass(slots=True)
class OneTimeLink:
    """A link that is good once: `setup` makes the first owner, `password` sets a user's password."""

    token_hash: bytes
    purpose: str
    user_id: str | None
    created_at: int
    expires_at: int


@dataclass(slots=True)
class AuditEntry:
    """Who changed what. The id is in the order of time; `details` is JSON, `environment` empty where there is none."""

    id: str
    workspace_id: str
    environment: enumerations.EnvironmentOrNone
    at: int
    actor: str
    action: str
    subject: str
    details: str


def audit_entry(
    workspace_id: str,
    environment: enumerations.EnvironmentOrNone,
    actor: str,
    action: str,
    subject: str,
    details: Mapping[str, Any],
) -> AuditEntry:
    """An entry of now."""
    at = now_us()
    text = json.dumps(details, ensure_ascii=False, separators=(",", ":"), default=str)
    entry_id = f"aud_{at:016x}{secrets.token_hex(8)}"
    return AuditEntry(entry_id, workspace_id, environment, at, actor, action, subject, text)


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which entries of a workspace: older than an id, and of an actor, an action or a subject where one is named."""

    before: str | None = None
    actor: str | None = None
    action: str | None = None
    subject: str | None = None


class PeopleReads(Protocol):
    """What a snapshot tells of workspaces, users and sessions."""

    def workspace(self, workspace_id: str) -> Workspace | None: ...
    def workspaces(self) -> list[Workspace]:
        """All of them, the installation's own first."""
        ...

    def workspace_keys(self, workspace_id: str, environment: str | None, limit: int, offset: int) -> list[ApiKey]:
        """The API keys of a workspace, newest first; of one of its environments if that is named."""
        ...

    def count_workspace_keys(self, workspace_id: str, environment: str | None) -> int: ...
    def workspace_key(self, workspace_id: str, key_id: str) -> ApiKey | None: ...
    def count_locked(self, environment_id: int, period: str) -> int:
        """How many customers have something in a month that is locked."""
        ...

    def has_users(self) -> bool: ...
    def user(self, user_id: str) -> User | None: ...
    def user_by_email(self, email: str) -> User | None:
        """In any case."""
        ...

    def members(self, workspace_id: str) -> list[tuple[User, Role]]:
        """The users of a workspace with their roles, oldest first."""
        ...

    def memberships(self, user_id: str) -> list[tuple[Workspace, Role]]:
        """The workspaces of a user with the role there, oldest first."""
        ...

    def session(self, token_hash: bytes) -> Session | None: ...
    def one_time_link(self, token_hash: bytes) -> OneTimeLink | None: ...
    def audit_entries(self, workspace_id: str, wanted: AuditFilter, limit: int) -> list[AuditEntry]:
        """Newest first."""
        ...


class PeopleWrites(Protocol):
    """What a unit changes of workspaces, users and sessions."""

    def hold_workspace(self, workspace_id: str) -> None:
        """Nobody else changes the members of the workspace until the commit."""
        ...

    def add_workspace(self, workspace: Workspace) -> None: ...
    def set_workspace(self, workspace: Workspace) -> None: ...
    def add_environment(self, workspace_id: str, name: str, origin: str, blinding_key: bytes) -> None:
        """An environment with its log."""
        ...

    def set_api_key(self, key: ApiKey) -> None:
        """Its secret, and whether it is switched off or revoked."""
        ...

    def note_key_uses(self, uses: Mapping[str, int]) -> None:
        """When each key was used last; an earlier instant changes nothing."""
        ...

    def add_user(self, user: User) -> None: ...
    def set_user(self, user: User) -> None: ...
    def set_role(self, user_id: str, workspace_id: str, role: Role) -> None:
        """Makes a user a member, or changes the role."""
        ...

    def add_session(self, session: Session) -> None: ...
    def set_session(self, session: Session) -> None: ...
    def end_session(self, token_hash: bytes) -> None: ...
    def end_sessions(self, user_id: str) -> None: ...
    def forget_sessions(self, seen_before: int, created_before: int) -> None:
        """Removes those that were last seen, or begun, before an instant."""
        ...

    def add_one_time_link(self, link: OneTimeLink) -> None: ...
    def take_one_time_link(self, token_hash: bytes) -> bool:
        """Removes it; whether it was there. Of two who take it at once, one does."""
        ...

    def forget_one_time_links(self, purpose: str, user_id: str | None) -> None: ...
    def add_audit_entry(self, entry: AuditEntry) -> None: ...
