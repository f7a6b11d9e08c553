"""Customers: list, get, create, and usage."""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Iterable
from dataclasses import dataclass

from ...domain.enumerations import EventCadence, SharingHint
from ...domain.instants import period_of
from ...domain.scopes import LAST_PERIOD
from ...storage.model import ids
from ...storage.model.protocols import Snapshot, Unit
from ...storage.model.records import Customer, Delta, Log, PeriodHead, Profile
from ...storage.model.surveys import CustomerList
from ...storage.model.surveys import CustomerRow as SurveyRow
from ...storage.writing.recording import new_customer
from ...views.customers import ActivityItem, CustomerRow, Customers, Usage
from ...views.customers import Customer as CustomerDetail
from ...views.customers import NewCustomer as MadeCustomer
from ...views.pages import DeltasBefore, ListedCustomers
from ..base import audit, events, showing
from ..base.context import Caller, Context, find_customer
from ..base.errors import ServiceError, invalid
from ..base.lookup import log_in_use
from .derive import computed


@dataclass
class Listing:
    """A part of the customer list, after a place or from `offset`.

    `sort` is id, name or recent; the totals are of `period`, by default the current month.
    """

    search: str | None
    sort: str
    after: list[str | int]
    limit: int
    offset: int = 0
    period: str | None = None


@dataclass
class NewCustomer:
    """A customer to create; without a customerId, the server makes one."""

    display_name: str
    customer_id: str | None
    sharing_hint: SharingHint | None
    event_cadence: EventCadence | None
    unit: str | None


def listing(context: Context, caller: Caller, asked: Listing) -> ListedCustomers:
    """Customers with their totals of a month, and the cursor of the next page."""
    with context.storage.snapshot() as snapshot:
        return _listed(snapshot, caller, asked)


def _listed(snapshot: Snapshot, caller: Caller, asked: Listing) -> ListedCustomers:
    # One more than the page shows whether there is a next one.
    wanted = CustomerList(caller.environment_id, asked.search, asked.sort, asked.after, asked.limit + 1, asked.offset)
    first, last = months_of(snapshot, caller, asked.period)
    found = snapshot.customer_rows(wanted, first, last)
    shown = found[: asked.limit]
    return {
        "customers": [_row_view(snapshot.secret, row, first) for row in shown],
        "period": first,
        "next": _cursor(shown[-1], asked.sort) if len(found) > asked.limit else None,
    }


def numbered(context: Context, caller: Caller, asked: Listing, page: int | None) -> Customers:
    """The same with page numbers; after a cursor, without."""
    asked.offset = 0 if page is None else (page - 1) * asked.limit
    with context.storage.snapshot() as snapshot:
        listed = _listed(snapshot, caller, asked)
        total = snapshot.count_customers(caller.environment_id, asked.search)
    following = listed["next"] if asked.sort == "id" else None
    return {
        "customers": listed["customers"],
        "pagination": {
            "page": page,
            "limit": asked.limit,
            "total": total,
            "totalPages": showing.pages(total, asked.limit),
            "nextCursor": following,
        },
    }


def _cursor(row: SurveyRow, sort: str) -> str:
    place = row.customer.customer_id if sort == "id" else json.dumps([row.place, row.customer.customer_id])
    return base64.urlsafe_b64encode(place.encode()).decode()


_PLACES: dict[str, tuple[type, ...]] = {"id": (str,), "name": (str, str), "recent": (int, str)}


def place(cursor: str | None, sort: str, refusal: tuple[str, str]) -> list[str | int]:
    """The place that a cursor of this list names. A plain 400 if it is not one."""
    if not cursor:
        return []
    try:
        text = base64.b64decode(cursor, b"-_", validate=True).decode("ascii")
        found = [text] if sort == "id" else json.loads(text)
        texts = "".join(part for part in found if isinstance(part, str)).encode()
    except (ValueError, TypeError) as error:
        raise invalid(refusal) from error
    numbers_fit = all(abs(part) < 2**63 for part in found if type(part) is int)
    if type(found) is not list or tuple(map(type, found)) != _PLACES[sort] or b"\0" in texts or not numbers_fit:
        raise invalid(refusal)
    return found


def months_of(snapshot: Snapshot, caller: Caller, period: str | None) -> tuple[str, str]:
    """The named month; by default the current one and later ones."""
    if period is not None:
        return period, period
    return period_of(snapshot.now(snapshot.environment(caller.environment_id))), LAST_PERIOD


def customer_row(snapshot: Snapshot, customer: Customer, first: str, last: str) -> CustomerRow:
    """A customer as lists show it, with its totals of the months from first to last."""
    return _row_view(snapshot.secret, snapshot.customer_row(customer, first, last), first)


