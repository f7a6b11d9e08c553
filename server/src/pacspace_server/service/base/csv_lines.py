"""CSV that is safe to open in a spreadsheet: RFC 4180, UTF-8, formulas escaped."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator

CHUNK_CHARS = 64 * 1024
# Excel reads a file as UTF-8 only with this mark; programs read it as utf-8-sig.
BYTE_ORDER_MARK = "\ufeff"
_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+)?")
# Spreadsheets read text that begins so as a formula; the last four are full-width forms.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def harmless(cell: str) -> str:
    """The cell, with an apostrophe before a possible formula. A plain number is unchanged."""
    return "'" + cell if cell.startswith(_FORMULA) and not _NUMBER.fullmatch(cell) else cell


def csv_chunks(header: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[bytes]:
    """The file in pieces: header and rows, with formulas escaped."""
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
