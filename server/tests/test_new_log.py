"""Going on in a new log after a restore: what stays, what is made anew, and that all of it is still proven."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from testkit.inside.book import SANDBOX, Book
from testkit.inside.engines import BOTH
from testkit.inside.restored import Restored, customer_of, hand_out, months, went_on_with

from pacspace_proofs.canonical import parse_canonical
from pacspace_proofs.trust import parse_trust
from pacspace_proofs.verify import verify_receipts
from pacspace_server.log.signer import Signer, SigningRefused
from pacspace_server.log.standing import give_keys, refusal
from pacspace_server.service.base.restored import trust_file
from pacspace_server.service.proving import new_log
from pacspace_server.service.proving.fsck import fsck
from pacspace_server.service.proving.new_log import DamagedLog, renew
from pacspace_server.service.proving.verify import recompute
from pacspace_server.service.receipts.bundle import bundle
from pacspace_server.storage.model.protocols import Unit, UnusableDatabase
from pacspace_server.storage.model.records import Checkpoint, Customer
from pacspace_server.storage.sqlite import SqliteStorage, migrating, sole_process
from pacspace_server.storage.writing.recording import record_delta


@pytest.fixture
def restored(story: Book, tmp_path: Path) -> Iterator[Restored]:
    made = Restored(story, tmp_path / "restored")
    yield made
    made.book.close()


def locks(book: Book, name: str) -> list[Checkpoint]:
    with book.storage.snapshot() as snapshot:
        return [c for c in snapshot.checkpoints(SANDBOX, customer_of(book, name), None, None, 100, 0)[0] if c.locked]


def receipt(book: Book, checkpoint: Checkpoint) -> bytes:
    return b"".join(bundle(book.storage, checkpoint.checkpoint_id, "full"))


def trust_of(book: Book) -> str:
    with book.storage.snapshot() as snapshot:
        return trust_file(snapshot, snapshot.log(snapshot.environment(SANDBOX).log_id))


def origin_of(book: Book) -> str:
    with book.storage.snapshot() as snapshot:
        return snapshot.environment(SANDBOX).origin


def judged(files: list[bytes], trust: str) -> Any:
    return verify_receipts(files, parse_trust(trust), 0)


@BOTH
def test_a_log_that_can_t_go_on_says_so_and_takes_nothing_up(restored: Restored) -> None:
    """Under a newer last-signed record the log is refused before anything is put into it, with the command that helps."""
    book = restored.book
    with book.storage.snapshot() as snapshot:
        log = snapshot.log(snapshot.environment(SANDBOX).log_id)
        reason = refusal(snapshot, book.signer, log)
    assert reason is not None and "is behind" in reason and "pacspace new-log" in reason
    book.integrator.start()
    book.integrator.stop()
    assert list(book.integrator.refusals) == [SANDBOX]
    book.emit("cust_a", -1)
    book.integrate()
    with book.storage.snapshot() as snapshot:
        assert snapshot.log(log.id).size == log.size


@BOTH
def test_published_months_stay_and_the_others_go_on_in_the_new_log(restored: Restored) -> None:
    """Locked months that were published keep root, origin and proofs; open ones go on with the same deltas; fsck is clean."""
    book, old = restored.book, origin_of(restored.book)
    before, roots = months(book, "cust_a"), [lock.proof_root for lock in locks(book, "cust_a")]
    renewed = restored.renew()
    after = months(book, "cust_a")
    assert (renewed.months_kept, renewed.months_moved, renewed.locked_anew) == (2, 3, 0)
    assert [lock.proof_root for lock in locks(book, "cust_a")] == roots
    assert {head.period: head.origin for head in after.values()} == {
        "2026-01": old,
        "2026-02": old,
        "2026-03": renewed.origin,
    }
    opening, earlier = parse_canonical(after["2026-03"].opening), parse_canonical(before["2026-03"].opening)
    assert opening["restoredFrom"]["origin"] == old and opening["nonce"] != earlier["nonce"]  # type: ignore[index,call-overload]
    assert (opening["slotKey"], opening["openedAt"]) == (earlier["slotKey"], earlier["openedAt"])  # type: ignore[index,call-overload]
    assert (after["2026-03"].size, after["2026-03"].total) == (before["2026-03"].size, before["2026-03"].total)
    assert fsck(book.storage, book.signer).problems == []
    book.emit("cust_a", -3_000_000_000)
    book.lock("cust_a", "2026-03")
    book.emit("cust_new", -3_000_000_000)
    book.integrate()
    assert fsck(book.storage, book.signer).problems == []
    assert b'"restoredFrom"' in months(book, "cust_new")["2026-03"].opening
    with pytest.raises(SigningRefused, match="frozen"):
        book.signer.check(old, 10**6, lambda size: b"")


@BOTH
def test_receipts_from_before_and_after_verify_together(story: Book, tmp_path: Path) -> None:
    """Locked and provisional files from before the restore and locked ones from after it pass all checks together; one that
    lies beyond the backup is a declared loss."""
    state = hand_out(story, "cust_a", "2026-03")
    story.integrate()
    kept = [receipt(story, checkpoint) for checkpoint in [*locks(story, "cust_a"), state]]
    lost: list[bytes] = []

    def went_on(book: Book) -> None:
        went_on_with(book)
        lost.append(receipt(book, locks(book, "cust_a")[0]))

    restored = Restored(story, tmp_path / "restored", went_on)
    book = restored.book
    restored.renew()
    book.emit("cust_a", -3_000_000_000)
    book.lock("cust_a", "2026-03")
    book.integrate()
    files = [*kept, receipt(book, locks(book, "cust_a")[0])]
    report = judged(files, trust_of(book))
    assert [file.result for file in report.files] == ["locked-full", "locked-full", "provisional-full", "locked-full"]
    (verdict,) = report.sets
    assert not [check for check in verdict.checks if check.status == "failed"], verdict
    assert {check.number for check in verdict.checks if check.status == "ok"} >= {10, 11, 12, 13}
    loss = judged([*files, *lost], trust_of(book))
    failed = [check.detail for check in loss.sets[0].checks if check.status == "failed"]
    assert failed and all(detail.startswith("LOST_IN_RESTORE") for detail in failed), loss
    book.close()


@BOTH
def test_a_lock_that_was_not_published_is_made_anew(book: Book, tmp_path: Path) -> None:
    """Months that were locked but not in the published log get the same closing leaf under a new root, and so do the locked
    months after them; the old roots lead to the new ones, and interim roots are still recomputed."""
    book.at("2026-01-10T10:00:00Z")
    for _ in range(3):
        book.emit("cust", -1_000_000_000)
    first = hand_out(book, "cust", "2026-01")
    book.integrate()
    book.at("2026-02-10T10:00:00Z")
    book.emit("cust", -1_000_000_000)
    book.at("2026-03-10T10:00:00Z")
    book.lock("cust", "2026-01")
    book.lock("cust", "2026-02")
    whole = hand_out(book, "cust", "2026-02")  # of a locked month, as a window hands it out
    old = {lock.period: lock for lock in locks(book, "cust")}
    restored = Restored(book, tmp_path / "restored", lambda went: (went.emit("other", -1), went.integrate()))
    again = restored.book
    renewed = restored.renew()
    assert (renewed.months_kept, renewed.months_moved, renewed.locked_anew) == (0, 2, 2)
    new = {lock.period: lock for lock in locks(again, "cust")}
    context: Any = SimpleNamespace(storage=again.storage, signer=again.signer)
    for period in ("2026-01", "2026-02"):
        assert new[period].checkpoint_id == old[period].checkpoint_id
        assert new[period].proof_root != old[period].proof_root
        with again.storage.snapshot() as snapshot:
            found = snapshot.checkpoint_by_root(old[period].proof_root)
        assert found == new[period]
    closing = parse_canonical(months(again, "cust")["2026-02"].closing)
    assert closing["previousRoot"] == new["2026-01"].proof_root.hex()  # type: ignore[index,call-overload]
    assert customer_of(again, "cust").locked_root == new["2026-02"].proof_root
    assert fsck(again.storage, again.signer).problems == []
    again.integrate()
    assert fsck(again.storage, again.signer).problems == []
    for checkpoint in [*new.values(), first, whole]:
        steps = recompute(context, checkpoint, "both" if checkpoint.locked else "db")
        assert all(step.ok for step in steps), steps
    (step,) = [step for step in recompute(context, first, "chain") if not step.ok]
    assert "restored from a backup" in step.detail
    again.close()


@BOTH
def test_a_second_restore_goes_on_from_the_first(restored: Restored, tmp_path: Path) -> None:
    """The record goes on in a third log; months of all three are proven, and the trust file lists the three."""
    book = restored.book
    restored.renew()
    book.emit("cust_a", -3_000_000_000)
    book.lock("cust_a", "2026-03")
    book.emit("cust_a", -3_000_000_000)
    book.integrate()
    second = Restored(book, tmp_path / "second", lambda went: (went.emit("cust_a", -9), went.integrate()))
    third = second.book
    second.renew()
    assert fsck(third.storage, third.signer).problems == []
    third.at("2026-05-01T00:00:00Z")
    third.lock("cust_a", "2026-04")
    third.integrate()
    assert fsck(third.storage, third.signer).problems == []
    assert len({head.origin for head in months(third, "cust_a").values()}) == 3
    trust = trust_of(third)
    assert len(parse_trust(trust).keys) == 3
    report = judged([receipt(third, lock) for lock in locks(third, "cust_a")], trust)
    assert {file.result for file in report.files} == {"locked-full"}
    assert not [check for check in report.sets[0].checks if check.status == "failed"], report.sets
    third.close()


@BOTH
def test_the_signing_folder_lost(story: Book, tmp_path: Path) -> None:
    """Without the old key the record goes on as well; what was signed is not known, and the old key is in the database."""
    story.integrator.release()
    story.storage.close()
    old = tmp_path / "old"
    old.mkdir()
    book = Book(old, story.engine.copy(old))
    story.storage = story.engine.open()
    before = [receipt(book, lock) for lock in locks(book, "cust_a")]
    owner = book.engine.open_as_owner()
    with owner.snapshot() as snapshot:
        environment = snapshot.environment(SANDBOX)
        reason = refusal(snapshot, book.signer, snapshot.log(environment.log_id))
    assert reason is not None and "missing" in reason
    renewed = renew(owner, book.signer, environment)
    owner.close()
    assert renewed.signed_size is None
    book.emit("cust_a", -3_000_000_000)
    book.lock("cust_a", "2026-03")
    book.integrate()
    assert fsck(book.storage, book.signer).problems == []
    report = judged([*before, receipt(book, locks(book, "cust_a")[0])], trust_of(book))
    assert {file.result for file in report.files} == {"locked-full"}
    assert not [check for check in report.sets[0].checks if check.status == "failed"]
    book.close()


@BOTH
def test_a_damaged_log_is_nothing_to_go_on_from(restored: Restored) -> None:
    """When the old log's entries are not those that were signed, nothing is changed."""
    engine, before = restored.book.engine, origin_of(restored.book)
    engine.sql("UPDATE log_entry SET leaf_hash = ? WHERE entry_index = 0 AND log_id = 1", (bytes(32),))
    with pytest.raises(DamagedLog):
        restored.renew()
    assert origin_of(restored.book) == before


