"""The public log, read and recomputed as a stranger would: C2SP tlog-checkpoint and tlog-tiles."""

from __future__ import annotations

from dataclasses import dataclass

from pacspace_proofs.note import LogCheckpoint, parse_log_checkpoint, parse_verifier_key, signed_by
from pacspace_proofs.tree import leaf_hash, node_hash, root_of_leaves, verify_consistency

from .server import Client

WIDTH = 256


@dataclass
class PublishedLog:
    """A signed checkpoint and every entry below it."""

    checkpoint: LogCheckpoint
    entries: list[bytes]

    @property
    def hashes(self) -> list[bytes]:
        return [leaf_hash(entry) for entry in self.entries]


def tile_path(level: str, index: int, width: int) -> str:
    """tile/<level>/<index in groups of three digits>[.p/<width>]."""
    groups = [f"{index % 1000:03d}"]
    while index := index // 1000:
        groups.insert(0, f"x{index % 1000:03d}")
    return f"tile/{level}/{'/'.join(groups)}" + (f".p/{width}" if width < WIDTH else "")


def fetch(client: Client, origin: str, path: str) -> bytes:
    reply = client.get(f"/log/{origin.rpartition('/')[2]}/{path}")
    assert reply.status == 200, (path, reply.status, reply.body[:300])
    return reply.body


def signed_checkpoint(client: Client, origin: str) -> LogCheckpoint:
    """The published log checkpoint, signed by the log's key."""
    key = parse_verifier_key(fetch(client, origin, "key").decode().strip())
    checkpoint = parse_log_checkpoint(fetch(client, origin, "checkpoint").decode())
    assert checkpoint.origin == key.name == origin and signed_by(key, checkpoint)
    return checkpoint


def read_log(client: Client, origin: str) -> PublishedLog:
    """Every entry, checked against the signed root."""
    checkpoint = signed_checkpoint(client, origin)
    entries: list[bytes] = []
    for index in range(-(-checkpoint.size // WIDTH)):
        width = min(WIDTH, checkpoint.size - index * WIDTH)
        data = fetch(client, origin, tile_path("entries", index, width))
        found = []
        while data:
            length = int.from_bytes(data[:2], "big")
            assert len(data) >= 2 + length
            found.append(data[2 : 2 + length])
            data = data[2 + length :]
        assert len(found) == width
        entries += found
    log = PublishedLog(checkpoint, entries)
    assert len(entries) == checkpoint.size and root_of_leaves(log.hashes) == checkpoint.root
    return log


def check_tiles(client: Client, origin: str, log: PublishedLog) -> int:
    """Every hash tile against the entries; how many tiles there were."""
    level, hashes, tiles = 0, log.hashes, 0
    while hashes:
        for index in range(-(-len(hashes) // WIDTH)):
            expected = hashes[index * WIDTH : (index + 1) * WIDTH]
            assert fetch(client, origin, tile_path(str(level), index, len(expected))) == b"".join(expected)
            tiles += 1
        above = []
        for start in range(0, len(hashes) - len(hashes) % WIDTH, WIDTH):
            nodes = hashes[start : start + WIDTH]
            while len(nodes) > 1:
                nodes = [node_hash(a, b) for a, b in zip(nodes[::2], nodes[1::2], strict=True)]
            above += nodes
        level, hashes = level + 1, above
    return tiles


def consistency_path(hashes: list[bytes], old: int) -> list[bytes]:
    """RFC 9162 section 2.1.4.1: the consistency proof from the first `old` leaves to all of them."""

    def sub(first: int, leaves: list[bytes], whole: bool) -> list[bytes]:
        if first == len(leaves):
            return [] if whole else [root_of_leaves(leaves)]
        split = 1 << (len(leaves) - 1).bit_length() - 1
        if first <= split:
            return [*sub(first, leaves[:split], whole), root_of_leaves(leaves[split:])]
        return [*sub(first - split, leaves[split:], False), root_of_leaves(leaves[:split])]

    return sub(old, hashes, True) if 0 < old < len(hashes) else []


def assert_extends(old: LogCheckpoint, new: PublishedLog) -> None:
    """The newer log begins with the older one, entry by entry and by a consistency proof."""
    assert new.checkpoint.size >= old.size, "the log shrank"
    hashes = new.hashes
    assert root_of_leaves(hashes[: old.size]) == old.root, "the log forked"
    if old.size:
        path = consistency_path(hashes, old.size)
        assert verify_consistency(old.size, new.checkpoint.size, old.root, new.checkpoint.root, path)
