"""One browser for all tests of a process."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from .chromium import chromium, why_not


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if why := why_not():
        pytest.skip(why)
    with chromium() as started:
        yield started
