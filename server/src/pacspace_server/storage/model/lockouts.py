"""Failed attempts, counted across all processes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass
class Lockout:
    """How many attempts failed since an instant, and until when further ones are refused."""

    key: str
    failures: int
    since: int
    locked_until: int


class LockoutReads(Protocol):
    """What a snapshot reads of lockouts."""

    def lockout(self, key: str) -> Lockout | None: ...


class LockoutWrites(Protocol):
    """What a unit writes of lockouts."""

    def set_lockout(self, lockout: Lockout) -> None: ...
    def forget_lockout(self, key: str) -> None: ...
    def forget_lockouts_before(self, before: int) -> None:
        """Removes lockouts that began before an instant and have ended."""
        ...