def _row_view(secret: bytes, row: SurveyRow, period: str) -> CustomerRow:
    customer, profile = row.customer, row.profile
    return {
        "customerId": customer.customer_id,
        "customerReference": ids.customer_reference(secret, customer.shard_key),
        "displayName": profile.display_name if profile else None,
        "sharingStateHint": row.policy or (profile.sharing_hint if profile else None),
        "eventCadence": profile.event_cadence if profile else None,
        "unit": customer.unit,
        "totalDeltas": customer.last_sequence,
        "period": period,
        "periodDeltas": row.deltas,
        **computed(row.total),
        "allTimeBalance": showing.number(customer.total),
        "lockedThrough": customer.locked_through,
        "firstActivityAt": showing.instant(row.first_recorded_at),
        "lastActivityAt": showing.instant(row.last_recorded_at),
        "latestCheckpoint": row.checkpoint_id,
    }


def get_customer(
    context: Context, caller: Caller, customer_id: str, period: str | None, page: int, limit: int
) -> CustomerDetail:
    """A customer with a page of its deltas, newest first, of the named month or all."""
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
        items = _items(snapshot, customer, list(deltas), log)
        pagination = showing.page_of(page, limit, total)
        row = customer_row(snapshot, customer, first, last)
    return {**row, "recentActivity": {"items": items[::-1], "pagination": pagination}}


def _deltas(snapshot: Snapshot, customer: Customer, head: PeriodHead | None, first: int, last: int) -> Iterable[Delta]:
    """Found by place in the month, or by sequence: both have no gaps."""
    if head is not None:
        return snapshot.deltas_in_period(head, first, last + 1)
    return snapshot.deltas_by_sequence(customer, first, last)


def _items(snapshot: Snapshot, customer: Customer, deltas: list[Delta], log: Log) -> list[ActivityItem]:
    heads = snapshot.heads_of([(customer.id, period) for period in {delta.period for delta in deltas}])
    return [_item(customer, delta, heads[customer.id, delta.period], log) for delta in deltas]


def _item(customer: Customer, delta: Delta, head: PeriodHead, log: Log) -> ActivityItem:
    status = showing.delta_status(delta, head, log)
    view = showing.delta_view(customer.customer_id, customer.shard_key, delta, status)
    reference = str(head.entry_index) if status == showing.VERIFIED else None
    return {**view, "time": view["recordedAt"], "verificationReference": reference}


def deltas_before(
    context: Context, caller: Caller, customer_id: str, period: str | None, before: int | None, limit: int
) -> DeltasBefore:
    """A customer's deltas before a place, newest first, of a month or all; and the place of the next page."""
    with context.storage.snapshot() as snapshot:
        customer = find_customer(context, snapshot, caller, customer_id)
        head = snapshot.head(customer, period) if period is not None else None
        newest = customer.last_sequence if period is None else head.delta_count if head else 0
        newest = newest if before is None else min(newest, before - 1)
        oldest = max(1, newest - limit + 1)
        deltas = _deltas(snapshot, customer, head, oldest, newest) if newest > 0 else ()
        log = log_in_use(snapshot, customer)
        items = _items(snapshot, customer, list(deltas), log)
    return {"deltas": items[::-1], "next": oldest if oldest > 1 and items else None}


def delta_of_reference(context: Context, caller: Caller, customer_id: str, reference: str) -> ActivityItem | None:
    """The customer's delta with this exact referenceId, also after erasure."""
    with context.storage.snapshot() as snapshot:
        customer = find_customer(context, snapshot, caller, customer_id)
        mac = ids.reference_mac(context.storage.secret, customer.shard_key, reference)
        delta = snapshot.delta_by_reference(customer, mac)
        return _items(snapshot, customer, [delta], log_in_use(snapshot, customer))[0] if delta else None


async def create(context: Context, caller: Caller, asked: NewCustomer) -> MadeCustomer:
    """Creates a customer without deltas. 409 CUSTOMER_ID_CONFLICT if the customerId is taken."""
    customer_id = asked.customer_id or f"cust_{secrets.token_hex(8)}"
    shard = context.shard(caller, customer_id)

    def work(unit: Unit) -> Customer:
        if unit.customer(caller.environment_id, shard) is not None:
            raise ServiceError(
                "CUSTOMER_ID_CONFLICT",
                f"the {caller.environment} environment already has a customer {customer_id}",
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
            "createdAt": showing.instant(customer.created_at),
        }
        events.queue_event(unit, customer, "customer.created", about)
        return customer

    customer = await context.committer.run(work)

    def view(snapshot: Snapshot) -> MadeCustomer:
        row = customer_row(snapshot, customer, *months_of(snapshot, caller, None))
        environment = snapshot.environment(caller.environment_id).name
        return {**row, "environment": environment, "createdAt": showing.instant(customer.created_at)}

    return await context.look(view)


def usage(context: Context, caller: Caller) -> Usage:
    """The deltas posted to the current month. There are no quotas: `limit` and `remaining` are null."""
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
