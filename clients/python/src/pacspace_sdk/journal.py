"""The file of a queue of usage summaries. Each call syncs what it appends before it returns, so a crash loses nothing.

Each line holds one entry: a checksum, a space, JSON. After a crash, only the last append can be incomplete. It is cut
off, because its call never returned. Any other unreadable line is an error, and never skipped.
"""

from __future__ import annotations

import contextlib
import os
import zlib
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any, BinaryIO

from .errors import PacSpaceError
from .exact import encode

HEADER: dict[str, str | int] = {"journal": "pacspace summaries", "version": 1}
MIN_LINES, SLACK = 1_000, 4  # rewritten above this size, when it is this many times longer than needed


class Journal:
    """One open journal. Raises PacSpaceError JOURNAL_IN_USE, JOURNAL_DAMAGED or JOURNAL_FAILED."""

    path: Path
    records: list[Any]  # its contents when it was opened
    lines: int

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._process = os.getpid()
        self._broken = False
        self._file: BinaryIO | None = None
        self._lock: int | None = None
        try:
            self._lock = _lock(self.path)
            self._file = _open(self.path)
            self.records = self._read(self._file)
        except OSError as error:
            self.close()
            raise self._failed(error) from error
        except BaseException:
            self.close()
            raise
        self.lines = len(self.records) + 1

    def append(self, records: Iterable[Any]) -> None:
        """Writes and syncs records: on disk when this returns, not counted when it raises."""
        file = self._usable()
        data = b"".join(map(_line, records))
        before = file.tell()
        try:
            file.write(data)
            _sync(file)
        except OSError as error:
            self._broken = True  # the disk's contents are unknown; the next start reads them
            with contextlib.suppress(OSError):
                os.ftruncate(file.fileno(), before)
            raise self._failed(error) from error
        self.lines += data.count(b"\n")

    def is_long(self, needed_lines: int) -> bool:
        return self.lines > MIN_LINES and self.lines > SLACK * needed_lines

    def rewrite(self, records: Iterable[Any]) -> None:
        """Replaces the file by a new, shorter one; a crash leaves one or the other."""
        before = self._usable()
        data = b"".join(map(_line, [HEADER, *records]))
        fresh = self.path.with_name(self.path.name + ".new")
        try:
            fresh.unlink(missing_ok=True)
            with _open(fresh) as file:
                file.write(data)
                _sync(file)
            before.close()
            fresh.replace(self.path)
            _sync_folder(self.path.parent)
            self._file = _open(self.path)
        except OSError as error:
            self._broken = True
            raise self._failed(error) from error
        self.lines = data.count(b"\n")

    def close(self) -> None:
        """Releases the journal for the next client."""
        self._broken = True
        if self._file is not None:
            self._file.close()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _read(self, file: BinaryIO) -> list[Any]:
        """The records after the header; an empty file gets a header."""
        file.seek(0)
        data = file.read()
        lines = data.split(b"\n")
        values = [_value(line) for line in lines[:-1]]
        good = next((place for place, value in enumerate(values) if value is None), len(values))
        if any(value is not None for value in values[good:]):
            raise self._damaged(f"line {good + 1} can't be read")
        if (good and values[0] != HEADER) or (not good and len(data) > len(_line(HEADER))):
            raise self._damaged("it is not a journal of usage summaries")
        complete = sum(len(line) + 1 for line in lines[:good])
        if complete < len(data):
            os.ftruncate(file.fileno(), complete)  # the append that a crash left incomplete
        file.seek(0, os.SEEK_END)
        if not good:
            file.write(_line(HEADER))
        _sync(file)
        _sync_folder(self.path.parent)
        return values[1:good]

    def _usable(self) -> BinaryIO:
        if self._process != os.getpid():
            message = f"{self.path} belongs to process {self._process}: create the client after the fork"
            raise PacSpaceError(message, code="JOURNAL_IN_USE")
        if self._broken or self._file is None:
            raise PacSpaceError(f"{self.path} can no longer be written: create a new client", code="JOURNAL_FAILED")
        return self._file

    def _damaged(self, problem: str) -> PacSpaceError:
        message = f"{self.path} is damaged: {problem}; nothing was changed. Move it away to start an empty one"
        return PacSpaceError(message, code="JOURNAL_DAMAGED")

    def _failed(self, error: OSError) -> PacSpaceError:
        message = f"{self.path} can't be used: {error.strerror or error}; nothing was queued"
        return PacSpaceError(message, code="JOURNAL_FAILED")


def _line(record: Any) -> bytes:
    data = encode(record).encode()
    return b"%08x %s\n" % (zlib.crc32(data), data)


def _value(line: bytes) -> Any:
    """The record on a line, or None if the line is incomplete."""
    import json

    checksum, _, data = line.partition(b" ")
    if checksum != b"%08x" % zlib.crc32(data):
        return None
    return json.loads(data, parse_float=Decimal)


def _lock(path: Path) -> int | None:
    """Locks a file beside the journal (which is replaced from time to time), until released or this process ends."""
    descriptor = os.open(
        path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600
    )
    try:
        try:
            import fcntl
        except ImportError:  # Windows
            import msvcrt

            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        else:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        message = f"{path} is in use by another client: each client needs its own journal"
        raise PacSpaceError(message, code="JOURNAL_IN_USE") from error
    return descriptor


def _open(path: Path) -> BinaryIO:
    """Opens a file for appending that only its owner can read."""
    return open(path, "ab+", opener=lambda name, flags: os.open(name, flags, 0o600))


def _sync(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
