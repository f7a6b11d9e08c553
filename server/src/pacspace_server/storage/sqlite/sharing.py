"""Links, codes, notes, and who looked, in the file."""

from __future__ import annotations

from .reading import Reads


class SharingReads(Reads):
    """Reading them."""


class SharingWrites(SharingReads):
    """Writing them."""
