"""Webhook signatures: signs and verifies ours and those of Standard Webhooks (spec/webhook.md)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence

from .canonical import FormatError

SIGNATURE, TIMESTAMP = "x-pacspace-signature", "x-pacspace-timestamp"
STANDARD_ID, STANDARD_TIMESTAMP, STANDARD_SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"
TOLERANCE_S = 300
MILLISECONDS_FROM = 10**12  # a timestamp from here on is in milliseconds
MAX_SIGNATURES = 16
PREFIX = "whsec_"


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """The value of X-PacSpace-Signature: the HMAC of timestamp and body with the whole secret."""
    content = timestamp.encode() + b"." + body
    return "v1=" + hmac.new(secret.encode(), content, hashlib.sha256).hexdigest()


def standard_signature(secret: str, message_id: str, timestamp: str, body: bytes) -> str:
    """The value of webhook-signature; the key is the decoded text after `whsec_`. FormatError for another secret."""
    content = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(_standard_key(secret), content, hashlib.sha256).digest()).decode()


def signed_headers(secrets: Sequence[str], message_id: str, timestamp_s: int, body: bytes) -> dict[str, str]:
    """The headers of one delivery, in lower case; during a rotation signed with both secrets, the current one first."""
    timestamp = str(timestamp_s)
    return {
        SIGNATURE: ",".join(signature(secret, timestamp, body) for secret in secrets),
        TIMESTAMP: timestamp,
        STANDARD_ID: message_id,
        STANDARD_TIMESTAMP: timestamp,
        STANDARD_SIGNATURE: " ".join(standard_signature(one, message_id, timestamp, body) for one in secrets),
    }


def verify_signature(
    secret: str, given: str, timestamp: str, body: bytes, now_s: float, tolerance_s: float = TOLERANCE_S
) -> None:
    """FormatError unless one of the comma-separated values is the secret's signature, and the timestamp is in range."""
    _check_time(timestamp, now_s, tolerance_s)
    _check_signatures(given.split(","), signature(secret, timestamp, body))


def verify_headers(
    secret: str, headers: Mapping[str, str], body: bytes, now_s: float, tolerance_s: float = TOLERANCE_S
) -> None:
    """FormatError unless the headers (names in lower case) sign the body: ours if present, else the standard ones."""
    if SIGNATURE in headers or STANDARD_SIGNATURE not in headers:
        given, timestamp = _named(headers, SIGNATURE, TIMESTAMP)
        return verify_signature(secret, given, timestamp, body, now_s, tolerance_s)
    given, message_id, timestamp = _named(headers, STANDARD_SIGNATURE, STANDARD_ID, STANDARD_TIMESTAMP)
    _check_time(timestamp, now_s, tolerance_s)
    _check_signatures(given.split(" "), standard_signature(secret, message_id, timestamp, body))


def _named(headers: Mapping[str, str], *names: str) -> list[str]:
    if missing := [name for name in names if not headers.get(name)]:
        raise FormatError(f"webhook: there is no {missing[0]} header")
    return [headers[name] for name in names]


def _check_time(timestamp: str, now_s: float, tolerance_s: float) -> None:
    if not re.fullmatch("[0-9]{1,15}", timestamp, re.ASCII):
        raise FormatError(f"webhook: the timestamp {timestamp[:40]!r} is not a number of seconds")
    at_s = int(timestamp) / (1000 if int(timestamp) >= MILLISECONDS_FROM else 1)
    if abs(now_s - at_s) > tolerance_s:
        side = "old" if at_s < now_s else "far in the future"
        raise FormatError(
            f"webhook: the timestamp is {abs(now_s - at_s):.0f} s too {side}; {tolerance_s:g} s are allowed"
        )


def _check_signatures(given: Sequence[str], expected: str) -> None:
    """Compares each value in constant time, and always all of them."""
    if len(given) > MAX_SIGNATURES:
        raise FormatError(f"webhook: more than {MAX_SIGNATURES} signatures")
    matches = [hmac.compare_digest(one.strip(" ").encode(errors="replace"), expected.encode()) for one in given]
    if not any(matches):
        raise FormatError("webhook: no signature by the secret matches this timestamp and body")


def _standard_key(secret: str) -> bytes:
    text = secret.removeprefix(PREFIX)
    try:
        key = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise FormatError("webhook: this secret has no Standard Webhooks key: base64 after whsec_") from error
    if not key:
        raise FormatError("webhook: the secret is empty")
    return key
