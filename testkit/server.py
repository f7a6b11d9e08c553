"""A real server process and a small client. All these tests know of PacSpace is HTTP, files and commands."""

from __future__ import annotations

import http.client
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, TextIO
from urllib.parse import quote, urlencode, urlsplit

from .cluster import APPLICATION, OWNER, shared_cluster
from .command import OTHER, PACSPACE, run_command
from .contract import Contract, contract_of
from .forkserver import Forked, fork

Process = subprocess.Popen[str] | Forked
START_S = 60
STOP_S = 60
IDLE_S = 20  # a keep-alive connection that was idle longer is opened anew
# What a call raises when the server is gone.
BROKEN = (OSError, http.client.HTTPException)
BALANCE = "/api/v1/balance"
PASSWORD = "correct horse battery"
# Which engine the servers run on: CONFORMANCE_ENGINE is sqlite or postgres, CONFORMANCE_WORKERS how many processes each has.
POSTGRES = os.environ.get("CONFORMANCE_ENGINE", "sqlite") == "postgres"
WORKERS = int(os.environ.get("CONFORMANCE_WORKERS", "1"))


def encode(value: Any) -> str:
    """JSON text; a Decimal becomes the number it spells."""
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(name)}:{encode(item)}" for name, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(encode, value)) + "]"
    return json.dumps(value)


def decode(data: bytes | str) -> Any:
    """A JSON value with exact numbers."""
    return json.loads(data, parse_float=Decimal)


