"""When to retry an event, how many attempts to run in parallel, and when to disable an endpoint. Pure; microseconds."""

from __future__ import annotations

from ..domain.instants import DAY_US

SECOND_US = 1_000_000

# After each failed attempt; after the last one, the delivery has failed.
DELAYS_S = (5, 30, 120, 600, 3_600, 21_600, 86_400)
JITTER = 0.2  # each delay is up to this much longer
SWITCH_OFF_US = 5 * DAY_US  # without one success
KEPT_US = 30 * DAY_US  # deliveries can be listed and sent again for this long
OVERLAP_US = DAY_US  # during which the secret before a rotation signs too
FIRST_WINDOW, MAX_WINDOW = 4, 64  # attempts under way to one endpoint
# After so many failures in a row an endpoint counts as down: it gets one attempt at a time, with pauses. Its events
# wait in the feed at no cost.
DOWN_AFTER, FIRST_PAUSE_S, LONGEST_PAUSE_S = 5, 0.5, 5.0


def next_attempt(attempts: int, now: int, chance: float) -> int | None:
    """When a delivery with so many failed attempts is due again; None: never. `chance` is from 0 to 1."""
    if attempts > len(DELAYS_S):
        return None
    return now + int(DELAYS_S[attempts - 1] * SECOND_US * (1 + JITTER * chance))


class Pace:
    """How many parallel attempts an endpoint gets: more while it answers, fewer when it fails."""

    def __init__(self) -> None:
        self.window = FIRST_WINDOW
        self.failures = 0  # in a row

    def succeeded(self) -> None:
        self.failures = 0
        self.window = min(self.window + 1, MAX_WINDOW)

    def failed(self) -> None:
        self.failures += 1
        self.window = 1 if self.is_down else max(1, self.window // 2)

    @property
    def is_down(self) -> bool:
        return self.failures >= DOWN_AFTER

    def pause_s(self, chance: float) -> float:
        """How long to wait before the next attempt if the endpoint is down, else 0."""
        if not self.is_down:
            return 0.0
        pause_s = FIRST_PAUSE_S * 2.0 ** min(self.failures - DOWN_AFTER, 10)
        return min(pause_s, LONGEST_PAUSE_S) * (1 + JITTER * chance)
