"""What a page's form sends: fields, and files where it has any."""

from __future__ import annotations

from email import policy
from email.parser import BytesParser
from urllib.parse import parse_qsl

from ..service.errors import ServiceError, invalid
from .page import Call

MAX_FORM_BYTES, MAX_FIELDS = 4 << 20, 50
URLENCODED, MULTIPART = "application/x-www-form-urlencoded", "multipart/form-data"


async def read_form(call: Call) -> dict[str, bytes]:
    """The fields by name, a file as its bytes. A plain 400 for anything that no form of ours sends."""
    # A page of somebody else's can't fill in our forms; every browser says where one comes from.
    if (call.header(b"sec-fetch-site") or "same-origin") not in ("same-origin", "none"):
        raise ServiceError(403, "FORBIDDEN", "this form was sent from another site's page")
    kind = call.header(b"content-type") or ""
    body = await call.body(MAX_FORM_BYTES)
    media_type = kind.partition(";")[0].strip().lower()
    if media_type == URLENCODED:
        return _urlencoded(body)
    if media_type == MULTIPART:
        return _multipart(kind, body)
    raise invalid(("body", "is not a form"))


def _urlencoded(body: bytes) -> dict[str, bytes]:
    try:
        pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, max_num_fields=MAX_FIELDS)
    except ValueError as error:
        raise invalid(("body", "is not a form that can be read")) from error
    return {name: value.encode() for name, value in pairs}


def _multipart(kind: str, body: bytes) -> dict[str, bytes]:
    """By the standard library's reader of the same format in mail."""
    head = f"Content-Type: {kind}\r\n\r\n".encode("latin-1", "replace")
    try:
        parts = BytesParser(policy=policy.HTTP).parsebytes(head + body).iter_parts()
        found: dict[str, bytes] = {}
        for part in parts:
            name = part.get_param("name", header="content-disposition")
            content = part.get_payload(decode=True)
            if isinstance(name, str) and isinstance(content, bytes) and len(found) < MAX_FIELDS:
                found[name] = content
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        raise invalid(("body", "is not a form that can be read")) from error
    return found
