"""Sharing, for the vendor: links and codes, how much they open, who looked, and notes."""

from __future__ import annotations

from typing import Any

from ..http.messages import Call, Reply, success
from ..service.base.context import Caller, find_customer
from ..service.base.errors import invalid
from ..service.base.limits import DEFAULT_PAGE
from ..service.running import Running
from ..service.sharing import links as sharing_service
from ..service.sharing import remarks, visits
from ..storage.model.protocols import Snapshot
from ..views.sharing import SharedNotes
from . import fields
from .fields import Table
from .portal import new_note

Given = dict[str, Any]

POLICY: Table = {
    "policy": fields.choice(
        *sharing_service.POLICIES,
        says="TWO_TIER: the link opens totals, deltas need the code. GATED: everything needs it. "
        "OPEN: nothing does. OFF: there are no links.",
    ),
    "vendorName": fields.text(120, *fields.NO_NUL, says="What customers know the vendor as.").like("Initech"),
}
CUSTOMER_POLICY: Table = {
    "sharingStateHint": fields.required(
        fields.choice(sharing_service.INHERIT, *sharing_service.POLICIES, says="INHERIT: as all customers.").like(
            "GATED"
        )
    ),
}


async def get_sharing(running: Running, caller: Caller, call: Call, given: Given) -> Reply:
    """How much the links of all customers open, and the vendor's name on them."""
    return success(await sharing_service.get_sharing(running.context, caller))


async def set_sharing(running: Running, caller: Caller, call: Call, given: Given) -> Reply:
    """Change how much the links of all customers open, or the vendor's name on them."""
    if not given:
        raise invalid(("policy", "send policy, vendorName or both"))
    return success(
        await sharing_service.set_sharing(running.context, caller, given.get("policy"), given.get("vendorName"))
    )


async def set_customer_sharing(running: Running, caller: Caller, call: Call, given: Given) -> Reply:
    """Change how much one customer's link opens."""
    named = call.path("customerId"), given["sharingStateHint"]
    return success(await sharing_service.set_customer_policy(running.context, caller, *named))


async def access_link(running: Running, caller: Caller, call: Call, given: Given) -> Reply:
    """A customer's link and access code; nulls while sharing is off."""
    return success(await sharing_service.access_link(running.context, caller, call.path("customerId")))


async def reissue_link(running: Running, caller: Caller, call: Call, given: Given) -> Reply:
    """Give a customer another link; the old one stops working immediately."""
    return success(await sharing_service.reissue_link(running.context, caller, call.path("customerId")))


async def reissue_code(running: Running, caller: Caller, call: Call, given: Given) -> Reply:
    """Give a customer's link another code; the old one, and visits opened with it, end immediately."""
    return success(await sharing_service.reissue_code(running.context, caller, call.path("customerId")))


async def visits_of(running: Running, caller: Caller, call: Call, given: Given) -> Reply:
    """Who looked behind a customer's link and what they took, newest first."""
    page = given.get("limit", DEFAULT_PAGE), given.get("offset", 0)
    return success(await visits.list_visits(running.context, caller, call.path("customerId"), *page))


async def notes_of(running: Running, caller: Caller, call: Call, given: Given) -> Reply:
    """What both sides have said about a customer's record, newest first."""
    page = given.get("limit", DEFAULT_PAGE), given.get("offset", 0)

    def work(snapshot: Snapshot) -> SharedNotes:
        customer = find_customer(running.context, snapshot, caller, call.path("customerId"))
        return remarks.list_remarks(snapshot, customer, *page)

    return success(await running.context.look(work))


async def answer(running: Running, caller: Caller, call: Call, given: Given) -> Reply:
    """Answer a customer's remarks, for both sides to read. It changes no amount and no proof."""
    return success(await remarks.answer(running.context, caller, call.path("customerId"), new_note(given)), 201)
