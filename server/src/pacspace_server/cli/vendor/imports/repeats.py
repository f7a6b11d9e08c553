"""Finds references that repeat in one file with different content: the server would refuse the second."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

MAX_REFERENCES = 1_000_000  # about 120 MB; later references are not remembered


class Repeats:
    """Remembers a hash of each reference's content."""

    def __init__(self) -> None:
        self._seen: dict[int, int] = {}

    def differs(self, parsed: Mapping[str, Any]) -> bool:
        """Whether the row's reference came before with other content; `parsed` is the row as the server reads it."""
        reference = parsed.get("referenceId")
        if reference is None:
            return False
        name, content = hash((parsed["customerId"], reference)), hash(repr(sorted(parsed.items())))
        if name not in self._seen and len(self._seen) < MAX_REFERENCES:
            self._seen[name] = content
        return self._seen.get(name, content) != content
