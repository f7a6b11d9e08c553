"""Rows that are read are compared with what was written: a row that differs is never shown, hashed or added to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from pacspace_proofs.record import context_hash
from pacspace_proofs.tree import leaf_hash

from ..model import sealing
from ..model.leaf_bytes import delta_leaf
from ..model.people import Workspace
from ..model.protocols import Damaged, Sealed
from ..model.records import Checkpoint, Customer, DayTotal, Delta, Environment, Log, PeriodHead, Profile, ReplacedTree
from ..model.sharing import Link

Row = TypeVar("Row")
SealedRow = TypeVar("SealedRow", bound=Sealed)
# What a row is called, and the seal over it.
_ROWS: dict[type, tuple[str, Callable[[bytes, Any], bytes]]] = {
    Customer: ("customer", sealing.customer_seal),
    PeriodHead: ("month", sealing.integration_seal),
    DayTotal: ("day total", sealing.day_seal),
    Delta: ("delta", sealing.delta_seal),
    Checkpoint: ("checkpoint", sealing.checkpoint_seal),
    ReplacedTree: ("replaced tree", sealing.tree_seal),
    Log: ("log", sealing.log_seal),
    Environment: ("environment", sealing.environment_seal),
    Workspace: ("workspace", sealing.workspace_seal),
    Profile: ("profile", sealing.profile_seal),
    Link: ("link", sealing.link_seal),
}


class Checking:
    """How a snapshot and a unit read rows.

    `checks` False reads them as they are: for fsck and verification, which report what differs, and for the log, which
    hashes deltas again itself.
    """

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

    def _sound(self, row: SealedRow) -> SealedRow:
        """The row; raises Damaged if it does not match its seal."""
        if self.checks:
            self._check(row)
        return row

    def _sound_delta(self, delta: Delta, customer_id: str) -> Delta:
        """The delta; raises Damaged if it does not match its seal, its leaf hash or its context hash."""
        if self.checks:
            self._check_delta(delta, customer_id)
        return delta

    def is_sound(self, row: Sealed) -> bool:
        """Whether a row matches its seal, whatever `checks` says."""
        return self._passes(self._check, row)

    def is_sound_delta(self, delta: Delta, customer_id: str) -> bool:
        """Whether a delta matches its seal and hashes, whatever `checks` says."""
        return self._passes(self._check_delta, delta, customer_id)

    def _passes(self, check: Callable[..., None], *row: object) -> bool:
        try:
            check(*row)
        except Damaged:
            return False
        return True

    def _check(self, row: Sealed) -> None:
        kind, seal = _ROWS[type(row)]
        if isinstance(row, PeriodHead):
            _compare(kind, row, row.state_seal, sealing.head_seal(self.secret, row))
            if not (row.seal or row.integrated_size or row.previous_size or row.entry_index is not None):
                return  # not in the log yet
        _compare(kind, row, row.seal, seal(self.secret, row))

    def _check_delta(self, delta: Delta, customer_id: str) -> None:
        self._check(delta)
        _compare("delta", delta, delta.leaf_hash, leaf_hash(delta_leaf(customer_id, delta)))
        if delta.context is not None or delta.salt is not None:
            _compare("delta", delta, delta.context_hash, context_hash(delta.salt or b"", delta.context or b""))

    def _check_seal(self, kind: str, name: str, stored: bytes | None, expected: bytes) -> None:
        """The same for a row that is read for some of its columns only."""
        if self.checks:
            _compare(kind, name, stored, expected)


def _compare(kind: str, row: object, stored: bytes | None, expected: bytes) -> None:
    """A row without a seal is of an earlier version."""
    if stored is not None and stored != expected:
        raise Damaged(kind, row if isinstance(row, str) else _name(row))


def _name(row: Any) -> str:
    """What an operator finds the row by."""
    for column in ("record_id", "checkpoint_id", "customer_id", "origin", "id", "customer"):
        if (value := getattr(row, column, None)) is not None:
            return f"{value.hex() if isinstance(value, bytes) else value} {getattr(row, 'period', '')}".strip()
    return ""
