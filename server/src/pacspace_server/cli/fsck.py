"""`pacspace fsck`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING

from .. import config as settings
from ..log.signer import Signer
from ..service.fsck import fsck
from .progress import deltas_progress
from .wiring import open_storage

if TYPE_CHECKING:
    from .output import Output

SHOWN = 100


def run_fsck(out: Output, values: Mapping[str, settings.Value]) -> int:
    """Exit status 0 clean, 1 something differs."""
    storage = open_storage(settings.database_path(values["database"]), create=False)
    signer = Signer(settings.signer_folder(values))
    with storage.snapshot() as audit:
        total = audit.count_deltas()
    with deltas_progress("checking", total, out.as_json) as advance:
        findings = fsck(storage, signer, advance)
    storage.close()
    seen = (
        f"{findings.customers} customers, {findings.deltas} deltas, {findings.log_entries} log entries, "
        f"{findings.log_checkpoints} signed log checkpoints"
    )
    lines = findings.problems[:SHOWN]
    if len(findings.problems) > SHOWN:
        lines.append(f"... and {len(findings.problems) - SHOWN} more; --json lists all")
    lines.append(f"{'clean' if not findings.problems else f'{len(findings.problems)} differences'}: {seen}")
    out.show({"clean": not findings.problems, **asdict(findings)}, "\n".join(lines))
    return 1 if findings.problems else 0
