"""What the vendor is called on documents."""

from __future__ import annotations

from ..storage.protocols import Snapshot
from ..storage.records import Environment


def vendor_name(snapshot: Snapshot, environment: Environment) -> str | None:
    """The workspace's name; None while it has none."""
    return None
