"""Sharing, for the vendor: links, access codes, policies, visits and remarks."""

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
        says="TWO_TIER: the link opens totals; deltas need the code. GATED: everything needs the code. "
        "OPEN: nothing needs the code. OFF: there are no links.",
    ),
    "vendorName": fields.text(120, *fields.NO_NUL, says="The vendor's name on pages for customers.").like("Initech"),
}
CUSTOMER_POLICY: Table = {
    "sharingStateHint": fields.required(
        fields.choice(sharing_service.INHERIT, *sharing_service.POLICIES, says="INHERIT: the workspace's policy.").like(
            "GATED"
        )
    ),
}


async def get_sharing(running: Running, caller: Caller, call: Call, given: Given) -> Reply:
    """Get the sharing policy of all customers and the vendor's name."""
    return success(await sharing_service.get_sharing(running.context, caller))


async def set_sharing(running: Running, caller: Caller, call: Call, given: Given) -> Reply:
    """Change the sharing policy of all customers or the vendor's name."""
    if not given:
        raise invalid(("policy", "send policy or vendorName, or both"))
    return success(
        await sharing_service.set_sharing(running.context, caller, given.get("policy"), given.get("vendorName"))
    )


async def set_customer_sharing(running: Running, caller: Caller, call: Call, given: Given) -> Reply:
    """Change the sharing policy of one customer."""
    named = call.path("customerId"), given["sharingStateHint"]
    return success(await sharing_service.set_customer_policy(running.context, caller, *named))


async def access_link(running: Running, caller: Caller, call: Call, given: Given) -> Reply:
    """Get a customer's link and access code; null while sharing is off."""
    return success(await sharing_service.access_link(running.context, caller, call.path("customerId")))


async def reissue_link(running: Running, caller: Caller, call: Call, given: Given) -> Reply:
    """Replace a customer's link. The old link stops working immediately."""
    return success(await sharing_service.reissue_link(running.context, caller, call.path("customerId")))


async def reissue_code(running: Running, caller: Caller, call: Call, given: Given) -> Reply:
    """Replace a customer's access code. The old code, and visits opened with it, end immediately."""
    return success(await sharing_service.reissue_code(running.context, caller, call.path("customerId")))


async def visits_of(running: Running, caller: Caller, call: Call, given: Given) -> Reply:
    """List the visits to a customer's Shared Record, newest first."""
    page = given.get("limit", DEFAULT_PAGE), given.get("offset", 0)
    return success(await visits.list_visits(running.context, caller, call.path("customerId"), *page))


async def notes_of(running: Running, caller: Caller, call: Call, given: Given) -> Reply:
    """List the remarks on a customer's record from both sides, newest first."""
    page = given.get("limit", DEFAULT_PAGE), given.get("offset", 0)

    def work(snapshot: Snapshot) -> SharedNotes:
        customer = find_customer(running.context, snapshot, caller, call.path("customerId"))
        return remarks.list_remarks(snapshot, customer, *page)

    return success(await running.context.look(work))


async def answer(running: Running, caller: Caller, call: Call, given: Given) -> Reply:
    """Answer a customer's remarks. Both sides can read it; it changes no amount and no proof."""
    return success(await remarks.answer(running.context, caller, call.path("customerId"), new_note(given)), 201)
