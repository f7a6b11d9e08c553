"""What a restored record shows about its restore."""

from __future__ import annotations

from typing import Any

from pacspace_proofs.canonical import parse_canonical
from pacspace_proofs.record import RESTORED, check_structure

from ...storage.model.protocols import Snapshot
from ...storage.model.records import Log
from ...views.shapes import Restored


def restored_view(snapshot: Snapshot, log: Log) -> Restored | None:
    """What a log continues: the frozen log, its size in the backup, and its last signed size, if known."""
    if log.restored_from is None:
        return None
    signed = restored_entry(snapshot, log).get("signedSize")
    stated: Any = parse_canonical(log.restored_from.encode())
    return {
        "origin": stated["origin"],
        "backupSize": int(stated["size"]),
        "signedSize": None if signed is None else int(signed),
    }


def lost_words(snapshot: Snapshot) -> str | None:
    """Why a restored record may lack a proof; None if the record was never restored."""
    logs = [snapshot.log(environment.log_id) for environment in snapshot.environments()]
    parts = [
        f"{view['backupSize']:,} entries"
        if view["signedSize"] is None
        else f"{view['backupSize']:,} of {view['signedSize']:,} entries"
        for view in (restored_view(snapshot, log) for log in logs)
        if view is not None
    ]
    if not parts:
        return None
    return f"it was issued after the backup from which this record was restored ({', '.join(parts)})"


def restored_entry(snapshot: Snapshot, log: Log) -> dict[str, str]:
    """The first entry of a log that continues another one."""
    (first,) = snapshot.log_entries(log.id, 0, 1)
    return check_structure(parse_canonical(first.entry), RESTORED)


def trust_file(snapshot: Snapshot, log: Log) -> str:
    """A trust file of a record's logs: the current one, and those it continues.

    A frozen log's key is trusted up to its last signed size, where that is known.
    """
    lines = [f"# The logs of one record ({log.environment}), newest first."]
    last = ""
    while True:
        key = log.verifier_key or f"# the key of {log.origin} is unknown"
        lines.append(f"{key}{last}")
        if log.restored_from is None:
            break
        stated: Any = parse_canonical(log.restored_from.encode())
        signed = restored_entry(snapshot, log).get("signedSize")
        lines.append(f"# continues, from a backup with {stated['size']} of its entries:")
        last = f" {signed}" if signed is not None else ""
        before = snapshot.log_by_origin(stated["origin"])
        if before is None:
            lines.append(f"# {stated['origin']} is not in this database")
            break
        log = before
    return "\n".join(lines) + "\n"
