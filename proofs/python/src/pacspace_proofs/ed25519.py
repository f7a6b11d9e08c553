"""Strict Ed25519 verification (RFC 8032 section 5.1.7): S < L, canonical encodings, no key of small order.

With the extra `ed25519`, the `cryptography` package does the arithmetic. Without it, the lines below do the same within
some milliseconds, so that the bare package still reaches a verdict. Both apply the same rule: the encoding of [S]B -
[k]A equals R.
"""

from __future__ import annotations

import hashlib
from typing import Any

_P = 2**255 - 19
_L = 2**252 + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, -1, _P) % _P
_SQRT_MINUS_ONE = pow(2, (_P - 1) // 4, _P)

Point = tuple[int, int, int, int]  # extended coordinates X, Y, Z, T with x = X/Z, y = Y/Z, xy = T/Z
_IDENTITY: Point = (0, 1, 1, 0)


def _add(a: Point, b: Point) -> Point:
    p, q = (a[1] - a[0]) * (b[1] - b[0]) % _P, (a[1] + a[0]) * (b[1] + b[0]) % _P
    r, s = 2 * a[3] * b[3] * _D % _P, 2 * a[2] * b[2] % _P
    e, f, g, h = q - p, s - r, s + r, q + p
    return (e * f % _P, g * h % _P, f * g % _P, e * h % _P)


def _multiply(scalar: int, point: Point) -> Point:
    result = _IDENTITY
    while scalar:
        if scalar & 1:
            result = _add(result, point)
        point, scalar = _add(point, point), scalar >> 1
    return result


def _decode(data: bytes) -> Point | None:
    """RFC 8032 section 5.1.3; None for an encoding that is not canonical or not a point."""
    number = int.from_bytes(data, "little")
    sign, y = number >> 255, number & (2**255 - 1)
    if y >= _P:
        return None
    x_squared = (y * y - 1) * pow(_D * y * y + 1, -1, _P) % _P
    x = pow(x_squared, (_P + 3) // 8, _P)
    if (x * x - x_squared) % _P:
        x = x * _SQRT_MINUS_ONE % _P
    if (x * x - x_squared) % _P or (x == 0 and sign):
        return None
    x = _P - x if x & 1 != sign else x
    return (x, y, 1, x * y % _P)


def _encode(point: Point) -> bytes:
    inverse = pow(point[2], -1, _P)
    x, y = point[0] * inverse % _P, point[1] * inverse % _P
    return (y | (x & 1) << 255).to_bytes(32, "little")


_BASE_X = 15112221349535400772501151409588531511454012693041857206046113283949847762202
_BASE_Y = 4 * pow(5, -1, _P) % _P
_BASE: Point = (_BASE_X, _BASE_Y, 1, _BASE_X * _BASE_Y % _P)


def is_public_key(key: bytes) -> bool:
    """Whether 32 bytes are a canonical point that is not of small order."""
    point = _decode(key) if len(key) == 32 else None
    return point is not None and _encode(_multiply(8, point)) != _encode(_IDENTITY)


def verify(key: bytes, message: bytes, signature: bytes) -> bool:
    """Whether the 64-byte signature over message is by the 32-byte key."""
    if len(signature) != 64 or int.from_bytes(signature[32:], "little") >= _L or not is_public_key(key):
        return False
    library = _library()
    if library is None:
        return verify_in_python(key, message, signature)
    public_key, invalid_signature = library
    try:
        public_key.from_public_bytes(key).verify(signature, message)
    except invalid_signature:
        return False
    return True


def verify_in_python(key: bytes, message: bytes, signature: bytes) -> bool:
    """The same verdict without a library; key must satisfy `is_public_key`, and S must be below L."""
    point = _decode(key)
    assert point is not None
    challenge = int.from_bytes(hashlib.sha512(signature[:32] + key + message).digest(), "little") % _L
    negated = (-point[0] % _P, point[1], 1, -point[3] % _P)
    expected = _add(_multiply(int.from_bytes(signature[32:], "little"), _BASE), _multiply(challenge, negated))
    return _encode(expected) == signature[:32]


def _library() -> tuple[Any, type[Exception]] | None:
    try:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    except ImportError:
        return None
    return Ed25519PublicKey, InvalidSignature
