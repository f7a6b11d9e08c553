"""The command against a server whose record is damaged: what black-box tests can't bring about."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from testkit.command import Done, run_command
from testkit.inside.book import SANDBOX, Book
from testkit.inside.running import running

from pacspace_server.cli.host.serve import _named
from pacspace_server.config import Value


@contextmanager
def served(book: Book, folder: Path) -> Iterator[dict[str, str]]:
    """A server process on the book's record; the environment in which the command speaks to it."""
    book.storage.close()
    with running(book.path, "--signer-dir", str(folder / "signer")) as started:
        yield {"PACSPACE_BASE_URL": started["url"], "PACSPACE_API_KEY": started["fullKey"]}


def test_close_month_lists_who_could_not_be_locked(book: Book, tmp_path: Path) -> None:
    """A damaged month fails alone: the others are locked, the command lists it with the reason and ends with 1."""
    book.at("2026-01-10T10:00:00Z")
    for name in ("c1", "c2", "c3"):
        book.emit(name, -1_500_000_000)
    book.integrate()
    with book.storage.snapshot() as snapshot:
        customer = snapshot.customer(SANDBOX, book.shard("c2"))
        assert customer is not None
        head = snapshot.head(customer, "2026-01")
    assert head is not None
    book.storage.write(lambda unit: unit.set_damaged(head.customer, head.period))
    with served(book, tmp_path) as environment:

        def run(*arguments: str) -> Done:
            return run_command(*arguments, folder=tmp_path, environment=environment)

        text, told = run("close-month", "2026-01", "--yes"), run("--json", "close-month", "2026-01", "--yes")
        locked: Any = [
            json.loads(run("--json", "customer", name).stdout)["lockedThrough"] for name in ("c1", "c2", "c3")
        ]
    assert text.returncode == told.returncode == 1, text.stderr
    assert (
        "c2" in text.stdout
        and "RECORD_DAMAGED" in text.stdout
        and "2 customers, 2 deltas, net change -3" in text.stdout
    )
    assert [one["customerId"] for one in json.loads(told.stdout)["failed"]] == ["c2"]
    assert locked == ["2026-01", None, "2026-01"]


@pytest.mark.parametrize(
    ("url", "named"),
    [("postgresql://me@db/record", " --database postgresql://me@db/record"), ("postgresql://me:secret@db/record", ""),
     ("postgresql://me@db/record?password=secret", "")],
)  # fmt: skip
def test_a_command_to_copy_has_no_password_and_none_that_is_masked(url: str, named: str) -> None:
    """`serve` names the database in the command that makes a key only where that command would work as it is written."""
    assert _named(Value(url, "flag")) == named
