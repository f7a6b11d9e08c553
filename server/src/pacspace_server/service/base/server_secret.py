"""The server secret: 32 bytes in a file beside the signing keys, outside the database and its backups.

Access codes and webhook secrets are derived from it, so that they can be shown again and are not stored. If the file
is lost, all codes and webhook secrets change.
"""

from __future__ import annotations

import hmac
import os
import secrets
from functools import cached_property
from pathlib import Path

FILE = "server.secret"
SIZE_BYTES = 32


class ServerSecret:
    """The secret in one folder, made on first use."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE

    @cached_property
    def _secret(self) -> bytes:
        try:
            return self._read()
        except FileNotFoundError:
            self._make()
            return self._read()

    def _read(self) -> bytes:
        secret = bytes.fromhex(self._path.read_text("ascii"))
        if len(secret) != SIZE_BYTES:
            raise ValueError(f"{self._path} must contain {SIZE_BYTES} bytes in hexadecimal: restore the right file")
        return secret

    def _make(self) -> None:
        """Writes the file atomically; if several processes start together, one makes it."""
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        temporary = self._path.with_name(f"{FILE}.{secrets.token_hex(8)}")
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_hex(SIZE_BYTES) + "\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(temporary, self._path)
        except FileExistsError:
            pass
        finally:
            temporary.unlink()
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def derive(self, purpose: str, *parts: str) -> bytes:
        """32 bytes for a purpose and its parts: HMAC-SHA-256 over them, each ended by a zero byte."""
        message = "".join(f"{part}\x00" for part in (purpose, *parts))
        return hmac.digest(self._secret, message.encode(), "sha256")
