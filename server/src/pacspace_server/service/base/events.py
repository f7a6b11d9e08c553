"""What endpoints are told: each event of the catalogue, written with what it tells of, in one transaction."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from ...clock import now_us
from ...storage.model.outbox import told
from ...storage.model.protocols import Unit
from ...storage.model.records import Customer


def tell(unit: Unit, customer: Customer, event: str, data: Mapping[str, object]) -> None:
    """Leaves an event for the endpoints of the customer's environment; nothing when it has none.

    `event` is one of `domain.events.EVENTS`; `data` what `msgspec` takes, amounts as `views.number` makes them.
    """
    at = now_us()
    if unit.is_listened(customer.environment_id, at):
        text = msgspec.json.encode(data).decode()
        unit.tell(customer.environment_id, [told(customer.environment_id, event, customer, text, at)])
