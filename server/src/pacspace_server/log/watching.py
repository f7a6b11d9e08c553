"""How far a log is, as any process sees it from outside, whoever integrates."""

from __future__ import annotations

from ..storage.model.records import Log


class Watched:
    """One log: what it has, what waits for it, and since when at most."""

    def __init__(self, log: Log, now_s: float) -> None:
        self.environment_id, self.environment, self.origin = log.environment_id, log.environment, log.origin
        self.size, self.published_size = log.size, log.published_size
        self.months = self.deltas = 0  # that it does not have yet
        self.fencing: int | None = None  # of the lease, while this process holds it
        self._since_s = self._published_s = now_s

    def look(self, log: Log, now_s: float) -> None:
        """What is published now was read after the publication before, so nothing older than that waits any more."""
        if log.published_size != self.published_size:
            self._since_s, self._published_s = self._published_s, now_s
        self.size, self.published_size = log.size, log.published_size

    def count(self, months: int, deltas: int, now_s: float) -> None:
        """What waits. When nothing does, whatever comes next has waited since now at most."""
        self.months, self.deltas = months, deltas
        if not self.waits:
            self._since_s = self._published_s = now_s

    @property
    def waits(self) -> bool:
        return self.months > 0 or self.size > self.published_size

    def unverified_s(self, now_s: float) -> float:
        """Seconds for which the oldest delta that the log does not have has waited, at most; 0 when none waits."""
        return max(0.0, now_s - self._since_s) if self.waits else 0.0
