"""How long a client command waits for a server that can't be reached."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from pacspace_server.cli.client import PATIENCE_S, REFUSED_S, CallFailed, Client

ANSWER = b'HTTP/1.1 200 OK\r\nContent-Length: 14\r\nConnection: close\r\n\r\n{"data": true}'


class Waits(threading.Event):
    """Waits as it is asked, and remembers for how long; does something first."""

    def __init__(self, first: Callable[[], None] = lambda: None) -> None:
        super().__init__()
        self.asked_s: list[float] = []
        self._first = first

    def wait(self, timeout: float | None = None) -> bool:
        if not self.asked_s:
            self._first()
        self.asked_s.append(timeout or 0)
        return super().wait(timeout)


@pytest.fixture
def port() -> Iterator[socket.socket]:
    """A port of this machine that is taken, but at which nobody listens: it refuses connections."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound


def client_of(port: socket.socket, waits: Waits) -> Client:
    client = Client(f"http://127.0.0.1:{port.getsockname()[1]}", "pk_test_x.y")
    client.stopped = waits
    return client


def answer_one(port: socket.socket) -> threading.Thread:
    """Listens, answers one request in the background, and listens no more."""
    port.listen()

    def work() -> None:
        connection, _ = port.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(ANSWER)

    thread = threading.Thread(target=work)
    thread.start()
    return thread


def test_nobody_on_this_machine_is_not_waited_for_long(port: socket.socket) -> None:
    """Where nobody has answered yet, a refused connection is tried again, but for a second at most."""
    waits = Waits()
    with pytest.raises(CallFailed, match="is it running"):
        client_of(port, waits).get("/x")
    assert waits.asked_s and sum(waits.asked_s) <= REFUSED_S


def test_a_server_that_is_just_starting_is_reached(port: socket.socket) -> None:
    """A server that begins to listen while the client waits for it gets the call."""
    started: list[threading.Thread] = []
    waits = Waits(lambda: started.append(answer_one(port)))
    assert client_of(port, waits).get("/x") is True
    started[0].join()


def test_a_server_that_was_there_is_waited_for(port: socket.socket) -> None:
    """A server that has answered and is gone may be starting anew: it is waited for as long as any other."""
    waits = Waits()
    client = client_of(port, waits)
    thread = answer_one(port)
    assert client.get("/x") is True
    thread.join()
    port.close()
    with pytest.raises(CallFailed):
        client.get("/x")
    assert REFUSED_S < sum(waits.asked_s) <= PATIENCE_S
