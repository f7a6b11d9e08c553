"""Webhooks: what is accepted, and in which shapes it may arrive."""

from __future__ import annotations

import base64
import datetime
import json
import time
from collections.abc import Mapping
from typing import Any

import pytest
from standardwebhooks import Webhook

from pacspace_proofs.webhook import signature, signed_headers
from pacspace_sdk import PacSpace, PacSpaceError, Webhooks, WebhookVerificationError
from pacspace_sdk.webhooks.verify import Webhooks as SameWebhooks

SECRET = "whsec_" + base64.b64encode(b"a secret of some length").decode()
BODY = json.dumps({"event": "delta.verified", "data": {"receiptId": "0xab", "reason": "größer"}}, ensure_ascii=False)


def headers(body: str = BODY, secret: str = SECRET, age_s: int = 0) -> dict[str, str]:
    return signed_headers([secret], "evt_1", int(time.time()) - age_s, body.encode())


def test_a_signed_body_is_parsed() -> None:
    """verify and verify_from_headers return the event, from text and from bytes."""
    now = int(time.time())
    webhooks = Webhooks(SECRET)
    for body in (BODY, BODY.encode(), bytearray(BODY.encode())):
        event = webhooks.verify(signature(SECRET, str(now), BODY.encode()), now, body)  # type: ignore[arg-type]
        assert event == json.loads(BODY) == webhooks.verify_from_headers(headers(), body)  # type: ignore[arg-type]
    assert SameWebhooks is Webhooks and "secret" not in repr(webhooks).replace("secret=...", "")


@pytest.mark.parametrize("shape", ["title", "upper", "list", "bytes", "extra"])
def test_shapes_of_headers(shape: str) -> None:
    """Names count in any case, of a list of values the first, and bytes are read; other headers do not matter."""
    plain = headers()
    shapes: dict[str, Mapping[Any, Any]] = {
        "title": {name.title(): value for name, value in plain.items()},
        "upper": {name.upper(): value for name, value in plain.items()},
        "list": {name: [value, "other"] for name, value in plain.items()},
        "bytes": {name.encode(): value.encode() for name, value in plain.items()},
        "extra": {**plain, "Content-Length": 7, "X-None": None, "X-Empty": []},
    }
    assert Webhooks(SECRET).verify_from_headers(shapes[shape], BODY)["event"] == "delta.verified"  # type: ignore[arg-type]


def test_during_a_rotation() -> None:
    """Signatures of both secrets are sent, and each receiver finds its own."""
    both = signed_headers(["whsec_bmV3", SECRET], "evt_1", int(time.time()), BODY.encode())
    for secret in ("whsec_bmV3", SECRET):
        assert Webhooks(secret).verify_from_headers(both, BODY)["event"] == "delta.verified"


@pytest.mark.parametrize(
    ("given", "body"),
    [
        ({}, BODY),
        (headers(secret="whsec_b3RoZXI="), BODY),
        (headers(), BODY + " "),
        (headers(), BODY.replace("0xab", "0xac")),
        (headers(age_s=100_000), BODY),
        (headers(age_s=-100_000), BODY),
        (headers("[1]"), "[1]"),
        (headers("nothing"), "nothing"),
        (headers(""), ""),
        ({**headers(), "x-pacspace-signature": "v1=zz"}, BODY),
        ({**headers(), "x-pacspace-signature": "v1=" + "\u00e9" * 64}, BODY),
        ({**headers(), "x-pacspace-timestamp": "soon"}, BODY),
    ],
)
def test_what_is_refused(given: dict[str, str], body: str) -> None:
    """Everything that the secret's owner did not sign just now is a WebhookVerificationError, and nothing else."""
    with pytest.raises(WebhookVerificationError) as error:
        Webhooks(SECRET).verify_from_headers(given, body)
    assert error.value.code == "WEBHOOK_VERIFICATION_FAILED"
    binary = body.encode() + b"\xff"
    with pytest.raises(WebhookVerificationError):
        Webhooks(SECRET).verify_from_headers(given, binary)


def test_the_tolerance() -> None:
    """It is the caller's, in seconds, both ways."""
    webhooks = Webhooks(SECRET)
    assert webhooks.verify_from_headers(headers(age_s=4_000), BODY, tolerance=5_000)
    with pytest.raises(WebhookVerificationError):
        webhooks.verify_from_headers(headers(age_s=40), BODY, tolerance=10)
    milliseconds = str(int(time.time() * 1000))
    assert webhooks.verify(signature(SECRET, milliseconds, BODY.encode()), milliseconds, BODY)


def test_the_standard_library_accepts_what_we_sign() -> None:
    """The Standard Webhooks library verifies our headers, and we verify what it signs."""
    assert Webhook(SECRET).verify(BODY.encode(), headers()) == json.loads(BODY)
    now = datetime.datetime.now(datetime.timezone.utc)
    theirs = {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": "v1,AAAA " + Webhook(SECRET).sign("msg_1", now, BODY),
    }
    assert Webhooks(SECRET).verify_from_headers(theirs, BODY) == json.loads(BODY)
    with pytest.raises(WebhookVerificationError):
        Webhooks(SECRET).verify_from_headers({**theirs, "webhook-id": "msg_2"}, BODY)
    with pytest.raises(WebhookVerificationError):
        Webhooks("whsec_b3RoZXI=").verify_from_headers(theirs, BODY)


def test_a_clients_webhooks() -> None:
    """pac.webhooks verifies with the client's webhook_secret, and is None without one; an empty secret is refused."""
    pac = PacSpace("pk_test_a", webhook_secret=SECRET)
    assert pac.webhooks is not None and pac.webhooks.verify_from_headers(headers(), BODY)
    assert PacSpace("pk_test_a").webhooks is None
    with pytest.raises(PacSpaceError):
        Webhooks("")
