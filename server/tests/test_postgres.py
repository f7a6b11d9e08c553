"""PostgreSQL: rights, schema, several writers, lost connections, leases."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from testkit.cluster import APPLICATION, shared_cluster
from testkit.inside.book import SANDBOX, Book
from testkit.inside.engines import PostgresEngine

from pacspace_server.log.integrator import Integrator
from pacspace_server.service.proving.fsck import fsck
from pacspace_server.storage.model.commands import RecordDelta, Recorded
from pacspace_server.storage.model.protocols import InDoubt, LeaseLost, Unavailable, Unit, UnusableDatabase
from pacspace_server.storage.postgres import PostgresStorage, database, leasing, migrate, migrating
from pacspace_server.storage.writing.recording import record_delta

# The record: rows that are added and never changed, but for the columns named here.
APPEND_ONLY = {
    "delta": {"context", "salt"}, "leaf": set(), "checkpoint": set(), "proof_root": set(), "idempotency": set(),
    "log_entry": set(), "log_node": set(), "closed_slot": set(), "log_checkpoint": set(), "installation": set(),
    "migration": set(), "replaced_tree": set(), "job_failure": set(), "job_key": set(),
    "audit_entry": set(), "note": {"text", "author"}, "visit": {"last_at", "times"},
}  # fmt: skip
MAY_DELETE = {
    "changed_head",
    "profile",
    "lockout",
    "session",
    "one_time_link",
    "endpoint",
    "feed",
    "outbox",
    "delivery",
    "sender",
    "visit",
}


@pytest.fixture
def engine() -> Iterator[PostgresEngine]:
    record = PostgresEngine()
    yield record
    record.close()


def emits(storage: PostgresStorage, command: RecordDelta) -> Recorded:
    outcome = storage.write(lambda unit: record_delta(unit, command))
    assert isinstance(outcome, Recorded), outcome
    return outcome


# ---------------------------------------------------------------- rights and schema


def test_the_application_may_add_to_the_record_and_not_change_it(engine: PostgresEngine) -> None:
    """On every append-only table the application's role has no UPDATE but on the erasable columns, no DELETE, no TRUNCATE."""
    tables = [row[0] for row in engine.sql("SELECT tablename::text FROM pg_tables WHERE schemaname = 'pacspace'")]
    assert set(APPEND_ONLY) <= set(tables)
    for table in tables:
        names = engine.columns(table)
        asked = "SELECT has_column_privilege(?, ?, ?, 'UPDATE')"
        updatable = {name for name in names if engine.sql(asked, (APPLICATION, f"pacspace.{table}", name))[0][0]}
        assert updatable == APPEND_ONLY.get(table, updatable), table
        for right in ("DELETE", "TRUNCATE"):
            has = engine.sql("SELECT has_table_privilege(?, ?, ?)", (APPLICATION, f"pacspace.{table}", right))[0][0]
            assert has == (table in MAY_DELETE and right == "DELETE"), (table, right)


def test_production_is_never_emptied(book: Book) -> None:
    """The one way to delete from the record refuses an environment that is no sandbox, and needs the granted role."""
    book.emit("cust", -1)
    with book.storage.snapshot() as snapshot:
        production = next(e for e in snapshot.environments() if e.name == "production")
    with pytest.raises(psycopg.errors.RaiseException, match="no sandbox"):
        book.storage.write(lambda unit: unit.empty(production))
    with psycopg.connect(book.engine.url) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("DELETE FROM pacspace.delta")


CATALOG = """
SELECT 'column', c.relname::text, a.attname::text, format_type(a.atttypid, a.atttypmod), a.attnotnull::text || a.attstorage::text,
       coalesce(pg_get_expr(d.adbin, d.adrelid), '')
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
WHERE c.relnamespace = 'pacspace'::regnamespace AND c.relkind = 'r' AND a.attnum > 0
UNION ALL SELECT 'index', tablename::text, indexname::text, indexdef, '', '' FROM pg_indexes WHERE schemaname = 'pacspace'
UNION ALL SELECT 'rule', conrelid::regclass::text, conname::text, pg_get_constraintdef(oid), '', '' FROM pg_constraint
          WHERE connamespace = 'pacspace'::regnamespace
UNION ALL SELECT 'function', proname::text, prosrc, coalesce(proacl::text, ''), '', '' FROM pg_proc
          WHERE pronamespace = 'pacspace'::regnamespace
UNION ALL SELECT 'rights', relname::text, coalesce(relacl::text, ''), coalesce(reloptions::text, ''), '', '' FROM pg_class
          WHERE relnamespace = 'pacspace'::regnamespace AND relkind = 'r'
ORDER BY 1, 2, 3
"""


