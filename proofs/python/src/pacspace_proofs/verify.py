"""Several receipts: what each proves (checks 1 to 9: receipt.py), whether they agree (10 to 13, spec/receipt.md)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from typing import Any

from .canonical import (
    FormatError,
    amount_text,
    canonical,
    check_fields,
    is_instant,
    is_object,
    list_of,
    parse_canonical,
    units,
)
from .receipt import (
    FAILED,
    NOT_RUN,
    PARSES,
    WINDOW_RECEIPT,
    Check,
    CheckFailed,
    Inapplicable,
    Receipt,
    judge,
    require,
    require_same,
    run_checks,
)
from .record import CLOSED, Object, slot_fingerprint, window_hash
from .tree import prefix_roots
from .trust import Trust

MAX_FILES = 1000
LINKS = "months link to the months before"
REFUSED, UNDECIDED = "refused", "undecided"
STRENGTH = ("locked-full", "locked-summary", "provisional-full", "provisional-summary", UNDECIDED, REFUSED)


@dataclass
class Month:
    """The verdict on one receipt. `facts` are computed from the receipt, and empty if it is refused."""

    result: str
    checks: list[Check]
    facts: dict[str, Any] = field(default_factory=dict)
    receipt: Receipt | None = None


@dataclass
class FileVerdict:
    """The verdict on one file: its month's, or its weakest month's for a window, and the window's sums."""

    months: list[Month]
    window: dict[str, Any] | None = None

    @property
    def result(self) -> str:
        return max((month.result for month in self.months), key=STRENGTH.index)


@dataclass
class SetVerdict:
    """Checks 10 to 13 over one customer's files from one log, followed through restores."""

    customer_id: str
    checks: list[Check]


@dataclass
class Report:
    """The verdicts on all files; `files` are in the order given."""

    files: list[FileVerdict]
    sets: list[SetVerdict]

    @property
    def result(self) -> str:
        """The weakest file's result; refused if files contradict each other."""
        if any(check.status == FAILED for one in self.sets for check in one.checks):
            return REFUSED
        return max((file.result for file in self.files), key=STRENGTH.index)


def verify_receipts(files: Sequence[bytes], trust: Trust, now: int) -> Report:
    """Judges receipt files (bytes), each and together; only the witness policy needs `now`, in Unix seconds."""
    if not 0 < len(files) <= MAX_FILES:
        raise FormatError(f"give from 1 to {MAX_FILES} files, not {len(files)}")
    verdicts = [_verify_file(data, trust, now) for data in files]
    passed = [month.receipt for file in verdicts if file.result != REFUSED for month in file.months]
    return Report(verdicts, list(_verify_sets([receipt for receipt in passed if receipt], trust)))


def _verify_file(data: bytes, trust: Trust, now: int) -> FileVerdict:
    try:
        value = parse_canonical(data)
        if not isinstance(value, dict) or value.get("schema") != WINDOW_RECEIPT:
            return FileVerdict([_verify_month(value, trust, now)])
        return _verify_window(value, trust, now)
    except FormatError as error:
        return FileVerdict([Month(REFUSED, [Check(1, PARSES, FAILED, str(error))])])
    except CheckFailed as error:
        return FileVerdict([Month(REFUSED, [Check(10, LINKS, FAILED, str(error))])])


_WINDOW = {
    "schema": lambda value: value == WINDOW_RECEIPT,
    "startDate": is_instant,
    "endDate": is_instant,
    "receipts": list_of(is_object, 1, MAX_FILES),
}


