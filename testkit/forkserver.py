"""A process that has imported the server and forks for each one that starts: a test has its own server in a tenth of the time."""

from __future__ import annotations

import json
import os
import pkgutil
import select
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, TextIO

ROOT = Path(__file__).resolve().parent.parent
REQUEST_BYTES = 1 << 17


class Forked:
    """What a test does with a process: a part of subprocess.Popen."""

    def __init__(self, pid: int, stdout: TextIO, ended: socket.socket) -> None:
        self.pid, self.stdout, self._ended = pid, stdout, ended
        self.returncode: int | None = None

    def poll(self) -> int | None:
        with suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            if not select.select([self._ended], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(f"forked {self.pid}", timeout or 0)
            self.returncode = os.waitstatus_to_exitcode(int(self._ended.recv(16)))
            self._ended.close()
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def fork(program: str, arguments: list[str], folder: Path, environment: dict[str, str], stderr: TextIO) -> Forked:
    """Runs a program's main ("module:function") with these arguments, in a session of its own."""
    request = json.dumps(
        {"program": program, "arguments": arguments, "folder": str(folder), "environment": environment}
    )
    reader, writer = os.pipe()
    ended, told = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with told:
        socket.send_fds(_forkserver(), [request.encode()], [writer, stderr.fileno(), told.fileno()])
        os.close(writer)
    return Forked(int(ended.recv(16)), os.fdopen(reader), ended)


@cache
def _forkserver() -> socket.socket:
    """One for each process of tests; it ends when its socket does."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        command = [sys.executable, "-m", __name__, str(theirs.fileno())]
        subprocess.Popen(command, cwd=ROOT, pass_fds=[theirs.fileno()]).returncode = 0  # nobody waits for it
    return ours


def serve(requests: socket.socket) -> None:
    """Forks for each request, until nobody can ask any more."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the keepers need no wait
    while True:
        request, fds, _, _ = socket.recv_fds(requests, REQUEST_BYTES, 3)
        if not request:
            return
        if os.fork() == 0:
            requests.close()
            return keep(json.loads(request), *fds)
        for fd in fds:
            os.close(fd)


def keep(request: Any, stdout: int, stderr: int, told: int) -> None:
    """Forks the program, tells its process id, and at its end its status."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    pid = os.fork()
    if pid == 0:
        os.close(told)
        return become(request, stdout, stderr)
    os.close(stdout)
    os.close(stderr)
    with socket.socket(fileno=told) as tests, suppress(OSError):
        tests.send(str(pid).encode())
        tests.send(str(os.waitpid(pid, 0)[1]).encode())


def become(request: Any, stdout: int, stderr: int) -> None:
    """The program, as if it had been started."""
    os.setsid()
    for fd, standard in ((stdout, 1), (stderr, 2)):
        os.dup2(fd, standard)
        os.close(fd)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.argv = ["pacspace", *request["arguments"]]
    module, _, name = request["program"].partition(":")
    getattr(import_module(module), name)()


def import_all() -> None:
    """What a server imports by the time it answers."""
    import pacspace_server

    for module in pkgutil.walk_packages(pacspace_server.__path__, "pacspace_server."):
        if not module.name.endswith("__main__"):
            import_module(module.name)


if __name__ == "__main__":
    import_all()
    serve(socket.socket(fileno=int(sys.argv[1])))
