"""HTML forms: URL-encoded fields, or multipart with small files; bounded, strict UTF-8."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from ..http.messages import Call
from ..service.base.errors import ServiceError

MAX_FIELDS = 100
MAX_FORM_BYTES = 4 << 20
MAX_SECRET_CHARS = 400
MAX_PART_HEAD_BYTES = 4 << 10
URLENCODED, MULTIPART = "application/x-www-form-urlencoded", "multipart/form-data"
_BOUNDARY = re.compile(r';[ \t]*boundary=("?)([^";,\s]{1,70})\1[ \t]*(?:;|$)', re.IGNORECASE)
_DISPOSITION = re.compile(rb"content-disposition:[ \t]*form-data[ \t]*(;[^\r\n]*)", re.IGNORECASE)
_PARAMETER = re.compile(rb';[ \t]*(name|filename\*?)=("[^"]*"|[^;" \t]+)', re.IGNORECASE)


class FormError(ServiceError):
    """The body is not a form, or a field is not text."""

    def __init__(self, problem: str) -> None:
        super().__init__(None, f"form: {problem}", details=[{"field": "form", "problem": problem}])


@dataclass(frozen=True)
class Form:
    """A submitted form: each field's values in order, and the non-empty files."""

    fields: Mapping[str, list[str]] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)

    def one(self, name: str) -> str:
        """A field's only value, without surrounding spaces; empty if absent."""
        values = self.fields.get(name, [])
        if len(values) > 1:
            raise FormError(f"{name} is repeated")
        return values[0].strip() if values else ""

    def raw(self, name: str) -> str:
        """A field's value with its spaces, for passwords. Cuts values longer than any password."""
        return self.fields.get(name, [""])[-1][:MAX_SECRET_CHARS]

    def last(self, name: str) -> str:
        """A field's value, unchanged."""
        return self.fields.get(name, [""])[-1]

    def many(self, name: str) -> list[str]:
        return list(self.fields.get(name, []))


async def read_form(call: Call) -> Form:
    """The form of a request. Raises a plain 400 if it is malformed, 403 if it comes from another site."""
    if (call.header(b"sec-fetch-site") or "same-origin") not in ("same-origin", "none"):
        raise ServiceError("FORBIDDEN", "this form comes from another site's page")
    body = await call.body(MAX_FORM_BYTES)
    return parse_form(call.header(b"content-type"), body) if body else Form()


def parse_form(content_type: str | None, body: bytes) -> Form:
    """The form in a body. Raises FormError."""
    kind = (content_type or "").partition(";")[0].strip().lower()
    if kind == URLENCODED:
        return _form(_pairs(body))
    if kind == MULTIPART:
        return _multipart(content_type or "", body)
    raise FormError(f"a form must be {URLENCODED} or {MULTIPART}")


def _pairs(body: bytes) -> list[tuple[str, str]]:
    try:
        return parse_qsl(body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS)
    except ValueError as error:  # UnicodeDecodeError is one
        raise FormError(f"the form has more than {MAX_FIELDS} fields, or is not UTF-8") from error


def _form(pairs: list[tuple[str, str]], files: Mapping[str, bytes] | None = None) -> Form:
    fields: dict[str, list[str]] = {}
    for name, value in pairs:
        if "\0" in value:
            raise FormError(f"{name[:40]} must not hold U+0000")
        # Browsers end the lines of a text area with CR LF.
        fields.setdefault(name, []).append(value.replace("\r\n", "\n"))
    return Form(fields, files or {})


def _multipart(content_type: str, body: bytes) -> Form:
    """Reads a multipart body in one pass: strangers send these too, so the cost is linear in the size."""
    found = _BOUNDARY.search(content_type)
    if found is None:
        raise FormError("the form is not readable as multipart: its Content-Type has no boundary")
    first, *parts = (b"\r\n" + body).split(b"\r\n--" + found[2].encode("latin-1", "replace"), MAX_FIELDS + 1)
    if first or not parts or not parts[-1].startswith(b"--"):
        raise FormError(f"the form is not readable as multipart, is incomplete, or has more than {MAX_FIELDS} parts")
    pairs: list[tuple[str, str]] = []
    files: dict[str, bytes] = {}
    for part in parts[:-1]:
        name, data, is_file = _part(part)
        if not is_file:
            pairs.append((name, text_of(data, name)))
        elif data:
            files[name] = data
    return _form(pairs, files)


def _part(part: bytes) -> tuple[str, bytes, bool]:
    """A part's name and content, and whether it is a file."""
    head, _, data = part.partition(b"\r\n\r\n")
    stated = _DISPOSITION.search(head) if len(head) <= MAX_PART_HEAD_BYTES else None
    named = {name.lower(): value.strip(b'"') for name, value in _PARAMETER.findall(stated[1])} if stated else {}
    if b"name" not in named:
        raise FormError("a part of the form has no name")
    return text_of(named[b"name"], "a name"), data, b"filename" in named or b"filename*" in named


def text_of(data: bytes, name: str) -> str:
    """UTF-8 text, with or without a byte order mark."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FormError(f"{name[:40]} is not UTF-8 text (line {data[: error.start].count(10) + 1})") from error
