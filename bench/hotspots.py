"""Where the server's time goes: `hotspots.py [--engine postgres] [--batch N] [--gil]` samples it with py-spy while
the generator runs.

Prints, per thread, the functions with the most time of their own and the most time in all. With --gil only samples that
hold the interpreter lock count: what keeps the other threads waiting. Needs py-spy (https://github.com/benfred/py-spy).
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import tempfile
import time
from collections import Counter, defaultdict
from pathlib import Path

from engines import ENGINES, opened
from serving import HERE, finish_load, running, start_load

RATE = 250
ALWAYS = 0.95  # a function on the stack so often says nothing
NAMES = {"MainThread": "event loop"}


def sample(pid: int, seconds: int, gil: bool, output: Path, py_spy: str) -> None:
    """Folded stacks of every thread."""
    flags = ["--threads", "--function", "--format", "raw", "--rate", str(RATE), "--duration", str(seconds)]
    command = [py_spy, "record", "--pid", str(pid), "--output", str(output), *flags, *(["--gil"] if gil else [])]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"py-spy failed: {done.stderr.strip()[-500:]}")


def report(folded: Path, seconds: int, top: int) -> str:
    own: dict[str, Counter[str]] = defaultdict(Counter)
    total: dict[str, Counter[str]] = defaultdict(Counter)
    for line in folded.read_text().splitlines():
        stack, _, count = line.rpartition(" ")
        thread, *frames = stack.split(";")
        name = re.sub(r"^thread \([^)]*\): ", "", thread)
        name = NAMES.get(name, name)
        own[name][frames[-1]] += int(count)
        for frame in set(frames):
            total[name][frame] += int(count)
    samples = RATE * seconds
    lines: list[str] = []
    for name, functions in sorted(own.items(), key=lambda item: -item[1].total()):
        lines.append(f"{name}: {functions.total() / samples:.0%} of the time")
        lines.append("  own time")
        lines += [f"    {count / samples:6.1%}  {function}" for function, count in functions.most_common(top)]
        lines.append("  with what it calls")
        outer = functions.total() * ALWAYS
        inner = [(function, count) for function, count in total[name].most_common() if count < outer]
        lines += [f"    {count / samples:6.1%}  {function}" for function, count in inner[:top]]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engine", choices=ENGINES, default="sqlite")
    parser.add_argument("--batch", type=int, default=0, help="deltas per request; 0 for single emits")
    parser.add_argument("--connections", type=int, default=0, help="default 64, or 4 for batches")
    parser.add_argument("--seconds", type=int, default=6)
    parser.add_argument("--gil", action="store_true", help="only samples that hold the interpreter lock")
    parser.add_argument("--top", type=int, default=18, help="lines per thread")
    parser.add_argument("--py-spy", default=shutil.which("py-spy"), help="where py-spy is")
    given = parser.parse_args()
    if not given.py_spy:
        raise SystemExit("py-spy is not installed")
    base = HERE / ".bench"
    base.mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="hotspots-", dir=base))
    connections = given.connections or (4 if given.batch else 64)
    try:
        with opened([given.engine]) as (engine,), running(engine.serve(folder)) as server:
            child = start_load(
                server, server.key, connections=connections, batch=given.batch, warmup=2, seconds=given.seconds + 3
            )
            time.sleep(3)
            sample(server.pid, given.seconds, given.gil, folder / "folded", given.py_spy)
            result = finish_load(child)
        print(f"{result['deltasPerSecond']:,.0f} deltas/s while sampled, {result['errors']} errors")
        print(report(folder / "folded", given.seconds, given.top))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
