"""Where a customer's Shared Record comes into the pages: its link and code, notes and visits."""

from __future__ import annotations

from typing import Any

from .desk import Desk, Request


async def shared_record(desk: Desk, request: Request, customer_id: str) -> dict[str, Any]:
    """What `_sharing.html` shows of a customer. `hasLink` is None where nothing is shared."""
    return {"hasLink": None}
