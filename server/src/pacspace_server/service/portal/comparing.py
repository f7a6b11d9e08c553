"""The customer's list against the record: the exact lines that differ, in both directions, without a judgement."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from ...domain.instants import period_of
from ...domain.scopes import Scope
from ...storage.model.protocols import Snapshot
from ...views.balance import OurEntry
from ...views.sharing import DifferentLine, RepeatedLine, SharedComparison, UnknownLine
from ..balances.balance import Balance, balance_of
from ..balances.compare import (
    Difference,
    Missing,
    Other,
    Unknown,
    differences,
    different_entry,
    our_entry,
    their_entry,
)
from ..balances.their_lines import Line, TheirList
from ..base import showing
from ..base.lookup import log_in_use
from ..sharing.links import Shared

MAX_SHOWN = 1_000  # entries of each kind
Entry = TypeVar("Entry")


@dataclass(frozen=True)
class Theirs:
    """The customer's list, or only their total. `turned`: their signs are the opposite of ours."""

    listed: TheirList | None
    total: int
    turned: bool

    def amount(self, line: Line) -> int:
        return -line.amount if self.turned else line.amount


class _Shown(Generic[Entry]):
    """The number of entries of a kind, and the first of them."""

    def __init__(self) -> None:
        self.first: list[Entry] = []
        self.count = 0

    def add(self, entry: Entry) -> None:
        self.count += 1
        if len(self.first) < MAX_SHOWN:
            self.first.append(entry)


class _Entries:
    """The differences between a list and the record."""

    def __init__(self) -> None:
        self.missing = _Shown[OurEntry]()
        self.unknown = _Shown[UnknownLine]()
        self.different = _Shown[DifferentLine]()
        self.opposite_signs = 0

    def add(self, entry: Difference, lines: dict[str, Line]) -> None:
        match entry:
            case Missing(delta, reference):
                self.missing.add(our_entry(delta, reference))
            case Unknown(reference, amount):
                self.unknown.add({**their_entry(reference, amount), "line": lines[reference].number})
            case Other(delta, reference, amount):
                different = different_entry(delta, reference, amount)
                self.different.add({**different, "line": lines[reference].number})
                self.opposite_signs += amount == -delta.delta

    @property
    def count(self) -> int:
        return self.missing.count + self.unknown.count + self.different.count


def compare(snapshot: Snapshot, shared: Shared, theirs: Theirs, period: str | None) -> SharedComparison:
    """Both totals of a month (by default the current one), and for a list the lines that differ."""
    named = period or period_of(snapshot.now(shared.environment))
    log = log_in_use(snapshot, shared.customer)
    balance = balance_of(snapshot, shared.customer, Scope("period", named, named), log)
    total = -theirs.total if theirs.turned else theirs.total
    entries = _entries(snapshot, shared, balance, theirs)
    again = theirs.listed.again if theirs.listed else []
    return {
        "period": named,
        "recordedTotal": showing.number(balance.net),
        "recordCount": balance.count,
        "theirTotal": showing.number(total),
        "theirCount": len(theirs.listed.first) + len(again) if theirs.listed else None,
        "difference": showing.number(total - balance.net),
        "match": total == balance.net and not again and not entries.count,
        "missingInTheirs": entries.missing.first,
        "missingInOurs": entries.unknown.first,
        "different": entries.different.first,
        "missingInTheirsCount": entries.missing.count,
        "missingInOursCount": entries.unknown.count,
        "differentCount": entries.different.count,
        "repeated": [_repeated(line, theirs) for line in again[:MAX_SHOWN]],
        "repeatedCount": len(again),
        "oppositeSigns": entries.opposite_signs,
    }


def _entries(snapshot: Snapshot, shared: Shared, balance: Balance, theirs: Theirs) -> _Entries:
    entries = _Entries()
    if theirs.listed is not None:
        lines = theirs.listed.first
        amounts = {reference: theirs.amount(line) for reference, line in lines.items()}
        for entry in differences(snapshot, shared.customer, balance, amounts):
            entries.add(entry, lines)
    return entries


def _repeated(line: Line, theirs: Theirs) -> RepeatedLine:
    return {**their_entry(line.reference, theirs.amount(line)), "line": line.number}