@dataclass
class Reply:
    """One answer; `headers` by lower-case name."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return decode(self.body)

    @property
    def data(self) -> Any:
        """The data of a success; fails loudly for anything else."""
        assert 200 <= self.status < 300, f"{self.status}: {self.body[:2000]!r}"
        value = self.json
        assert value["success"] is True, value
        return value["data"]

    @property
    def error(self) -> Any:
        """The error of a refusal, after a look at the envelope."""
        assert self.status >= 400, f"{self.status}: {self.body[:2000]!r}"
        value = self.json
        assert value["success"] is False and value["statusCode"] == self.status, value
        assert value["message"] == value["error"]["message"] and value["message"], value
        return value["error"]


class Client:
    """One key (or none) on one server; keep-alive, one connection per thread. Every reply is held against /openapi.json."""

    def __init__(self, server: Server, key: str | None) -> None:
        self.server, self.key = server, key
        self._local = threading.local()
        self._opened: list[http.client.HTTPConnection] = []

    def close(self) -> None:
        """Closes the connections of all threads, also of those that have ended."""
        while self._opened:
            self._opened.pop().close()

    def _connection(self) -> http.client.HTTPConnection:
        known = getattr(self._local, "known", None)
        if known is not None and known[0] == self.server.url and time.monotonic() - self._local.used < IDLE_S:
            return known[1]
        if known is not None:
            known[1].close()
        parts = urlsplit(self.server.url)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
        self._local.known = self.server.url, connection
        self._opened.append(connection)
        return connection

    def call(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None, **query: Any
    ) -> Reply:
        """Sends one request. `body` is bytes as they are, or a value to encode; `query` leaves out what is None."""
        sent = {"X-Api-Key": self.key} if self.key else {}
        if body is not None:
            sent["Content-Type"] = "application/json"
        sent |= headers or {}
        given = {name: value for name, value in query.items() if value is not None}
        path = path + ("?" + urlencode(given) if given else "")
        data = body if body is None or isinstance(body, bytes) else encode(body).encode()
        connection = self._connection()
        try:
            connection.request(method, path, data, sent)
            reply = connection.getresponse()
            answer = Reply(reply.status, {n.lower(): v for n, v in reply.getheaders()}, reply.read())
        except (OSError, http.client.HTTPException):
            connection.close()
            self._local.known = None
            raise
        self._local.used = time.monotonic()
        assert self.server.contract is not None
        self.server.contract.check(method, path, answer.status, answer.headers, answer.body)
        return answer

    def get(self, path: str, **query: Any) -> Reply:
        return self.call("GET", path, **query)

    def post(self, path: str, body: Any, headers: dict[str, str] | None = None) -> Reply:
        return self.call("POST", path, body, headers)

    def emit(self, customer: str, delta: Any, reason: str = "usage", key: str | None = None, **fields: Any) -> Reply:
        headers = {"Idempotency-Key": key} if key is not None else {}
        return self.post(
            f"{BALANCE}/delta", {"customerId": customer, "delta": delta, "reason": reason, **fields}, headers
        )

    def batch(self, deltas: list[Any], key: str | None = None) -> Reply:
        headers = {"Idempotency-Key": key} if key is not None else {}
        return self.post(f"{BALANCE}/delta/batch", {"deltas": deltas}, headers)

    def derive(self, customer: str, **query: Any) -> Reply:
        return self.get(f"{BALANCE}/derive/{quote(customer)}", **query)

    def compare(self, customer: str, yours: Any, theirs: Any, **fields: Any) -> Reply:
        body = {"customerId": customer, "yourBalance": yours, "theirBalance": theirs, **fields}
        return self.post(f"{BALANCE}/compare", body)

    def checkpoint(self, customer: str | None = None, key: str | None = None, **fields: Any) -> Reply:
        body = {"customerId": customer, **fields} if customer else fields
        return self.post(f"{BALANCE}/checkpoint", body, {"Idempotency-Key": key} if key is not None else {})

    def receipt(self, customer: str, **query: Any) -> Reply:
        return self.get(f"{BALANCE}/receipt/{quote(customer)}", **query)

    def record(self, record_id: str) -> Reply:
        return self.get(f"{BALANCE}/delta/{record_id}")

    def verify(self, root: str, source: str | None = None) -> Reply:
        return self.get(f"/api/v1/verify/{root}", source=source)

    def clock(self, **body: Any) -> Reply:
        return self.post("/api/v1/sandbox/clock", body)

    def all_deltas(self, customer: str, page: int = 500, **scope: Any) -> list[Any]:
        """Every delta of a scope, read page by page."""
        found: list[Any] = []
        while True:
            data = self.derive(customer, include="deltas", limit=page, offset=len(found), **scope).data
            assert data["pagination"]["limit"] == page and data["pagination"]["offset"] == len(found)
            found += data["deltas"]
            if len(data["deltas"]) < page:
                assert len(found) == data["pagination"]["total"] == data["deltaCount"]
                return found

    def bundle(self, checkpoint_id: str, kind: str | None = None) -> bytes:
        """The receipt file of a checkpoint, once the log has it."""
        deadline = time.monotonic() + 30
        while True:
            reply = self.get(f"/receipts/{checkpoint_id}.json", kind=kind)
            if reply.status != 503 or time.monotonic() > deadline:
                assert reply.status == 200, f"{reply.status}: {reply.body[:500]!r}"
                return reply.body
            time.sleep(0.05)


class Server:
    """A server process on a database of its own; it may be stopped, killed and started again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.database = new_postgres(folder) if POSTGRES else f"sqlite:///{folder}/record.db"
        self.url = ""
        self.key: str | None = None
        self.setup_url: str | None = None  # where the first user is made, while there is none
        self.program = PACSPACE  # forked, unless there is a command
        self.command, self.environment = OTHER, dict[str, str]()
        self.process: Process | None = None
        self.clients: dict[str | None, Client] = {}
        self.contract: Contract | None = None
        self._read_chars = 0

    def start(self, *options: str) -> Server:
        """Starts it on a free port; returns when it answers."""
        arguments = ["--json", "serve", "--port", "0", "--database", self.database, *options]
        if WORKERS > 1:
            arguments += ["--workers", str(WORKERS)]
        with self.log_path.open("a") as log:
            self.process = self._launch(arguments, os.environ | self.environment, log)
        document = self._ready()
        self.url, self.started = document["url"], document
        self.contract = contract_of(shlex.join(self.command) or self.program, self.url)
        self.key = document["fullKey"] or self.key
        self.setup_url = document["setupUrl"]
        return self

    def _launch(self, arguments: list[str], environment: dict[str, str], log: TextIO) -> Process:
        if not self.command:
            reader, writer = os.pipe()
            self._stdout = os.fdopen(reader)
            process = fork(self.program, arguments, self.folder, environment, writer, log.fileno())
            os.close(writer)
            return process
        started = subprocess.Popen(
            [*self.command, *arguments], stdout=subprocess.PIPE, stderr=log, text=True, cwd=self.folder, env=environment,
            start_new_session=True,
        )  # fmt: skip
        assert started.stdout is not None
        self._stdout = started.stdout
        return started

    def _ready(self) -> Any:
        assert self.process is not None
        watchdog = threading.Timer(START_S, self.process.kill)
        watchdog.start()
        text = ""
        try:
            for line in self._stdout:
                text += line
                try:
                    return json.loads(text)
                except ValueError:
                    continue
        finally:
            watchdog.cancel()
        code = self._ended()
        raise AssertionError(f"the server ended with {code} before it was ready: {text}\n{self.log_text()}")

    @property
    def log_path(self) -> Path:
        return self.folder / "server.log"

    def log_text(self) -> str:
        return self.log_path.read_text() if self.log_path.exists() else ""

    @property
    def client(self) -> Client:
        """With the key that was printed at the first start."""
        return self.with_key(self.key)

    @property
    def public(self) -> Client:
        return self.with_key(None)

    def with_key(self, key: str | None) -> Client:
        if key not in self.clients:
            self.clients[key] = Client(self, key)
        return self.clients[key]

    def new_key(self, side: str, *options: str) -> str:
        return self.run_json("keys", "create", "--env", side, *options)["fullKey"]

    def new_user(self, email: str, role: str = "owner", *options: str) -> Any:
        """A user of the dashboard, with the password that all of them have here."""
        named = ("--email", email, "--role", role, *options, "--database", self.database)
        done = run_command("--json", "admin", "create", *named, folder=self.folder, typed=f"{PASSWORD}\n")
        assert done.returncode == 0, done.stderr
        return decode(done.stdout)

    def new_session(self, email: str = "owner@example.com", role: str = "owner", *options: str) -> str:
        """A new user's token: made, and logged in."""
        self.new_user(email, role, *options)
        return str(self.log_in(email).data["token"])

    def log_in(self, email: str, password: str | None = None) -> Reply:
        return self.public.post("/dashboard/auth/login", {"email": email, "password": password or PASSWORD})

    def run(self, *arguments: str, database: bool = True) -> subprocess.CompletedProcess[str]:
        """The command with these arguments, on this server's database."""
        return run_command(*arguments, *(["--database", self.database] if database else []), folder=self.folder)

    def run_json(self, *arguments: str) -> Any:
        done = self.run("--json", *arguments)
        assert done.returncode == 0, done.stderr
        return decode(done.stdout)

    def stop(self) -> int:
        """SIGTERM; the exit status."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self._ended()

    def kill(self) -> None:
        """SIGKILL, also to its workers: no chance to finish anything."""
        assert self.process is not None
        os.killpg(self.process.pid, signal.SIGKILL)
        self._ended()

    def _ended(self) -> int:
        assert self.process is not None
        code = self.process.wait(STOP_S)
        self._stdout.close()
        self.process = None
        return code

    def restart(self, *options: str) -> Server:
        assert self.stop() == 0, self.log_text()
        return self.start(*options)

    def close(self) -> None:
        """Ends it at the end of a test; its log must be free of the server's own mistakes."""
        if self.process is not None:
            self.kill()
        for client in self.clients.values():
            client.close()
        assert not (mistakes := self.mistakes()), f"the server logged mistakes of its own: {mistakes[:3]}"

    def mistakes(self) -> list[str]:
        """Lines in which the server logged a mistake of its own since this was asked last."""
        new = self.log_text()[self._read_chars :]
        self._read_chars += len(new)
        lines = new.splitlines()
        return [line for line in lines if '"level": "error"' in line or line.startswith("Traceback")]