@BOTH
def test_a_crash_before_the_old_log_was_frozen(restored: Restored, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next start of a server freezes what the record has gone on from."""
    from pacspace_server.log.standing import give_keys

    book, old = restored.book, origin_of(restored.book)
    monkeypatch.setattr(book.signer, "freeze", lambda origin: None)
    restored.renew()
    monkeypatch.undo()
    assert not book.signer.is_frozen(old)
    give_keys(book.storage, book.signer)
    assert book.signer.is_frozen(old)


@pytest.mark.parametrize("engine", ["postgres"], indirect=True)
def test_only_the_owner_lets_a_record_go_on(restored: Restored) -> None:
    """The application's role, which may only add to the record, is told so, and nothing is changed or frozen."""
    book, old = restored.book, origin_of(restored.book)
    with book.storage.snapshot() as snapshot:
        environment = snapshot.environment(SANDBOX)
    with pytest.raises(UnusableDatabase, match="owner"):
        renew(book.storage, book.signer, environment)
    assert origin_of(book) == old and not book.signer.is_frozen(old)


@BOTH
def test_an_old_copy_of_the_signing_folder_signs_nothing(story: Book, tmp_path: Path) -> None:
    """A folder that knows of less than was published would sign a second story: it is refused until the folder is given up."""
    old = tmp_path / "old"
    shutil.copytree(story.folder / "signer", old)
    story.emit("cust_b", -1_000_000_000)
    story.integrate()
    signer = Signer(old)
    with story.storage.snapshot() as snapshot:
        log = snapshot.log(snapshot.environment(SANDBOX).log_id)
        assert refusal(snapshot, story.signer, log) is None
        assert "is an old copy" in (refusal(snapshot, signer, log) or "")
    for record in old.glob("*.signed"):
        record.unlink()
    with story.storage.snapshot() as snapshot:
        assert "is an old copy" in (refusal(snapshot, signer, log) or "")


@BOTH
def test_a_key_that_was_told_never_changes(book: Book, tmp_path: Path) -> None:
    """A server that is started once with another signing folder changes no verifier key, not even of a log that signed nothing."""
    give_keys(book.storage, book.signer)
    with book.storage.snapshot() as snapshot:
        before = [log.verifier_key for log in map(snapshot.log, (1, 2))]
    stray = Signer(tmp_path / "stray")
    give_keys(book.storage, stray)
    with book.storage.snapshot() as snapshot:
        logs = [snapshot.log(number) for number in (1, 2)]
        assert [log.verifier_key for log in logs] == before and None not in before
        for log in logs:
            assert refusal(snapshot, book.signer, log) is None
            assert "is missing in" in (refusal(snapshot, stray, log) or "")


def beside(monkeypatch: pytest.MonkeyPatch, customer_id: str, come: Callable[[], None], early: bool) -> None:
    """Lets something come just before or after a customer is moved, in the middle of the move of all."""
    real = new_log._Months.move

    def move(moved: Any, customer: Customer) -> None:
        mine = customer.customer_id == customer_id
        if mine and early:
            come()
        real(moved, customer)
        if mine and not early:
            come()

    monkeypatch.setattr(new_log._Months, "move", move)


@BOTH
def test_a_delta_that_comes_after_its_customer_was_moved_waits(
    story: Book, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a customer whose months all stay nothing else is touched; yet a delta waits, and its month opens in the new log."""
    story.emit("kept", -1_000_000_000)
    story.lock("kept", "2026-03")
    story.integrate()
    book = Restored(story, tmp_path / "restored").book
    late = threading.Thread(target=lambda: book.emit("kept", -3_000_000_000))

    def come() -> None:
        late.start()
        late.join(0.5)

    beside(monkeypatch, "kept", come, early=False)
    owner = book.engine.open_as_owner()
    with owner.snapshot() as snapshot:
        environment = snapshot.environment(SANDBOX)
    renew(owner, book.signer, environment)
    owner.close()
    late.join()
    book.integrate()
    assert fsck(book.storage, book.signer).problems == []
    with book.storage.snapshot() as snapshot:
        assert months(book, "kept")["2026-04"].origin == snapshot.environment(SANDBOX).origin
    book.close()


@pytest.mark.parametrize("engine", ["postgres"], indirect=True)
def test_a_customer_is_not_moved_while_its_delta_is_under_way(
    restored: Restored, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What another process is recording is waited for, and is part of what is moved."""
    book = restored.book
    inside, go = threading.Event(), threading.Event()
    command = book.command("cust_b", -3_000_000_000)

    def work(unit: Unit) -> None:
        record_delta(unit, command)
        inside.set()
        go.wait(30)

    under_way = threading.Thread(target=lambda: book.storage.write(work))

    def come() -> None:
        under_way.start()
        assert inside.wait(30)
        threading.Timer(0.3, go.set).start()

    beside(monkeypatch, "cust_b", come, early=True)
    restored.renew()
    under_way.join()
    book.integrate()
    assert fsck(book.storage, book.signer).problems == []


def test_a_newer_version_leaves_a_served_file_alone(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    """A command of a newer version does not change the schema under a running server; when that has ended, it does."""
    known = migrating.known_migrations()
    newer = book.folder / "9999_newer.sql"
    newer.write_text("CREATE TABLE newer (id INTEGER PRIMARY KEY);")
    monkeypatch.setattr(migrating, "known_migrations", lambda: [*known, newer])
    with sole_process(book.path), pytest.raises(UnusableDatabase, match="an earlier version serves"):
        SqliteStorage(book.path, create=False)
    SqliteStorage(book.path, create=False).close()
    assert book.engine.sql("SELECT count(*) FROM newer") == [(0,)]
