"""Readiness: each reason for not being ready, on a real record."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from testkit.inside.book import SANDBOX, Book
from testkit.inside.engines import BOTH

from pacspace_server.log.integrator import Integrator
from pacspace_server.log.watching import Watched
from pacspace_server.service.base.context import Context
from pacspace_server.service.base.server_secret import ServerSecret
from pacspace_server.service.recording import readiness as readiness_service
from pacspace_server.service.recording.readiness import Readiness, problems
from pacspace_server.storage.model.protocols import Unit
from pacspace_server.storage.writing import committer as committer_module
from pacspace_server.storage.writing.committer import Committer

RECORD, VERIFY = {"shutdown", "queue", "database"}, {"shutdown", "queue", "database", "integrator", "log", "signing"}


def ask(book: Book, work: Callable[[Readiness, Context], Awaitable[Any]]) -> Any:
    """Runs work with a readiness of its own."""

    async def run() -> Any:
        committer = Committer(book.storage)
        context = Context(
            book.storage, committer, book.integrator, book.signer, ServerSecret(book.signer.folder), "http://127.0.0.1"
        )
        try:
            return await work(Readiness(context), context)
        finally:
            await committer.close()

    return asyncio.run(run())


@BOTH
def test_a_sound_record_is_ready(book: Book) -> None:
    """Every check of an idle server is ok; verification is looked at only when it is asked for."""
    book.integrator._look()

    async def work(readiness: Readiness, context: Context) -> None:
        found, wanted = await readiness.checks(False), await readiness.checks(True)
        assert (found.keys(), wanted.keys()) == (RECORD, VERIFY)
        assert set(wanted.values()) == {"ok"} and problems(wanted) == ""
        assert len(readiness.logs) == 2

    ask(book, work)


@BOTH
def test_the_probe_really_writes(book: Book) -> None:
    """Each probe makes the engine write something durable, and nothing of the record changes by it."""

    def written() -> int:
        if book.storage.remote:
            return sum(row[0] for row in book.engine.sql("SELECT beat FROM lease WHERE name = 'readiness'"))
        return book.path.with_name("record.db-wal").stat().st_size

    book.emit("cust", -1)
    before, total = written(), book.engine.sql("SELECT sum(total) FROM customer")

    async def work(readiness: Readiness, context: Context) -> None:
        for number in (1, 2):
            readiness._probed_s = 0.0
            assert (await readiness.checks(False))["database"] == "ok"
            assert written() > before + number - 1

    ask(book, work)
    assert book.engine.sql("SELECT sum(total) FROM customer") == total


@BOTH
def test_a_refused_probe_is_not_ready(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that does not take the probe fails the check, in words."""

    def refuse(unit: Unit) -> None:
        raise book.storage.errors[0]("database or disk is full")

    monkeypatch.setattr(type(book.storage.write(lambda unit: unit)), "touch", refuse)
    found = ask(book, lambda readiness, context: readiness.checks(False))
    assert found["database"].startswith("the database does not accept writes: ")


