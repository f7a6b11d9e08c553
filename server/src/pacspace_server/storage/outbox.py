"""Endpoints, the events that wait, and their deliveries."""

from __future__ import annotations

from typing import Protocol


class OutboxReads(Protocol):
    """What a snapshot tells of endpoints and deliveries."""


class OutboxWrites(Protocol):
    """What a unit changes of endpoints and deliveries."""
