"""Canonical bytes: the only spelling of everything hashed or signed (spec/canonical.md; RFC 8785, restricted)."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import NoReturn

MAX_DEPTH = 8
MAX_STRING_BYTES = 64 * 1024
MAX_TOTAL_CHARS = 40
SCALE_DIGITS = 9
DELTA_BOUND_UNITS = 1_000_000_000 * 10**SCALE_DIGITS

Grammar = Callable[[object], bool]


class FormatError(ValueError):
    """A value is not in its canonical spelling; the message names the place and the value found."""


def _refuse_number(text: str) -> NoReturn:
    raise FormatError(f"numbers are not allowed in canonical JSON: {text[:40]}")


_decode = json.JSONDecoder(parse_int=_refuse_number, parse_float=_refuse_number, parse_constant=_refuse_number).decode
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), sort_keys=True, check_circular=False).encode


def canonical(value: object) -> bytes:
    """Canonical JSON bytes of objects, arrays and strings. FormatError for a lone surrogate."""
    try:
        return _encode(value).encode()
    except UnicodeEncodeError as error:
        raise FormatError("a string contains a lone surrogate") from error


def parse_canonical(data: bytes) -> object:
    """The value of canonical JSON bytes; FormatError unless encoding it again gives the same bytes."""
    try:
        value = _decode(data.decode())
    except FormatError:
        raise
    except (ValueError, RecursionError) as error:
        raise FormatError(f"not JSON in UTF-8: {error}") from error
    _check_limits([value], 0)
    if canonical(value) != data:
        raise FormatError("not canonical: check key order, repeated keys, white space and escapes")
    return value


def _check_limits(values: Iterable[object], depth: int) -> None:
    """Allows only objects, arrays and strings within the limits, with ASCII keys, nested in `depth` containers."""
    for value in values:
        if type(value) is str:
            # Compares the length in characters first, because measuring bytes makes a copy.
            if len(value) * 4 > MAX_STRING_BYTES and len(value.encode("utf-8", "surrogatepass")) > MAX_STRING_BYTES:
                raise FormatError("a string is longer than 64 KiB")
        elif depth == MAX_DEPTH:
            raise FormatError(f"nested deeper than {MAX_DEPTH}")
        elif isinstance(value, dict):
            if not (keys := "".join(value)).isascii():
                raise FormatError(f"a key is not ASCII: {keys[:80]!r}")
            if len(keys) > MAX_STRING_BYTES:
                _check_limits(value, depth)
            _check_limits(value.values(), depth + 1)
        elif isinstance(value, list):
            _check_limits(value, depth + 1)
        else:
            raise FormatError(f"only objects, arrays and strings are allowed, found {json.dumps(value)}")


def tagged_hash(tag: str, data: bytes) -> bytes:
    """H(tag, data) = SHA-256(tag, a zero byte, data)."""
    return hashlib.sha256(tag.encode() + b"\x00" + data).digest()


def decode_base64(text: str) -> bytes:
    """Decodes standard, padded base64 in its only spelling (RFC 4648 section 4); FormatError otherwise."""
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError as error:
        raise FormatError(f"not base64: {text[:80]!r}") from error
    if base64.b64encode(data).decode() != text:
        raise FormatError(f"base64 is not in canonical form: {text[:80]!r}")
    return data


def grammar(pattern: str) -> Grammar:
    """Tests that a value is a string and that the whole of it matches the pattern."""
    match = re.compile(pattern).fullmatch
    return lambda value: type(value) is str and match(value) is not None


def list_of(fits: Grammar, least: int, most: int) -> Grammar:
    """Tests that a value is a list of least to most members, and that each fits."""
    return lambda value: isinstance(value, list) and least <= len(value) <= most and all(map(fits, value))


_YEAR_MONTH = r"(?:19[7-9][0-9]|[2-9][0-9]{3})-(?:0[1-9]|1[0-2])"
_amount = re.compile(r"0|-?(?:0\.[0-9]{0,8}[1-9]|[1-9][0-9]*(?:\.[0-9]{0,8}[1-9])?)").fullmatch
_instant = re.compile(_YEAR_MONTH + r"-[0-9]{2}T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]\.[0-9]{6}Z").fullmatch

is_count = grammar(r"0|[1-9][0-9]{0,14}")
is_period = grammar(_YEAR_MONTH)
is_flag = grammar(r"yes|no")
is_hash = grammar(r"[0-9a-f]{64}")
is_hex_16 = grammar(r"[0-9a-f]{32}")
is_identifier = grammar(r"[A-Za-z0-9_.:-]{1,128}")
is_origin = grammar(r"pacspace\.log/(?:sandbox|production)/[0-9a-f]{32}")


def is_total(value: object) -> bool:
    """An exact decimal in its only spelling, at most 40 characters."""
    return type(value) is str and len(value) <= MAX_TOTAL_CHARS and _amount(value) is not None


def is_instant(value: object) -> bool:
    """`YYYY-MM-DDThh:mm:ss.ffffffZ`, a real date from 1970 to 9999."""
    if type(value) is not str or _instant(value) is None:
        return False
    try:
        return "01" <= value[8:10] <= "28" or datetime.fromisoformat(value[:-1]) is not None
    except ValueError:
        return False


def is_text(value: object) -> bool:
    """A string that is not empty."""
    return type(value) is str and value != ""


def is_object(value: object) -> bool:
    """An object with any fields; they are checked separately."""
    return isinstance(value, dict)


def units(amount: str) -> int:
    """An amount or total in exact units of 10^-9. The text must already fit the grammar."""
    whole, _, fraction = amount.partition(".")
    return int(whole + fraction.ljust(SCALE_DIGITS, "0"))


def amount_text(value_units: int) -> str:
    """The only spelling of an amount in units of 10^-9."""
    whole, fraction = divmod(abs(value_units), 1_000_000_000)
    text = f"{whole}.{fraction:09d}".rstrip("0") if fraction else str(whole)
    return "-" + text if value_units < 0 else text


def check_fields(value: object, required: Mapping[str, Grammar], optional: Mapping[str, Grammar], where: str) -> None:
    """FormatError unless the value is an object with exactly these fields, each fitting its grammar."""
    if not isinstance(value, dict):
        raise FormatError(f"{where}: expected an object")
    missing = len(required)
    for name, given in value.items():
        if fits := required.get(name):
            missing -= 1
        elif not (fits := optional.get(name)):
            raise FormatError(f"{where}: unknown field {name!r:.80}")
        if not fits(given):
            raise FormatError(f"{where}: field {name} is not spelled as required: {given!r:.120}")
    if missing:
        raise FormatError(f"{where}: missing: {', '.join(name for name in required if name not in value)}")
