"""The OpenAPI 3.1 document, generated from the route table, the request tables and the reply types."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from importlib import metadata
from typing import Any, is_typeddict

import msgspec

from ..http.refusals import CODES
from ..views import (
    balance,
    checkpoints,
    customers,
    dashboard,
    public,
    receipts,
    sandbox,
    shapes,
    sharing,
    webhooks,
)
from .fields import Field, example_of, object_schema
from .refusals import PROBLEM, closed, codes_of, refusal_schemas, shape_name
from .routes import DASHBOARD, KEY, NONE, ROUTES, Route

Schema = dict[str, Any]

REFS = "#/components/schemas/"
REPLY_MODULES = (shapes, balance, checkpoints, customers, dashboard, public, receipts, sandbox, sharing, webhooks)
ABOUT = """\
A record of usage that both sides of a bill can check.

Amounts are exact JSON numbers: read them as decimals, never as binary floats. Months are UTC calendar months. \
Instants are ISO 8601 in UTC, to the microsecond. An unknown field in the body or the query is a 400 that names it; \
null counts as absent. Every reply has the header `X-Request-Id`. Every GET route also answers HEAD; any other method \
on a known path is a 405 with the allowed methods in `Allow`, an unknown path is a 404 `NOT_FOUND`.
"""
SHARING_PATHS = (
    "/dashboard/sharing",
    *(
        f"/dashboard/customers/{{customerId}}/{part}"
        for part in ("access-link", "link/", "code/", "sharing", "visits", "notes")
    ),
)
# A path belongs to the first group with a matching prefix.
GROUPS = (
    ("Deltas", "Record signed amounts and look one up.", ("/api/v1/balance/delta",)),
    (
        "Balances", "Derive balances, and compare them with the record.",
        ("/api/v1/balance/derive", "/api/v1/balance/compare", "/api/v1/balance/limits", "/api/v1/balance/usage"),
    ),
    (
        "Checkpoints", "Lock a month under one proof root, and list the locks.",
        ("/api/v1/balance/checkpoint", "/api/v1/balance/jobs", "/api/v1/balance/customers/{customerId}/timeline"),
    ),
    (
        "Receipts", "The totals of a month, with proof and links.",
        ("/api/v1/balance/receipt", "/api/v1/balance/invoice-proof", "/api/v1/balance/customers/{customerId}/receipts"),
    ),
    ("Log-in", "Sessions and passwords of users.", ("/dashboard/auth",)),
    ("API keys", "Create, rotate, disable and revoke keys.", ("/dashboard/api-keys",)),
    ("Users", "The users of a workspace and their roles.", ("/dashboard/users",)),
    ("Workspace", "Settings, environments and the audit trail.",
     ("/dashboard/audit", "/dashboard/workspace", "/dashboard/environments")),
    (
        "Shared Records", "A customer's page behind its link. Needs no key: a cookie proves that the visitor gave the "
        "access code.",
        ("/api/v1/c/",),
    ),
    ("Sharing", "Links, access codes, policies, visits, and remarks from both sides.", SHARING_PATHS),
    (
        "Webhooks", "Endpoints, deliveries and retries.",
        ("/api/v1/balance/webhooks", "/dashboard/webhooks", "/api/v1/sandbox/events"),
    ),
    ("Customers", "The customers and their totals.",
     ("/api/v1/balance/customers", "/api/v1/balance/gaps", "/dashboard")),
    ("Sandbox", "The sandbox's clock, and resetting the sandbox. Not in production.", ("/api/v1/sandbox",)),
    ("Verification", "Open to anyone with a proof root or a receiptId.",
     ("/api/v1/verify", "/api/v1/receipt", "/receipts")),
    ("Log", "The public log, as C2SP tlog-tiles.", ("/log",)),
    ("Server", "Health, metrics, and this document.", ("/",)),
)  # fmt: skip
# Path parameters, each with a description and an example.
TILE_PATH = "^(entries|[0-9]{1,2})/(x[0-9]{3}/)*[0-9]{3}([.]p/[0-9]{1,3})?$"  # the only parameter with slashes
PATH_PARAMETERS = {
    "customerId": ("The vendor's own name for the customer.", "cust_acme"),
    "recordId": ("A recordId, or a delta's receiptId.", f"rec_{'0' * 52}"),
    "jobId": ("The jobId from locking a month for all customers.", f"job_{'0' * 32}"),
    "receiptId": ("A receiptId (chk_).", f"chk_{'0' * 56}"),
    "keyId": ("The API key's id, not the key itself.", "key_0"),
    "userId": ("The user's id.", "usr_0"),
    "handle": ("The last part of a customer's link.", f"cus_{'0' * 64}"),
    "eventId": ("The event's id.", "evt_0"),
    "endpointId": ("The endpoint's id.", f"whk_{'0' * 32}"),
    "proofRoot": ("A proof root, a checkpointId, or a delta's receiptId.", f"0x{'0' * 64}"),
    "name": ("The 32 hexadecimal digits of the log's origin.", "0" * 32),
    "tile": ("Level and index of a C2SP tlog-tile, with slashes: `0/000`, `entries/x001/234`.", "0/000"),
}
HEADERS: dict[str, Schema] = {
    "X-Request-Id": {
        "description": "The request's id in the server's log.",
        "required": True,
        "schema": {"type": "string"},
    },
    "Idempotent-Replayed": {
        "description": "Present if the reply repeats the first one with this Idempotency-Key.",
        "schema": {"const": "true"},
    },
    "Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer", "minimum": 0}},
}
SENT_HEADERS: dict[str, Schema] = {
    "Idempotency-Key": {
        "description": "Requests with the same key and body are recorded once; the same key with another body "
        "is a 409.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[ -~]+$"},
        "example": "2026-02-10-acme-1",
    },
    "X-Request-Id": {
        "description": "The caller's own id for the request, if it matches `[A-Za-z0-9_.-]{1,64}`; else the server "
        "chooses one.",
        "schema": {"type": "string"},
    },
}
SECURITY = {
    "apiKey": {
        "type": "apiKey",
        "in": "header",
        "name": "X-Api-Key",
        "description": "`pk_test_...` for the sandbox, `pk_live_...` for production. "
        "The scopes are read, write and admin.",
    },
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "A session's token, or a key with the admin scope. The session can be in the cookie "
        "`pacspace_session` instead; then writes need the header `X-Pacspace-CSRF: 1`. "
        "`X-Environment` selects the environment.",
    },
}
EVERYWHERE = ("NotFound", "MethodNotAllowed")  # the replies to other paths and methods
SCHEMES = {KEY: "apiKey", DASHBOARD: "bearer"}


@lru_cache(4)
def document(public_url: str) -> dict[str, Any]:
    """The whole document, built at the first request."""
    paths: dict[str, dict[str, Any]] = {}
    for route in ROUTES:
        paths.setdefault(path_of(route), {})[route.method.lower()] = _operation(route)
    used = {operation["tags"][0] for methods in paths.values() for operation in methods.values()}
    schemas = _closed_up(_reply_schemas()) | refusal_schemas()
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "PacSpace",
            "version": metadata.version("pacspace-server"),
            "summary": ABOUT.partition("\n")[0],
            "description": ABOUT,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": public_url}],
        "tags": [{"name": name, "description": says} for name, says, _ in GROUPS if name in used],
        "paths": paths,
        "components": {
            "schemas": _reachable(paths, schemas),
            "parameters": {
                _key(name): {"name": name, "in": "header", **header} for name, header in SENT_HEADERS.items()
            },
            "headers": {_key(name): header for name, header in HEADERS.items()},
            "securitySchemes": SECURITY,
        },
    }


def path_of(route: Route) -> str:
    """A route's path in OpenAPI's form."""
    return re.sub(r":path}", "}", route.path)


def group_of(path: str) -> str:
    return next(name for name, _, prefixes in GROUPS if path.startswith(prefixes))


def _key(header: str) -> str:
    return header.replace("-", "")


def _operation(route: Route) -> dict[str, Any]:
    """One method on one path."""
    says = route.says
    needs = "" if route.auth == NONE else f"\n\n{_needs(route)}"
    operation = {
        "operationId": route.operation,
        "tags": [group_of(route.path)],
        "summary": says,
        "description": f"{says}.{needs}",
        "security": [] if route.auth == NONE else [{SCHEMES[route.auth]: [route.scope]}],
        "parameters": [*_path_parameters(route), *_query_parameters(route), *_header_parameters(route)],
        "responses": {str(status): response for status, response in _responses(route)},
    }
    if route.body is not None:
        operation["requestBody"] = _request_body(route, object_schema(route.body))
    return operation


def _needs(route: Route) -> str:
    """The permission that a route needs."""
    if route.person:
        return "Needs a session."
    if route.auth == KEY:
        return f"Needs a key with the `{route.scope}` scope."
    roles = {"read": "any role", "owner": "the role owner"}.get(route.scope, "the role admin or owner")
    return f"Needs a session with {roles}" + (", or a key with the `admin` scope." if route.scope != "owner" else ".")


def _path_parameters(route: Route) -> Iterator[Schema]:
    for name in re.findall(r"{(\w+)(?::path)?}", route.path):
        says, example = PATH_PARAMETERS[name]
        schema = {"type": "string", "minLength": 1} | ({"pattern": TILE_PATH} if name == "tile" else {})
        yield {"name": name, "in": "path", "required": True, "description": says, "schema": schema, "example": example}


def _query_parameters(route: Route) -> Iterator[Schema]:
    for name, field in route.query.items():
        yield {"name": name, "in": "query", "required": field.required, **_described(field)}


def _described(field: Field) -> Schema:
    """A field's schema, with description and example moved out of it, as parameters need."""
    schema = {key: value for key, value in field.schema.items() if key not in ("description", "examples")}
    beside = {"description": field.schema["description"]} if "description" in field.schema else {}
    if "examples" in field.schema:
        beside["example"] = field.schema["examples"][0]
    return {"schema": schema, **beside}


