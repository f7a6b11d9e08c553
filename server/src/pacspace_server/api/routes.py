"""The route table. Dispatch, the OpenAPI document, the reference page and the tests all read it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
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
    """One method on one path: who may call it, how its fields are read, what it answers.

    `reply` describes `data` (a TypedDict), or names the media types of anything else. `codes` are the error codes beyond
    those that every route of its kind may answer (`refusals.py`). A handler's docstring is the route's description.
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
    person: bool = False  # somebody who is logged in, not an API key
    before_body: Callable[..., Awaitable[Any]] | None = None  # refuses strangers before a long body of theirs is read
    name: str = ""  # the operationId, where the handler's name does not tell routes apart

    @property
    def says(self) -> str:
        """What the route does, in a line."""
        return (self.handler.__doc__ or "").strip().splitlines()[0].removesuffix(".")

    @property
    def is_dashboard(self) -> bool:
        return self.path.startswith("/dashboard/")

    @property
    def operation(self) -> str:
        """What generated clients call it."""
        first, *more = self.handler.__name__.split("_")
        return self.name or first + "".join(word.capitalize() for word in more)


BALANCE = "/api/v1/balance"
OF_CUSTOMER = "/dashboard/customers/{customerId}"
WEBHOOKS = "/dashboard/webhooks"
SCOPED = ("INVALID_SCOPE_COMBINATION", "SCOPE_TOO_WIDE")
CUSTOMER, RECORDS, RECEIPTS = ("CUSTOMER_NOT_FOUND",), ("RECORD_NOT_FOUND",), ("RECEIPT_NOT_FOUND",)
KEYED = ("IDEMPOTENCY_CONFLICT", "IDEMPOTENCY_PENDING")
OF_ENDPOINT = ("NOT_FOUND",)
DAMAGED, NOT_NOW = ("RECORD_DAMAGED",), ("SERVICE_UNAVAILABLE",)
OUTSIDE = ("FORBIDDEN", "RATE_LIMITED")
LINK, CODE = ("LINK_NOT_FOUND", "RATE_LIMITED"), ("ACCESS_CODE_REQUIRED",)
SHARED = "/api/v1/c/{handle}"
ROUTES = [
    Route("POST", f"{BALANCE}/delta", balance.emit, replies.Delta, scope="write", body=balance.EMIT, statuses=(201, 200),
          codes=(*RECORDS, "REFERENCE_ID_CONFLICT", *KEYED), takes_key=True),
    Route("POST", f"{BALANCE}/delta/batch", balance.emit_batch, replies.Batch, scope="write", body=balance.BATCH,
          max_body=MAX_BATCH_BODY_BYTES, statuses=(201,), codes=KEYED, takes_key=True),
    Route("GET", f"{BALANCE}/delta/{{recordId}}", balance.get_delta, replies.DeltaStatus, codes=RECORDS),
    Route("GET", f"{BALANCE}/derive/{{customerId}}", balance.derive, replies.Derived, query=balance.DERIVE,
          codes=(*SCOPED, *CUSTOMER)),
    Route("GET", f"{BALANCE}/limits", balance.limits, replies.Limits),
    Route("POST", f"{BALANCE}/compare", balance.compare, replies.Compared, body=balance.COMPARE,
          max_body=MAX_BATCH_BODY_BYTES, statuses=(201,), codes=(*SCOPED, *CUSTOMER)),
    Route("POST", f"{BALANCE}/checkpoint", checkpoints.checkpoint, replies.Checkpointed, scope="write",
          body=checkpoints.CHECKPOINT, statuses=(201,), codes=(*SCOPED, *CUSTOMER, "NOT_FOUND", *DAMAGED, *KEYED),
          takes_key=True),
    Route("GET", f"{BALANCE}/jobs/{{jobId}}", checkpoints.job, replies.Job, codes=("NOT_FOUND",)),
    Route("GET", f"{BALANCE}/checkpoints", checkpoints.checkpoints, replies.Checkpoints, query=checkpoints.CHECKPOINTS,
          codes=(*SCOPED, *CUSTOMER)),
    Route("GET", f"{BALANCE}/checkpoints/diff", checkpoints.diff, replies.Diff, query=checkpoints.DIFF,
          codes=("CHECKPOINT_NOT_FOUND",)),
    Route("GET", f"{BALANCE}/customers/{{customerId}}/timeline", customers.timeline, replies.Timeline, query=PAGE, codes=CUSTOMER),
    Route("GET", f"{BALANCE}/receipt/{{customerId}}", receipts.receipt, replies.Receipt, query=SCOPE,
          codes=(*SCOPED, *CUSTOMER, *DAMAGED, *NOT_NOW)),
    Route("GET", f"{BALANCE}/invoice-proof/{{customerId}}", receipts.receipt, replies.Receipt, query=SCOPE,
          codes=(*SCOPED, *CUSTOMER, *DAMAGED, *NOT_NOW), name="invoiceProof"),
    Route("GET", f"{BALANCE}/receipts/{{receiptId}}", receipts.document, replies.ReceiptDocument, query=receipts.DOCUMENT,
          codes=(*RECEIPTS, *DAMAGED), name="receiptDocument"),
    Route("GET", f"{BALANCE}/customers/{{customerId}}/receipts", receipts.receipts, replies.Receipts, query=PAGE, codes=CUSTOMER),
    Route("GET", f"{BALANCE}/customers", customers.customers, replies.Customers, query=customers.CUSTOMERS),
    Route("GET", f"{BALANCE}/customers/{{customerId}}", customers.customer, replies.Customer, query=customers.CUSTOMER,
          codes=CUSTOMER),
    Route("GET", f"{BALANCE}/usage", customers.usage, replies.Usage),
    Route("GET", f"{BALANCE}/gaps/{{customerId}}", customers.gaps, replies.Gaps, query=customers.GAPS, codes=CUSTOMER),
    Route("GET", f"{BALANCE}/webhooks", webhooks.deliveries, replies.Deliveries, query=webhooks.DELIVERIES),
    Route("POST", f"{BALANCE}/webhooks/{{eventId}}/retry", webhooks.retry, replies.Delivery, scope="write", body=NOTHING,
          codes=("NOT_FOUND",), name="retryDelivery"),
    Route("POST", WEBHOOKS, webhooks.create, replies.NewEndpoint, DASHBOARD, "admin", body=webhooks.NEW_ENDPOINT,
          statuses=(201,), name="createEndpoint"),
    Route("GET", WEBHOOKS, webhooks.endpoints, replies.Endpoints, DASHBOARD, query=webhooks.ENDPOINTS),
    Route("GET", f"{WEBHOOKS}/{{endpointId}}", webhooks.endpoint, replies.Endpoint, DASHBOARD, codes=OF_ENDPOINT),
    Route("PATCH", f"{WEBHOOKS}/{{endpointId}}", webhooks.change, replies.Endpoint, DASHBOARD, "admin", body=webhooks.CHANGE,
          codes=OF_ENDPOINT, name="changeEndpoint"),
    Route("DELETE", f"{WEBHOOKS}/{{endpointId}}", webhooks.remove, replies.RemovedEndpoint, DASHBOARD, "admin",
          codes=OF_ENDPOINT, name="removeEndpoint"),
    Route("POST", f"{WEBHOOKS}/{{endpointId}}/test", webhooks.test, replies.TestedEndpoint, DASHBOARD, "admin", body=NOTHING,
          codes=OF_ENDPOINT, name="testEndpoint"),
    Route("POST", f"{WEBHOOKS}/{{endpointId}}/rotate", webhooks.rotate, replies.RotatedEndpoint, DASHBOARD, "admin",
          body=NOTHING, codes=OF_ENDPOINT, name="rotateSecret"),
    Route("POST", f"{WEBHOOKS}/{{endpointId}}/replay", webhooks.replay, replies.Replayed, DASHBOARD, "admin",
          body=webhooks.REPLAY, codes=OF_ENDPOINT, name="replayDeliveries"),
    Route("GET", f"{WEBHOOKS}/{{endpointId}}/deliveries", webhooks.of_endpoint, replies.EndpointDeliveries, DASHBOARD,
          query=webhooks.OF_ENDPOINT, codes=OF_ENDPOINT, name="endpointDeliveries"),
    Route("GET", f"{WEBHOOKS}/{{endpointId}}/deliveries/{{eventId}}", webhooks.delivery, replies.SentDelivery, DASHBOARD, codes=OF_ENDPOINT, name="endpointDelivery"),
    Route("POST", f"{WEBHOOKS}/{{endpointId}}/deliveries/{{eventId}}/retry", webhooks.retry_one, replies.Delivery, DASHBOARD,
          "admin", body=NOTHING, codes=OF_ENDPOINT, name="retryEndpointDelivery"),
    Route("POST", "/api/v1/sandbox/events", webhooks.follow, replies.Followed, scope="write", body=webhooks.FOLLOW,
          name="followEvents"),
    Route("POST", "/api/v1/sandbox/events/trigger", webhooks.trigger, replies.Triggered, scope="write",
          body=webhooks.TRIGGER, name="triggerEvent"),
    Route("GET", "/api/v1/sandbox/clock", sandbox.get_clock, replies.Clock),
    Route("POST", "/api/v1/sandbox/clock", sandbox.set_clock, replies.Clock, scope="write", body=sandbox.CLOCK),
    Route("POST", "/api/v1/sandbox/reset", sandbox.reset, replies.Reset, scope="write", body=NOTHING),
    Route("POST", "/dashboard/auth/login", auth.login, replies.LoggedIn, NONE, body=auth.LOGIN,
          codes=("INVALID_CREDENTIALS", *OUTSIDE), name="logIn"),
    Route("POST", "/dashboard/auth/register", auth.register, replies.LoggedIn, NONE, body=auth.REGISTER, statuses=(201,),
          codes=("EMAIL_TAKEN", *OUTSIDE)),
    Route("POST", "/dashboard/auth/setup", auth.set_up, replies.LoggedIn, NONE, body=auth.SETUP, statuses=(201,),
          codes=("NOT_FOUND", *OUTSIDE)),
    Route("POST", "/dashboard/auth/set-password", auth.set_password, replies.LoggedIn, NONE, body=auth.SET_PASSWORD,
          codes=("NOT_FOUND", *OUTSIDE)),
    Route("POST", "/dashboard/auth/logout", auth.logout, replies.LoggedOut, DASHBOARD, body=NOTHING, person=True, name="logOut"),
    Route("GET", "/dashboard/auth/me", auth.me, replies.Me, DASHBOARD, person=True),
    Route("POST", "/dashboard/auth/password", auth.password, replies.LoggedIn, DASHBOARD, body=auth.PASSWORD, person=True,
          codes=("RATE_LIMITED",), name="changePassword"),
    Route("PATCH", "/dashboard/auth/preferences", auth.preferences, replies.Me, DASHBOARD, body=auth.PREFERENCES, person=True,
          codes=("NOT_FOUND",)),
    Route("GET", "/dashboard/api-keys", keys.list_keys, replies.ApiKeys, DASHBOARD, "admin", query=keys.PAGE, name="listApiKeys"),
    Route("POST", "/dashboard/api-keys", keys.create, replies.NewApiKey, DASHBOARD, "admin", body=keys.NEW_KEY, statuses=(201,),
          name="createApiKey"),
    Route("GET", "/dashboard/api-keys/{keyId}", keys.get, replies.ApiKey, DASHBOARD, "admin", codes=("NOT_FOUND",), name="getApiKey"),
    Route("POST", "/dashboard/api-keys/{keyId}/rotate", keys.rotate, replies.NewApiKey, DASHBOARD, "admin", body=NOTHING,
          codes=("NOT_FOUND",), name="rotateApiKey"),
    Route("POST", "/dashboard/api-keys/{keyId}/toggle", keys.toggle, replies.ApiKey, DASHBOARD, "admin", body=keys.TOGGLE,
          codes=("NOT_FOUND",), name="toggleApiKey"),
    Route("DELETE", "/dashboard/api-keys/{keyId}", keys.revoke, replies.ApiKey, DASHBOARD, "admin", codes=("NOT_FOUND",),
          name="revokeApiKey"),
    Route("GET", "/dashboard/environments", workspace.environments, replies.Environments, DASHBOARD),
    Route("GET", "/dashboard/environments/environment-status", workspace.status, replies.EnvironmentStatus, DASHBOARD,
          name="environmentStatus"),
    Route("POST", "/dashboard/environments/provision", workspace.provision, replies.EnvironmentRow, DASHBOARD, "admin",
          body=workspace.PROVISION, name="provisionEnvironment"),
    Route("GET", "/dashboard/workspace", workspace.settings, replies.Workspace, DASHBOARD, name="workspaceSettings"),
    Route("PATCH", "/dashboard/workspace", workspace.change, replies.Workspace, DASHBOARD, "owner", body=workspace.SETTINGS,
          name="changeWorkspace"),
    Route("GET", "/dashboard/users", users.list_users, replies.Users, DASHBOARD, "owner", name="listUsers"),
    Route("POST", "/dashboard/users", users.invite, replies.Invited, DASHBOARD, "owner", body=users.NEW_USER, statuses=(201,),
          codes=("EMAIL_TAKEN",), name="inviteUser"),
    Route("PATCH", "/dashboard/users/{userId}", users.change, replies.User, DASHBOARD, "owner", body=users.CHANGES,
          codes=("NOT_FOUND", "LAST_OWNER"), name="changeUser"),
    Route("POST", "/dashboard/users/{userId}/password-link", users.password_link, replies.Invited, DASHBOARD, "owner", body=NOTHING,
          statuses=(201,), codes=("NOT_FOUND",)),
    Route("GET", "/dashboard/audit", workspace.audit, replies.AuditTrail, DASHBOARD, "admin", query=workspace.AUDIT, person=True),
    Route("GET", "/dashboard/customers", directory.customers, replies.Customers, DASHBOARD, query=directory.CUSTOMERS,
          name="dashboardCustomers"),
    Route("GET", "/dashboard/customers/summary", directory.summary, replies.Summary, DASHBOARD, query=directory.MONTH,
          name="customersSummary"),
    Route("POST", "/dashboard/customers", customers.create, replies.NewCustomer, DASHBOARD, "admin", body=customers.NEW_CUSTOMER,
          statuses=(201,), codes=("CUSTOMER_ID_CONFLICT",), name="createCustomer"),
    Route("GET", f"{OF_CUSTOMER}", customers.customer, replies.Customer, DASHBOARD, query=customers.CUSTOMER, codes=CUSTOMER,
          name="dashboardCustomer"),
    Route("PATCH", f"{OF_CUSTOMER}", directory.change, replies.CustomerRow, DASHBOARD, "admin", body=directory.CHANGES,
          codes=CUSTOMER, name="changeCustomer"),
    Route("GET", f"{OF_CUSTOMER}/receipt", receipts.receipt, replies.Receipt, DASHBOARD, query=SCOPE,
          codes=(*SCOPED, *CUSTOMER, *DAMAGED, *NOT_NOW), name="dashboardReceipt"),
    Route("POST", f"{OF_CUSTOMER}/checkpoint", directory.checkpoint, replies.CheckpointMade, DASHBOARD, "admin",
          body=directory.LOCK, statuses=(201,), codes=(*SCOPED, *CUSTOMER, *DAMAGED, *KEYED), takes_key=True, name="lockMonth"),
    Route("GET", f"{OF_CUSTOMER}/checkpoints", directory.checkpoints, replies.Checkpoints, DASHBOARD, query=directory.CHECKPOINTS,
          codes=CUSTOMER, name="dashboardCheckpoints"),
    Route("GET", f"{OF_CUSTOMER}/close-package", directory.close_package, replies.ClosePackage, DASHBOARD, query=directory.CLOSED,
          codes=(*CUSTOMER, *DAMAGED, *NOT_NOW)),
    Route("GET", f"{OF_CUSTOMER}/export", directory.export, ("text/csv", "application/x-ndjson"), DASHBOARD, query=directory.EXPORT, codes=CUSTOMER,
          name="exportDeltas"),
    Route("GET", "/dashboard/sharing", sharing.get_sharing, replies.Sharing, DASHBOARD),
    Route("POST", "/dashboard/sharing", sharing.set_sharing, replies.Sharing, DASHBOARD, "admin", body=sharing.POLICY),
    Route("GET", f"{OF_CUSTOMER}/access-link", sharing.access_link, replies.AccessLink, DASHBOARD, codes=CUSTOMER),
    Route("POST", f"{OF_CUSTOMER}/link/reissue", sharing.reissue_link, replies.AccessLink, DASHBOARD, "admin", body=NOTHING,
          codes=CUSTOMER),
    Route("POST", f"{OF_CUSTOMER}/code/reissue", sharing.reissue_code, replies.AccessLink, DASHBOARD, "admin", body=NOTHING,
          codes=CUSTOMER),
    Route("POST", f"{OF_CUSTOMER}/sharing", sharing.set_customer_sharing, replies.AccessLink, DASHBOARD, "admin",
          body=sharing.CUSTOMER_POLICY, codes=CUSTOMER),
    Route("GET", f"{OF_CUSTOMER}/visits", sharing.visits_of, replies.SharedVisits, DASHBOARD, query=PAGE, codes=CUSTOMER,
          name="listVisits"),
    Route("GET", f"{OF_CUSTOMER}/notes", sharing.notes_of, replies.SharedNotes, DASHBOARD, query=PAGE, codes=CUSTOMER,
          name="listNotes"),
    Route("POST", f"{OF_CUSTOMER}/notes", sharing.answer, replies.SharedNote, DASHBOARD, "admin", body=shared.NOTE, statuses=(201,),
          codes=CUSTOMER, name="answerNotes"),
    Route("POST", f"{SHARED}/access/verify", shared.verify_code, replies.CodeVerified, NONE, body=shared.CODE,
          codes=(*LINK, "ACCESS_CODE_INVALID"), name="giveAccessCode"),
    Route("GET", f"{SHARED}/summary", shared.summary, replies.SharedSummary, NONE, query=shared.MONTH, codes=(*LINK, *CODE),
          name="sharedSummary"),
    Route("GET", f"{SHARED}/periods", shared.periods, replies.SharedPeriods, NONE, codes=(*LINK, *CODE), name="sharedPeriods"),
    Route("GET", f"{SHARED}/activity", shared.activity, replies.SharedActivity, NONE, query=shared.ACTIVITY,
          codes=(*LINK, *CODE), name="sharedActivity"),
    Route("GET", f"{SHARED}/export", shared.export, ("application/json", "text/csv", "application/zip"), NONE, query=shared.EXPORT,
          codes=(*LINK, *CODE), name="sharedExport"),
    Route("POST", f"{SHARED}/compare", shared.compare, replies.SharedComparison, NONE, body=shared.COMPARE,
          max_body=MAX_BATCH_BODY_BYTES, codes=(*LINK, *CODE), before_body=shared.need_detail, name="sharedCompare"),
    Route("GET", f"{SHARED}/notes", shared.notes_of, replies.SharedNotes, NONE, query=PAGE, codes=(*LINK, *CODE), name="sharedNotes"),
    Route("POST", f"{SHARED}/notes", shared.leave_note, replies.SharedNote, NONE, body=shared.NOTE, statuses=(201,),
          codes=(*LINK, *CODE), name="leaveNote"),
    Route("GET", "/api/v1/verify/{proofRoot}", Public.verify, replies.Verdict, NONE, query=VERIFY,
          codes=("PROOF_NOT_FOUND", "RATE_LIMITED")),
    Route("GET", "/api/v1/receipt/{receiptId}.pdf", Public.pdf, "application/pdf", NONE, query=receipts.DOCUMENT,
          codes=(*RECEIPTS, *DAMAGED, *NOT_NOW, "RATE_LIMITED"), name="publicReceiptPdf"),
    Route("GET", "/api/v1/receipt/{receiptId}", Public.receipt, replies.ReceiptDocument, NONE, query=receipts.DOCUMENT,
          codes=(*RECEIPTS, *DAMAGED, "RATE_LIMITED"), name="publicReceipt"),
    Route("GET", "/receipts/{receiptId}.json", Public.bundle, "application/json", NONE, query=BUNDLE,
          codes=(*RECEIPTS, "FORBIDDEN", *NOT_NOW), name="receiptFile"),
    Route("GET", "/receipts/{receiptId}.pdf", Public.pdf, "application/pdf", NONE, query=receipts.DOCUMENT,
          codes=(*RECEIPTS, *DAMAGED, *NOT_NOW, "RATE_LIMITED"), name="receiptPdf"),
    Route("GET", "/receipts/{receiptId}.csv", Public.csv, "text/csv", NONE,
          codes=(*RECEIPTS, "FORBIDDEN", *DAMAGED, "RATE_LIMITED"), name="receiptCsv"),
    Route("GET", "/log/{name}/checkpoint", Public.log_checkpoint, "text/plain", NONE, codes=("NOT_FOUND", *NOT_NOW)),
    Route("GET", "/log/{name}/key", Public.log_key, "text/plain", NONE, codes=("NOT_FOUND",)),
    Route("GET", "/log/{name}/trust", Public.log_trust, "text/plain", NONE, codes=("NOT_FOUND",)),
    Route("GET", "/log/{name}/tile/{tile:path}", Public.log_tile, "application/octet-stream", NONE, codes=("NOT_FOUND",)),
    Route("GET", "/healthz", Public.health, replies.Health, NONE),
    Route("GET", "/readyz", Public.ready, replies.Ready, NONE, query=READY, codes=NOT_NOW),
    Route("GET", "/metrics", Public.measures, "text/plain", NONE, name="metrics"),
    Route("GET", "/openapi.json", Public.openapi, "application/json", NONE),
]  # fmt: skip
