"""Links, codes, notes, and who looked."""

from __future__ import annotations

from typing import Protocol


class SharingReads(Protocol):
    """What a snapshot tells of links, notes and visits."""


class SharingWrites(Protocol):
    """What a unit changes of links, notes and visits."""