def _verify_window(value: dict[str, Any], trust: Trust, now: int) -> FileVerdict:
    """FormatError unless the months are one customer's, ascending, and in the window; CheckFailed if one is missing."""
    check_fields(value, _WINDOW, {}, "window receipt")
    start, end = value["startDate"], value["endDate"]
    months = [_verify_month(part, trust, now) for part in value["receipts"]]
    shown = [month.receipt for month in months if month.receipt and month.facts]
    if len(shown) < len(months):
        return FileVerdict(months)
    periods = [receipt.opening["period"] for receipt in shown]
    if any(earlier >= later for earlier, later in pairwise(periods)):
        raise FormatError("window receipt: the months are not in ascending order")
    environments = {(r.opening["origin"].split("/")[1], r.opening["customerId"], r.opening["slotKey"]) for r in shown}
    if len(environments) > 1:
        raise FormatError("window receipt: the months belong to several customers")
    if start >= end or not start[:7] <= periods[0] or not periods[-1] + "-01T00:00:00.000000Z" < end:
        raise FormatError(f"window receipt: {periods[0]} to {periods[-1]} is not in the window from {start} to {end}")
    for period, receipt in zip(periods, shown):
        before = receipt.last.get("previousPeriod", "")
        require(before < start[:7] or before in periods, f"{period} follows {before}, which is missing in the window")
    window = {"startDate": start, "endDate": end}
    roots = [receipt.head["root"] for receipt in shown]
    window["windowHash"] = "0x" + window_hash(shown[0].opening["customerId"], start, end, roots).hex()
    if all(receipt.full for receipt in shown):
        window |= _sums(row for receipt in shown for row in _rows(receipt) if start <= row[0]["postedAt"] < end)
    return FileVerdict(months, window)


def _verify_month(value: object, trust: Trust, now: int) -> Month:
    receipt, checks = run_checks(value, trust, now)
    if receipt is None or any(check.status == FAILED for check in checks):
        return Month(REFUSED, checks, {}, receipt)
    unsigned = any(check.number == 8 and check.status == NOT_RUN for check in checks)
    result = f"{'locked' if receipt.closed else 'provisional'}-{receipt.value['kind']}"
    return Month(UNDECIDED if unsigned else result, checks, _facts(receipt), receipt)


def _facts(receipt: Receipt) -> dict[str, Any]:
    opening, last = receipt.opening, receipt.last
    count = receipt.size - 2 if receipt.closed else receipt.size - 1
    facts: dict[str, Any] = {
        "environment": opening["origin"].split("/")[1], "customerId": opening["customerId"],
        "period": opening["period"], "unit": opening.get("unit"), "proofRoot": "0x" + receipt.head["root"],
        "locked": receipt.closed, "deltaCount": count, "total": last["periodTotal"], "origin": opening["origin"],
        "slotFingerprint": slot_fingerprint(bytes.fromhex(opening["slotKey"])),
        "logIndex": int(receipt.value["log"]["index"]), "logSize": receipt.checkpoint.size,
    }  # fmt: skip
    if restored := opening.get("restoredFrom"):
        facts["restoredFrom"] = restored
    not_proven = ["the vendor alone states all instants", "that the meter was right"]
    if receipt.closed:
        names = ("broughtForward", "carriedForward", "lastSequence", "countToDate", "checkpointId", "closedAt")
        facts |= {name: last[name] for name in names} | {"invoiceReference": last.get("invoiceReference")}
        if later := int(last["lastSequence"]) - int(last["countToDate"]):
            not_proven.insert(0, f"{later} deltas recorded before the lock are in later months")
    else:
        not_proven.insert(0, "the month is not locked: more can be recorded in it")
    if receipt.full:
        facts |= _sums(_rows(receipt))
        facts["withheld"] = [index for index, item in receipt.deltas if "context" not in item]
    else:
        total = f"the vendor committed to total {last['periodTotal']} over {count} deltas"
        not_proven.insert(0, f"{total}; the deltas were not shown or added up")
    return facts | {"notProven": not_proven}


def _rows(receipt: Receipt) -> Iterator[tuple[Object, str | None]]:
    """The delta leaves shown, each with its reason if it was shown."""
    return ((item["leaf"], receipt.reasons.get(index)) for index, item in receipt.deltas)


