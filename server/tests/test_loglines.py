"""Log lines: what is taken out of them, whom they are for, and what happens when they can't be written."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import sys
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
import structlog
from testkit.inside.book import Book
from testkit.inside.engines import BOTH, PostgresEngine

from pacspace_server.process.loglines import configure_logging, traceback_text
from pacspace_server.storage.writing.committer import Committer, NotWritten
from pacspace_server.telemetry import Histogram, doing, said


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """Sets lines up, at the level debug; those that were written. All is as before afterwards."""
    root, handlers, level = logging.getLogger(), logging.getLogger().handlers[:], logging.getLogger().level
    before = structlog.get_config()
    configure_logging("debug")
    yield lambda: [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    structlog.configure(**before)
    root.handlers, root.level = handlers, level


Lines = Callable[[], list[dict[str, Any]]]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("key pk_test_0123456789abcdef.AbC-_d~9 end", "key pk_test_0123456789abcdef.*** end"),
        ("Authorization: Bearer abc.DEF-1_2=, more", "Authorization: Bearer ***, more"),
        ("postgresql://me:pa/ss@db:1/x", "postgresql://me:***@db:1/x"),
        ("host=db password=hunter2 user=x", "host=db password=*** user=x"),
        ("?password=hunter2&sslmode=x", "?password=***&sslmode=x"),
        (
            "nothing https://db.example:5432/x at 12:30 me@example.com",
            "nothing https://db.example:5432/x at 12:30 me@example.com",
        ),
    ],
)
def test_secrets_are_taken_out_of_every_line(lines: Lines, text: str, shown: str) -> None:
    """Keys, tokens and passwords are replaced wherever they stand, in our lines and in those of libraries; the rest stays."""
    structlog.get_logger("ours").info("said", text=text)
    logging.getLogger("theirs").warning("%s", text)
    ours, theirs = lines()
    assert (ours["text"], ours["logger"]) == (shown, "ours")
    assert (theirs["event"], theirs["logger"], theirs["level"]) == (shown, "theirs", "warning")


def test_a_line_says_whom_it_is_for(lines: Lines) -> None:
    """What works for a request has its id in every line, also on a thread and in a library's line; other work has not."""

    async def work() -> None:
        doing.set({"request_id": "req_1"})
        await asyncio.to_thread(structlog.get_logger().info, "on a thread")
        logging.getLogger("theirs").warning("in a library")

    asyncio.run(work())
    structlog.get_logger().info("elsewhere")
    assert [line.get("request_id") for line in lines()] == ["req_1", "req_1", None]


@BOTH
def test_a_refused_write_names_its_requests(book: Book, lines: Lines) -> None:
    """When the database does not take a transaction, the line has the id of the request that it is for, and of no other."""
    guilty = book.shard("cust_1")
    book.storage.close()
    storage = book.storage = book.engine.open_without_room_for(guilty)

    async def send(committer: Committer, number: int) -> Any:
        doing.set({"request_id": f"req_{number}"})
        return await committer.apply([book.command(f"cust_{number}", -1)])

    async def work() -> list[Any]:
        committer = Committer(storage)
        answers = await asyncio.gather(*(send(committer, number) for number in range(4)), return_exceptions=True)
        await committer.close()
        assert committer.failed > 0 and committer.sizes.sum == 3
        return answers

    answers = asyncio.run(work())
    assert [isinstance(answer, NotWritten) for answer in answers] == [False, True, False, False]
    told = [line for line in lines() if line["event"] == "the database did not take a write"]
    assert told and all(line["request_id"] == ["req_1"] for line in told)


def test_a_database_error_is_told_without_values() -> None:
    """Of a failing statement the log has type and state, never the row; of a lost server it has the server's words."""
    engine = PostgresEngine()
    with psycopg.connect(engine.owner_url) as connection:
        with pytest.raises(psycopg.Error) as refused:
            connection.execute("INSERT INTO pacspace.lease VALUES (%s, NULL, 1, 1)", ("s3" + "cret",))
        connection.rollback()
        with pytest.raises(psycopg.Error) as unread:
            connection.execute("SELECT %s::text::integer", ("s3" + "cret",))
    engine.close()
    for error in (refused.value, unread.value):
        assert "s3cret" in str(error)
        text = traceback_text((type(error), error, error.__traceback__))
        assert "s3cret" not in said(error) + text and "SQLSTATE" in text and type(error).__name__ in text
    with pytest.raises(psycopg.OperationalError) as lost:
        psycopg.connect("postgresql://me:s3cret@127.0.0.1:1/x", connect_timeout=5)
    assert "refused" in said(lost.value) and "s3cret" not in said(lost.value)


def test_a_traceback_tells_causes_and_no_variables() -> None:
    """The first cause comes first; a suppressed one is left out; no value of a local variable is shown."""

    def fail() -> None:
        hidden = "s3cret"
        try:
            raise KeyError(len(hidden))
        except KeyError as error:
            raise ValueError("second") from error

    with pytest.raises(ValueError) as failed:
        fail()
    text = traceback_text((ValueError, failed.value, failed.value.__traceback__))
    assert text.index("KeyError") < text.index("which led to") < text.index("ValueError: second")
    assert '"s3cret"' not in text.replace('hidden = "s3cret"', "")


def test_a_log_that_takes_no_lines_stops_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk or a closed pipe under stderr loses lines, and raises nothing."""

    class Full(io.StringIO):
        def write(self, text: str) -> int:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(sys, "stderr", Full())
    root, handlers, before = logging.getLogger(), logging.getLogger().handlers[:], structlog.get_config()
    configure_logging("info")
    try:
        structlog.get_logger().error("lost")
        logging.getLogger("theirs").error("lost too")
    finally:
        structlog.configure(**before)
        root.handlers = handlers


def test_a_histogram_counts_each_value_once() -> None:
    """A value on a bound belongs to it; one above all bounds is counted too."""
    histogram = Histogram((1.0, 2.0))
    for value in (0.5, 1.0, 1.5, 2.0, 9.0):
        histogram.observe(value)
    assert (histogram.counts, histogram.sum, histogram.count) == ([2, 2, 1], 14.0, 5)
