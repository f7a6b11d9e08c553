"""Links, codes, notes, and who looked, on the server."""

from __future__ import annotations

from .reading import Reads


class SharingReads(Reads):
    """Reading them."""


class SharingWrites(SharingReads):
    """Writing them, in the unit's transaction."""
