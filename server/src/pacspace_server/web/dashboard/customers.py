"""The list of customers, and creating one."""

from __future__ import annotations

import re

from ...domain.enumerations import SharingHint
from ...http.messages import Reply
from ...service.balances import customers as customers_service
from ...service.base.errors import ServiceError, invalid
from ..forms import Form
from .desk import Desk, Filled, Request, filled

SORTS = [("id", "customer id"), ("name", "name"), ("recent", "latest delta")]
SHARING: list[tuple[SharingHint, str]] = [
    ("INHERIT", "the workspace's policy"),
    ("TWO_TIER", "totals open, detail with a code"),
    ("GATED", "everything with a code"),
    ("OPEN", "everything open"),
    ("OFF", "no link"),
]
CUSTOMER_ID = re.compile(r"[A-Za-z0-9_.:-]{1,128}")
SHOWN, MAX_NAME, MAX_UNIT = 25, 200, 40


async def show(desk: Desk, request: Request) -> Reply:
    """A page of the list, after the last customer of the previous page."""
    search, sort = request.query.get("search", "").strip()[:128], request.query.get("sort", "id")
    if sort not in dict(SORTS):
        sort = "id"
    cursor = request.query.get("after")
    after = customers_service.place(cursor, sort, ("after", "is not a position in this list"))
    listed = await desk.ask(
        customers_service.listing, request, customers_service.Listing(search or None, sort, after, SHOWN)
    )
    return desk.page(request, "customers.html", listed=listed, search=search, sort=sort, sorts=SORTS, after=cursor)


async def create(desk: Desk, request: Request) -> Reply:
    """Creates a customer before its first delta."""
    form, problems = request.form, Filled()
    if request.call.scope["method"] == "POST":
        try:
            made = await customers_service.create(desk.context, request.caller, _asked(form))
            path = f"/app/customers/{made['customerId']}"
            return desk.go(path, f"The customer {made['displayName']} is created.")
        except ServiceError as error:
            problems = filled(form, error)
    status = 400 if problems.problems else 200
    return desk.page(request, "customer_new.html", status, form=problems, sharing=SHARING[:4])


def _asked(form: Form) -> customers_service.NewCustomer:
    name, customer_id, unit, hint = map(form.one, ("displayName", "customerId", "unitLabel", "sharingStateHint"))
    wrong = []
    if not 1 <= len(name) <= MAX_NAME:
        wrong.append(("displayName", f"must have 1 to {MAX_NAME} characters"))
    if customer_id and not CUSTOMER_ID.fullmatch(customer_id):
        wrong.append(("customerId", "must have at most 128 letters, digits and _ - . :"))
    if len(unit) > MAX_UNIT:
        wrong.append(("unitLabel", f"must have at most {MAX_UNIT} characters"))
    sharing_hint = next((choice for choice, _ in SHARING[:4] if choice == hint), None)
    if hint and sharing_hint is None:
        wrong.append(("sharingStateHint", "must be one of the choices"))
    if wrong:
        raise invalid(*wrong)
    return customers_service.NewCustomer(name, customer_id or None, sharing_hint, None, unit or None)
