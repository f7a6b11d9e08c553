"""Checkpoints as pages show them: newest first, by cursor."""

from __future__ import annotations

from dataclasses import dataclass

from ...views.pages import ListedCheckpoints
from ...views.receipts import ListedCheckpoint
from ..base.context import Caller, Context, find_customer
from ..base.errors import invalid
from ..closing.checkpoint import checkpoint_views
from .receipt import document_links


@dataclass
class CheckpointList:
    """A page of checkpoints after a checkpointId: all, of one customer, or the locks of one month."""

    customer_id: str | None = None
    period: str | None = None
    after: str | None = None
    limit: int = 50


def checkpoints_page(context: Context, caller: Caller, asked: CheckpointList) -> ListedCheckpoints:
    """Checkpoints with links to their receipts, and the cursor of the next page."""
    with context.storage.snapshot() as snapshot:
        customer = find_customer(context, snapshot, caller, asked.customer_id) if asked.customer_id else None
        last = snapshot.checkpoint(asked.after) if asked.after else None
        if asked.after and (
            last is None or snapshot.customer_at(last.customer).environment_id != caller.environment_id
        ):
            raise invalid(("after", "is not a place in this list"))
        found = snapshot.checkpoints_after(caller.environment_id, customer, asked.period, last, asked.limit + 1)
        rows = found[: asked.limit]
        views = checkpoint_views(snapshot, rows)
        shown: list[ListedCheckpoint] = [
            {**view, "links": document_links(context, row)} for view, row in zip(views, rows, strict=True)
        ]
    more = len(found) > asked.limit
    return {"checkpoints": shown, "next": shown[-1]["checkpointId"] if more else None}
