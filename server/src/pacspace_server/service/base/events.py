"""Events for endpoints: each is written in the transaction of its change."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from ...clock import now_us
from ...storage.model.outbox import told
from ...storage.model.protocols import Unit
from ...storage.model.records import Customer


def queue_event(unit: Unit, customer: Customer, event: str, data: Mapping[str, object]) -> None:
    """Queues an event for the endpoints of the customer's environment, if it has any.

    `event` is one of `domain.events.EVENTS`; `msgspec` encodes `data`, with amounts from `showing.number`.
    """
    at = now_us()
    if unit.is_listened(customer.environment_id, at):
        text = msgspec.json.encode(data).decode()
        unit.tell(customer.environment_id, [told(customer.environment_id, event, customer, text, at)])