def _sums(rows: Iterable[tuple[Object, str | None]]) -> dict[str, Any]:
    late: list[str] = []
    correcting: list[str] = []
    debits = credits = 0
    by_reason: dict[str | None, list[int]] = defaultdict(list)
    for leaf, reason in rows:
        amount = units(leaf["delta"])
        debits, credits = debits + min(amount, 0), credits + max(amount, 0)
        if leaf["postedAt"] != leaf.get("occurredAt", leaf["recordedAt"]):
            late.append(leaf["recordId"])
        if "adjusts" in leaf:
            correcting.append(leaf["recordId"])
        by_reason[reason].append(amount)
    groups = sorted(by_reason.items(), key=lambda group: (group[0] is None, group[0] or ""))
    return {
        "deltaCount": sum(map(len, by_reason.values())),
        "total": amount_text(debits + credits),
        "debits": amount_text(debits),
        "credits": amount_text(credits),
        "late": late,
        "correcting": correcting,
        "subtotals": [{"reason": r, "count": len(group), "total": amount_text(sum(group))} for r, group in groups],
    }


class _Logs:
    """What the receipts state about their logs: restores, and contradictions between receipts."""

    def __init__(self, receipts: list[Receipt]) -> None:
        self.restored: dict[str, dict[str, str]] = {}  # by origin: the log that it continues
        self.lost_from: dict[str, int] = {}  # by frozen origin: the size of the backup
        self.forks: dict[str, str] = {}
        self._stated: dict[tuple[str, str, str], str] = {}
        for receipt in receipts:
            log, entry, origin = receipt.checkpoint, receipt.value["entry"], receipt.checkpoint.origin
            self._state(origin, "log size", str(log.size), log.root.hex())
            self._state(origin, "log entry", receipt.value["log"]["index"], canonical(entry).decode())
            if entry["schema"] == CLOSED:
                self._state(origin, "closed slot", entry["slot"], entry["commitment"])
            if restored := receipt.opening.get("restoredFrom"):
                self._state(origin, "restored from", "", canonical(restored).decode())
                self._state(restored["origin"], "log size", restored["size"], restored["root"])
                self.restored[origin] = restored
                lost_from = self.lost_from.get(restored["origin"], 0)
                self.lost_from[restored["origin"]] = max(lost_from, int(restored["size"]))
        for origin in self.restored:
            if self.restored.get((self.older(origin) or [origin])[-1]):
                self.forks[origin] = f"CONTRADICTION: the log {origin} continues itself"

    def _state(self, origin: str, what: str, which: str, value: str) -> None:
        before = self._stated.setdefault((origin, what, which), value)
        if before != value:
            self.forks[origin] = f"CONTRADICTION: {what} {which} is {before} in one receipt and {value} in another"

    def older(self, origin: str) -> list[str]:
        """The origins of the logs that this one continues, nearest first."""
        chain = [origin]
        while (restored := self.restored.get(chain[-1])) and restored["origin"] not in chain:
            chain.append(restored["origin"])
        return chain[1:]

    def lost(self, *receipts: Receipt) -> str:
        """The prefix of a failure that a restore explains: one of the receipts lies beyond the backup."""
        ends = [self.lost_from.get(receipt.head["origin"], receipt.checkpoint.size) for receipt in receipts]
        beyond = any(int(receipt.value["log"]["index"]) >= end for receipt, end in zip(receipts, ends))
        return "LOST_IN_RESTORE: " if beyond else ""


def _verify_sets(receipts: list[Receipt], trust: Trust) -> Iterator[SetVerdict]:
    """Sets by customer and log; logs are joined by restoredFrom."""
    logs = _Logs(receipts)
    sets: dict[tuple[str, str], list[Receipt]] = defaultdict(list)
    older = {origin: logs.older(origin) for origin in {receipt.head["origin"] for receipt in receipts}}
    for receipt in receipts:
        origin = receipt.head["origin"]
        sets[receipt.opening["customerId"], (older[origin] or [origin])[-1]].append(receipt)
    for (customer_id, _), members in sorted(sets.items()):
        members.sort(key=lambda r: (r.head["period"], len(older[r.head["origin"]]), r.head["origin"], r.size, r.closed))
        yield SetVerdict(
            customer_id,
            [
                judge(10, LINKS, partial(_check_links, members, logs)),
                judge(11, "later states extend earlier ones", partial(_check_extensions, members, logs)),
                judge(12, "every sequence number once", partial(_check_sequences, members, logs)),
                judge(13, "one slot key, one locked root, one log", partial(_check_identity, members, logs, trust)),
            ],
        )


