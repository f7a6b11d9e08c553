"""All shared queries in one class: for snapshots to read with, and for units to write with."""

from __future__ import annotations

from .customers import CustomerReads, CustomerWrites
from .environments import EnvironmentReads, EnvironmentWrites
from .jobs import JobReads, JobWrites
from .lockouts import LockoutReads, LockoutWrites
from .logs import LogReads, LogWrites
from .people import PeopleReads, PeopleWrites
from .sharing import SharingReads, SharingWrites


class SharedReads(EnvironmentReads, CustomerReads, JobReads, LogReads, PeopleReads, SharingReads, LockoutReads):
    """Reads. The outbox is separate, because parts of it are specific to an engine."""


class SharedWrites(
    EnvironmentWrites, CustomerWrites, JobWrites, LogWrites, PeopleWrites, SharingWrites, LockoutWrites, SharedReads
):
    """Writing."""
