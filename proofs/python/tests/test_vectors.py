"""The committed vectors are what the generator makes, and the verifier judges each as written in it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from proofs.vectors import generate

from pacspace_proofs import (
    FormatError,
    parse_canonical,
    parse_trust,
    parse_verifier_key,
    tree,
    verify_receipts,
    webhook,
)
from pacspace_proofs.canonical import is_total, units
from pacspace_proofs.note import (
    COSIGNATURE,
    ED25519,
    cosigned_at,
    parse_log_checkpoint,
    parse_signature_line,
    signed_by,
)
from pacspace_proofs.record import (
    BATCH,
    CLOSED,
    CLOSING,
    DELTA,
    HEAD,
    KEY,
    OPENING,
    RESTORED,
    check_structure,
    commitment,
    context_hash,
    is_delta,
    parse_context,
    receipt_tail,
    slot,
    slot_fingerprint,
    window_hash,
)

Values = dict[str, Any]
VECTORS = Path(generate.__file__).parent


def require(holds: bool) -> None:
    if not holds:
        raise FormatError("refused")


def judge_canonical(given: Values) -> Values:
    data = bytes.fromhex(given["hex"])
    if "thenRepeatHex" in given:
        data += bytes.fromhex(given["thenRepeatHex"]) * int(given["times"]) + bytes.fromhex(given["thenHex"])
        data += bytes.fromhex(given.get("lastRepeatHex", "")) * int(given.get("lastTimes", "0"))
    parse_canonical(data)
    return {"sha256": hashlib.sha256(data).hexdigest()}


def judge_amount(given: Values) -> Values:
    require((is_delta if given["kind"] == "delta" else is_total)(given["text"]))
    return {"units": str(units(given["text"]))}


def judge_leaf(given: Values) -> Values:
    data = given["leaf"].encode()
    leaf = check_structure(parse_canonical(data), OPENING, DELTA, CLOSING)
    hashed = tree.leaf_hash(data)
    return {"leafHash": hashed.hex()} | ({"receiptTail": receipt_tail(hashed).hex()} if leaf["schema"] == DELTA else {})


def judge_context(given: Values) -> Values:
    data = given["context"].encode()
    parse_context(data)
    return {"contextHash": context_hash(bytes.fromhex(given["salt"]), data).hex()}


def judge_tree(given: Values) -> Values:
    leaves = [tree.leaf_hash(bytes.fromhex(leaf)) for leaf in given["leavesHex"]]
    require(tree.root_of_leaves(leaves).hex() == given["root"])
    return {}


def _path(given: Values) -> list[bytes]:
    return [bytes.fromhex(node) for node in given["path"]]


def judge_inclusion(given: Values) -> Values:
    leaf, index, size = bytes.fromhex(given["leafHash"]), int(given["index"]), int(given["size"])
    require(tree.root_from_inclusion(leaf, index, size, _path(given)) == bytes.fromhex(given["root"]))
    return {}


def judge_consistency(given: Values) -> Values:
    roots = bytes.fromhex(given["oldRoot"]), bytes.fromhex(given["newRoot"])
    require(tree.verify_consistency(int(given["oldSize"]), int(given["newSize"]), *roots, _path(given)))
    return {}


def judge_head(given: Values) -> Values:
    head, slot_key = check_structure(parse_canonical(given["head"].encode()), HEAD), bytes.fromhex(given["slotKey"])
    found = slot(slot_key, head["period"], head["origin"]).hex()
    require(found == head["slot"])
    committed = commitment(bytes.fromhex(given["headSalt"]), head).hex()
    return {"slot": found, "slotFingerprint": slot_fingerprint(slot_key), "commitment": committed}


def judge_window(given: Values) -> Values:
    found = window_hash(given["customerId"], given["startDate"], given["endDate"], given["roots"]).hex()
    require(found == given["windowHash"])
    return {"windowHash": found}


def judge_entry(given: Values) -> Values:
    data = given["entry"].encode()
    check_structure(parse_canonical(data), BATCH, CLOSED, KEY, RESTORED)
    return {"leafHash": tree.leaf_hash(data).hex()}


def judge_note(given: Values) -> Values:
    require(signed_by(parse_verifier_key(given["key"]), parse_log_checkpoint(given["note"])))
    return {}


def judge_cosignature(given: Values) -> Values:
    witness, line = parse_verifier_key(given["witness"], COSIGNATURE), parse_signature_line(given["line"])
    time = cosigned_at(witness, parse_log_checkpoint(given["note"]), line)
    require((line.name, line.key_id) == (witness.name, witness.key_id) and time is not None)
    return {"time": str(time)}


def judge_log_checkpoint(given: Values) -> Values:
    checkpoint = parse_log_checkpoint(given["note"])
    return {"origin": checkpoint.origin, "size": str(checkpoint.size), "root": checkpoint.root.hex()}


def judge_verifier_key(given: Values) -> Values:
    key = parse_verifier_key(given["text"], ED25519 if given["kind"] == "log" else COSIGNATURE)
    return {"keyId": key.key_id.hex(), "fingerprint": key.fingerprint}


def judge_trust(given: Values) -> Values:
    trust = parse_trust(given["text"])
    witnesses, quorum = (len(trust.policy.witnesses), trust.policy.quorum) if trust.policy else (0, 0)
    counts = {"keys": len(trust.keys), "customers": len(trust.customers), "witnesses": witnesses, "quorum": quorum}
    return {name: str(count) for name, count in counts.items()}


def judge_receipts(given: Values) -> Values:
    report = verify_receipts([file.encode() for file in given["files"]], parse_trust(given["trust"]), given["now"])
    months = [check for file in report.files for month in file.months for check in month.checks]
    sets = sorted((check for one in report.sets for check in one.checks), key=lambda check: check.number)
    failed = [check for check in months + sets if check.status == "failed"]
    facts = report.files[0].months[0].facts
    checks = {f"check{check.number}": check.status for check in sets}
    found: Values = {"result": report.result, "facts": facts, "checks": checks, "word": ""}
    if report.result == "refused":
        found["failed"] = sorted({check.number for check in failed})
        found["details"] = {check.number: check.detail for check in failed}
    return found


def judge_webhook(given: Values) -> Values:
    secret, headers, body = given["secret"], given["headers"], given["body"].encode()
    webhook.verify_headers(secret, headers, body, given["now"], given["tolerance"])
    if webhook.SIGNATURE in headers:
        return {"signature": webhook.signature(secret, headers[webhook.TIMESTAMP], body)}
    standard = webhook.standard_signature(secret, headers["webhook-id"], headers["webhook-timestamp"], body)
    return {"standardSignature": standard}


JUDGES: dict[str, Callable[[Values], Values]] = {
    "canonical": judge_canonical,
    "amounts": judge_amount,
    "leaves": judge_leaf,
    "contexts": judge_context,
    "trees": judge_tree,
    "inclusion": judge_inclusion,
    "consistency": judge_consistency,
    "heads": judge_head,
    "windows": judge_window,
    "entries": judge_entry,
    "notes": judge_note,
    "cosignatures": judge_cosignature,
    "log-checkpoints": judge_log_checkpoint,
    "verifier-keys": judge_verifier_key,
    "trust-files": judge_trust,
    "receipts": judge_receipts,
    "receipt-sets": judge_receipts,
    "webhook": judge_webhook,
}
NAMES = sorted(generate.committed_files())


def test_the_committed_vectors_are_what_the_generator_makes() -> None:
    """No vector was edited by hand, none is missing, none is left over."""
    assert generate.committed_files() == generate.all_files()


def test_every_topic_has_good_and_refused_cases() -> None:
    """A judge that always says the same would fail on every topic."""
    verdicts = {(name.split("/")[0], json.loads((VECTORS / name).read_text())["expect"]["verdict"]) for name in NAMES}
    assert verdicts == {(topic, verdict) for topic in JUDGES for verdict in ("ok", "refused")}


@pytest.mark.parametrize("name", NAMES)
def test_vector(name: str) -> None:
    """The verdict, and every value computed on the way, are the ones written in the vector."""
    case = json.loads((VECTORS / name).read_text())
    expect = dict(case["expect"])
    wanted = expect.pop("verdict")
    try:
        found = JUDGES[name.split("/")[0]](case["input"])
    except FormatError as error:
        found = {"verdict": "refused", "error": str(error)}
    else:
        found = {"verdict": "refused" if found.get("result") == "refused" else "ok", **found}
    assert found["verdict"] == wanted, found
    if found.get("result") == "refused":
        # The check that the case is about, and the word that its message begins with.
        assert found["details"].get(expect["check"], "").startswith(expect.get("word", "")), found
        assert expect.pop("check") in found["failed"], found
        expect.pop("word", None)
    for field, value in expect.items():
        given = found[field]
        if field in ("facts", "checks"):
            # A vector names only the facts it is about.
            given = {key: given.get(key) for key in value}
        assert given == value, (field, found)
