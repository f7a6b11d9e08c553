"""The one error that a service raises, and the table of codes."""

from __future__ import annotations

from typing import Any

# Code -> what it means; the reference page is checked against this table.
CODES = {
    "INVALID_SCOPE_COMBINATION": "400: scope fields that exclude each other were sent together",
    "SCOPE_TOO_WIDE": "400: the scope touches more than 36 months",
    "INVALID_API_KEY": "401: no key or session was sent, or one that is unknown, revoked or has ended",
    "INVALID_CREDENTIALS": "401: no user of this e-mail and password may log in; nothing says which of the two is wrong",
    "ACCESS_CODE_REQUIRED": "401: this part of a Shared Record needs the access code",
    "ACCESS_CODE_INVALID": "403: this is not the access code of the link",
    "FORBIDDEN": "403: the key's scopes or the user's role do not allow this, the sandbox's tools were asked for in production, a page of another site asks, "
    "or a receipt's records need the customer's access code",
    "API_KEY_ENVIRONMENT_MISMATCH": "403: the dashboard token and what else names an environment do not agree",
    "CUSTOMER_NOT_FOUND": "404: no such customer in this environment",
    "RECORD_NOT_FOUND": "404: no such delta in this environment",
    "CHECKPOINT_NOT_FOUND": "404: no such checkpoint in this environment",
    "RECEIPT_NOT_FOUND": "404: no such receipt",
    "PROOF_NOT_FOUND": "404: this server has no such proof root, checkpoint or receipt",
    "LINK_NOT_FOUND": "404: no such link, or it was replaced, or sharing is off",
    "NOT_FOUND": "404: no such route, page, log, job, endpoint, delivery, user, key or link",
    "METHOD_NOT_ALLOWED": "405: the route exists, but not for this method",
    "REFERENCE_ID_CONFLICT": "409: the referenceId was recorded with other values; the reply names them",
    "CUSTOMER_ID_CONFLICT": "409: there is a customer of this customerId already",
    "EMAIL_TAKEN": "409: there is a user of this e-mail already",
    "LAST_OWNER": "409: the workspace would be left without an owner who can log in",
    "IDEMPOTENCY_CONFLICT": "409: the Idempotency-Key came with another body before",
    "PAYLOAD_TOO_LARGE": "413: the body is larger than the route takes",
    "UNSUPPORTED_MEDIA_TYPE": "415: the body is not application/json",
    "RATE_LIMITED": "429: too many requests or failed tries; wait retryAfterSeconds",
    "INTERNAL_ERROR": "500: a mistake of the server's; the request id finds it in the log",
    "SERVICE_UNAVAILABLE": "503: not possible right now; nothing was recorded unless said; wait retryAfterSeconds",
    "RECORD_DAMAGED": "503: what is stored is not what was hashed; run fsck",
    "IDEMPOTENCY_PENDING": "202: the same Idempotency-Key is still being worked on; ask again",
}


class ServiceError(Exception):
    """Refused: HTTP status, code (None for a plain 400, whose details name every field), message, extra fields."""

    def __init__(self, status: int, code: str | None, message: str, **extra: Any) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.extra = status, code, message, extra


def invalid(*problems: tuple[str, str]) -> ServiceError:
    """A plain 400 that names each field and its problem."""
    message = "; ".join(f"{field}: {problem}" for field, problem in problems)
    return ServiceError(400, None, message, details=[{"field": f, "problem": p} for f, p in problems])


def unavailable(message: str, retry_after_s: int = 1) -> ServiceError:
    return ServiceError(503, "SERVICE_UNAVAILABLE", message, retryAfterSeconds=retry_after_s)