def _locked_months(receipts: list[Receipt]) -> list[Receipt]:
    """One receipt for each locked month, a full one if possible, in order of period."""
    best: dict[str, Receipt] = {}
    for receipt in receipts:
        if receipt.closed and (receipt.full or receipt.head["period"] not in best):
            best[receipt.head["period"]] = receipt
    return [best[period] for period in sorted(best)]


def _check_links(receipts: list[Receipt], logs: _Logs) -> str:
    """Check 10."""
    for receipt in receipts:
        require_same(receipt.opening.get("unit"), receipts[0].opening.get("unit"), "a month's unit", "another's")
    months, missing = _locked_months(receipts), []
    locked = {month.head["period"] for month in months}
    given: dict[str, Receipt] = {receipt.head["period"]: receipt for receipt in receipts}  # in order of period
    before_it = dict(zip(list(given)[1:], given))
    for month in months:
        period, previous = month.head["period"], month.last.get("previousPeriod", "")
        if (between := before_it.get(period, "")) > previous:
            word = logs.lost(given[between])
            raise CheckFailed(f"{word}{period} follows {previous or 'no month'}, but {between} holds deltas")
        if previous and previous not in locked:
            missing.append(f"{previous} locked (before {period})")
    for before, after in pairwise(months):
        a, b, where = before.last, after.last, f"{logs.lost(before, after)}{after.head['period']}: "
        to_date = int(a["countToDate"]) + int(b["deltaCount"])
        fell = int(b["lastSequence"]) < int(a["lastSequence"])
        require(not fell, f"{where}lastSequence {b['lastSequence']} is below {a['lastSequence']}")
        if b["previousPeriod"] != a["period"]:
            few = int(b["countToDate"]) < to_date
            require(not few, f"{where}countToDate is {b['countToDate']}, expected at least {to_date}")
            continue
        require_same(b["previousRoot"], before.head["root"], f"{where}previousRoot", f"{a['period']} was locked under")
        require_same(b["broughtForward"], a["carriedForward"], f"{where}broughtForward", f"{a['period']} carried")
        require_same(int(b["countToDate"]), to_date, f"{where}countToDate", "expected")
    if missing or len(months) < 2:
        raise Inapplicable(f"not given: {', '.join(missing)}" if missing else "there are fewer than two locked months")
    return f"{len(months)} months in a chain"


def _check_extensions(receipts: list[Receipt], logs: _Logs) -> str:
    """Check 11."""
    trees: dict[tuple[str, str], list[Receipt]] = defaultdict(list)
    for receipt in receipts:
        trees[receipt.head["period"], receipt.head["origin"]].append(receipt)
    compared, unproven = 0, []
    for (period, origin), states in trees.items():
        compared += len(states) - 1
        unproven += _check_growth(period, states)
        for older in logs.older(origin):
            for old in trees.get((period, older), ()):
                compared += 1
                unproven += _check_restored(period, old, states, logs)
    if unproven or not compared:
        raise Inapplicable("; ".join(unproven) if unproven else "no month is given in two states")
    return f"{compared} earlier states are part of later ones"


def _check_growth(period: str, states: list[Receipt]) -> list[str]:
    """States of one tree, smallest first. Returns what could not be compared."""
    newest, full = states[-1], [state for state in states if state.full]
    roots = prefix_roots(full[-1].leaf_hashes, {state.size for state in states}) if full else {}
    roots.setdefault(newest.size, bytes.fromhex(newest.head["root"]))
    for state in states:
        if state.closed and newest.size > state.size and not newest.closed:
            raise CheckFailed(f"{period}: grew to {newest.size} leaves after the lock at {state.size}")
        opening, later = state.leaf_hashes[0].hex(), newest.leaf_hashes[0].hex()
        require_same(opening, later, f"{period}: hash of the opening leaf", "in a later receipt")
        if state.closed and newest.closed:
            continue  # Check 13 compares locked roots.
        root = roots.setdefault(state.size, bytes.fromhex(state.head["root"])).hex()
        require_same(state.head["root"], root, f"{period}: the root of {state.size} leaves", "in a later receipt")
    proven = full[-1].size if full else 0
    return [
        f"{period}: no full receipt of {newest.size} leaves to compare with the state of {state.size}"
        for state in states
        if state.size < newest.size and proven < newest.size
    ]


