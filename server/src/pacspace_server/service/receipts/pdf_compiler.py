"""The process that makes one PDF: a printed document as JSON on standard input, the PDF on standard output.

The template is fixed; text from users reaches it as data, never as typesetting source.
"""

from __future__ import annotations

import resource
import sys
from datetime import UTC, datetime
from pathlib import Path

import typst

MOST_BYTES = 2 << 30  # of address space, most of it unused
TEMPLATE = Path(__file__).with_name("receipt.typ")


def compiled(document: str, made_at: datetime) -> bytes:
    """The PDF of a printed document."""
    pdf = typst.compile(
        str(TEMPLATE), root=str(TEMPLATE.parent), format="pdf", sys_inputs={"document": document}, timestamp=made_at
    )
    assert isinstance(pdf, bytes)
    return pdf


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_AS, (MOST_BYTES, MOST_BYTES))
    sys.stdout.buffer.write(compiled(sys.stdin.read(), datetime.now(UTC).replace(microsecond=0)))
