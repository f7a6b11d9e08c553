"""Corrections: a new delta that names the delta it corrects. The form shows a preview before it records."""

from __future__ import annotations

import secrets
from typing import Any

from ...domain.amounts import AmountError, parse_delta
from ...http.messages import Reply
from ...service.balances.their_lines import Unreadable, plain_number
from ...service.base.errors import ServiceError, invalid
from ...service.base.limits import MAX_REASON_CHARS, MAX_REFERENCE_CHARS
from ...service.recording import delta as record_service
from ...service.recording import emit as emit_service
from ...views.balance import DeltaStatus
from ...views.customers import Customer
from .. import words
from ..forms import Form
from .customer import find, need
from .desk import Desk, Filled, Request, filled


async def correct(desk: Desk, request: Request) -> Reply:
    """Shows the form, then a preview; records the correction when the user confirms."""
    customer = await find(desk, request)
    form, is_post = request.form, request.call.scope["method"] == "POST"
    record = form.one("record") if is_post else request.query.get("record", "")
    corrected = await _corrected(desk, request, record, customer)
    values: dict[str, Any] = {"customer": customer, "corrected": corrected}
    if not is_post:
        return desk.page(request, "correct.html", form=Filled(), preview=None, **values)
    try:
        asked = _asked(form, customer["customerId"], corrected["recordId"])
        if form.one("confirmed") == "yes":
            return await _record(desk, request, asked)
    except ServiceError as error:
        need(error, "RECORD_NOT_FOUND", "CUSTOMER_NOT_FOUND")
        return desk.page(request, "correct.html", 400, form=filled(form, error), preview=None, **values)
    # With this key, a second press of the button records nothing more.
    preview = {"delta": asked.delta, "key": secrets.token_hex(16)}
    return desk.page(
        request, "correct.html", form=filled(form), preview=preview, amount_text=words.amount(asked.delta), **values
    )


async def _corrected(desk: Desk, request: Request, record: str, customer: Customer) -> DeltaStatus:
    """The delta to correct, which must be this customer's."""
    found = await desk.ask(record_service.get_delta, request, record)
    if found["customerId"] != customer["customerId"]:
        raise ServiceError("RECORD_NOT_FOUND", f"{customer['customerId']} has no delta {record[:80]}")
    return found


def _asked(form: Form, customer_id: str, record_id: str) -> emit_service.Emit:
    reason, reference = form.one("reason"), form.one("referenceId")
    wrong: list[tuple[str, str]] = []
    delta = 0
    try:
        delta = parse_delta(typed_amount(form.one("delta")))
    except AmountError as error:
        wrong.append(("delta", str(error)))
    if not 1 <= len(reason) <= MAX_REASON_CHARS:
        wrong.append(("reason", f"must have 1 to {MAX_REASON_CHARS} characters"))
    if len(reference) > MAX_REFERENCE_CHARS:
        wrong.append(("referenceId", f"must have at most {MAX_REFERENCE_CHARS} characters"))
    if wrong:
        raise invalid(*wrong)
    return emit_service.Emit(customer_id, delta, reason, reference or None, adjusts=("recordId", record_id))


def typed_amount(text: str) -> str:
    """A typed number in JSON's form. Raises AmountError if it is not a number, or ambiguous."""
    try:
        return plain_number(text)
    except Unreadable as problem:
        raise AmountError(str(problem).removeprefix("the amount ")) from problem


async def _record(desk: Desk, request: Request, asked: emit_service.Emit) -> Reply:
    key: str | None = request.form.one("key")
    key = f"dashboard-correction-{key}" if key else None
    made = await emit_service.emit_by_hand(desk.context, request.caller, asked, key)
    said = f"Recorded {words.amount(asked.delta)} in {words.month_text(made['period'])}, as a correction."
    return desk.go(f"/app/customers/{asked.customer_id}", said, period=made["period"])
