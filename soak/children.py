"""The processes that a server has started. They have a group of their own, so a kill of the server leaves them alive
for a moment."""

from __future__ import annotations

import contextlib
import os
import select
import signal
from pathlib import Path


def children_of(process: int | str) -> list[int]:
    """The children of a process, by its id or `self`."""
    found: list[int] = []
    for listed in Path(f"/proc/{process}/task").glob("*/children"):
        with contextlib.suppress(OSError):  # a thread that has just ended
            found += map(int, listed.read_text().split())
    return found


def end_children(process: int | str) -> None:
    """Kills them; returns when they are gone."""
    for child in children_of(process):
        with contextlib.suppress(ProcessLookupError):
            handle = os.pidfd_open(child)
            try:
                signal.pidfd_send_signal(handle, signal.SIGKILL)
                select.select([handle], [], [])
            finally:
                os.close(handle)
