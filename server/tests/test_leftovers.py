"""What a test run leaves behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from testkit.leftovers import MARK

ROOT = Path(__file__).parents[2]
SMALL = """
import json, os, signal, tempfile
from pathlib import Path
from testkit.cluster import Cluster
from testkit.server import Server

def test_that_never_ends(tmp_path):
    server, cluster = Server(tmp_path).start(), Cluster()
    told = {"pids": [os.getpid(), server.process.pid, cluster.postmaster], "folder": tempfile.gettempdir()}
    whole = Path(%r)
    whole.with_suffix(".new").write_text(json.dumps(told))
    whole.with_suffix(".new").rename(whole)
    signal.pause()
"""
PATIENCE_S = 180


def is_there(pid: int) -> bool:
    """Whether a process runs; one that nobody has waited for yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize("workers", ["0", "1"])
def test_a_killed_run_leaves_no_process_and_no_file(tmp_path: Path, workers: str) -> None:
    """SIGKILL of pytest, also of one with a worker of xdist, ends its server and its PostgreSQL and removes its folder."""
    small, started = tmp_path / "test_small.py", tmp_path / "started.json"
    small.write_text(SMALL % str(started))
    environment = {name: value for name, value in os.environ.items() if name != MARK and "PYTEST" not in name}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "testkit.leftovers", "-n", workers, f"--rootdir={tmp_path}"]
    run = subprocess.Popen([*command, str(small)], cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + PATIENCE_S
        while not started.exists() and run.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        told = json.loads(started.read_text())
    finally:
        run.kill()
        run.wait()
    deadline = time.monotonic() + PATIENCE_S
    while Path(told["folder"]).exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert [pid for pid in told["pids"] if is_there(pid)] == [] and not Path(told["folder"]).exists()
