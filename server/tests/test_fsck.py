"""fsck finds every changed byte of the record, and public verification says no to a changed row."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import apsw
import pytest
from testkit.inside.book import SANDBOX, Book
from testkit.inside.engines import BOTH, Engine, SqliteEngine, changed

from pacspace_server.service.proving import fsck as fsck_room
from pacspace_server.service.proving.fsck import fsck
from pacspace_server.service.proving.verify import recompute


@BOTH
def test_a_sound_record_is_clean(story: Book) -> None:
    """fsck reports nothing on a record that nobody touched, and says how much it looked at."""
    findings = fsck(story.storage, story.signer)
    assert findings.problems == []
    assert (findings.customers, findings.deltas) == (2, 7)
    assert findings.log_entries >= 4
    assert findings.log_checkpoints >= 3


@BOTH
def test_a_log_that_grows_meanwhile_is_no_difference(story: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is recorded, integrated and signed after fsck took its snapshot is not held against the record."""
    run = fsck_room._Checker.run

    def later(*arguments: Any) -> None:
        story.emit("cust_b", -1_000_000_000)
        story.integrate()
        run(*arguments)

    monkeypatch.setattr(fsck_room._Checker, "run", later)
    assert fsck(story.storage, story.signer).problems == []


def cells(engine: Engine) -> Iterator[tuple[str, str, tuple[Any, ...], Any]]:
    """Every value of every row of the record with its table, column and row's key; of a slower engine one per column."""
    for table, key in engine.keys.items():
        for column in engine.columns(table):
            if (table, column) in engine.unconfirmed:
                continue
            rows = engine.sql(f"SELECT {key}, {column} FROM {table} WHERE {column} IS NOT NULL ORDER BY {key}")
            for row in rows if isinstance(engine, SqliteEngine) else rows[-1:]:
                yield table, column, row[:-1], row[-1]


@BOTH
def test_every_changed_value_of_every_record_row_is_found(story: Book) -> None:
    """Whatever column of whatever row of the record is changed by one bit, fsck reports it."""
    engine = story.engine
    unseen, seen = [], 0
    for table, column, identity, value in list(cells(engine)):
        names = engine.keys[table].split(", ")
        where = " AND ".join(f"{name} = ?" for name in names)
        try:
            engine.sql(f"UPDATE {table} SET {column} = ? WHERE {where}", (changed(value), *identity))
        except engine.broken_rule:
            continue
        seen += 1
        if not fsck(story.storage, story.signer).problems:
            unseen.append((table, column, identity))
        moved = tuple(changed(v) if name == column else v for name, v in zip(names, identity, strict=True))
        engine.sql(f"UPDATE {table} SET {column} = ? WHERE {where}", (value, *moved))
    assert unseen == [], unseen
    assert seen > 80
    assert fsck(story.storage, story.signer).problems == []


@BOTH
@pytest.mark.parametrize(
    "table",
    ["delta", "period_head", "day_total", "checkpoint", "log_entry", "log_checkpoint", "proof_root"],
)
def test_a_removed_row_is_found(story: Book, table: str) -> None:
    """Removing the newest row of a record table is found as well as changing one."""
    names = story.engine.keys[table].split(", ")
    newest = ", ".join(f"{name} DESC" for name in names)
    last = story.engine.sql(f"SELECT {', '.join(names)} FROM {table} ORDER BY {newest}")[0]
    story.engine.sql(f"DELETE FROM {table} WHERE {' AND '.join(f'{name} = ?' for name in names)}", tuple(last))
    assert fsck(story.storage, story.signer).problems


def test_a_torn_file_is_found(story: Book, tmp_path: Path) -> None:
    """A page of the file that was overwritten is reported, not a traceback."""
    story.storage.close()
    plain = apsw.Connection(str(story.path))
    page = plain.execute("SELECT rootpage FROM sqlite_master WHERE name = 'delta_sequence'").fetchone()[0]
    plain.close()
    data = bytearray(story.path.read_bytes())
    data[(page - 1) * 4096 + 2048 : page * 4096] = bytes(2048)
    story.path.write_bytes(data)
    reopened = Book(tmp_path)
    story.storage = reopened.storage
    assert fsck(reopened.storage, reopened.signer).problems


@BOTH
def test_a_changed_row_is_not_verified(story: Book) -> None:
    """Public verification of a locked month says no after any column of one of its deltas, or of its lock, was changed."""
    context: Any = SimpleNamespace(storage=story.storage, signer=story.signer)
    engine = story.engine
    with story.storage.snapshot() as snapshot:
        customer = snapshot.customer(SANDBOX, story.shard("cust_a"))
        assert customer is not None
        checkpoint = snapshot.lock_at_or_after(customer, "2026-01")
        head = snapshot.head(customer, "2026-01")
        assert head is not None
        delta = snapshot.delta_in_period(head, 1)
    assert delta is not None
    assert all(step.ok for step in recompute(context, checkpoint, "both"))
    unseen = []
    # Which row it is, is no part of what is verified; and its seal is the last one to be changed.
    columns = [c for c in engine.columns("delta") if c not in ("id", "customer", "period_id", "shard_key", "seal")]
    for column in [*columns, "seal"]:
        (value,) = engine.sql(f"SELECT {column} FROM delta WHERE leaf_hash = ?", (delta.leaf_hash,))[0]
        if value is None:
            continue
        now = changed(delta.leaf_hash) if column == "leaf_hash" else delta.leaf_hash
        engine.sql(f"UPDATE delta SET {column} = ? WHERE leaf_hash = ?", (changed(value), delta.leaf_hash))
        if all(step.ok for step in recompute(context, checkpoint, "both")):
            unseen.append(("delta", column))
        engine.sql(f"UPDATE delta SET {column} = ? WHERE leaf_hash = ?", (value, now))
    for table, column in story.engine.leaves:
        for leaf in (head.opening, head.closing or b""):
            found = engine.sql(f"SELECT 1 FROM {table} WHERE {column} = ?", (leaf,))
            engine.sql(f"UPDATE {table} SET {column} = ? WHERE {column} = ?", (changed(leaf), leaf))
            if found and all(step.ok for step in recompute(context, checkpoint, "both")):
                unseen.append((table, column))
            engine.sql(f"UPDATE {table} SET {column} = ? WHERE {column} = ?", (leaf, changed(leaf)))
    assert unseen == []
    assert all(step.ok for step in recompute(context, checkpoint, "both"))


def test_a_day_s_total_is_told_in_words(story: Book) -> None:
    """What differs in a day's total is its amount, its number of deltas and which ones, not how a program writes it."""
    story.engine.sql("UPDATE day_total SET count = count + 1")
    problems = [problem for problem in fsck(story.storage, story.signer).problems if "day total" in problem]
    told = r"customer \S+, day total of [0-9-]+: recomputed (\S+ in )(\d+) of the deltas (\d+ to \d+), stored \1(\d+) of the deltas \3"
    found = [re.fullmatch(told, problem) for problem in problems]
    assert found and all(match and int(match[4]) == int(match[2]) + 1 for match in found), problems
