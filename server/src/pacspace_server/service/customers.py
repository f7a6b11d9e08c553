"""Customers: the list, one of them, making one by hand, and how much was recorded."""

from __future__ import annotations

import base64
import binascii
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ..domain.instants import period_of
from ..domain.scopes import LAST_PERIOD
from ..storage import ids
from ..storage.protocols import Snapshot, Unit
from ..storage.recording import new_customer
from ..storage.records import Customer, Delta, Log, PeriodHead, Profile
from . import audit, events, views
from .context import Caller, Context, find_customer
from .derive import computed
from .errors import ServiceError, invalid
from .lookup import log_in_use


@dataclass
class Listing:
    """A page of customers: by number, or after a cursor."""

    page: int
    limit: int
    cursor: str | None
    search: str | None
    period: str | None


@dataclass
class NewCustomer:
    """A customer as the vendor describes it. Without a customerId one is made."""

    display_name: str
    customer_id: str | None
    sharing_hint: str | None
    event_cadence: str | None
    unit: str | None


def list_customers(context: Context, caller: Caller, asked: Listing) -> dict[str, Any]:
    """Customers in order of their customerId."""
    after = _after(asked.cursor)
    offset = 0 if asked.cursor is not None else (asked.page - 1) * asked.limit
    with context.storage.snapshot() as snapshot:
        # One more than the page, to know whether there is a next one.
        found = snapshot.customers(caller.environment_id, asked.search, after, asked.limit + 1, offset)
        total = snapshot.count_customers(caller.environment_id, asked.search)
        first, last = months_of(snapshot, caller, asked.period)
        shown = [customer_row(snapshot, customer, first, last) for customer in found[: asked.limit]]
    more = len(found) > asked.limit
    pagination = page_of(None if asked.cursor is not None else asked.page, asked.limit, total)
    return {
        "customers": shown,
        "pagination": pagination | {"nextCursor": _cursor(found[asked.limit - 1]) if more else None},
    }


