"""Request fields that several routes share: who, which scope, which page."""

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
    "period": fields.text(64, says="One UTC calendar month, YYYY-MM. Alone.").like("2026-02"),
    "timePreset": fields.text(
        64,
        says="current_month: the running month and what is posted ahead, as without any scope; custom goes with both dates.",
    ),
    "startDate": fields.text(64, says="First instant of a window: an ISO 8601 date or instant, UTC without an offset."),
    "endDate": fields.text(64, says="First instant after the window. Both dates come together."),
}
STARTING: Table = {
    "startingCheckpoint": fields.text(
        128, says="A recordId, a delta's receiptId, a locked proof root or a checkpointId: everything after it."
    ),
    "startingCheckpointType": fields.text(32, says="proofRoot or recordId; found out without it."),
}
GRANULARITY = fields.choice("day", "week", "month", says="Adds breakdown[], zero-filled, of at most 1,200 buckets.")
MAX_OFFSET = 10**12
PAGE: Table = {
    "limit": fields.from_query(fields.whole_number(1, MAX_PAGE, says="How many at most; 100 without it.")),
    "offset": fields.from_query(fields.whole_number(0, MAX_OFFSET, says="How many to leave out first.")),
}
PERIOD = fields.period(says="One UTC calendar month, YYYY-MM.")


async def read_scope(context: Context, caller: Caller, given: dict[str, Any]) -> Scope:
    """The scope that a request names; the current month of the caller's ledger clock without one."""
    named = {name: given.get(name) for name in (*SCOPE_FIELDS, *STARTING_FIELDS)}
    now = await context.look(lambda snapshot: snapshot.now(snapshot.environment(caller.environment_id)))
    try:
        return parse_scope(named, now)
    except ScopeError as error:
        raise scope_error(error) from error
