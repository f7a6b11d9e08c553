"""Processes under measurement: starting and stopping them, asking them over HTTP, reading their memory and time."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

HERE = Path(__file__).parent
SERVE = "from pacspace_server.cli import main; main()"
STOP_S = 120
PATIENCE_S = 900


class Failed(Exception):
    """A measurement could not be made; the message says why."""


class Process:
    """A child that prints one JSON document with its `url` and then serves until SIGTERM."""

    def __init__(self, arguments: list[str], folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.log = folder / "stderr.txt"
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PACSPACE_")}
        with self.log.open("ab") as stderr:
            self._child = subprocess.Popen(
                [sys.executable, *arguments], stdout=subprocess.PIPE, stderr=stderr, cwd=folder, env=environment
            )
        self.pid = self._child.pid
        self.document = self._read_document()
        self.port = urlsplit(self.document["url"]).port or 0

    def _read_document(self) -> dict[str, Any]:
        assert self._child.stdout is not None
        text = b""
        for line in self._child.stdout:
            text += line
            try:
                return dict(json.loads(text))
            except ValueError:
                continue
        self._child.wait()
        raise Failed(f"the process ended at once: {self.log.read_text('utf-8', 'replace')[-2000:]}")

    def stop(self) -> None:
        self._child.terminate()
        try:
            self._child.wait(STOP_S)
        except subprocess.TimeoutExpired as error:
            self._child.kill()
            self._child.wait()
            raise Failed(f"the process did not end within {STOP_S} s of SIGTERM") from error

    def memory(self) -> dict[str, float]:
        """Resident memory in MB: now, at most since `forget_peak`, and the part that is not file pages."""
        names = {"VmRSS": "now", "VmHWM": "peak", "RssAnon": "anonymous"}
        found = {}
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            name, _, rest = line.partition(":")
            if name in names:
                found[names[name]] = int(rest.split()[0]) / 1024
        return found

    def forget_peak(self) -> None:
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")

    def cpu_seconds(self) -> float:
        """User and system time so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Connection:
    """One keep-alive connection, one request at a time, over a bare socket."""

    def __init__(self, port: int, key: str = "") -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.port, self._key = port, key

    def request(self, method: str, path: str, body: bytes = b"") -> bytes:
        """The whole request as bytes, to be sent with `exchange`."""
        head = f"{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nx-api-key: {self._key}\r\n"
        if method == "POST":
            head += f"content-type: application/json\r\ncontent-length: {len(body)}\r\n"
        return head.encode() + b"\r\n" + body

    def exchange(self, request: bytes) -> tuple[int, bytes]:
        """Status and body of the reply."""
        self._socket.sendall(request)
        data = b""
        while (end := data.find(b"\r\n\r\n")) < 0:
            data += self._more()
        head = data[:end].lower()
        length = int(head.partition(b"content-length: ")[2].split(b"\r\n", 1)[0])
        parts, size = [data[end + 4 :]], len(data) - end - 4
        while size < length:
            parts.append(self._more())
            size += len(parts[-1])
        return int(data[9:12]), b"".join(parts)

    def _more(self) -> bytes:
        data = self._socket.recv(1 << 20)
        if not data:
            raise Failed("the server closed the connection")
        return data

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """The reply's `data`; Failed for anything but success."""
        status, reply = self.exchange(self.request(method, path, b"" if body is None else json.dumps(body).encode()))
        if status >= 300:
            raise Failed(f"{method} {path}: {status} {reply[:500].decode('utf-8', 'replace')}")
        return json.loads(reply)["data"]

    def close(self) -> None:
        self._socket.close()


class Server(Process):
    """A server on a database in a folder; the key of its first start is kept beside the database."""

    def __init__(self, folder: Path, clock: str | None = None) -> None:
        self.database = folder / "record.db"
        arguments = ["-c", SERVE, "--json", "serve", "--port", "0", "--database", f"sqlite:///{self.database}"]
        key_file = folder / "key.txt"
        super().__init__(arguments + (["--sandbox-clock", clock] if clock else []), folder)
        if self.document["fullKey"]:
            key_file.write_text(self.document["fullKey"])
        self.key = key_file.read_text()

    def connect(self) -> Connection:
        return Connection(self.port, self.key)


@contextmanager
def running(process: Any) -> Iterator[Any]:
    """Stops the process at the end, whatever happens."""
    try:
        yield process
    finally:
        process.stop()


def start_load(process: Process, key: str, **spec: Any) -> subprocess.Popen[bytes]:
    """The generator, against a process; its result is on its stdout."""
    given = json.dumps({"port": process.port, "key": key, **spec})
    return subprocess.Popen([sys.executable, str(HERE / "load.py"), given], stdout=subprocess.PIPE)


def finish_load(child: subprocess.Popen[bytes]) -> dict[str, Any]:
    output, _ = child.communicate()
    if child.returncode:
        raise Failed("the load generator failed; see its traceback above")
    result: dict[str, Any] = json.loads(output)
    if result["errors"]:
        print(f"  {result['errors']} errors, the first: {result['firstError']}", file=sys.stderr)
    return result


class Disturbance:
    """How much of the machine other processes used while something was measured."""

    def __init__(self, *processes: Process) -> None:
        self._processes = processes
        self._before = self._read()

    def _read(self) -> tuple[float, float, float]:
        numbers = [int(text) for text in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
        per_second = os.sysconf("SC_CLK_TCK")
        busy = (sum(numbers) - numbers[3] - numbers[4]) / per_second
        own = sum(process.cpu_seconds() for process in self._processes) + sum(os.times()[:4])
        return sum(numbers) / per_second, busy, own

    def share(self) -> float:
        """0 to 1, of all cores. Children of this process count as ours once they have ended."""
        total, busy, own = (after - before for after, before in zip(self._read(), self._before, strict=True))
        return max(0.0, (busy - own) / total) if total else 0.0


def load(process: Process, key: str, **spec: Any) -> dict[str, Any]:
    """Runs the generator to its end. Adds how busy the process was (1.0 is one core), and the others."""
    before, disturbance = process.cpu_seconds(), Disturbance(process)
    result = finish_load(start_load(process, key, **spec))
    total = spec.get("seconds", 5.0) + spec.get("warmup", 1.0)
    return result | {"processBusy": (process.cpu_seconds() - before) / total, "others": disturbance.share()}
