"""Workspaces, users, sessions, and the audit trail."""

from __future__ import annotations

from typing import Protocol


class PeopleReads(Protocol):
    """What a snapshot tells of workspaces, users and sessions."""


class PeopleWrites(Protocol):
    """What a unit changes of workspaces, users and sessions."""
