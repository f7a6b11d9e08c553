"""`pacspace serve`."""

from __future__ import annotations

import logging
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from .. import config as settings
from ..service.keys import create_key
from . import wiring

if TYPE_CHECKING:
    from .output import Output

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


def configure_logging(level: str) -> None:
    """Log lines on stderr: for people on a terminal, JSON elsewhere."""
    renderer = structlog.dev.ConsoleRenderer() if sys.stderr.isatty() else structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper(), logging.INFO)),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )


def server_config(values: Mapping[str, settings.Value], sandbox_clock: int | None) -> wiring.ServerConfig:
    public_url = settings.http_url("public_url", values["public_url"]) if values["public_url"].text else None
    return wiring.ServerConfig(
        settings.database_path(values["database"]),
        settings.signer_folder(values),
        values["host"].text,
        settings.port_number(values["port"]),
        public_url,
        sandbox_clock,
        settings.retention_days(values["retention_days"]),
    )


def _named(database: settings.Value) -> str:
    """The option that another command needs to find the same database."""
    return f" --database {shlex.quote(database.text)}" if database.source == "flag" else ""


def serve(out: Output, values: Mapping[str, settings.Value], sandbox_clock: int | None) -> None:
    """Runs the server until it is told to stop."""
    configure_logging(values["log_level"].text)
    config = server_config(values, sandbox_clock)
    with wiring.exclusive(config.database):
        storage = wiring.open_storage(config.database)
        if sandbox_clock is not None:
            wiring.set_start_clock(storage, sandbox_clock)
        with storage.snapshot() as snapshot:
            first = not snapshot.api_keys()
        key = create_key(storage, "sandbox", "first key", ("read", "write"))[1] if first else None

        def ready(url: str) -> None:
            if out.as_json:
                out.show({"url": url, "database": str(config.database), "fullKey": key}, "")
            elif key is not None:
                names = {"database": Path(config.database), "signer": config.signer_folder}
                print(FIRST_START.format(url=url, key=key, **names))
            else:
                print(f"lost the key? `pacspace keys create --env test{_named(values['database'])}`")
            if not out.as_json:
                print(f"listening on {url}")
            sys.stdout.flush()

        wiring.run_server(config, storage, ready)
        storage.close()
