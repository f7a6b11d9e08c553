"""The HTTP server and its shutdown: loses nothing that it accepted, and answers every request."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import Callable, Generator, Iterable
from types import FrameType
from typing import Any

import msgspec
import structlog
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from .. import exit_status
from ..api.app import SECURITY_HEADERS
from ..http.messages import new_request_id
from ..http.refusals import as_json
from ..service.base.errors import ServiceError

logger = structlog.get_logger("pacspace.http")
SHUTDOWN_S, KEEP_ALIVE_S, BACKLOG = 30, 75, 1024
TELL_S, SETTLE_S = 0.3, 0.1  # time for last replies on open connections; time to read accepted ones
NOT_HTTP = "not an HTTP request: check the length of its headers, its line ends, and for TLS on a plain port"


class Protocol(HttpToolsProtocol):
    """One connection. Answers input that is not HTTP, which has no route, like other errors."""

    def send_400_response(self, msg: str) -> None:
        request_id = new_request_id()
        logger.info("not HTTP", request_id=request_id)
        body = msgspec.json.encode(as_json(ServiceError(None, NOT_HTTP, details=[])).value)
        headers = {
            "content-type": "application/json",
            "content-length": str(len(body)),
            "x-request-id": request_id,
            "connection": "close",
            **SECURITY_HEADERS,
        }
        head = "".join(f"{name.lower()}: {value}\r\n" for name, value in headers.items())
        self.transport.write(f"HTTP/1.1 400 Bad Request\r\n{head}\r\n".encode() + body)
        self.transport.close()


class HttpServer(uvicorn.Server):
    """Serves until it is told to stop; then, in this order, announces it, refuses connections, and answers the rest."""

    def __init__(self, config: uvicorn.Config, stopping: Callable[[], None], is_worker: bool) -> None:
        super().__init__(config)
        self._stopping, self._is_worker = stopping, is_worker

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Keeps the handlers to the end of the process, because the work after the last reply is part of the shutdown.

        A worker may get a signal both from its parent and from its process group, so only the parent counts signals.
        """
        for number in (signal.SIGTERM, signal.SIGINT):
            ignored = self._is_worker and number == signal.SIGINT
            signal.signal(number, signal.SIG_IGN if ignored else self.handle_exit)
        yield

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """The second signal ends the process immediately; acknowledged deltas are already on disk."""
        if self.should_exit and not self._is_worker:
            os._exit(exit_status.NOT_DONE)
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        listeners = sockets or []
        logger.info("stopping", connections=len(self.server_state.connections))
        self._stopping()
        if self.server_state.connections:
            await asyncio.sleep(TELL_S)
        for listener in listeners:
            listener.listen(0)  # no new connections queue; queued ones are accepted now
        await asyncio.sleep(SETTLE_S)
        self._refuse(listeners)
        await asyncio.sleep(SETTLE_S)
        await super().shutdown(sockets)

    def _refuse(self, listeners: Iterable[socket.socket]) -> None:
        for server in self.servers:
            server.close()
        for listener in listeners:
            listener.close()


def http_config(app: Any, trusted_proxies: list[str]) -> uvicorn.Config:
    """`trusted_proxies`: addresses that may name a request's client in X-Forwarded-For."""
    return uvicorn.Config(
        app,
        http=Protocol,
        log_config=None,
        access_log=False,
        lifespan="off",
        server_header=False,
        date_header=False,
        proxy_headers=bool(trusted_proxies),
        forwarded_allow_ips=trusted_proxies,
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=SHUTDOWN_S,
    )
