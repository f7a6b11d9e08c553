"""Rows that are read are compared with what was written: a row that differs is never shown, hashed or added to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from pacspace_proofs.record import context_hash
from pacspace_proofs.tree import leaf_hash

from ..model import sealing
from ..model.leaf_bytes import delta_leaf
from ..model.people import Workspace
from ..model.protocols import Damaged
from ..model.records import Checkpoint, Customer, DayTotal, Delta, Environment, Log, PeriodHead, Profile, ReplacedTree
from ..model.sharing import Link

Row = TypeVar("Row")
_SEALS: dict[type, Callable[[bytes, Any], bytes]] = {
    Customer: sealing.customer_seal,
    DayTotal: sealing.day_seal,
    Checkpoint: sealing.checkpoint_seal,
    ReplacedTree: sealing.tree_seal,
    Log: sealing.log_seal,
    Environment: sealing.environment_seal,
    Workspace: sealing.workspace_seal,
    Profile: sealing.profile_seal,
    Link: sealing.link_seal,
}


_KINDS: dict[type, str] = {
    Customer: "customer",
    PeriodHead: "month",
    DayTotal: "day total",
    Delta: "delta",
    Checkpoint: "checkpoint",
    ReplacedTree: "replaced tree",
    Log: "log",
    Environment: "environment",
    Workspace: "workspace",
    Profile: "profile",
    Link: "link",
}


class Checking:
    """What a snapshot and a unit read. `checks` False: rows as they are, for those who say what differs, and for the
    log, which hashes rows again itself."""

    secret: bytes
    checks = True

    def _read(self, kind: str, decode: Callable[[Any], Row], columns: Any) -> Row:
        """A row as a record; raises Damaged for values that no row of this kind has."""
        try:
            return decode(columns)
        except (ValueError, TypeError, LookupError, AssertionError, AttributeError) as error:
            raise Damaged(kind, f"that can't be read ({error})") from error

    def _complete(
        self, deltas: Iterable[Delta], place: Callable[[Delta], int], first: int, end: int
    ) -> Iterator[Delta]:
        """The deltas of the places from first to before end, one each; raises Damaged where one is missing."""
        expected = first
        for delta in deltas:
            if self.checks and place(delta) != expected:
                raise Damaged("delta", f"number {expected} before {delta.record_id}")
            expected += 1
            yield delta
        if self.checks and expected < end:
            raise Damaged("delta", f"number {expected}")

    def _there(self, delta: Delta | None, number: int, last: int) -> Delta | None:
        """A delta that was looked up by its number; raises Damaged if it was recorded and is missing."""
        if delta is None and self.checks and 1 <= number <= last:
            raise Damaged("delta", f"number {number} is missing")
        return delta

    def _sound(self, row: Row) -> Row:
        """The row; raises Damaged if it does not match its seal."""
        if self.checks:
            self._compare(row, row.seal, _SEALS[type(row)](self.secret, row))  # type: ignore[attr-defined]
        return row

    def is_sound(self, row: Any) -> bool:
        """Whether a row matches its seal, whatever `checks` says."""
        try:
            if isinstance(row, PeriodHead):
                self._compare_head(row)
            else:
                self._compare(row, row.seal, _SEALS[type(row)](self.secret, row))
        except Damaged:
            return False
        return True

    def is_sound_delta(self, delta: Delta, customer_id: str) -> bool:
        """Whether a delta matches its leaf hash, its context hash and its seal, whatever `checks` says."""
        try:
            self._compare_delta(delta, customer_id)
        except Damaged:
            return False
        return True

    def _sound_head(self, head: PeriodHead) -> PeriodHead:
        if self.checks:
            self._compare_head(head)
        return head

    def _compare_head(self, head: PeriodHead) -> None:
        is_integrated = head.integrated_size or head.previous_size or head.entry_index is not None
        if is_integrated or head.seal:
            self._compare(head, head.seal, sealing.integration_seal(self.secret, head))
        self._compare(head, head.state_seal, sealing.head_seal(self.secret, head))

    def _sound_delta(self, delta: Delta, customer_id: str) -> Delta:
        if self.checks:
            self._compare_delta(delta, customer_id)
        return delta

    def _compare_delta(self, delta: Delta, customer_id: str) -> None:
        self._compare(delta, delta.seal, sealing.delta_seal(self.secret, delta))
        self._compare(delta, delta.leaf_hash, leaf_hash(delta_leaf(customer_id, delta)))
        if delta.context is not None or delta.salt is not None:
            self._compare(delta, delta.context_hash, context_hash(delta.salt or b"", delta.context or b""))

    def _compare(self, row: Any, stored: bytes | None, expected: bytes) -> None:
        """A row without a seal is of an earlier version."""
        if stored is not None and stored != expected:
            raise Damaged(*((row,) if isinstance(row, str) else (_KINDS[type(row)], _name(row))))


def _name(row: Any) -> str:
    """What an operator finds the row by."""
    for column in ("record_id", "checkpoint_id", "customer_id", "origin", "id", "customer"):
        if (value := getattr(row, column, None)) is not None:
            return f"{value.hex() if isinstance(value, bytes) else value} {getattr(row, 'period', '')}".strip()
    return ""
