"""Compare: which of two views matches the record, and which entries make the difference. It states, it never judges."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ...domain.scopes import Scope
from ...storage.model import ids
from ...storage.model.protocols import Snapshot
from ...storage.model.records import Customer, Delta
from ..base import showing
from ..base.context import Caller, Context
from ..base.errors import invalid
from .balance import Balance, deltas_of, scope_view
from .derive import breakdown, computed, counted, read_balance

MESSAGES = {
    "YOURS_MATCHES": "your view matches the record, theirs does not",
    "THEIRS_MATCHES": "their view matches the record, yours does not",
    "NEITHER_MATCHES": "neither view matches the record",
}


@dataclass
class Views:
    """Both sides' balances; `their_records` are (referenceId, amount) pairs."""

    yours: int
    theirs: int
    tolerance: int
    starting_balance: int
    their_records: list[tuple[str, int]] | None


def compare(
    context: Context, caller: Caller, customer_id: str, scope: Scope, given: Views, granularity: str | None = None
) -> dict[str, Any]:
    """Both views against the record."""
    with context.storage.snapshot() as snapshot:
        customer, log, now, balance = read_balance(context, snapshot, caller, customer_id, scope)
        total = given.starting_balance + balance.net
        matches_yours = abs(given.yours - total) <= given.tolerance
        matches_theirs = abs(given.theirs - total) <= given.tolerance
        reply = {
            "customerId": customer_id,
            "yourBalance": showing.number(given.yours),
            "theirBalance": showing.number(given.theirs),
            "tolerance": showing.number(given.tolerance),
            "startingBalance": showing.number(given.starting_balance),
            **computed(total),
            "netChange": showing.number(balance.net),
            **counted(balance.count),
            "matchesYours": matches_yours,
            "matchesTheirs": matches_theirs,
            "match": matches_yours and matches_theirs,
            "discrepancy": _discrepancy(given, total, matches_yours, matches_theirs),
            "latestReceiptId": showing.receipt_id(customer, balance.latest) if balance.latest else None,
            "verifiedCount": balance.count - balance.pending,
            "pendingCount": balance.pending,
            "scope": scope_view(balance, now),
            "asOf": {"sequence": customer.last_sequence, "logSize": log.published_size},
        }
        if granularity is not None:
            reply["breakdown"] = breakdown(snapshot, customer, balance, granularity)
        if given.their_records is not None:
            reply |= _entries(snapshot, customer, balance, given.their_records)
        return reply


def _discrepancy(given: Views, total: int, matches_yours: bool, matches_theirs: bool) -> dict[str, Any] | None:
    if matches_yours and matches_theirs:
        return None
    resolution = "YOURS_MATCHES" if matches_yours else "THEIRS_MATCHES" if matches_theirs else "NEITHER_MATCHES"
    return {
        "yourDifference": showing.number(given.yours - total),
        "theirDifference": showing.number(given.theirs - total),
        "resolution": resolution,
        "message": MESSAGES[resolution],
    }


@dataclass(frozen=True)
class Difference:
    """One entry that only one side has, or that the two have with other amounts. `delta` is the record's, if it has one."""

    delta: Delta | None
    reference: str | None
    theirs: int | None


def differences(
    snapshot: Snapshot, customer: Customer, balance: Balance, their_records: dict[str, int]
) -> Iterator[Difference]:
    """The entries that make the difference, by referenceId; our deltas without one are missing in theirs."""
    # By the kept hash of the reference, so that an erased context is found too.
    secret, shard = snapshot.secret, customer.shard_key
    theirs = {ids.reference_mac(secret, shard, named[0]): named for named in their_records.items()}
    for delta in deltas_of(snapshot, customer, balance):
        named = theirs.pop(delta.reference_mac, None) if delta.reference_mac is not None else None
        reference, amount = named or (showing.context_fields(delta)["referenceId"], None)
        if amount != delta.delta:
            yield Difference(delta, reference, amount)
    for reference, amount in theirs.values():
        yield Difference(None, reference, amount)


def _entries(
    snapshot: Snapshot, customer: Customer, balance: Balance, their_records: list[tuple[str, int]]
) -> dict[str, Any]:
    theirs = dict(their_records)
    if len(theirs) != len(their_records):
        raise invalid(("theirRecords", "a referenceId appears twice"))
    named: dict[str, list[dict[str, Any]]] = {"missingInTheirs": [], "missingInOurs": [], "different": []}
    for found in differences(snapshot, customer, balance, theirs):
        kind, entry = entry_view(found)
        named[kind].append(entry)
    return named


def entry_view(found: Difference) -> tuple[str, dict[str, Any]]:
    """Which kind of difference it is, and how replies show it."""
    delta, amount = found.delta, found.theirs
    if delta is None:
        assert amount is not None, "nobody has it"
        return "missingInOurs", {"referenceId": found.reference, "delta": showing.number(amount)}
    entry = {"referenceId": found.reference, "recordId": delta.record_id, "postedAt": showing.instant(delta.posted_at)}
    if amount is None:
        return "missingInTheirs", entry | {"delta": showing.number(delta.delta)}
    pair = {"ourDelta": showing.number(delta.delta), "theirDelta": showing.number(amount)}
    return "different", entry | pair | {"difference": showing.number(amount - delta.delta)}
