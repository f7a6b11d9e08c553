"""Polls until a state is reached."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from ..errors import TimeoutError
from ..options import REQUEST_KEYS, pick
from ..protocol import Call, Core, Operation, Wait, call

TIMEOUT_MS, INTERVAL_MS = 60_000, 2_000


def single(given: Mapping[str, Any], *fields: str) -> dict[str, Any]:
    """The options for each request of a call that waits: its `timeout` is `httpTimeout`."""
    return {**pick(given, *fields, *REQUEST_KEYS), "timeout": given.get("httpTimeout")}


def wait_until(
    core: Core, path: str, given: Mapping[str, Any], is_over: Callable[[Any], bool], late: Callable[[Any], str]
) -> Operation[Any]:
    """Reads the path until `is_over` accepts the reply, and returns it. Raises TimeoutError after the deadline, with
    the text of `late`.

    `timeout` (60,000 ms) and `pollInterval` (2,000 ms) apply to the wait.
    """
    timeout_s = given.get("timeout", TIMEOUT_MS) / 1000
    interval_s = given.get("pollInterval", INTERVAL_MS) / 1000
    look = Call("GET", path, options=single(given))
    started, waited_s = time.monotonic(), 0.0
    while True:
        found = yield from call(core, look)
        if is_over(found):
            return found
        left_s = timeout_s - max(waited_s, time.monotonic() - started)
        if left_s <= 0:
            raise TimeoutError(f"after {timeout_s:g} s {late(found)}", request_path=path)
        delay = min(interval_s, left_s)
        waited_s += delay
        yield Wait(delay)
