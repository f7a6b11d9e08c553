"""Tree functions against the definitions of RFC 6962, exhaustively for small trees."""

from __future__ import annotations

import pytest
from proofs.vectors import maker

from pacspace_proofs import tree

LARGEST = 70
DATA = [f"leaf {index}".encode() for index in range(LARGEST)]
LEAVES = [tree.leaf_hash(data) for data in DATA]
ROOTS = [maker.root(DATA[:size]) for size in range(LARGEST + 1)]


def flips(path: list[bytes]) -> list[list[bytes]]:
    """The path with one bit of one node flipped, for each node."""
    flip = [bytes([node[0] ^ 1]) + node[1:] for node in path]
    return [[*path[:i], flip[i], *path[i + 1 :]] for i in range(len(path))]


def test_roots() -> None:
    """Root hashes are those of the recursive definition, whichever way they are computed."""
    assert [tree.root_of_leaves(LEAVES[:size]) for size in range(LARGEST + 1)] == ROOTS
    assert tree.prefix_roots(LEAVES, set(range(1, LARGEST + 1))) == dict(enumerate(ROOTS[1:], 1))
    assert tree.prefix_roots(LEAVES, {0, LARGEST + 1}) == {}


def test_push_returns_the_siblings_of_the_new_leaf() -> None:
    """What the new leaf was merged with is its path in the tree of complete subtrees that it closes."""
    peaks: list[bytes] = []
    for size, leaf in enumerate(LEAVES):
        merged = tree.push(peaks, size, leaf)
        width = 1 << len(merged)
        assert merged == maker.path(width - 1, DATA[size + 1 - width : size + 1])
        assert tree.root_of_peaks(peaks) == ROOTS[size + 1]


@pytest.mark.parametrize("size", range(1, LARGEST + 1))
def test_inclusion(size: int) -> None:
    """Every leaf's path leads to the root; a flipped bit, a missing, doubled or extra node, another place never does."""
    for index in range(size):
        path = maker.path(index, DATA[:size])
        assert tree.root_from_inclusion(LEAVES[index], index, size, path) == ROOTS[size]
        wrong = [*flips(path), path[1:], path[:-1], [*path, ROOTS[size]]] if path else [[ROOTS[size]]]
        for other in wrong:
            assert tree.root_from_inclusion(LEAVES[index], index, size, other) != ROOTS[size]
        for place in {index - 1, index + 1, size, -1, index + size} - {index}:
            assert tree.root_from_inclusion(LEAVES[index], place, size, path) != ROOTS[size]


@pytest.mark.parametrize("new", range(1, LARGEST + 1))
def test_consistency(new: int) -> None:
    """Every older tree is consistent with the newer one; a flipped bit, a missing or extra node, another root never is."""
    for old in range(1, new + 1):
        path = maker.consistency(old, DATA[:new])
        assert tree.verify_consistency(old, new, ROOTS[old], ROOTS[new], path)
        wrong = [*flips(path), path[1:], path[:-1]] if path else []
        for other in [*wrong, [*path, ROOTS[new]]]:
            assert not tree.verify_consistency(old, new, ROOTS[old], ROOTS[new], other)
        assert not tree.verify_consistency(old, new, ROOTS[old - 1], ROOTS[new], path)
        assert not tree.verify_consistency(old, new, ROOTS[old], ROOTS[new - 1], path)
        assert old == new or not tree.verify_consistency(new, old, ROOTS[new], ROOTS[old], path)
    assert not tree.verify_consistency(0, new, ROOTS[0], ROOTS[new], [])
