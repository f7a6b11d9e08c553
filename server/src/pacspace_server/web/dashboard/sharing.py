"""A customer's Shared Record on its page: link, access code, remarks from both sides, and visits."""

from __future__ import annotations

from typing import Any

from ...http.messages import Reply
from ...service.base.context import Caller, Context, find_customer
from ...service.base.errors import ServiceError, invalid
from ...service.sharing import links as sharing_service
from ...service.sharing import remarks as remarks_service
from ...service.sharing import visits as visits_service
from ...views.sharing import SharedNotes
from .desk import Desk, Filled, Request

SHOWN = 10


async def shared_record(desk: Desk, request: Request, customer_id: str) -> dict[str, Any]:
    """The values for `_sharing.html`. `hasLink` is None if sharing is off for the workspace or the customer."""
    link = await sharing_service.access_link(desk.context, request.caller, customer_id)
    is_off = link["policy"] == sharing_service.OFF
    visits = await visits_service.list_visits(desk.context, request.caller, customer_id, SHOWN, 0)
    notes = await desk.ask(_notes, request, customer_id)
    return {
        "hasLink": None if is_off else link["customerLinkUrl"] is not None,
        "link": link,
        "visits": visits["visits"],
        "notes": notes["notes"],
        "noteCount": notes["pagination"]["total"],
        "about": notes["about"],
        "form": Filled(),
    }


def _notes(context: Context, caller: Caller, customer_id: str) -> SharedNotes:
    with context.storage.snapshot() as snapshot:
        return remarks_service.list_remarks(snapshot, find_customer(context, snapshot, caller, customer_id), SHOWN, 0)


async def reissue(desk: Desk, request: Request) -> Reply:
    """Replaces the link or the code; the old one stops working immediately."""
    customer_id, what = request.call.path("customerId"), request.form.one("what")
    if what == "link":
        await sharing_service.reissue_link(desk.context, request.caller, customer_id)
    elif what == "code":
        await sharing_service.reissue_code(desk.context, request.caller, customer_id)
    else:
        await desk.ask(_notes, request, customer_id)  # raises a 404 for an unknown customer
        raise invalid(("what", "must be link or code"))
    said = f"The {what} is replaced; the old one no longer works. Send the new one to your customer."
    return desk.go(f"/app/customers/{customer_id}", said)


async def answer(desk: Desk, request: Request) -> Reply:
    """Adds a remark from the vendor, which the customer sees."""
    customer_id, text = request.call.path("customerId"), request.form.one("text")
    await desk.ask(_notes, request, customer_id)
    if not 1 <= len(text) <= remarks_service.MAX_TEXT_CHARS:
        most = f"{remarks_service.MAX_TEXT_CHARS:,}"
        raise ServiceError(None, f"A remark must have 1 to {most} characters; this one has {len(text):,}")
    said = remarks_service.NewRemark(text, request.actor.name[: remarks_service.MAX_AUTHOR_CHARS], None, None)
    await remarks_service.answer(desk.context, request.caller, customer_id, said)
    return desk.go(f"/app/customers/{customer_id}", "Your remark is saved; the customer can see it.")
