"""Workspaces: made while the server runs, each with its two environments, their logs and their signing keys."""

from __future__ import annotations

import secrets

from ..log.signer import Signer
from ..storage.people import Workspace
from ..storage.protocols import Unit
from . import audit, people, sessions
from .context import Caller, Context
from .errors import ServiceError
from .passwords import check_password, hash_password
from .sessions import ENVIRONMENTS, Actor


def add_workspace(unit: Unit, signer: Signer, name: str, actor: str = "command") -> Workspace:
    """A workspace whose logs have signed nothing yet. A key whose log was not committed in the end is never used."""
    workspace = Workspace(f"wsp_{secrets.token_hex(8)}", name, people.wall_clock())
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


async def register(context: Context, email: str, name: str, company: str, password: str) -> tuple[str, Actor]:
    """A stranger's own workspace, with its owner, who is logged in then. 403 FORBIDDEN unless the operator allows it."""
    if not context.registration:
        raise ServiceError(403, "FORBIDDEN", "registration is off here: ask whoever runs this server for a user")
    email = people.check_email(email)
    hashed = await context.passwords.run(hash_password, check_password(password))

    def work(unit: Unit) -> tuple[str, Actor]:
        workspace = add_workspace(unit, context.signer, company, f"user:{email}")
        caller = Caller(0, "", workspace.id, (), f"user:{email}")
        return sessions.begin(unit, people.add_member(unit, caller, people.NewUser(email, name, "owner", hashed)))

    return await context.committer.run(work)