def _check_restored(period: str, old: Receipt, states: list[Receipt], logs: _Logs) -> list[str]:
    """A state from before a restore: later states must have its leaves, except the opening's origin and nonce."""
    newest, full = states[-1], [state for state in states if state.full] or states[-1:]
    for name in ("slotKey", "openedAt"):
        require_same(newest.opening[name], old.opening[name], f"{period}: {name} after the restore", "before it")
    known = dict(zip(full[-1].indexes, full[-1].leaf_hashes))
    unproven = []
    for index, hashed in list(zip(old.indexes, old.leaf_hashes))[1:]:
        if index in known or index >= newest.size:
            found = known[index].hex() if index in known else "absent"
            require_same(found, hashed.hex(), f"{logs.lost(old)}{period}: line {index} after the restore", "before it")
        else:
            unproven = [f"{period}: no full receipt from after the restore with {old.size} leaves or more"]
    return unproven


def _check_sequences(receipts: list[Receipt], logs: _Logs) -> str:
    """Check 12."""
    seen: dict[int, tuple[bytes, Receipt, int]] = {}
    for receipt in receipts if len(receipts) > 1 else ():
        hashes = dict(zip(receipt.indexes, receipt.leaf_hashes))
        for index, item in receipt.deltas:
            sequence = int(item["leaf"]["sequence"])
            hashed, other, line = seen.setdefault(sequence, (hashes[index], receipt, index))
            if hashed != hashes[index]:
                raise CheckFailed(
                    f"{logs.lost(other, receipt)}sequence {sequence} is in {other.head['period']}, line {line}, "
                    f"and another delta in {receipt.head['period']}, line {index}"
                )
    months = _locked_months(receipts)
    if not months:
        raise Inapplicable("no locked month")
    first, last = months[0].last, months[-1].last
    count, to_date = sum(int(month.last["deltaCount"]) for month in months), int(last["countToDate"])
    if summaries := [month.head["period"] for month in months if not month.full]:
        raise Inapplicable(f"only summaries of {', '.join(summaries)}")
    if "previousPeriod" in first:
        raise Inapplicable(f"not given: {first['previousPeriod']} and before")
    if later := int(last["lastSequence"]) - to_date:
        raise Inapplicable(f"{later} deltas are in months after {last['period']}")
    if count != to_date:
        raise Inapplicable(f"{to_date - count} deltas are in months that were not given")
    shown = {int(item["leaf"]["sequence"]) for month in months for _, item in month.deltas}
    require(shown == set(range(1, count + 1)), f"the sequence numbers of {count} deltas are not 1 to {count}")
    return f"1 to {count}"


def _check_identity(receipts: list[Receipt], logs: _Logs, trust: Trust) -> str:
    """Check 13."""
    trusted, roots = False, dict[str, Receipt]()
    ours = slot_fingerprint(bytes.fromhex(receipts[0].opening["slotKey"]))
    for receipt in receipts:
        origin, customer = receipt.head["origin"], receipt.opening["customerId"]
        require(origin not in logs.forks, logs.forks.get(origin, ""))
        found = slot_fingerprint(bytes.fromhex(receipt.opening["slotKey"]))
        require_same(found, ours, "CONTRADICTION: the slot fingerprint of one receipt", "another's")
        for known in {trust.customers.get((log, customer)) for log in (origin, *logs.older(origin))} - {None}:
            require_same(found, known, "the slot fingerprint", "the trust file's")
            trusted = True
        if receipt.closed:
            locked = roots.setdefault(receipt.head["period"], receipt)
            what = f"{logs.lost(locked, receipt) or 'CONTRADICTION: '}the locked root of {receipt.head['period']}"
            require_same(receipt.head["root"], locked.head["root"], what, "in another receipt")
    if len(receipts) == 1 and not trusted:
        raise Inapplicable("only one receipt, and no fingerprint in the trust file")
    return f"slot fingerprint {ours[:16]}{', as trusted' if trusted else ''}"
