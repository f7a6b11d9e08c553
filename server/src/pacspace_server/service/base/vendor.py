"""The vendor's name on documents and in Shared Records."""

from __future__ import annotations

from ...storage.model.people import Workspace
from ...storage.model.protocols import Damaged, Snapshot
from ...storage.model.records import Environment

UNNAMED = "My workspace"  # the first workspace's name until an owner changes it


def name_of(workspace: Workspace) -> str | None:
    """The workspace's name; None while it has none."""
    return None if workspace.name == UNNAMED else workspace.name


def workspace_of(snapshot: Snapshot, environment: Environment) -> Workspace:
    """The workspace of an environment."""
    workspace = snapshot.workspace(environment.workspace_id)
    if workspace is None:
        raise Damaged("workspace", f"{environment.workspace_id} is missing")
    return workspace


def vendor_name(snapshot: Snapshot, environment: Environment) -> str | None:
    """The name of an environment's workspace; None while it has none."""
    return name_of(workspace_of(snapshot, environment))
