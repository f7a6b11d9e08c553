"""`offline.py RECEIPT KEY ROUNDS`: times offline verification against hashing and parsing the same bytes."""

from __future__ import annotations

import hashlib
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

from pacspace_proofs import Trust, parse_verifier_key, verify_receipts


def seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def main() -> None:
    data, rounds = Path(sys.argv[1]).read_bytes(), int(sys.argv[3])
    trust = Trust(keys=((parse_verifier_key(sys.argv[2].strip()), None),))
    hashing, parsing, verifying = [], [], []
    result = ""
    for _ in range(rounds):
        hashing.append(seconds(lambda: hashlib.sha256(data).digest()))
        parsing.append(seconds(lambda: json.loads(data)))
        started = time.perf_counter()
        result = verify_receipts([data], trust, int(time.time())).result
        verifying.append(time.perf_counter() - started)
    bare = [h + p for h, p in zip(hashing, parsing, strict=True)]
    print(
        json.dumps(
            {
                "result": result,
                "bytes": len(data),
                "hashing": statistics.median(hashing),
                "parsing": statistics.median(parsing),
                "bare": statistics.median(bare),
                "verifying": statistics.median(verifying),
            }
        )
    )


if __name__ == "__main__":
    main()
