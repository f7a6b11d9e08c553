"""Processes under measurement: starting and stopping them, asking them over HTTP, reading their memory and time."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

HERE = Path(__file__).parent
SERVE = "from pacspace_server.cli import main; main()"
STOP_S = 120
PATIENCE_S = 900


class Failed(Exception):
    """A measurement could not be made; the message says why."""


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat after the name."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def tree(root: int) -> list[int]:
    """A process, its children, and theirs."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):  # it has just ended
                children.setdefault(int(_stat(int(entry.name))[1]), []).append(int(entry.name))
    found = [root]
    for pid in found:  # grows while it is read
        found += children.get(pid, [])
    return found


def cpu_seconds(root: int) -> float:
    """User and system time of a process and its children, those that have ended included."""
    ticks = 0
    for pid in tree(root):
        with suppress(OSError):
            ticks += sum(map(int, _stat(pid)[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


def _memory(pid: int) -> dict[str, float]:
    names = {"VmRSS": "now", "VmHWM": "peak", "RssAnon": "anonymous"}
    fields = (line.partition(":") for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return {names[name]: int(rest.split()[0]) / 1024 for name, _, rest in fields if name in names}


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
        """Resident memory in MB of the process and all its children: now, at most since `forget_peak` (each one's own
        peak, added up), the part that is not file pages, and the children's part of now."""
        of_each = [_memory(pid) for pid in tree(self.pid)]
        total = {name: sum(each[name] for each in of_each) for name in of_each[0]}
        return total | {"children": total["now"] - of_each[0]["now"]}

    def forget_peak(self) -> None:
        for pid in tree(self.pid):
            Path(f"/proc/{pid}/clear_refs").write_text("5")

    def cpu_seconds(self) -> float:
        """User and system time so far, of the process and all its children."""
        return cpu_seconds(self.pid)


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


def fetch(port: int, checkpoint: str, file: Path | None, kind: str = "full") -> tuple[int, bool, float]:
    """Reads a receipt piece by piece. Its size, whether it came chunked, and seconds to the first byte."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    started = time.perf_counter()
    connection.request("GET", f"/receipts/{checkpoint}.json?kind={kind}")
    reply = connection.getresponse()
    if reply.status != 200:
        raise Failed(f"the receipt was answered {reply.status}: {reply.read(500)!r}")
    size, first, parts = 0, 0.0, []
    while part := reply.read(1 << 16):
        first = first or time.perf_counter() - started
        size += len(part)
        parts.append(part)
    if file is not None:
        file.write_bytes(b"".join(parts))
    chunked = reply.getheader("content-length") is None
    connection.close()
    return size, chunked, first


class Server(Process):
    """A server on the record in a folder; the key of its first start is kept beside it."""

    def __init__(self, folder: Path, options: list[str], program: str = SERVE) -> None:
        super().__init__(["-c", program, "--json", "serve", "--port", "0", *options], folder)
        key_file = folder / "key.txt"
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


class Measured(Protocol):
    """Something whose processor time is not a disturbance."""

    def cpu_seconds(self) -> float: ...


class Disturbance:
    """How much of the machine other processes used while something was measured."""

    def __init__(self, *measured: Measured) -> None:
        self._measured = measured
        self._before = self._read()

    def _read(self) -> tuple[float, float, float]:
        numbers = [int(text) for text in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
        per_second = os.sysconf("SC_CLK_TCK")
        busy = (sum(numbers) - numbers[3] - numbers[4]) / per_second
        own = sum(each.cpu_seconds() for each in self._measured) + sum(os.times()[:4])
        return sum(numbers) / per_second, busy, own

    def share(self) -> float:
        """0 to 1, of all cores. Children of this process count as ours once they have ended."""
        total, busy, own = (after - before for after, before in zip(self._read(), self._before, strict=True))
        return max(0.0, (busy - own) / total) if total else 0.0


def load(process: Process, key: str, database: Measured | None = None, **spec: Any) -> dict[str, Any]:
    """Runs the generator to its end. Adds how busy the process and its database server were (1.0 is one core), and the
    others."""
    parts = {"processBusy": process} | ({"databaseBusy": database} if database is not None else {})
    before, disturbance = {name: part.cpu_seconds() for name, part in parts.items()}, Disturbance(*parts.values())
    result = finish_load(start_load(process, key, **spec))
    total = spec.get("seconds", 5.0) + spec.get("warmup", 1.0)
    busy = {name: (part.cpu_seconds() - before[name]) / total for name, part in parts.items()}
    return result | busy | {"others": disturbance.share()}
