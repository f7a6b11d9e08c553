"""Fixtures: a client in both forms (each test that takes `pac` or `make` holds for both), and waits that pass at once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from testkit.scripted import KEY, Blocking, Make, Script

from pacspace_sdk import AsyncPacSpace, PacSpace


@pytest.fixture
def sleeps(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds of every wait, none of which is waited."""
    waited: list[float] = []

    async def no_sleep(seconds: float) -> None:
        waited.append(seconds)

    monkeypatch.setattr("pacspace_sdk.client.time.sleep", waited.append)
    monkeypatch.setattr("asyncio.sleep", no_sleep)
    return waited


@pytest.fixture
def script() -> Script:
    return Script()


@pytest.fixture(params=["blocking", "async"])
def make(request: pytest.FixtureRequest, script: Script) -> Iterator[Make]:
    """Makes clients of one of the two forms, speaking to the script."""
    loop = asyncio.new_event_loop() if request.param == "async" else None
    made: list[Blocking] = []

    def make(**options: Any) -> Blocking:
        kind: Any = AsyncPacSpace if loop else PacSpace
        options = {"base_url": "http://server.test", "transport": script} | options
        made.append(Blocking(kind(options.pop("api_key", KEY), **options), loop))
        return made[-1]

    yield make
    for client in made:
        client.call("close")
    if loop is not None:
        loop.close()


@pytest.fixture
def pac(make: Make) -> Blocking:
    """A client with the standard settings."""
    return make()
