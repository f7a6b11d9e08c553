"""Passwords: argon2id hashes, computed on two threads, with the same work for unknown e-mails."""

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
THREADS, WAITING = 2, 32
# 19 MiB and two passes are OWASP's minimum. Two threads leave enough for recording.
_HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
# Matches no password; checking it takes as long as any check.
_NO_MATCH = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"


def check_password(password: str, field: str = "password") -> str:
    """The normalized password; a plain 400 if it is too short or too long."""
    password = _normal(password)
    if not MIN_CHARS <= len(password) <= MAX_CHARS:
        raise invalid((field, f"must have {MIN_CHARS} to {MAX_CHARS} characters"))
    return password


def _normal(password: str) -> str:
    """Makes the same characters equal, however a keyboard encodes them."""
    return unicodedata.normalize("NFC", password)


def hash_password(password: str) -> str:
    return _HASHER.hash(password)


def is_password(password: str, password_hash: str | None) -> bool:
    """Whether the password matches; without a hash, false after the same work."""
    try:
        _HASHER.verify(password_hash or _NO_MATCH, _normal(password))
    except (VerificationError, InvalidHashError):
        return False
    return password_hash is not None


class PasswordThreads:
    """Hashes passwords outside the event loop, two at a time."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(THREADS, "password")
        self._waiting = 0

    async def run(self, work: Callable[..., T], *arguments: str | None) -> T:
        """503 if too many are waiting."""
        if self._waiting >= WAITING:
            raise unavailable("too many log-ins at the moment", 5)
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work, *arguments)
        finally:
            self._waiting -= 1
