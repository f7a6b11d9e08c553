"""The cases of webhook signatures: headers and body as they arrive, and when."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator
from typing import Any

from .cases_values import NOW, Case, ok, refused
from .maker import Object, secret

SECRET = "whsec_" + base64.b64encode(secret("webhook secret")).decode()
OLD_SECRET = "whsec_" + base64.b64encode(secret("the webhook secret before")).decode()
PLAIN_SECRET = "whsec_not-base64"
BODY = json.dumps(
    {"id": "evt_1", "event": "delta.verified", "data": {"delta": -42.5, "reason": "größer"}}, ensure_ascii=False
)
ID = "evt_1"


def ours(secret_text: str, timestamp: str, body: str = BODY) -> str:
    """The signature by its definition: HMAC-SHA-256 under the whole secret."""
    return "v1=" + hmac.new(secret_text.encode(), f"{timestamp}.{body}".encode(), hashlib.sha256).hexdigest()


def standard(secret_text: str, timestamp: str, body: str = BODY, message_id: str = ID) -> str:
    """The signature as Standard Webhooks defines it: under the decoded part of the secret, in base64."""
    key = base64.b64decode(secret_text.removeprefix("whsec_"))
    digest = hmac.new(key, f"{message_id}.{timestamp}.{body}".encode(), hashlib.sha256).digest()
    return "v1," + base64.b64encode(digest).decode()


def given(signature: str | None, timestamp: str | None, **other: Any) -> Object:
    headers = {"x-pacspace-signature": signature, "x-pacspace-timestamp": timestamp}
    return _input({name: value for name, value in headers.items() if value is not None}, **other)


def given_standard(signature: str | None, timestamp: str | None, message_id: str | None = ID, **other: Any) -> Object:
    headers = {"webhook-id": message_id, "webhook-timestamp": timestamp, "webhook-signature": signature}
    return _input({name: value for name, value in headers.items() if value is not None}, **other)


def _input(headers: dict[str, str], body: str = BODY, now: int = NOW, secret_text: str = SECRET) -> Object:
    return {"secret": secret_text, "headers": headers, "body": body, "now": now, "tolerance": 300}


def webhook_cases() -> Iterator[Case]:
    yield from _signed()
    yield from _timed()
    yield from _refused()
    yield from _standard()


def _signed() -> Iterator[Case]:
    at = str(NOW)
    signature = ours(SECRET, at)
    yield ok("signed", "The secret's signature over timestamp and body.", given(signature, at), signature=signature)
    several = f"{signature},{ours(OLD_SECRET, at)}"
    yield ok("rotation-current-first", "During a rotation one of several values is enough.", given(several, at))
    several = f"{ours(OLD_SECRET, at)}, {signature}"
    yield ok("rotation-current-last", "Order and spaces between values do not matter.", given(several, at))
    several = f"v2=00,{signature}"
    yield ok("unknown-version-beside-v1", "A value of another version counts as no signature.", given(several, at))
    empty = ours(SECRET, at, "")
    yield ok("empty-body", "An empty body is signed like any other.", given(empty, at, body=""), signature=empty)
    plain = ours(PLAIN_SECRET, at)
    purpose = "The key is the whole secret as text, whatever it holds."
    yield ok("secret-that-is-not-base64", purpose, given(plain, at, secret_text=PLAIN_SECRET), signature=plain)
    both = {**given(signature, at)["headers"], **given_standard("v1,AAAA", at)["headers"]}
    yield ok("both-kinds-ours-counts", "Where our signature is there, it alone decides.", _input(both))


def _timed() -> Iterator[Case]:
    for situation, seconds in {"oldest-allowed": -300, "farthest-ahead-allowed": 300}.items():
        at = str(NOW + seconds)
        yield ok(situation, "The tolerance itself is within it.", given(ours(SECRET, at), at))
    for situation, seconds in {"too-old": -301, "too-far-ahead": 301}.items():
        at = str(NOW + seconds)
        yield refused(situation, "Beyond the tolerance, whichever side.", given(ours(SECRET, at), at))
    at = str(NOW * 1000 - 299_000)
    yield ok("milliseconds", "From 10^12 up a timestamp is in milliseconds.", given(ours(SECRET, at), at))
    at = str(NOW * 1000 - 301_000)
    yield refused("milliseconds-too-old", "The tolerance is in seconds all the same.", given(ours(SECRET, at), at))
    for situation, at in {
        "timestamp-not-a-number": "now", "timestamp-with-a-sign": f"+{NOW}", "timestamp-with-a-fraction": f"{NOW}.0",
        "timestamp-with-a-space": f" {NOW}", "timestamp-arabic-digits": "١٧٧٤٠٠٠٠٠٠", "timestamp-empty": "",
    }.items():  # fmt: skip
        yield refused(situation, "A timestamp is ASCII digits.", given(ours(SECRET, at), at))


def _refused() -> Iterator[Case]:
    at = str(NOW)
    good = ours(SECRET, at)
    yield refused("other-secret", "Another secret's signature.", given(ours(OLD_SECRET, at), at))
    yield refused("changed-body", "The body is not the one that was signed.", given(good, at, body=BODY + " "))
    yield refused("changed-timestamp", "The timestamp is signed too.", given(good, str(NOW + 1)))
    yield refused("signature-missing", "There is no signature.", given(None, at))
    yield refused("timestamp-missing", "There is no timestamp.", given(good, None))
    yield refused("signature-empty", "An empty header is no signature.", given("", at))
    yield refused("version-missing", "A value has its version before it.", given(good.removeprefix("v1="), at))
    yield refused("other-version", "Only v1 is known.", given("v2=" + good[3:], at))
    yield refused("uppercase-hex", "Hex digits are lowercase.", given("v1=" + good[3:].upper(), at))
    yield refused("cut-short", "A signature is whole.", given(good[:-1], at))
    yield refused("too-many-values", "At most 16 values are looked at.", given(",".join([good] * 17), at))


def _standard() -> Iterator[Case]:
    at = str(NOW)
    good = standard(SECRET, at)
    purpose = "The headers of Standard Webhooks, where ours are not there."
    yield ok("standard", purpose, given_standard(good, at), standardSignature=good)
    several = f"{standard(OLD_SECRET, at)} {good}"
    yield ok("standard-rotation", "Values are parted by spaces.", given_standard(several, at))
    other = standard(OLD_SECRET, at)
    yield refused("standard-other-secret", "Another secret's signature.", given_standard(other, at))
    yield refused("standard-changed-id", "The id is signed too.", given_standard(good, at, "evt_2"))
    yield refused("standard-changed-body", "The body is not the one signed.", given_standard(good, at, body="{}"))
    yield refused("standard-id-missing", "There is no webhook-id.", given_standard(good, at, None))
    old = str(NOW - 301)
    yield refused("standard-too-old", "Beyond the tolerance.", given_standard(standard(SECRET, old), old))
    made = given_standard(good, at, secret_text=PLAIN_SECRET)
    yield refused("standard-secret-that-is-not-base64", "Such a secret has no key of this kind.", made)
