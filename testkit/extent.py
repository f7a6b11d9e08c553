"""How often a test repeats itself: a few times in `make test`, many times in `make check`."""

from __future__ import annotations

import os

FULL = "FULL_TESTS" in os.environ


def times(few: int, many: int, name: str = "") -> int:
    """How many times; a variable of that name decides otherwise."""
    return int(os.environ.get(name) or (many if FULL else few))
