"""A process that has imported the server and forks for each one that starts: a test has its own in a tenth of the time."""

from __future__ import annotations

import gc
import json
import os
import pkgutil
import select
import signal
import socket
import subprocess
import sys
import tempfile
from contextlib import suppress
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PROGRAM = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from testkit.forkserver import main; main()"
ADDRESS = "TEST_FORKSERVER"
REQUEST_BYTES = 1 << 17
REHASHER = "pacspace_server.process.rehasher"


class Forked:
    """What a test does with a process: a part of subprocess.Popen."""

    def __init__(self, program: str, forkserver: socket.socket) -> None:
        self._program, self._forkserver = program, forkserver
        self.pid = int(forkserver.recv(16))
        self.returncode: int | None = None

    def poll(self) -> int | None:
        with suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            if not select.select([self._forkserver], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(self._program, timeout or 0)
            self.returncode = os.waitstatus_to_exitcode(int(self._forkserver.recv(16)))
            self._forkserver.close()
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def fork(
    program: str, arguments: list[str], folder: Path, environment: dict[str, str], stdout: int, stderr: int
) -> Forked:
    """Runs a program's main ("module:function") with these arguments, in a session of its own."""
    request = {"program": program, "arguments": arguments, "folder": str(folder), "environment": environment}
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    connection.connect(os.environ.get(ADDRESS) or start())
    socket.send_fds(connection, [json.dumps(request).encode()], [stdout, stderr])
    return Forked(program, connection)


@cache
def start() -> str:
    """Starts it, once for each process of tests, and returns its address; it ends when this process does."""
    address = f"{tempfile.mkdtemp()}/forkserver"
    reader, _ = os.pipe()
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(address)
        listener.listen()
        fds = [reader, listener.fileno()]
        command, environment = [sys.executable, "-P", "-c", PROGRAM, *map(str, fds)], os.environ | {ADDRESS: address}
        process = subprocess.Popen(command, env=environment, pass_fds=fds, stdin=subprocess.DEVNULL)
        process.returncode = 0  # nobody waits for it
    os.close(reader)
    return address


# ---------------------------------------------------------------- the process


def serve(tests: int, listener: socket.socket) -> None:
    """Forks for each request, until the tests have ended."""
    while tests not in select.select([tests, listener], [], [])[0]:
        connection, _ = listener.accept()
        reap()
        if os.fork() == 0:
            listener.close()
            return keep(connection)
        connection.close()


def reap() -> None:
    """The keepers that have ended."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def keep(connection: socket.socket) -> None:
    """Forks the program, tells its process id, and at its end its status."""
    request, (stdout, stderr), _, _ = socket.recv_fds(connection, REQUEST_BYTES, 2)
    pid = os.fork()
    if pid == 0:
        connection.close()
        return become(json.loads(request), stdout, stderr)
    os.close(stdout)
    os.close(stderr)
    with suppress(OSError):
        connection.send(str(pid).encode())
        connection.send(str(os.waitpid(pid, 0)[1]).encode())


def become(request: Any, stdout: int, stderr: int) -> None:
    """The program, as if it had been started."""
    os.setsid()
    for fd, standard in ((stdout, 1), (stderr, 2)):
        os.dup2(fd, standard)
        os.close(fd)
    os.chdir(request["folder"])
    address = os.environ[ADDRESS]
    os.environ.clear()
    os.environ.update(request["environment"] | {ADDRESS: address})
    sys.argv = ["pacspace", *request["arguments"]]
    module, _, name = request["program"].partition(":")
    getattr(import_module(module), name)()


def import_all() -> None:
    """What a server imports by the time it answers."""
    import pacspace_server

    for module in pkgutil.walk_packages(pacspace_server.__path__, "pacspace_server."):
        if not module.name.endswith("__main__"):
            import_module(module.name)
    for late in ("babel.numbers", "jinja2", "segno", "uvloop"):
        import_module(late)
    gc.freeze()  # so that what is shared is not copied


class Rehashers:
    """Stands in for the module subprocess: the server's own child is forked too, its connection in place of stdout."""

    DEVNULL = subprocess.DEVNULL

    @staticmethod
    def Popen(command: list[str], pass_fds: list[int], **_: Any) -> Forked:
        return fork(f"{REHASHER}:serve", ["1"], Path.cwd(), dict(os.environ), pass_fds[0], sys.stderr.fileno())


def main() -> None:
    import_all()
    import_module(REHASHER).subprocess = Rehashers  # type: ignore[attr-defined]
    serve(int(sys.argv[1]), socket.socket(fileno=int(sys.argv[2])))
