"""RFC 6962 Merkle trees with SHA-256: hashes, roots, and the verification of proofs (RFC 9162 section 2.1)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import sha256

MAX_PATH = 64


def leaf_hash(data: bytes) -> bytes:
    """RFC 9162 section 2.1.1: SHA-256(0x00, data)."""
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """RFC 9162 section 2.1.1: SHA-256(0x01, left, right)."""
    return sha256(b"\x01" + left + right).digest()


def push(peaks: list[bytes], size: int, leaf: bytes) -> list[bytes]:
    """Appends leaf number `size` to the complete subtrees `peaks`; returns the left siblings it was merged with."""
    merged = []
    while size & 1:
        merged.append(peaks.pop())
        leaf = node_hash(merged[-1], leaf)
        size >>= 1
    peaks.append(leaf)
    return merged


def root_of_peaks(peaks: Sequence[bytes]) -> bytes:
    """The root hash of the tree with the complete subtrees `peaks`, from left to right (at least one)."""
    root = peaks[-1]
    for left in reversed(peaks[:-1]):
        root = node_hash(left, root)
    return root


def prefix_roots(leaves: Iterable[bytes], sizes: set[int]) -> dict[int, bytes]:
    """The root hash over the first n leaf hashes, for each n >= 1 in `sizes` within `leaves`; one pass."""
    peaks: list[bytes] = []
    roots = {}
    for index, leaf in enumerate(leaves):
        push(peaks, index, leaf)
        if index + 1 in sizes:
            roots[index + 1] = root_of_peaks(peaks)
    return roots


def root_of_leaves(leaves: Sequence[bytes]) -> bytes:
    """The root hash over leaf hashes (RFC 9162 section 2.1.1); without leaves, SHA-256 of nothing."""
    return prefix_roots(leaves, {len(leaves)})[len(leaves)] if leaves else sha256(b"").digest()


def root_from_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes | None:
    """The root that an inclusion proof gives; None if the path has the wrong length (RFC 9162 section 2.1.3.2)."""
    if not 0 <= index < size:
        return None
    node, last = index, size - 1
    for sibling in path:
        if last == 0:
            return None
        if node & 1 or node == last:
            leaf = node_hash(sibling, leaf)
            while node and not node & 1:
                node, last = node >> 1, last >> 1
        else:
            leaf = node_hash(leaf, sibling)
        node, last = node >> 1, last >> 1
    return leaf if last == 0 else None


def verify_consistency(old_size: int, new_size: int, old_root: bytes, new_root: bytes, path: Sequence[bytes]) -> bool:
    """Whether the tree of new_size and new_root extends that of old_size and old_root (RFC 9162 section 2.1.4.2)."""
    if not 0 < old_size < new_size or not path:
        return 0 < old_size == new_size and not path and old_root == new_root
    # A complete old tree is its own first node, so the proof omits it.
    steps = list(path) if old_size & (old_size - 1) else [old_root, *path]
    node, last = old_size - 1, new_size - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    old = new = steps[0]
    for sibling in steps[1:]:
        if last == 0:
            return False
        if node & 1 or node == last:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
            while node and not node & 1:
                node, last = node >> 1, last >> 1
        else:
            new = node_hash(new, sibling)
        node, last = node >> 1, last >> 1
    return last == 0 and old == old_root and new == new_root
