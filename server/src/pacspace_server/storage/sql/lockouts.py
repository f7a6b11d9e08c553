"""Failed attempts."""

from __future__ import annotations

from ..model.lockouts import Lockout
from .statements import Statements


class LockoutReads(Statements):
    """Queries on lockouts."""

    def lockout(self, key: str) -> Lockout | None:
        row = self._one("SELECT key, failures, since, locked_until FROM lockout WHERE key = ?", (key,))
        return Lockout(*row) if row else None


class LockoutWrites(LockoutReads):
    """Writes lockouts."""

    def set_lockout(self, lockout: Lockout) -> None:
        self._run(
            "INSERT INTO lockout VALUES (?, ?, ?, ?) ON CONFLICT (key) DO UPDATE SET failures = excluded.failures, "
            "since = excluded.since, locked_until = excluded.locked_until",
            lockout.key,
            lockout.failures,
            lockout.since,
            lockout.locked_until,
        )

    def forget_lockout(self, key: str) -> None:
        self._run("DELETE FROM lockout WHERE key = ?", key)

    def forget_lockouts_before(self, before: int) -> None:
        self._run("DELETE FROM lockout WHERE since < ? AND locked_until < ?", before, before)
