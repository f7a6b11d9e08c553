"""Wires the parts of a server together and runs it. The only place that names an engine."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import gc
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

import structlog

from .. import config as settings
from ..api.app import Api
from ..api.openapi import document
from ..api.public import Public
from ..delivery.http import HttpClient, Resolver
from ..delivery.sender import Sender
from ..domain.instants import instant_text
from ..log.integrator import Integrator
from ..log.rehashing import prepare
from ..log.signer import Signer
from ..log.standing import give_keys
from ..service.base.context import Context
from ..service.base.errors import ServiceError
from ..service.base.server_secret import ServerSecret
from ..service.closing.jobs import Jobs
from ..service.people.keys import keep_writing_uses, write_uses
from ..service.recording.erase import keep_retention
from ..service.recording.sandbox import move_clock
from ..service.running import Running
from ..service.sharing.visits import Visits
from ..service.webhooks import endpoints
from ..storage.model.protocols import Storage, Unit
from ..storage.writing.committer import Committer
from ..web.dashboard.guard import Dashboard
from ..web.pages import Pages
from .engines import AlreadyServed
from .http_server import HttpServer, http_config
from .rehasher import Rehasher
from .siblings import Siblings

logger = structlog.get_logger("pacspace.serve")
SWITCH_S = 0.0001
T = TypeVar("T")


@dataclass
class ServerConfig:
    """What a server needs to run."""

    database: settings.Database
    signer_folder: Path
    host: str
    port: int
    public_url: str | None = None
    sandbox_clock: int | None = None
    retention_days: int | None = None
    registration: bool = False
    trusted_proxies: list[str] = field(default_factory=list)
    webhook_targets: str = "public"


def open_signer(storage: Storage, folder: Path) -> Signer:
    """The signer, with a key for each log that has signed nothing yet."""
    signer = Signer(folder)
    give_keys(storage, signer)
    return signer


def open_sender(context: Context, resolver: Resolver, targets: str) -> Sender:
    """The webhook sender. A file has one writer, so the sender's writes take turns with the committer's."""

    async def write(work: Callable[[Unit], T]) -> T:
        if context.storage.remote:
            return await asyncio.to_thread(context.storage.write, work)
        return await context.committer.run(work)

    client = HttpClient(targets, resolver)
    secrets_of = partial(endpoints.secrets_of, context.server_secret)
    return Sender(context.storage, write, client, secrets_of, context.public_url)


def set_start_clock(storage: Storage, at: int) -> None:
    """Holds the clock of every sandbox; refuses to turn it back in a sandbox with deltas."""

    def work(unit: Unit) -> None:
        for environment in unit.environments():
            if environment.name == "sandbox" and (unit.now(environment) != at or environment.clock_at is None):
                move_clock(unit, environment, at, None)

    try:
        storage.write(work)
    except ServiceError as error:
        raise settings.ConfigError(
            f"--sandbox-clock {instant_text(at)}: the sandbox holds deltas and its clock is already later, and "
            "it can only move forward; start without --sandbox-clock and run `pacspace clock reset --yes`, "
            "or use another --database"
        ) from error


@contextmanager
def listening(config: ServerConfig) -> Iterator[tuple[socket.socket, str]]:
    """The socket to serve, and its URL. It is bound, but accepts nothing before the server starts."""
    with socket.socket(socket.AF_INET6 if ":" in config.host else socket.AF_INET) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((config.host, config.port))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            raise AlreadyServed(
                f"port {config.port} is taken: name another with --port or PACSPACE_PORT; is another pacspace running?"
            ) from error
        host, port = listener.getsockname()[:2]
        yield listener, f"http://{f'[{host}]' if ':' in host else host}:{port}"


@dataclass
class _Server:
    """All parts of a server in one process; each is complete when created."""

    config: ServerConfig
    running: Running
    integrator: Integrator
    committer: Committer
    rehasher: Rehasher
    resolver: Resolver
    public: Public
    app: Api

    def stopping(self) -> None:
        self.app.stopping = self.public.readiness.shutting_down = True

    async def close(self) -> None:
        """Closes jobs after their current chunk, then visits and attempts under way, then the log, then writes.

        Everything acknowledged is already on disk.
        """
        await self.running.jobs.stop()
        await self.running.visits.close()
        await self.running.sender.stop()
        self.resolver.close()
        await asyncio.to_thread(self.integrator.stop)
        self.rehasher.close()
        await write_uses(self.running.context)
        await self.committer.close()


def _compose(config: ServerConfig, storage: Storage, url: str, number: int) -> _Server:
    """Creates the parts in order of dependence. Called on the event loop."""
    loop = asyncio.get_running_loop()
    signer = open_signer(storage, config.signer_folder)

    def published() -> None:
        def announce() -> None:
            running.context.announce_published()
            running.sender.wake()

        with contextlib.suppress(RuntimeError):  # the loop may be gone already
            loop.call_soon_threadsafe(announce)

    committer = Committer(storage, lambda: integrator.wake())
    # A file has one writer, so the integrator's writes take turns with the committer's.
    write = storage.write if storage.remote else committer.run_blocking
    rehasher = Rehasher(config.database, partial(prepare, storage))
    integrator = Integrator(storage, signer, write, published, rehasher.prepare)
    secret = ServerSecret(signer.folder)
    context = Context(storage, committer, integrator, signer, secret, config.public_url or url, config.registration)
    resolver = Resolver()
    sender = open_sender(context, resolver, config.webhook_targets)
    running = Running(context, Jobs(context), Visits(context), sender)
    describe = partial(document, context.public_url)
    public = Public(running, describe, number)
    pages = Pages(running, public.verifier, public.limit, describe)
    dashboard = Dashboard(running, public.readiness)
    app = Api(running, public, pages.routes() | dashboard.routes())
    return _Server(config, running, integrator, committer, rehasher, resolver, public, app)


async def _run(
    config: ServerConfig,
    storage: Storage,
    listener: socket.socket,
    url: str,
    ready: Callable[[], None],
    siblings: Siblings | None,
) -> None:
    """Runs until SIGTERM or SIGINT, then finishes accepted work."""
    parts = _compose(config, storage, url, siblings.number if siblings else 1)
    context, running = parts.running.context, parts.running
    proxies = http_config(parts.app, config.trusted_proxies)
    server = HttpServer(proxies, parts.stopping, is_worker=siblings is not None)
    async with contextlib.AsyncExitStack() as stack:
        if siblings is not None:
            parts.public.metrics.others = siblings.ask
            answering = await siblings.listen(parts.public.metrics.own)
            stack.callback(answering.close)
        stack.push_async_callback(parts.close)
        parts.integrator.start()
        running.sender.start()
        background = [running.jobs.watch(), keep_writing_uses(context)]
        if config.retention_days:
            background.append(keep_retention(context, config.retention_days))
        for work in background:
            stack.callback(asyncio.create_task(work).cancel)
        serving = asyncio.create_task(server.serve([listener]))
        while not server.started and not serving.done():
            await asyncio.sleep(0.005)
        if server.started:
            ready()
        await serving


def run_server(
    config: ServerConfig,
    storage: Storage,
    listener: socket.socket,
    url: str,
    ready: Callable[[], None],
    siblings: Siblings | None = None,
) -> None:
    """Runs a server on its own event loop until it is stopped; `siblings` if it is one of several workers."""
    # Objects loaded by now stay, and short-lived rows and replies are freed by reference counts: collect cycles rarely.
    gc.freeze()
    # The log's thread releases the interpreter at every row it reads; under load, by default, it would get it back only
    # after 5 ms each time.
    sys.setswitchinterval(SWITCH_S)
    gc.set_threshold(20_000, 20, 20)
    with contextlib.suppress(KeyboardInterrupt), asyncio.Runner(loop_factory=_loop) as runner:
        runner.run(_run(config, storage, listener, url, ready, siblings))


def _loop() -> asyncio.AbstractEventLoop:
    import uvloop

    return uvloop.new_event_loop()
