"""Doors that shut, and the secret that codes are derived from."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from testkit.inside.book import Book
from testkit.inside.engines import BOTH

from pacspace_server.http.refusals import status_of
from pacspace_server.service.base.errors import ServiceError
from pacspace_server.service.base.lockouts import FAILURES, WINDOW_US, client_network, failed, refuse_locked, succeeded
from pacspace_server.service.base.server_secret import ServerSecret

NOW = 1_800_000_000_000_000


def _is_shut(book: Book, key: str, now: int) -> bool:
    with book.storage.snapshot() as snapshot:
        try:
            refuse_locked(snapshot, key, now)
        except ServiceError as error:
            assert status_of(error) == 429 and 0 < error.extra["retryAfterSeconds"] <= WINDOW_US // 1_000_000
            return True
    return False


@BOTH
def test_the_fifth_failure_shuts_the_door_for_one(book: Book) -> None:
    """Five failures shut it for whoever failed, for 15 minutes, and say so once; nobody else is kept out."""
    told = [book.storage.write(lambda unit: failed(unit, "code:a", NOW)) for _ in range(FAILURES)]
    assert told == [False] * (FAILURES - 1) + [True]
    assert _is_shut(book, "code:a", NOW + WINDOW_US - 1)
    assert not _is_shut(book, "code:b", NOW)
    assert not _is_shut(book, "code:a", NOW + WINDOW_US)


@BOTH
def test_failures_are_forgotten(book: Book) -> None:
    """A success forgets what failed before it, and so does time."""
    for _ in range(FAILURES - 1):
        book.storage.write(lambda unit: failed(unit, "login:a", NOW))
    book.storage.write(lambda unit: succeeded(unit, "login:a"))
    for at in (NOW, NOW + 1, NOW + 2, NOW + WINDOW_US, NOW + WINDOW_US + 1):
        assert not book.storage.write(lambda unit, at=at: failed(unit, "login:a", at))


@BOTH
def test_failures_at_once_all_count(book: Book) -> None:
    """Of eight who fail at the same instant exactly one finds that it shut the door."""
    with ThreadPoolExecutor(8) as pool:
        told = list(pool.map(lambda _: book.storage.write(lambda unit: failed(unit, "code:c", NOW)), range(8)))
    assert sum(told) == 1


def test_processes_that_start_at_once_share_one_secret(tmp_path: Path) -> None:
    """Whoever makes it first made it for all; nobody else can read the file."""
    with ThreadPoolExecutor(8) as pool:
        derived = set(pool.map(lambda _: ServerSecret(tmp_path / "keys").derive("code", "a", "b"), range(8)))
    assert len(derived) == 1
    assert [file.name for file in (tmp_path / "keys").iterdir()] == ["server.secret"]
    assert stat.S_IMODE((tmp_path / "keys" / "server.secret").stat().st_mode) == 0o600


def test_what_is_derived_depends_on_every_part(tmp_path: Path) -> None:
    """No two lists of purpose and parts lead to the same bytes, and no two secrets do."""
    one, other = ServerSecret(tmp_path / "a"), ServerSecret(tmp_path / "b")
    derived = [
        one.derive("a", "b"),
        one.derive("ab"),
        one.derive("a", "b", ""),
        one.derive("b", "a"),
        other.derive("a", "b"),
    ]
    assert len(set(derived)) == len(derived)


def test_a_cut_secret_is_refused(tmp_path: Path) -> None:
    """A file that is not the whole secret makes no codes."""
    (tmp_path / "server.secret").write_text("abcd\n")
    with pytest.raises(ValueError, match="32 bytes"):
        ServerSecret(tmp_path).derive("a")


@pytest.mark.parametrize(
    ("one", "other", "are_one"),
    [
        ("203.0.113.7", "203.0.113.8", False),
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("::ffff:203.0.113.7", "203.0.113.7", True),
        ("fe80::1%eth0", "fe80::2%eth1", True),
        ("", "nowhere", False),
    ],
)
def test_whoever_has_many_addresses_is_one_who_knocks(one: str, other: str, are_one: bool) -> None:
    """The 2^64 addresses of one IPv6 network, which any one machine may use, are one at a door; each IPv4 address is one."""
    assert (client_network(one) == client_network(other)) is are_one