def page_of(page: int | None, limit: int, total: int) -> dict[str, Any]:
    """Which page of a list this is."""
    return {"page": page, "limit": limit, "total": total, "totalPages": -(-total // limit)}


def _cursor(customer: Customer) -> str:
    return base64.urlsafe_b64encode(customer.customer_id.encode()).decode()


def _after(cursor: str | None) -> str:
    if cursor is None:
        return ""
    try:
        return base64.b64decode(cursor, b"-_", validate=True).decode("ascii")
    except (binascii.Error, ValueError) as error:
        raise invalid(("cursor", "is not a nextCursor of this list")) from error


def months_of(snapshot: Snapshot, caller: Caller, period: str | None) -> tuple[str, str]:
    """The month that is named; else the running one and what is posted ahead."""
    if period is not None:
        return period, period
    return period_of(snapshot.now(snapshot.environment(caller.environment_id))), LAST_PERIOD


def customer_row(snapshot: Snapshot, customer: Customer, first: str, last: str) -> dict[str, Any]:
    """A customer as lists show one, with its totals of the months from first to last."""
    profile, link = snapshot.profile(customer), snapshot.link(customer)
    heads = snapshot.heads(customer, first, last)
    started, latest = snapshot.activity(customer)
    checkpoint = snapshot.latest_checkpoint(customer)
    return {
        "customerId": customer.customer_id,
        "customerReference": ids.customer_reference(snapshot.secret, customer.shard_key),
        "displayName": profile.display_name if profile else None,
        "sharingStateHint": link.policy if link else profile.sharing_hint if profile else None,
        "eventCadence": profile.event_cadence if profile else None,
        "unit": customer.unit,
        "totalDeltas": customer.last_sequence,
        "period": first,
        "periodDeltas": sum(head.delta_count for head in heads),
        **computed(sum(head.total for head in heads)),
        "allTimeBalance": views.number(customer.total),
        "lockedThrough": customer.locked_through,
        "firstActivityAt": views.instant(started),
        "lastActivityAt": views.instant(latest),
        "latestCheckpoint": checkpoint.checkpoint_id if checkpoint else None,
    }


def get_customer(
    context: Context, caller: Caller, customer_id: str, period: str | None, page: int, limit: int
) -> dict[str, Any]:
    """One customer with a page of its deltas, newest first: of the month that is named, else of all time."""
    with context.storage.snapshot() as snapshot:
        customer = find_customer(context, snapshot, caller, customer_id)
        first, last = months_of(snapshot, caller, period)
        head = snapshot.head(customer, period) if period is not None else None
        if period is not None:
            total = head.delta_count if head else 0
        else:
            total = customer.last_sequence
        newest = total - (page - 1) * limit
        oldest = max(1, newest - limit + 1)
        deltas = _deltas(snapshot, customer, head, oldest, newest) if newest > 0 else ()
        log = log_in_use(snapshot, customer)
        items = [_item(snapshot, customer, delta, log) for delta in deltas]
        pagination = page_of(page, limit, total)
        row = customer_row(snapshot, customer, first, last)
    return row | {"recentActivity": {"items": items[::-1], "pagination": pagination}}


def _deltas(snapshot: Snapshot, customer: Customer, head: PeriodHead | None, first: int, last: int) -> Iterable[Delta]:
    """By their place in the month, else by their sequence: both have no gaps."""
    if head is not None:
        return snapshot.deltas_in_period(head, first, last + 1)
    return snapshot.deltas_by_sequence(customer, first, last)


def _item(snapshot: Snapshot, customer: Customer, delta: Delta, log: Log) -> dict[str, Any]:
    head = snapshot.head(customer, delta.period)
    assert head is not None
    status = views.delta_status(delta, head, log)
    view = views.delta_view(customer.customer_id, customer.shard_key, delta, status)
    reference = str(head.entry_index) if status == views.VERIFIED else None
    return view | {"time": view["recordedAt"], "verificationReference": reference}


async def create(context: Context, caller: Caller, asked: NewCustomer) -> dict[str, Any]:
    """Makes a customer that has no deltas yet. 409 CUSTOMER_ID_CONFLICT when the customerId is taken."""
    customer_id = asked.customer_id or f"cust_{secrets.token_hex(8)}"
    shard = context.shard(caller, customer_id)

    def work(unit: Unit) -> Customer:
        if unit.customer(caller.environment_id, shard) is not None:
            raise ServiceError(
                409,
                "CUSTOMER_ID_CONFLICT",
                f"the {caller.environment} environment has a customer {customer_id} already",
            )
        environment = unit.environment(caller.environment_id)
        made = new_customer(environment, shard, customer_id, unit.now(environment))
        made.unit = asked.unit
        customer = unit.add_customer(made)
        unit.add_profile(Profile(customer.id, asked.display_name, asked.sharing_hint, asked.event_cadence))
        audit.record(unit, caller, "customer.create", customer_id)
        about = {
            "customerId": customer_id,
            "customerReference": ids.customer_reference(unit.secret, shard),
            "displayName": asked.display_name,
            "unit": asked.unit,
            "createdAt": views.instant(customer.created_at),
        }
        events.tell(unit, customer, "customer.created", about)
        return customer

    customer = await context.committer.run(work)
    row = await context.look(lambda snapshot: customer_row(snapshot, customer, *months_of(snapshot, caller, None)))
    return row | {"environment": caller.environment, "createdAt": views.instant(customer.created_at)}


def usage(context: Context, caller: Caller) -> dict[str, Any]:
    """Deltas posted to the running month. There are no quotas: `limit` and `remaining` are null."""
    with context.storage.snapshot() as snapshot:
        period = period_of(snapshot.now(snapshot.environment(caller.environment_id)))
        customers, deltas = snapshot.count_active(caller.environment_id, period)
    return {
        "allowed": True,
        "used": deltas,
        "limit": None,
        "remaining": None,
        "period": period,
        "activeCustomers": customers,
    }
