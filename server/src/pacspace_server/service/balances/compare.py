"""Compare: which of two views matches the record, and the entries that differ, without a judgement."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ...domain.scopes import Scope
from ...storage.model import ids
from ...storage.model.protocols import Snapshot
from ...storage.model.records import Customer, Delta
from ...views.balance import (
    Compared,
    ComparedDetails,
    DifferentEntry,
    Discrepancy,
    OurEntry,
    Resolution,
    TheirEntry,
)
from ..base import showing
from ..base.context import Caller, Context
from ..base.errors import invalid
from .balance import Balance, deltas_of, scope_view
from .derive import breakdown, computed, counted, read_balance

MESSAGES: dict[Resolution, str] = {
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
) -> Compared:
    """Both views against the record."""
    with context.storage.snapshot() as snapshot:
        customer, log, now, balance = read_balance(context, snapshot, caller, customer_id, scope)
        total = given.starting_balance + balance.net
        matches_yours = abs(given.yours - total) <= given.tolerance
        matches_theirs = abs(given.theirs - total) <= given.tolerance
        return {
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
            **_details(snapshot, customer, balance, given.their_records, granularity),
        }


def _discrepancy(given: Views, total: int, matches_yours: bool, matches_theirs: bool) -> Discrepancy | None:
    if matches_yours and matches_theirs:
        return None
    resolution: Resolution = (
        "YOURS_MATCHES" if matches_yours else "THEIRS_MATCHES" if matches_theirs else "NEITHER_MATCHES"
    )
    return {
        "yourDifference": showing.number(given.yours - total),
        "theirDifference": showing.number(given.theirs - total),
        "resolution": resolution,
        "message": MESSAGES[resolution],
    }


@dataclass(frozen=True)
class Missing:
    """A delta that the other side does not have."""

    delta: Delta
    reference: str | None


@dataclass(frozen=True)
class Unknown:
    """An entry of the other side that the record does not have."""

    reference: str
    amount: int


@dataclass(frozen=True)
class Other:
    """A delta with another amount on the other side."""

    delta: Delta
    reference: str
    amount: int


Difference = Missing | Unknown | Other


def differences(
    snapshot: Snapshot, customer: Customer, balance: Balance, their_records: dict[str, int]
) -> Iterator[Difference]:
    """The entries that differ, by referenceId; our deltas without one count as missing in theirs."""
    # The stored hash of a reference also finds an erased one.
    secret, shard = snapshot.secret, customer.shard_key
    theirs = {ids.reference_mac(secret, shard, named[0]): named for named in their_records.items()}
    for delta in deltas_of(snapshot, customer, balance):
        named = theirs.pop(delta.reference_mac, None) if delta.reference_mac is not None else None
        if named is None:
            yield Missing(delta, showing.context_fields(delta)["referenceId"])
        elif named[1] != delta.delta:
            yield Other(delta, *named)
    yield from (Unknown(*named) for named in theirs.values())


def our_entry(delta: Delta, reference: str | None) -> OurEntry:
    """A delta that the other side does not have."""
    return {
        "referenceId": reference,
        "recordId": delta.record_id,
        "postedAt": showing.instant(delta.posted_at),
        "delta": showing.number(delta.delta),
    }


def their_entry(reference: str, amount: int) -> TheirEntry:
    """An entry of the other side that the record does not have."""
    return {"referenceId": reference, "delta": showing.number(amount)}


def different_entry(delta: Delta, reference: str, amount: int) -> DifferentEntry:
    """A delta with another amount on the other side."""
    return {
        "referenceId": reference,
        "recordId": delta.record_id,
        "postedAt": showing.instant(delta.posted_at),
        "ourDelta": showing.number(delta.delta),
        "theirDelta": showing.number(amount),
        "difference": showing.number(amount - delta.delta),
    }


def _details(
    snapshot: Snapshot,
    customer: Customer,
    balance: Balance,
    their_records: list[tuple[str, int]] | None,
    granularity: str | None,
) -> ComparedDetails:
    details: ComparedDetails = {}
    if granularity is not None:
        details["breakdown"] = breakdown(snapshot, customer, balance, granularity)
    if their_records is None:
        return details
    theirs = dict(their_records)
    if len(theirs) != len(their_records):
        raise invalid(("theirRecords", "a referenceId appears twice"))
    return {**details, **_entries(differences(snapshot, customer, balance, theirs))}


def _entries(found: Iterable[Difference]) -> ComparedDetails:
    ours: list[OurEntry] = []
    theirs: list[TheirEntry] = []
    different: list[DifferentEntry] = []
    for entry in found:
        match entry:
            case Missing(delta, reference):
                ours.append(our_entry(delta, reference))
            case Unknown(reference, amount):
                theirs.append(their_entry(reference, amount))
            case Other(delta, reference, amount):
                different.append(different_entry(delta, reference, amount))
    return {"missingInTheirs": ours, "missingInOurs": theirs, "different": different}
