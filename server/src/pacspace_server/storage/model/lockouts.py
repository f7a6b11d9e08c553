"""Failed tries, counted where every process sees them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass
class Lockout:
    """How often somebody failed at a door since an instant, and until when it stays shut for them."""

    key: str
    failures: int
    since: int
    locked_until: int


class LockoutReads(Protocol):
    """What a snapshot tells of it."""

    def lockout(self, key: str) -> Lockout | None: ...


class LockoutWrites(Protocol):
    """What a unit changes of it."""

    def set_lockout(self, lockout: Lockout) -> None: ...
    def forget_lockout(self, key: str) -> None: ...
    def forget_lockouts_before(self, before: int) -> None:
        """Removes those that began before an instant and shut nothing any more."""
        ...
