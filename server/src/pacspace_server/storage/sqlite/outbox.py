"""Endpoints, the events that wait, and their deliveries, in the file."""

from __future__ import annotations

from .reading import Reads


class OutboxReads(Reads):
    """Reading them."""


class OutboxWrites(OutboxReads):
    """Writing them."""
