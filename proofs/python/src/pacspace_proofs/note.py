"""Signed notes, verifier keys and log checkpoints (C2SP signed-note, tlog-checkpoint, tlog-cosignature)."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass

from . import ed25519
from .canonical import FormatError, decode_base64, grammar, is_count, is_origin

MAX_NOTE_BYTES = 4096
MAX_COSIGNATURES = 16
ED25519 = 0x01
COSIGNATURE = 0x04
SIGNATURE_PREFIX = "\u2014 "

_is_key_name = grammar(r"[!-*,-~]{1,256}")  # printable ASCII without space and plus


@dataclass(frozen=True)
class VerifierKey:
    """A C2SP verifier key `name+hex key id+base64(type, public key)`."""

    name: str
    kind: int
    public_key: bytes

    @property
    def key_id(self) -> bytes:
        return hashlib.sha256(self.name.encode() + b"\n" + bytes([self.kind]) + self.public_key).digest()[:4]

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the key's one-line form in hex, which people compare."""
        return hashlib.sha256(str(self).encode()).hexdigest()

    def __str__(self) -> str:
        encoded = base64.b64encode(bytes([self.kind]) + self.public_key).decode()
        return f"{self.name}+{self.key_id.hex()}+{encoded}"


def parse_verifier_key(text: str, kind: int = ED25519) -> VerifierKey:
    """Parses the one-line form of a verifier key; FormatError for another form, type or key id, or a weak key.

    A log's key (type ED25519) has the log's origin as its name.
    """
    if text.startswith("pk_"):
        raise FormatError("this is an API key; a verifier key is public and has the form name+key id+base64")
    name, *rest = text.split("+", 2)
    if len(rest) != 2 or not (is_origin if kind == ED25519 else _is_key_name)(name):
        raise FormatError(f"not a verifier key (name+key id+base64): {text[:160]!r}")
    data = decode_base64(rest[1])
    if len(data) != 33 or data[0] != kind:
        raise FormatError(f"not an Ed25519 verifier key of type {kind}: {text[:160]!r}")
    key = VerifierKey(name, kind, data[1:])
    if str(key) != text:
        raise FormatError(f"the key id {rest[0][:16]!r} does not match the key, expected {key.key_id.hex()}")
    if not ed25519.is_public_key(key.public_key):
        raise FormatError("the public key is not a point of the curve, or has small order")
    return key


@dataclass(frozen=True)
class Signature:
    """One signature line of a note: `\u2014 name base64(key id, signature)`."""

    name: str
    key_id: bytes
    signature: bytes


def parse_signature_line(line: str) -> Signature:
    """Parses a signature line without its newline; FormatError for another form."""
    parts = line.split(" ")
    if len(parts) != 3 or parts[0] + " " != SIGNATURE_PREFIX or not _is_key_name(parts[1]):
        raise FormatError(f"not a signature line: {line[:120]!r}")
    data = decode_base64(parts[2])
    if len(data) < 5:
        raise FormatError("a signature line is too short")
    return Signature(parts[1], data[:4], data[4:])


@dataclass(frozen=True)
class LogCheckpoint:
    """A log's size and root hash, the signed bytes, and the signature lines."""

    origin: str
    size: int
    root: bytes
    body: bytes
    signatures: tuple[Signature, ...]


def checkpoint_body(origin: str, size: int, root: bytes) -> bytes:
    """The signed bytes: origin, decimal size and base64 root, each on its own line."""
    return f"{origin}\n{size}\n{base64.b64encode(root).decode()}\n".encode()


def parse_log_checkpoint(note: str) -> LogCheckpoint:
    """Parses a signed log checkpoint without extension lines; FormatError for any other form. Checks no signatures."""
    if len(note.encode("utf-8", "surrogatepass")) > MAX_NOTE_BYTES:
        raise FormatError("the note is longer than 4 KiB")
    text, separator, tail = note.partition("\n\n")
    lines = text.split("\n")
    if not separator or len(lines) != 3 or not tail.endswith("\n"):
        raise FormatError("not a signed log checkpoint: three lines, an empty line, signature lines")
    origin, size, root = lines[0], lines[1], decode_base64(lines[2])
    if not is_origin(origin) or not is_count(size) or len(root) != 32:
        raise FormatError(f"not a log's origin, size and root hash of 32 bytes: {text[:160]!r}")
    signatures = tuple(map(parse_signature_line, tail[:-1].split("\n")))
    if len(signatures) > MAX_COSIGNATURES + 2:
        raise FormatError("too many signature lines")
    return LogCheckpoint(origin, int(size), root, checkpoint_body(origin, int(size), root), signatures)


def signed_by(key: VerifierKey, checkpoint: LogCheckpoint) -> bool:
    """Whether one of the signature lines is a valid signature by key."""
    return any(
        (line.name, line.key_id) == (key.name, key.key_id)
        and ed25519.verify(key.public_key, checkpoint.body, line.signature)
        for line in checkpoint.signatures
    )


def cosigned_at(key: VerifierKey, checkpoint: LogCheckpoint, line: Signature) -> int | None:
    """Unix seconds at which witness `key` cosigned the checkpoint; None if the signature is invalid."""
    time = int.from_bytes(line.signature[:8], "big")
    message = f"cosignature/v1\ntime {time}\n".encode() + checkpoint.body
    return time if ed25519.verify(key.public_key, message, line.signature[8:]) else None
