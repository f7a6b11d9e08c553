"""Workspaces, each with two environments, their logs and their signing keys."""

from __future__ import annotations

import secrets
from collections.abc import Mapping

from ...clock import now_us
from ...domain.instants import instant_text
from ...log.signer import Signer
from ...storage.model.people import Workspace
from ...storage.model.protocols import Snapshot, Unit
from ...views.dashboard import EnvironmentRow
from ...views.dashboard import Workspace as WorkspaceView
from ..base import audit, lockouts
from ..base.context import Caller, Context
from ..base.errors import ServiceError
from ..base.lookup import verifier_key
from ..base.passwords import check_password, hash_password
from . import people, sessions
from .sessions import ENVIRONMENTS, Actor


def add_workspace(unit: Unit, signer: Signer, name: str, actor: str = "command") -> Workspace:
    """Creates a workspace with new logs and signing keys. If the commit fails, the keys stay unused."""
    workspace = Workspace(f"wsp_{secrets.token_hex(8)}", name, now_us())
    unit.add_workspace(workspace)
    for side in ENVIRONMENTS:
        origin = f"pacspace.log/{side}/{secrets.token_hex(16)}"
        signer.create_key(origin)
        unit.add_environment(workspace.id, side, origin, secrets.token_bytes(32))
        log = unit.log_by_origin(origin)
        assert log is not None
        unit.set_verifier_key(log, str(signer.verifier_key(origin)))
    caller = Caller(0, "", workspace.id, (), actor)
    audit.record(unit, caller, "workspace.create", workspace.id, {"name": name})
    return workspace


def workspace_view(snapshot: Snapshot, workspace_id: str) -> WorkspaceView:
    """A workspace's settings."""
    workspace = snapshot.workspace(workspace_id)
    assert workspace is not None
    return {
        "id": workspace.id,
        "name": workspace.name,
        "createdAt": instant_text(workspace.created_at),
        "timeZone": workspace.time_zone,
        "locale": workspace.locale,
        "defaultUnit": workspace.unit,
        "sharingPolicy": workspace.sharing_policy,
    }


def change_workspace(unit: Unit, caller: Caller, changes: Mapping[str, str]) -> WorkspaceView:
    """Changes the given settings; `changes` has the field names of `storage.model.people.Workspace`."""
    workspace = unit.workspace(caller.workspace_id)
    assert workspace is not None
    for name, value in changes.items():
        setattr(workspace, name, value)
    unit.set_workspace(workspace)
    audit.record(unit, caller, "workspace.change", workspace.id, dict(changes))
    return workspace_view(unit, workspace.id)


def environments_view(snapshot: Snapshot, signer: Signer, workspace_id: str) -> list[EnvironmentRow]:
    """Both environments of a workspace."""
    return [
        {
            "environment": environment.name,
            "status": "active",
            "logOrigin": environment.origin,
            "keyFingerprint": verifier_key(signer, snapshot.log(environment.log_id)).fingerprint,
            "customers": snapshot.count_customers(environment.id, None),
        }
        for environment in snapshot.environments()
        if environment.workspace_id == workspace_id
    ]


async def register(
    context: Context, address: str, email: str, name: str, company: str, password: str
) -> tuple[str, Actor]:
    """Creates a workspace and its owner, and begins a session.

    403 FORBIDDEN unless the operator allows registration; 429 RATE_LIMITED after five registrations from one address.
    """
    if not context.registration:
        raise ServiceError("FORBIDDEN", "registration is off: ask the operator of this server for a user")
    email = people.check_email(email)
    password, key, now = check_password(password), f"register:{lockouts.client_network(address)}", now_us()

    def count_attempt(unit: Unit) -> None:
        lockouts.refuse_locked(unit, key, now)
        lockouts.failed(unit, key, now)  # successful ones count too

    await context.committer.run(count_attempt)
    hashed = await context.passwords.run(hash_password, password)

    def work(unit: Unit) -> tuple[str, Actor]:
        workspace = add_workspace(unit, context.signer, company, f"user:{email}")
        caller = Caller(0, "", workspace.id, (), f"user:{email}")
        return sessions.begin(unit, people.add_member(unit, caller, people.NewUser(email, name, "owner", hashed)))

    return await context.committer.run(work)
