"""Refusals: every route and page answers each kind of failure by the one table, in its own form."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from testkit.inside.book import Book

from pacspace_server.api.requests import Target
from pacspace_server.config import Database
from pacspace_server.http.messages import Call, Reply
from pacspace_server.http.refusals import CODES, answered, as_json, refusal_of
from pacspace_server.process.wiring import ServerConfig, _compose
from pacspace_server.service.base.errors import ServiceError
from pacspace_server.storage.model.protocols import Damaged, InDoubt, Unavailable, Vanished
from pacspace_server.storage.writing.committer import NotWritten, Overloaded

SECRET = "secret detail"
FAILURES: list[tuple[Callable[[], BaseException], int, bool]] = [
    (lambda: Vanished("the sandbox was emptied meanwhile"), 404, False),
    (lambda: Overloaded(), 503, True),
    (lambda: NotWritten("disk full"), 503, True),
    (lambda: Unavailable("it is unreachable", SECRET), 503, True),
    (lambda: InDoubt("the disk failed during the commit"), 503, True),
    (lambda: asyncio.CancelledError(), 503, True),
    (lambda: Damaged("customer", SECRET), 503, False),
    (lambda: RuntimeError(SECRET), 500, False),
    *((lambda code=code: ServiceError(code, "refused"), CODES[code].status, False) for code in CODES),  # type: ignore[misc]
]


class FailingCall(Call):
    """Fails once, at the first look into it."""

    __slots__ = ("failure",)

    def __init__(self, method: str, failure: BaseException) -> None:
        scope = {"method": method, "path": "/x", "headers": [], "query_string": b"", "path_params": {}}
        super().__init__(scope, _nothing)
        self.failure: BaseException | None = failure

    def _fail(self) -> None:
        failure, self.failure = self.failure, None
        if failure is not None:
            raise failure

    def header(self, name: bytes) -> str | None:
        self._fail()
        return super().header(name)

    def path(self, name: str) -> str:
        self._fail()
        return "x"

    async def body(self, most: int) -> bytes:
        self._fail()
        return b""

    def query(self) -> dict[str, str]:
        self._fail()
        return {}

    @property
    def address(self) -> str:
        self._fail()
        return "192.0.2.1"


async def _nothing() -> dict[str, Any]:
    return {"body": b""}


def with_targets(book: Book, folder: Path, work: Callable[[Target], Any]) -> None:
    """Does something with each method of each route and page of a whole server that is not started."""

    async def run() -> None:
        config = ServerConfig(
            Database(f"sqlite:///{folder}/record.db", folder / "record.db"), folder / "signer", "127.0.0.1", 0
        )
        parts = _compose(config, book.storage, "http://127.0.0.1", 1)
        for entry in parts.app._entries:
            for target in entry.targets.values():
                await work(target)
        await parts.committer.close()

    asyncio.run(run())


def is_page(route: str) -> bool:
    return not route.startswith(("/api/", "/dashboard/", "/log/", "/receipts/")) and route not in (
        "/healthz", "/readyz", "/metrics", "/openapi.json",
    )  # fmt: skip


def test_every_route_and_page_answers_each_failure_by_the_one_table(book: Book, tmp_path: Path) -> None:
    """Same status and Retry-After everywhere: JSON from the API, HTML from pages, and nothing of the inside."""
    untouched: set[str] = set()

    async def ask(target: Target) -> None:
        for make, status, retries in FAILURES:
            call = FailingCall(target.method, make())
            reply = await answered(call, target.answer, as_json)
            if call.failure is not None:
                untouched.add(target.route)
                continue
            where = f"{target.method} {target.route} {make()!r}"
            assert reply.status == status, where
            assert ("Retry-After" in reply.headers) == retries, where
            assert SECRET not in shown(reply), where
            assert reply.media_type.startswith("text/html" if is_page(target.route) else "application/json"), where

    with_targets(book, tmp_path, ask)
    assert untouched == {"/", "/docs", "/verify"}, "they read nothing of the request"


def shown(reply: Reply) -> str:
    return reply.body.decode() if reply.body is not None else str(reply.value)


@pytest.mark.parametrize(("method", "repeatable", "words"), [
    ("POST", True, "Idempotency-Key or referenceId"), ("POST", False, "check it before"), ("GET", False, "try again"),
])  # fmt: skip
def test_words_of_a_write_in_doubt_fit_the_request(method: str, repeatable: bool, words: str) -> None:
    """Only a request that has a key or a reference is told to use it again; any other one is told to look first."""
    call = Call({"method": method, "headers": []}, _nothing)
    call.repeatable = repeatable
    refusal = refusal_of(InDoubt("the disk failed during the commit"), call)
    assert words in refusal.message and ("referenceId" in refusal.message) == repeatable