def _header_parameters(route: Route) -> Iterator[Schema]:
    for name in SENT_HEADERS:
        if name != "Idempotency-Key" or route.takes_key:
            yield {"$ref": f"#/components/parameters/{_key(name)}"}


def _request_body(route: Route, schema: Schema) -> Schema:
    content: Schema = {"schema": schema, "example": example_of(schema) or {}}
    says = f"At most {route.max_body:,} bytes. An empty body counts as `{{}}`."
    return {"description": says, "required": "required" in schema, "content": {"application/json": content}}


# ---------------------------------------------------------------- responses


def _responses(route: Route) -> Iterator[tuple[int, Schema]]:
    """Each status with its response."""
    for status in route.statuses:
        headers = ["X-Request-Id", *(["Idempotent-Replayed"] if route.takes_key and status == 201 else [])]
        yield status, {"description": route.says, "headers": _headers(headers), "content": _content(route, status)}
    for status, codes in codes_of(route).items():
        names = [*([PROBLEM] if status == 400 else []), *map(shape_name, codes)]
        retry = ["Retry-After"] if status in (202, 429, 503) else []
        says = "; ".join(CODES[code].meaning for code in codes) or "invalid fields; the reply names them all"
        yield (
            status,
            {
                "description": says[0].upper() + says[1:],
                "headers": _headers(["X-Request-Id", *retry]),
                "content": {"application/json": {"schema": _either(names)}},
            },
        )


