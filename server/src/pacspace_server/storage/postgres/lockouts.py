"""Failed tries, on the server."""

from __future__ import annotations

from ..model.lockouts import Lockout
from .reading import Reads


class LockoutReads(Reads):
    """Reading them."""

    def lockout(self, key: str) -> Lockout | None:
        row = self._one("SELECT key, failures, since, locked_until FROM lockout WHERE key = %s", (key,))
        return Lockout(*row) if row else None


class LockoutWrites(LockoutReads):
    """Writing them, in the unit's transaction."""

    def lockout(self, key: str) -> Lockout | None:
        """Locked, so that two who fail at once both count; made first, as there is no lock on what is not there."""
        self.connection.execute("INSERT INTO lockout VALUES (%s, 0, 0, 0) ON CONFLICT (key) DO NOTHING", (key,))
        row = self._one("SELECT key, failures, since, locked_until FROM lockout WHERE key = %s FOR UPDATE", (key,))
        return Lockout(*row) if row else None

    def set_lockout(self, lockout: Lockout) -> None:
        self.connection.execute(
            "INSERT INTO lockout VALUES (%s, %s, %s, %s) ON CONFLICT (key) DO UPDATE SET failures = excluded.failures, "
            "since = excluded.since, locked_until = excluded.locked_until",
            (lockout.key, lockout.failures, lockout.since, lockout.locked_until),
        )

    def forget_lockout(self, key: str) -> None:
        self.connection.execute("DELETE FROM lockout WHERE key = %s", (key,))

    def forget_lockouts_before(self, before: int) -> None:
        self.connection.execute("DELETE FROM lockout WHERE since < %s AND locked_until < %s", (before, before))