def test_a_database_that_does_not_answer_is_not_waited_for(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    """A write that hangs fails the check within its bound; the next probe after it goes through again."""
    monkeypatch.setattr(readiness_service, "ANSWER_S", 0.2)
    monkeypatch.setattr(readiness_service, "KEPT_S", 0.0)
    hung = threading.Event()

    async def work(readiness: Readiness, context: Context) -> None:
        blocked = asyncio.create_task(context.committer.run(lambda unit: hung.wait(60)))
        await asyncio.sleep(0)
        assert "did not accept a write" in (await readiness.checks(False))["database"]
        hung.set()
        await blocked
        assert (await readiness.checks(False))["database"] == "ok"

    ask(book, work)


def test_many_who_ask_cause_one_probe(book: Book) -> None:
    """A hundred questions at once, and one right after, are answered by one write."""
    written = []

    async def work(readiness: Readiness, context: Context) -> None:
        run = context.committer.run

        async def counted(asked: Callable[[Unit], Any]) -> Any:
            written.append(asked)
            return await run(asked)

        context.committer.run = counted  # type: ignore[method-assign]
        answers = await asyncio.gather(*(readiness.checks(False) for _ in range(100)))
        answers.append(await readiness.checks(False))
        assert all(answer["database"] == "ok" for answer in answers)

    ask(book, work)
    assert len(written) == 1


def test_a_full_queue_is_not_ready(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the queue takes no more, the check of the queue says so; it is ok again when there is room."""
    monkeypatch.setattr(readiness_service, "MAX_WAITING", 3)
    monkeypatch.setattr(committer_module, "MAX_WAITING", 3)

    async def work(readiness: Readiness, context: Context) -> None:
        commands = [book.command("cust", -1, reference=str(number)) for number in range(3)]
        waiting = asyncio.create_task(context.committer.apply(commands))
        await asyncio.sleep(0)
        assert "3 deltas are waiting" in readiness._queue()
        with pytest.raises(committer_module.Overloaded):
            await context.committer.apply(commands[:1])
        assert context.committer.refused == 1
        await waiting
        assert (await readiness.checks(False))["queue"] == "ok"

    ask(book, work)


def test_a_log_that_stands_still_is_not_ready_for_verification(book: Book) -> None:
    """When deltas wait for longer than the bound, or nobody looked, or signing is refused, verification is not ready; recording is."""
    book.emit("cust", -1)
    integrator = book.integrator
    integrator._look()
    for log in integrator.watched.values():
        log._since_s -= 60
    integrator.looked_s -= 60
    origin = next(log.origin for log in integrator.watched.values() if log.environment == "sandbox")
    integrator._refusals[origin] = "this database is older than what was signed"

    async def work(readiness: Readiness, context: Context) -> None:
        assert problems(await readiness.checks(False)) == ""
        found = await readiness.checks(True)
        assert found["log"] == f"{origin}: deltas have waited 60 s"
        assert found["integrator"] == "its last check for new deltas was 60 s ago"
        assert found["signing"] == "signing is stopped: this database is older than what was signed"

    ask(book, work)


@BOTH
def test_what_the_log_does_not_have_is_counted(book: Book) -> None:
    """Months and deltas that wait are counted without opening and closing leaves, also of a month that is integrated in part."""

    def waiting() -> tuple[int, int]:
        with book.storage.snapshot() as snapshot:
            return snapshot.unverified(SANDBOX)

    book.at("2026-01-10T10:00:00Z")
    assert waiting() == (0, 0)
    for customer in ("a", "a", "b"):
        book.emit(customer, -1_000_000_000)
    assert waiting() == (2, 3)
    book.integrate()
    assert waiting() == (0, 0)
    book.emit("a", -1_000_000_000)
    book.at("2026-02-10T10:00:00Z")
    book.lock("b", "2026-01")
    assert waiting() == (2, 1)
    book.integrate()
    assert waiting() == (0, 0)


def test_how_long_the_oldest_has_waited(book: Book) -> None:
    """Nothing waits: 0. Else the time since nothing waited, or since the publication before the newest, whichever is later."""
    with book.storage.snapshot() as snapshot:
        log = snapshot.log(snapshot.environment(SANDBOX).log_id)
    seen = Watched(log, 0.0)

    def look(at: float, published: int, months: int) -> float:
        log.size = log.published_size = published
        seen.look(log, at)
        seen.count(months, months, at)
        return seen.unverified_s(at)

    assert look(100.0, 0, 0) == 0.0
    assert look(101.0, 0, 1) == 1.0
    assert look(102.0, 1, 1) == 2.0  # published, but perhaps read before 101
    assert look(103.0, 2, 1) == 1.0  # read after 102
    assert look(120.0, 2, 1) == 18.0  # it stands still
    assert look(121.0, 3, 0) == 0.0
    log.size = 4  # fixed, not signed
    seen.look(log, 125.0)
    assert seen.unverified_s(125.0) == 4.0


def test_an_integrator_that_is_not_woken_still_looks(book: Book) -> None:
    """From its start on the integrator looks by itself, and notes which leases it holds."""
    integrator = Integrator(book.storage, book.signer, book.storage.write, lambda: None)
    integrator.start()
    deadline = time.monotonic() + 20
    while not (len(integrator.watched) == 2 and all(log.fencing is not None for log in integrator.watched.values())):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    integrator.stop()