@pytest.mark.parametrize("first", range(1, len(migrating.known_migrations())))
def test_a_fresh_schema_equals_the_migrated_one(monkeypatch: pytest.MonkeyPatch, first: int) -> None:
    """A record of any earlier version, with deltas in it, comes to the very schema and rights that a new one has."""
    fresh = PostgresEngine()
    older = PostgresEngine(shared_cluster(), shared_cluster().new_database())
    known = migrating.known_migrations()
    with monkeypatch.context() as earlier:
        earlier.setattr(migrating, "known_migrations", lambda: known[:first])
        earlier.setattr(migrating, "_grant", lambda connection, role: None)
        assert migrate(older.owner_url, APPLICATION) == [file.name for file in known[:first]]
    with pytest.raises(UnusableDatabase, match=f"lacks {known[first].name}.*pacspace migrate"):
        PostgresStorage(older.owner_url)
    assert migrate(older.owner_url, APPLICATION) == [file.name for file in known[first:]]
    assert older.sql(CATALOG) == fresh.sql(CATALOG)
    older.open().close()
    for engine in (older, fresh):
        engine.close()


def test_what_is_not_this_versions_schema_is_refused_in_words(engine: PostgresEngine) -> None:
    """An empty database, an unknown migration, an altered one, and a role without rights are refused with what to do."""
    empty = PostgresEngine(engine.cluster, engine.cluster.new_database())
    with pytest.raises(UnusableDatabase, match="sees no record in this database: `pacspace migrate"):
        empty.open()
    with pytest.raises(UnusableDatabase, match="only the owner can migrate"):
        migrate(empty.url, APPLICATION)
    with pytest.raises(UnusableDatabase, match="CREATE ROLE nobody LOGIN"):
        migrate(empty.owner_url, "nobody")
    migrate(empty.owner_url)
    with pytest.raises(UnusableDatabase, match=f"--role {APPLICATION}"):
        empty.open()
    engine.sql("INSERT INTO migration VALUES ('0099_future.sql', '')")
    with pytest.raises(UnusableDatabase, match="use a newer one"):
        engine.open()
    engine.sql("DELETE FROM migration WHERE name = '0099_future.sql'")
    engine.sql("UPDATE migration SET checksum = '\\x00' WHERE name = '0001_initial.sql'")
    with pytest.raises(UnusableDatabase, match="differs from the one that made this database"):
        engine.open()


def test_two_migrate_at_once(engine: PostgresEngine) -> None:
    """Of several that migrate an empty database at the same instant, one does it and the others find it done."""
    name = engine.cluster.new_database()
    applied: list[list[str]] = []
    url = PostgresEngine(engine.cluster, name).owner_url
    run_together([lambda: applied.append(migrate(url, APPLICATION))] * 3)
    assert sorted(map(len, applied)) == [0, 0, len(migrating.known_migrations())]


