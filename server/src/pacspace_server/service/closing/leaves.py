"""The deltas of a checkpoint, for streaming."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from ...storage.model.protocols import Damaged, Snapshot, Storage, Vanished
from ...storage.model.records import Checkpoint, Delta, PeriodHead

LEAVES = 500


class Leaves:
    """Reads deltas in pages, so that a slow reader does not keep a snapshot open.

    Leaves never change, so later snapshots show the same ones. Raises Vanished if the sandbox was emptied.
    """

    def __init__(self, storage: Storage, is_there: Callable[[Snapshot], bool]) -> None:
        self._storage, self._is_there = storage, is_there

    @contextmanager
    def snapshot(self) -> Iterator[Snapshot]:
        with self._storage.snapshot() as snapshot:
            if not self._is_there(snapshot):
                raise Vanished("the sandbox was emptied meanwhile")
            yield snapshot

    def deltas(self, head: PeriodHead, end: int) -> Iterator[Delta]:
        for first in range(1, end, LEAVES):
            with self.snapshot() as snapshot:
                read = list(snapshot.deltas_in_period(head, first, min(end, first + LEAVES)))
            yield from read

    def lines(self, checkpoint: Checkpoint, heads: list[PeriodHead]) -> Iterator[Delta]:
        """The deltas of a checkpoint as issued."""
        for head, part in zip(heads, checkpoint.parts, strict=True):
            yield from lines_of(checkpoint, self.deltas(head, min(part.size, head.delta_count + 1)))


def is_stored(checkpoint: Checkpoint) -> Callable[[Snapshot], bool]:
    """Whether the checkpoint still exists."""
    return lambda snapshot: snapshot.checkpoint(checkpoint.checkpoint_id) is not None


def heads_of(snapshot: Snapshot, checkpoint: Checkpoint) -> list[PeriodHead]:
    """The months of a checkpoint."""
    customer = snapshot.customer_at(checkpoint.customer)
    heads = [head for part in checkpoint.parts if (head := snapshot.head(customer, part.period))]
    if snapshot.checks and len(heads) < len(checkpoint.parts):
        raise Damaged("month", f"of checkpoint {checkpoint.checkpoint_id} is missing")
    return heads


def lines_of(checkpoint: Checkpoint, deltas: Iterable[Delta]) -> Iterator[Delta]:
    """The deltas of a month that the checkpoint covers: for a window, those posted inside it."""
    for delta in deltas:
        if checkpoint.start is None or checkpoint.start <= delta.posted_at < (checkpoint.end or 0):
            yield delta
