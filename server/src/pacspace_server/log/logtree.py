"""The log's tree over its stored entries: nodes as entries arrive, roots, paths, and C2SP tiles."""

from __future__ import annotations

from pacspace_proofs.tree import leaf_hash, root_of_leaves

from ..domain.tree import Subtree, inclusion_path, pack, range_hash, subtrees_of
from ..storage.model.protocols import Snapshot, Unit
from ..storage.model.records import Log, LogEntry

TILE = 256
TILE_BITS = 8


def append(unit: Unit, log: Log, entries: list[bytes], commitments: list[bytes | None]) -> list[int]:
    """Stores new entries and the nodes they complete. Returns the entries' indexes."""
    first = log.size
    rows = [
        LogEntry(first + i, entry, leaf_hash(entry), members)
        for i, (entry, members) in enumerate(zip(entries, commitments, strict=True))
    ]
    unit.add_log_entries(log, rows)
    level, start, end = 0, first, log.size
    while start // TILE < end // TILE:
        for index in range(start // TILE, end // TILE):
            unit.add_log_node(log.id, level + 1, index, root_of_leaves(_tile_hashes(unit, log.id, level, index, TILE)))
        level, start, end = level + 1, start // TILE, end // TILE
    return [row.index for row in rows]


def _tile_hashes(snapshot: Snapshot, log_id: int, level: int, index: int, width: int) -> list[bytes]:
    first = index * TILE
    if level == 0:
        return [entry.leaf_hash for entry in snapshot.log_entries(log_id, first, first + width)]
    return [node for _, node in sorted(snapshot.log_nodes(log_id, level, first, first + width).items())]


def subtrees(snapshot: Snapshot, log_id: int, size: int) -> Subtree:
    """Hashes of the log's complete subtrees, read in tiles."""
    tiles: dict[tuple[int, int], Subtree] = {}

    def subtree(level: int, index: int) -> bytes:
        tile_level, inner = divmod(level, TILE_BITS)
        tile_index = (index << inner) >> TILE_BITS
        if (tile_level, tile_index) not in tiles:
            width = min(TILE, (size >> (tile_level * TILE_BITS)) - tile_index * TILE)
            tiles[tile_level, tile_index] = subtrees_of(_tile_hashes(snapshot, log_id, tile_level, tile_index, width))
        return tiles[tile_level, tile_index](inner, index - (tile_index << (TILE_BITS - inner)))

    return subtree


def root_at(snapshot: Snapshot, log_id: int, size: int) -> bytes:
    """The root over the first `size` entries, from stored hashes."""
    return range_hash(0, size, subtrees(snapshot, log_id, size)) if size else root_of_leaves([])


def path_of(snapshot: Snapshot, log_id: int, index: int, size: int) -> list[bytes]:
    """The inclusion proof of an entry in the log of `size` entries."""
    return inclusion_path(index, size, subtrees(snapshot, log_id, size))


def tile(snapshot: Snapshot, log: Log, level: int, index: int, width: int) -> bytes | None:
    """A hash tile (C2SP tlog-tiles) of the published log, or None if there is none yet."""
    available = (log.published_size >> (level * TILE_BITS)) - index * TILE
    if width > available:
        return None
    return pack(_tile_hashes(snapshot, log.id, level, index, width))


def entries_tile(snapshot: Snapshot, log: Log, index: int, width: int) -> bytes | None:
    """An entry bundle: each entry after its length in two bytes, big-endian."""
    if width > log.published_size - index * TILE:
        return None
    rows = snapshot.log_entries(log.id, index * TILE, index * TILE + width)
    return b"".join(len(row.entry).to_bytes(2, "big") + row.entry for row in rows)
