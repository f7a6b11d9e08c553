"""A real server process."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PROGRAM = "from pacspace_server.cli.main import main; main()"


@contextmanager
def running(database: Path, *flags: str) -> Iterator[Any]:
    """What `pacspace serve` prints on its start; the process ends with the block."""
    flags = ("--port", "0", "--database", f"sqlite:///{database}", *flags)
    log = database.with_name("stderr")
    with log.open("w") as errors:
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, "--json", "serve", *flags], stdout=subprocess.PIPE, stderr=errors, text=True
        )
        assert process.stdout is not None
        try:
            text = ""
            for line in process.stdout:
                text += line
                if line.rstrip() == "}":
                    break
            assert text, log.read_text()
            yield json.loads(text)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(20)
            process.stdout.close()
