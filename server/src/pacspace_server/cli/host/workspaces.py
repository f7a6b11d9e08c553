"""`pacspace workspace`: several vendors on one server."""

from __future__ import annotations

from typing import Any

import click

from ... import config as settings
from ...domain.instants import instant_text
from ..command import Group, examples
from ..options import DATABASE, SIGNER
from ..output import Output, table


@click.group(cls=Group)
def workspace() -> None:
    """Create and list workspaces. Each is one vendor, with its own sandbox and production."""


@workspace.command("create", epilog=examples('pacspace workspace create --name "Globex billing"'))
@click.option("--name", required=True, help="The workspace's name.")
@DATABASE
@SIGNER
@click.pass_obj
def create(out: Output, /, name: str, **flags: str | None) -> None:
    """Create a workspace with two environments, their logs and signing keys. A running server needs no restart."""
    from ...log.signer import Signer
    from ...process.engines import open_storage
    from ...service.people.workspaces import add_workspace

    values = settings.load(flags)
    signer = Signer(settings.signer_folder(values))
    storage = open_storage(settings.database(values["database"]), create=False)
    made = storage.write(lambda unit: add_workspace(unit, signer, name))
    storage.close()
    next_step = f"pacspace admin create --workspace {made.id} --email you@example.com creates its first user"
    out.show({"id": made.id, "name": made.name}, f"{made.name} is {made.id}\n{next_step}")


@workspace.command("list", epilog=examples("pacspace workspace list"))
@DATABASE
@click.pass_obj
def list_workspaces(out: Output, database: str | None) -> None:
    """List the workspaces, oldest first."""
    from ...process.engines import open_storage

    storage = open_storage(settings.database(settings.load({"database": database})["database"]), create=False)
    with storage.snapshot() as snapshot:
        there = snapshot.workspaces()
        sizes = {one.id: [0, len(snapshot.members(one.id))] for one in there}
        for environment in snapshot.environments():
            sizes[environment.workspace_id][0] += snapshot.count_customers(environment.id, None)
    storage.close()
    value: list[dict[str, Any]] = [
        {
            "id": one.id,
            "name": one.name,
            "createdAt": instant_text(one.created_at),
            "customers": sizes[one.id][0],
            "users": sizes[one.id][1],
        }
        for one in there
    ]
    rows = [[v["id"], v["name"], v["customers"], v["users"]] for v in value]
    out.show(value, table(["id", "name", "customers", "users"], rows, ["customers", "users"]))
