"""From settings to a server that runs until it is stopped: one process, or several workers."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from .. import config as settings
from ..service.people.keys import create_key
from ..service.people.people import make_link
from ..storage.model.protocols import Storage
from . import engines, wiring
from .loglines import configure_logging
from .siblings import Siblings
from .workers import run_workers


def server_config(values: Mapping[str, settings.Value], sandbox_clock: int | None) -> wiring.ServerConfig:
    public_url = settings.http_url("public_url", values["public_url"]) if values["public_url"].text else None
    return wiring.ServerConfig(
        settings.database(values["database"]),
        settings.signer_folder(values),
        values["host"].text,
        settings.port_number(values["port"]),
        public_url,
        sandbox_clock,
        settings.retention_days(values["retention_days"]),
        settings.is_on("registration", values["registration"]),
        settings.proxies(values["trusted_proxies"]),
        settings.webhook_targets(values["webhook_targets"]),
    )


@dataclass(frozen=True)
class Started:
    """What to print once the server listens: the first API key, and the setup link while there is no user."""

    config: wiring.ServerConfig
    url: str
    key: str | None
    setup_token: str | None


def serve(
    values: Mapping[str, settings.Value],
    sandbox_clock: int | None,
    workers: int,
    migrate: bool,
    started: Callable[[Started], None],
) -> int:
    """Runs the server until it is stopped; returns the exit status."""
    configure_logging(values["log_level"].text)
    config = server_config(values, sandbox_clock)
    if config.database.path is not None and workers > 1:
        reason = "it has one writer, and one process is enough for it"
        raise settings.ConfigError(f"--workers: SQLite takes one server process: {reason}")
    if config.database.path is not None and migrate:
        raise settings.ConfigError("--migrate is for PostgreSQL: a SQLite file is migrated whenever it is opened")
    with engines.exclusive(config.database), wiring.listening(config) as (listener, url):
        if migrate:
            engines.migrate_postgres(config.database)
        storage = engines.open_storage(config.database)
        if sandbox_clock is not None:
            wiring.set_start_clock(storage, sandbox_clock)
        with storage.snapshot() as snapshot:
            first = not snapshot.api_keys()
        key = create_key(storage, "sandbox", "first key", ("read", "write"))[1] if first else None

        token = setup_token(storage)

        def ready() -> None:
            started(Started(config, url, key, token))

        if workers == 1:
            wiring.run_server(config, storage, listener, url, ready)
            storage.close()
            return 0
        wiring.open_signer(storage, config.signer_folder)
        storage.close()  # connections don't survive a fork

        with tempfile.TemporaryDirectory(prefix="pacspace-") as folder:

            def work(number: int, told: Callable[[], None]) -> None:
                own = engines.open_storage(config.database)
                wiring.run_server(config, own, listener, url, told, Siblings(Path(folder), number, workers))
                own.close()

            # The workers hold the socket; the parent must not keep it open after they close it.
            return run_workers(workers, work, listener.close, ready)


def setup_token(storage: Storage) -> str | None:
    """The token of the link that creates the first user; None if there is a user. Earlier tokens become invalid."""
    with storage.snapshot() as snapshot:
        if snapshot.has_users():
            return None
    return storage.write(lambda unit: make_link(unit, "setup", None))
