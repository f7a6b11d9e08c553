"""Somebody who looks at the published log all the time and forgets nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable

from testkit.logreader import fetch
from testkit.server import BROKEN, Client

from pacspace_proofs.note import LogCheckpoint, VerifierKey, parse_log_checkpoint, parse_verifier_key, signed_by

from .ledger import Violation

LOOK_S = 0.01


class Observer:
    """Polls the log checkpoint of each server. What breaks a promise is kept until it is asked for."""

    def __init__(self, origin: str, clients: list[Callable[[], Client | None]]) -> None:
        self._origin = origin
        self.seen: list[LogCheckpoint] = []  # not yet held against the whole log
        self.count = 0
        self._latest: LogCheckpoint | None = None
        self._text = b""
        self._key: VerifierKey | None = None
        self._violation: Violation | None = None
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self.resting = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(client,), daemon=True) for client in clients]
        for thread in self._threads:
            thread.start()

    @property
    def size(self) -> int:
        return self._latest.size if self._latest else 0

    def close(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def check(self) -> None:
        """Raises what was seen."""
        if self._violation is not None:
            raise self._violation

    def _run(self, client: Callable[[], Client | None]) -> None:
        while not self._stop.wait(LOOK_S):
            asked = None if self.resting.is_set() else client()
            if asked is None:
                continue
            least = self.size  # anybody saw it before this one asks
            try:
                text = fetch(asked, self._origin, "checkpoint")
                with self._lock:
                    self._take(asked, text, least)
            except Violation as violation:
                self._violation = self._violation or violation
            except (*BROKEN, AssertionError):
                continue  # the server is down, or not ready

    def _take(self, client: Client, text: bytes, least: int) -> None:
        if self._key is None:
            self._key = parse_verifier_key(fetch(client, self._origin, "key").decode().strip())
        if text == self._text:
            return
        checkpoint = parse_log_checkpoint(text.decode())
        if not (checkpoint.origin == self._key.name == self._origin and signed_by(self._key, checkpoint)):
            raise Violation("signature", f"a log checkpoint of {checkpoint.size} entries is not signed")
        if checkpoint.size < least:
            raise Violation("log shrank", f"from {least} to {checkpoint.size} entries")
        if self._latest and checkpoint.size == self.size and checkpoint.root != self._latest.root:
            raise Violation("log forked", f"two roots at {checkpoint.size}")
        self.seen.append(checkpoint)
        self.count += 1
        if checkpoint.size >= self.size:
            self._text, self._latest = text, checkpoint
