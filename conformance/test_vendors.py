"""Stories of honest and lying vendors: the real command says of each what its folder says it has to say."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from conformance.vendors import generate

VENDORS = Path(__file__).parent / "vendors"
STORIES = sorted(path.parent.relative_to(VENDORS).as_posix() for path in VENDORS.glob("*/*/expected.json"))
# Another verifier: PACSPACE_VERIFIER="node verify.js". It takes the same arguments.
COMMAND = shlex.split(os.environ.get("PACSPACE_VERIFIER", "")) or [sys.executable, "-m", "pacspace_proofs"]


def test_the_folders_are_what_the_generator_makes() -> None:
    """No story was edited by hand, none is missing, none is left over."""
    assert generate.committed_files() == generate.all_files()


def test_there_are_both_kinds() -> None:
    """A verifier that always says the same can't pass."""
    kinds = [story.split("/")[0] for story in STORIES]
    assert kinds.count("lying") >= 20 and kinds.count("honest") >= 6


@pytest.mark.parametrize("story", STORIES)
def test_story(story: str) -> None:
    """Exit status, result and the check that fails are the ones written in the story."""
    expected = json.loads((VENDORS / story / "expected.json").read_text())
    call = [*COMMAND, *expected["arguments"], "--json"]
    done = subprocess.run(call, cwd=VENDORS / story, capture_output=True, text=True)
    report = json.loads(done.stdout)
    assert (done.returncode, report["result"], done.stderr) == (expected["exit"], expected["result"], "")
    assert report["accepted"] == (expected["exit"] == 0)
    months = [check for file in report["files"] for month in file["months"] for check in month["checks"]]
    checks = months + [check for one in report["sets"] for check in one["checks"]]
    failed = {check["number"] for check in checks if check["status"] == "failed"}
    assert expected["check"] in failed if expected["check"] else not failed, checks
    loss = [check["detail"] for check in checks if check["detail"].startswith("LOST_IN_RESTORE")]
    assert bool(loss) == (story == "lying/lost-in-restore")
