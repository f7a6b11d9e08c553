"""A document as PDF. Each is made in a separate process, because the typesetter never frees memory."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from importlib.util import find_spec

from ...views.printed import PrintedDocument
from ..base.context import Context
from ..base.errors import unavailable
from .access import Reader
from .documents import Presentation, read_document
from .lines import file_name
from .printed import printed

MAX_LINES = 3_000  # about 70 pages
PARALLEL, MADE_IN_S = 2, 60
COMPILER = "pacspace_server.service.receipts.pdf_compiler"
NOT_THERE = (
    "this server can't make PDFs: install pacspace-server[pdf], or print the page; "
    "the CSV and the receipt file are available"
)


class PdfMaker:
    """Makes PDFs, two at a time."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._places = asyncio.Semaphore(PARALLEL)

    async def receipt(self, receipt_id: str, wanted: Presentation, reader: Reader) -> tuple[str, bytes]:
        """A safe file name, and the PDF. 503 without the typesetter; otherwise raises like `read_document`."""
        if find_spec("typst") is None:
            raise unavailable(NOT_THERE, 60)
        async with self._places:
            return await asyncio.to_thread(self._made, receipt_id, wanted, reader)

    def _made(self, receipt_id: str, wanted: Presentation, reader: Reader) -> tuple[str, bytes]:
        document = read_document(self._context, receipt_id, wanted, reader, MAX_LINES)
        if document.sums.count > MAX_LINES:
            document.sums.lines.clear()  # a partial list could pass for complete
        name = file_name(document.customer, document.checkpoint, document.environment, "pdf")
        return name, _compile(printed(document, wanted))


def _compile(shown: PrintedDocument) -> bytes:
    # -P keeps modules of the working directory out.
    command = [sys.executable, "-P", "-m", COMPILER]
    data = json.dumps(shown).encode()
    try:
        done = subprocess.run(command, input=data, capture_output=True, timeout=MADE_IN_S)  # noqa: S603 - our own
    except subprocess.TimeoutExpired as late:
        raise unavailable(
            f"the PDF was not made within {MADE_IN_S} s; the CSV and the receipt file are there"
        ) from late
    if done.returncode != 0:
        raise RuntimeError(f"the PDF was not made: {done.stderr[-2000:].decode(errors='replace')}")
    return done.stdout
