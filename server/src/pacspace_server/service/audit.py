"""The audit trail: who changed what in a workspace, written with the change, in one transaction."""

from __future__ import annotations

from typing import Any

from ..storage.protocols import Unit
from .context import Caller


def record(unit: Unit, caller: Caller, action: str, subject: str, details: dict[str, Any] | None = None) -> None:
    """One entry. `action` is a noun and a verb (`endpoint.create`), `subject` the id of what was changed; no secrets."""
