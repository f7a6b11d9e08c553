"""Public ids. Each contains its customer's shard key, so a look-up reads one shard."""

from __future__ import annotations

import hmac
import re
import secrets
from hashlib import blake2b, sha256

RECORD_ID = re.compile(r"rec_([0-9a-f]{32})([0-9a-f]{12})([0-9a-f]{8})")
RECEIPT_ID = re.compile(r"0x([0-9a-f]{32})([0-9a-f]{32})")
CHECKPOINT_ID = re.compile(r"chk_([0-9a-f]{32})([0-9a-f]{24})")


def shard_key(secret: bytes, workspace_id: str, environment: str, customer_id: str) -> bytes:
    """16 bytes, keyed, so a public id can't be used to test guesses of a customerId. No part contains the separator."""
    framed = "\x00".join((workspace_id, environment, customer_id)).encode()
    return hmac.digest(secret, b"shard\x00" + framed, "sha256")[:16]


def record_id(shard: bytes, sequence: int, nonce: bytes) -> str:
    """The sequence finds the row without an index; the nonce differs after a reset or a restore."""
    return f"rec_{shard.hex()}{sequence:012x}{nonce.hex()}"


def receipt_id(shard: bytes, tail: bytes) -> str:
    """The public receipt id of a delta."""
    return f"0x{shard.hex()}{tail.hex()}"


def receipt_key(tail: bytes) -> int:
    """The first 8 bytes of a receipt id's tail as a signed integer, as the index stores them."""
    return int.from_bytes(tail[:8], "big", signed=True)


def new_checkpoint_id(shard: bytes) -> str:
    return f"chk_{shard.hex()}{secrets.token_hex(12)}"


def customer_reference(secret: bytes, shard: bytes) -> str:
    """A customer's public name where the customerId must not appear; always the same for one customer."""
    return "0x" + hmac.digest(secret, b"customer-reference\x00" + shard, "sha256")[:20].hex()


def new_job_id() -> str:
    return f"job_{secrets.token_hex(16)}"


def reference_mac(secret: bytes, shard: bytes, reference_id: str) -> bytes:
    return blake2b(b"reference\x00" + shard + reference_id.encode(), key=secret, digest_size=16).digest()


def body_mac(secret: bytes, body: bytes) -> bytes:
    return blake2b(b"body\x00" + body, key=secret, digest_size=16).digest()


def idempotency_hash(shard: bytes, key: str, index: int | None = None) -> bytes:
    """The hash of an Idempotency-Key; a batch's key is hashed with each item's index."""
    scoped = shard + key.encode() + (b"" if index is None else b"\x00%d" % index)
    return sha256(b"idempotency\x00" + scoped).digest()[:16]
