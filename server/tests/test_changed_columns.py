"""One value of the database is changed by another program: whatever is asked then, nothing false is shown as verified.

`CHANGED_ROWS=100` changes each column of so many rows of each table, instead of one.
"""

from __future__ import annotations

import inspect
import os
import re
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import apsw
import msgspec
import psycopg
import pytest
from testkit.inside.book import SANDBOX, Book
from testkit.inside.engines import BOTH, Engine, SqliteEngine, changed
from testkit.inside.running import in_context

from pacspace_proofs.record import receipt_tail
from pacspace_server.domain.scopes import Scope
from pacspace_server.service.balances import customers, derive
from pacspace_server.service.base.context import SCOPES, Caller, Context
from pacspace_server.service.base.errors import ServiceError
from pacspace_server.service.closing import checkpoint, diff, timeline
from pacspace_server.service.closing.checkpoint import read_again
from pacspace_server.service.portal import reading
from pacspace_server.service.proving.verify import Verifier, verify
from pacspace_server.service.receipts import directory, documents, lines, printed, receipt
from pacspace_server.service.receipts.access import Reader
from pacspace_server.service.recording import delta
from pacspace_server.service.sharing import links
from pacspace_server.service.sharing.access import Visitor
from pacspace_server.storage.model import ids
from pacspace_server.storage.model.commands import LockPeriod, Refusal
from pacspace_server.storage.model.protocols import Damaged, Snapshot, Vanished
from pacspace_server.storage.model.records import Checkpoint, Delta, Profile
from pacspace_server.storage.writing.locking import lock_period

CUSTOMER, PERIOD = "cust_a", "2026-01"
JANUARY = Scope("period", PERIOD, PERIOD)
VISITOR = Visitor(b"visitor", True, True, "127.0.0.1", "test")
# When a reply was made: not what it shows.
MADE = re.compile(r'"(generatedAt|checkedAt|exportedAt)":"[^"]*"|"generated":{[^}]*}|\["Document \w+","[^"]*"\]')
# Settings that pages show beside the record.
SETTINGS = {"environment": "id", "workspace": "id", "profile": None, "link": None}
# What says whose a row is: with another value it is the row of something else, or of nothing.
KEYS = {
    ("checkpoint", "customer"),
    ("checkpoint", "checkpoint_id"),
    ("checkpoint", "id"),
    ("checkpoint", "shard_key"),
    ("checkpoint", "number"),
    ("checkpoint", "nonce"),
    ("checkpoint", "environment_id"),
    ("period_head", "customer"),
    ("period_head", "period"),
    ("period_head", "id"),
    ("customer", "id"),
    ("customer", "shard_key"),
    ("customer", "environment_id"),
    ("integrated_head", "shard_key"),
    ("integrated_head", "period"),
}
ROWS = int(os.environ.get("CHANGED_ROWS", "1"))  # of each table
Replies = dict[str, str]


