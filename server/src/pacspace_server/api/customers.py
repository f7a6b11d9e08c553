"""Customers: the list, one of them, its months, gaps, how much was recorded, and making one by hand."""

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
_PAGE_NUMBER = fields.from_query(fields.whole_number(1, MAX_OFFSET // MAX_PAGE, says="From 1."))
_LIMIT = fields.from_query(fields.whole_number(1, MAX_PAGE, says="How many at most."))
_SEQUENCE = fields.from_query(fields.whole_number(1, MAX_SEQUENCE))
CUSTOMERS: Table = {
    "page": _PAGE_NUMBER, "limit": _LIMIT,
    "cursor": fields.text(200, says="nextCursor of the page before; instead of page, and cheaper."),
    "search": fields.text(128, says="Part of a customerId or display name, in any case."),
    "period": PERIOD,
}  # fmt: skip
CUSTOMER: Table = {"deltaPage": _PAGE_NUMBER, "deltaLimit": _LIMIT, "period": PERIOD}
GAPS: Table = {"fromSequence": _SEQUENCE, "toSequence": _SEQUENCE, "limit": _LIMIT}
NEW_CUSTOMER: Table = {
    "displayName": fields.required(
        fields.text(200, *fields.NO_NUL, says="What people call it.").like("Globex Corporation")
    ),
    "customerId": CUSTOMER_ID.like("cust_globex"),
    "sharingStateHint": fields.choice(
        "INHERIT", *POLICIES, says="How much its link opens; INHERIT: as all customers'."
    ),
    "eventCadence": fields.choice("PER_EVENT", "DAILY", "SUB_DAILY", says="How often deltas are to be expected."),
    "unitLabel": fields.text(40, *fields.NO_NUL, says="What the amounts count; in every month's tree, for good.").like(
        "minutes"
    ),
}


async def customers(running: Running, caller: Caller, call: Call, given: Given) -> Reply:
    """The customers in order of their customerId, with their totals of a month."""
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
    """One customer: the total of a month, the total of all time, and recent activity."""
    work = (call.path("customerId"), given.get("period"), given.get("deltaPage", 1), given.get("deltaLimit", 20))
    return success(await asyncio.to_thread(customers_service.get_customer, running.context, caller, *work))


async def timeline(running: Running, caller: Caller, call: Call, given: Given) -> Reply:
    """A customer's months in order: locked or open, totals, roots, and how they are linked."""
    page = given.get("limit", DEFAULT_PAGE), given.get("offset", 0)
    return success(
        await asyncio.to_thread(timeline_service.timeline, running.context, caller, call.path("customerId"), *page)
    )


async def gaps(running: Running, caller: Caller, call: Call, given: Given) -> Reply:
    """Missing sequence numbers of a customer, read from what is stored."""
    asked = given.get("fromSequence"), given.get("toSequence"), given.get("limit", DEFAULT_PAGE)
    if asked[0] is not None and asked[1] is not None and asked[1] < asked[0]:
        raise invalid(("toSequence", "is before fromSequence"))
    return success(await asyncio.to_thread(gaps_service.gaps, running.context, caller, call.path("customerId"), *asked))


async def usage(running: Running, caller: Caller, call: Call, given: Given) -> Reply:
    """How many deltas were recorded for the running month, and whether more may be."""
    return success(await asyncio.to_thread(customers_service.usage, running.context, caller))


async def create(running: Running, caller: Caller, call: Call, given: Given) -> Reply:
    """Make a customer by hand, with a display name and a unit, before its first delta."""
    asked = customers_service.NewCustomer(
        given["displayName"],
        given.get("customerId"),
        given.get("sharingStateHint"),
        given.get("eventCadence"),
        given.get("unitLabel"),
    )
    return success(await customers_service.create(running.context, caller, asked), 201)
