"""The file of rejected rows: it lists each with its reason, and can be corrected and imported."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import IO, Any

from ....domain.exact_json import Number, text_of
from .rows import FIELDS, REJECTED, Row
from .state import State


class RejectedFile:
    """Appends to the file that the state names; never overwrites an earlier file."""

    def __init__(self, folder: Path, stem: str, form: str, state: State) -> None:
        self._folder, self._stem, self._form, self._state = folder, stem, form, state
        if state.rejected_file and self.path.exists():
            # Rows that a stopped import wrote after its last saved state are read again.
            os.truncate(self.path, min(state.rejected_bytes, self.path.stat().st_size))

    @property
    def path(self) -> Path:
        return self._folder / self._state.rejected_file

    def _name(self, number: int) -> str:
        return f"{self._stem}.rejected{'' if number == 1 else f'-{number}'}.{self._form}"

    def add(self, rejected: list[tuple[Row, str, str | None]]) -> None:
        """Appends rows with their reasons and references, and waits until they are on disk."""
        if not rejected:
            return
        if not self._state.rejected_file:
            number = 1
            while (self._folder / self._name(number)).exists():
                number += 1
            self._state.rejected_file = self._name(number)
        write = self._csv if self._form == "csv" else self._jsonl
        with self.path.open("ab") as file:
            file.write(write(rejected, file.tell() == 0).encode())
            file.flush()
            os.fsync(file.fileno())
            self._state.rejected_bytes = file.tell()

    def finish(self) -> None:
        """Keeps only the earlier file if a repeated import rejects the same rows."""
        if not self._state.rejected_file:
            return
        for number in range(1, 1000):
            earlier = self._folder / self._name(number)
            if earlier == self.path or not earlier.exists():
                return
            if earlier.read_bytes() == self.path.read_bytes():
                self.path.unlink()
                self._state.rejected_file = earlier.name
                return

    def first(self, number: int) -> list[dict[str, Any]]:
        """Line and reason of the first rows that the file lists."""
        if not self._state.rejected_file:
            return []
        with self.path.open(newline="", encoding="utf-8") as file:
            listed = list(islice((_read_csv if self._form == "csv" else _read_jsonl)(file), number))
        return [{"line": line, "reason": reason} for line, reason in listed]

    def _csv(self, rejected: list[tuple[Row, str, str | None]], is_new: bool) -> str:
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        if is_new:
            writer.writerow(FIELDS + REJECTED)
        for row, reason, reference in rejected:
            item = _with_reference(row, reference)
            adjusts = item.get("adjusts", {})
            cells = [item.get(name) for name in FIELDS[:-2]]
            cells += [adjusts.get(name) if isinstance(adjusts, dict) else None for name in ("recordId", "referenceId")]
            writer.writerow([*map(_cell, cells), row.line, reason, row.text])
        return text.getvalue()

    def _jsonl(self, rejected: list[tuple[Row, str, str | None]], is_new: bool) -> str:
        lines = []
        for row, reason, reference in rejected:
            listed = {"line": row.line, "reason": reason} | ({"text": row.text} if row.text else {})
            lines.append(text_of(_with_reference(row, reference) | {"rejected": listed}) + "\n")
        return "".join(lines)


def _read_csv(file: IO[str]) -> Iterator[tuple[int, str]]:
    return ((int(row["rejected.line"]), row["rejected.reason"]) for row in csv.DictReader(file))


def _read_jsonl(file: IO[str]) -> Iterator[tuple[int, str]]:
    listed = (json.loads(line)["rejected"] for line in file)
    return ((one["line"], one["reason"]) for one in listed)


def _with_reference(row: Row, reference: str | None) -> dict[str, Any]:
    return row.item | ({"referenceId": reference} if reference else {})


def _cell(value: Any) -> str | None:
    if value is None or isinstance(value, str | Number):
        return value
    return text_of(value)
