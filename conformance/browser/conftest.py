"""One browser for the tests of a module."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from .chromium import chromium, why_not


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Gone with its module: its event loop runs on the thread of the tests, where others run loops of their own."""
    if why := why_not():
        pytest.skip(why)
    with chromium() as started:
        yield started
