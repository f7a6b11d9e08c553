"""The table of the dashboard's pages. The guard, the menu and the tests read it."""

from __future__ import annotations

from dataclasses import dataclass

from . import (
    audit,
    checkpoints,
    clock,
    closing,
    comparing,
    corrections,
    customer,
    customers,
    endpoint,
    entrance,
    keys,
    locking,
    overview,
    settings,
    sharing,
    users,
    webhooks,
)
from .desk import ADMIN, ANYBODY, OWNER, VIEWER, PageFunction

WORK, WORKSPACE = 1, 2  # groups of the menu


@dataclass(frozen=True)
class Route:
    """A page. A POST that viewers are allowed changes only their own session."""

    method: str
    path: str
    handler: PageFunction
    role: str = VIEWER
    menu: str = ""
    group: int = WORK
    in_sandbox_only: bool = False


CUSTOMER = "/app/customers/{customerId}"
ENDPOINT = "/app/webhooks/{endpointId}"
ROUTES = [
    Route("GET", "/dashboard", entrance.to_overview, ANYBODY),
    Route("GET", "/app/setup", entrance.set_up, ANYBODY),
    Route("POST", "/app/setup", entrance.set_up, ANYBODY),
    Route("GET", "/app/login", entrance.log_in, ANYBODY),
    Route("POST", "/app/login", entrance.log_in, ANYBODY),
    Route("POST", "/app/logout", entrance.log_out),
    Route("GET", "/app/password", entrance.password, ANYBODY),
    Route("POST", "/app/password", entrance.password, ANYBODY),
    Route("POST", "/app/environment", entrance.switch),
    Route("GET", "/app", overview.show, menu="Overview"),
    Route("GET", "/app/customers", customers.show, menu="Customers"),
    Route("GET", "/app/customers/new", customers.create, ADMIN),
    Route("POST", "/app/customers/new", customers.create, ADMIN),
    Route("GET", CUSTOMER, customer.show),
    Route("GET", f"{CUSTOMER}/receipts", customer.receipts),
    Route("GET", f"{CUSTOMER}/correct", corrections.correct, ADMIN),
    Route("POST", f"{CUSTOMER}/correct", corrections.correct, ADMIN),
    Route("GET", f"{CUSTOMER}/lock", locking.lock, ADMIN),
    Route("POST", f"{CUSTOMER}/lock", locking.lock, ADMIN),
    Route("POST", f"{CUSTOMER}/share", sharing.reissue, ADMIN),
    Route("POST", f"{CUSTOMER}/notes", sharing.answer, ADMIN),
    Route("GET", "/app/close", closing.propose, menu="Close a month"),
    Route("POST", "/app/close", closing.start, ADMIN),
    Route("GET", "/app/close/{jobId}", closing.progress),
    Route("GET", "/app/checkpoints", checkpoints.show, menu="Checkpoints"),
    Route("GET", "/app/receipts/{receiptId}", checkpoints.receipt),
    Route("GET", "/app/compare", comparing.compare, menu="Compare"),
    Route("POST", "/app/compare", comparing.compare),
    Route("GET", "/app/keys", keys.show, menu="API keys", group=WORKSPACE),
    Route("POST", "/app/keys", keys.create, ADMIN),
    Route("POST", "/app/keys/{keyId}/rotate", keys.rotate, ADMIN),
    Route("POST", "/app/keys/{keyId}/revoke", keys.revoke, ADMIN),
    Route("GET", "/app/webhooks", webhooks.show, menu="Webhooks", group=WORKSPACE),
    Route("POST", "/app/webhooks", webhooks.create, ADMIN),
    Route("GET", ENDPOINT, endpoint.show),
    Route("POST", ENDPOINT, endpoint.change, ADMIN),
    Route("POST", f"{ENDPOINT}/switch", endpoint.switch, ADMIN),
    Route("POST", f"{ENDPOINT}/test", endpoint.test, ADMIN),
    Route("POST", f"{ENDPOINT}/replay", endpoint.replay, ADMIN),
    Route("POST", f"{ENDPOINT}/rotate", endpoint.rotate, ADMIN),
    Route("POST", f"{ENDPOINT}/delete", endpoint.delete, ADMIN),
    Route("GET", f"{ENDPOINT}/deliveries/{{eventId}}", endpoint.delivery),
    Route("POST", f"{ENDPOINT}/deliveries/{{eventId}}/retry", endpoint.send_again, ADMIN),
    Route("GET", "/app/clock", clock.show, menu="Sandbox clock", group=WORKSPACE, in_sandbox_only=True),
    Route("POST", "/app/clock", clock.move, ADMIN),
    Route("POST", "/app/clock/reset", clock.reset, ADMIN),
    Route("GET", "/app/audit", audit.show, ADMIN, menu="Audit", group=WORKSPACE),
    Route("GET", "/app/users", users.show, OWNER, menu="Users", group=WORKSPACE),
    Route("POST", "/app/users", users.invite, OWNER),
    Route("POST", "/app/users/{userId}", users.change, OWNER),
    Route("GET", "/app/settings", settings.show, menu="Settings", group=WORKSPACE),
    Route("POST", "/app/settings", settings.change, OWNER),
    Route("GET", "/app/{rest:path}", entrance.nowhere),
]
