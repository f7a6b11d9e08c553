"""The group commit: what is answered is on disk, and a failure hurts only the request it belongs to."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import apsw
import pytest
from testkit.inside.book import SANDBOX, Book
from testkit.inside.engines import BOTH

from pacspace_server.service.proving.fsck import fsck
from pacspace_server.storage.model.commands import LockPeriod, Outcome, Recorded, Refusal
from pacspace_server.storage.model.protocols import InDoubt, Storage, Unit
from pacspace_server.storage.sqlite import SqliteStorage
from pacspace_server.storage.writing.committer import MAX_WAITING, Committer, NotWritten, Overloaded
from pacspace_server.storage.writing.locking import lock_period


async def apply_all(storage: Storage, requests: Sequence[Sequence[Any]]) -> list[list[Outcome] | BaseException]:
    committer = Committer(storage)
    waiting = [committer.apply(commands) for commands in requests]
    answers = await asyncio.gather(*waiting, return_exceptions=True)
    await committer.close()
    return list(answers)


@BOTH
def test_a_failing_disk_fails_only_the_request_it_could_not_take(book: Book) -> None:
    """Of many requests that wait together, the one the disk refuses is told so, and all others are recorded once."""
    guilty = book.shard("cust_7")
    book.storage.close()
    storage = book.storage = book.engine.open_without_room_for(guilty)
    requests = [[book.command(f"cust_{i}", -1_000_000_000 - i, reference="r")] for i in range(20)]
    answers = asyncio.run(apply_all(storage, requests))
    for number, answer in enumerate(answers):
        if number == 7:
            assert isinstance(answer, NotWritten)
        else:
            assert isinstance(answer, list)
            assert isinstance(answer[0], Recorded)
    storage.guilty = b"nobody"
    (again,) = asyncio.run(apply_all(storage, [requests[7]]))
    assert isinstance(again, list)
    assert isinstance(again[0], Recorded)
    assert again[0].replayed is None
    findings = fsck(storage, book.signer)
    assert findings.problems == []
    assert findings.deltas == 20


def test_what_a_mistake_may_have_left_recorded_is_not_done_again(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    """When something else than the database fails after a commit, nobody's delta is recorded twice: it is in doubt."""
    real = book.storage.commit

    def commit(unit: Unit) -> None:
        real(unit)
        raise RuntimeError("after the commit")

    monkeypatch.setattr(book.storage, "commit", commit)
    answers = asyncio.run(apply_all(book.storage, [[book.command(f"cust_{i}", -1)] for i in range(3)]))
    assert [type(answer) for answer in answers] == [InDoubt] * 3
    monkeypatch.undo()
    findings = fsck(book.storage, book.signer)
    assert (findings.problems, findings.deltas) == ([], 3)


@BOTH
def test_a_locked_month_answers_its_own_root_beside_a_later_lock(book: Book) -> None:
    """Asking again for a locked month in the same commit that locks a later one finds the first, not the later."""
    book.at("2026-04-01T00:00:00Z")
    for day in ("2026-01-05", "2026-03-05"):
        book.emit("cust", -1_000_000_000, occurred_at=f"{day}T00:00:00.000000Z")
    january = book.lock("cust", "2026-01").checkpoint

    def lock(unit: Unit, period: str) -> Any:
        return lock_period(unit, LockPeriod(SANDBOX, book.shard("cust"), "cust", period, None, None, b""))

    march, again, gap = book.storage.write(lambda unit: [lock(unit, f"2026-0{month}") for month in (3, 1, 2)])
    assert again.checkpoint == january
    assert gap.checkpoint == march.checkpoint


@BOTH
def test_one_bad_item_neither_hides_nor_undoes_a_good_one(book: Book) -> None:
    """A conflict in the middle of a request leaves its neighbours recorded, in order and without a gap."""
    good = [book.command("cust", -1_000_000_000, reference=f"r{i}") for i in range(3)]
    conflict = book.command("cust", -2_000_000_000, reference="r0")
    (outcomes,) = asyncio.run(apply_all(book.storage, [[good[0], conflict, good[1], good[2]]]))
    assert isinstance(outcomes, list)
    assert isinstance(outcomes[1], Refusal)
    assert outcomes[1].code == "REFERENCE_ID_CONFLICT"
    sequences = [outcome.delta.sequence for outcome in outcomes if isinstance(outcome, Recorded)]
    assert sequences == [1, 2, 3]


@BOTH
def test_a_caller_who_gives_up_stops_nobody_else(book: Book) -> None:
    """Work whose caller went away before its turn is left out, and the queue goes on."""

    async def story() -> list[Outcome]:
        committer = Committer(book.storage)
        abandoned = asyncio.ensure_future(committer.run(lambda unit: unit.clear_damaged()))
        await asyncio.sleep(0)
        abandoned.cancel()
        outcomes = await committer.apply([book.command("cust", -1_000_000_000)])
        await committer.close()
        return outcomes

    (outcome,) = asyncio.run(story())
    assert isinstance(outcome, Recorded)


def test_a_full_queue_accepts_nothing_rather_than_piling_up(book: Book) -> None:
    """A request that would overfill the queue is refused whole before anything of it is recorded."""
    many = [book.command("cust", -1_000_000_000)] * (MAX_WAITING + 1)
    (answer,) = asyncio.run(apply_all(book.storage, [many]))
    assert isinstance(answer, Overloaded)
    with book.storage.snapshot() as snapshot:
        assert snapshot.customer(SANDBOX, book.shard("cust")) is None


@BOTH
def test_what_another_process_writes_is_seen(book: Book) -> None:
    """Whatever the writer remembers is read again when the record was changed behind its back."""
    book.emit("cust", -1_000_000_000)
    other = book.engine.open()
    book.storage, mine = other, book.storage
    book.emit("cust", -2_000_000_000)
    book.storage = mine
    assert book.emit("cust", -4_000_000_000).delta.total == -7_000_000_000
    other.close()
    assert fsck(mine, book.signer).problems == []


def test_what_the_writer_remembers_is_bounded(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    """Past its bound the writer forgets and reads again, and nothing comes out differently."""
    from pacspace_server.storage.sqlite.unit import Kept

    monkeypatch.setattr(Kept, "MAX_ROWS", 3)
    for day in range(1, 20):
        book.at(f"2026-01-{day:02d}T12:00:00Z")
        book.emit("cust", -1_000_000_000)
        assert book.storage._kept.rows <= 4
    assert book.emit("cust", -1_000_000_000).delta.total == -20_000_000_000
    assert fsck(book.storage, book.signer).problems == []


def test_an_unfixed_or_newer_database_is_refused(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    """A SQLite library with the WAL-reset race, and a file with an unknown migration, are refused with the reason."""
    from pacspace_server.storage.model.protocols import UnusableDatabase
    from pacspace_server.storage.sqlite import database

    assert [database._is_fixed(v) for v in ((3, 40, 1), (3, 44, 6), (3, 50, 6), (3, 50, 7), (3, 51, 2), (3, 51, 3), (4, 0, 0))] == [
        False, True, False, True, False, True, True,
    ]  # fmt: skip
    monkeypatch.setattr(apsw, "sqlite_lib_version", lambda: "3.40.1")
    with pytest.raises(UnusableDatabase, match=r"3\.51\.3"):
        SqliteStorage(book.path)
    monkeypatch.undo()
    book.storage._writer.execute("INSERT INTO migration VALUES ('0099_future.sql', x'00')")
    with pytest.raises(UnusableDatabase, match="newer one"):
        SqliteStorage(book.path)
