"""Verifies webhook requests, with the signatures of `pacspace_proofs.webhook`."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

from ..errors import PacSpaceError, WebhookVerificationError
from ..types import WebhookEvent

TOLERANCE_S = 300


class Webhooks:
    """Verifies webhook requests with the endpoint's secret (`whsec_...`)."""

    def __init__(self, secret: str) -> None:
        if not secret:
            message = "a webhook secret is needed, such as whsec_...; it is shown when the endpoint is created"
            raise PacSpaceError(message, code="MISSING_WEBHOOK_SECRET")
        self._secret = secret

    def __repr__(self) -> str:
        return "Webhooks(secret=...)"

    def verify(
        self, signature: str, timestamp: str | int, raw_body: str | bytes, tolerance: float = TOLERANCE_S
    ) -> WebhookEvent:
        """The event of a body signed with the secret at most `tolerance` seconds ago (or ahead).

        `signature` and `timestamp` are the values of X-PacSpace-Signature (several are separated by commas) and
        X-PacSpace-Timestamp. Raises WebhookVerificationError.
        """
        from pacspace_proofs.webhook import SIGNATURE, TIMESTAMP

        return self.verify_from_headers({SIGNATURE: signature, TIMESTAMP: str(timestamp)}, raw_body, tolerance)

    def verify_from_headers(
        self, headers: Mapping[str, Any], raw_body: str | bytes, tolerance: float = TOLERANCE_S
    ) -> WebhookEvent:
        """The event of a request, from its headers and the unchanged bytes of its body (not parsed and printed again).

        Header names are case-insensitive; the first of several values counts. The headers of Standard Webhooks
        (webhook-id, webhook-timestamp, webhook-signature) are accepted too. Raises WebhookVerificationError.
        """
        from pacspace_proofs import FormatError
        from pacspace_proofs.webhook import verify_headers

        try:
            body = raw_body.encode() if isinstance(raw_body, str) else bytes(raw_body)
            verify_headers(self._secret, _plain(headers), body, time.time(), tolerance)
            event = json.loads(body)
        except (FormatError, ValueError, RecursionError) as error:
            raise WebhookVerificationError(str(error)) from error
        if not isinstance(event, dict):
            raise WebhookVerificationError("webhook: the body is not a JSON object")
        found: WebhookEvent = event  # type: ignore[assignment]
        return found


def _plain(headers: Mapping[str, Any]) -> dict[str, str]:
    """Headers by lower-case name, with the first of several values."""
    plain: dict[str, str] = {}
    for name, value in headers.items():
        first = value[0] if isinstance(value, list | tuple) and value else value
        if isinstance(first, str | bytes):
            plain.setdefault(_text(name).lower(), _text(first))
    return plain


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value
