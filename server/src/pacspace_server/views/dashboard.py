"""Replies of the dashboard's routes: users, sessions, keys, workspaces, the audit trail."""

from typing import Annotated, Any, Literal, TypedDict

from msgspec import Meta

from ..domain.enumerations import KeyEnvironment, KeyScope, Role, SharingPolicy
from .receipts import Receipt
from .shapes import Count, Environment, Instant, Month, Url


class Person(TypedDict):
    """A user in a workspace."""

    id: str
    email: str
    name: str
    role: Role
    isVerified: Annotated[bool, Meta(description="The user has a password and can log in.")]
    tenantId: Annotated[str, Meta(description="The workspace's id.")]


class WorkspaceRole(TypedDict):
    """A workspace, and the user's role there."""

    id: str
    name: str
    role: Role


class Me(Person):
    """The logged-in user."""

    workspace: WorkspaceRole
    workspaces: list[WorkspaceRole]
    preferredEnvironment: Environment
    expiresAt: Annotated[Instant, Meta(description="The end of the session without further requests.")]


class LoggedIn(Me):
    """A new session."""

    user: Person
    token: Annotated[str, Meta(description="For Authorization: Bearer. The cookie has it too.")]
    accessToken: Annotated[str, Meta(description="The same as token.")]


class LoggedOut(TypedDict):
    """The session has ended."""

    loggedOut: Literal[True]


class AuditEntry(TypedDict):
    """One change in the workspace."""

    id: str
    at: Instant
    actor: Annotated[str, Meta(description="`user:` and an e-mail, `key:` and its id, or `command`.")]
    action: str
    subject: Annotated[str, Meta(description="The id of the changed object.")]
    environment: Environment | None
    details: dict[str, Any]


class AuditTrail(TypedDict):
    """Entries, newest first; `nextCursor` is null on the last page."""

    entries: list[AuditEntry]
    nextCursor: str | None


class User(TypedDict):
    """A user of the workspace."""

    id: str
    email: str
    name: str
    role: Role
    isVerified: Annotated[bool, Meta(description="The user has a password and can log in.")]
    isDisabled: bool
    createdAt: Instant


class Users(TypedDict):
    """The users, oldest first."""

    users: list[User]


class Invited(User):
    """A user, and the link that sets the password."""

    setPasswordUrl: Annotated[Url, Meta(description="Works once, within three days. Only this reply has it.")]


class ApiKey(TypedDict):
    """An API key, without its secret."""

    id: str
    name: str
    environment: Annotated[KeyEnvironment, Meta(description="test is the sandbox, live is production.")]
    scopes: list[KeyScope]
    publicKey: Annotated[str, Meta(description="The part before the point, which is not secret.")]
    active: bool
    createdAt: Instant
    lastUsedAt: Annotated[Instant | None, Meta(description="To the minute.")]
    revokedAt: Instant | None


class ApiKeys(TypedDict):
    """API keys, newest first."""

    items: list[ApiKey]
    total: Count
    page: int
    limit: int
    totalPages: Count


class NewApiKey(ApiKey):
    """An API key with its secret, which only this reply has."""

    secretKey: str
    fullKey: Annotated[str, Meta(description="The value of X-Api-Key.")]


class EnvironmentRow(TypedDict):
    """An environment of the workspace."""

    environment: Environment
    status: Literal["active"]
    logOrigin: str
    keyFingerprint: Annotated[str, Meta(description="Of the log's verifier key.")]
    customers: Count


class Environments(TypedDict):
    """Both environments."""

    environments: list[EnvironmentRow]


class Status(TypedDict):
    """The status of an environment."""

    status: Literal["active"]


class EnvironmentStatus(TypedDict):
    """The status of each environment."""

    sandbox: Status
    production: Status


class Workspace(TypedDict):
    """A workspace's settings."""

    id: str
    name: str
    createdAt: Instant
    timeZone: Annotated[str, Meta(description="For displayed instants. Months are UTC.")]
    locale: str
    defaultUnit: str | None
    sharingPolicy: SharingPolicy


class Summary(TypedDict):
    """An environment's progress with a month."""

    environment: Environment
    period: Month
    customers: Annotated[Count, Meta(description="All customers.")]
    activeCustomers: Annotated[Count, Meta(description="Customers with deltas in the month.")]
    lockedCustomers: Annotated[Count, Meta(description="Those of them whose month is locked.")]
    openCustomers: Count
    deltaCount: Annotated[Count, Meta(description="Deltas posted to the month.")]
    pendingCount: Annotated[Count, Meta(description="Deltas of any month that are not in the published log yet.")]
    pendingMonths: Count


class PackageFiles(TypedDict):
    """The links to the month's files."""

    bundle: Annotated[Url | None, Meta(description="The verifiable receipt file.")]
    csv: Url
    jsonl: Url


class ClosePackage(TypedDict):
    """The enclosures of a month's invoice."""

    customerId: str
    displayName: str | None
    period: Month
    ready: Annotated[bool, Meta(description="Nothing is missing.")]
    missing: list[str]
    receipt: Annotated[Receipt, Meta(description="Without its deltas, which are in the files.")]
    files: PackageFiles
