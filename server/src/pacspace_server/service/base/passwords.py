"""Passwords: hashed with argon2id, on two threads at most, with the same work whether somebody has that e-mail or not."""

from __future__ import annotations

import asyncio
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from .errors import invalid, unavailable

T = TypeVar("T")
MIN_CHARS, MAX_CHARS = 10, 200
AT_ONCE, WAITING = 2, 32
# 19 MiB, two passes: what OWASP names as the least. Two at once must not be felt by those who record.
_HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
# Of no password: its check costs what any check costs.
_NOBODY = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"


def check_password(password: str, field: str = "password") -> str:
    """The password as it is hashed; a plain 400 for one that is too short or too long."""
    password = _normal(password)
    if not MIN_CHARS <= len(password) <= MAX_CHARS:
        raise invalid((field, f"must have {MIN_CHARS} to {MAX_CHARS} characters"))
    return password


def _normal(password: str) -> str:
    """One spelling of what looks the same, whatever keyboard it was typed on."""
    return unicodedata.normalize("NFC", password)


def hash_password(password: str) -> str:
    return _HASHER.hash(password)


def is_password(password: str, password_hash: str | None) -> bool:
    """Whether it is the one; false, after the same work, where there is no hash."""
    try:
        _HASHER.verify(password_hash or _NOBODY, _normal(password))
    except (VerificationError, InvalidHashError):
        return False
    return password_hash is not None


class PasswordThreads:
    """Where a running server hashes: never on the event loop, and never more than two at once."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(AT_ONCE, "password")
        self._waiting = 0

    async def run(self, work: Callable[..., T], *arguments: str | None) -> T:
        """503 when too many wait already."""
        if self._waiting >= WAITING:
            raise unavailable("too many people log in at this moment", 5)
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work, *arguments)
        finally:
            self._waiting -= 1
