"""Instants for requests: ISO 8601 text, always with a time zone."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from .errors import ValidationError


def instant_text(value: Any, field: str) -> Any:
    """A datetime as ISO text; other values unchanged. ValidationError for a datetime without a time zone."""
    if not isinstance(value, datetime):
        return value
    if value.utcoffset() is None:
        problem = f"{value} has no time zone; give one, such as datetime.now(timezone.utc)"
        raise ValidationError(f"{field}: {problem}", details=[{"field": field, "problem": problem}])
    return value.isoformat()
