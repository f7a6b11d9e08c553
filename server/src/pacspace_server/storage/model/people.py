"""Workspaces, users, sessions, and the audit trail. Instants are the wall clock's, in microseconds."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from ...clock import now_us
from ...domain import enumerations
from ...domain.enumerations import Role
from .records import ApiKey

ROLES: tuple[Role, ...] = ("owner", "admin", "viewer")


@dataclass(slots=True)
class Workspace:
    """A vendor, with the time zone, locale and unit of its pages."""

    id: str
    name: str
    created_at: int
    time_zone: str = "UTC"
    locale: str = "en"
    unit: str | None = None
    sharing_policy: enumerations.SharingPolicy = "TWO_TIER"
    seal: bytes | None = field(default=None, compare=False)


@dataclass(slots=True)
class User:
    """A person. Nobody can log in as a user without a password hash; e-mails are unique regardless of case."""

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
    """A log-in. Only the SHA-256 hash of the token is stored."""

    token_hash: bytes
    user_id: str
    workspace_id: str
    environment: enumerations.Environment
    created_at: int
    last_seen_at: int


@dataclass(slots=True)
class OneTimeLink:
    """A link that works once: `setup` creates the first owner, `password` sets a user's password."""

    token_hash: bytes
    purpose: str
    user_id: str | None
    created_at: int
    expires_at: int


@dataclass(slots=True)
class AuditEntry:
    """Who changed what. Ids ascend with time; `details` is JSON; `environment` is empty where none applies."""

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
    """An entry for a change made now."""
    at = now_us()
    text = json.dumps(details, ensure_ascii=False, separators=(",", ":"), default=str)
    entry_id = f"aud_{at:016x}{secrets.token_hex(8)}"
    return AuditEntry(entry_id, workspace_id, environment, at, actor, action, subject, text)


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Selects entries of a workspace: older than an id, and by actor, action or subject where given."""

    before: str | None = None
    actor: str | None = None
    action: str | None = None
    subject: str | None = None


class PeopleReads(Protocol):
    """What a snapshot reads of workspaces, users and sessions."""

    def workspace(self, workspace_id: str) -> Workspace | None: ...
    def workspaces(self) -> list[Workspace]:
        """All workspaces, the installation's own first."""
        ...

    def workspace_keys(self, workspace_id: str, environment: str | None, limit: int, offset: int) -> list[ApiKey]:
        """A workspace's API keys, newest first; optionally of one environment."""
        ...

    def count_workspace_keys(self, workspace_id: str, environment: str | None) -> int: ...
    def workspace_key(self, workspace_id: str, key_id: str) -> ApiKey | None: ...
    def count_locked(self, environment_id: int, period: str) -> int:
        """For how many customers a month with deltas is locked."""
        ...

    def has_users(self) -> bool: ...
    def user(self, user_id: str) -> User | None: ...
    def user_by_email(self, email: str) -> User | None:
        """Regardless of case."""
        ...

    def members(self, workspace_id: str) -> list[tuple[User, Role]]:
        """A workspace's users with their roles, oldest first."""
        ...

    def memberships(self, user_id: str) -> list[tuple[Workspace, Role]]:
        """A user's workspaces with their roles, oldest first."""
        ...

    def session(self, token_hash: bytes) -> Session | None: ...
    def one_time_link(self, token_hash: bytes) -> OneTimeLink | None: ...
    def audit_entries(self, workspace_id: str, wanted: AuditFilter, limit: int) -> list[AuditEntry]:
        """Newest first."""
        ...


class PeopleWrites(Protocol):
    """What a unit writes of workspaces, users and sessions."""

    def hold_workspace(self, workspace_id: str) -> None:
        """Locks the members of the workspace until the commit."""
        ...

    def add_workspace(self, workspace: Workspace) -> None: ...
    def set_workspace(self, workspace: Workspace) -> None: ...
    def add_environment(
        self, workspace_id: str, name: enumerations.Environment, origin: str, blinding_key: bytes
    ) -> None:
        """An environment and its log."""
        ...

    def set_api_key(self, key: ApiKey) -> None:
        """Stores its secret, and whether it is disabled or revoked."""
        ...

    def note_key_uses(self, uses: Mapping[str, int]) -> None:
        """Stores when each key was last used; an earlier instant changes nothing."""
        ...

    def add_user(self, user: User) -> None: ...
    def set_user(self, user: User) -> None: ...
    def set_role(self, user_id: str, workspace_id: str, role: Role) -> None:
        """Adds a user to a workspace, or changes the role."""
        ...

    def add_session(self, session: Session) -> None: ...
    def set_session(self, session: Session) -> None: ...
    def end_session(self, token_hash: bytes) -> None: ...
    def end_sessions(self, user_id: str) -> None: ...
    def forget_sessions(self, seen_before: int, created_before: int) -> None:
        """Removes sessions last used, or created, before an instant."""
        ...

    def add_one_time_link(self, link: OneTimeLink) -> None: ...
    def take_one_time_link(self, token_hash: bytes) -> bool:
        """Removes the link; returns whether it existed. Of two simultaneous calls, one succeeds."""
        ...

    def forget_one_time_links(self, purpose: str, user_id: str | None) -> None: ...
    def add_audit_entry(self, entry: AuditEntry) -> None: ...
