"""The examples in the client's README run, each as a program of its own, in the order in which they stand."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from testkit.server import Server

README = Path(__file__).parents[1] / "clients" / "python" / "README.md"


def test_its_examples_run(start_server: Callable[..., Server], tmp_path: Path) -> None:
    """Every Python block of the README, copied into a fresh file, runs with nothing but its environment and a key file."""
    server = start_server("--sandbox-clock", "2026-05-27T12:00:00Z")
    environment = {
        "PACSPACE_API_KEY": server.key or "",
        "PACSPACE_BASE_URL": server.url,
        "PACSPACE_WEBHOOK_SECRET": "whsec_c2VjcmV0IG9mIGEgcmVhZG1l",
    }
    server.client.emit("cust_readme", 1).data
    pinned = server.client.receipt("cust_readme").data["verification"]["verifierKey"]
    (tmp_path / "vendor-key.txt").write_text(f"{pinned}\n")
    blocks = re.findall(r"^```python\n(.*?)^```$", README.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    printed = [run(block, number, environment, tmp_path) for number, block in enumerate(blocks)]
    first, emitted, looped, retried, flushed, delivered, closed, receipt = printed
    assert first == retried == "" and emitted.splitlines()[0] == "-52.5 2" and looped.split() == ["-42.5", "-10", "-1"]
    assert flushed == "1 0 []\n" and delivered == "0xab\n"
    assert "'customers': 2" in closed and closed.splitlines()[1].endswith(" []")
    assert "-158.5 in 5 records, locked" in receipt and (tmp_path / "usage.journal").exists()


def run(block: str, number: int, environment: dict[str, str], folder: Path) -> str:
    """What a block prints."""
    program = folder / f"block{number}.py"
    program.write_text(block, "utf-8")
    # A program that ends may leave its connections to the system.
    command = [sys.executable, "-I", "-W", "error", "-W", "ignore::ResourceWarning", program.name]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, ""), f"{block}\n{done.stderr}"
    return done.stdout