def signer_of(server: Server) -> Path:
    """Where the first database of a server has its signing keys."""
    (found,) = server.folder.glob("*.signer")
    return found


def new_postgres(folder: Path) -> str:
    """The URL of a new record on the tests' own PostgreSQL, for the role that may only add to it."""
    cluster = shared_cluster()
    name = cluster.new_database()
    done = run_command("migrate", "--database", cluster.url(name, OWNER), "--role", APPLICATION, folder=folder)
    assert done.returncode == 0, done.stderr
    return cluster.url(name)


def lone_verifier(folder: Path) -> Path:
    """A folder with nothing in it but pacspace_proofs."""
    import pacspace_proofs

    alone = folder / "alone"
    if not alone.exists():
        source = Path(pacspace_proofs.__file__).parent
        shutil.copytree(source, alone / "pacspace_proofs", ignore=shutil.ignore_patterns("__pycache__", "*.so"))
    return alone


def verify_alone(folder: Path, files: list[Path], *options: str) -> tuple[int, Any]:
    """`python -m pacspace_proofs` where Python finds its standard library and pacspace_proofs, no more."""
    command = [sys.executable, "-S", "-E", "-m", "pacspace_proofs", "--json", *options, *map(str, files)]
    done = subprocess.run(command, cwd=lone_verifier(folder), capture_output=True, text=True, timeout=300)
    return done.returncode, decode(done.stdout) if done.stdout else done.stderr


def in_threads(works: list[Any], timeout_s: float = 300) -> list[Any]:
    """Runs functions at the same time; returns their results, raises the first failure."""
    results: list[Any] = [None] * len(works)
    failures: list[BaseException] = []

    def run(index: int) -> None:
        try:
            results[index] = works[index]()
        except BaseException as error:  # the main thread raises it
            failures.append(error)

    threads = [threading.Thread(target=run, args=(index,), daemon=True) for index in range(len(works))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout_s)
        assert not thread.is_alive(), "a thread did not end"
    if failures:
        raise failures[0]
    return results


def parts_of(values: list[Any], size: int) -> Iterator[list[Any]]:
    for start in range(0, len(values), size):
        yield values[start : start + size]
