"""A disk that can be slow, full or read-only, and that loses at a power cut what was written but not synced."""

from __future__ import annotations

import errno
import os
import random
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apsw

from .points import Points

SECTOR = 512
SLOW_S = 0.08


@dataclass
class Write:
    """One change of a file that no sync has followed yet. A truncation writes nothing at the new end."""

    at: int
    old: bytes
    new: bytes
    size_before: int


class Disk:
    """What SQLite's files would lose. The descriptors stay open: closing one would drop SQLite's locks."""

    def __init__(self, points: Points, rng: random.Random) -> None:
        self._points, self._rng = points, rng
        self.lock = threading.RLock()
        self._unsynced: dict[str, list[Write]] = {}
        self._descriptors: dict[str, int] = {}

    def _descriptor(self, path: str) -> int:
        if path not in self._descriptors:
            self._descriptors[path] = os.open(path, os.O_RDWR)
        return self._descriptors[path]

    def changes(self, path: str, at: int, new: bytes) -> None:
        """Remembers what is there before it is changed."""
        descriptor = self._descriptor(path)
        size = os.fstat(descriptor).st_size
        length = len(new) if new else max(0, size - at)
        self._unsynced.setdefault(path, []).append(Write(at, os.pread(descriptor, length, at), new, size))

    def synced(self, path: str) -> None:
        self._unsynced.pop(path, None)

    def forget(self, path: str) -> None:
        """The file was deleted."""
        with self.lock:
            self._unsynced.pop(path, None)
            self._descriptors.pop(path, None)

    def lose(self) -> None:
        """Of the unsynced writes none is left, or some; the last of those may be torn. Nobody writes after that."""
        self.lock.acquire()
        for path, writes in self._unsynced.items():
            descriptor = self._descriptors[path]
            for write in reversed(writes):
                os.pwrite(descriptor, write.old, write.at)
                os.ftruncate(descriptor, write.size_before)
            share = self._rng.choice([0.0, 0.5, 0.9])
            kept = [write for write in writes if self._rng.random() < share]
            for write in kept:
                if not write.new:
                    os.ftruncate(descriptor, write.at)
                torn = write is kept[-1] and self._rng.random() < 0.5
                os.pwrite(descriptor, write.new[: SECTOR * self._rng.randint(0, 7)] if torn else write.new, write.at)

    def check(self, step: str) -> None:
        """Raises what the disk's trouble makes of a write."""
        if self._points.trouble == "full":
            self._points.note_trouble(step)
            raise apsw.FullError("database or disk is full")
        if self._points.trouble == "read-only":
            self._points.note_trouble(step)
            raise apsw.ReadOnlyError("attempt to write a readonly database")
        if self._points.trouble == "broken":
            raise apsw.IOError("disk I/O error")

    def sync(self, step: str, really: Any) -> None:
        """A sync, or what the armed fault and the disk's trouble make of it."""

        def refuse() -> None:
            raise apsw.IOError("disk I/O error")

        if self._points.trouble == "slow":
            self._points.note_trouble(step)
            time.sleep(self._rng.random() * SLOW_S)
        self._points.carry_out(step, really, refuse)


class DiskFile(apsw.VFSFile):
    """A file of SQLite's on that disk."""

    def __init__(self, disk: Disk, name: Any, flags: Any) -> None:
        super().__init__("unix", name, flags)
        text = name.filename() if isinstance(name, apsw.URIFilename) else name
        self._disk, self._path = disk, text
        self._step = "wal sync" if text and text.endswith("-wal") else "file sync"

    def excepthook(self, *_: Any) -> None:
        """SQLite gets the error; nobody else needs it."""

    def xRead(self, amount: int, offset: int) -> bytes:
        with self._disk.lock:  # nobody reads what a power cut leaves before the process is gone
            return super().xRead(amount, offset)

    def xWrite(self, data: bytes, offset: int) -> None:
        if self._path is None:
            return super().xWrite(data, offset)
        self._disk.check(self._step.replace("sync", "write"))
        with self._disk.lock:
            self._disk.changes(self._path, offset, bytes(data))
            super().xWrite(data, offset)

    def xTruncate(self, newsize: int) -> None:
        if self._path is None:
            return super().xTruncate(newsize)
        with self._disk.lock:
            self._disk.changes(self._path, newsize, b"")
            super().xTruncate(newsize)

    def xSync(self, flags: int) -> None:
        if self._path is None:
            return super().xSync(flags)
        path = self._path

        def really() -> None:
            super(DiskFile, self).xSync(flags)
            with self._disk.lock:
                self._disk.synced(path)

        self._disk.sync(self._step, really)


class DiskVfs(apsw.VFS):
    """The default file system of a server under fault."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        super().__init__("soak", "unix", makedefault=True)

    def excepthook(self, *_: Any) -> None:
        """As above."""

    def xOpen(self, name: Any, flags: Any) -> DiskFile:
        return DiskFile(self._disk, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:
        super().xDelete(filename, syncdir)
        self._disk.forget(filename)


@dataclass
class Rename:
    """A file that took another one's place; for good once its folder was synced."""

    path: Path
    old: bytes | None
    content_synced: bool


class SignerFiles:
    """Stands in for the module `os` in the signer: the same, on a disk that can fail and forget."""

    def __init__(self, points: Points, rng: random.Random) -> None:
        self._points, self._rng = points, rng
        self._paths: dict[int, Path] = {}
        self._synced: set[Path] = set()
        self._renames: list[Rename] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def open(self, path: Path, flags: int, mode: int = 0o777) -> int:
        if path.suffix == ".new":
            self._check()
            self._synced.discard(path)
        descriptor = os.open(path, flags, mode)
        self._paths[descriptor] = path
        return descriptor

    def _check(self) -> None:
        number = {"full": errno.ENOSPC, "read-only": errno.EROFS}.get(self._points.trouble)
        if number is not None:
            self._points.note_trouble("sign")
            raise OSError(number, os.strerror(number))

    def fsync(self, descriptor: int) -> None:
        if self._points.trouble == "slow":
            time.sleep(self._rng.random() * SLOW_S)
        path = self._paths[descriptor]
        self._points.carry_out("sign: sync", lambda: os.fsync(descriptor), self._refuse)
        self._synced.add(path)
        self._renames = [rename for rename in self._renames if rename.path.parent != path]

    def _refuse(self) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    def rename(self, source: Path, target: Path, really: Any) -> Any:
        """Notes what a rename replaces."""
        old = target.read_bytes() if target.exists() else None
        self._renames.append(Rename(target, old, source in self._synced))
        return self._points.carry_out("sign: rename", lambda: really(source, target), self._refuse)

    def lose(self) -> None:
        """Renames that no sync of the folder followed may be undone; unsynced content is gone."""
        for rename in reversed(self._renames):
            if self._rng.random() < 0.7:
                rename.path.unlink(missing_ok=True)
                if rename.old is not None:
                    rename.path.write_bytes(rename.old)
            elif not rename.content_synced:
                rename.path.write_bytes(b"")
