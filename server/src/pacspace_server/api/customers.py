"""Customers: list, details, timeline, gaps, usage, and creation."""

from __future__ import annotations

import asyncio
from typing import Any

from ..http.messages import Call, Reply, success
from ..service.balances import customers as customers_service
from ..service.base.context import Caller, Context
from ..service.base.errors import invalid
from ..service.base.limits import DEFAULT_PAGE, MAX_PAGE
from ..service.closing import timeline as timeline_service
from ..service.recording import gaps as gaps_service
from ..service.running import Running
from ..service.sharing.links import POLICIES
from . import fields
from .fields import Table
from .scope import CUSTOMER_ID, MAX_OFFSET, PERIOD

Given = dict[str, Any]

MAX_SEQUENCE = 10**12 - 1
_PAGE_NUMBER = fields.from_query(fields.whole_number(1, MAX_OFFSET // MAX_PAGE, says="The page number, from 1."))
_LIMIT = fields.from_query(fields.whole_number(1, MAX_PAGE, says="The page size."))
_SEQUENCE = fields.from_query(fields.whole_number(1, MAX_SEQUENCE))
CUSTOMERS: Table = {
    "page": _PAGE_NUMBER,
    "limit": _LIMIT,
    "cursor": fields.text(200, says="nextCursor of the previous page. Replaces page, and is faster."),
    "search": fields.text(128, says="Part of a customerId or display name, in any case."),
    "period": PERIOD,
}
CUSTOMER: Table = {"deltaPage": _PAGE_NUMBER, "deltaLimit": _LIMIT, "period": PERIOD}
GAPS: Table = {"fromSequence": _SEQUENCE, "toSequence": _SEQUENCE, "limit": _LIMIT}
NEW_CUSTOMER: Table = {
    "displayName": fields.required(
        fields.text(200, *fields.NO_NUL, says="The customer's name.").like("Globex Corporation")
    ),
    "customerId": CUSTOMER_ID.like("cust_globex"),
    "sharingStateHint": fields.choice(
        "INHERIT", *POLICIES, says="The sharing policy. INHERIT: the workspace's policy."
    ),
    "eventCadence": fields.choice("PER_EVENT", "DAILY", "SUB_DAILY", says="How often deltas are expected."),
    "unitLabel": fields.text(
        40, *fields.NO_NUL, says="The unit of the amounts; permanent, because it is in every month's tree."
    ).like("minutes"),
}


async def customers(running: Running, caller: Caller, call: Call, given: Given) -> Reply:
    """List the customers by customerId, with their totals of a month."""
    if {"page", "cursor"} <= given.keys():
        raise invalid(("cursor", "is an alternative to page"))
    return await listed(running.context, caller, given, "id")


async def listed(context: Context, caller: Caller, given: Given, sort: str) -> Reply:
    """A page of customers in one order."""
    cursor = given.get("cursor")
    after = customers_service.place(cursor, sort, ("cursor", "is not a nextCursor of this list"))
    page = given.get("page", 1) if cursor is None else None
    asked = customers_service.Listing(
        given.get("search"), sort, after, given.get("limit", 25), period=given.get("period")
    )
    return success(await asyncio.to_thread(customers_service.numbered, context, caller, asked, page))


async def customer(running: Running, caller: Caller, call: Call, given: Given) -> Reply:
    """Get one customer: the total of a month, the all-time total, and recent activity."""
    work = (call.path("customerId"), given.get("period"), given.get("deltaPage", 1), given.get("deltaLimit", 20))
    return success(await asyncio.to_thread(customers_service.get_customer, running.context, caller, *work))


async def timeline(running: Running, caller: Caller, call: Call, given: Given) -> Reply:
    """List a customer's months in order: locked or open, with totals, roots and links to the month before."""
    page = given.get("limit", DEFAULT_PAGE), given.get("offset", 0)
    return success(
        await asyncio.to_thread(timeline_service.timeline, running.context, caller, call.path("customerId"), *page)
    )


async def gaps(running: Running, caller: Caller, call: Call, given: Given) -> Reply:
    """List the missing sequence numbers in a customer's stored deltas."""
    asked = given.get("fromSequence"), given.get("toSequence"), given.get("limit", DEFAULT_PAGE)
    if asked[0] is not None and asked[1] is not None and asked[1] < asked[0]:
        raise invalid(("toSequence", "is before fromSequence"))
    return success(await asyncio.to_thread(gaps_service.gaps, running.context, caller, call.path("customerId"), *asked))


async def usage(running: Running, caller: Caller, call: Call, given: Given) -> Reply:
    """Get the number of deltas recorded in the current month, and whether more are allowed."""
    return success(await asyncio.to_thread(customers_service.usage, running.context, caller))


async def create(running: Running, caller: Caller, call: Call, given: Given) -> Reply:
    """Create a customer before its first delta, with a display name and a unit."""
    asked = customers_service.NewCustomer(
        given["displayName"],
        given.get("customerId"),
        given.get("sharingStateHint"),
        given.get("eventCadence"),
        given.get("unitLabel"),
    )
    return success(await customers_service.create(running.context, caller, asked), 201)
