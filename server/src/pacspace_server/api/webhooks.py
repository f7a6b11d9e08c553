"""Webhook deliveries: the list, and trying one again."""

from __future__ import annotations

from typing import Any

from ..service import deliveries as deliveries_service
from ..service.context import Caller, Context
from ..service.limits import DEFAULT_PAGE
from . import fields
from .fields import Table
from .http import Call, Reply, success
from .scope import PAGE

DELIVERIES: Table = {"status": fields.choice("pending", "delivered", "failed", says="Only these."), **PAGE}


async def deliveries(context: Context, caller: Caller, call: Call, given: dict[str, Any]) -> Reply:
    """Webhook deliveries, newest first."""
    page = given.get("limit", DEFAULT_PAGE), given.get("offset", 0)
    return success(deliveries_service.list_deliveries(context, caller, given.get("status"), *page))


async def retry(context: Context, caller: Caller, call: Call, given: dict[str, Any]) -> Reply:
    """Make a delivery due now."""
    return success(deliveries_service.retry(context, caller, call.path("eventId")))
