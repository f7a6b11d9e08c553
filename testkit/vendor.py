"""The vendor's side of the command, against one server."""

from __future__ import annotations

import os
import pty
import subprocess
from pathlib import Path
from typing import Any

from .command import COMMAND, Done, run_command
from .server import Server, decode


class Vendor:
    """Runs `pacspace` in a folder, with a server's URL and key in its environment."""

    def __init__(self, server: Server, folder: Path, url: str | None = None) -> None:
        self.folder = folder
        self.environment = os.environ | {
            "PACSPACE_BASE_URL": url or server.url, "PACSPACE_API_KEY": server.key or "", "COLUMNS": "200",
        }  # fmt: skip

    def run(self, *arguments: Any, given: str | None = None) -> Done:
        """The command, run to its end; `given` is its standard input."""
        return run_command(*map(str, arguments), folder=self.folder, environment=self.environment, typed=given)

    def start(self, *arguments: Any) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*COMMAND, *map(str, arguments)], cwd=self.folder, env=self.environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def text(self, *arguments: Any) -> str:
        """What a command that ends well prints."""
        done = self.run(*arguments)
        assert done.returncode == 0, (arguments, done.returncode, done.stdout, done.stderr)
        return done.stdout

    def json(self, *arguments: Any, code: int = 0) -> Any:
        """The one JSON document that a command prints with --json."""
        done = self.run("--json", *arguments)
        assert done.returncode == code, (arguments, done.returncode, done.stdout, done.stderr)
        return decode(done.stdout)

    def refused(self, *arguments: Any, code: int) -> str:
        """What a command that ends with this status says on stderr; it prints no answer."""
        done = self.run(*arguments)
        assert done.returncode == code, (arguments, done.returncode, done.stdout, done.stderr)
        assert not done.stdout and "Traceback" not in done.stderr, (done.stdout, done.stderr)
        return done.stderr

    def on_terminal(self, *arguments: Any, typed: str = "") -> tuple[int, str]:
        """The command on a terminal where a person types: exit status, and all that was shown."""
        master, slave = pty.openpty()
        process = subprocess.Popen(
            [*COMMAND, *map(str, arguments)], cwd=self.folder, env=self.environment | {"TERM": "xterm"},
            stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
        )  # fmt: skip
        os.close(slave)
        os.write(master, typed.encode())
        shown = b""
        while True:
            try:
                part = os.read(master, 65536)
            except OSError:  # how a terminal ends on Linux
                break
            if not part:
                break
            shown += part
        os.close(master)
        return process.wait(120), shown.decode()
