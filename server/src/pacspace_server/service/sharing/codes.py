"""The access code of a customer's link: derived from the handle, a version and the server secret; it is not stored."""

from __future__ import annotations

import hmac
import re

from ..base.context import Context

# Digits and capitals without 0, O, 1, I and L.
ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
CODE_CHARS = 6
_FORGIVEN = re.compile(r"[\s._\u2010-\u2015\u2212-]+")


def access_code(context: Context, handle: str, version: int) -> str:
    """Six characters of an alphabet without similar ones."""
    number = int.from_bytes(context.server_secret.derive("access-code", handle, str(version)), "big")
    code = ""
    for _ in range(CODE_CHARS):
        number, place = divmod(number, len(ALPHABET))
        code += ALPHABET[place]
    return code


def is_code(context: Context, handle: str, version: int, typed: str) -> bool:
    """Whether the typed text is the code, ignoring case, spaces and dashes."""
    given = _FORGIVEN.sub("", typed).upper()
    return hmac.compare_digest(given.encode(errors="replace"), access_code(context, handle, version).encode())
