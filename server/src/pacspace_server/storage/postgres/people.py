"""Workspaces, users, sessions, and the audit trail, on the server."""

from __future__ import annotations

from .reading import Reads


class PeopleReads(Reads):
    """Reading them."""


class PeopleWrites(PeopleReads):
    """Writing them, in the unit's transaction."""
