"""All shared queries in one: what a snapshot of either engine reads with, and what its unit writes with."""

from __future__ import annotations

from .customers import CustomerReads, CustomerWrites
from .environments import EnvironmentReads, EnvironmentWrites
from .jobs import JobReads, JobWrites
from .lockouts import LockoutReads, LockoutWrites
from .logs import LogReads, LogWrites
from .people import PeopleReads, PeopleWrites
from .sharing import SharingReads, SharingWrites


class SharedReads(EnvironmentReads, CustomerReads, JobReads, LogReads, PeopleReads, SharingReads, LockoutReads):
    """Reading; the outbox is apart, as some of it is an engine's own."""


class SharedWrites(
    EnvironmentWrites, CustomerWrites, JobWrites, LogWrites, PeopleWrites, SharingWrites, LockoutWrites, SharedReads
):
    """Writing."""
