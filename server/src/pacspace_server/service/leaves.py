"""The deltas of a checkpoint for whoever streams them: read some at a time, so that a slow reader holds nothing open."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from ..storage.protocols import Snapshot, Storage, Vanished
from ..storage.records import Checkpoint, Delta, PeriodHead

LEAVES = 500


class Leaves:
    """Reads deltas, some at a time, so that a reader who stalls holds no snapshot open.

    Leaves never change, so a later snapshot shows the same ones; but a sandbox may have been emptied: Vanished.
    """

    def __init__(self, storage: Storage, checkpoint: Checkpoint) -> None:
        self._storage, self._checkpoint = storage, checkpoint

    @contextmanager
    def snapshot(self) -> Iterator[Snapshot]:
        with self._storage.snapshot() as snapshot:
            if snapshot.checkpoint(self._checkpoint.checkpoint_id) is None:
                raise Vanished("the sandbox was emptied meanwhile")
            yield snapshot

    def deltas(self, head: PeriodHead, end: int) -> Iterator[Delta]:
        for first in range(1, end, LEAVES):
            with self.snapshot() as snapshot:
                read = list(snapshot.deltas_in_period(head, first, min(end, first + LEAVES)))
            yield from read

    def lines(self, heads: list[PeriodHead]) -> Iterator[Delta]:
        """The deltas of the checkpoint as it was handed out."""
        for head, part in zip(heads, self._checkpoint.parts, strict=True):
            yield from lines_of(self._checkpoint, self.deltas(head, min(part.size, head.delta_count + 1)))


def heads_of(snapshot: Snapshot, checkpoint: Checkpoint) -> list[PeriodHead]:
    """The months of a checkpoint."""
    customer = snapshot.customer_at(checkpoint.customer)
    return [head for part in checkpoint.parts if (head := snapshot.head(customer, part.period))]


def lines_of(checkpoint: Checkpoint, deltas: Iterable[Delta]) -> Iterator[Delta]:
    """Those of a month's deltas that the checkpoint is about: a window takes those that were posted inside it."""
    for delta in deltas:
        if checkpoint.start is None or checkpoint.start <= delta.posted_at < (checkpoint.end or 0):
            yield delta
