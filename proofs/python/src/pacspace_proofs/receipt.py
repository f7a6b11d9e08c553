"""One receipt: its strict form and checks 1 to 9 (spec/receipt.md)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, cast

from .canonical import (
    DELTA_BOUND_UNITS,
    FormatError,
    Grammar,
    amount_text,
    canonical,
    check_fields,
    is_count,
    is_hash,
    is_hex_16,
    is_object,
    is_text,
    list_of,
    units,
)
from .note import (
    MAX_COSIGNATURES,
    LogCheckpoint,
    cosigned_at,
    parse_log_checkpoint,
    parse_signature_line,
    signed_by,
)
from .record import (
    BATCH,
    CLOSED,
    CLOSING,
    DELTA,
    HEAD,
    OPENING,
    Object,
    check_structure,
    commitment,
    context_hash,
    reason_of,
    slot,
)
from .tree import MAX_PATH, leaf_hash, root_from_inclusion, root_of_leaves
from .trust import Trust

RECEIPT, WINDOW_RECEIPT = "pacspace.receipt.v1", "pacspace.window-receipt.v1"
MAX_LEAVES = 10_000_000
CLOCK_TOLERANCE_S = 300

OK, FAILED, NOT_APPLICABLE, NOT_RUN = "ok", "failed", "not applicable", "not run"


@dataclass(frozen=True)
class Check:
    """The outcome of one numbered check."""

    number: int
    name: str
    status: str
    detail: str = ""


class CheckFailed(Exception):
    """A check failed; the message names the line and both values."""


class Inapplicable(Exception):
    """A check has nothing to check in this file."""


class NotRun(Exception):
    """A check could not be run."""


def require(holds: bool, message: str) -> None:
    if not holds:
        raise CheckFailed(message)


def require_same(found: object, expected: object, what: str, other: str) -> None:
    if found != expected:
        raise CheckFailed(f"{what} is {found}, {other} {expected}")


@dataclass
class Receipt:
    """A receipt that parses strictly (check 1). Its contents are not yet verified."""

    value: dict[str, Any]
    checkpoint: LogCheckpoint
    reasons: dict[int, str] = field(default_factory=dict)  # by leaf index, filled by check 2

    def __post_init__(self) -> None:
        self.full = self.value["kind"] == "full"
        self.items: list[dict[str, Any]] = self.value["leaves"]
        self.head: Object = self.value["head"]
        self.closed, self.size = self.head["closed"] == "yes", int(self.head["size"])
        self.opening: dict[str, Any] = self.items[0]["leaf"]
        self.last: Object = self.items[-1]["leaf"]
        # Two leaves are the whole tree, also in a summary receipt.
        self.complete = self.full or self.size == 2
        self.indexes = range(len(self.items)) if self.full else (0, self.size - 1)

    @cached_property
    def deltas(self) -> list[tuple[int, dict[str, Any]]]:
        """The delta items shown, with their leaf indexes."""
        return [(i, item) for i, item in zip(self.indexes, self.items) if item["leaf"]["schema"] == DELTA]

    @cached_property
    def leaf_hashes(self) -> list[bytes]:
        return [leaf_hash(canonical(item["leaf"])) for item in self.items]


def _is_line(value: object) -> bool:
    return type(value) is str and parse_signature_line(value) is not None


_is_path = list_of(is_hash, 0, MAX_PATH)
_PARTS = {
    "schema": lambda value: value == RECEIPT,
    "kind": lambda value: value in ("full", "summary"),
    "leaves": list_of(is_object, 2, MAX_LEAVES),
    "head": is_object,
    "headSalt": is_hex_16,
    "entry": is_object,
    "log": is_object,
}
_LOG = {"index": is_count, "path": _is_path, "checkpoint": is_text}
_BATCH_PROOF = {"index": is_count, "size": is_count, "path": _is_path}
_ITEM: dict[str, dict[str, Grammar]] = {"full": {"leaf": is_object}, "summary": {"leaf": is_object, "path": _is_path}}
_SHOWN = {"context": is_text, "salt": is_hex_16}


def parse_receipt(value: object) -> Receipt:
    """Check 1: parses a receipt. FormatError names what is missing, unknown or misspelled."""
    check_fields(value, _PARTS, {"batch": is_object}, "receipt")
    parts = cast(dict[str, Any], value)
    head, log, kind = check_structure(parts["head"], HEAD, where="head"), parts["log"], parts["kind"]
    check_structure(parts["entry"], BATCH, CLOSED, where="entry")
    if ("batch" in parts) != (head["closed"] == "no"):
        raise FormatError("receipt: batch must be given if, and only if, head.closed is no")
    if "batch" in parts:
        check_fields(parts["batch"], _BATCH_PROOF, {}, "batch")
    check_fields(log, _LOG, {"cosignatures": list_of(_is_line, 1, MAX_COSIGNATURES)}, "log")
    checkpoint = parse_log_checkpoint(log["checkpoint"])
    signatures = [(line.name, len(line.signature)) for line in checkpoint.signatures]
    if signatures != [(checkpoint.origin, 64)]:
        raise FormatError("log.checkpoint: must have exactly one signature line, by the log, of 64 bytes")
    if kind == "summary" and len(parts["leaves"]) != 2:
        raise FormatError("receipt: a summary must show exactly the first and the last leaf")
    for position, item in enumerate(parts["leaves"]):
        try:
            check_fields(item, _ITEM[kind], _SHOWN, "item")
            leaf = check_structure(item["leaf"], OPENING, DELTA, CLOSING)
            if ("context" in item) != ("salt" in item) or ("salt" in item and leaf["schema"] != DELTA):
                raise FormatError("context and salt must be given together, and only for a delta")
        except FormatError as error:
            raise FormatError(f"line {position}: {error}") from error
    return Receipt(parts, checkpoint)


def check_signature(receipt: Receipt, trust: Trust, now: int) -> str:
    """Check 8."""
    if not trust.keys:
        raise NotRun("no trusted key was given")
    checkpoint, known = receipt.checkpoint, trust.keys_of(receipt.checkpoint.origin)
    given = ", ".join(sorted({key.name for key, _ in trust.keys})[:3])
    require(
        bool(known),
        f"no trusted key for the log {checkpoint.origin}, only for {given}: is this the key of the right "
        "vendor and environment? (A reset sandbox has a new one.)",
    )
    signers = [(key, last) for key, last in known if signed_by(key, checkpoint)]
    require(bool(signers), f"the log checkpoint is not signed by a trusted key of {checkpoint.origin}")
    key, last = signers[0]
    require(last is None or checkpoint.size <= last, f"log size {checkpoint.size} is beyond the key's last size {last}")
    return f"{checkpoint.origin}, key {key.fingerprint[:16]}"


def check_log(receipt: Receipt, trust: Trust, now: int) -> str:
    """Check 7."""
    entry, head, log, checkpoint = receipt.value["entry"], receipt.head, receipt.value["log"], receipt.checkpoint
    committed = commitment(bytes.fromhex(receipt.value["headSalt"]), head)
    if receipt.closed:
        require(entry["schema"] == CLOSED, "only a closed entry proves a closed head, never a log batch")
        require_same(entry["slot"], head["slot"], "the entry's slot", "the head's")
        require_same(entry["commitment"], committed.hex(), "the entry's commitment", "the head gives")
    else:
        require(entry["schema"] == BATCH, "only a log batch proves an open head")
        batch = receipt.value["batch"]
        path = list(map(bytes.fromhex, batch["path"]))
        # The format gives index AND size. The entry does not bind the size: if another size leads along the same path,
        # the proof is the same, and nothing in the report depends on it.
        reached = root_from_inclusion(leaf_hash(committed), int(batch["index"]), int(batch["size"]), path)
        require_same(reached.hex() if reached else None, entry["root"], "the head's commitment's root", "the batch's")
    index, path = int(log["index"]), list(map(bytes.fromhex, log["path"]))
    reached = root_from_inclusion(leaf_hash(canonical(entry)), index, checkpoint.size, path)
    require_same(
        reached.hex() if reached else None,
        checkpoint.root.hex(),
        f"the root from entry {index} and its path",
        f"the log's at size {checkpoint.size}",
    )
    return f"entry {index} of {checkpoint.size}"


def check_head(receipt: Receipt, trust: Trust, now: int) -> str:
    """Check 6."""
    head, opening, last = receipt.head, receipt.opening, receipt.last["schema"]
    require_same(opening["schema"], OPENING, "line 0", "expected")
    require(receipt.size >= 2, f"head.size is {receipt.size}, a tree has at least two leaves")
    if receipt.full:
        require_same(receipt.size, len(receipt.items), "head.size", "leaves shown:")
    require((last == CLOSING) == receipt.closed, f"head.closed is {head['closed']}, the last leaf {last}")
    require_same(head["period"], opening["period"], "head.period", "the opening's")
    require_same(head["origin"], opening["origin"], "head.origin", "the opening's")
    require_same(head["origin"], receipt.checkpoint.origin, "head.origin", "the log checkpoint's")
    expected = slot(bytes.fromhex(opening["slotKey"]), opening["period"], opening["origin"]).hex()
    require_same(head["slot"], expected, "head.slot", "the slot key gives")
    return f"size {receipt.size}, closed: {head['closed']}"


def check_root(receipt: Receipt, trust: Trust, now: int) -> str:
    """Check 5."""
    roots: list[bytes | None] = (
        [root_of_leaves(receipt.leaf_hashes)]
        if receipt.full
        else [
            root_from_inclusion(hashed, index, receipt.size, list(map(bytes.fromhex, item["path"])))
            for index, hashed, item in zip(receipt.indexes, receipt.leaf_hashes, receipt.items)
        ]
    )
    for root in roots:
        require_same(root.hex() if root else None, receipt.head["root"], "root from the leaves", "the head's")
    return receipt.head["root"]


def check_contexts(receipt: Receipt, trust: Trust, now: int) -> str:
    """Check 2."""
    deltas = receipt.deltas
    for index, item in deltas:
        if "context" in item:
            stated = item["leaf"]["contextHash"]
            found = context_hash(bytes.fromhex(item["salt"]), item["context"].encode()).hex()
            if found != stated:
                raise CheckFailed(f"line {index}: hash of the context is {found}, the leaf's {stated}")
            try:
                receipt.reasons[index] = reason_of(item["context"])
            except FormatError as error:
                raise CheckFailed(f"line {index}: the context is malformed: {error}") from error
    return f"{len(receipt.reasons)} shown, {len(deltas) - len(receipt.reasons)} withheld"


def check_places(receipt: Receipt, trust: Trust, now: int) -> str:
    """Check 3."""
    opening, size = receipt.opening, receipt.size
    sequence, recorded_at, owner = 0, opening["openedAt"], (opening["customerId"], opening["period"])
    for index, item in zip(receipt.indexes[1:], receipt.items[1:]):
        leaf = item["leaf"]
        if (leaf["customerId"], leaf["period"]) != owner:
            raise CheckFailed(
                f"line {index}: belongs to {leaf['customerId']} {leaf['period']}, the opening to {owner[0]} {owner[1]}"
            )
        if leaf["schema"] == CLOSING and index == size - 1:
            _check_closing(leaf, size, sequence, recorded_at)
        else:
            require(leaf["schema"] == DELTA, "a leaf between the opening and the closing leaf is not a delta")
            _check_delta(leaf, index, sequence, recorded_at)
            sequence, recorded_at = int(leaf["sequence"]), leaf["recordedAt"]
    return "row by row" if receipt.complete else "only first and last leaf; the rows were not shown"


def _check_delta(leaf: Object, index: int, sequence: int, recorded_at: str) -> None:
    happened, posted, period = leaf.get("occurredAt", leaf["recordedAt"]), leaf["postedAt"], leaf["period"]
    if int(leaf["index"]) != index:
        raise CheckFailed(f"line {index}: index is {leaf['index']}")
    if not 0 < abs(units(leaf["delta"])) <= DELTA_BOUND_UNITS:
        raise CheckFailed(f"line {index}: delta {leaf['delta']} is 0 or beyond 1,000,000,000")
    if int(leaf["sequence"]) <= sequence:
        raise CheckFailed(f"line {index}: sequence {leaf['sequence']} does not follow {sequence}")
    if leaf["recordedAt"] < recorded_at:
        raise CheckFailed(f"line {index}: recordedAt {leaf['recordedAt']} is before {recorded_at}")
    if posted[:7] != period:
        raise CheckFailed(f"line {index}: postedAt {posted} is not in {period}")
    if posted != happened and not (posted == period + "-01T00:00:00.000000Z" and posted > happened):
        raise CheckFailed(f"line {index}: postedAt {posted} is neither {happened} nor the later start of {period}")


def _check_closing(closing: Object, size: int, sequence: int, recorded_at: str) -> None:
    count, to_date, last = (int(closing[name]) for name in ("deltaCount", "countToDate", "lastSequence"))
    require(count == size - 2, f"closing: deltaCount is {count}, the tree has {size - 2} deltas")
    require(count <= to_date <= last, f"closing: countToDate {to_date} is not between {count} and lastSequence {last}")
    require(sequence <= last, f"closing: lastSequence is {last}, but there is a sequence {sequence}")
    require(closing["closedAt"] >= recorded_at, f"closing: closedAt {closing['closedAt']} is before {recorded_at}")
    if "previousPeriod" in closing:
        previous = closing["previousPeriod"]
        require(previous < closing["period"], f"closing: previousPeriod {previous} is not before {closing['period']}")
    else:
        require_same(closing["broughtForward"], "0", "closing: the first month's broughtForward", "expected")
        require_same(to_date, count, "closing: the first month's countToDate", "its deltaCount")


def check_totals(receipt: Receipt, trust: Trust, now: int) -> str:
    """Check 4."""
    if not receipt.complete and not receipt.closed:
        raise Inapplicable("a provisional summary does not show sums")
    total = 0
    for index, item in receipt.deltas:
        total += units(item["leaf"]["delta"])
        if units(item["leaf"]["periodTotal"]) != total:
            found = item["leaf"]["periodTotal"]
            raise CheckFailed(f"line {index}: periodTotal is {found}, the deltas up to it give {amount_text(total)}")
    if receipt.closed:
        closing = receipt.last
        brought, period, carried = (units(closing[n]) for n in ("broughtForward", "periodTotal", "carriedForward"))
        if receipt.complete:
            require_same(closing["periodTotal"], amount_text(total), "closing: periodTotal", "the deltas give")
        expected = amount_text(brought + period)
        require_same(amount_text(carried), expected, "closing: carriedForward", "broughtForward and periodTotal give")
    return (
        "every delta added up" if receipt.complete else "only the closing leaf; the deltas were not shown or added up"
    )


def check_witnesses(receipt: Receipt, trust: Trust, now: int) -> str:
    """Check 9."""
    policy, count, unknown = trust.policy, 0, 0
    if policy is None:
        raise Inapplicable("no witness policy given")
    oldest = 0 if policy.max_age_s is None else now - policy.max_age_s
    lines = list(map(parse_signature_line, receipt.value["log"].get("cosignatures", ())))
    for key in policy.witnesses:
        own = [line for line in lines if (line.name, line.key_id) == (key.name, key.key_id)]
        times = [cosigned_at(key, receipt.checkpoint, line) for line in own]
        require(None not in times, f"a cosignature of {key.name} is not valid")
        count += any(oldest <= cast(int, time) <= now + CLOCK_TOLERANCE_S for time in times)
        unknown -= len(times)
    require(count >= policy.quorum, f"{count} of the trusted witnesses cosigned in time, {policy.quorum} are required")
    return f"{count} witnesses, {len(lines) + unknown} other cosignatures not checked"


STEPS: tuple[tuple[int, str, Callable[[Receipt, Trust, int], str]], ...] = (
    (8, "the log checkpoint is signed by a trusted key", check_signature),
    (7, "the head is in the log", check_log),
    (6, "the head fits the leaves", check_head),
    (5, "the leaves lead to the proof root", check_root),
    (2, "contexts shown match their hashes", check_contexts),
    (3, "leaves are well placed and counted", check_places),
    (4, "every running total adds up", check_totals),
    (9, "the witness policy is met", check_witnesses),
)
PARSES = "parses strictly, within the limits"


def judge(number: int, name: str, step: Callable[[], str]) -> Check:
    """The outcome of one check."""
    try:
        return Check(number, name, OK, step())
    except Inapplicable as reason:
        return Check(number, name, NOT_APPLICABLE, str(reason))
    except NotRun as reason:
        return Check(number, name, NOT_RUN, str(reason))
    except CheckFailed as error:
        return Check(number, name, FAILED, str(error))


def run_checks(value: object, trust: Trust, now: int) -> tuple[Receipt | None, list[Check]]:
    """Checks 1 to 9 over one receipt's canonical value; after the first failure, the remaining checks are not run."""
    try:
        receipt = parse_receipt(value)
    except FormatError as error:
        return None, [Check(1, PARSES, FAILED, str(error))]
    checks = [Check(1, PARSES, OK)]
    for number, name, step in STEPS:
        if checks[-1].status == FAILED:
            break
        checks.append(judge(number, name, lambda: step(receipt, trust, now)))  # noqa: B023
    done = {check.number for check in checks}
    checks += [Check(number, name, NOT_RUN) for number, name, _ in STEPS if number not in done]
    return receipt, sorted(checks, key=lambda check: check.number)
