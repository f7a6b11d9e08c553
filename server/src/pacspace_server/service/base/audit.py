"""The audit trail: who changed what in a workspace. Each entry is written in the transaction of its change."""

from __future__ import annotations

import json
from typing import Any

from ...domain.instants import instant_text
from ...storage.model.people import AuditEntry, AuditFilter, audit_entry
from ...storage.model.protocols import Snapshot, Unit
from ...views.dashboard import AuditEntry as AuditEntryView
from ...views.dashboard import AuditTrail
from .context import Caller


def record(unit: Unit, caller: Caller, action: str, subject: str, details: dict[str, Any] | None = None) -> None:
    """Adds an entry. `action` is a noun and a verb (`endpoint.create`), `subject` the changed id; no secrets."""
    unit.add_audit_entry(
        audit_entry(caller.workspace_id, caller.environment, caller.actor, action, subject, details or {})
    )


def list_audit(snapshot: Snapshot, workspace_id: str, limit: int, wanted: AuditFilter) -> AuditTrail:
    """Entries, newest first. The id of the last one is the cursor of the next page."""
    found = snapshot.audit_entries(workspace_id, wanted, limit + 1)
    shown = found[:limit]
    more = len(found) > limit
    return {"entries": [_view(entry) for entry in shown], "nextCursor": shown[-1].id if more else None}


def _view(entry: AuditEntry) -> AuditEntryView:
    return {
        "id": entry.id,
        "at": instant_text(entry.at),
        "actor": entry.actor,
        "action": entry.action,
        "subject": entry.subject,
        "environment": entry.environment or None,
        "details": json.loads(entry.details),
    }
