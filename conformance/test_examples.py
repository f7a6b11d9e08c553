"""The programs in `examples` run as a newcomer would run them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from testkit.seed_snippets import DOCUMENT
from testkit.server import Server, verify_alone

EXAMPLES = Path(__file__).parents[1] / "examples"
INVOICE_DOCUMENT = DOCUMENT.parent / "004_f8431cc128021a1f.txt"


def run(name: str, server: Server, folder: Path) -> list[str]:
    """The lines that an example prints; only the key and the address are in its environment."""
    environment = {**os.environ, "PACSPACE_API_KEY": server.key or "", "PACSPACE_BASE_URL": server.url}
    command = [sys.executable, "-W", "error", str(EXAMPLES / name)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=folder, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout.split("\n")


def test_every_example_is_run() -> None:
    """No Python example is without a test."""
    text = Path(__file__).read_text("utf-8")
    assert all(f'"{path.name}"' in text for path in EXAMPLES.glob("*.py"))


@pytest.mark.parametrize("options", [[], ["--sandbox-clock", "2026-05-27T12:00:00Z"]], ids=["real-time", "held-clock"])
def test_the_tour(start_server: Callable[..., Server], tmp_path: Path, options: list[str]) -> None:
    """The tour of the first document goes through, and leaves a receipt that verifies without the client."""
    server = start_server(*options)
    lines = run("python_sdk.py", server, tmp_path)
    for line in (
        "the same reference again is the same record: True",
        "ours matches: True, theirs matches: False",
        "summaries: 1 accepted, 0 failed",
        "receipt.json, verified offline: locked-full",
        "refused: delta: a delta must not be 0",
        "webhook delta.verified: 0xab",
    ):
        assert line in lines
    origin = re.search(r'"origin":"pacspace.log/sandbox/([0-9a-f]{32})"', (tmp_path / "receipt.json").read_text())
    assert origin is not None
    key = server.public.get(f"/log/{origin[1]}/key").body.decode().strip()
    code, report = verify_alone(tmp_path, [tmp_path / "receipt.json"], "--key", key)
    assert code == 0 and report["files"][0]["months"][0]["total"] == "-152.5"


@pytest.mark.parametrize("options", [[], ["--sandbox-clock", "2026-02-04T00:30:00Z"]], ids=["real-time", "held-clock"])
def test_the_billing_cycle(start_server: Callable[..., Server], tmp_path: Path, options: list[str]) -> None:
    """The invoice has the lines of the second document's, for 1,247 units and $2.49, also when it is run again."""
    server = start_server(*options)
    first, again = (run("billing_cycle.py", server, tmp_path) for _ in range(2))
    assert first == again
    box = first[first.index("=" * 60) :]
    wanted = INVOICE_DOCUMENT.read_text("utf-8").split("\n")
    start = wanted.index("=" * 60)
    ours, theirs = ([line[:22].rstrip() for line in lines] for lines in (box, wanted[start : start + 12]))
    assert ours[:12] == theirs, "the box has other lines than the document's"
    for line in (
        "  INVOICE: inv-cust_acme_001-2026-02",
        "  Usage Units:        1,247",
        "  Recorded Days:      3",
        "  Rate:               $0.0020 / call",
        "  Subtotal:           $2.49",
    ):
        assert line in box
    root = server.client.receipt("cust_acme_001", period="2026-02").data["proofRoot"]
    assert f"  Proof root:         {root}" in box
