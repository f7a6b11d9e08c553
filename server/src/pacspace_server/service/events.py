"""What endpoints are told: each event of the catalogue, written with what it tells of, in one transaction."""

from __future__ import annotations

from typing import Any

from ..storage.protocols import Unit
from ..storage.records import Customer


def tell(unit: Unit, customer: Customer, event: str, data: dict[str, Any]) -> None:
    """Leaves an event for the endpoints of the customer's environment; nothing when it has none."""
