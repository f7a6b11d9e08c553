"""Request fields that several routes share: customer, scope, page."""

from __future__ import annotations

from typing import Any

from ..domain.scopes import SCOPE_FIELDS, STARTING_FIELDS, Scope, ScopeError, parse_scope
from ..service.base.context import Caller, Context, scope_error
from ..service.base.limits import MAX_PAGE
from . import fields
from .fields import Table

CUSTOMER_ID = fields.text(
    128,
    r"[A-Za-z0-9_.:-]+",
    "may hold only letters, digits and _ - . :",
    says="The vendor's own name for the customer.",
).like("cust_acme")
SCOPE: Table = {
    "period": fields.text(64, says="A UTC calendar month, YYYY-MM. Excludes other scope fields.").like("2026-02"),
    "timePreset": fields.text(
        64,
        says="current_month (the default scope): the current month and any later month with deltas. "
        "custom: needs both dates.",
    ),
    "startDate": fields.text(64, says="First instant of a window: an ISO 8601 date or instant, UTC by default."),
    "endDate": fields.text(64, says="First instant after the window. Needs startDate, and startDate needs it."),
}
STARTING: Table = {
    "startingCheckpoint": fields.text(
        128, says="Everything after this recordId, delta's receiptId, locked proof root or checkpointId."
    ),
    "startingCheckpointType": fields.text(32, says="proofRoot or recordId. Default: detected."),
}
GRANULARITY = fields.choice("day", "week", "month", says="Adds breakdown[] with at most 1,200 buckets, zeros included.")
MAX_OFFSET = 10**12
PAGE: Table = {
    "limit": fields.from_query(fields.whole_number(1, MAX_PAGE, says="The page size. Default: 100.")),
    "offset": fields.from_query(fields.whole_number(0, MAX_OFFSET, says="The number of items to skip.")),
}
PERIOD = fields.period(says="One UTC calendar month, YYYY-MM.")


async def read_scope(context: Context, caller: Caller, given: dict[str, Any]) -> Scope:
    """The request's scope; by default the current month of the caller's ledger clock."""
    named = {name: given.get(name) for name in (*SCOPE_FIELDS, *STARTING_FIELDS)}
    now = await context.look(lambda snapshot: snapshot.now(snapshot.environment(caller.environment_id)))
    try:
        return parse_scope(named, now)
    except ScopeError as error:
        raise scope_error(error) from error
