"""The signer: one key per log, and the last-signed record, in files outside the database.

It refuses a rolled-back database or a paused older process, which asks for a signature below the last-signed record or
over another history.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from pacspace_proofs.note import ED25519, SIGNATURE_PREFIX, VerifierKey, checkpoint_body

GO_ON = "stop the server and continue the record in a new log: `pacspace new-log`"
KEY_ADVICE = f"set PACSPACE_SIGNER_DIR to the folder that this database was used with, or {GO_ON}"
FOLDER_ADVICE = (
    "Later signatures are unknown, so nothing is signed: use the folder that this database was used with. If it is "
    "lost, stop the server and continue the record in a new log: `pacspace new-log --lost-signing-folder`"
)
ADVICE = (
    "This database is older than the last signature of its key: restore a newer copy, or "
    f"{GO_ON}. Until then the server records and answers, but signs nothing"
)


class SigningRefused(Exception):
    """Signing would contradict an earlier signature; the message says how, and what to do."""


@dataclass(frozen=True)
class LastSigned:
    """The last-signed record of one log."""

    size: int
    root: bytes
    fencing: int


class Signer:
    """Keys and last-signed records of all logs of one server, in one folder of mode 0700 that the first key creates."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._keys: dict[str, Ed25519PrivateKey] = {}

    def _path(self, origin: str, suffix: str) -> Path:
        return self.folder / f"{origin.rpartition('/')[2]}.{suffix}"

    def create_key(self, origin: str) -> None:
        """Creates a key for a log without one. Never replaces a key."""
        path = self._path(origin, "key")
        with self._locked(origin):
            if path.exists():
                return
            _write_durably(path, Ed25519PrivateKey.generate().private_bytes_raw().hex() + "\n")

    def has_key(self, origin: str) -> bool:
        return self._path(origin, "key").exists()

    def _key(self, origin: str) -> Ed25519PrivateKey:
        if origin not in self._keys:
            try:
                seed = bytes.fromhex(self._path(origin, "key").read_text())
            except (OSError, ValueError) as error:
                raise SigningRefused(
                    f"the signing key of {origin} is missing in the signing folder: {KEY_ADVICE}"
                ) from error
            self._keys[origin] = Ed25519PrivateKey.from_private_bytes(seed)
        return self._keys[origin]

    def verifier_key(self, origin: str) -> VerifierKey:
        return VerifierKey(origin, ED25519, self._key(origin).public_key().public_bytes_raw())

    def freeze(self, origin: str) -> None:
        """Refuses all further signatures under this origin, for any database."""
        with self._locked(origin):
            _write_durably(self._path(origin, "frozen"), origin + "\n")

    def is_frozen(self, origin: str) -> bool:
        return self._path(origin, "frozen").exists()

    def last_signed(self, origin: str) -> LastSigned | None:
        try:
            record = json.loads(self._path(origin, "signed").read_text())
        except FileNotFoundError:
            return None
        return LastSigned(int(record["size"]), bytes.fromhex(record["root"]), int(record["fencing"]))

    def check(self, origin: str, size: int, root_at: Callable[[int], bytes]) -> LastSigned | None:
        """The last-signed record, if a log of this size continues it. Raises SigningRefused if it does not.

        `root_at(n)` recomputes the log's root over its first n entries.
        """
        last = self.last_signed(origin)
        if self.is_frozen(origin):
            raise SigningRefused(
                f"{origin} is frozen: its record continues in another log. Use the database with that log, or {GO_ON}"
            )
        if last is not None and size < last.size:
            raise SigningRefused(
                f"{origin} is behind: it was signed up to entry {last.size}, but ends at entry {size}. {ADVICE}"
            )
        if last is not None and (found := root_at(last.size)) != last.root:
            raise SigningRefused(
                f"{origin} has another history: its root at {last.size} is {found.hex()}, but "
                f"{last.root.hex()} was signed. {ADVICE}"
            )
        if size or last is not None:  # else a server creates its key when it starts
            self._key(origin)
        return last

    def sign(self, origin: str, size: int, root: bytes, fencing: int, root_at: Callable[[int], bytes]) -> str:
        """A signed log checkpoint. `root_at(n)` recomputes the log's root over its first n entries.

        Raises SigningRefused unless this log continues the last-signed record.
        """
        with self._locked(origin):
            last = self.check(origin, size, root_at)
            if last is not None and fencing < last.fencing:
                raise SigningRefused(
                    f"{origin}: a newer process (fencing number {last.fencing}) has taken over signing"
                )
            if last is None or (last.size, last.fencing) != (size, fencing):
                record = {"origin": origin, "size": size, "root": root.hex(), "fencing": fencing}
                _write_durably(self._path(origin, "signed"), json.dumps(record) + "\n")
            # After a crash here, the last-signed record is ahead: the next run signs the same size and root.
            body = checkpoint_body(origin, size, root)
            signature = self._key(origin).sign(body)
        line = base64.b64encode(self.verifier_key(origin).key_id + signature).decode()
        return f"{body.decode()}\n{SIGNATURE_PREFIX}{origin} {line}\n"

    @contextmanager
    def _locked(self, origin: str) -> Iterator[None]:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(self._path(origin, "lock"), os.O_WRONLY | os.O_CREAT, 0o600)
        with os.fdopen(descriptor, "w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def _write_durably(path: Path, text: str) -> None:
    """Leaves either the old or the new content, also after a crash: write, fsync, rename, fsync the folder."""
    temporary = path.with_suffix(path.suffix + ".new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.rename(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
