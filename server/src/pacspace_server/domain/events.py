"""The catalogue of events, and their ids."""

from __future__ import annotations

import re

DELTA_VERIFIED, DELTA_FAILED = "delta.verified", "delta.failed"
CHECKPOINT_VERIFIED, RECEIPT_GENERATED = "checkpoint.verified", "receipt.generated"
# The order never changes: an event is stored, and is in its id, as its number in this list, from 1.
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
# Sent on request, to test an endpoint. Not part of the catalogue, so that it is never taken for an event.
TEST = "webhook.test"
SUBJECT_SIZE_BYTES = 12
_ID = re.compile(r"evt_([0-9a-f]{32})([0-9a-f]{24})([0-9a-f]{2})")


def code_of(event: str) -> int:
    """The number of an event. KeyError if it is not in the catalogue."""
    if event not in EVENTS:
        raise KeyError(event)
    return EVENTS.index(event) + 1


def event_of(code: int) -> str:
    return EVENTS[code - 1]


def event_id(shard_key: bytes, subject: bytes, code: int) -> str:
    """An event's id, the same for every endpoint and attempt: the customer's shard key, the subject, the number."""
    return f"evt_{shard_key.hex()}{subject.hex()}{code:02x}"


def parse_event_id(text: str) -> tuple[bytes, bytes, int] | None:
    """Shard key, subject and code of an event id; None for anything else."""
    match = _ID.fullmatch(text)
    if match is None or not 1 <= int(match[3], 16) <= len(EVENTS):
        return None
    return bytes.fromhex(match[1]), bytes.fromhex(match[2]), int(match[3], 16)


def delta_subject(record_id: str) -> bytes:
    """The part of a recordId after its shard key: sequence and nonce."""
    return bytes.fromhex(record_id[-20:]).ljust(SUBJECT_SIZE_BYTES, b"\x00")


def sequence_of(subject: bytes) -> int:
    """The sequence in a delta's subject."""
    return int.from_bytes(subject[:6], "big")


def checkpoint_subject(checkpoint_id: str) -> bytes:
    """The part of a checkpointId after its shard key."""
    return bytes.fromhex(checkpoint_id[-24:])


def told_subject(position: int, nonce: bytes) -> bytes:
    """The subject of an event about something without an id: its position in the feed, and 6 random bytes."""
    return position.to_bytes(6, "big") + nonce


def position_of(subject: bytes) -> int:
    """The position in such a subject."""
    return int.from_bytes(subject[:6], "big")
