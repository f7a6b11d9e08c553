"""What a newcomer does first works as it is written."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from testkit.command import COMMAND
from testkit.server import Server

ROOT = Path(__file__).parents[1]


def test_the_demo_ends_by_itself_with_two_invoices(tmp_path: Path) -> None:
    """`pacspace demo` exits 0: the seed's invoice, offline verification, a refused forgery, and a month of its own."""
    done = subprocess.run([*COMMAND, "demo"], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    for line in (
        r"  INVOICE: inv-cust_acme_001-2026-02", r"  Usage Units: +1,247", r"  Recorded Days: +3", r"  Subtotal: +\$2\.49",
        r"  Rate: +\$0\.0020 / call", r"  Proof root: +0x[0-9a-f]{64}", r"  Verify at: +http://\S+", r"  VERIFIED: locked-full",
        r"  5  FAILED .*", r"  NOT VERIFIED: refused", r"  INVOICE: inv-cust_acme_001-2026-03", r"  Usage Units: +1,010",
    ):  # fmt: skip
        assert re.search(rf"^{line}$", done.stdout, re.M), f"{line}\n{done.stdout}"
    assert list(tmp_path.iterdir()) == []


def test_the_demo_answers_a_script_with_one_document(tmp_path: Path) -> None:
    """`pacspace --json demo` prints one JSON document and nothing else."""
    done = subprocess.run([*COMMAND, "--json", "demo"], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert [invoice["Usage Units"] for invoice in told["invoices"]] == ["1,247", "1,010"]
    assert told["forged"].startswith("5  FAILED")


def test_the_tour_of_the_readme_runs_as_written(start_server: Callable[..., Server], tmp_path: Path) -> None:
    """The README's Python records, replays, derives, locks and saves; its command then verifies the file."""
    server = start_server()
    (program,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.S)
    env = os.environ | {"PACSPACE_BASE_URL": server.url, "PACSPACE_API_KEY": server.key or ""}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    replayed, balance, locked, verdict, key = done.stdout.splitlines()
    assert (replayed, balance, verdict) == ("True True", "-42.5 1", "locked-full")
    assert locked.startswith(f"True {server.url}/c/cus_")
    verify = [sys.executable, "-m", "pacspace_proofs", "receipt.json", "--key", key]
    verified = subprocess.run(verify, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert verified.returncode == 0, verified.stdout
    assert verified.stdout.endswith("VERIFIED: locked-full\n")
