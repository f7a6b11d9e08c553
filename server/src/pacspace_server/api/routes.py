"""The route table. Dispatch, the OpenAPI document, the reference page and the tests all read it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from ..service.limits import MAX_BATCH_BODY_BYTES, MAX_BODY_BYTES
from . import auth, balance, checkpoints, customers, receipts, replies, sandbox, webhooks, workspace
from .fields import Table
from .http import Reply
from .public import BUNDLE, READY, VERIFY, Public
from .scope import PAGE, SCOPE

NOTHING: Table = {}
KEY, DASHBOARD, NONE = "key", "dashboard", "none"


@dataclass(frozen=True)
class Route:
    """One method on one path: who may call it, how its fields are read, what it answers.

    `reply` describes `data` (a TypedDict), or names a media type for anything else. `codes` are the error codes beyond
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
SCOPED = ("INVALID_SCOPE_COMBINATION", "SCOPE_TOO_WIDE")
CUSTOMER, RECORDS, RECEIPTS = ("CUSTOMER_NOT_FOUND",), ("RECORD_NOT_FOUND",), ("RECEIPT_NOT_FOUND",)
KEYED = ("IDEMPOTENCY_CONFLICT", "IDEMPOTENCY_PENDING")
DAMAGED, NOT_NOW = ("RECORD_DAMAGED",), ("SERVICE_UNAVAILABLE",)
OUTSIDE = ("FORBIDDEN", "RATE_LIMITED")
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
    Route("GET", "/dashboard/audit", workspace.audit, replies.AuditTrail, DASHBOARD, "admin", query=workspace.AUDIT),
    Route("POST", "/dashboard/customers", customers.create, replies.NewCustomer, DASHBOARD, "admin", body=customers.NEW_CUSTOMER,
          statuses=(201,), codes=("CUSTOMER_ID_CONFLICT",), name="createCustomer"),
    Route("GET", "/api/v1/verify/{proofRoot}", Public.verify, replies.Verdict, NONE, query=VERIFY,
          codes=("PROOF_NOT_FOUND", "RATE_LIMITED")),
    Route("GET", "/api/v1/receipt/{receiptId}", Public.receipt, replies.ReceiptDocument, NONE, query=receipts.DOCUMENT,
          codes=(*RECEIPTS, *DAMAGED, "RATE_LIMITED"), name="publicReceipt"),
    Route("GET", "/receipts/{receiptId}.json", Public.bundle, "application/json", NONE, query=BUNDLE,
          codes=(*RECEIPTS, *NOT_NOW), name="receiptFile"),
    Route("GET", "/log/{name}/checkpoint", Public.log_checkpoint, "text/plain", NONE, codes=("NOT_FOUND", *NOT_NOW)),
    Route("GET", "/log/{name}/key", Public.log_key, "text/plain", NONE, codes=("NOT_FOUND",)),
    Route("GET", "/log/{name}/trust", Public.log_trust, "text/plain", NONE, codes=("NOT_FOUND",)),
    Route("GET", "/log/{name}/tile/{tile:path}", Public.log_tile, "application/octet-stream", NONE, codes=("NOT_FOUND",)),
    Route("GET", "/healthz", Public.health, replies.Health, NONE),
    Route("GET", "/readyz", Public.ready, replies.Ready, NONE, query=READY, codes=NOT_NOW),
    Route("GET", "/metrics", Public.measures, "text/plain", NONE, name="metrics"),
    Route("GET", "/openapi.json", Public.openapi, "application/json", NONE),
]  # fmt: skip
