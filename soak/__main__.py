"""`python -m soak`: the campaign on one engine, with progress and a table."""

from __future__ import annotations

import argparse
import json
import secrets
import sys
from collections import Counter
from dataclasses import asdict

from .campaign import Result, play
from .faults import faults_of


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    parser.add_argument("--engine", choices=["sqlite", "postgres"], default="sqlite")
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--seed", type=int, default=None, help="repeats the draws of an earlier run")
    parser.add_argument("--fault", default=None, help="only faults whose name begins so")
    parser.add_argument("--json", action="store_true", help="one JSON document instead of progress and table")
    return parser.parse_args()


def main() -> int:
    """Exit status 1: a promise was broken, or a fault never landed though each was drawn."""
    asked = arguments()
    faults = faults_of(asked.engine, asked.fault)
    if not faults:
        print(f"no fault begins with {asked.fault}; there are: {', '.join(f.name for f in faults_of(asked.engine))}")
        return 2
    seed = secrets.randbelow(2**32) if asked.seed is None else asked.seed
    again = f"make soak ENGINE={asked.engine} ROUNDS={asked.rounds} SEED={seed}" + (
        f' FAULT="{asked.fault}"' if asked.fault else ""
    )

    def say(line: str) -> None:
        if not asked.json:
            print(line, flush=True)

    say(again)
    result = play(asked.engine, seed, asked.rounds, faults, say)
    missing = result.never_hit(faults) if asked.rounds >= len(faults) else []
    if asked.json:
        print(json.dumps(asdict(result) | {"neverHit": missing, "again": again}))
    else:
        print(table(result, missing, again))
    return 1 if result.violation or missing else 0


def table(result: Result, missing: list[str], again: str) -> str:
    lines = ["", f"{'fault':24s} {'hit':>5s}  where"]
    for name, hits in sorted(result.hits.items()):
        where = ", ".join(f"{step} x{count}" for step, count in hits.most_common())
        lines.append(f"{name:24s} {sum(hits.values()):5d}  {where}")
    lines += ["", f"{'step':24s} {'hit':>5s}"]
    lines += [f"{step:24s} {count:5d}" for step, count in sorted(steps(result).items())]
    lines += [
        "",
        f"{result.rounds} rounds on {result.engine} in {result.seconds:.0f} s: {result.acknowledged} deltas acknowledged in "
        f"{result.answers} answers, {result.locks} months locked, {result.checkpoints} log checkpoints seen; each checked, "
        f"{result.looked_at} looks at a delta after a fault",
    ]
    if missing:
        lines.append(f"NEVER HIT: {', '.join(missing)}")
    if result.violation:
        lines += [f"BROKEN in round {result.rounds + 1}: {result.violation}", f"again: {again}", f"kept: {result.kept}"]
    return "\n".join(lines)


def steps(result: Result) -> Counter[str]:
    """How often each step was hit, whatever the fault."""
    found: Counter[str] = Counter()
    for hits in result.hits.values():
        for hit, count in hits.items():
            found[hit.rpartition(": ")[0]] += count
    return found


if __name__ == "__main__":
    sys.exit(main())
