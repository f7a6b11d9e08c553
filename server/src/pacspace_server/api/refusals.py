"""Schemas of refusals: one per error code, and the codes of each route."""

from __future__ import annotations

from typing import Any

from ..http.refusals import BAD_REQUEST, CODES
from .routes import DASHBOARD, NONE, Route

Schema = dict[str, Any]

PROBLEM = "ValidationProblem"  # a plain 400, which has no code
TEXT: Schema = {"type": "string"}
SECONDS: Schema = {"type": "integer", "minimum": 0, "description": "Seconds to wait; the same as Retry-After."}
# A code's fields besides code and message. All are optional, except retryAfterSeconds.
DETAILS: dict[str, Schema] = {
    "REFERENCE_ID_CONFLICT": {
        "recordId": {"type": "string", "description": "The delta that has the reference."},
        "conflicts": {"type": "array", "items": {"$ref": "#/components/schemas/FieldConflict"}},
    },
    "RATE_LIMITED": {"retryAfterSeconds": SECONDS},
    "SERVICE_UNAVAILABLE": {
        "retryAfterSeconds": SECONDS,
        "checks": {
            "type": "object",
            "additionalProperties": TEXT,
            "description": "Only from /readyz: each check with `ok` or its problem.",
        },
    },
    "IDEMPOTENCY_PENDING": {"retryAfterSeconds": SECONDS},
}
# A code's fields beside `error` in the body.
BESIDE: dict[str, Schema] = {
    "PROOF_NOT_FOUND": {"verified": {"const": False}},
    "IDEMPOTENCY_PENDING": {"code": {"const": "IDEMPOTENCY_PENDING"}, "retryAfterSeconds": SECONDS},
}


def shape_name(code: str) -> str:
    """The name of a code's schema: REFERENCE_ID_CONFLICT -> ReferenceIdConflict."""
    return "".join(word.capitalize() for word in code.split("_"))


def codes_of(route: Route) -> dict[int, list[str]]:
    """Every code of a route, by status. A plain 400, which every route has, has no code."""
    codes = list(route.codes)
    if route.auth != NONE:
        codes += ["INVALID_API_KEY", "FORBIDDEN"]
    if route.auth == DASHBOARD:
        codes.append("API_KEY_ENVIRONMENT_MISMATCH")
    if route.body is not None:
        codes += ["PAYLOAD_TOO_LARGE", "UNSUPPORTED_MEDIA_TYPE"]
    by_status: dict[int, list[str]] = {BAD_REQUEST: []}
    # Any route: the queue of writes may be full, or the database unreachable.
    for code in sorted({*codes, "INTERNAL_ERROR", "SERVICE_UNAVAILABLE"}):
        by_status.setdefault(CODES[code].status, []).append(code)
    return dict(sorted(by_status.items()))


def refusal_schemas() -> dict[str, Schema]:
    """The body of each refusal."""
    shapes = {shape_name(code): _shape(code) for code in CODES}
    details = {"type": "array", "items": {"$ref": "#/components/schemas/FieldProblem"}}
    named = {"type": {"const": "VALIDATION_ERROR"}, "details": details}
    description = "Every invalid field, in one reply. There is no `code`."
    return shapes | {PROBLEM: {"description": description, **_envelope(BAD_REQUEST, named, {}, ["type", "details"])}}


def _shape(code: str) -> Schema:
    extra, beside = DETAILS.get(code, {}), BESIDE.get(code, {})
    required = ["code", *(name for name in extra if name == "retryAfterSeconds")]
    envelope = _envelope(CODES[code].status, {"code": {"const": code}, **extra}, beside, required)
    meaning = CODES[code].meaning
    return {"description": f"{meaning[0].upper()}{meaning[1:]}.", **envelope}


def _envelope(status: int, named: Schema, beside: Schema, required: list[str]) -> Schema:
    error = closed({**named, "message": TEXT}, [*required, "message"])
    return closed(
        {"success": {"const": False}, "statusCode": {"const": status}, "error": error, "message": TEXT, **beside},
        ["success", "statusCode", "error", "message", *beside],
    )


def closed(properties: Schema, required: list[str]) -> Schema:
    """An object with these fields and no others."""
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