class Asked:
    """Everything that shows a record, asked of one context."""

    def __init__(self, book: Book, locks: dict[str, Checkpoint], first: Delta) -> None:
        self.locks, self.first, self.shard = locks, first, book.shard(CUSTOMER)
        self.caller = Caller(SANDBOX, "sandbox", book.workspace, SCOPES)
        self.reader, self.wanted = Reader(self.caller), documents.Presentation()
        self.handle = ""

    def services(self, context: Context) -> dict[str, Callable[[], Any]]:
        lock, caller, reader, wanted = self.locks[PERIOD], self.caller, self.reader, self.wanted
        given, chk = (context, caller), lock.checkpoint_id
        root = "0x" + lock.proof_root.hex()
        receipt_id = ids.receipt_id(self.shard, receipt_tail(self.first.leaf_hash))
        return {
            "verify": lambda: verify(context, Verifier(context), root, "both"),
            "verify rows": lambda: verify(context, Verifier(context), chk, "db"),
            "verify log": lambda: verify(context, Verifier(context), chk, "chain"),
            "verify delta": lambda: verify(context, Verifier(context), receipt_id, "both"),
            "delta": lambda: delta.get_delta(*given, self.first.record_id),
            "derive": lambda: derive.derive(*given, CUSTOMER, JANUARY, 0, "day", derive.Page(10, 0)),
            "customer": lambda: customers.get_customer(*given, CUSTOMER, None, 1, 10),
            "timeline": lambda: timeline.timeline(*given, CUSTOMER, 50, 0),
            "checkpoints": lambda: checkpoint.list_checkpoints(*given, None, None, 50, 0),
            "diff": lambda: diff.diff(*given, chk, self.locks["2026-02"].checkpoint_id, 9, 0),
            "receipt": lambda: receipt.receipt(*given, CUSTOMER, JANUARY),
            "receipts": lambda: receipt.list_receipts(*given, CUSTOMER, 50, 0),
            "document": lambda: documents.document_view(context, chk, wanted, reader, lambda document: document.kind),
            "page": lambda: printed.printed(documents.read_document(context, chk, wanted, reader), wanted),
            "lines": lambda: b"".join(lines.receipt_csv(context, chk, reader)[1]).decode(),
            "export": lambda: b"".join(directory.export(*given, CUSTOMER, "jsonl", None)).decode(),
            "close package": lambda: directory.close_package(*given, CUSTOMER, JANUARY),
            "shared summary": lambda: self.shared(
                context, lambda s, m: reading.summary(context, s, m, VISITOR, PERIOD)
            ),
            "shared periods": lambda: self.shared(context, lambda s, m: reading.periods(context, s, m)),
            "shared activity": lambda: self.shared(
                context, lambda s, m: reading.activity(s, m, reading.ActivityPage(9))
            ),
        }

    def shared(self, context: Context, work: Callable[[Snapshot, links.Shared], Any]) -> Any:
        with context.storage.snapshot() as snapshot:
            return work(snapshot, links.find(snapshot, self.handle))

    async def all(self, context: Context) -> Replies:
        return {name: await _reply(ask) for name, ask in self.services(context).items()}


async def _reply(ask: Callable[[], Any]) -> str:
    """What is shown, or the code of a refusal."""
    try:
        found = ask()
        found = await found if inspect.isawaitable(found) else found
    except ServiceError as refused:
        return f"refused: {refused.code}"
    except (Damaged, Vanished) as refused:
        return f"refused: {refused}"
    except Exception as crash:
        return f"crashed: {crash!r}"
    return MADE.sub("", msgspec.json.encode(found).decode())


def is_honest(before: str, after: str, is_key: bool) -> bool:
    """As it was, refused, or said not to verify. Where a key was changed, a row may be missing from a list."""
    if after == before or after.startswith(("refused", '{"verified":false')):
        return True
    if not is_key or after.startswith("crashed"):
        return False
    # A month without its row is not in the log yet.
    return not after.startswith('{"verified":true') or _without_entry(after) == _without_entry(before)


def _without_entry(reply: str) -> str:
    return re.sub(r'"verificationReference":(null|"[0-9]+")', "", reply)


def cells(engine: Engine) -> Iterator[tuple[str, str, str, tuple[Any, ...], Any]]:
    """Each column of up to three rows of each table: table, column, condition, its values, the value."""
    own = "customer" if isinstance(engine, SqliteEngine) else "shard_key"
    for table, key in {**engine.keys, **SETTINGS}.items():
        names = (key or own).split(", ")
        # Whose link or profile it is: without one, asking makes another.
        for column in (name for name in engine.columns(table) if table not in ("link", "profile") or name not in names):
            rows = engine.sql(
                f"SELECT {', '.join(names)}, {column} FROM {table} ORDER BY {', '.join(names)} LIMIT {ROWS}"
            )
            for row in rows:
                yield table, column, " AND ".join(f"{name} = ?" for name in names), tuple(row[:-1]), row[-1]


def instead_of(value: Any) -> list[Any]:
    return [changed(value)] if value is not None else [1_700_000_000_000_000, "x", b"x"]


def store(engine: Engine, table: str, column: str, where: str, identity: tuple[Any, ...], value: Any) -> bool:
    try:
        engine.sql(f"UPDATE {table} SET {column} = ? WHERE {where}", (value, *identity))
    except (engine.broken_rule, engine.out_of_range, psycopg.Error, apsw.Error):
        return False
    return True


