"""Single-bit flips of a receipt are refused: two in each byte in `make test`, every one in `make check`."""

from __future__ import annotations

import json

import pytest
from proofs.vectors import cases_receipts as cases
from proofs.vectors import maker
from proofs.vectors.cases_values import NOW
from testkit.extent import FULL

from pacspace_proofs import Report, parse_trust, verify_receipts

WITNESS = maker.Key("witness.example/one", maker.secret("witness one"), 4)
BITS = range(8) if FULL else (0, 5)  # a neighbouring digit or letter; the other case
STRANGER = maker.Key("witness.example/stranger", maker.secret("stranger"), 4)


def receipt(kind: str, lock: bool, witnesses: bool = False) -> tuple[bytes, maker.Log]:
    log = cases.vendor()
    rows = [("-42.5", {"adjusts": "rec_021", "occurredAt": "2026-03-01T00:00:00.000000Z"})]
    tree = maker.month(log.origin, rows, lock=lock, unit="GB")
    signers = [(WITNESS, NOW), (STRANGER, NOW)] if witnesses else None
    return maker.canonical(cases.made(log, tree, kind, after=1, witnesses=signers)), log


def judge(data: bytes, log: maker.Log, witnesses: bool = False) -> Report:
    trust = log.key.line + "\n" + (f"witness {WITNESS.line}\n" if witnesses else "")
    return verify_receipts([data], parse_trust(trust), NOW)


def accepted_flips(data: bytes, log: maker.Log, witnesses: bool = False) -> list[bytes]:
    """The flipped files that are not refused; with witnesses only the log's part is flipped."""
    accepted = []
    for position in range(data.index(b'"log":') if witnesses else 0, len(data)):
        for bit in BITS:
            flipped = data[:position] + bytes([data[position] ^ 1 << bit]) + data[position + 1 :]
            if judge(flipped, log, witnesses).result != "refused":
                accepted.append(flipped)
    return accepted


@pytest.mark.parametrize("lock", [True, False])
@pytest.mark.parametrize("kind", ["full", "summary"])
def test_every_flip_is_refused(kind: str, lock: bool) -> None:
    """No bit of a receipt can change unnoticed."""
    data, log = receipt(kind, lock)
    assert judge(data, log).result == f"{'locked' if lock else 'provisional'}-{kind}"
    assert accepted_flips(data, log) == []


def test_only_cosignatures_of_unknown_witnesses_may_flip() -> None:
    """With witnesses: every bit counts, but for the line of one whom nobody trusts."""
    data, log = receipt("full", True, witnesses=True)
    assert judge(data, log, True).result == "locked-full"
    known, unknown = json.loads(data)["log"]["cosignatures"]
    for flipped in accepted_flips(data, log, True):
        value = json.loads(flipped)
        first, second = value["log"]["cosignatures"]
        assert (first, second != unknown) == (known, True)
        value["log"]["cosignatures"] = [known, unknown]
        assert maker.canonical(value) == data


def test_another_batch_size_with_the_same_path_changes_nothing() -> None:
    """A batch's size is bound only as far as it decides the path: where two sizes lead the same way, all facts agree."""
    log = cases.vendor()
    tree = maker.month(log.origin, ["-1"], lock=False)
    value = cases.made(log, tree, others=4)
    size, path = int(value["batch"]["size"]), value["batch"]["path"]
    results = {}
    for other in range(1, 20):
        value["batch"]["size"] = str(other)
        results[other] = judge(maker.canonical(value), log)
    same = [other for other, report in results.items() if report.result != "refused"]
    assert size in same and all(2 ** (len(path) - 1) < other <= 2 ** len(path) for other in same)
    facts = [results[other].files[0].months[0].facts for other in same]
    assert all(found == facts[0] for found in facts)
