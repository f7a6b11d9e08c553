"""Rate limits of the public routes."""

from __future__ import annotations

import time
from collections import OrderedDict

from ..service.base.errors import ServiceError
from ..service.base.lockouts import client_network


class AddressLimit:
    """Recomputations per address: a burst, then a steady rate."""

    BURST, PER_SECOND, ADDRESSES = 120, 20.0, 10_000

    def __init__(self) -> None:
        self._spent: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, address: str) -> None:
        """Counts one request; raises 429 RATE_LIMITED when the address is over its limit."""
        now, address = time.monotonic(), client_network(address)
        spent, at = self._spent.pop(address, (0.0, now))
        spent = max(0.0, spent - (now - at) * self.PER_SECOND)
        if spent >= self.BURST:
            self._spent[address] = spent, now
            raise ServiceError("RATE_LIMITED", "too many verifications from this address", retryAfterSeconds=1)
        self._spent[address] = spent + 1, now
        while len(self._spent) > self.ADDRESSES:
            self._spent.popitem(last=False)
