"""The log: what is signed extends what was signed before, whatever happens to the database."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from testkit.inside.book import SANDBOX, Book
from testkit.inside.engines import BOTH

from pacspace_proofs.note import parse_log_checkpoint, signed_by
from pacspace_proofs.tree import leaf_hash, root_from_inclusion, root_of_leaves
from pacspace_server.log import logtree
from pacspace_server.log.integrator import _append_closed
from pacspace_server.log.signer import Signer, SigningRefused
from pacspace_server.service.proving.fsck import fsck

ORIGIN = "pacspace.log/sandbox/" + "0" * 32


def roots(size: int) -> bytes:
    return root_of_leaves([leaf_hash(b"%d" % i) for i in range(size)])


def test_the_signer_goes_forward_only(tmp_path: Path) -> None:
    """A smaller size, another past and an older fencing number are refused; the same state may be signed again."""
    signer = Signer(tmp_path)
    signer.create_key(ORIGIN)
    note = signer.sign(ORIGIN, 5, roots(5), 2, roots)
    assert signed_by(signer.verifier_key(ORIGIN), parse_log_checkpoint(note))
    assert signer.sign(ORIGIN, 5, roots(5), 2, roots) == note
    signer.sign(ORIGIN, 6, roots(6), 2, roots)
    with pytest.raises(SigningRefused, match="up to entry 6, but ends at entry 5"):
        signer.sign(ORIGIN, 5, roots(5), 2, roots)
    with pytest.raises(SigningRefused, match="root at 6"):
        signer.sign(ORIGIN, 7, roots(7), 2, lambda size: roots(size + 1))
    with pytest.raises(SigningRefused, match="newer process"):
        signer.sign(ORIGIN, 7, roots(7), 1, roots)


def test_keys_and_records_are_readable_by_their_owner_only(tmp_path: Path) -> None:
    """The signing key's file has mode 0600, and a key is never replaced."""
    signer = Signer(tmp_path / "signer")
    signer.create_key(ORIGIN)
    path = next((tmp_path / "signer").glob("*.key"))
    before = path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600
    signer.create_key(ORIGIN)
    assert path.read_text() == before


@BOTH
def test_an_older_copy_of_the_database_is_not_signed(story: Book, tmp_path: Path) -> None:
    """Under a newer last-signed record an older database is refused a signature, and says why."""
    story.close()
    old = tmp_path / "old"
    old.mkdir()
    copy = story.engine.copy(old)
    again = Book(story.folder, story.engine)
    again.emit("cust_b", -1_000_000_000)
    again.integrate()
    again.close()
    shutil.copytree(story.folder / "signer", old / "signer")
    restored = Book(old, copy)
    restored.emit("cust_b", -5_000_000_000)
    restored.integrate()
    (refusal,) = restored.integrator.refusals.values()
    assert "was signed" in refusal
    assert "older than the last signature" in refusal
    with restored.storage.snapshot() as snapshot:
        log = snapshot.log(snapshot.environment(SANDBOX).log_id)
        assert log.published_size < log.size
    assert any("last-signed record" in problem for problem in fsck(restored.storage, restored.signer).problems)
    restored.close()
    story.integrator = again.integrator
    story.storage = again.storage = story.engine.open()


@BOTH
def test_a_run_cut_short_is_finished_by_the_next(story: Book) -> None:
    """Entries that were fixed but not signed are signed as they are by the next run, before anything new."""
    story.emit("cust_a", -1_000_000_000)
    prepared = story.integrator._prepare(SANDBOX, lambda: None)
    assert prepared is not None
    from pacspace_server.log.integrator import _fix_entries

    run = story.storage.write(lambda unit: _fix_entries(unit, prepared))
    assert run is not None
    with story.storage.snapshot() as snapshot:
        fixed = snapshot.log(run.log.id)
        assert fixed.size == fixed.published_size + 1
        root = logtree.root_at(snapshot, fixed.id, fixed.size)
    story.emit("cust_a", -2_000_000_000)
    story.integrate()
    with story.storage.snapshot() as snapshot:
        assert logtree.root_at(snapshot, fixed.id, fixed.size) == root
        log = snapshot.log(fixed.id)
        assert log.size == log.published_size > fixed.size
    assert fsck(story.storage, story.signer).problems == []


@BOTH
def test_a_slot_is_closed_once(story: Book) -> None:
    """Appending the same closed entry again adds nothing: the head keeps its first entry."""
    with story.storage.snapshot() as snapshot:
        customer = snapshot.customer(SANDBOX, story.shard("cust_a"))
        assert customer is not None
        head = snapshot.head(customer, "2026-01")
        assert head is not None
        log = snapshot.log(1)
        (row,) = snapshot.log_entries(1, head.entry_index or 0, (head.entry_index or 0) + 1)
    slot = bytes.fromhex(row.entry.decode().split('"slot":"')[1][:64])
    story.write(lambda unit: _append_closed(unit, log, [(slot, row.entry, head)]))
    with story.storage.snapshot() as snapshot:
        assert snapshot.log(1).size == log.size
    assert fsck(story.storage, story.signer).problems == []


@BOTH
def test_a_damaged_month_stays_out_of_the_log_until_fsck_is_clean(story: Book) -> None:
    """A row that does not match its hash never reaches the log; its month continues once fsck is clean again."""
    recorded = story.emit("cust_a", -4_000_000_000).delta
    set_total, engine = "UPDATE delta SET delta = ? WHERE leaf_hash = ?", story.engine
    engine.sql(set_total, (engine.amount(-4_000_000_001), recorded.leaf_hash))
    story.integrate()
    with story.storage.snapshot() as snapshot:
        customer = snapshot.customer(SANDBOX, story.shard("cust_a"))
        assert customer is not None
        head = snapshot.head(customer, "2026-03")
        assert head is not None
        assert head.damaged
        assert head.integrated_size == head.size - 1
    assert any("running total" in problem for problem in fsck(story.storage, story.signer).problems)
    engine.sql(set_total, (engine.amount(-4_000_000_000), recorded.leaf_hash))
    assert fsck(story.storage, story.signer).problems == []
    story.integrate()
    with story.storage.snapshot() as snapshot:
        head = snapshot.head(customer, "2026-03")
        assert head is not None
        assert head.integrated_size == head.size


@BOTH
def test_log_paths_and_nodes_hold_across_tiles(book: Book) -> None:
    """Over more than one tile, every entry's path leads to the log's root, at full and at partial sizes."""
    size = 256 * 3 + 17

    def fill(unit: object) -> None:
        log = unit.log(1)  # type: ignore[attr-defined]
        for first in range(0, size, 100):
            entries = [b"entry %d" % i for i in range(first, min(first + 100, size))]
            logtree.append(unit, log, entries, [None] * len(entries))  # type: ignore[arg-type]

    book.storage.write(fill)
    leaves = [leaf_hash(b"entry %d" % i) for i in range(size)]
    with book.storage.snapshot() as snapshot:
        for at in (1, 2, 255, 256, 257, 600, 768, size):
            root = logtree.root_at(snapshot, 1, at)
            assert root == root_of_leaves(leaves[:at])
            for index in {0, at // 2, at - 1, min(at - 1, 256)}:
                path = logtree.path_of(snapshot, 1, index, at)
                assert root_from_inclusion(leaves[index], index, at, path) == root
