"""The transports that come with the client, against real sockets."""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pacspace_sdk import AsyncPacSpace, PacSpace, PacSpaceError

ANSWER = b'{"success":true,"data":"yes"}'
REPLY = b"HTTP/1.1 200 OK\r\nX-Odd: 1\r\ncontent-length: %d\r\n\r\n" % len(ANSWER) + ANSWER

Answer = Callable[[socket.socket, bytes], None]


@pytest.fixture
def serve() -> Iterator[Callable[[Answer], str]]:
    """Answers each request by a function of the socket and the request; connections stay open."""
    listeners: list[socket.socket] = []
    connections: list[socket.socket] = []

    def talk(connection: socket.socket, answer: Answer) -> None:
        with connection:
            while True:
                try:
                    request = read_request(connection)
                    if not request:
                        return
                    answer(connection, request)
                except OSError:
                    return

    def listen(listener: socket.socket, answer: Answer) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            connections.append(connection)
            threading.Thread(target=talk, args=(connection, answer), daemon=True).start()

    def start(answer: Answer) -> str:
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)
        threading.Thread(target=listen, args=(listener, answer), daemon=True).start()
        return f"http://127.0.0.1:{listener.getsockname()[1]}"

    yield start
    for listener in listeners:
        listener.close()
    for connection in connections:
        connection.close()


def read_request(connection: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        chunk = connection.recv(65536)
        if not chunk:
            return b""
        data += chunk
    head, _, body = data.partition(b"\r\n\r\n")
    length = next(
        (int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")), 0
    )
    while len(body) < length:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


def usage(url: str, form: str, **options: Any) -> Any:
    if form == "blocking":
        with PacSpace("pk_test_a", base_url=url, max_retries=0, **options) as pac:
            return pac.balance.usage()

    async def run() -> Any:
        async with AsyncPacSpace("pk_test_a", base_url=url, max_retries=0, **options) as pac:
            return await pac.balance.usage()

    return asyncio.run(run())


FORMS = pytest.mark.parametrize("form", ["blocking", "async"])


@FORMS
def test_a_request_over_a_real_connection(serve: Any, form: str) -> None:
    """Method, path, headers and body arrive, and the reply comes back."""
    seen: list[bytes] = []
    url = serve(lambda connection, request: (seen.append(request), connection.sendall(REPLY))[1])
    assert usage(url, form) == "yes"
    assert (
        seen[0].startswith(b"GET /api/v1/balance/usage HTTP/1.1\r\n")
        and b"\r\nx-api-key: pk_test_a\r\n" in seen[0].lower()
    )


@FORMS
def test_a_server_that_is_silent(serve: Any, form: str) -> None:
    """The time-out of one request ends it, as a failure of the network."""
    url = serve(lambda connection, request: None)
    with pytest.raises(PacSpaceError) as error:
        usage(url, form, timeout=150)
    assert error.value.code == "NETWORK_ERROR" and "Timeout" in str(error.value)
    assert "pacspace serve" not in str(error.value)


@FORMS
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_server_that_is_not_there(form: str, host: str) -> None:
    """When nobody listens at the address, the error says how a server is started, and how another one is named."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(PacSpaceError, match=f"no reply from http://{host}:{port}: ") as error:
        usage(f"http://{host}:{port}", form)
    hint = "is the server running? `pacspace serve` starts it; base_url or PACSPACE_BASE_URL set another address"
    assert error.value.code == "NETWORK_ERROR" and hint in str(error.value)


@FORMS
def test_a_reply_that_trickles(serve: Any, form: str) -> None:
    """A reply that never ends is given up at the time-out, though each of its bytes comes soon enough."""
    stop = threading.Event()

    def trickle(connection: socket.socket, request: bytes) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n")
        while not stop.wait(0.02):
            connection.sendall(b" ")

    url = serve(trickle)
    with pytest.raises(PacSpaceError) as error:
        usage(url, form, timeout=300)
    stop.set()
    assert error.value.code == "NETWORK_ERROR"


@FORMS
@pytest.mark.parametrize(
    "answer", [b"", b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nshort", b"SSH-2.0-nonsense\r\n\r\n"]
)
def test_a_connection_that_breaks(serve: Any, form: str, answer: bytes) -> None:
    """A reply that is cut off or no HTTP is a failure of the network, never data."""

    def cut(connection: socket.socket, request: bytes) -> None:
        connection.sendall(answer)
        connection.shutdown(socket.SHUT_RDWR)
        raise OSError

    with pytest.raises(PacSpaceError) as error:
        usage(serve(cut), form)
    assert error.value.code == "NETWORK_ERROR"


@FORMS
def test_nobody_listens(form: str) -> None:
    """A refused connection is a failure of the network that names the address."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
    with pytest.raises(PacSpaceError, match=url) as error:
        usage(url, form)
    assert error.value.code == "NETWORK_ERROR"


def test_connections_are_kept(serve: Any) -> None:
    """Requests of one thread use one connection."""
    peers: set[Any] = set()
    url = serve(lambda connection, request: (peers.add(connection.getpeername()), connection.sendall(REPLY))[1])
    with PacSpace("pk_test_a", base_url=url) as pac:
        for _ in range(5):
            pac.balance.usage()
    assert len(peers) == 1


def test_a_client_in_threads(serve: Any) -> None:
    """One client serves many threads."""
    url = serve(lambda connection, request: connection.sendall(REPLY))
    found: list[Any] = []
    with PacSpace("pk_test_a", base_url=url) as pac:
        threads = [
            threading.Thread(target=lambda: found.extend(pac.balance.usage() for _ in range(20))) for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
    assert found == ["yes"] * 160


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")  # the loops that have ended left their sockets
def test_one_async_client_on_several_loops(serve: Any) -> None:
    """A client may outlive an event loop: the next loop opens connections of its own."""
    url = serve(lambda connection, request: connection.sendall(REPLY))
    pac = AsyncPacSpace("pk_test_a", base_url=url)
    assert [asyncio.run(pac.balance.usage()) for _ in range(3)] == ["yes"] * 3
    asyncio.run(pac.close())
    del pac
    gc.collect()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="only where processes fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_child_opens_its_own_connections(serve: Any) -> None:
    """After a fork the child does not speak on its parent's connection."""
    peers: list[Any] = []
    url = serve(lambda connection, request: (peers.append(connection.getpeername()), connection.sendall(REPLY))[1])
    with PacSpace("pk_test_a", base_url=url) as pac:
        pac.balance.usage()
        child = os.fork()
        if child == 0:
            os._exit(0 if pac.balance.usage() == "yes" else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        pac.balance.usage()
    assert peers[0] == peers[2] != peers[1]


def test_a_transport_may_be_a_plain_function_in_both_forms() -> None:
    """The async client takes a transport that is no coroutine function."""

    class Reply:
        status_code = 200
        headers: dict[str, str] = {}
        body = ANSWER

    def transport(*request: Any) -> Any:
        return Reply()

    for form in ("blocking", "async"):
        assert usage("http://server.test", form, transport=transport) == "yes"
