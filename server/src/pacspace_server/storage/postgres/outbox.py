"""Endpoints, the events that wait, and their deliveries, on the server."""

from __future__ import annotations

from .reading import Reads


class OutboxReads(Reads):
    """Reading them."""


class OutboxWrites(OutboxReads):
    """Writing them, in the unit's transaction."""
