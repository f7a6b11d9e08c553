"""The sums of a receipt's lines: one pass over any number of lines, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import gcd

from ...domain.amounts import units
from ...storage.model.records import Delta
from ...views.receipts import Correction, CountAndTotal, LateLine, ReceiptLine, ReceiptSums
from ..base import showing

MAX_KEPT = MAX_REASONS = 1_000
ONE = units("1")


@dataclass
class Group:
    """The count of some lines, and their total in units of 10^-9."""

    count: int = 0
    total: int = 0

    def add(self, amount: int) -> None:
        self.count += 1
        self.total += amount


class Sums:
    """Debits, credits, subtotals by reason, and three groups, with each line in exactly one.

    A line that corrects an earlier one is a correction, even if it is late; other late lines are late; the rest are
    ordinary. `lines` has the first `most_lines`; `late` and `corrections` have at most 1,000 each.
    """

    def __init__(self, most_lines: int) -> None:
        self.debits, self.credits = Group(), Group()
        self.ordinary, self.late_lines, self.correcting = Group(), Group(), Group()
        self.lines: list[Delta] = []
        self.late: list[Delta] = []  # late corrections too
        self.corrections: list[Delta] = []
        self._most_lines, self._grain = most_lines, ONE
        self._by_reason: dict[str | None, Group] = {}
        self._others = Group()

    @classmethod
    def of(cls, deltas: Iterable[Delta], most_lines: int) -> Sums:
        sums = cls(most_lines)
        for delta in deltas:
            sums.add(delta)
        return sums

    def add(self, delta: Delta) -> None:
        amount, late = delta.delta, showing.is_late(delta)
        (self.debits if amount < 0 else self.credits).add(amount)
        self._of_reason(showing.context_fields(delta)["reason"]).add(amount)
        self._grain = gcd(self._grain, amount)
        corrects = delta.adjusts is not None
        (self.correcting if corrects else self.late_lines if late else self.ordinary).add(amount)
        for kept, belongs, most in (
            (self.lines, True, self._most_lines),
            (self.late, late, MAX_KEPT),
            (self.corrections, corrects, MAX_KEPT),
        ):
            if belongs and len(kept) < most:
                kept.append(delta)

    def _of_reason(self, reason: str | None) -> Group:
        known = reason in self._by_reason or len(self._by_reason) < MAX_REASONS
        return self._by_reason.setdefault(reason, Group()) if known else self._others

    @property
    def count(self) -> int:
        return self.debits.count + self.credits.count

    @property
    def total(self) -> int:
        return self.debits.total + self.credits.total

    @property
    def digits(self) -> int:
        """The fewest digits after the point that show every line exactly."""
        return next(digits for digits in range(10) if self._grain % 10 ** (9 - digits) == 0)

    def reasons(self) -> list[tuple[str | None, Group]]:
        """Subtotals in code point order of the reason; erased reasons form one group, the last."""
        return sorted(self._by_reason.items(), key=lambda group: (group[0] is None, group[0] or ""))

    @property
    def other_reasons(self) -> Group | None:
        """The lines whose reasons have no subtotal."""
        return self._others if self._others.count else None


def sums_view(sums: Sums) -> ReceiptSums:
    """The sums as receipts show them."""
    others = sums.other_reasons
    return {
        "debits": showing.number(sums.debits.total),
        "credits": showing.number(sums.credits.total),
        "subtotals": [{"reason": reason, **group_view(group)} for reason, group in sums.reasons()],
        "otherReasons": group_view(others) if others else None,
        "lateLines": [_late_line(delta) for delta in sums.late],
        "corrections": [_correction(delta) for delta in sums.corrections],
    }


def group_view(group: Group) -> CountAndTotal:
    return {"count": group.count, "total": showing.number(group.total)}


def happened(delta: Delta) -> int:
    """When it happened, as the vendor states."""
    return delta.recorded_at if delta.occurred_at is None else delta.occurred_at


def _line(delta: Delta) -> ReceiptLine:
    return {
        "recordId": delta.record_id,
        "delta": showing.number(delta.delta),
        "recordedAt": showing.instant(delta.recorded_at),
    }


def _late_line(delta: Delta) -> LateLine:
    occurred_at, posted_at = showing.instant(happened(delta)), showing.instant(delta.posted_at)
    return {**_line(delta), "occurredAt": occurred_at, "postedAt": posted_at}


def _correction(delta: Delta) -> Correction:
    assert delta.adjusts is not None
    return {**_line(delta), "adjusts": delta.adjusts}
