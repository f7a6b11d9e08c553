"""fsck finds every single flipped bit of every record row.

`FSCK_BITS=1/1` flips every bit, `FSCK_BITS=2/3` the second third of them; without it a sample does, chosen by FSCK_SEED.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from testkit.inside.book import Book
from testkit.inside.engines import BOTH, Engine, SqliteEngine, Undone
from testkit.inside.restored import Restored, hand_out

from pacspace_server.log import logtree
from pacspace_server.service.proving import fsck_log
from pacspace_server.service.proving.fsck import fsck

PART = os.environ.get("FSCK_BITS")
SEED = os.environ.get("FSCK_SEED") or str(random.SystemRandom().randrange(10**6))
SAMPLE = 300
INTEGER_BITS = 64


def flips(value: Any) -> Iterator[tuple[str, Any]]:
    """The value with each of its bits flipped in turn, and the SQL that stores it."""
    if isinstance(value, bool):
        yield "?", not value
    elif isinstance(value, int):
        for bit in range(INTEGER_BITS):
            flipped = (value ^ (1 << bit)) & (2**INTEGER_BITS - 1)
            yield "?", flipped - 2**INTEGER_BITS if flipped >> (INTEGER_BITS - 1) else flipped
    elif isinstance(value, Decimal):
        for bit in range(INTEGER_BITS - 1):
            yield "?", Decimal(int(value.scaleb(9)) ^ (1 << bit)).scaleb(-9)
    elif isinstance(value, bytes):
        for place in range(8 * len(value)):
            yield "?", _flipped(value, place)
    else:
        data = value.encode()
        for place in range(8 * len(data)):
            yield "text", _flipped(data, place)


def _flipped(data: bytes, place: int) -> bytes:
    index, bit = divmod(place, 8)
    return data[:index] + bytes([data[index] ^ (1 << bit)]) + data[index + 1 :]


def cells(engine: Engine) -> Iterator[tuple[str, str, tuple[Any, ...], Any]]:
    """Every value of every row of the record with its table, column and row's key."""
    for table, key in engine.keys.items():
        for column in engine.columns(table):
            if (table, column) not in engine.unconfirmed:
                rows = engine.sql(f"SELECT {key}, {column} FROM {table} WHERE {column} IS NOT NULL ORDER BY {key}")
                yield from ((table, column, tuple(row[:-1]), row[-1]) for row in rows)


def store(engine: Engine, undone: Undone, cell: tuple[str, str, tuple[Any, ...], Any], how: str, value: Any) -> bool:
    """Whether the engine takes the changed value at all."""
    table, column, identity, _ = cell
    if how == "text" and not isinstance(engine, SqliteEngine):
        try:
            value = value.decode()
        except UnicodeDecodeError:
            return False
        if "\0" in value:
            return False
    place = "CAST(? AS TEXT)" if how == "text" and isinstance(engine, SqliteEngine) else "?"
    where = " AND ".join(f"{name} = ?" for name in engine.keys[table].split(", "))
    try:
        undone.sql(f"UPDATE {table} SET {column} = {place} WHERE {where}", (value, *identity))
    except (engine.broken_rule, engine.out_of_range):
        return False
    return True


@pytest.fixture
def small(book: Book, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Book]:
    """One customer with everything a record can have: locked, open and interim states, a reference, a key, a correction, late
    usage; restored, with trees made anew; and logs with nodes, because their tiles are two entries wide here."""
    for room, name, value in ((logtree, "TILE", 2), (logtree, "TILE_BITS", 1), (fsck_log, "TILE", 2)):
        monkeypatch.setattr(room, name, value)
    book.at("2026-01-10T10:00:00Z")
    first = book.emit("c", -1, reference="r", key="k").delta
    book.integrate()
    book.at("2026-02-03T10:00:00Z")
    book.lock("c", "2026-01", key="l")
    book.integrate()
    book.emit("c", 2, occurred_at="2026-01-20T00:00:00Z", adjusts=first.record_id)
    hand_out(book, "c", "2026-02")
    book.integrate()
    book.lock("c", "2026-02")
    restored = Restored(book, tmp_path / "restored", lambda went: (went.emit("c", -1), went.integrate()))
    restored.renew()
    restored.book.at("2026-03-03T10:00:00Z")
    restored.book.emit("c", -3)
    restored.book.integrate()
    yield restored.book
    restored.book.close()


@BOTH
def test_every_flipped_bit_is_found(small: Book, capsys: pytest.CaptureFixture[str]) -> None:
    """Whichever bit of whichever value of a record row is flipped, fsck reports it, and never ends in a traceback."""
    engine, secret = small.engine, small.storage.secret
    assert fsck(small.storage, small.signer).problems == []
    every = [(cell, how, value) for cell in cells(engine) for how, value in flips(cell[3])]
    assert {cell[0] for cell, _, _ in every} == set(engine.keys), "a table of the record has no row here"
    tried = random.Random(SEED).sample(every, SAMPLE)
    if PART is not None:
        number, parts = map(int, PART.split("/"))
        tried = every[number - 1 :: parts]
    unseen, stored = [], 0
    for cell, how, value in tried:
        with engine.undone(secret) as undone:
            if not store(engine, undone, cell, how, value):
                continue
            stored += 1
            if not fsck(undone, small.signer).problems:  # type: ignore[arg-type]
                unseen.append((*cell, value))
    with capsys.disabled():
        if PART is not None:
            print(
                f"\n{type(engine).__name__}: {stored - len(unseen):,} of {stored:,} flipped bits found ({len(every):,} bits)"
            )
    assert unseen == [], f"FSCK_SEED={SEED}: {Counter(cell[:2] for cell in unseen)}, {unseen[:20]}"
    assert stored > SAMPLE // 2
