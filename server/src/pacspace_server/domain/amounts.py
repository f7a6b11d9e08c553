"""Exact amounts: JSON number text in, integers of 10^-9 units inside, exact JSON numbers out."""

from __future__ import annotations

import re

from pacspace_proofs.canonical import DELTA_BOUND_UNITS, MAX_TOTAL_CHARS, SCALE_DIGITS, amount_text, units

__all__ = ["MAX_TOTAL_UNITS", "AmountError", "amount_text", "fits_total", "parse_balance", "parse_delta", "units"]

_NUMBER = re.compile(r"(-?)(0|[1-9][0-9]*)(?:\.([0-9]+))?(?:[eE]([+-]?[0-9]+))?")
_MAX_EXPONENT_DIGITS = 3
_MAX_MANTISSA_DIGITS = 400
# Fits into 40 characters with any sign and fraction: 40 minus sign, point and nine digits.
MAX_TOTAL_UNITS = 10 ** (MAX_TOTAL_CHARS - 2)


class AmountError(ValueError):
    """The text is not an amount that can be recorded; the message says why, and what is accepted."""


def _parse(text: str) -> int:
    match = _NUMBER.fullmatch(text)
    if match is None:
        raise AmountError(f"{text[:60]} is not a JSON number")
    sign, whole, fraction, exponent = match[1], match[2], match[3] or "", match[4] or "0"
    digits = whole + fraction
    if len(digits) > _MAX_MANTISSA_DIGITS or len(exponent.lstrip("+-0")) > _MAX_EXPONENT_DIGITS:
        raise AmountError(f"{text[:60]} is out of range")
    shift = int(exponent) - len(fraction) + SCALE_DIGITS
    value: int = int(digits)
    if shift >= 0:
        value *= int(10**shift)
    else:
        value, rest = divmod(value, int(10**-shift))
        if rest:
            raise AmountError(f"{text[:60]} has more than {SCALE_DIGITS} digits after the point; round it first")
    return -value if sign else value


def parse_delta(text: str) -> int:
    """Units of 10^-9 of a delta's JSON number text. AmountError for 0, ten digits after the point, or out of range."""
    value = _parse(text)
    if value == 0:
        raise AmountError("a delta must not be 0")
    if abs(value) > DELTA_BOUND_UNITS:
        raise AmountError(f"{text[:60]} is beyond 1,000,000,000 or -1,000,000,000")
    return value


def parse_balance(text: str) -> int:
    """Units of 10^-9 of a balance's JSON number text: any sign, 0 too, at most 40 characters when spelled out."""
    value = _parse(text)
    if not fits_total(value):
        raise AmountError(f"{text[:60]} is longer than {MAX_TOTAL_CHARS} characters")
    return value


def fits_total(value_units: int) -> bool:
    """Whether a running total can be spelled in 40 characters."""
    return abs(value_units) < MAX_TOTAL_UNITS or len(amount_text(value_units)) <= MAX_TOTAL_CHARS
