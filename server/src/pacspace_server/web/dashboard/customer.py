"""One customer: its months, and one month's running total, deltas and readiness for an invoice."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from ...domain.amounts import units
from ...domain.instants import InstantError, instant_text, parse_period, period_end, period_of
from ...domain.scopes import Scope
from ...http.messages import Reply
from ...http.refusals import status_of
from ...service.balances import customers as customers_service
from ...service.balances.derive import derive
from ...service.base.context import Caller, Context
from ...service.base.errors import ServiceError, invalid
from ...service.closing import timeline as timeline_service
from ...service.receipts import listing as checkpoint_list
from ...views.customers import Customer as CustomerDetail
from ...views.shapes import Bucket
from .. import plots, words
from .desk import Desk, Request
from .sharing import shared_record

SHOWN, MAX_MONTHS, MAX_REFERENCE = 25, 10_000, 255


@dataclass(frozen=True)
class Point:
    """One requirement of an invoice: whether it is met, and in words."""

    is_there: bool
    says: str


async def show(desk: Desk, request: Request) -> Reply:
    """The customer with one month; by default the newest with deltas."""
    customer_id = request.call.path("customerId")
    reference = request.query.get("reference", "").strip()[:MAX_REFERENCE]
    view = await desk.ask(_view, request, customer_id, request.query.get("period"), _place(request))
    found = None
    if reference:
        found = await desk.ask(customers_service.delta_of_reference, request, customer_id, reference)
    sharing = await shared_record(desk, request, customer_id)
    ready = _ready(view, sharing.get("hasLink"))
    plot = _plot(view["days"])
    return desk.page(
        request, "customer.html", **view, reference=reference, found=found, sharing=sharing, ready=ready, plot=plot,
        before=request.query.get("before"),
    )  # fmt: skip


def _place(request: Request) -> int | None:
    before = request.query.get("before")
    if before is None:
        return None
    if not before.isascii() or not before.isdigit() or len(before) > 18:
        raise invalid(("before", "is not a position in this list"))
    return int(before)


def named_period(text: str | None) -> str | None:
    """The month in a query. Raises a plain 400 if it is invalid."""
    try:
        return parse_period(text) if text else None
    except InstantError as error:
        raise invalid(("period", str(error))) from error


def _view(context: Context, caller: Caller, customer_id: str, named: str | None, before: int | None) -> dict[str, Any]:
    with context.storage.snapshot() as snapshot:
        now = snapshot.now(snapshot.environment(caller.environment_id))
    months = timeline_service.timeline(context, caller, customer_id, MAX_MONTHS, 0)["periods"]
    held = [month["period"] for month in months if month["deltaCount"]]
    period = named_period(named) or (held[-1] if held else period_of(now))
    customer = customers_service.get_customer(context, caller, customer_id, period, 1, 1)
    balance = derive(context, caller, customer_id, Scope("period", period, period), 0, "day", None)
    return {
        "customer": customer,
        "months": months[::-1],
        "period": period,
        "month": next((month for month in months if month["period"] == period), None),
        "balance": balance,
        "days": [day for day in balance["breakdown"] if day["startDate"] <= instant_text(now) or day["deltaCount"]],
        "isOver": now >= period_end(period),
        "listed": customers_service.deltas_before(context, caller, customer_id, period, before, SHOWN),
    }


def _plot(days: list[Bucket]) -> plots.Plot:
    """The month's running total at the end of each day."""
    totals = list(accumulate(units(words.exact(day["netChange"])) for day in days))
    return plots.steps([day["startDate"][:10] for day in days], totals, words.amount)


def _ready(view: dict[str, Any], has_link: bool | None) -> list[Point]:
    """The requirements of an invoice for the month."""
    balance, month = view["balance"], view["month"]
    name, waiting = words.month_text(view["period"]), balance["pendingCount"]
    is_locked = bool(month and month["locked"])
    points = [
        Point(view["isOver"], f"{name} is over" if view["isOver"] else f"{name} is not over: more can be added"),
        Point(
            not waiting,
            f"{words.count(waiting)} of {words.count(balance['deltaCount'])} deltas wait for the log"
            if waiting
            else f"All {words.count(balance['deltaCount'])} deltas are verified",
        ),
        Point(is_locked, f"{name} is locked under its proof root" if is_locked else f"{name} is not locked yet"),
    ]
    if has_link is not None:
        points.append(Point(has_link, "The customer has a link and a code" if has_link else "The customer has no link"))
    return points


async def receipts(desk: Desk, request: Request) -> Reply:
    """A customer's receipts: locked months and interim states."""
    customer_id = request.call.path("customerId")
    asked = checkpoint_list.CheckpointList(customer_id=customer_id, after=request.query.get("after"))
    listed = await desk.ask(checkpoint_list.checkpoints_page, request, asked)
    return desk.page(request, "receipts.html", listed=listed, customer_id=customer_id, after=asked.after)


async def find(desk: Desk, request: Request) -> CustomerDetail:
    """The customer in the path. Raises 404 CUSTOMER_NOT_FOUND."""
    customer_id = request.call.path("customerId")
    return await desk.ask(customers_service.get_customer, request, customer_id, None, 1, 1)


def need(error: ServiceError, *codes: str) -> None:
    """Raises errors that the form can't show: the customer does not exist."""
    if error.code in codes or status_of(error) == 404:
        raise error
