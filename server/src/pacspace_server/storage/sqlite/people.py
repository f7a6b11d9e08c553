"""Workspaces, users, sessions, and the audit trail, in the file."""

from __future__ import annotations

from .reading import Reads


class PeopleReads(Reads):
    """Reading them."""


class PeopleWrites(PeopleReads):
    """Writing them."""
