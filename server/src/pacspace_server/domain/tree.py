"""Builds trees and proofs (RFC 6962): the counterpart of `pacspace_proofs.tree`, which only verifies."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from pacspace_proofs.tree import node_hash, push, root_of_peaks

HASH_BYTES = 32
# Hash of the complete subtree `(level, index)`: leaves index * 2^level up to (index + 1) * 2^level.
Subtree = Callable[[int, int], bytes]


def pack(hashes: Sequence[bytes]) -> bytes:
    """Hashes as one blob."""
    return b"".join(hashes)


def unpack(blob: bytes) -> list[bytes]:
    """The hashes of a blob."""
    return [blob[i : i + HASH_BYTES] for i in range(0, len(blob), HASH_BYTES)]


@dataclass(slots=True)
class Frontier:
    """The right edge of a growing tree, and enough of its left edge to prove the first and the last leaf.

    `peaks` are the complete subtrees from left to right; `spine` the right siblings of the first leaf's ancestors;
    `merged` the left siblings that the last leaf was merged with. All three have O(log size) hashes.
    """

    size: int = 0
    peaks: list[bytes] = field(default_factory=list)
    spine: list[bytes] = field(default_factory=list)
    merged: list[bytes] = field(default_factory=list)

    def append(self, leaf: bytes) -> None:
        """Appends a leaf hash."""
        self.merged = push(self.peaks, self.size, leaf)
        self.size += 1
        if self.size & (self.size - 1) == 0 and self.size > 1:
            # The left edge grew a level: rebuild the right sibling, whose hash the push has merged.
            right = leaf
            for left in self.merged[:-1]:
                right = node_hash(left, right)
            self.spine.append(right)

    @property
    def root(self) -> bytes:
        return root_of_peaks(self.peaks)

    def first_path(self) -> list[bytes]:
        """The inclusion proof of leaf 0."""
        return [*self.spine, root_of_peaks(self.peaks[1:])] if len(self.peaks) > 1 else list(self.spine)

    def last_path(self) -> list[bytes]:
        """The inclusion proof of leaf size - 1."""
        return [*self.merged, *reversed(self.peaks[:-1])]


def range_hash(start: int, end: int, subtree: Subtree) -> bytes:
    """The hash of leaves start to end (exclusive), where start is aligned as RFC 6962 splits it."""
    parts = []
    while start < end:
        level = (end - start).bit_length() - 1
        if start:
            level = min(level, (start & -start).bit_length() - 1)
        parts.append(subtree(level, start >> level))
        start += 1 << level
    return root_of_peaks(parts)


def inclusion_path(index: int, size: int, subtree: Subtree) -> list[bytes]:
    """The inclusion proof of leaf `index` in a tree of `size` leaves (RFC 9162 section 2.1.3.1)."""
    path: list[bytes] = []
    start, end = 0, size
    while end - start > 1:
        split = start + (1 << ((end - start - 1).bit_length() - 1))
        if index < split:
            path.append(range_hash(split, end, subtree))
            end = split
        else:
            path.append(range_hash(start, split, subtree))
            start = split
    return path[::-1]


def subtrees_of(leaves: Sequence[bytes]) -> Subtree:
    """Subtree hashes over leaf hashes in memory, each computed at most once."""
    levels: list[list[bytes]] = [list(leaves)]
    while len(levels[-1]) > 1:
        below = levels[-1]
        levels.append([node_hash(below[i], below[i + 1]) for i in range(0, len(below) - 1, 2)])
    return lambda level, index: levels[level][index]
