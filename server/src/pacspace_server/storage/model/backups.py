"""What the backups of both engines share. A file appears complete or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pacspace_proofs.note import parse_log_checkpoint
from pacspace_proofs.tree import root_of_leaves

from .protocols import Audit
from .records import Backup, BackupLog


class UnusableBackup(Exception):
    """The file can't be restored; the message says why."""


def contents(audit: Audit) -> Backup:
    """The counts and log sizes of a snapshot, also of a damaged record: a copy of it may be all there is."""
    audit.checks = False
    environments = audit.environments()
    logs = []
    for log in (audit.log(environment.log_id) for environment in environments):
        root = parse_log_checkpoint(log.note).root if log.note is not None else root_of_leaves([])
        logs.append(BackupLog(log.environment_id, log.environment, log.origin, log.size, log.published_size, root))
    customers = sum(audit.count_customers(environment.id, None) for environment in environments)
    return Backup(customers, audit.count_deltas(), logs)


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A temporary file, mode 0600, that replaces `path` once it is on disk."""
    temporary = path.with_name(path.name + ".new")
    temporary.unlink(missing_ok=True)
    temporary.touch(mode=0o600)
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.rename(path)
        sync_folder(path.parent)
    except BaseException:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


def sync_folder(folder: Path) -> None:
    """Makes renames in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
