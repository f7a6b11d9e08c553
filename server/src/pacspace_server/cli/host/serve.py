"""`pacspace serve`: what it prints when the server listens."""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING

from ... import config as settings

if TYPE_CHECKING:
    from ...process.serving import Started
    from ..output import Output

FIRST_START = """\
This is a new record: {database}
The signing keys are in {signer}: back up that folder, separately from the database.

Your sandbox key, shown only once:

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
The dashboard has no users yet. Create the first one with this link, which works once:

  {url}/app/setup?token={token}
"""


def _named(database: settings.Value) -> str:
    """The option that points another command to the same database; empty if it holds a password."""
    is_shown = database.source == "flag" and settings.without_password(database.text) == database.text
    return f" --database {shlex.quote(database.text)}" if is_shown else ""


def tell(out: Output, started: Started, database: settings.Value) -> None:
    """Prints the server's address, the key of a first start, and the setup link while there is no user."""
    config, url, key, token = started.config, started.url, started.key, started.setup_token
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
            print(f"lost the key? `pacspace keys create --env test{_named(database)}`")
        print(f"listening on {url}")
    sys.stdout.flush()
