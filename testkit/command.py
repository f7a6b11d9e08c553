"""The `pacspace` command, run to its end: in the tests' own process, or forked, which spares half a second a time."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from .forkserver import fork

PACSPACE = "pacspace_server.cli:main"  # for the forkserver
# The installed command; PACSPACE_COMMAND names another one to test.
OTHER = shlex.split(os.environ.get("PACSPACE_COMMAND", ""))
COMMAND = OTHER or [sys.executable, "-c", "from pacspace_server.cli import main; main()"]
TIMEOUT_S = 120
_here = threading.Lock()

Done = subprocess.CompletedProcess[str]


def run_command(
    *arguments: str, folder: Path, environment: dict[str, str] | None = None, typed: str | None = None
) -> Done:
    """The command with these arguments, in a folder; `environment` adds to the tests' own, `typed` is its standard input."""
    if OTHER or "demo" in arguments:
        return run_process(*arguments, folder=folder, environment=environment, typed=typed)
    if "serve" in arguments and not typed:
        return _run_forked(arguments, folder, environment or {})
    if threading.current_thread() is not threading.main_thread() or not _here.acquire(blocking=False):
        return run_process(*arguments, folder=folder, environment=environment, typed=typed)
    try:
        return _run_here(arguments, folder, environment or {}, typed or "")
    finally:
        _here.release()


def run_process(
    *arguments: str, folder: Path, environment: dict[str, str] | None = None, typed: str | None = None
) -> Done:
    """The same as a process of its own."""
    return subprocess.run(
        [*COMMAND, *arguments], cwd=folder, capture_output=True, text=True, timeout=TIMEOUT_S, input=typed or "",
        env=os.environ | (environment or {}),
    )  # fmt: skip


def _run_forked(arguments: tuple[str, ...], folder: Path, environment: dict[str, str]) -> Done:
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        standard = out.fileno(), err.fileno()
        process = fork(PACSPACE, list(arguments), folder, os.environ | environment, *standard)
        try:
            return Done(arguments, process.wait(TIMEOUT_S), _text(out), _text(err))
        finally:
            process.kill()


def _run_here(arguments: tuple[str, ...], folder: Path, environment: dict[str, str], typed: str) -> Done:
    from pacspace_server.cli import main

    with contextlib.ExitStack() as around:
        given, out, err = (around.enter_context(tempfile.TemporaryFile("w+", encoding="utf-8")) for _ in range(3))
        given.write(typed)
        given.seek(0)
        around.enter_context(contextlib.chdir(folder))
        around.enter_context(_set(environment))
        around.enter_context(_streams(given, out, err))
        around.enter_context(_time_limit())
        code = _code_of(lambda: main.main(list(arguments), prog_name="pacspace"))
        return Done(arguments, code, _text(out), _text(err))


def _code_of(run: Any) -> int:
    """The exit status that a process would have."""
    try:
        run()
    except SystemExit as end:
        if isinstance(end.code, int | None):
            return end.code or 0
        print(end.code, file=sys.stderr)
        return 1
    except Exception:
        traceback.print_exc()
        return 1
    return 0


def _text(file: TextIO) -> str:
    file.flush()
    file.seek(0)
    return file.read()


@contextlib.contextmanager
def _set(environment: dict[str, str]) -> Iterator[None]:
    before = os.environ.copy()
    os.environ.update(environment)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextlib.contextmanager
def _streams(given: TextIO, out: TextIO, err: TextIO) -> Iterator[None]:
    before = sys.stdin, sys.stdout, sys.stderr
    sys.stdin, sys.stdout, sys.stderr = given, out, err
    try:
        yield
    finally:
        sys.stdin, sys.stdout, sys.stderr = before


@contextlib.contextmanager
def _time_limit() -> Iterator[None]:
    def end(*_: Any) -> None:
        raise TimeoutError(f"the command ran for {TIMEOUT_S} s")

    before = signal.signal(signal.SIGALRM, end)
    signal.alarm(TIMEOUT_S)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
