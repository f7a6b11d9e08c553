"""Checkpoints of all customers, and links to their receipts."""

from __future__ import annotations

from ...http.messages import Reply
from ...service.base.context import Caller, Context
from ...service.base.errors import ServiceError
from ...service.receipts import listing as checkpoint_list
from .customer import named_period
from .desk import Desk, Request


async def show(desk: Desk, request: Request) -> Reply:
    """All checkpoints, or the locks of one month, newest first."""
    period = named_period(request.query.get("period"))
    asked = checkpoint_list.CheckpointList(period=period, after=request.query.get("after"))
    listed = await desk.ask(checkpoint_list.checkpoints_page, request, asked)
    return desk.page(request, "checkpoints.html", listed=listed, period=period, after=asked.after)


async def receipt(desk: Desk, request: Request) -> Reply:
    """Redirects to a receipt's public page, if the receipt belongs to this environment."""
    receipt_id = request.call.path("receiptId")
    await desk.ask(_need_own, request, receipt_id)
    return desk.go(f"/receipt/{receipt_id}")


def _need_own(context: Context, caller: Caller, receipt_id: str) -> None:
    with context.storage.snapshot() as snapshot:
        checkpoint = snapshot.checkpoint(receipt_id)
        if checkpoint is None or snapshot.customer_at(checkpoint.customer).environment_id != caller.environment_id:
            raise ServiceError("RECEIPT_NOT_FOUND", f"no receipt {receipt_id[:80]} in {caller.environment}")
