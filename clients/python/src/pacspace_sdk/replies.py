"""The meaning of a reply: data, a request still in progress, or an error of the right class."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from .errors import (
    NO_REASON,
    CadenceLimitError,
    ConflictError,
    ContractNotDeployedError,
    InsufficientCreditsError,
    InvalidApiKeyError,
    InvalidScopeCombinationError,
    NotFoundError,
    PacSpaceError,
    RateLimitError,
    ScopeTooWideError,
    ServiceUnavailableError,
    ValidationError,
)
from .transport import HttpResponse

Decode: TypeAlias = Callable[[bytes], Any]
PENDING = "IDEMPOTENCY_PENDING"
BY_STATUS: dict[int, type[PacSpaceError]] = {
    400: ValidationError,
    401: InvalidApiKeyError,
    402: InsufficientCreditsError,
    404: NotFoundError,
    409: ConflictError,
    412: ContractNotDeployedError,
    429: RateLimitError,
    503: ServiceUnavailableError,
}
BY_CODE: dict[tuple[int, str], type[PacSpaceError]] = {
    (400, "INVALID_SCOPE_COMBINATION"): InvalidScopeCombinationError,
    (400, "SCOPE_TOO_WIDE"): ScopeTooWideError,
    (429, "CADENCE_LIMIT"): CadenceLimitError,
}


@dataclass(frozen=True)
class Pending:
    """The request is still in progress; repeat it with the same key, after so many seconds if the server said so."""

    retry_after: float | None


@dataclass(frozen=True)
class _Stated:
    """The contents of a refusal, from any of the known body formats."""

    message: str
    code: str | None
    fields: dict[str, Any]


def judge(reply: HttpResponse, path: str, decode: Decode, *, public: bool = False, raw: bool = False) -> Any:
    """The data of a success, else Pending or a PacSpaceError (returned, not raised).

    A keyed reply is `{"success": true, "data": ...}`; lists and empty bodies are returned unchanged. A public reply may
    also be the bare object. A raw reply is its bytes.
    """
    if not 200 <= reply.status_code < 300:
        return _error(reply, path, _value(reply.body, decode))
    if raw:
        return reply.body
    if not reply.body.strip():
        return None
    value = _value(reply.body, decode)
    if isinstance(value, list):
        return value
    if isinstance(value, dict):
        if value.get("success") is True and "data" in value:
            return value["data"]
        if reply.status_code == 202 and (stated := _stated(value)).code == PENDING:
            return Pending(_seconds(stated.fields.get("retryAfterSeconds")) or _header_seconds(reply))
        if public:
            return value
    return PacSpaceError("Unexpected response format", reply.status_code, "API_ERROR", path, request_id=_id(reply))


def retry_after_of(error: PacSpaceError) -> float | None:
    """The seconds that the server asked to wait, if it did."""
    found: float | None = getattr(error, "retry_after", None)
    return found


def _value(body: bytes, decode: Decode) -> Any:
    try:
        return decode(body)
    except (ValueError, RecursionError):
        return None


def _error(reply: HttpResponse, path: str, value: Any) -> PacSpaceError:
    stated, status = _stated(value), reply.status_code
    kind = BY_CODE.get((status, stated.code or "")) or BY_STATUS.get(status, PacSpaceError)
    code = stated.code if kind is ConflictError else None
    error = kind(stated.message, status, code, path, server_code=stated.code, request_id=_id(reply))
    wait_s = _seconds(stated.fields.get("retryAfterSeconds")) or _header_seconds(reply)
    if isinstance(error, RateLimitError | ServiceUnavailableError):
        error.retry_after = wait_s
    elif isinstance(error, CadenceLimitError):
        error.retry_after_ms = None if wait_s is None else round(wait_s * 1000)
        customer_id = stated.fields.get("customerId")
        error.customer_id = customer_id if isinstance(customer_id, str) else None
    elif isinstance(error, ValidationError):
        details = stated.fields.get("details")
        error.details = [item for item in details if isinstance(item, dict)] if isinstance(details, list) else []
    return error


def _stated(value: Any) -> _Stated:
    """Reads `{"error": {"code", "message", ...}}` and the flat `{"message", "error", "code", ...}`."""
    top = value if isinstance(value, dict) else {}
    inner = top.get("error")
    nested = inner if isinstance(inner, dict) else {}
    flat = inner if isinstance(inner, str) else None
    message = _text(nested.get("message")) or _text(top.get("message")) or flat or NO_REASON
    code = nested.get("code") or top.get("code")
    return _Stated(message, code if isinstance(code, str) else None, {**top, **nested})


def _text(value: Any) -> str | None:
    if isinstance(value, list):
        return "; ".join(map(str, value)) or None
    return value if isinstance(value, str) and value else None


def _seconds(value: Any) -> float | None:
    """A positive number of seconds, as an int if whole; None for anything else, including zero."""
    if isinstance(value, bool) or value is None:
        return None
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        return None
    if not 0 < seconds < float("inf"):
        return None
    return int(seconds) if seconds.is_integer() else seconds


def _header(reply: HttpResponse, name: str) -> str | None:
    return next((value for given, value in reply.headers.items() if given.lower() == name), None)


def _header_seconds(reply: HttpResponse) -> float | None:
    return _seconds(_header(reply, "retry-after"))


def _id(reply: HttpResponse) -> str | None:
    return _header(reply, "x-request-id")
