"""JSON with exact numbers: amounts are converted to text once, and never pass through binary arithmetic."""

from __future__ import annotations

import json
import math
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Any

from .errors import ValidationError

NANO = Decimal("1e-9")
_WIDE = Context(prec=400)  # wider than the longest float, which has 309 digits before the point


def exact_amount(value: object, field: str) -> int | Decimal:
    """An amount for the request: an int or Decimal unchanged, a float rounded half-even to 9 fractional digits.

    Raises ValidationError for bool, NaN, infinity and anything else.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise _refused(field, f"must be an int, float or Decimal, is {type(value).__name__}")
    if isinstance(value, int):
        return value
    if not (math.isfinite(value) if isinstance(value, float) else value.is_finite()):
        raise _refused(field, f"must be finite, is {value}")
    if isinstance(value, Decimal):
        return value
    rounded = Decimal(float.__repr__(value)).quantize(NANO, ROUND_HALF_EVEN, _WIDE)
    return int(rounded) if rounded == rounded.to_integral_value() else rounded.normalize(_WIDE)


def encode(value: Any, field: str = "body") -> str:
    """Compact JSON text; a Decimal becomes the number it spells. ValidationError names what JSON can't represent."""
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, str):
        if not value.isascii():
            _require_unicode(value, field)
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, int):
        return int.__repr__(value)
    if isinstance(value, float | Decimal):
        finite = math.isfinite(value) if isinstance(value, float) else value.is_finite()
        if not finite:
            raise _refused(field, f"must be finite, is {value}")
        return float.__repr__(value) if isinstance(value, float) else str(value)
    if isinstance(value, dict):
        if unnamed := [name for name in value if not isinstance(name, str)]:
            raise _refused(field, f"has a key that is not a string: {unnamed[0]!r}")
        members = (f"{encode(name, field)}:{encode(item, _below(field, name))}" for name, item in value.items())
        return "{" + ",".join(members) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(encode(item, f"{field}[{index}]") for index, item in enumerate(value)) + "]"
    raise _refused(field, f"is a {type(value).__name__}, which JSON can't represent")


def encode_body(value: Any) -> str:
    """The text of a request's body. Raises ValidationError, also for a value that contains itself."""
    try:
        return encode(value)
    except RecursionError as error:
        raise _refused("body", "is nested too deeply") from error


def decode(data: bytes, decimals: bool = False) -> Any:
    """A JSON value; with `decimals` every number in it is a Decimal. Raises ValueError."""
    if decimals:
        return json.loads(data, parse_float=Decimal, parse_int=Decimal)
    return json.loads(data)


def _below(field: str, name: str) -> str:
    return name if field == "body" else f"{field}.{name}"


def _require_unicode(text: str, field: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise _refused(field, "contains half a surrogate pair, which is not text") from error


def _refused(field: str, problem: str) -> ValidationError:
    return ValidationError(f"{field} {problem}", details=[{"field": field, "problem": problem}])
