"""CSV that a spreadsheet opens without running anything: RFC 4180, UTF-8, formulas made harmless."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator

CHUNK_CHARS = 64 * 1024
# Excel takes a file for UTF-8 only when it begins with this; programs read it as utf-8-sig.
BYTE_ORDER_MARK = "\ufeff"
_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+)?")
# What makes a spreadsheet take text for a formula; the last four are their full-width forms.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def harmless(cell: str) -> str:
    """The cell, with an apostrophe before whatever a spreadsheet might run. A plain number stays one."""
    return "'" + cell if cell.startswith(_FORMULA) and not _NUMBER.fullmatch(cell) else cell


def csv_chunks(header: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[bytes]:
    """The file in pieces: header and rows, each cell made harmless."""
    buffer = io.StringIO()
    write = csv.writer(buffer, lineterminator="\r\n").writerow
    buffer.write(BYTE_ORDER_MARK)
    write(header)
    for row in rows:
        write(map(harmless, row))
        if buffer.tell() >= CHUNK_CHARS:
            yield buffer.getvalue().encode()
            buffer.seek(0)
            buffer.truncate()
    yield buffer.getvalue().encode()