@BOTH
def test_a_changed_column_is_never_shown_as_verified(story: Book) -> None:
    """Whichever column of whichever row is changed, each reply, page and document is as it was, refused, or not verified."""
    locks = {lock.period or "": lock for lock in _locks(story)}
    with story.storage.snapshot() as snapshot:
        customer = snapshot.customer(SANDBOX, story.shard(CUSTOMER))
        assert customer is not None
        first = snapshot.delta_at(customer, 1)
    assert first is not None
    asked = Asked(story, locks, first)
    in_context(story, asked.all)  # makes the customer's link
    with story.storage.snapshot() as snapshot:
        link = snapshot.link(customer)
    assert link is not None
    asked.handle = links.handle_of(customer, link)
    story.storage.write(lambda unit: unit.add_profile(Profile(customer.id, "Acme")))
    before = in_context(story, asked.all)
    assert not [name for name, reply in before.items() if reply.startswith("refused")], before
    false, tried = [], 0
    for table, column, where, identity, value in list(cells(story.engine)):
        for other in instead_of(value):
            if not store(story.engine, table, column, where, identity, other):
                continue
            tried += 1
            after = in_context(story, asked.all)
            names = [name for name in before if not is_honest(before[name], after[name], (table, column) in KEYS)]
            false += [(table, column, {name: after[name][:60] for name in names[:3]})] if names else []
            moved = tuple(
                other if f"{column} = ?" == part else known for part, known in zip(where.split(" AND "), identity)
            )
            assert store(story.engine, table, column, where, moved, value)
            break
    assert tried > 100
    assert false == [], "\n".join(map(str, false))


def _locks(book: Book) -> list[Checkpoint]:
    with book.storage.snapshot() as snapshot:
        return [lock for lock in snapshot.checkpoints(SANDBOX, None, None, None, 99, 0)[0] if lock.locked]


@BOTH
@pytest.mark.parametrize("table", ["customer", "period_head", "delta", "checkpoint"])
def test_a_lock_signs_no_changed_row(story: Book, table: str) -> None:
    """Whichever column of a row behind a lock is changed, the lock is refused, and so is a delta where it needs the row."""
    command = LockPeriod(SANDBOX, story.shard(CUSTOMER), CUSTOMER, "2026-03", None, None, b"")
    engine, names, identity = story.engine, story.engine.keys[table].split(", "), _newest(story, table)
    where = " AND ".join(f"{name} = ?" for name in names)
    let, tried = [], 0
    for column in engine.columns(table):
        if column in names or (table, column) in KEYS or column in NOT_SIGNED:
            continue
        ((value,),) = engine.sql(f"SELECT {column} FROM {table} WHERE {where}", identity)
        if value is None or not store(engine, table, column, where, identity, changed(value)):
            continue
        tried += 1
        if not _is_refused(story, command):
            let.append(column)
        assert store(engine, table, column, where, identity, value)
    assert tried > 5
    assert let == []
    assert not _is_refused(story, command)


# A note of damage, which fsck clears; which row it is; what erasing removes; how PostgreSQL numbers checkpoints.
NOT_SIGNED = ("frozen", "period_id", "customer", "sequence", "leaf_index", "context", "salt", "last_checkpoint")


def _newest(book: Book, table: str) -> tuple[Any, ...]:
    """The key of the row that locking March reads."""
    own = "id" if table == "customer" else "customer"
    where = {
        "customer": "customer_id = 'cust_a'",
        "period_head": "period = '2026-03' AND {own} = ?",
        "delta": "sequence = 5 AND {own} = ?",
        "checkpoint": "period = '2026-02' AND locked AND {own} = ?",
    }[table]
    is_file = isinstance(book.engine, SqliteEngine)
    ((customer,),) = book.engine.sql(
        f"SELECT {'id' if is_file else 'shard_key'} FROM customer WHERE customer_id = 'cust_a'"
    )
    where = where.format(own=own if is_file else "shard_key")
    keys = book.engine.sql(
        f"SELECT {book.engine.keys[table]} FROM {table} WHERE {where}", (customer,) * where.count("?")
    )
    assert len(keys) == 1
    return tuple(keys[0])


def _is_refused(book: Book, command: LockPeriod) -> bool:
    """Tries the lock, and undoes it."""
    try:
        read_again(SimpleNamespace(storage=book.storage), command)  # type: ignore[arg-type]
    except Damaged:
        return True
    unit = book.storage.begin()
    try:
        outcome = lock_period(unit, command)
    finally:
        book.storage.roll_back(unit)
    return isinstance(outcome, Refusal) and outcome.code == "RECORD_DAMAGED"
