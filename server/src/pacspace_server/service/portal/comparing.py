"""The customer's own list against the record: exactly which lines differ, in both directions. It states, it never judges."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ...domain.instants import period_of
from ...domain.scopes import Scope
from ...storage.model.protocols import Snapshot
from ..balances.balance import Balance, balance_of
from ..balances.compare import differences, entry_view
from ..balances.their_lines import Line, TheirList
from ..base import showing
from ..base.lookup import log_in_use
from ..sharing.links import Shared

KINDS = ("missingInTheirs", "missingInOurs", "different")
MAX_SHOWN = 1_000  # entries of each kind in a reply


@dataclass(frozen=True)
class Theirs:
    """What the customer has: a list, or a total alone. `turned`: their signs are the other way round."""

    listed: TheirList | None
    total: int
    turned: bool

    def amount(self, line: Line) -> int:
        return -line.amount if self.turned else line.amount


def compare(snapshot: Snapshot, shared: Shared, theirs: Theirs, period: str | None) -> dict[str, Any]:
    """Both totals of a month, the running one without a name, and with a list the lines that make the difference."""
    customer = shared.customer
    named = period or period_of(snapshot.now(shared.environment))
    balance = balance_of(snapshot, customer, Scope("period", named, named), log_in_use(snapshot, customer))
    total = -theirs.total if theirs.turned else theirs.total
    reply: dict[str, Any] = {
        "period": named,
        "recordedTotal": showing.number(balance.net),
        "recordCount": balance.count,
        "theirTotal": showing.number(total),
        "theirCount": None,
        "difference": showing.number(total - balance.net),
        "match": total == balance.net,
    }
    return reply | _lines(snapshot, shared, balance, theirs, total)


def _lines(snapshot: Snapshot, shared: Shared, balance: Balance, theirs: Theirs, total: int) -> dict[str, Any]:
    shown: dict[str, list[dict[str, Any]]] = {kind: [] for kind in KINDS}
    counts = dict.fromkeys(KINDS, 0)
    opposite = 0
    listed = theirs.listed
    if listed is not None:
        amounts = {reference: theirs.amount(line) for reference, line in listed.first.items()}
        for found in differences(snapshot, shared.customer, balance, amounts):
            kind, entry = entry_view(found)
            counts[kind] += 1
            opposite += found.delta is not None and found.theirs == -found.delta.delta
            line = listed.first.get(found.reference or "") if kind != "missingInTheirs" else None
            if len(shown[kind]) < MAX_SHOWN:
                shown[kind].append(entry | ({"line": line.number} if line else {}))
    again = listed.again if listed else []
    repeated = [
        {"referenceId": line.reference, "delta": showing.number(theirs.amount(line)), "line": line.number}
        for line in again[:MAX_SHOWN]
    ]
    reply = shown | {f"{kind}Count": count for kind, count in counts.items()}
    reply |= {"repeated": repeated, "repeatedCount": len(again), "oppositeSigns": opposite}
    if listed is not None:
        match = total == balance.net and not again and not any(counts.values())
        reply |= {"theirCount": len(listed.first) + len(again), "match": match}
    return reply
