"""A log's progress, as any process sees it, whichever integrates."""

from __future__ import annotations

from ..storage.model.records import Log


class Watched:
    """One log: its published size, its unverified deltas, and an upper bound of how long they have waited."""

    def __init__(self, log: Log, now_s: float) -> None:
        self.environment_id, self.environment, self.origin = log.environment_id, log.environment, log.origin
        self.size, self.published_size = log.size, log.published_size
        self.months = self.deltas = 0  # not integrated yet
        self.fencing: int | None = None  # the lease's, while this process holds it
        self._since_s = self._published_s = now_s

    def look(self, log: Log, now_s: float) -> None:
        """The current publication covers all that was there at the one before, so nothing older still waits."""
        if log.published_size != self.published_size:
            self._since_s, self._published_s = self._published_s, now_s
        self.size, self.published_size = log.size, log.published_size

    def count(self, months: int, deltas: int, now_s: float) -> None:
        """Stores how much waits. If nothing does, the next delta can't have waited since before now."""
        self.months, self.deltas = months, deltas
        if not self.waits:
            self._since_s = self._published_s = now_s

    @property
    def waits(self) -> bool:
        return self.months > 0 or self.size > self.published_size

    def unverified_s(self, now_s: float) -> float:
        """An upper bound of the seconds that the oldest delta outside the log has waited; 0 if there is none."""
        return max(0.0, now_s - self._since_s) if self.waits else 0.0
