"""One table from errors to status, code, message and retry, for the API and the pages."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import structlog

from ..service.base.errors import ServiceError, unavailable
from ..storage.model.protocols import Damaged, InDoubt, Unavailable, Vanished
from ..storage.writing.committer import NotWritten, Overloaded
from .messages import Call, Reply

logger = structlog.get_logger("pacspace.http")
DISK_RETRY_S = 5


class Code(NamedTuple):
    """An error code's HTTP status and meaning."""

    status: int
    meaning: str


CODES = {
    "INVALID_SCOPE_COMBINATION": Code(400, "scope fields that exclude each other were sent together"),
    "SCOPE_TOO_WIDE": Code(400, "the scope touches more than 36 months"),
    "INVALID_API_KEY": Code(401, "the key or session is missing, unknown, revoked or has ended"),
    "INVALID_CREDENTIALS": Code(401, "the e-mail or the password is wrong, or the user is disabled"),
    "ACCESS_CODE_REQUIRED": Code(401, "this part of a Shared Record needs the access code"),
    "ACCESS_CODE_INVALID": Code(403, "this is not the access code of the link"),
    "FORBIDDEN": Code(
        403,
        "the key's scopes or the user's role do not allow this, a sandbox tool was called in production, "
        "the request comes from another site's page, or the receipt's deltas need the customer's access code",
    ),
    "API_KEY_ENVIRONMENT_MISMATCH": Code(403, "the dashboard token and the request name different environments"),
    "CUSTOMER_NOT_FOUND": Code(404, "no such customer in this environment"),
    "RECORD_NOT_FOUND": Code(404, "no such delta in this environment"),
    "CHECKPOINT_NOT_FOUND": Code(404, "no such checkpoint in this environment"),
    "RECEIPT_NOT_FOUND": Code(404, "no such receipt"),
    "PROOF_NOT_FOUND": Code(404, "this server has no such proof root, checkpoint or receipt"),
    "LINK_NOT_FOUND": Code(404, "no such link, or it was replaced, or sharing is off"),
    "NOT_FOUND": Code(404, "no such route, page, log, job, endpoint, delivery, user, key or link"),
    "METHOD_NOT_ALLOWED": Code(405, "the route exists, but not for this method"),
    "REFERENCE_ID_CONFLICT": Code(409, "the referenceId was recorded with other values; the reply names them"),
    "CUSTOMER_ID_CONFLICT": Code(409, "a customer with this customerId already exists"),
    "EMAIL_TAKEN": Code(409, "a user with this e-mail already exists"),
    "LAST_OWNER": Code(409, "the change would leave the workspace without an owner who can log in"),
    "ENVIRONMENT_CHANGED": Code(409, "the form's page showed the other environment; nothing was changed"),
    "IDEMPOTENCY_CONFLICT": Code(409, "an earlier request with this Idempotency-Key had another body"),
    "PAYLOAD_TOO_LARGE": Code(413, "the body is larger than the route accepts"),
    "UNSUPPORTED_MEDIA_TYPE": Code(415, "the body is not application/json"),
    "RATE_LIMITED": Code(429, "too many requests or failed attempts; wait retryAfterSeconds"),
    "INTERNAL_ERROR": Code(500, "internal error; the server log has details under the request id"),
    "SERVICE_UNAVAILABLE": Code(
        503,
        "temporarily unavailable; nothing was recorded unless the message says so; wait retryAfterSeconds",
    ),
    "RECORD_DAMAGED": Code(503, "the stored rows no longer match their hash; run fsck"),
    "IDEMPOTENCY_PENDING": Code(202, "a request with the same Idempotency-Key is in progress; try again"),
}
BAD_REQUEST = 400  # of refusals without a code: invalid fields
MAY_BE_RECORDED = (
    "so the outcome is unknown: try again with the same Idempotency-Key or referenceId, which records it once"
)
MAY_BE_DONE = "so the outcome is unknown: check it before you send this again"
TRY_AGAIN = "try again"


def status_of(error: ServiceError) -> int:
    return BAD_REQUEST if error.code is None else CODES[error.code].status


def retry_after(error: ServiceError) -> dict[str, str]:
    """The Retry-After header, if the refusal has one."""
    seconds = error.extra.get("retryAfterSeconds")
    return {} if seconds is None else {"Retry-After": str(seconds)}


async def answered(
    call: Call, work: Callable[[Call], Awaitable[Reply]], refuse: Callable[[ServiceError], Reply]
) -> Reply:
    """The reply of `work`, or the reply for the error it raised."""
    try:
        return await work(call)
    except (Exception, asyncio.CancelledError) as error:
        return refuse(refusal_of(error, call))


def refusal_of(error: BaseException, call: Call) -> ServiceError:
    """Any error as a code and a message for the caller."""
    match error:
        case ServiceError():
            return error
        case Vanished():
            return ServiceError("CUSTOMER_NOT_FOUND", str(error))
        case Overloaded():
            return unavailable("too many writes are waiting; nothing was recorded")
        case NotWritten():
            return unavailable(f"the database could not write this; nothing was recorded: {error}", DISK_RETRY_S)
        case Unavailable():
            return unavailable(f"the database is unavailable: {error}", DISK_RETRY_S)
        case Damaged():
            logger.error("record damaged", row=error.where)
            return ServiceError("RECORD_DAMAGED", str(error))
        case InDoubt():
            return unavailable(f"{error}, {_in_doubt(call)}", DISK_RETRY_S)
        case asyncio.CancelledError():
            return unavailable(f"the server stopped before this was done, {_in_doubt(call)}", DISK_RETRY_S)
    logger.error("request failed", method=call.scope["method"], route=call.route, exc_info=error)
    message = f"internal error; the server log has details under request {call.request_id}"
    return ServiceError("INTERNAL_ERROR", message)


def _in_doubt(call: Call) -> str:
    """What the caller should do when the outcome is unknown."""
    if call.scope["method"] in ("GET", "HEAD"):
        return TRY_AGAIN
    return MAY_BE_RECORDED if call.repeatable else MAY_BE_DONE


def as_json(error: ServiceError) -> Reply:
    """The error as JSON. A plain 400 has `type` instead of `code`: existing clients read a coded 400 differently."""
    extra: dict[str, Any] = dict(error.extra)
    status = status_of(error)
    top = {name: extra.pop(name) for name in ("verified",) if name in extra}
    allow = extra.pop("allow", None)
    named = {"type": "VALIDATION_ERROR"} if error.code is None else {"code": error.code}
    body = {
        "success": False,
        "statusCode": status,
        **top,
        "error": {**named, "message": error.message, **extra},
        "message": error.message,
    }
    if status == 202:
        body |= {"code": error.code, **extra}
    return Reply(status, body, retry_after(error) | ({"Allow": allow} if allow else {}))
