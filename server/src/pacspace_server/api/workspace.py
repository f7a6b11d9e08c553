"""A workspace's settings, environments and audit trail."""

from __future__ import annotations

from typing import Any

from ..http.messages import Call, Reply, success
from ..service.base import audit as audit_service
from ..service.base.context import Caller, Context
from ..service.base.limits import MAX_PAGE
from ..service.people import workspaces
from ..service.people.sessions import ENVIRONMENTS
from ..service.running import Running
from ..service.sharing.links import POLICIES
from ..storage.model.people import AuditFilter
from ..views.dashboard import EnvironmentRow
from . import fields
from .fields import Table

Given = dict[str, Any]

_LIMIT = fields.from_query(fields.whole_number(1, MAX_PAGE, says="The page size. Default: 25."))
AUDIT: Table = {
    "cursor": fields.text(64, *fields.NO_NUL, says="nextCursor of the previous page."),
    "limit": _LIMIT,
    "actor": fields.text(300, *fields.NO_NUL, says="`user:` and an e-mail, `key:` and a key's id, or `command`."),
    "action": fields.text(64, *fields.NO_NUL, says="The action, such as user.create."),
    "subject": fields.text(300, *fields.NO_NUL, says="The id of the changed object."),
}

_TEXT = fields.text(100, *fields.NO_NUL)
SETTINGS: Table = {
    "name": _TEXT.meaning("The workspace's name.").like("Globex billing"),
    "timeZone": fields.timezone(says="An IANA time zone for displayed instants. Months are always UTC.").like(
        "Europe/Berlin"
    ),
    "locale": fields.text(
        35,
        r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*",
        "must be a language tag such as en-US",
        says="A language tag such as en-US.",
    ),
    "defaultUnit": fields.text(40, *fields.NO_NUL, says="The unit of amounts for customers without one."),
    "sharingPolicy": fields.choice(*POLICIES, says="The sharing policy for customers without one."),
}
FIELDS = {
    "name": "name",
    "timeZone": "time_zone",
    "locale": "locale",
    "defaultUnit": "unit",
    "sharingPolicy": "sharing_policy",
}
_ENVIRONMENT = fields.choice(*ENVIRONMENTS, says="The environment's name.")
PROVISION: Table = {"environment": fields.required(_ENVIRONMENT.like("sandbox"))}


async def settings(running: Running, caller: Caller, call: Call, given: Given) -> Reply:
    """Get the workspace's settings."""
    return success(
        await running.context.look(lambda snapshot: workspaces.workspace_view(snapshot, caller.workspace_id))
    )


async def change(running: Running, caller: Caller, call: Call, given: Given) -> Reply:
    """Change the workspace's settings."""
    changes = {FIELDS[name]: value for name, value in given.items()}
    return success(await running.context.committer.run(lambda unit: workspaces.change_workspace(unit, caller, changes)))


async def _environments(context: Context, caller: Caller) -> list[EnvironmentRow]:
    return await context.look(
        lambda snapshot: workspaces.environments_view(snapshot, context.signer, caller.workspace_id)
    )


async def environments(running: Running, caller: Caller, call: Call, given: Given) -> Reply:
    """Get the workspace's sandbox and production, with their logs."""
    return success({"environments": await _environments(running.context, caller)})


async def status(running: Running, caller: Caller, call: Call, given: Given) -> Reply:
    """Get the status of each environment. Every workspace has both."""
    there = await _environments(running.context, caller)
    return success({one["environment"]: {"status": one["status"]} for one in there})


async def provision(running: Running, caller: Caller, call: Call, given: Given) -> Reply:
    """Get an environment. Every workspace has both, so this changes nothing."""
    there = await _environments(running.context, caller)
    return success(next(one for one in there if one["environment"] == given["environment"]))


async def audit(running: Running, caller: Caller, call: Call, given: Given) -> Reply:
    """List the workspace's changes, newest first."""
    wanted = AuditFilter(given.get("cursor"), given.get("actor"), given.get("action"), given.get("subject"))
    limit = given.get("limit", 25)
    return success(
        await running.context.look(
            lambda snapshot: audit_service.list_audit(snapshot, caller.workspace_id, limit, wanted)
        )
    )
