"""The wire between the servers and PostgreSQL: it can be cut at a commit, slow, or gone."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress

CHUNK = 1 << 16
MARK = b"SELECT 'soak: "
DOUBT_S = 14.0  # longer than the server looks for the fate of a commit


class Wire:
    """Listens on a port of its own and forwards to PostgreSQL's."""

    def __init__(self, port: int) -> None:
        self._target = "127.0.0.1", port
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self._listener.getsockname()[1]
        self.delay_s = 0.0
        self._gone_until_s = 0.0
        self.cuts: list[str] = []
        self._links: set[Link] = set()
        threading.Thread(target=self._listen, daemon=True).start()

    @property
    def gone(self) -> bool:
        return time.monotonic() < self._gone_until_s

    def go_away(self, seconds: float) -> None:
        """Every connection ends now, and none is taken for so long."""
        self._gone_until_s = time.monotonic() + seconds
        for link in list(self._links):
            link.cut()

    def close(self) -> None:
        self._listener.close()
        self.go_away(0)

    def _listen(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            if self.gone:
                near.close()
                continue
            try:
                far = socket.create_connection(self._target, timeout=5)
            except OSError:
                near.close()
                continue
            self._links.add(Link(self, near, far))

    def ended(self, link: Link) -> None:
        self._links.discard(link)


class Link:
    """One connection. A marked one is cut at its next message: the commit, that arrives or does not."""

    def __init__(self, wire: Wire, near: socket.socket, far: socket.socket) -> None:
        self._wire, self._near, self._far = wire, near, far
        self._cut, self._reply_due = "", False
        for end in (near, far):
            end.settimeout(None)
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=self._up, daemon=True).start()
        threading.Thread(target=self._down, daemon=True).start()

    def cut(self) -> None:
        for end in (self._near, self._far):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        self._wire.ended(self)

    def _up(self) -> None:
        with suppress(OSError):
            while data := self._near.recv(CHUNK):
                if self._cut:
                    self._wire.cuts.append(self._cut)
                    if self._cut == "cut before":
                        break
                    self._reply_due = True
                elif (at := data.find(MARK)) >= 0:
                    self._cut = data[at + len(MARK) :].partition(b"'")[0].decode()
                if self._wire.delay_s:
                    time.sleep(self._wire.delay_s)
                self._far.sendall(data)
        self.cut()
        self._near.close()

    def _down(self) -> None:
        with suppress(OSError):
            while data := self._far.recv(CHUNK):
                if self._reply_due:  # the commit is through, and nobody hears of it
                    if self._cut == "doubt":
                        self._wire.go_away(DOUBT_S)
                    break
                self._near.sendall(data)
        self.cut()
        self._far.close()
