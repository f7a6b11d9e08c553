"""`pacspace admin`: the operator's commands for users of the dashboard."""

from __future__ import annotations

import sys
from typing import Any

import click

from ... import config as settings
from ... import exit_status
from ...domain.enumerations import Role
from ...storage.model.people import ROLES
from ...storage.model.protocols import Storage
from ..command import Group, examples
from ..options import DATABASE, WORKSPACE, pick_workspace
from ..output import Output, table

EMAIL = click.option("--email", required=True, help="The user's e-mail, in any case.")


@click.group(cls=Group)
def admin() -> None:
    """Create and list users of the dashboard, and reset passwords."""


def _open(database: str | None) -> Storage:
    from ...process.engines import open_storage

    return open_storage(settings.database(settings.load({"database": database})["database"]), create=False)


def _password_hash() -> str:
    """Hashes a password: typed twice on a terminal, else the first line of standard input."""
    from ...service.base.passwords import check_password, hash_password

    if sys.stdin.isatty():
        password = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    else:
        password = sys.stdin.readline().removesuffix("\n").removesuffix("\r")
    return hash_password(check_password(password))


@admin.command("create", epilog=examples("pacspace admin create --email ada@example.com --role owner"))
@EMAIL
@click.option("--name", default="", help="The user's name.")
@click.option("--role", type=click.Choice(ROLES), default="owner", show_default=True, help="What the user may do.")
@WORKSPACE
@DATABASE
@click.pass_obj
def create(out: Output, email: str, name: str, role: Role, workspace: str | None, database: str | None) -> None:
    """Create a user. Asks for the password, or reads it from the first line of standard input."""
    from ...service.people import people

    storage = _open(database)
    with storage.snapshot() as snapshot:
        picked = pick_workspace(out, snapshot, workspace)
    asked = people.NewUser(people.check_email(email), name, role, _password_hash())
    user = storage.write(lambda unit: people.add_member(unit, people.command_caller(picked.id), asked))
    storage.close()
    value = {"id": user.id, "email": user.email, "name": user.name, "role": role, "workspaceId": picked.id}
    out.show(value, f"{user.email} is {role} of {picked.name} ({picked.id}) and can log in")


@admin.command(
    "add", epilog=examples("pacspace admin add --email ada@example.com --workspace wsp_1a2b3c --role viewer")
)
@EMAIL
@click.option(
    "--role", type=click.Choice(ROLES), default="owner", show_default=True, help="What the user may do there."
)
@click.option("--workspace", metavar="ID", required=True, help="Which workspace.")
@DATABASE
@click.pass_obj
def add(out: Output, email: str, role: Role, workspace: str, database: str | None) -> None:
    """Add an existing user to another workspace, or change the user's role there."""
    from ...service.people import people

    storage = _open(database)
    with storage.snapshot() as snapshot:
        picked = pick_workspace(out, snapshot, workspace)
    user = storage.write(lambda unit: people.add_to_workspace(unit, people.command_caller(picked.id), email, role))
    storage.close()
    value = {"id": user.id, "email": user.email, "role": role, "workspaceId": picked.id}
    out.show(value, f"{user.email} is {role} of {picked.name} ({picked.id}) too")


@admin.command("reset-password", epilog=examples("pacspace admin reset-password --email ada@example.com"))
@EMAIL
@DATABASE
@click.pass_obj
def reset_password(out: Output, email: str, database: str | None) -> None:
    """Set a new password for a user, read as `admin create` does. Ends all sessions of the user."""
    from ...service.people import people

    storage = _open(database)
    with storage.snapshot() as snapshot:
        user = snapshot.user_by_email(email.strip())
        mine = snapshot.memberships(user.id) if user else []
    if user is None:
        out.fail(f"there is no user with the e-mail {email}; see pacspace admin list", exit_status.NO)
    hashed = _password_hash()
    caller = people.command_caller(mine[0][0].id)
    storage.write(lambda unit: people.set_password(unit, caller, user, hashed))
    storage.close()
    out.show({"id": user.id, "email": user.email}, f"{user.email} has a new password; all sessions have ended")


@admin.command("list", epilog=examples("pacspace admin list"))
@DATABASE
@click.pass_obj
def list_users(out: Output, database: str | None) -> None:
    """List the users with their roles."""
    storage = _open(database)
    with storage.snapshot() as snapshot:
        there = [
            (workspace, user, role)
            for workspace in snapshot.workspaces()
            for user, role in snapshot.members(workspace.id)
        ]
    storage.close()
    value: list[dict[str, Any]] = [
        {
            "id": user.id,
            "email": user.email,
            "name": user.name,
            "role": role,
            "workspaceId": workspace.id,
            "disabled": user.disabled_at is not None,
        }
        for workspace, user, role in there
    ]
    columns = ["id", "email", "name", "role", "workspaceId"]
    rows = [[str(v[name]) for name in columns] + ["disabled" if v["disabled"] else ""] for v in value]
    shown = table(["id", "e-mail", "name", "role", "workspace", "state"], rows)
    out.show(value, shown if rows else "no users yet: pacspace admin create --email you@example.com")
