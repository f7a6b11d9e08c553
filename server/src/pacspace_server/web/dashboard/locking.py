"""Locking one customer's month: a preview, and a typed confirmation."""

from __future__ import annotations

from ...domain.exact_json import text_of
from ...domain.scopes import Scope
from ...http.messages import Reply
from ...service.base.errors import ServiceError, invalid
from ...service.closing import checkpoint as checkpoint_service
from ...service.closing import jobs as jobs_service
from ...views.customers import Customer
from .. import words
from .customer import find, named_period, need
from .desk import Desk, Filled, Request, filled

MAX_INVOICE = 255


def lock_request(customer_id: str | None, period: str, invoice: str | None) -> checkpoint_service.CheckpointRequest:
    """A request to lock a month, of one customer or of all."""
    body = text_of({"customerId": customer_id, "period": period, "invoiceReference": invoice})
    return checkpoint_service.CheckpointRequest(customer_id, Scope("period", period, period), invoice, None, body)


async def lock(desk: Desk, request: Request) -> Reply:
    """Shows what would be locked; locks it after the user has typed the month."""
    customer = await find(desk, request)
    form, is_post = request.form, request.call.scope["method"] == "POST"
    period = named_period(form.one("period") if is_post else request.query.get("period"))
    if period is None:
        raise invalid(("period", "is required: start on the customer's page"))
    problems = Filled()
    if is_post:
        try:
            return await _lock(desk, request, customer, period)
        except ServiceError as error:
            need(error, "CUSTOMER_NOT_FOUND")
            problems = filled(form, error)
    asked = lock_request(customer["customerId"], period, None)
    preview = await desk.ask(jobs_service.preview, request, asked)
    status = 400 if problems.problems else 200
    return desk.page(request, "lock.html", status, customer=customer, period=period, form=problems, preview=preview)


async def _lock(desk: Desk, request: Request, customer: Customer, period: str) -> Reply:
    invoice = request.form.one("invoiceReference")
    wrong = []
    if request.form.one("typed") != period:
        wrong.append(("typed", f"must be {period}, as above"))
    if len(invoice) > MAX_INVOICE:
        wrong.append(("invoiceReference", f"must have at most {MAX_INVOICE} characters"))
    if wrong:
        raise invalid(*wrong)
    asked = lock_request(customer["customerId"], period, invoice or None)
    made, _ = await checkpoint_service.lock(desk.context, request.caller, customer["customerId"], asked)
    also = "".join(f", and {words.month_text(other['period'])} with it" for other in made["alsoLocked"])
    said = f"{words.month_text(period)} is locked{also}."
    return desk.go(f"/app/customers/{customer['customerId']}", said, period=period)
