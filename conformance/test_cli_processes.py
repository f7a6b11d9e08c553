"""Each command as a process of its own; the other tests run most of them in theirs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from testkit.command import run_process
from testkit.server import Server

# With the exit status: 1, 2 and 3 are refusals.
CALLS = {
    "admin list": 0, "backup b.backup": 0, "checkpoint smoke --period 2026-01 --yes": 0, "clock show": 0,
    "close-month 1999-01 --preview": 1, "compare smoke 0 1": 1, "completion bash": 0, "config": 0, "customer smoke": 0,
    "customers": 0, "derive smoke": 0, "emit smoke -1 usage": 0, "erase smoke --yes": 0, "export smoke --format csv": 0, "fsck": 0,
    "import rows.csv": 0, "keys list": 0, "migrate": 2, "new-log": 3, "receipt smoke": 0, "restore none.backup": 2,
    "trust --env test": 0, "verify rows.csv --key x": 2, "webhooks list": 3, "workspace list": 0,
}  # fmt: skip
ON_THE_DATABASE = ("admin", "backup", "erase", "fsck", "keys", "migrate", "new-log", "restore", "trust", "workspace")
ELSEWHERE = {"serve", "demo"}  # every server of these tests, and test_first_steps


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A small record, which all commands read quickly."""
    small = Server(tmp_path_factory.mktemp("small")).start("--sandbox-clock", "2026-02-10T12:00:00Z")
    yield small
    small.close()


def test_every_command_is_here(tmp_path: Path) -> None:
    """A new command needs a line of its own."""
    listed = run_process("--help", folder=tmp_path).stdout.partition("\nCommands:\n")[2]
    assert set(re.findall(r"^  ([a-z-]+)", listed, re.M)) - ELSEWHERE == {call.split()[0] for call in CALLS}


@pytest.mark.parametrize("call", CALLS)
def test_a_command_is_a_process(call: str, server: Server, tmp_path: Path) -> None:
    """It ends with its exit status, says something, and shows no traceback."""
    (tmp_path / "rows.csv").write_text("customerId,delta,reason\nsmoke,-1,usage\n")
    server.client.emit("smoke", -1).data
    words = call.split()
    words += ["--database", server.database] if words[0] in ON_THE_DATABASE else []
    settings = {"PACSPACE_BASE_URL": server.url, "PACSPACE_API_KEY": server.key or ""}
    done = run_process(*words, folder=tmp_path, environment=settings)
    assert done.returncode == CALLS[call], (done.stdout, done.stderr)
    assert done.stdout + done.stderr and "Traceback" not in done.stderr
