"""How refusals look: one shape per error code, and which codes a route may answer."""

from __future__ import annotations

from typing import Any

from ..http.refusals import BAD_REQUEST, CODES
from .routes import DASHBOARD, NONE, Route

Schema = dict[str, Any]

PROBLEM = "ValidationProblem"  # a plain 400, which has no code
TEXT: Schema = {"type": "string"}
SECONDS: Schema = {"type": "integer", "minimum": 0, "description": "Wait so long; the same as Retry-After."}
# What a code carries beside code and message, all of it optional but retryAfterSeconds.
DETAILS: dict[str, Schema] = {
    "REFERENCE_ID_CONFLICT": {
        "recordId": {"type": "string", "description": "The delta that the reference names already."},
        "conflicts": {"type": "array", "items": {"$ref": "#/components/schemas/FieldConflict"}},
    },
    "RATE_LIMITED": {"retryAfterSeconds": SECONDS},
    "SERVICE_UNAVAILABLE": {
        "retryAfterSeconds": SECONDS,
        "checks": {
            "type": "object",
            "additionalProperties": TEXT,
            "description": "Of /readyz: each thing that was looked at, `ok` or what is wrong.",
        },
    },
    "IDEMPOTENCY_PENDING": {"retryAfterSeconds": SECONDS},
}
# What stands beside `error` in the body.
BESIDE: dict[str, Schema] = {
    "PROOF_NOT_FOUND": {"verified": {"const": False}},
    "IDEMPOTENCY_PENDING": {"code": {"const": "IDEMPOTENCY_PENDING"}, "retryAfterSeconds": SECONDS},
}


def shape_name(code: str) -> str:
    """REFERENCE_ID_CONFLICT -> ReferenceIdConflict: the name of its schema."""
    return "".join(word.capitalize() for word in code.split("_"))


def codes_of(route: Route) -> dict[int, list[str]]:
    """Every code that a route may answer, by status. A plain 400, which any route may answer, has none."""
    codes = list(route.codes)
    if route.auth != NONE:
        codes += ["INVALID_API_KEY", "FORBIDDEN"]
    if route.auth == DASHBOARD:
        codes.append("API_KEY_ENVIRONMENT_MISMATCH")
    if route.body is not None:
        codes += ["PAYLOAD_TOO_LARGE", "UNSUPPORTED_MEDIA_TYPE"]
    by_status: dict[int, list[str]] = {BAD_REQUEST: []}
    # Writes wait in a bounded queue, and a database behind a network may be away.
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
    return {"description": CODES[code].meaning.capitalize() + ".", **envelope}


def _envelope(status: int, named: Schema, beside: Schema, required: list[str]) -> Schema:
    error = closed({**named, "message": TEXT}, [*required, "message"])
    return closed(
        {"success": {"const": False}, "statusCode": {"const": status}, "error": error, "message": TEXT, **beside},
        ["success", "statusCode", "error", "message", *beside],
    )


def closed(properties: Schema, required: list[str]) -> Schema:
    """An object with these fields and no others."""
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