def test_migrating_beside_a_long_reader_stops_nobody(
    book: Book, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """While a backup or fsck reads, a change of the schema waits, and recording goes on; when the reader is done, it is made."""
    newer = tmp_path / "9999_newer.sql"
    newer.write_text("ALTER TABLE customer ADD COLUMN newer text;")
    known = migrating.known_migrations()
    monkeypatch.setattr(migrating, "known_migrations", lambda: [*known, newer])
    monkeypatch.setattr(migrating, "PAUSE_S", 0.3)
    book.emit("cust", -1)
    applied: list[str] = []
    migration = threading.Thread(target=lambda: applied.extend(migrate(book.engine.owner_url)))  # type: ignore[attr-defined]
    with book.storage.snapshot() as reader:
        reader.customers(SANDBOX, None, "", 10, 0)
        migration.start()
        while not book.engine.sql("SELECT 1 FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND NOT granted"):
            time.sleep(0.01)
        assert book.emit("cust", -1).delta.sequence == 2
        assert applied == []
    migration.join(60)
    assert applied == ["9999_newer.sql"]


# ---------------------------------------------------------------- several writers


def run_together(works: list[Callable[[], Any]]) -> None:
    """Runs functions at the same time; raises the first failure."""
    failures: list[BaseException] = []

    def run(work: Callable[[], Any]) -> None:
        try:
            work()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    if failures:
        raise failures[0]


def commands(book: Book, number: int, rng: random.Random) -> Iterator[list[RecordDelta]]:
    for group in range(12):
        yield [
            book.command(f"cust_{rng.randrange(5)}", -rng.randrange(1, 100), reference=f"{number}-{group}-{item}", key=f"{number}-{group}-{item}")
            for item in range(rng.randrange(1, 20))
        ]  # fmt: skip


def test_several_writers_on_the_same_customers(book: Book) -> None:
    """Four processes' writers, in groups that share customers in any order: no gap, no sequence twice, nothing lost."""
    recorded: list[Recorded] = []

    def write(number: int) -> None:
        storage = book.engine.open()
        for group in commands(book, number, random.Random(number)):

            def work(unit: Unit, group: list[RecordDelta] = group) -> list[Any]:
                unit.expect(group)
                return [record_delta(unit, command) for command in group]

            recorded.extend(storage.write(work))
        storage.close()

    run_together([lambda n=n: write(n) for n in range(4)])
    assert all(isinstance(outcome, Recorded) and outcome.replayed is None for outcome in recorded)
    for customer in {outcome.delta.customer for outcome in recorded}:
        sequences = sorted(outcome.delta.sequence for outcome in recorded if outcome.delta.customer == customer)
        assert sequences == list(range(1, len(sequences) + 1))
    book.integrate()
    findings = fsck(book.storage, book.signer)
    assert findings.problems == [] and findings.deltas == len(recorded)


def test_the_same_reference_from_several_processes_is_recorded_once(book: Book) -> None:
    """Writers that send one reference of a new customer at the same instant get one record, and one of them made it."""
    outcomes: list[Recorded] = []
    for number in range(10):
        outcomes.clear()
        command = book.command(f"new_{number}", -5, reference="once")
        storages = [book.engine.open() for _ in range(4)]
        run_together([lambda s=s, c=command: outcomes.append(emits(s, c)) for s in storages])
        assert sorted(outcome.replayed or "" for outcome in outcomes) == ["", "reference", "reference", "reference"]
        assert len({outcome.delta.record_id for outcome in outcomes}) == 1
        for storage in storages:
            storage.close()


def test_a_sandbox_is_emptied_while_others_write(book: Book) -> None:
    """Whatever is written while the sandbox is emptied is gone with it or belongs to the new one, never in between."""
    stop = threading.Event()

    def write(number: int) -> None:
        storage, count = book.engine.open(), 0
        while not stop.is_set():
            count += 1
            emits(storage, book.command(f"cust_{count % 7}", -1))
        storage.close()

    def reset() -> None:
        try:
            for number in range(3):
                time.sleep(0.2)
                origin = f"pacspace.log/sandbox/{number:032x}"
                book.signer.create_key(origin)

                def work(unit: Unit, origin: str = origin) -> None:
                    environment = unit.environment(SANDBOX)
                    unit.empty(environment)
                    unit.replace_log(environment, origin, b"b" * 32)

                book.storage.write(work)
                book.integrate()
        finally:
            stop.set()

    run_together([lambda: write(0), lambda: write(1), reset])
    book.emit("after", -1)
    book.integrate()
    findings = fsck(book.storage, book.signer)
    assert findings.problems == [] and findings.deltas > 0


# ---------------------------------------------------------------- lost connections


class LostAtCommit(PostgresStorage):
    """The connection ends at the next commit, before the server has it or after."""

    losing: list[bool]  # of the next commits: whether the commit did persist

    def commit(self, unit: Any) -> None:
        if self.losing:
            if self.losing.pop():
                unit.connection.execute("COMMIT")
            else:
                unit.connection.execute("ROLLBACK")
            unit.connection.close()
        super().commit(unit)


@pytest.mark.parametrize("losing", [[True], [False], [True, False], [False, False], [True, False, False]], ids=str)
def test_a_commit_that_was_lost_is_looked_up(book: Book, losing: list[bool]) -> None:
    """Whether or not a lost commit did persist, the delta is recorded once and answered, also without any key; so are a
    lock, a customer and a moved clock."""
    storage = LostAtCommit(book.engine.url)
    book.storage, mine = storage, book.storage
    for number in range(2):
        storage.losing = list(losing)
        assert book.emit("cust", -7).delta.sequence == number + 1
        assert storage.losing == []
    storage.losing = list(losing)
    assert book.lock("cust", _running_month(book)).checkpoint.locked
    storage.losing = list(losing)
    moved = storage.write(lambda unit: _advance(unit, 60_000_000))
    storage.losing = []
    with storage.snapshot() as snapshot:
        assert snapshot.environment(SANDBOX).clock_at == moved
        customer = snapshot.customer(SANDBOX, book.shard("cust"))
    assert customer is not None and (customer.total, customer.last_sequence) == (-14, 2)
    book.storage = mine
    storage.close()
    assert fsck(mine, book.signer).problems == []


def _running_month(book: Book) -> str:
    from pacspace_server.domain.instants import period_of

    with book.storage.snapshot() as snapshot:
        return period_of(snapshot.now(snapshot.environment(SANDBOX)))


def _advance(unit: Unit, by_us: int) -> int:
    environment = unit.environment(SANDBOX)
    at = unit.now(environment) + by_us
    unit.set_clock(environment, at)
    return at


def test_a_doubt_that_nobody_can_end_is_said(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the database is lost during a commit and stays away, the answer is neither yes nor no."""
    storage = LostAtCommit(book.engine.url)
    monkeypatch.setattr(database, "IN_DOUBT_PAUSES_S", (0.0,))
    storage.losing = [False] * 100
    with pytest.raises(InDoubt):
        storage.write(lambda unit: record_delta(unit, book.command("cust", -1)))
    storage.close()


def test_a_connection_that_was_ended_is_replaced(book: Book) -> None:
    """After the server ended every connection the next write and the next read succeed."""
    for number in range(3):
        book.emit("cust", -1)
        book.engine.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = ?", (APPLICATION,))
        with book.storage.snapshot() as snapshot:
            customer = snapshot.customer(SANDBOX, book.shard("cust"))
        assert customer is not None and customer.last_sequence == number + 1


def test_a_database_that_is_gone_and_comes_back(book: Book) -> None:
    """While the server is stopped reads and writes are refused as unavailable, without its address; afterwards they go on."""
    book.emit("cust", -1)
    book.engine.close()
    book.engine.cluster.stop("immediate")
    try:
        with pytest.raises(Unavailable) as told:
            book.emit("cust", -1)
        assert "127.0.0.1" not in str(told.value)
        with pytest.raises(Unavailable), book.storage.snapshot():
            pass
    finally:
        book.engine.cluster.start()
    assert book.emit("cust", -1).delta.sequence == 2


@pytest.mark.parametrize("moment", ["after it read", "after it recorded"])
def test_a_writer_that_stops_in_the_middle_is_shut_out(
    book: Book, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """Others get at its customer without it, and when it wakes up it writes all of it again: each is recorded once."""
    assert "idle_in_transaction_session_timeout = '10s'" in database.WRITE
    monkeypatch.setattr(database, "WRITE", database.WRITE.replace("10s", "200ms"))
    book.emit("cust", -1_000_000_000, reference="r0")
    stopped, awake = PostgresStorage(book.engine.url), threading.Event()  # type: ignore[attr-defined]

    def late(unit: Unit) -> Any:
        command = book.command("cust", -2_000_000_000, reference="late")
        if moment == "after it read":
            unit.expect([command])
            awake.wait(30)
        outcome = record_delta(unit, command)
        awake.wait(30)
        return outcome

    thread = threading.Thread(target=lambda: outcomes.append(stopped.write(late)))
    outcomes: list[Any] = []
    thread.start()
    while not stopped._pool._planned_s:  # until it is in its transaction
        time.sleep(0.01)
    time.sleep(0.1)
    assert book.emit("cust", -3_000_000_000, reference="other").delta.sequence == 2
    awake.set()
    thread.join(30)
    assert outcomes[0].delta.sequence == 3
    stopped.close()
    assert fsck(book.storage, book.signer).problems == []


def test_a_deadlock_is_tried_again(book: Book) -> None:
    """A unit that the server ends because of a deadlock runs again, and both are recorded."""
    book.emit("a", -1)
    book.emit("b", -1)
    both_hold = threading.Barrier(2)
    attempts: list[str] = []

    def crossing(first: str, second: str) -> Callable[[Unit], Any]:
        def work(unit: Unit) -> Any:
            attempts.append(first)
            unit.customer(SANDBOX, book.shard(first))
            if len(attempts) <= 2:
                both_hold.wait(30)
            return record_delta(unit, book.command(second, -1))

        return work

    other = book.engine.open()
    run_together([lambda: book.storage.write(crossing("a", "b")), lambda: other.write(crossing("b", "a"))])
    other.close()
    assert len(attempts) == 3
    assert fsck(book.storage, book.signer).deltas == 4


# ---------------------------------------------------------------- leases


def test_a_lease_lost_and_had_again_fixes_nothing_old(story: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    """While a process re-hashes, another one integrates and lets go again: what was re-hashed before that is not put into the log."""
    monkeypatch.setattr(leasing, "BEAT_S", 0.0)
    monkeypatch.setattr(leasing, "EXPIRY_S", 0.0)
    slow = story.integrator
    other = Integrator(story.storage, story.signer, story.storage.write, lambda: None)
    with story.storage.snapshot() as snapshot:
        environment = snapshot.environment(SANDBOX)
    story.emit("cust_a", -1)
    real = slow._prepare

    def prepare_slowly(environment_id: int, beat: Callable[[], object]) -> Any:
        prepared = real(environment_id, beat)
        story.emit("cust_a", -2)
        story.lock("cust_a", "2026-03")
        while not other.run(environment):
            pass
        other.release()
        beat()
        return prepared

    monkeypatch.setattr(slow, "_prepare", prepare_slowly)
    with pytest.raises(LeaseLost):
        slow.run(environment)
    monkeypatch.undo()
    story.integrate()
    assert fsck(story.storage, story.signer).problems == []


def test_one_process_holds_a_lease(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    """A beating lease is nobody else's; one that stopped beating is taken over with a higher fencing number, and its
    former holder can't write under it any more. Stepping the wall clock changes nothing."""
    monkeypatch.setattr(leasing, "BEAT_S", 0.0)
    monkeypatch.setattr(leasing, "EXPIRY_S", 0.2)
    first, second = (book.storage.lease("work") for _ in range(2))
    assert first.hold() == 1
    monkeypatch.setattr(time, "time", lambda: 4e9)
    monkeypatch.setattr(time, "time_ns", lambda: 4 * 10**18)
    for _ in range(5):
        assert second.hold() is None
        time.sleep(0.1)
        assert first.hold() == 1
    late = first.guard(lambda unit: "written", first.hold())
    assert book.storage.write(late) == "written"
    while second.hold() is None:
        time.sleep(0.05)
    assert second.hold() == 2
    with pytest.raises(LeaseLost):
        book.storage.write(late)
    assert first.hold() is None
    second.release()
    assert first.hold() == 3


def test_an_integrator_that_wakes_up_late_changes_nothing(
    story: Book, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A paused process whose lease was taken over neither fixes entries nor signs, and the log has one history."""
    monkeypatch.setattr(leasing, "EXPIRY_S", 0.0)
    story.emit("cust_a", -1)
    paused = story.integrator
    prepared = paused._prepare(SANDBOX, lambda: None)
    other = Integrator(story.storage, story.signer, story.storage.write, lambda: None)
    with story.storage.snapshot() as snapshot:
        environment = snapshot.environment(SANDBOX)
    story.emit("cust_a", -2)
    while not other.run(environment):
        pass
    assert prepared is not None
    monkeypatch.setattr(paused, "_prepare", lambda environment_id, beat: prepared)
    monkeypatch.setattr(paused._leases[environment.id], "hold", lambda: 1)
    with pytest.raises(LeaseLost):
        paused.run(environment)
    findings = fsck(story.storage, story.signer)
    assert findings.problems == []
    other.release()
