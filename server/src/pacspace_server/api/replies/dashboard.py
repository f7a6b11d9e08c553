"""What the dashboard's routes answer of users, sessions and the audit trail."""

from typing import Annotated, Any, Literal, TypedDict

from msgspec import Meta

from .shapes import Environment, Instant

Role = Literal["owner", "admin", "viewer"]


class Person(TypedDict):
    """A user in a workspace."""

    id: str
    email: str
    name: str
    role: Role
    isVerified: Annotated[bool, Meta(description="Has a password, and so can log in.")]
    tenantId: Annotated[str, Meta(description="The workspace's id.")]


class WorkspaceRole(TypedDict):
    """A workspace, and what somebody is there."""

    id: str
    name: str
    role: Role


class Me(Person):
    """Who is logged in."""

    workspace: WorkspaceRole
    workspaces: list[WorkspaceRole]
    preferredEnvironment: Environment
    expiresAt: Annotated[Instant, Meta(description="When the session ends if nothing more is asked.")]


class LoggedIn(Me):
    """A new session."""

    user: Person
    token: Annotated[str, Meta(description="For Authorization: Bearer. It is in the cookie too.")]
    accessToken: Annotated[str, Meta(description="The same as token.")]


class LoggedOut(TypedDict):
    """The session has ended."""

    loggedOut: Literal[True]


class AuditEntry(TypedDict):
    """Who changed what."""

    id: str
    at: Instant
    actor: Annotated[str, Meta(description="`user:` and an e-mail, `key:` and its id, or `command`.")]
    action: str
    subject: Annotated[str, Meta(description="The id of what was changed.")]
    environment: Environment | None
    details: dict[str, Any]


class AuditTrail(TypedDict):
    """Entries, newest first; `nextCursor` is null on the last page."""

    entries: list[AuditEntry]
    nextCursor: str | None
