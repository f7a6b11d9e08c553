"""What an owner or admin sees of the workspace itself: its audit trail."""

from __future__ import annotations

from typing import Any

from ..service import audit as audit_service
from ..service.context import Caller, Context
from ..service.limits import MAX_PAGE
from ..storage.people import AuditFilter
from . import fields
from .fields import Table
from .http import Call, Reply, success

Given = dict[str, Any]

_LIMIT = fields.from_query(fields.whole_number(1, MAX_PAGE, says="How many at most."))
AUDIT: Table = {
    "cursor": fields.text(64, *fields.NO_NUL, says="nextCursor of the page before."),
    "limit": _LIMIT,
    "actor": fields.text(300, *fields.NO_NUL, says="`user:` and an e-mail, `key:` and its id, or `command`."),
    "action": fields.text(64, *fields.NO_NUL, says="Such as user.create."),
    "subject": fields.text(300, *fields.NO_NUL, says="The id of what was changed."),
}


async def audit(context: Context, caller: Caller, call: Call, given: Given) -> Reply:
    """Who changed what in the workspace, newest first."""
    wanted = AuditFilter(given.get("cursor"), given.get("actor"), given.get("action"), given.get("subject"))
    limit = given.get("limit", 25)
    return success(
        await context.look(lambda snapshot: audit_service.list_audit(snapshot, caller.workspace_id, limit, wanted))
    )
