"""A test run leaves nothing behind, however it ends.

Its files are in one folder, in memory where there is room. A watcher waits for the end of the run, also by SIGKILL, then ends every
process that the run has started and removes the folder. It knows them by a mark in their environment, which all of them inherit.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

MARK = "TEST_RUN"
NAME = "pacspace-tests-"
MEMORY = Path("/dev/shm")
ROOM = 4 << 30


@pytest.hookimpl(tryfirst=True)
def pytest_configure() -> None:
    """Begins the run; the workers of pytest-xdist are part of it."""
    if MARK in os.environ:
        return
    parent = memory() or Path(tempfile.gettempdir())
    remove_old(parent)
    folder, lock = new_folder(parent)
    environment = os.environ.copy()  # the watcher bears no mark
    os.environ[MARK], os.environ["TMPDIR"], tempfile.tempdir = folder.name, str(folder), str(folder)
    watcher = subprocess.Popen(
        [sys.executable, __file__, str(os.getpid()), str(folder)],
        env=environment, pass_fds=[lock], start_new_session=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    watcher.returncode = 0  # nobody waits for it
    os.close(lock)


def memory() -> Path | None:
    """A folder in memory, if programs may run there and it has room."""
    if not os.access(MEMORY, os.W_OK):
        return None
    there = os.statvfs(MEMORY)
    is_fit = there.f_bavail * there.f_frsize >= ROOM and not there.f_flag & os.ST_NOEXEC
    return MEMORY if is_fit else None


def new_folder(parent: Path) -> tuple[Path, int]:
    """A folder of that name is locked from its first instant; users other than ours may pass through it."""
    unnamed = Path(tempfile.mkdtemp(prefix=f".{NAME}", dir=parent))
    unnamed.chmod(0o711)
    lock = os.open(unnamed, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    return unnamed.rename(parent / unnamed.name.removeprefix(".")), lock


def remove_old(parent: Path) -> None:
    """Folders that nobody watches any more."""
    for folder in parent.glob(f"{NAME}*"):
        with contextlib.suppress(OSError):
            lock = os.open(folder, os.O_RDONLY)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(lock)


def watch(run: int, folder: Path) -> None:
    """Until the run has ended; then what it left goes."""
    with contextlib.suppress(ProcessLookupError):
        select.select([os.pidfd_open(run)], [], [])
    while pids := list(marked(folder.name)):
        for pid in pids:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGQUIT if is_postgres(pid) else signal.SIGKILL)
        time.sleep(0.05)
    shutil.rmtree(folder, ignore_errors=True)


def marked(name: str) -> Iterator[int]:
    """The processes that bear the mark of a run."""
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if f"{MARK}={name}".encode() in (process / "environ").read_bytes().split(b"\0"):
                yield int(process.name)


def is_postgres(pid: int) -> bool:
    """SIGQUIT ends it at once, and it gives back its shared memory."""
    return Path(f"/proc/{pid}/comm").read_text().strip() == "postgres"


if __name__ == "__main__":
    watch(int(sys.argv[1]), Path(sys.argv[2]))
