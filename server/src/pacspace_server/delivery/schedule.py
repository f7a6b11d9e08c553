"""When an event is tried again, how much an endpoint is asked at once, and when it is switched off. Pure; microseconds."""

from __future__ import annotations

from ..domain.instants import DAY_US

SECOND_US = 1_000_000

# After each failed attempt; after the last one the delivery has failed for good.
DELAYS_S = (5, 30, 120, 600, 3_600, 21_600, 86_400)
JITTER = 0.2  # a delay is up to so much longer
SWITCH_OFF_US = 5 * DAY_US  # without one success
KEPT_US = 30 * DAY_US  # what was told can be listed and sent again for so long
OVERLAP_US = DAY_US  # in which the secret before a rotation signs too
FIRST_WINDOW, MAX_WINDOW = 4, 64  # attempts under way to one endpoint
# An endpoint that failed so often without one success is asked once at a time, with pauses: it is down, and what waits for
# it waits in the feed at no cost.
DOWN_AFTER, FIRST_PAUSE_S, LONGEST_PAUSE_S = 5, 0.5, 5.0


def next_attempt(attempts: int, now: int, chance: float) -> int | None:
    """When a delivery that failed so many times is due again; None: never. `chance` is from 0 to 1."""
    if attempts > len(DELAYS_S):
        return None
    return now + int(DELAYS_S[attempts - 1] * SECOND_US * (1 + JITTER * chance))


class Pace:
    """How many attempts one endpoint takes at once: more while it answers, fewer when it fails."""

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
        """How long to wait before the next attempt on an endpoint that is down; 0 on one that is not."""
        if not self.is_down:
            return 0.0
        pause_s = FIRST_PAUSE_S * 2.0 ** min(self.failures - DOWN_AFTER, 10)
        return min(pause_s, LONGEST_PAUSE_S) * (1 + JITTER * chance)
