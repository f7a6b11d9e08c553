"""A short form of the campaign, and the proof that it sees a bug."""

from __future__ import annotations

import pytest
from testkit.chance import SEED

from .campaign import play
from .faults import FAULTS

pytestmark = pytest.mark.soak
SHORT = {
    "sqlite": ["power after emit", "die after fix", "broken disk", "die before publish", "kill"],
    "postgres": ["cut after emit", "kill PostgreSQL", "die after sign", "kill"],
}


@pytest.mark.parametrize("engine", ["sqlite", "postgres"])
def test_faults_break_no_promise(engine: str) -> None:
    """After each of a few faults everything that was acknowledged is there once, and the log went on from what was
    seen."""
    faults = [fault for fault in FAULTS if engine in fault.engines and fault.name in SHORT[engine]]
    result = play(engine, SEED, len(faults), faults, print)
    assert result.violation is None, f"make soak ENGINE={engine} SEED={SEED}: {result.violation}"
    assert result.acknowledged > 100
    assert not result.never_hit(faults)


def test_a_planted_bug_is_found() -> None:
    """A server that does not wait for the disk is found out by a power cut."""
    faults = [fault for fault in FAULTS if fault.name == "power after emit"]
    result = play("sqlite", SEED, 3, faults, print, "SQLite without sync")
    assert result.violation is not None
