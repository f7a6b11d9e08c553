"""fsck of the logs: entries, tree, closed slots and signatures, in one pass that keeps only the tree's edge."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from pacspace_proofs.canonical import parse_canonical
from pacspace_proofs.note import VerifierKey, parse_log_checkpoint, parse_verifier_key, signed_by
from pacspace_proofs.record import BATCH, CLOSED, KEY, RESTORED, check_structure
from pacspace_proofs.tree import leaf_hash, push, root_of_leaves, root_of_peaks

from ...domain.tree import unpack
from ...log.logtree import TILE
from ...log.signer import LastSigned, Signer, SigningRefused
from ...storage.model.protocols import Audit
from ...storage.model.records import Environment, Log, LogEntry
from ...storage.model.sealing import log_checkpoint_seal, log_seal
from .findings import Findings

ENTRY_CHUNK = 1024


def check_logs(
    audit: Audit, findings: Findings, environment: Environment, signer: Signer, signed: Mapping[str, LastSigned | None]
) -> None:
    """Checks all logs of an environment, frozen ones too, oldest first."""
    published: dict[str, tuple[int, str]] = {}
    for log in audit.logs(environment.id):
        with findings.reading(f"log {log.origin}"):
            checker = LogChecker(audit, findings, log, log.id == environment.log_id)
            checker.restored(published)
            checker.run(signer, signed.get(log.origin))
            published[log.origin] = log.published_size, checker.published_root.hex()


class LogChecker:
    """One log. `in_use`: it is the current log of its environment."""

    def __init__(self, audit: Audit, findings: Findings, log: Log, in_use: bool) -> None:
        self.audit, self.findings, self.log, self.in_use = audit, findings, log, in_use
        self.where = f"log {log.origin}"
        self.published_root = root_of_leaves([])
        self._entries = self._nodes = self._slots = 0
        self._tiles: list[list[bytes]] = [[]]
        self._full: list[int] = [0]

    def restored(self, published: Mapping[str, tuple[int, str]]) -> None:
        """Checks what the log continues, against its first entry and the published state of the log before."""
        log, same = self.log, self.findings.same
        if log.seal is not None:
            same(f"{self.where}, seal", log_seal(self.audit.secret, log), log.seal)
        stated: Any = parse_canonical(log.restored_from.encode()) if log.restored_from is not None else None
        first = self.audit.log_entries(log.id, 0, 1)
        entry = check_structure(parse_canonical(first[0].entry), BATCH, CLOSED, KEY, RESTORED) if first else {}
        of_entry = None
        if entry.get("schema") == RESTORED:
            of_entry = entry["origin"], entry["backupSize"], entry["backupRoot"]
        of_row = (stated["origin"], stated["size"], stated["root"]) if stated else None
        same(f"{self.where}, restored from", of_row, of_entry)
        if stated:
            before = published.get(stated["origin"])
            same(f"{self.where}, published before the restore", before, (int(stated["size"]), stated["root"]))

    def run(self, signer: Signer, last: LastSigned | None) -> None:
        """Checks entries and log checkpoints in one pass, both in order of size."""
        log, same = self.log, self.findings.same
        key = self._key(signer)
        notes = self.audit.log_checkpoints(log.id)
        note = next(notes, None)
        newest = 0
        peaks: list[bytes] = []
        signed_root = self.published_root if last is not None and last.size == 0 else None
        for size, hashed in enumerate(self._leaves(), 1):
            push(peaks, size - 1, hashed)
            while note is not None and note[0] <= size:
                root = root_of_peaks(peaks) if note[0] == size else None
                self._checkpoint(note, root, key)
                newest, note = note[0], next(notes, None)
                if newest == log.published_size and root is not None:
                    self.published_root = root
            if last is not None and last.size == size:
                signed_root = root_of_peaks(peaks)
        while note is not None:
            self._checkpoint(note, None, key)
            newest, note = note[0], next(notes, None)
        same(f"{self.where}, size", self._entries, log.size)
        same(f"{self.where}, nodes and closed slots", (self._nodes, self._slots), self.audit.log_counts(log.id))
        same(f"{self.where}, published size", newest, log.published_size)
        # A frozen log may have been signed beyond the backup: that is why it is frozen.
        if last is not None and (self.in_use or last.size <= log.published_size):
            same(f"{self.where}, last-signed record at {last.size}", signed_root, last.root)

    def _key(self, signer: Signer) -> VerifierKey | None:
        """The log's public key, from the signer or the database; they must agree."""
        log = self.log
        stored = parse_verifier_key(log.verifier_key) if log.verifier_key is not None else None
        try:
            held = signer.verifier_key(log.origin)
        except SigningRefused as refused:
            if log.size and self.in_use:
                self.findings.add(self.where, str(refused))
            return stored
        if stored is not None:
            self.findings.same(f"{self.where}, verifier key", str(held), str(stored))
        return held

    def _checkpoint(
        self,
        row: tuple[int, bytes, str, int, int | None, bytes | None],
        recomputed: bytes | None,
        key: VerifierKey | None,
    ) -> None:
        size, root, note, at, previous, seal = row
        self.findings.log_checkpoints += 1
        place, same = f"{self.where}, checkpoint of size {size}", self.findings.same
        same(f"{place}, root", recomputed, root)
        if seal is not None:
            stated = self.log.id, size, root, note, at, previous
            same(f"{place}, seal", log_checkpoint_seal(self.audit.secret, *stated), seal)
        try:
            parsed = parse_log_checkpoint(note)
        except ValueError as error:
            self.findings.add(place, str(error))
            return
        same(f"{place}, as signed", (self.log.origin, size, root), (parsed.origin, parsed.size, parsed.root))
        if key is not None and not signed_by(key, parsed):
            self.findings.add(place, "the signature was not made by the log's key")

    def _leaves(self) -> Iterator[bytes]:
        """The recomputed leaf hashes of the log's entries; also checks nodes and closed slots."""
        rows = self.audit.all_log_entries(self.log.id)
        while chunk := list(islice(rows, ENTRY_CHUNK)):
            closed: dict[bytes, int] = {}
            for row in chunk:
                where = f"{self.where}, entry {row.index}"
                self.findings.same(f"{where}, index", self._entries, row.index)
                self._entries += 1
                self.findings.log_entries += 1
                hashed = leaf_hash(row.entry)
                self.findings.same(f"{where}, leaf hash", hashed, row.leaf_hash)
                try:
                    self._entry(where, row, closed)
                except ValueError as error:
                    self.findings.add(where, str(error))
                self._grow(0, hashed)
                yield hashed
            stored = self.audit.closed_entries(self.log.id, list(closed))
            self.findings.same(f"{self.where}, closed slots from entry {chunk[0].index} on", closed, stored)
            self._slots += len(closed)

    def _entry(self, where: str, row: LogEntry, closed: dict[bytes, int]) -> None:
        entry = check_structure(parse_canonical(row.entry), BATCH, CLOSED, KEY, RESTORED)
        if entry["schema"] == BATCH:
            members = unpack(row.commitments or b"")
            if members != sorted(members):
                self.findings.add(where, "the commitments of the log batch are not in ascending order")
            root = root_of_leaves([leaf_hash(member) for member in members])
            self.findings.same(f"{where}, batch root", root.hex(), entry["root"])
        elif row.commitments is not None:
            self.findings.add(where, "the entry has commitments, but is not a log batch")
        if entry["schema"] == CLOSED:
            closed[bytes.fromhex(entry["slot"])] = row.index

    def _grow(self, level: int, hashed: bytes) -> None:
        """Adds a hash to its tile; a full tile makes a node of the level above."""
        if level == len(self._tiles):
            self._tiles.append([])
            self._full.append(0)
        tile = self._tiles[level]
        tile.append(hashed)
        if len(tile) == TILE:
            node, index = root_of_leaves(tile), self._full[level]
            stored = self.audit.log_nodes(self.log.id, level + 1, index, index + 1).get(index)
            self.findings.same(f"{self.where}, node {level + 1}/{index}", node, stored)
            self._full[level] += 1
            self._nodes += 1
            tile.clear()
            self._grow(level + 1, node)
