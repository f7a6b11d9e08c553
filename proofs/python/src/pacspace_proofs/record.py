"""The fields of leaves, contexts, heads and log entries, and their hashes (spec/period-tree.md, log.md)."""

from __future__ import annotations

import re
from typing import cast

from .canonical import (
    DELTA_BOUND_UNITS,
    FormatError,
    Grammar,
    canonical,
    check_fields,
    is_count,
    is_flag,
    is_hash,
    is_hex_16,
    is_identifier,
    is_instant,
    is_origin,
    is_period,
    is_text,
    is_total,
    parse_canonical,
    tagged_hash,
    units,
)
from .note import parse_verifier_key

Object = dict[str, str]

OPENING, DELTA, CLOSING = "pacspace.opening.v1", "pacspace.delta.v1", "pacspace.closing.v1"
HEAD, CONTEXT = "pacspace.head.v1", "pacspace.context.v1"
BATCH, CLOSED, KEY, RESTORED = "pacspace.batch.v1", "pacspace.closed.v1", "pacspace.key.v1", "pacspace.restored.v1"


def is_delta(value: object) -> bool:
    """A valid amount of a delta: not 0, from -1,000,000,000 to 1,000,000,000."""
    return is_total(value) and 0 < abs(units(cast(str, value))) <= DELTA_BOUND_UNITS


def is_verifier_key(value: object) -> bool:
    """A log's verifier key; FormatError names the problem."""
    return type(value) is str and parse_verifier_key(value) is not None


def is_restored_from(value: object) -> bool:
    """The frozen log that a restored month's tree continues: its origin, and the size and root of the backup."""
    check_fields(value, {"origin": is_origin, "size": is_count, "root": is_hash}, {}, "restoredFrom")
    return True


# The required and the optional fields of each schema.
STRUCTURES: dict[str, tuple[dict[str, Grammar], dict[str, Grammar]]] = {
    OPENING: (
        {
            "origin": is_origin, "customerId": is_identifier, "period": is_period, "slotKey": is_hash,
            "openedAt": is_instant, "nonce": is_hex_16,
        },
        {"unit": is_text, "restoredFrom": is_restored_from},
    ),
    DELTA: (
        {
            "customerId": is_identifier, "period": is_period, "index": is_count, "sequence": is_count,
            "recordId": is_identifier, "delta": is_total, "periodTotal": is_total, "postedAt": is_instant,
            "recordedAt": is_instant, "contextHash": is_hash,
        },
        {"occurredAt": is_instant, "adjusts": is_identifier},
    ),
    CLOSING: (
        {
            "customerId": is_identifier, "period": is_period, "deltaCount": is_count, "periodTotal": is_total,
            "broughtForward": is_total, "carriedForward": is_total, "lastSequence": is_count, "countToDate": is_count,
            "checkpointId": is_identifier, "closedAt": is_instant,
        },
        {"previousPeriod": is_period, "previousRoot": is_hash, "invoiceReference": is_text},
    ),
    CONTEXT: ({"reason": is_text}, {"referenceId": is_text, "metadata": is_text}),
    HEAD: (
        {
            "origin": is_origin, "slot": is_hash, "period": is_period, "size": is_count, "root": is_hash,
            "closed": is_flag,
        },
        {},
    ),
    BATCH: ({"root": is_hash}, {}),
    CLOSED: ({"slot": is_hash, "commitment": is_hash}, {}),
    KEY: ({"origin": is_origin, "verifierKey": is_verifier_key}, {}),
    RESTORED: (
        {"origin": is_origin, "backupSize": is_count, "backupRoot": is_hash},
        {"signedSize": is_count, "signedRoot": is_hash},
    ),
}  # fmt: skip
for _required, _ in STRUCTURES.values():
    _required["schema"] = is_text  # compared in check_structure
_TOGETHER = {CLOSING: ("previousPeriod", "previousRoot"), RESTORED: ("signedSize", "signedRoot")}


def check_structure(value: object, *schemas: str, where: str = "") -> Object:
    """The value as an object of one of the schemas; FormatError if any field is missing, unknown or misspelled."""
    schema = value.get("schema") if isinstance(value, dict) else None
    if not isinstance(schema, str) or schema not in schemas:
        raise FormatError(f"{where or 'object'}: schema is {schema!r:.80}, expected {' or '.join(schemas)}")
    check_fields(value, *STRUCTURES[schema], where or schema)
    structure: Object = value  # type: ignore[assignment]  # an object of strings, as just checked
    if schema in _TOGETHER and len(alone := [name for name in _TOGETHER[schema] if name in structure]) == 1:
        raise FormatError(f"{where or schema}: {alone[0]} is given without its companion")
    if schema == KEY and not structure["verifierKey"].startswith(structure["origin"] + "+"):
        raise FormatError(f"{where or schema}: the key's name is not the origin {structure['origin']}")
    return structure


def parse_context(data: bytes) -> Object:
    """Parses a delta's context from its canonical bytes. Its metadata stays text."""
    return check_structure(parse_canonical(data), CONTEXT)


# A canonical context as one pattern, at an eighth of the cost; parse_context accepts all that it matches.
_PLAIN = r'[^"\\\x00-\x1f]*'
_STRING = rf'"((?!"){_PLAIN}(?:\\(?:["\\bfnrt]|u00(?:0[0-7bef]|1[0-9a-f])){_PLAIN})*)"'
_match_context = re.compile(
    rf'\{{(?:"metadata":{_STRING},)?"reason":{_STRING},(?:"referenceId":{_STRING},)?"schema":"{re.escape(CONTEXT)}"\}}'
).fullmatch


def reason_of(context: str) -> str:
    """The reason in a context's text; FormatError unless the text is canonical."""
    match = _match_context(context)
    return match[2] if match and "\\" not in match[2] else parse_context(context.encode())["reason"]


def context_hash(salt: bytes, context: bytes) -> bytes:
    """The hash by which a leaf commits to its hidden context (reason, reference, metadata); salt is 16 bytes."""
    return tagged_hash(CONTEXT, salt + context)


def receipt_tail(delta_leaf_hash: bytes) -> bytes:
    """The 16 bytes after the shard key in a delta's public receiptId."""
    return tagged_hash("pacspace.receipt-id.v1", delta_leaf_hash)[:16]


def slot(slot_key: bytes, period: str, origin: str) -> bytes:
    """The public name of one period tree in one log; does not reveal the customer."""
    return tagged_hash("pacspace.slot.v1", slot_key + period.encode() + origin.encode())


def slot_fingerprint(slot_key: bytes) -> str:
    """The hash of a customer's slot key for a trust file, in hex."""
    return tagged_hash("pacspace.slot-key.v1", slot_key).hex()


def commitment(salt: bytes, head: Object) -> bytes:
    """The log's commitment to a head; salt is 16 bytes."""
    return tagged_hash("pacspace.head-commitment.v1", salt + canonical(head))


def window_hash(customer_id: str, start: str, end: str, roots: list[str]) -> bytes:
    """The hash of a custom window: over the proof roots (hex) of its months, in order."""
    window = {"customerId": customer_id, "startDate": start, "endDate": end, "roots": roots}
    return tagged_hash("pacspace.window.v1", canonical({"schema": "pacspace.window.v1", **window}))
