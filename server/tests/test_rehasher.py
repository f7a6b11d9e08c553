"""The process that re-hashes: it finds what the integrator would, and its end is only a pause."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from functools import partial

import pytest
from testkit.inside.book import SANDBOX, Book

from pacspace_server.config import Database
from pacspace_server.log.integrator import Integrator
from pacspace_server.log.rehashing import Beat, Prepared, prepare
from pacspace_server.process.rehasher import Rehasher
from pacspace_server.service.proving.fsck import fsck
from pacspace_server.storage.model.protocols import LeaseLost


def not_here(environment_id: int, beat: Beat) -> Prepared | None:
    raise AssertionError("the other process was to do it")


@pytest.fixture
def rehasher(book: Book) -> Iterator[Rehasher]:
    """One whose other process is ready, and does all the work."""
    with closing(Rehasher(Database(f"sqlite:///{book.path}", book.path), partial(prepare, book.storage))) as made:
        made.prepare(SANDBOX, lambda: None)
        assert made._connection is not None and made._connection.poll(60)
        made._here = not_here
        yield made


def test_another_process_prepares_the_same(book: Book, rehasher: Rehasher) -> None:
    """What the other process re-hashed is equal to what is re-hashed here: open months, locked ones and damaged ones."""
    book.at("2026-02-03T00:00:00Z")
    for name in ("open", "locked", "damaged"):
        book.emit(name, -2_000_000_000)
    book.lock("locked", "2026-02")
    book.engine.sql(
        "UPDATE delta SET delta = delta + 1 WHERE customer = (SELECT id FROM customer WHERE customer_id = ?)",
        ("damaged",),
    )
    here = prepare(book.storage, SANDBOX, lambda: None)
    assert here is not None
    assert [len(here.opened), len(here.closed), len(here.damaged)] == [1, 1, 1]
    assert rehasher.prepare(SANDBOX, lambda: None) == here
    assert rehasher.prepare(SANDBOX + 1, lambda: None) is None


def test_the_log_goes_on_when_the_process_was_killed(
    book: Book, rehasher: Rehasher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A killed child costs nothing: the run is done here, another child is started, and nothing is missing in the log."""
    integrator = Integrator(book.storage, book.signer, book.storage.write, lambda: None, rehasher.prepare)
    with book.storage.snapshot() as snapshot:
        environment = snapshot.environment(SANDBOX)
    book.emit("cust", -1_000_000_000)
    assert integrator.run(environment)
    child = rehasher._child
    assert child is not None
    child.kill()
    child.wait()
    rehasher._here = partial(prepare, book.storage)
    for _ in range(2):
        book.emit("cust", -1_000_000_000)
        assert integrator.run(environment)
        assert rehasher._child is None  # not yet: one that dies at once must not be started without end
    monkeypatch.setattr(rehasher, "_not_before_s", 0.0)
    book.emit("cust", -1_000_000_000)
    assert integrator.run(environment)
    assert rehasher._child not in (None, child)
    findings = fsck(book.storage, book.signer)
    assert (findings.problems, findings.log_entries) == ([], 4)


def test_a_question_that_was_given_up_does_not_answer_the_next(book: Book, rehasher: Rehasher) -> None:
    """When the caller stops waiting, the late answer is never taken for another question's."""
    book.emit("cust", -1_000_000_000)
    assert rehasher.prepare(SANDBOX + 1, lambda: None) is None
    connection = rehasher._connection
    assert connection is not None

    def give_up(wait_s: float) -> bool:
        raise LeaseLost

    connection.poll = give_up  # type: ignore[method-assign]
    with pytest.raises(LeaseLost):
        rehasher.prepare(SANDBOX, lambda: None)
    rehasher._here = partial(prepare, book.storage)
    assert rehasher.prepare(SANDBOX + 1, lambda: None) is None
