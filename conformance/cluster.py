"""A PostgreSQL server of the tests' own: its own data folder, a spare port on loopback, `fsync` on."""

from __future__ import annotations

import atexit
import itertools
import os
import shutil
import socket
import subprocess
import tempfile
from functools import cache
from pathlib import Path

PROGRAMS = Path("/usr/lib/postgresql/15/bin")
OWNER, APPLICATION = "record_owner", "record_application"
USER = "postgres"  # the server refuses to run as root


class Cluster:
    """A running server with two roles: one owns the databases, the other is what PacSpace connects as."""

    def __init__(self) -> None:
        install()
        self._numbers = itertools.count(1)
        self.folder = Path(tempfile.mkdtemp(prefix="pacspace-postgres-"))
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
        )
        with socket.create_server(("127.0.0.1", 0)) as spare:
            self.port = spare.getsockname()[1]
        self.start()
        for role in (OWNER, APPLICATION):
            self.sql("postgres", f"CREATE ROLE {role} LOGIN")

    @property
    def data(self) -> str:
        return f"{self.folder}/data"

    def start(self) -> None:
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=on -c max_connections=200"
        self._run("pg_ctl", "-D", self.data, "-l", f"{self.folder}/log", "-o", options, "-w", "start")

    def stop(self, mode: str = "fast") -> None:
        self._run("pg_ctl", "-D", self.data, "-m", mode, "-w", "stop")

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
        command = [str(PROGRAMS / "psql"), "-XAtq", "-v", "ON_ERROR_STOP=1", self.url(database, "admin"), "-c", text]
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(PROGRAMS / program), *arguments]
        if os.geteuid() == 0:
            command = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", *command]
        # No pipe: the server would keep it open.
        with tempfile.TemporaryFile("w+") as output:
            done = subprocess.run(command, stdout=output, stderr=output, timeout=120, cwd="/")
            output.seek(0)
            assert done.returncode == 0, output.read()


def install() -> None:
    """Debian's PostgreSQL 15, if it is not there."""
    if (PROGRAMS / "postgres").exists():
        return
    assert os.geteuid() == 0, f"PostgreSQL 15 is not in {PROGRAMS}: apt-get install postgresql-15"
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for arguments in (["update"], ["install", "-y", "--no-install-recommends", "postgresql-15"]):
        subprocess.run(["apt-get", "-qq", *arguments], check=True, env=environment, timeout=600)
    assert (PROGRAMS / "postgres").exists(), "apt-get did not install PostgreSQL 15"


@cache
def shared_cluster() -> Cluster:
    """One for all tests of a process; it ends with the process."""
    cluster = Cluster()
    atexit.register(cluster.close)
    return cluster
