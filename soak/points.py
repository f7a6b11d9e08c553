"""Where a fault can strike inside a server process, and the striking. Orders come in through a named pipe."""

from __future__ import annotations

import json
import math
import mmap
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")
PLACES, WIDTH = 32, 32
ORDERS, HITS, STEPS = "orders", "hits", "steps"


class Board:
    """Which durable step each thread is in, in a file that outlives the process: so a kill from outside can be
    placed."""

    def __init__(self, path: Path) -> None:
        path.write_bytes(bytes(PLACES * WIDTH))
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), 0)
        self._places: dict[int, int] = {}
        self._lock = threading.Lock()

    @contextmanager
    def at(self, step: str) -> Iterator[str]:
        """Yields the step around it, or nothing."""
        with self._lock:
            place = self._places.setdefault(threading.get_ident(), len(self._places) % PLACES) * WIDTH
        before = self._map[place : place + WIDTH]
        self._map[place : place + WIDTH] = step.encode().ljust(WIDTH, b"\0")
        try:
            yield before.rstrip(b"\0").decode()
        finally:
            self._map[place : place + WIDTH] = before


def steps_on(path: Path) -> list[str]:
    """The steps that the threads of a process are in, or were in when it was killed."""
    data = path.read_bytes() if path.exists() else b""
    places = [data[start : start + WIDTH].rstrip(b"\0").decode() for start in range(0, len(data), WIDTH)]
    return [step for step in places if step]


class Points:
    """The fault that is armed, if any, and what a process does when it strikes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.board = Board(folder / STEPS)
        self._hits = os.open(folder / HITS, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._armed: dict[str, Any] | None = None
        self._lock = threading.Lock()
        self._trouble, self._trouble_ends_s = "", 0.0
        self.clock_offset_s = 0
        self.lose_power: Callable[[], None] = lambda: None

    def listen(self) -> None:
        """Takes orders from now on."""
        pipe = os.open(self._folder / ORDERS, os.O_RDWR)  # both ways, so that it never ends

        def read() -> None:
            with os.fdopen(pipe, "r+b", buffering=0) as orders:
                while line := orders.readline():
                    self._obey(json.loads(line))

        threading.Thread(target=read, name="orders", daemon=True).start()

    def _obey(self, order: dict[str, Any]) -> None:
        match order["do"]:
            case "arm":
                self._armed = order
            case "disarm":
                self._armed = None
            case "trouble":
                self._trouble, self._trouble_ends_s = order["kind"], time.monotonic() + order["seconds"]
            case "clock":
                self.clock_offset_s = order["offset"]
        self._tell(order["do"], "obeyed")

    @property
    def trouble(self) -> str:
        """What the disk suffers from right now: `full`, `read-only`, `broken`, `slow` or nothing."""
        return self._trouble if time.monotonic() < self._trouble_ends_s else ""

    def note_trouble(self, step: str) -> None:
        self._tell(step, self._trouble)

    def _due(self, step: str, around: str) -> str | None:
        with self._lock:
            armed = self._armed
            if armed is None or armed["step"] not in (step, f"{around}: {step}"):
                return None
            armed["after"] -= 1
            if armed["after"] > 0:
                return None
            self._armed = None
            return str(armed["how"])

    def _tell(self, step: str, how: str) -> None:
        os.write(self._hits, json.dumps({"step": step, "how": how}).encode() + b"\n")

    def carry_out(
        self,
        step: str,
        do: Callable[[], T],
        refuse: Callable[[], None],
        mark: Callable[[str], None] = lambda how: None,
    ) -> T:
        """Does a durable step, or what the armed fault makes of it. One inside another can be named so: `emit: wal
        sync`.

        `refuse` gives the step up and raises what a failing disk or network would; `mark` tells the wire what to cut.
        """
        with self.board.at(step) as around:
            how = self._due(step, around)
            if how is None:
                return do()
            self._tell(step, how)
            self._strike_before(how, refuse, mark)
            result = do()
            self._strike_after(how, refuse)
            return result

    def _strike_before(self, how: str, refuse: Callable[[], None], mark: Callable[[str], None]) -> None:
        match how:
            case "die before":
                die()
            case "power before":
                self.lose_power()
                die()
            case "fail":
                refuse()
            case "fail for good":
                self._trouble, self._trouble_ends_s = "broken", math.inf
                refuse()
            case "stop before":
                os.kill(os.getpid(), signal.SIGSTOP)
            case "cut before" | "cut after" | "doubt":
                mark(how)

    def _strike_after(self, how: str, refuse: Callable[[], None]) -> None:
        match how:
            case "die after":
                die()
            case "power after":
                self.lose_power()
                die()
            case "fail after":
                refuse()
            case "stop after":
                os.kill(os.getpid(), signal.SIGSTOP)


def die() -> None:
    """As kill -9 would have it."""
    os.kill(os.getpid(), signal.SIGKILL)
    threading.Event().wait()
