"""Reads JSON strictly and writes it exactly: numbers stay text, repeated keys and lone surrogates are refused."""

from __future__ import annotations

import json
import re
from json.encoder import encode_basestring
from typing import Any, NoReturn

MAX_DEPTH = 16
_MAX_DIGITS = 400
_MAX_EXPONENT_DIGITS = 4
_SURROGATE_ESCAPE = re.compile(rb"\\u[dD][89a-fA-F]")
_AS_BRACKETS = bytes.maketrans(b"{}", b"[]")
_OTHERS = bytes(set(range(256)) - set(b"[]{}"))


class JsonError(ValueError):
    """The bytes are not acceptable JSON; the message says why."""


class Number(str):
    """A JSON number as it was written."""

    __slots__ = ()


def parse(data: bytes) -> Any:
    """The JSON value of UTF-8 bytes, numbers as `Number`. Raises JsonError."""
    try:
        value = _decode(data.decode())
    except JsonError:
        raise
    except UnicodeDecodeError as error:
        raise JsonError("the body is not UTF-8") from error
    except json.JSONDecodeError as error:
        raise JsonError(f"the body is not JSON: {error.msg} at character {error.pos}") from error
    except (ValueError, RecursionError) as error:
        raise JsonError("the body is not readable JSON") from error
    if _is_deeper(data, MAX_DEPTH):
        raise JsonError(f"the body is nested deeper than {MAX_DEPTH}")
    if _SURROGATE_ESCAPE.search(data):
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError as error:
            raise JsonError("a string holds a lone surrogate") from error
    return value


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise JsonError(f"the key {name[:80]!r} appears twice")
            seen.add(name)
    return fields


def _refuse(text: str) -> NoReturn:
    raise JsonError(f"{text} is not a JSON number")


_decode = json.JSONDecoder(
    object_pairs_hook=_pairs, parse_int=Number, parse_float=Number, parse_constant=_refuse
).decode


def _is_deeper(data: bytes, levels: int) -> bool:
    """Whether valid JSON is nested deeper: removes innermost pairs of brackets, and looks whether any are left."""
    if data.count(b"[") + data.count(b"{") <= levels:
        return False
    outside_strings = b"".join(data.replace(b"\\\\", b"").replace(b'\\"', b"").split(b'"')[::2])
    brackets = outside_strings.translate(_AS_BRACKETS, _OTHERS)
    for _ in range(levels):
        brackets = brackets.replace(b"[]", b"")
    return bool(brackets)


def text_of(value: Any) -> str:
    """The one JSON text of a parsed value: sorted keys, no white space, equal numbers written alike."""
    kind = type(value)
    if kind is str:
        return encode_basestring(value)
    if kind is Number:
        return number_text(value)
    if kind is dict:
        return "{" + ",".join([f"{encode_basestring(key)}:{text_of(value[key])}" for key in sorted(value)]) + "}"
    if kind is list:
        return "[" + ",".join(map(text_of, value)) + "]"
    return json.dumps(value)


def number_text(number: str) -> str:
    """A JSON number by value: 1.0, 1 and 10e-1 are all `1`. JsonError beyond 400 digits or exponents of 4."""
    mantissa, _, exponent_text = number.lower().partition("e")
    sign = "-" if mantissa.startswith("-") else ""
    whole, _, fraction = mantissa.lstrip("-").partition(".")
    if len(whole) + len(fraction) > _MAX_DIGITS or len(exponent_text.lstrip("+-0")) > _MAX_EXPONENT_DIGITS:
        raise JsonError(f"the number {number[:40]} is out of range")
    digits = (whole + fraction).lstrip("0")
    exponent = int(exponent_text or "0") - len(fraction)
    stripped = digits.rstrip("0")
    exponent += len(digits) - len(stripped)
    if not stripped:
        return "0"
    if exponent >= 0 and len(stripped) + exponent <= 21:
        return sign + stripped + "0" * exponent
    if -21 <= exponent < 0:
        padded = stripped.rjust(-exponent + 1, "0")
        return f"{sign}{padded[:exponent]}.{padded[exponent:]}"
    return f"{sign}{stripped}e{exponent}"
