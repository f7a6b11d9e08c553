"""`pacspace serve`."""

from __future__ import annotations

import shlex
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from .. import config as settings
from ..cli.output import EXIT_WRONG_USE
from ..service.people.keys import create_key
from ..service.people.people import make_link
from ..storage.model.protocols import Storage
from . import engines, wiring
from .loglines import configure_logging
from .siblings import Siblings
from .workers import run_workers

if TYPE_CHECKING:
    from ..cli.output import Output

FIRST_START = """\
This is a new record: {database}
Signing keys are in {signer} - back that folder up, apart from the database.

Your sandbox key, shown this once:

  {key}

Try it:

  curl -X POST {url}/api/v1/balance/delta -H 'X-Api-Key: {key}' \\
    -H 'Content-Type: application/json' -d '{{"customerId": "cust_acme", "delta": -42.5, "reason": "compute_minutes"}}'

or in Python, with pacspace-sdk:

  from pacspace_sdk import PacSpace
  with PacSpace.init("{key}", base_url="{url}") as pac:
      print(pac.balance.emit("cust_acme", -42.5, "compute_minutes", {{"referenceId": "usage_day_1"}}))
"""
SETUP = """\
Nobody can log in to the dashboard yet. Make the first user, with this link that is good once:

  {url}/app/setup?token={token}
"""


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


def _named(database: settings.Value) -> str:
    """The option that another command needs to find the same database; nothing when a password is in it."""
    is_shown = database.source == "flag" and settings.without_password(database.text) == database.text
    return f" --database {shlex.quote(database.text)}" if is_shown else ""


def serve(
    out: Output, values: Mapping[str, settings.Value], sandbox_clock: int | None, workers: int, migrate: bool
) -> int:
    """Runs the server until it is told to stop; the exit status."""
    configure_logging(values["log_level"].text)
    config = server_config(values, sandbox_clock)
    if config.database.path is not None and workers > 1:
        reason = "it has one writer, and one process keeps up with it"
        out.fail(f"--workers: SQLite takes one server process: {reason}", EXIT_WRONG_USE)
    if config.database.path is not None and migrate:
        out.fail(
            "--migrate is for PostgreSQL: a SQLite file is brought up to date whenever it is opened", EXIT_WRONG_USE
        )
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
            _tell(out, config, url, key, token, _named(values["database"]))

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

            # The workers have the address; the parent must not keep it open when they let go of it.
            return run_workers(workers, work, listener.close, ready)


def setup_token(storage: Storage) -> str | None:
    """Of the link that makes the first user; None when there is one. The link of an earlier start is not good any more."""
    with storage.snapshot() as snapshot:
        if snapshot.has_users():
            return None
    return storage.write(lambda unit: make_link(unit, "setup", None))


def _tell(out: Output, config: wiring.ServerConfig, url: str, key: str | None, token: str | None, named: str) -> None:
    """That the server listens, the key of a first start, and the way in while there is no user."""
    public = config.public_url or url
    if out.as_json:
        setup = f"{public}/app/setup?token={token}" if token else None
        out.show({"url": url, "database": str(config.database), "fullKey": key, "setupUrl": setup}, "")
    else:
        if token is not None:
            print(SETUP.format(url=public, token=token))
        if key is not None:
            print(FIRST_START.format(url=url, key=key, database=config.database, signer=config.signer_folder))
        else:
            print(f"lost the key? `pacspace keys create --env test{named}`")
        print(f"listening on {url}")
    sys.stdout.flush()
