"""Compares the other side's list or total with the record of one month, and shows the entries that differ."""

from __future__ import annotations

from typing import Any

from ...domain.amounts import AmountError, parse_balance
from ...domain.scopes import Scope
from ...http.messages import Reply
from ...service.balances import compare as compare_service
from ...service.balances import their_lines
from ...service.base.context import Caller, Context
from ...service.base.errors import ServiceError, invalid
from ..forms import Form
from .corrections import typed_amount
from .customer import named_period
from .desk import Desk, Filled, Request, filled

SHOWN = 500


async def compare(desk: Desk, request: Request) -> Reply:
    """The form and the result. Stores nothing."""
    if request.call.scope["method"] != "POST":
        given = {"customerId": request.query.get("customer", "")[:128], "period": request.query.get("period", "")[:7]}
        return desk.page(request, "compare.html", form=Filled(given), found=None)
    form = request.form
    try:
        found = await desk.ask(_compare, request, form)
    except ServiceError as error:
        return desk.page(request, "compare.html", 400, form=filled(form, _as_field(error)), found=None)
    return desk.page(request, "compare.html", form=filled(form), found=found, most=SHOWN)


def _as_field(error: ServiceError) -> ServiceError:
    """The error, with problems of single lines as problems of the field `lines`."""
    if error.code == "CUSTOMER_NOT_FOUND":
        return invalid(("customerId", "is not a customer of this environment; find it on the page Customers"))
    details = error.extra.get("details", [])
    lines = [d for d in details if d["field"].startswith("line")]
    if not lines:
        return error
    rest = [(d["field"], d["problem"]) for d in details if d not in lines]
    return invalid(*rest, ("lines", "can’t be read: " + "; ".join(f"{d['field']} {d['problem']}" for d in lines)))


def _compare(context: Context, caller: Caller, form: Form) -> dict[str, Any]:
    customer_id, period = form.one("customerId"), form.one("period")
    text = form.files.get("file") or form.one("lines").encode()
    wrong = [] if customer_id else [("customerId", "is required")]
    if not period:
        wrong.append(("period", "is required, such as 2026-02"))
    if not text.strip() and not form.one("total"):
        wrong.append(("lines", "or a total is required"))
    if wrong:
        raise invalid(*wrong)
    theirs = their_lines.read_list(text) if text.strip() else None
    total = theirs.total if theirs else _total(form.one("total"))
    records = [(line.reference, line.amount) for line in theirs.first.values()] if theirs else None
    scope = Scope("period", named_period(period) or "", period)
    given = compare_service.Views(total, total, 0, 0, records)
    found = compare_service.compare(context, caller, customer_id, scope, given)
    again = theirs.again if theirs else []
    differs = bool(again) or any(found.get(kind) for kind in ("missingInTheirs", "missingInOurs", "different"))
    return found | {
        "period": period,
        "hasLines": theirs is not None,
        "again": [(line.number, line.reference) for line in again],
        "agrees": found["match"] and not differs,
    }


def _total(text: str) -> int:
    try:
        return parse_balance(typed_amount(text))
    except AmountError as error:
        raise invalid(("total", str(error))) from error
