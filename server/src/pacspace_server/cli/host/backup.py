"""`pacspace backup` and `pacspace restore`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ... import config as settings
from ... import exit_status
from ...log.signer import Signer
from ...log.standing import refusal
from ...process.engines import check_backup, exclusive, open_storage, restore_postgres, restore_sqlite
from ...storage.model.protocols import Storage
from ...storage.model.records import Shown
from ..asking import ask, need_terminal
from ..output import counted
from .progress import progress

if TYPE_CHECKING:
    from ..output import Output


SIDES = ("", "-wal", "-shm", ".lock")


def _shown(doing: str, out: Output) -> Shown:
    return lambda total, things: progress(doing, total, things, out.as_json)


def run_backup(out: Output, values: Mapping[str, settings.Value], file: Path, force: bool) -> None:
    """Writes the backup and prints what it holds."""
    if file.exists() and not force:
        out.fail(f"{file} already exists: name another file, or replace it with --force", exit_status.WRONG_USE)
    if not file.absolute().parent.is_dir():
        out.fail(f"the folder {file.absolute().parent} does not exist", exit_status.WRONG_USE)
    database, signer = settings.database(values["database"]), settings.signer_folder(values)
    _refuse_the_record(out, file, database.path, signer)
    storage = open_storage(database, create=False)
    try:
        held = storage.back_up(file, _shown("backing up", out))
    finally:
        storage.close()
    size = file.stat().st_size
    logs = [
        {"environment": log.environment, "origin": log.origin, "size": log.size, "publishedSize": log.published_size,
         "root": log.root.hex()} for log in held.logs
    ]  # fmt: skip
    value = {"file": str(file), "bytes": size, "customers": held.customers, "deltas": held.deltas, "logs": logs}
    out.show(
        value,
        f"{file}: {counted(held.customers, 'customer')}, {counted(held.deltas, 'delta')}, {counted(size, 'byte')}\n"
        f"The signing keys are not in it: keep a separate copy of {signer}",
    )


def _refuse_the_record(out: Output, file: Path, database: Path | None, signer: Path) -> None:
    """Refuses to overwrite the record's own files, also with --force."""
    target = file.absolute().resolve()
    own = [] if database is None else [database.resolve().with_name(database.name + end) for end in SIDES]
    if target in own or signer.resolve() in target.parents:
        out.fail(f"{file} is part of the record: name another file", exit_status.WRONG_USE)


def run_restore(
    out: Output, values: Mapping[str, settings.Value], file: Path, replace: bool, yes: bool, role: str | None
) -> int:
    """Checks and restores the file, and prints for each log whether the server will sign. Exit status 1 if not."""
    if not file.is_file():
        out.fail(f"{file} is not a file", exit_status.WRONG_USE)
    database = settings.database(values["database"])
    if database.path is not None and role is not None:
        out.fail("--role is for PostgreSQL", exit_status.WRONG_USE)
    checked = check_backup(file, database)
    with exclusive(database):
        signer = Signer(settings.signer_folder(values))
        aside = None
        if database.path is not None:
            _may_replace(out, database.path, replace, yes)
            aside = restore_sqlite(file, database.path, _shown("restoring", out))
        else:
            restore_postgres(file, checked, database, role, signer, _shown("restoring", out))
        storage = open_storage(database, create=False, alone=True)
        try:
            logs = _standing(storage, signer)
        finally:
            storage.close()
    return _tell(out, file, database, aside, logs)


def _may_replace(out: Output, path: Path, replace: bool, yes: bool) -> None:
    """Refuses to move an existing record aside without --replace and a confirmation."""
    if not path.exists() or path.stat().st_size == 0:
        return
    if not replace:
        out.fail(
            f"{path} holds a record: name another --database, or move it aside with --replace", exit_status.WRONG_USE
        )
    if not yes:
        need_terminal(out, "replacing a record")
        ask(out, f"Move {path} aside and replace it with the backup?", "nothing was restored")


def _standing(storage: Storage, signer: Signer) -> list[dict[str, Any]]:
    """For each log in use: its size, how far it was signed, and why it can't be signed, if so."""
    logs = []
    with storage.snapshot() as snapshot:
        for environment in snapshot.environments():
            log, last = snapshot.log(environment.log_id), signer.last_signed(environment.origin)
            problem = refusal(snapshot, signer, log)
            logs.append({
                "environment": environment.name, "origin": log.origin, "size": log.size,
                "signedSize": last.size if last else None, "willSign": problem is None, "problem": problem,
            })  # fmt: skip
    return logs


def _tell(out: Output, file: Path, database: settings.Database, aside: Path | None, logs: list[dict[str, Any]]) -> int:
    lines = [f"restored {file} to {database}"]
    if aside is not None:
        lines.append(f"the earlier record is in {aside}")
    for log in logs:
        lines.append(f"{log['environment']} log: {log['problem'] or _will_sign(log)}")
    lines.append("`pacspace fsck` recomputes every byte of the record")
    signs = all(log["willSign"] for log in logs)
    value = {"file": str(file), "database": str(database), "movedAside": str(aside) if aside else None, "logs": logs}
    out.show(value | {"willSign": signs}, "\n".join(lines))
    return 0 if signs else exit_status.NO


def _will_sign(log: dict[str, Any]) -> str:
    signed = f", {log['signedSize']:,} signed" if log["signedSize"] is not None else ", nothing signed yet"
    return f"can be signed ({counted(log['size'], 'entry', 'entries')}{signed})"
