"""The route table: dispatch, the OpenAPI document, the reference and the tests read it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from .. import views as replies
from ..http.messages import Reply
from ..service.base.limits import MAX_BATCH_BODY_BYTES, MAX_BODY_BYTES
from . import (
    auth,
    balance,
    checkpoints,
    customers,
    directory,
    keys,
    receipts,
    sandbox,
    sharing,
    users,
    webhooks,
    workspace,
)
from . import portal as shared
from .fields import Table
from .public import BUNDLE, READY, VERIFY, Public
from .scope import PAGE, SCOPE

NOTHING: Table = {}
KEY, DASHBOARD, NONE = "key", "dashboard", "none"


@dataclass(frozen=True)
class Route:
    """One method on one path: its callers, its fields, its reply.

    `reply` describes `data` (a TypedDict), or names the media types of other replies. `codes` are the error codes
    beyond those of every route (`refusals.py`). The handler's docstring is the route's description.
    """

    method: str
    path: str
    handler: Callable[..., Awaitable[Reply]]
    reply: Any
    auth: str = KEY
    scope: str = "read"
    query: Table = field(default_factory=dict)
    body: Table | None = None
    max_body: int = MAX_BODY_BYTES
    statuses: tuple[int, ...] = (200,)
    codes: tuple[str, ...] = ()
    takes_key: bool = False  # an Idempotency-Key
    person: bool = False  # needs a logged-in user; an API key is not enough
    before_body: Callable[..., Awaitable[Any]] | None = None  # refuses strangers before it reads a long body
    name: str = ""  # the operationId, if it differs from the handler's name

    @property
    def says(self) -> str:
        """What the route does, in one line."""
        return (self.handler.__doc__ or "").strip().splitlines()[0].removesuffix(".")

    @property
    def is_dashboard(self) -> bool:
        return self.path.startswith("/dashboard/")

    @property
    def operation(self) -> str:
        """The operationId."""
        first, *more = self.handler.__name__.split("_")
        return self.name or first + "".join(word.capitalize() for word in more)


# Who may call: a key that has the scope, a session or key with the role, or anyone.
read = partial(Route, auth=KEY, scope="read")
write = partial(Route, auth=KEY, scope="write")
view = partial(Route, auth=DASHBOARD, scope="read")
manage = partial(Route, auth=DASHBOARD, scope="admin")
own = partial(Route, auth=DASHBOARD, scope="owner")
anyone = partial(Route, auth=NONE)

BALANCE = "/api/v1/balance"
WEBHOOKS = "/dashboard/webhooks"
OF_ENDPOINT = WEBHOOKS + "/{endpointId}"
OF_CUSTOMER = "/dashboard/customers/{customerId}"
SHARED = "/api/v1/c/{handle}"

CREATED = (201,)
NOT_FOUND, UNAVAILABLE = ("NOT_FOUND",), ("SERVICE_UNAVAILABLE",)
CUSTOMER, RECORDS, RECEIPTS = ("CUSTOMER_NOT_FOUND",), ("RECORD_NOT_FOUND",), ("RECEIPT_NOT_FOUND",)
SCOPED = ("INVALID_SCOPE_COMBINATION", "SCOPE_TOO_WIDE", *CUSTOMER)
PROVEN = ("RECORD_DAMAGED", *UNAVAILABLE)
KEYED = ("IDEMPOTENCY_CONFLICT", "IDEMPOTENCY_PENDING")
OUTSIDE = ("FORBIDDEN", "RATE_LIMITED")
LINK = ("LINK_NOT_FOUND", "RATE_LIMITED")
SHARED_DETAIL = (*LINK, "ACCESS_CODE_REQUIRED")

ROUTES = [
    # Deltas and balances
    write("POST", BALANCE + "/delta", balance.emit, replies.Delta, body=balance.EMIT, statuses=(201, 200),
          takes_key=True, codes=(*RECORDS, "REFERENCE_ID_CONFLICT", *KEYED)),
    write("POST", BALANCE + "/delta/batch", balance.emit_batch, replies.Batch, body=balance.BATCH,
          max_body=MAX_BATCH_BODY_BYTES, statuses=CREATED, takes_key=True, codes=KEYED),
    read("GET", BALANCE + "/delta/{recordId}", balance.get_delta, replies.DeltaStatus, codes=RECORDS),
    read("GET", BALANCE + "/derive/{customerId}", balance.derive, replies.Derived, query=balance.DERIVE, codes=SCOPED),
    read("GET", BALANCE + "/limits", balance.limits, replies.Limits),
    read("POST", BALANCE + "/compare", balance.compare, replies.Compared, body=balance.COMPARE,
         max_body=MAX_BATCH_BODY_BYTES, statuses=CREATED, codes=SCOPED),
    # Checkpoints and receipts
    write("POST", BALANCE + "/checkpoint", checkpoints.checkpoint, replies.Checkpointed, body=checkpoints.CHECKPOINT,
          statuses=CREATED, takes_key=True, codes=(*SCOPED, "NOT_FOUND", "RECORD_DAMAGED", *KEYED)),
    read("GET", BALANCE + "/jobs/{jobId}", checkpoints.job, replies.Job, codes=NOT_FOUND),
    read("GET", BALANCE + "/checkpoints", checkpoints.checkpoints, replies.Checkpoints, query=checkpoints.CHECKPOINTS,
         codes=SCOPED),
    read("GET", BALANCE + "/checkpoints/diff", checkpoints.diff, replies.Diff, query=checkpoints.DIFF,
         codes=("CHECKPOINT_NOT_FOUND",)),
    read("GET", BALANCE + "/customers/{customerId}/timeline", customers.timeline, replies.Timeline, query=PAGE,
         codes=CUSTOMER),
    read("GET", BALANCE + "/receipt/{customerId}", receipts.receipt, replies.Receipt, query=SCOPE,
         codes=(*SCOPED, *PROVEN)),
    read("GET", BALANCE + "/invoice-proof/{customerId}", receipts.receipt, replies.Receipt, query=SCOPE,
         codes=(*SCOPED, *PROVEN), name="invoiceProof"),
    read("GET", BALANCE + "/receipts/{receiptId}", receipts.document, replies.ReceiptDocument, query=receipts.DOCUMENT,
         codes=(*RECEIPTS, "RECORD_DAMAGED"), name="receiptDocument"),
    read("GET", BALANCE + "/customers/{customerId}/receipts", receipts.receipts, replies.Receipts, query=PAGE,
         codes=CUSTOMER),
    # Customers
    read("GET", BALANCE + "/customers", customers.customers, replies.Customers, query=customers.CUSTOMERS),
    read("GET", BALANCE + "/customers/{customerId}", customers.customer, replies.Customer, query=customers.CUSTOMER,
         codes=CUSTOMER),
    read("GET", BALANCE + "/usage", customers.usage, replies.Usage),
    read("GET", BALANCE + "/gaps/{customerId}", customers.gaps, replies.Gaps, query=customers.GAPS, codes=CUSTOMER),
    # Webhooks
    read("GET", BALANCE + "/webhooks", webhooks.deliveries, replies.Deliveries, query=webhooks.DELIVERIES),
    write("POST", BALANCE + "/webhooks/{eventId}/retry", webhooks.retry, replies.Delivery, body=NOTHING,
          codes=NOT_FOUND, name="retryDelivery"),
    manage("POST", WEBHOOKS, webhooks.create, replies.NewEndpoint, body=webhooks.NEW_ENDPOINT, statuses=CREATED,
           name="createEndpoint"),
    view("GET", WEBHOOKS, webhooks.endpoints, replies.Endpoints, query=webhooks.ENDPOINTS),
    view("GET", OF_ENDPOINT, webhooks.endpoint, replies.Endpoint, codes=NOT_FOUND),
    manage("PATCH", OF_ENDPOINT, webhooks.change, replies.Endpoint, body=webhooks.CHANGE, codes=NOT_FOUND,
           name="changeEndpoint"),
    manage("DELETE", OF_ENDPOINT, webhooks.remove, replies.RemovedEndpoint, codes=NOT_FOUND, name="removeEndpoint"),
    manage("POST", OF_ENDPOINT + "/test", webhooks.test, replies.TestedEndpoint, body=NOTHING, codes=NOT_FOUND,
           name="testEndpoint"),
    manage("POST", OF_ENDPOINT + "/rotate", webhooks.rotate, replies.RotatedEndpoint, body=NOTHING, codes=NOT_FOUND,
           name="rotateSecret"),
    manage("POST", OF_ENDPOINT + "/replay", webhooks.replay, replies.Replayed, body=webhooks.REPLAY, codes=NOT_FOUND,
           name="replayDeliveries"),
    view("GET", OF_ENDPOINT + "/deliveries", webhooks.of_endpoint, replies.EndpointDeliveries,
         query=webhooks.OF_ENDPOINT, codes=NOT_FOUND, name="endpointDeliveries"),
    view("GET", OF_ENDPOINT + "/deliveries/{eventId}", webhooks.delivery, replies.SentDelivery, codes=NOT_FOUND,
         name="endpointDelivery"),
    manage("POST", OF_ENDPOINT + "/deliveries/{eventId}/retry", webhooks.retry_one, replies.Delivery, body=NOTHING,
           codes=NOT_FOUND, name="retryEndpointDelivery"),
    write("POST", "/api/v1/sandbox/events", webhooks.follow, replies.Followed, body=webhooks.FOLLOW,
          name="followEvents"),
    write("POST", "/api/v1/sandbox/events/trigger", webhooks.trigger, replies.Triggered, body=webhooks.TRIGGER,
          name="triggerEvent"),
    # The sandbox
    read("GET", "/api/v1/sandbox/clock", sandbox.get_clock, replies.Clock),
    write("POST", "/api/v1/sandbox/clock", sandbox.set_clock, replies.Clock, body=sandbox.CLOCK),
    write("POST", "/api/v1/sandbox/reset", sandbox.reset, replies.Reset, body=NOTHING),
    # The dashboard: sessions, keys, settings, users
    anyone("POST", "/dashboard/auth/login", auth.login, replies.LoggedIn, body=auth.LOGIN,
           codes=("INVALID_CREDENTIALS", *OUTSIDE), name="logIn"),
    anyone("POST", "/dashboard/auth/register", auth.register, replies.LoggedIn, body=auth.REGISTER, statuses=CREATED,
           codes=("EMAIL_TAKEN", *OUTSIDE)),
    anyone("POST", "/dashboard/auth/setup", auth.set_up, replies.LoggedIn, body=auth.SETUP, statuses=CREATED,
           codes=("NOT_FOUND", *OUTSIDE)),
    anyone("POST", "/dashboard/auth/set-password", auth.set_password, replies.LoggedIn, body=auth.SET_PASSWORD,
           codes=("NOT_FOUND", *OUTSIDE)),
    view("POST", "/dashboard/auth/logout", auth.logout, replies.LoggedOut, body=NOTHING, person=True, name="logOut"),
    view("GET", "/dashboard/auth/me", auth.me, replies.Me, person=True),
    view("POST", "/dashboard/auth/password", auth.password, replies.LoggedIn, body=auth.PASSWORD, person=True,
         codes=("RATE_LIMITED",), name="changePassword"),
    view("PATCH", "/dashboard/auth/preferences", auth.preferences, replies.Me, body=auth.PREFERENCES, person=True,
         codes=NOT_FOUND),
    manage("GET", "/dashboard/api-keys", keys.list_keys, replies.ApiKeys, query=keys.PAGE, name="listApiKeys"),
    manage("POST", "/dashboard/api-keys", keys.create, replies.NewApiKey, body=keys.NEW_KEY, statuses=CREATED,
           name="createApiKey"),
    manage("GET", "/dashboard/api-keys/{keyId}", keys.get, replies.ApiKey, codes=NOT_FOUND, name="getApiKey"),
    manage("POST", "/dashboard/api-keys/{keyId}/rotate", keys.rotate, replies.NewApiKey, body=NOTHING, codes=NOT_FOUND,
           name="rotateApiKey"),
    manage("POST", "/dashboard/api-keys/{keyId}/toggle", keys.toggle, replies.ApiKey, body=keys.TOGGLE,
           codes=NOT_FOUND, name="toggleApiKey"),
    manage("DELETE", "/dashboard/api-keys/{keyId}", keys.revoke, replies.ApiKey, codes=NOT_FOUND, name="revokeApiKey"),
    view("GET", "/dashboard/environments", workspace.environments, replies.Environments),
    view("GET", "/dashboard/environments/environment-status", workspace.status, replies.EnvironmentStatus,
         name="environmentStatus"),
    manage("POST", "/dashboard/environments/provision", workspace.provision, replies.EnvironmentRow,
           body=workspace.PROVISION, name="provisionEnvironment"),
    view("GET", "/dashboard/workspace", workspace.settings, replies.Workspace, name="workspaceSettings"),
    own("PATCH", "/dashboard/workspace", workspace.change, replies.Workspace, body=workspace.SETTINGS,
        name="changeWorkspace"),
    own("GET", "/dashboard/users", users.list_users, replies.Users, name="listUsers"),
    own("POST", "/dashboard/users", users.invite, replies.Invited, body=users.NEW_USER, statuses=CREATED,
        codes=("EMAIL_TAKEN",), name="inviteUser"),
    own("PATCH", "/dashboard/users/{userId}", users.change, replies.User, body=users.CHANGES,
        codes=("NOT_FOUND", "LAST_OWNER"), name="changeUser"),
    own("POST", "/dashboard/users/{userId}/password-link", users.password_link, replies.Invited, body=NOTHING,
        statuses=CREATED, codes=NOT_FOUND),
    manage("GET", "/dashboard/audit", workspace.audit, replies.AuditTrail, query=workspace.AUDIT, person=True),
    # The dashboard: customers
    view("GET", "/dashboard/customers", directory.customers, replies.Customers, query=directory.CUSTOMERS,
         name="dashboardCustomers"),
    view("GET", "/dashboard/customers/summary", directory.summary, replies.Summary, query=directory.MONTH,
         name="customersSummary"),
    manage("POST", "/dashboard/customers", customers.create, replies.NewCustomer, body=customers.NEW_CUSTOMER,
           statuses=CREATED, codes=("CUSTOMER_ID_CONFLICT",), name="createCustomer"),
    view("GET", OF_CUSTOMER, customers.customer, replies.Customer, query=customers.CUSTOMER, codes=CUSTOMER,
         name="dashboardCustomer"),
    manage("PATCH", OF_CUSTOMER, directory.change, replies.CustomerRow, body=directory.CHANGES, codes=CUSTOMER,
           name="changeCustomer"),
    view("GET", OF_CUSTOMER + "/receipt", receipts.receipt, replies.Receipt, query=SCOPE, codes=(*SCOPED, *PROVEN),
         name="dashboardReceipt"),
    manage("POST", OF_CUSTOMER + "/checkpoint", directory.checkpoint, replies.CheckpointMade, body=directory.LOCK,
           statuses=CREATED, takes_key=True, codes=(*SCOPED, "RECORD_DAMAGED", *KEYED), name="lockMonth"),
    view("GET", OF_CUSTOMER + "/checkpoints", directory.checkpoints, replies.Checkpoints, query=directory.CHECKPOINTS,
         codes=CUSTOMER, name="dashboardCheckpoints"),
    view("GET", OF_CUSTOMER + "/close-package", directory.close_package, replies.ClosePackage, query=directory.CLOSED,
         codes=(*CUSTOMER, *PROVEN)),
    view("GET", OF_CUSTOMER + "/export", directory.export, ("text/csv", "application/x-ndjson"),
         query=directory.EXPORT, codes=CUSTOMER, name="exportDeltas"),
    # The dashboard: sharing
    view("GET", "/dashboard/sharing", sharing.get_sharing, replies.Sharing),
    manage("POST", "/dashboard/sharing", sharing.set_sharing, replies.Sharing, body=sharing.POLICY),
    view("GET", OF_CUSTOMER + "/access-link", sharing.access_link, replies.AccessLink, codes=CUSTOMER),
    manage("POST", OF_CUSTOMER + "/link/reissue", sharing.reissue_link, replies.AccessLink, body=NOTHING,
           codes=CUSTOMER),
    manage("POST", OF_CUSTOMER + "/code/reissue", sharing.reissue_code, replies.AccessLink, body=NOTHING,
           codes=CUSTOMER),
    manage("POST", OF_CUSTOMER + "/sharing", sharing.set_customer_sharing, replies.AccessLink,
           body=sharing.CUSTOMER_POLICY, codes=CUSTOMER),
    view("GET", OF_CUSTOMER + "/visits", sharing.visits_of, replies.SharedVisits, query=PAGE, codes=CUSTOMER,
         name="listVisits"),
    view("GET", OF_CUSTOMER + "/notes", sharing.notes_of, replies.SharedNotes, query=PAGE, codes=CUSTOMER,
         name="listNotes"),
    manage("POST", OF_CUSTOMER + "/notes", sharing.answer, replies.SharedNote, body=shared.NOTE, statuses=CREATED,
           codes=CUSTOMER, name="answerNotes"),
    # A customer's Shared Record
    anyone("POST", SHARED + "/access/verify", shared.verify_code, replies.CodeVerified, body=shared.CODE,
           codes=(*LINK, "ACCESS_CODE_INVALID"), name="giveAccessCode"),
    anyone("GET", SHARED + "/summary", shared.summary, replies.SharedSummary, query=shared.MONTH, codes=SHARED_DETAIL,
           name="sharedSummary"),
    anyone("GET", SHARED + "/periods", shared.periods, replies.SharedPeriods, codes=SHARED_DETAIL,
           name="sharedPeriods"),
    anyone("GET", SHARED + "/activity", shared.activity, replies.SharedActivity, query=shared.ACTIVITY,
           codes=SHARED_DETAIL, name="sharedActivity"),
    anyone("GET", SHARED + "/export", shared.export, ("application/json", "text/csv", "application/zip"),
           query=shared.EXPORT, codes=SHARED_DETAIL, name="sharedExport"),
    anyone("POST", SHARED + "/compare", shared.compare, replies.SharedComparison, body=shared.COMPARE,
           max_body=MAX_BATCH_BODY_BYTES, before_body=shared.need_detail, codes=SHARED_DETAIL, name="sharedCompare"),
    anyone("GET", SHARED + "/notes", shared.notes_of, replies.SharedNotes, query=PAGE, codes=SHARED_DETAIL,
           name="sharedNotes"),
    anyone("POST", SHARED + "/notes", shared.leave_note, replies.SharedNote, body=shared.NOTE, statuses=CREATED,
           codes=SHARED_DETAIL, name="leaveNote"),
    # Verification, the log, the server
    anyone("GET", "/api/v1/verify/{proofRoot}", Public.verify, replies.Verdict, query=VERIFY,
           codes=("PROOF_NOT_FOUND", "RATE_LIMITED")),
    anyone("GET", "/api/v1/receipt/{receiptId}.pdf", Public.pdf, "application/pdf", query=receipts.DOCUMENT,
           codes=(*RECEIPTS, *PROVEN, "RATE_LIMITED"), name="publicReceiptPdf"),
    anyone("GET", "/api/v1/receipt/{receiptId}", Public.receipt, replies.ReceiptDocument, query=receipts.DOCUMENT,
           codes=(*RECEIPTS, "RECORD_DAMAGED", "RATE_LIMITED"), name="publicReceipt"),
    anyone("GET", "/receipts/{receiptId}.json", Public.bundle, "application/json", query=BUNDLE,
           codes=(*RECEIPTS, "FORBIDDEN", "SERVICE_UNAVAILABLE"), name="receiptFile"),
    anyone("GET", "/receipts/{receiptId}.pdf", Public.pdf, "application/pdf", query=receipts.DOCUMENT,
           codes=(*RECEIPTS, *PROVEN, "RATE_LIMITED"), name="receiptPdf"),
    anyone("GET", "/receipts/{receiptId}.csv", Public.csv, "text/csv",
           codes=(*RECEIPTS, "FORBIDDEN", "RECORD_DAMAGED", "RATE_LIMITED"), name="receiptCsv"),
    anyone("GET", "/log/{name}/checkpoint", Public.log_checkpoint, "text/plain",
           codes=("NOT_FOUND", "SERVICE_UNAVAILABLE")),
    anyone("GET", "/log/{name}/key", Public.log_key, "text/plain", codes=NOT_FOUND),
    anyone("GET", "/log/{name}/trust", Public.log_trust, "text/plain", codes=NOT_FOUND),
    anyone("GET", "/log/{name}/tile/{tile:path}", Public.log_tile, "application/octet-stream", codes=NOT_FOUND),
    anyone("GET", "/healthz", Public.health, replies.Health),
    anyone("GET", "/readyz", Public.ready, replies.Ready, query=READY, codes=UNAVAILABLE),
    anyone("GET", "/metrics", Public.measures, "text/plain", name="metrics"),
    anyone("GET", "/openapi.json", Public.openapi, "application/json"),
]  # fmt: skip
