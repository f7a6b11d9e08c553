"""Waiting for the thing itself."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

PATIENCE_S = 60


def wait_until(holds: Callable[[], Any]) -> None:
    """Returns as soon as it holds."""
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline, "it did not come to this"
        time.sleep(0.02)
