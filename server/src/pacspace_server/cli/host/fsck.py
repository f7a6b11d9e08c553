"""`pacspace fsck`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ... import config as settings
from ...log.signer import Signer
from ...process.engines import open_storage
from ...service.proving.fsck import fsck
from ..output import counted, in_json
from .progress import progress

if TYPE_CHECKING:
    from ..output import Output

SHOWN = 100


def run_fsck(out: Output, values: Mapping[str, settings.Value]) -> int:
    """Prints the findings; exit status 0 clean, 1 differences found."""
    storage = open_storage(settings.database(values["database"]), create=False)
    signer = Signer(settings.signer_folder(values))
    with storage.snapshot() as audit:
        total = audit.count_deltas()
    with progress("checking", total, "deltas", out.as_json) as advance:
        findings = fsck(storage, signer, advance)
    storage.close()
    seen = (
        f"{counted(findings.customers, 'customer')}, {counted(findings.deltas, 'delta')}, "
        f"{counted(findings.log_entries, 'log entry', 'log entries')}, "
        f"{counted(findings.log_checkpoints, 'signed log checkpoint')}"
    )
    lines = findings.problems[:SHOWN]
    if len(findings.problems) > SHOWN:
        lines.append(f"... and {len(findings.problems) - SHOWN} more; --json lists all")
    verdict = counted(len(findings.problems), "difference") if findings.problems else "clean"
    lines.append(f"{verdict}: {seen}")
    out.show({"clean": not findings.problems, **in_json(findings)}, "\n".join(lines))
    return 1 if findings.problems else 0
