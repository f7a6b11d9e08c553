"""`make soak-mutants`: a bug is planted into the servers, and the campaign must find it within some rounds."""

from __future__ import annotations

import argparse
import secrets
import sys
import time
from dataclasses import dataclass

from .campaign import play, silent
from .faults import faults_of
from .record import POSTGRES, SQLITE

ROUNDS = 6


@dataclass(frozen=True)
class Mutant:
    """A planted bug, the engine it is for, the faults that should bring it to light, within how many rounds."""

    bug: str
    engine: str
    fault: str
    rounds: int = ROUNDS
    expected: bool = True  # False: another defence stands behind the one that is gone; see the decision page


MUTANTS = [
    Mutant("SQLite without sync", SQLITE, "power after emit"),
    Mutant("signer without sync", SQLITE, "power after publish"),
    Mutant("PostgreSQL without sync", POSTGRES, "kill PostgreSQL"),
    Mutant("answered before the commit", SQLITE, "die before emit"),
    Mutant("answered when the disk is slow", SQLITE, "slow disk"),
    Mutant("no replay check", SQLITE, "kill"),
    Mutant("no replay check", POSTGRES, "kill"),
    Mutant("no customer lock", POSTGRES, "kill"),
    Mutant("ambiguous commit sent anew", POSTGRES, "cut after emit"),
    Mutant("an outage ends the integrator", POSTGRES, "away"),
    Mutant("full disk taken for success", SQLITE, "disk full"),
    Mutant("read-only file taken for success", SQLITE, "read-only"),
    Mutant("failed sync taken for a failure", SQLITE, "broken disk in emit"),
    Mutant("clock goes back", SQLITE, "clock"),
    Mutant("head size off", SQLITE, "die after fix"),
    Mutant("published before signed", SQLITE, "die after publish"),
    Mutant("no root comparison", SQLITE, "copy beside"),
    Mutant("no root comparison", SQLITE, "older copy", expected=False),
    Mutant("no size comparison", SQLITE, "older copy"),
    Mutant("no comparison at all", SQLITE, "older copy"),
    Mutant("no lease guard", POSTGRES, "stop prepare"),
    Mutant("no signer fencing", POSTGRES, "stop prepare", expected=False),
    Mutant("no fencing at all", POSTGRES, "stop prepare"),
]


def main() -> int:
    """Exit status 1: a bug that must be found was not."""
    parser = argparse.ArgumentParser(prog="make soak-mutants", description=__doc__)
    parser.add_argument("--bug", default="", help="only bugs whose name begins so")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--verbose", action="store_true", help="also what the check said")
    asked = parser.parse_args()
    seed = secrets.randbelow(2**32) if asked.seed is None else asked.seed
    print(
        f"make soak-mutants SEED={seed}\n\n{'planted bug':34s} {'engine':9s} {'fault':20s} found in round, by",
        flush=True,
    )
    found = [try_mutant(mutant, seed, asked.verbose) for mutant in MUTANTS if mutant.bug.startswith(asked.bug)]
    return 0 if all(found) else 1


def try_mutant(mutant: Mutant, seed: int, verbose: bool) -> bool:
    """Whether it went as it must."""
    started = time.monotonic()
    result = play(mutant.engine, seed, mutant.rounds, faults_of(mutant.engine, mutant.fault), silent, mutant.bug)
    if result.violation:
        outcome = f"{result.rounds + 1}, {result.found_by}"
    else:
        outcome = f"not in {mutant.rounds}" + ("" if mutant.expected else ": another defence holds")
    seconds = time.monotonic() - started
    print(f"{mutant.bug:34s} {mutant.engine:9s} {mutant.fault:20s} {outcome}  ({seconds:.0f} s)", flush=True)
    if result.violation and verbose:
        print(f"    {result.violation[:600]}", flush=True)
    return bool(result.violation) or not mutant.expected


if __name__ == "__main__":
    sys.exit(main())
