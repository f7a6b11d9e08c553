"""The catalogue of events that endpoints are told, and their ids."""

from __future__ import annotations

import re

DELTA_VERIFIED, DELTA_FAILED = "delta.verified", "delta.failed"
CHECKPOINT_VERIFIED, RECEIPT_GENERATED = "checkpoint.verified", "receipt.generated"
# In this order for good: an event is stored, and is in its id, as its place here, from 1.
EVENTS = (
    DELTA_VERIFIED,
    DELTA_FAILED,
    CHECKPOINT_VERIFIED,
    RECEIPT_GENERATED,
    "customer.created",
    "customer.shared_record_viewed",
    "customer.export_downloaded",
    "customer.compare_run",
    "customer.step_up_failed_repeatedly",
)
# What a vendor asks for by hand, to try an endpoint: no part of the catalogue, so that nobody takes it for an event.
TEST = "webhook.test"
SUBJECT_SIZE_BYTES = 12
_ID = re.compile(r"evt_([0-9a-f]{32})([0-9a-f]{24})([0-9a-f]{2})")


def code_of(event: str) -> int:
    """The number of an event. KeyError for none of the catalogue."""
    if event not in EVENTS:
        raise KeyError(event)
    return EVENTS.index(event) + 1


def event_of(code: int) -> str:
    return EVENTS[code - 1]


def event_id(shard_key: bytes, subject: bytes, code: int) -> str:
    """The same for every endpoint and attempt: the customer's shard key, what the event is about, which event it is."""
    return f"evt_{shard_key.hex()}{subject.hex()}{code:02x}"


def parse_event_id(text: str) -> tuple[bytes, bytes, int] | None:
    """Shard key, subject and code of an event id; None for anything else."""
    match = _ID.fullmatch(text)
    if match is None or not 1 <= int(match[3], 16) <= len(EVENTS):
        return None
    return bytes.fromhex(match[1]), bytes.fromhex(match[2]), int(match[3], 16)


def delta_subject(record_id: str) -> bytes:
    """What a recordId says beyond its shard key: the sequence and the nonce."""
    return bytes.fromhex(record_id[-20:]).ljust(SUBJECT_SIZE_BYTES, b"\x00")


def sequence_of(subject: bytes) -> int:
    """The sequence in a delta's subject."""
    return int.from_bytes(subject[:6], "big")


def checkpoint_subject(checkpoint_id: str) -> bytes:
    """What a checkpointId says beyond its shard key."""
    return bytes.fromhex(checkpoint_id[-24:])


def told_subject(position: int, nonce: bytes) -> bytes:
    """Of an event that is about nothing with an id of its own: its place in the feed, and 6 random bytes."""
    return position.to_bytes(6, "big") + nonce


def position_of(subject: bytes) -> int:
    """The place in such a subject."""
    return int.from_bytes(subject[:6], "big")
