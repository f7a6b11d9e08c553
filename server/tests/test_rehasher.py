"""The process that re-hashes: it finds what the integrator would, and its end is only a pause."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import closing

import pytest
from book import SANDBOX, Book

from pacspace_server.cli.rehasher import Rehasher, RehashingFailed
from pacspace_server.config import Database
from pacspace_server.log.integrator import Integrator
from pacspace_server.log.rehashing import prepare
from pacspace_server.service.fsck import fsck


@pytest.fixture
def rehasher(book: Book) -> Iterator[Rehasher]:
    with closing(Rehasher(Database(f"sqlite:///{book.path}", book.path))) as made:
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


def test_the_log_goes_on_when_the_process_was_killed(book: Book, rehasher: Rehasher) -> None:
    """A killed child costs one run: the next starts another, and nothing is missing in the log."""
    integrator = Integrator(book.storage, book.signer, book.storage.write, lambda: None, rehasher.prepare)
    with book.storage.snapshot() as snapshot:
        environment = snapshot.environment(SANDBOX)
    book.emit("cust", -1_000_000_000)
    assert integrator.run(environment)
    child = rehasher._child
    assert child is not None
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    book.emit("cust", -1_000_000_000)
    with pytest.raises(RehashingFailed):
        integrator.run(environment)
    assert integrator.run(environment)
    findings = fsck(book.storage, book.signer)
    assert (findings.problems, findings.log_entries) == ([], 2)


def test_a_question_that_was_given_up_does_not_answer_the_next(book: Book, rehasher: Rehasher) -> None:
    """When the caller stops waiting, the late answer is never taken for another question's."""
    book.emit("cust", -1_000_000_000)
    assert rehasher.prepare(SANDBOX + 1, lambda: None) is None
    connection = rehasher._connection
    assert connection is not None

    def give_up(wait_s: float) -> bool:
        raise InterruptedError

    connection.poll = give_up  # type: ignore[method-assign]
    with pytest.raises(RehashingFailed):
        rehasher.prepare(SANDBOX, lambda: None)
    assert rehasher.prepare(SANDBOX + 1, lambda: None) is None
