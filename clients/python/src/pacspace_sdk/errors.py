"""The errors: one base class to catch them all, and one class for each kind that callers handle differently."""

from __future__ import annotations

import builtins
from typing import Any, ClassVar

NO_REASON = "Request failed"  # the message if a reply gives no readable reason


class PacSpaceError(Exception):
    """Base of every error of this package.

    `status_code` is the HTTP status (0 without a reply), `code` a stable name for the kind of error, `server_code` the
    server's own code; `request_path` and `request_id` identify the request in the server's log. `idempotency_key` is
    the key of the failed call, which can be repeated safely with the same key.
    """

    message: str
    status_code: int
    code: str
    request_path: str | None
    server_code: str | None
    request_id: str | None
    idempotency_key: str | None

    _code: ClassVar[str] = "API_ERROR"
    _status: ClassVar[int] = 0

    def __init__(
        self,
        message: str = NO_REASON,
        status_code: int | None = None,
        code: str | None = None,
        request_path: str | None = None,
        *,
        server_code: str | None = None,
        request_id: str | None = None,
        idempotency_key: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status_code = self._status if status_code is None else status_code
        self.code = code or self._code
        self.request_path = request_path
        self.server_code = server_code
        self.request_id = request_id
        self.idempotency_key = idempotency_key


class InvalidApiKeyError(PacSpaceError):
    """401: the key is missing, unknown, disabled or expired."""

    _code, _status = "INVALID_API_KEY", 401


class InsufficientCreditsError(PacSpaceError):
    """402: the operator's quota is used up."""

    _code, _status = "INSUFFICIENT_CREDITS", 402


class NotFoundError(PacSpaceError):
    """404: no such customer, delta, checkpoint, receipt or route; `server_code` says which."""

    _code, _status = "NOT_FOUND", 404


class ConflictError(PacSpaceError):
    """409: the reference, idempotency key or customerId already belongs to something else. Nothing was recorded."""

    _status = 409


class ContractNotDeployedError(PacSpaceError):
    """412: the environment is not set up."""

    _code, _status = "CONTRACT_NOT_DEPLOYED", 412


class RateLimitError(PacSpaceError):
    """429: too many requests; try again after `retry_after` seconds (None when the server did not say)."""

    _code, _status = "RATE_LIMITED", 429
    retry_after: float | None = None


class CadenceLimitError(PacSpaceError):
    """429: too many writes to this customer; wait `retry_after_ms` milliseconds. The client never retries these."""

    _code, _status = "CADENCE_LIMIT", 429
    retry_after_ms: int | None = None
    customer_id: str | None = None


class ServiceUnavailableError(PacSpaceError):
    """503: the server can't record or answer now; try again after `retry_after` seconds (None if it did not say)."""

    _code, _status = "SERVICE_UNAVAILABLE", 503
    retry_after: float | None = None


class ValidationError(PacSpaceError, ValueError):
    """400: invalid input; `details` lists all problems as `{"field", "problem"}`."""

    details: list[dict[str, Any]]

    _code, _status = "VALIDATION_ERROR", 400

    def __init__(self, *args: Any, details: list[dict[str, Any]] | None = None, **known: Any) -> None:
        super().__init__(*args, **known)
        self.details = details or []


class InvalidScopeCombinationError(PacSpaceError, ValueError):
    """400: period, dates, presets and starting checkpoints that exclude each other."""

    _code, _status = "INVALID_SCOPE_COMBINATION", 400


class ScopeTooWideError(PacSpaceError, ValueError):
    """400: the scope covers more months than the server accepts in one request."""

    _code, _status = "SCOPE_TOO_WIDE", 400


class TimeoutError(PacSpaceError, builtins.TimeoutError):
    """The awaited state was not reached before the deadline. It may still be reached."""

    _code = "TIMEOUT"


class WebhookVerificationError(PacSpaceError):
    """A webhook without a valid signature, or one that is too old."""

    _code = "WEBHOOK_VERIFICATION_FAILED"
