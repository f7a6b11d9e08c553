"""The audit trail, newest first."""

from __future__ import annotations

import json

from ...http.messages import Reply
from ...service.base import audit as audit_service
from ...storage.model.people import AuditFilter
from .desk import Desk, Request

SHOWN, MAX_CHARS = 50, 300


async def show(desk: Desk, request: Request) -> Reply:
    """A page of entries, optionally of one actor, action or subject."""
    given = {
        name: request.query.get(name, "").replace("\0", "").strip()[:MAX_CHARS]
        for name in ("actor", "action", "subject")
    }
    after = request.query.get("after", "").replace("\0", "")[:64]
    wanted = AuditFilter(after or None, *(given[name] or None for name in ("actor", "action", "subject")))
    listed = await desk.context.look(
        lambda snapshot: audit_service.list_audit(snapshot, request.caller.workspace_id, SHOWN, wanted)
    )
    return desk.page(request, "audit.html", listed=listed, given=given, after=after, said=_said)


def _said(details: dict[str, object]) -> str:
    """An entry's details, in one line."""
    return ", ".join(
        f"{name} {value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}"
        for name, value in details.items()
    )
