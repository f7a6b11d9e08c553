"""Seals cover whole rows, and are made of what the row holds when it is written."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import fields, replace
from typing import Any

import pytest
from testkit.inside.book import SANDBOX, Book
from testkit.inside.engines import BOTH, SqliteEngine

from pacspace_server.domain.instants import parse_instant
from pacspace_server.storage.model import sealing
from pacspace_server.storage.model.people import Workspace
from pacspace_server.storage.model.protocols import Damaged, Unit
from pacspace_server.storage.model.records import (
    Checkpoint,
    Customer,
    DayTotal,
    Environment,
    Log,
    Part,
    PeriodHead,
    Profile,
    ReplacedTree,
)
from pacspace_server.storage.model.sharing import Link
from pacspace_server.storage.sql.checking import _ROWS

SECRET, ORIGIN, LATER = b"s" * 32, "pacspace.log/sandbox/" + "0" * 32, "2026-04-01T00:00:00Z"
# Of another row, which has its own seal; the row's own seals; a note of damage, which fsck clears; how an engine numbers it.
ELSEWHERE = {
    Environment: {"origin", "restored_from"},
    Log: {"environment", "note", "published_at"},
    PeriodHead: {"state_seal", "damaged"},
    Checkpoint: {"id"},
}
ROWS: list[Any] = [
    Customer(1, 1, b"k" * 16, "cust", b"s", "calls", 5, 7, 8, 9, "2026-01", b"r", 10, 11),
    DayTotal(1, 20_000, 5, 2, 1, 2),
    Environment(1, "wsp_1", "sandbox", 1, ORIGIN, 5),
    Workspace("wsp_1", "Globex", 5, "UTC", "en", "calls", "OPEN"),
    Profile(1, "Acme", "OPEN", "DAILY"),
    Link(1, b"n" * 16, 1, "OPEN"),
    Log(1, 1, "sandbox", ORIGIN, b"b", 5, 4, "note", 6, "key", "{}"),
    ReplacedTree(1, "2026-01", ORIGIN, b"o", b"c", b"r"),
    Checkpoint(1, "chk_1", 1, True, "2026-01", 1, 2, b"r", 3, 4, 5, 6, 7, 8, "inv", "chk_0", 9, [Part("2026-01", 3, b"r")]),
]  # fmt: skip


def changes(row: Any) -> Iterator[tuple[str, Any]]:
    """The row with each of its fields changed in turn."""
    for field in fields(row):
        if field.name != "seal" and field.name not in ELSEWHERE.get(type(row), ()):
            yield field.name, replace(row, **{field.name: _other(getattr(row, field.name))})


def _other(value: Any) -> Any:
    if isinstance(value, list):
        return []
    return not value if isinstance(value, bool) else value + (1 if isinstance(value, int) else type(value)(value[:1]))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: type(row).__name__)
def test_a_seal_covers_every_column(row: Any) -> None:
    """A row with any other value has another seal."""
    _, seal = _ROWS[type(row)]
    same = [name for name, changed in changes(row) if seal(SECRET, changed) == seal(SECRET, row)]
    assert same == []


@BOTH
def test_the_two_seals_of_a_month_cover_every_column(story: Book) -> None:
    """One is over the tree and its totals, the other over how far the log has it."""
    head = _head(story)
    for name, changed in ((n, c) for n, c in changes_of_head(head)):
        seals = (sealing.head_seal(SECRET, changed), sealing.integration_seal(SECRET, changed))
        assert seals != (sealing.head_seal(SECRET, head), sealing.integration_seal(SECRET, head)), name


def changes_of_head(head: PeriodHead) -> Iterator[tuple[str, PeriodHead]]:
    for field in fields(head):
        value = getattr(head, field.name)
        if field.name == "frontier":
            yield field.name, replace(head, frontier=replace(value, size=value.size + 1))
        elif field.name != "seal" and field.name not in ELSEWHERE[PeriodHead]:
            yield field.name, replace(head, **{field.name: 7 if value is None else _other(value)})


def _head(book: Book) -> PeriodHead:
    with book.storage.snapshot() as snapshot:
        customer = snapshot.customer(SANDBOX, book.shard("cust_a"))
        head = snapshot.head(customer, "2026-01") if customer else None
    assert head is not None
    return head


def test_every_kind_of_row_is_tried_here() -> None:
    """No row that is sealed is left out above; a delta's is held against its leaf and its seal by fsck's tests."""
    assert _ROWS.keys() - {type(row) for row in ROWS} == {
        PeriodHead,
        *(kind for kind in _ROWS if kind.__name__ == "Delta"),
    }


@BOTH
@pytest.mark.parametrize("sequence", [1, 3, 5])
def test_a_delta_that_is_gone_is_missed(story: Book, sequence: int) -> None:
    """Reading a customer's deltas, or a month's, never ends early or leaves one out: it is refused."""
    table = "customer" if isinstance(story.engine, SqliteEngine) else "shard_key"
    with story.storage.snapshot() as snapshot:
        customer = snapshot.customer(SANDBOX, story.shard("cust_a"))
        assert customer is not None
        delta = snapshot.delta_at(customer, sequence)
        assert delta is not None
    story.engine.sql(f"DELETE FROM delta WHERE sequence = ? AND {table} = ?", (sequence, customer.id))
    with story.storage.snapshot() as snapshot:
        head = snapshot.head(customer, delta.period)
        assert head is not None
        with pytest.raises(Damaged):
            list(snapshot.deltas_by_sequence(customer, 1, customer.last_sequence))
        with pytest.raises(Damaged):
            list(snapshot.deltas_in_period(head, 1, head.delta_count + 1))
        with pytest.raises(Damaged):
            snapshot.delta_at(customer, sequence)


@BOTH
def test_a_clock_that_moves_leaves_the_log_as_it_is(book: Book) -> None:
    """Who set the clock may have read the environment before its log was replaced: the new log stays."""
    with book.storage.snapshot() as snapshot:
        before = snapshot.environment(SANDBOX)
    book.storage.write(lambda unit: (unit.empty(before), unit.replace_log(before, ORIGIN, b"b" * 32)))  # type: ignore[func-returns-value]
    book.storage.write(lambda unit: unit.set_clock(before, parse_instant(LATER)))
    with book.storage.snapshot() as snapshot:
        after = snapshot.environment(SANDBOX)
    assert (after.origin, after.clock_at) == (ORIGIN, parse_instant(LATER))


@pytest.mark.parametrize("engine", ["postgres"], indirect=True)  # a file has one writer
def test_two_who_change_one_row_both_change_it(book: Book) -> None:
    """While one process sets the clock another replaces the log: neither undoes the other's change."""
    with book.storage.snapshot() as snapshot:
        environment = snapshot.environment(SANDBOX)
    other = book.engine.open()

    def replaced(unit: Unit) -> None:
        unit.replace_log(environment, ORIGIN, b"b" * 32)

    unit = book.storage.begin()
    unit.set_clock(environment, parse_instant(LATER))
    thread = threading.Thread(target=lambda: other.write(replaced))
    thread.start()
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    while not book.engine.sql(waiting)[0][0]:
        assert thread.is_alive(), "it did not wait for the row"
    unit.flush()
    book.storage.commit(unit)
    thread.join()
    other.close()
    with book.storage.snapshot() as snapshot:
        after = snapshot.environment(SANDBOX)
    assert (after.origin, after.clock_at) == (ORIGIN, parse_instant(LATER))