def _headers(names: list[str]) -> Schema:
    return {name: {"$ref": f"#/components/headers/{_key(name)}"} for name in names}


def _either(names: list[str]) -> Schema:
    refs = [{"$ref": REFS + name} for name in names]
    return refs[0] if len(refs) == 1 else {"oneOf": refs}


def _content(route: Route, status: int) -> Schema:
    """A successful reply: data in its envelope, or another media type."""
    media_types = (route.reply,) if isinstance(route.reply, str) else route.reply
    if isinstance(media_types, tuple):
        kinds = {"application/json": "object"}
        return {name: {"schema": {"type": kinds.get(name, "string")}} for name in media_types}
    envelope: Schema = {"success": {"const": True}, "data": _schema_of(route.reply)}
    if route.is_dashboard:
        envelope["statusCode"] = {"const": status}
    return {"application/json": {"schema": closed(envelope, list(envelope))}}


def _schema_of(reply: Any) -> Schema:
    (schema,), _ = msgspec.json.schema_components([reply], ref_template=REFS + "{name}")
    return schema


def _reply_schemas() -> dict[str, Schema]:
    """The schema of each reply type, with its fields in the order of their definition."""
    named = {name: value for module in REPLY_MODULES for name, value in vars(module).items() if is_typeddict(value)}
    _, components = msgspec.json.schema_components(named.values(), ref_template=REFS + "{name}")
    for name, shape in named.items():
        fields = components[name]["properties"]
        components[name]["properties"] = {field: fields[field] for field in shape.__annotations__}
    return components


def _closed_up(schema: Any) -> Any:
    """A schema without unnamed fields, and without titles that only repeat a name."""
    if isinstance(schema, list):
        return [_closed_up(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    made = {
        name: _closed_up(value) for name, value in schema.items() if not (name == "title" and isinstance(value, str))
    }
    return made | {"additionalProperties": False} if isinstance(made.get("properties"), dict) else made


def _reachable(paths: Schema, schemas: dict[str, Schema]) -> dict[str, Schema]:
    """The schemas that the paths refer to, by name."""
    found: set[str] = set()
    waiting: list[Any] = [paths, *({"$ref": REFS + name} for name in EVERYWHERE)]
    while waiting:
        for name in set(_refs(waiting.pop())) - found:
            found.add(name)
            waiting.append(schemas[name])
    return {name: schemas[name] for name in sorted(found)}


def _refs(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        ref = value.get("$ref")
        if isinstance(ref, str) and ref.startswith(REFS):
            yield ref.removeprefix(REFS)
    for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _refs(part)
