"""Jobs: a month locked for everybody, when some customers can't be locked and when the process ends in between."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from testkit.inside.book import SANDBOX, Book
from testkit.inside.engines import BOTH
from testkit.inside.running import in_context

from pacspace_server.service.base.context import Caller, Context
from pacspace_server.service.base.errors import ServiceError
from pacspace_server.service.closing import jobs as jobs_service
from pacspace_server.service.closing.jobs import Jobs
from pacspace_server.service.proving.fsck import fsck
from pacspace_server.storage.model.commands import LockPeriod
from pacspace_server.storage.model.protocols import Vanished
from pacspace_server.storage.model.records import Job
from pacspace_server.storage.postgres import leasing
from pacspace_server.storage.writing import committer as committer_room

pytestmark = BOTH
CUSTOMERS, GUILTY = 90, {"c017", "c061", "c089"}


@pytest.fixture
def many(book: Book, monkeypatch: pytest.MonkeyPatch) -> Book:
    """A record of many customers with -1 each in January; chunks are small."""
    book.at("2026-01-10T10:00:00Z")
    for number in range(CUSTOMERS):
        book.emit(f"c{number:03d}", -1_000_000_000)
    monkeypatch.setattr(jobs_service, "CHUNK", 20)
    return book


def new_job(book: Book) -> str:
    job = Job("job_1", SANDBOX, "2026-01", "RUNNING", CUSTOMERS, 0)
    book.write(lambda unit: unit.add_job(job))
    return job.id


def view(book: Book, job_id: str = "job_1") -> Any:
    with book.storage.snapshot() as snapshot:
        job = snapshot.job(job_id)
        assert job is not None
        return jobs_service.job_view(snapshot, job)


def fail_half_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some customers raise after their trees were closed in memory, inside the transaction."""
    real = committer_room.lock_period

    def lock(unit: Any, command: LockPeriod) -> Any:
        outcome = real(unit, command)
        if command.customer_id in GUILTY:
            raise RuntimeError("made to fail")
        return outcome

    monkeypatch.setattr(committer_room, "lock_period", lock)


def locked_customers(book: Book) -> set[str]:
    with book.storage.snapshot() as snapshot:
        rows = snapshot.customers(SANDBOX, None, "", CUSTOMERS, 0)
        return {customer.customer_id for customer in rows if customer.locked_through == "2026-01"}


