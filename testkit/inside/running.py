"""A real server process, and what such a process has around a record."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pacspace_server.log.integrator import Integrator
from pacspace_server.service.base.context import Context
from pacspace_server.service.base.server_secret import ServerSecret
from pacspace_server.storage.writing.committer import Committer
from testkit.command import PACSPACE
from testkit.forkserver import fork
from testkit.inside.book import Book


@contextmanager
def running(database: Path, *flags: str) -> Iterator[Any]:
    """What `pacspace serve` prints on its start; the process ends with the block."""
    flags = ("--port", "0", "--database", f"sqlite:///{database}", *flags)
    log = database.with_name("stderr")
    reader, writer = os.pipe()
    with log.open("w") as errors, os.fdopen(reader) as told:
        process = fork(PACSPACE, ["--json", "serve", *flags], Path.cwd(), dict(os.environ), writer, errors.fileno())
        os.close(writer)
        try:
            text = ""
            for line in told:
                text += line
                if line.rstrip() == "}":
                    break
            assert text, log.read_text()
            yield json.loads(text)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(20)


def in_context(book: Book, work: Callable[[Context], Any]) -> Any:
    """Runs work with a context of its own, as a server process has."""

    async def run() -> Any:
        committer = Committer(book.storage)
        integrator = Integrator(book.storage, book.signer, book.storage.write, lambda: None)
        secret = ServerSecret(book.signer.folder)
        context = Context(book.storage, committer, integrator, book.signer, secret, "http://127.0.0.1")
        try:
            return await work(context)
        finally:
            await committer.close()

    return asyncio.run(run())
