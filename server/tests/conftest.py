"""Fixtures: an empty record, and one with a story in it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from testkit.cluster import OLDEST, shared_cluster
from testkit.inside.book import Book
from testkit.inside.engines import Engine, PostgresEngine, SqliteEngine

# By default a traceback shows every local variable, which takes seconds.
PLAIN = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
structlog.configure(processors=[*structlog.get_config()["processors"][:-1], PLAIN])


@pytest.fixture
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Engine:
    """SQLite, unless the test is marked with `engines.BOTH`."""
    name, _, version = getattr(request, "param", "sqlite").partition("-")
    if name == "sqlite":
        return SqliteEngine(tmp_path)
    return PostgresEngine(shared_cluster(int(version or OLDEST)))


@pytest.fixture
def book(tmp_path: Path, engine: Engine) -> Iterator[Book]:
    record = Book(tmp_path, engine)
    yield record
    record.close()


@pytest.fixture
def story(book: Book) -> Book:
    """Two customers, three months, late, correcting and keyed deltas, locked, open and interim states, all in the log."""
    book.at("2026-01-10T10:00:00Z")
    first = book.emit("cust_a", -1_500_000_000, reference="r1", metadata='{"a":1}', key="k1").delta
    book.emit("cust_a", 2_000_000_000, reference="r2")
    book.emit("cust_b", -7_000_000_000)
    book.integrate()
    book.at("2026-02-03T10:00:00Z")
    book.emit("cust_a", -3_000_000_000, reference="r3", key="k3")
    book.lock("cust_a", "2026-01", key="lock")
    book.emit("cust_a", 500_000_000, occurred_at="2026-01-20T00:00:00Z", adjusts=first.record_id)
    book.integrate()
    book.at("2026-03-03T10:00:00Z")
    book.lock("cust_a", "2026-02")
    book.emit("cust_a", -9_000_000_000, reference="r5")
    book.emit("cust_b", -1_000_000_000)
    book.integrate()
    return book