def test_customers_that_fail_half_way_are_listed_and_hold_up_nobody(
    many: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that fail inside the transaction are named, all others are locked, totals are of those; again locks the rest."""
    with monkeypatch.context() as broken:
        fail_half_way(broken)
        job = new_job(many)
        in_context(many, lambda context: Jobs(context).start(job))
    shown = view(many)
    assert (shown["status"], shown["done"], shown["failedCount"]) == ("DONE", CUSTOMERS, len(GUILTY))
    assert {failure["customerId"] for failure in shown["failed"]} == GUILTY
    assert all(failure["message"] == "made to fail" for failure in shown["failed"])
    assert shown["totals"]["customers"] == shown["totals"]["deltaCount"] == CUSTOMERS - len(GUILTY)
    assert len(locked_customers(many)) == CUSTOMERS - len(GUILTY)
    many.integrate()
    assert fsck(many.storage, many.signer).problems == []
    many.write(lambda unit: unit.add_job(Job("job_2", SANDBOX, "2026-01", "RUNNING", CUSTOMERS, 0)))
    in_context(many, lambda context: Jobs(context).start("job_2"))
    assert view(many, "job_2")["failedCount"] == 0 and len(locked_customers(many)) == CUSTOMERS


def test_a_damaged_month_is_listed_with_its_reason(many: Book) -> None:
    """A month that does not match its hash is not locked; the failure says so."""
    with many.storage.snapshot() as snapshot:
        customer = snapshot.customer(SANDBOX, many.shard("c003"))
        assert customer is not None
        head = snapshot.head(customer, "2026-01")
    assert head is not None
    many.write(lambda unit: unit.set_damaged(head.customer, head.period))
    job = new_job(many)
    in_context(many, lambda context: Jobs(context).start(job))
    (failure,) = view(many)["failed"]
    assert (failure["customerId"], failure["code"]) == ("c003", "RECORD_DAMAGED") and "fsck" in failure["message"]


def test_a_job_that_was_cut_short_goes_on_where_it_was(many: Book) -> None:
    """Whatever chunk a process ends at, before or after its progress is stored, the next one ends with the same totals."""
    job = new_job(many)

    async def cut(context: Context) -> None:
        # Locks of the third chunk without its progress: what a crash between the two transactions leaves.
        jobs = Jobs(context)
        jobs.start(job)
        while view(many)["done"] < 40:
            await asyncio.sleep(0)
        await jobs.stop()
        for number in range(60, 80):
            command = LockPeriod(SANDBOX, many.shard(f"c{number:03d}"), f"c{number:03d}", "2026-01", None, None, b"")
            await context.committer.apply((command,))

    in_context(many, cut)
    assert view(many)["status"] == "RUNNING"

    async def resume(context: Context) -> None:
        jobs = Jobs(context)
        await jobs.resume()
        await jobs.start(job)

    in_context(many, resume)
    shown = view(many)
    assert (shown["status"], shown["done"], shown["total"]) == ("DONE", CUSTOMERS, CUSTOMERS)
    assert shown["totals"]["deltaCount"] == CUSTOMERS and shown["totals"]["customers"] == CUSTOMERS
    assert len(locked_customers(many)) == CUSTOMERS


def test_an_outage_of_the_database_is_waited_out(many: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the database takes nothing, not even the lease, a job waits and then goes on: nobody is reported as failed."""
    monkeypatch.setattr(jobs_service, "OUTAGE_S", 0)
    monkeypatch.setattr(leasing, "BEAT_S", 0)  # the lease is written at each chunk
    real, refused = many.storage.commit, 0

    def commit(unit: Any) -> None:
        nonlocal refused
        if 5 <= commits.pop() < 25:
            refused += 1
            many.storage.roll_back(unit)
            raise many.engine.full
        real(unit)

    job = new_job(many)
    commits = list(range(100_000, -1, -1))
    monkeypatch.setattr(many.storage, "commit", commit)
    in_context(many, lambda context: Jobs(context).start(job))
    shown = view(many)
    assert refused == 20 and (shown["status"], shown["failedCount"]) == ("DONE", 0)
    assert len(locked_customers(many)) == CUSTOMERS


def test_row_numbers_of_an_emptied_sandbox_are_never_used_again(many: Book) -> None:
    """Whoever still holds a customer of an emptied sandbox finds nobody under its number, in whatever environment."""
    with many.storage.snapshot() as snapshot:
        (old,) = snapshot.customers(SANDBOX, None, "c088", 1, 0)
        environment = snapshot.environment(SANDBOX)
        old_head = snapshot.head(old, "2026-01")
    many.write(lambda unit: unit.empty(environment))
    many.write(lambda unit: unit.replace_log(environment, f"pacspace.log/sandbox/{'0' * 32}", b"b" * 32))
    many.emit("c000", -1_000_000_000)
    with many.storage.snapshot() as snapshot:
        (new,) = snapshot.customers(SANDBOX, None, "", 10, 0)
        head = snapshot.head(new, "2026-01")
        with pytest.raises(Vanished):
            snapshot.customer_at(old.id)
    assert head is not None and old_head is not None
    if isinstance(old.id, int):  # a number, not a name of its own
        assert new.id > old.id and head.id > old_head.id


def test_an_emptied_sandbox_ends_its_job(many: Book) -> None:
    """A job of a sandbox that was emptied ends without a trace, and locks nobody in the new one."""
    job = new_job(many)
    with many.storage.snapshot() as snapshot:
        environment = snapshot.environment(SANDBOX)
    many.write(lambda unit: unit.empty(environment))
    many.write(lambda unit: unit.replace_log(environment, f"pacspace.log/sandbox/{'0' * 32}", b"b" * 32))
    assert in_context(many, lambda context: Jobs(context).start(job)) == []


def test_a_caller_sees_the_jobs_of_its_environment_only(many: Book) -> None:
    """The same job id asked for by a key of the other environment is not found."""
    job = new_job(many)
    production = Caller(SANDBOX + 1, "production", many.workspace, ("read",))

    async def ask(context: Context) -> Any:
        return jobs_service.get_job(context, production, job)

    with pytest.raises(ServiceError, match="no job job_1 in the production environment"):
        in_context(many, ask)
