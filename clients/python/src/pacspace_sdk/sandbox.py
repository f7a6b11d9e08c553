"""`pac.sandbox`: the sandbox's ledger clock, and its reset."""

from __future__ import annotations

from typing import Final

from .operations import workspace
from .protocol import Core
from .surface import AsyncSurface, Surface, awaitable, blocking


class Sandbox(Surface[Core]):
    """Tools for tests; the server refuses a production key."""

    clock: Final = blocking(workspace.clock)
    set_clock: Final = blocking(workspace.set_clock)
    advance_clock: Final = blocking(workspace.advance_clock)
    reset: Final = blocking(workspace.reset)


class AsyncSandbox(AsyncSurface[Core]):
    """The same on an event loop."""

    clock: Final = awaitable(workspace.clock)
    set_clock: Final = awaitable(workspace.set_clock)
    advance_clock: Final = awaitable(workspace.advance_clock)
    reset: Final = awaitable(workspace.reset)
