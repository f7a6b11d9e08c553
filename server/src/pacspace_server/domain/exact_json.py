"""JSON read strictly and written exactly: numbers stay text, repeated keys and lone surrogates are refused."""

from __future__ import annotations

import json
import re
from json.encoder import encode_basestring
from typing import Any, NoReturn

MAX_DEPTH = 16
_MAX_DIGITS = 400
_MAX_EXPONENT_DIGITS = 4
_SURROGATE_ESCAPE = re.compile(rb"\\u[dD][89a-fA-F]")
_OPENERS = re.compile(rb"[\[{]")


class JsonError(ValueError):
    """The bytes are not JSON that can be taken; the message says why."""


class Number(str):
    """A JSON number as it was spelled."""

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
        raise JsonError("the body is not JSON that can be read") from error
    if len(_OPENERS.findall(data)) > MAX_DEPTH and _depth(value) > MAX_DEPTH:
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
        names = [name for name, _ in pairs]
        repeated = next(name for name in names if names.count(name) > 1)
        raise JsonError(f"the key {repeated[:80]!r} appears twice")
    return fields


def _refuse(text: str) -> NoReturn:
    raise JsonError(f"{text} is not a JSON number")


_decode = json.JSONDecoder(
    object_pairs_hook=_pairs, parse_int=Number, parse_float=Number, parse_constant=_refuse
).decode


def _depth(value: Any) -> int:
    """Nesting, without recursion: the decoder's own limit is far above ours."""
    deepest, stack = 0, [(value, 1)]
    while stack:
        item, depth = stack.pop()
        if isinstance(item, dict | list):
            deepest = max(deepest, depth)
            children = item.values() if isinstance(item, dict) else item
            stack.extend((child, depth + 1) for child in children)
    return deepest


def text_of(value: Any) -> str:
    """The one JSON text of a parsed value: sorted keys, no white space, equal numbers spelled alike."""
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
