"""Webhook deliveries. Nothing is sent yet, so the list is empty and there is nothing to try again."""

from __future__ import annotations

from typing import Any

from .context import Caller, Context
from .errors import ServiceError


def list_deliveries(context: Context, caller: Caller, status: str | None, limit: int, offset: int) -> dict[str, Any]:
    """Deliveries of the caller's environment, newest first."""
    return {"deliveries": [], "pagination": {"limit": limit, "offset": offset, "total": 0}}


def retry(context: Context, caller: Caller, event_id: str) -> dict[str, Any]:
    """404 NOT_FOUND for an event that was never sent."""
    raise ServiceError(
        404, "NOT_FOUND", f"no delivery of an event {event_id[:80]} in the {caller.environment} environment"
    )
