"""`pacspace keys`: the operator's commands for API keys."""

from __future__ import annotations

from typing import Any

import click

from ... import config as settings
from ... import exit_status
from ...domain.enumerations import KeyEnvironment
from ...domain.instants import instant_text
from ..command import Group, examples
from ..options import DATABASE, ENVIRONMENTS, WORKSPACE, pick_workspace
from ..output import Output, table


@click.group(cls=Group)
def keys() -> None:
    """Create, list and revoke API keys."""


@keys.command("create", epilog=examples("pacspace keys create --env live --name billing"))
@click.option("--env", "side", type=click.Choice(list(ENVIRONMENTS)), required=True, help="Sandbox or production.")
@click.option("--name", default="", help="What the key is for.")
@click.option("--scopes", default="read,write", show_default=True, help="Any of read, write, admin.")
@WORKSPACE
@DATABASE
@click.pass_obj
def keys_create(
    out: Output, side: KeyEnvironment, name: str, scopes: str, workspace: str | None, database: str | None
) -> None:
    """Create a key. Prints the full key once and stores only its hash."""
    from ...process.engines import open_storage
    from ...service.base.context import SCOPES
    from ...service.people.keys import create_key

    names = scopes.split(",")
    wanted = tuple(scope for scope in SCOPES if scope in names)
    if not set(names) <= set(SCOPES):
        out.fail(f"--scopes: {scopes} is not a list of {', '.join(SCOPES)}", exit_status.WRONG_USE)
    storage = open_storage(settings.database(settings.load({"database": database})["database"]))
    with storage.snapshot() as snapshot:
        picked = pick_workspace(out, snapshot, workspace)
    key, full = create_key(storage, ENVIRONMENTS[side], name, wanted, picked.id)
    storage.close()
    value = {
        "id": key.id,
        "name": key.name,
        "environment": key.environment,
        "scopes": list(key.scopes),
        "publicKey": full.partition(".")[0],
        "fullKey": full,
        "createdAt": instant_text(key.created_at),
    }
    out.show(value, f"{full}\n\n{key.id}, {key.environment}, scopes {scopes}. Keep it: it is not shown again.")


@keys.command("list", epilog=examples("pacspace keys list"))
@DATABASE
@click.pass_obj
def keys_list(out: Output, database: str | None) -> None:
    """List the keys, without their secrets."""
    from ...process.engines import open_storage

    storage = open_storage(settings.database(settings.load({"database": database})["database"]), create=False)
    with storage.snapshot() as snapshot:
        rows = snapshot.api_keys()
        owners = {environment.id: environment.workspace_id for environment in snapshot.environments()}
    storage.close()
    value: list[dict[str, Any]] = [
        {
            "id": k.id, "name": k.name, "environment": k.environment, "scopes": list(k.scopes), "active": k.is_active,
            "publicId": k.public_id, "createdAt": instant_text(k.created_at), "workspaceId": owners[k.environment_id],
            "state": "active" if k.is_active else "revoked" if k.revoked_at else "switched off",
        }
        for k in rows
    ]  # fmt: skip
    lines = [[v["id"], v["workspaceId"], v["environment"], v["state"], ",".join(v["scopes"]), v["name"]] for v in value]
    shown = table(["id", "workspace", "environment", "state", "scopes", "name"], lines)
    out.show(value, shown if lines else "no keys yet: pacspace keys create --env test")


@keys.command("revoke", epilog=examples("pacspace keys revoke key_1a2b3c"))
@click.argument("key_id", metavar="ID")
@DATABASE
@click.pass_obj
def keys_revoke(out: Output, key_id: str, database: str | None) -> None:
    """Revoke a key permanently: it stops working within a second."""
    from ...process.engines import open_storage
    from ...service.people.keys import revoke_by_command

    storage = open_storage(settings.database(settings.load({"database": database})["database"]), create=False)
    done = storage.write(lambda unit: revoke_by_command(unit, key_id))
    storage.close()
    if not done:
        out.fail(f"{key_id} is not an active key; see pacspace keys list", exit_status.NO)
    out.show({"id": key_id, "active": False}, f"{key_id} is revoked")
