"""A disk that fails in the middle of a commit on SQLite."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw
import pytest
from testkit.inside.book import Book
from testkit.inside.engines import SqliteEngine

from pacspace_server.storage.model.protocols import InDoubt
from pacspace_server.storage.sqlite import SqliteStorage
from pacspace_server.storage.writing.committer import Committer


class FailingFile(apsw.VFSFile):
    """A file whose syncs fail while `failing` holds."""

    failing = False

    def excepthook(self, *_: Any) -> None:
        """SQLite gets the error; nobody else needs it."""

    def xSync(self, flags: int) -> None:
        if FailingFile.failing:
            raise apsw.IOError("disk I/O error")
        super().xSync(flags)


class FailingDisk(apsw.VFS):
    def __init__(self) -> None:
        super().__init__("failing", "unix", makedefault=True)

    def xOpen(self, name: Any, flags: Any) -> FailingFile:
        return FailingFile("unix", name, flags)


@pytest.fixture
def failing_disk() -> Iterator[type[FailingFile]]:
    disk = FailingDisk()
    yield FailingFile
    FailingFile.failing = False
    apsw.set_default_vfs("unix")
    disk.unregister()


def test_a_commit_whose_sync_failed_is_in_doubt(failing_disk: type[FailingFile], tmp_path: Path) -> None:
    """Nobody is told that nothing was recorded: a restart may find the delta. Sent again, it is recorded once."""
    book = Book(tmp_path, SqliteEngine(tmp_path))
    book.emit("cust", -1_000_000_000)
    command = book.command("cust", -2_000_000_000, reference="r")

    async def story() -> Path:
        committer = Committer(book.storage)
        failing_disk.failing = True
        with pytest.raises(InDoubt):
            await committer.apply([command])
        failing_disk.failing = False
        crashed = tmp_path / "crashed"
        crashed.mkdir()
        for suffix in ("", "-wal"):
            shutil.copy(f"{book.engine.path}{suffix}", crashed / f"record.db{suffix}")  # type: ignore[attr-defined]
        (again,) = await committer.apply([command])
        assert (again.delta.sequence, again.replayed) == (2, None)  # type: ignore[union-attr]
        await committer.close()
        return crashed

    crashed = asyncio.run(story())
    after = SqliteStorage(crashed / "record.db")
    with after.snapshot() as snapshot:
        customer = snapshot.customer_by_shard(book.shard("cust"))
        assert customer is not None
        assert customer.last_sequence == 2
    after.close()
    book.close()
