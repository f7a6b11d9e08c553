"""HTTP for client commands: keeps connections and exact numbers, and retries calls that are safe to retry."""

from __future__ import annotations

import json
import random
import shutil
import socket
import ssl
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from decimal import Decimal
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import IO, Any, TypeVar
from urllib.parse import quote, urlencode, urlsplit

from .. import config as settings
from ..domain.exact_json import text_of

BALANCE = "/api/v1/balance"
TIMEOUT_S = 60
PATIENCE_S = 5.0  # how long to retry a call
REFUSED_S = 1.0  # the same if a port of this machine refuses connections: a server that is starting listens soon
FIRST_DELAY_S, LONGEST_DELAY_S = 0.2, 5.0
IDLE_S = 30  # the server may have closed a connection that was idle for longer
BUSY = (202, 429, 502, 503, 504)
_NEVER = (ssl.SSLCertVerificationError, socket.gaierror)

T = TypeVar("T")


class CallFailed(Exception):
    """The server refused a call or did not answer it: HTTP status, code if there is one, message, extra fields."""

    def __init__(self, status: int, code: str | None, message: str, **extra: Any) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.extra = status, code, message, extra


class Busy(CallFailed):
    """A temporary refusal; `after_s` is the server's Retry-After."""

    after_s = 0.0


class Client:
    """One server and one key, for any number of threads; each has its own connection.

    Calls `notice` with a message at the first retry, then not again until a call succeeds. Set `stopped` to end waiting
    calls.
    """

    def __init__(self, base_url: str, api_key: str, notice: Callable[[str], None] | None = None) -> None:
        self.base_url, self.api_key = base_url, api_key
        self.patience_s = PATIENCE_S
        self.stopped = threading.Event()
        self._notice, self._noticed = notice, False
        parts = urlsplit(base_url)
        self._prefix = parts.path
        self._is_near = parts.hostname == "localhost" or (parts.hostname or "").startswith(("127.", "::1"))
        self._answered = False
        self._local = threading.local()
        self._connections: list[HTTPConnection] = []

    @classmethod
    def from_settings(cls, values: Mapping[str, settings.Value], notice: Callable[[str], None] | None = None) -> Client:
        if not values["api_key"].text:
            raise settings.ConfigError("no API key: give --key or set PACSPACE_API_KEY")
        return cls(settings.http_url("base_url", values["base_url"]), values["api_key"].text, notice)

    def close(self) -> None:
        """Closes the connections of all threads."""
        while self._connections:
            self._connections.pop().close()

    def get(self, path: str, **query: Any) -> Any:
        """The reply's data. Omits a query parameter that is None."""
        given = {name: value for name, value in query.items() if value is not None}
        return _data(self.fetch("GET", path + ("?" + urlencode(given) if given else "")))

    def post(self, path: str, body: Mapping[str, Any], repeatable: bool = False) -> Any:
        """The reply's data. Retries a call that is not repeatable only if the server can't have received it."""
        return _data(self.fetch("POST", path, text_of(body).encode(), repeatable=repeatable))

    def delete(self, path: str) -> Any:
        """The reply's data."""
        return _data(self.fetch("DELETE", path))

    def post_once(self, path: str, body: Mapping[str, Any]) -> Any:
        """The reply's data. All retries share one Idempotency-Key, so the call takes effect once."""
        return _data(self.fetch("POST", path, text_of(body).encode(), uuid.uuid4().hex, True))

    def fetch(
        self, method: str, path: str, body: bytes | None = None, key: str | None = None, repeatable: bool = False
    ) -> bytes:
        """The reply's bytes. Raises CallFailed if the server refuses or can't be reached."""
        return self._patiently(method, path, body, key, repeatable or method == "GET", lambda reply: reply.read())

    def download(self, path: str, file: IO[bytes]) -> None:
        """Streams a reply into an empty file."""

        def save(reply: HTTPResponse) -> None:
            if file.seekable():  # a retry starts over; a pipe can't
                file.seek(0)
                file.truncate()
            shutil.copyfileobj(reply, file)
            if reply.length:
                raise HTTPException(f"{reply.length} bytes are missing")

        self._patiently("GET", path, None, None, True, save)

    def _patiently(
        self,
        method: str,
        path: str,
        body: bytes | None,
        key: str | None,
        repeatable: bool,
        read: Callable[[HTTPResponse], T],
    ) -> T:
        began, patience_s, delay_s = time.monotonic(), self.patience_s, FIRST_DELAY_S
        while True:
            problem: CallFailed
            wait_s = delay_s * random.uniform(0.5, 1)  # noqa: S311 - so that callers don't come back together
            try:
                result = self._try(method, path, body, key, read)
                self._noticed = False
                return result
            except Busy as error:
                problem, wait_s = error, max(wait_s, error.after_s)
            except (OSError, HTTPException) as error:
                problem, refused = self._unreached(error), isinstance(error, ConnectionRefusedError)
                if isinstance(error, _NEVER) or not (repeatable or refused):
                    raise problem from error
                if refused and self._is_near and not self._answered:
                    patience_s = min(patience_s, REFUSED_S)
            if time.monotonic() - began + wait_s > patience_s:
                raise problem
            if self._notice and not self._noticed and patience_s > REFUSED_S:
                self._noticed = True
                self._notice(f"{problem.message}; trying again")
            if self.stopped.wait(wait_s):
                raise problem
            delay_s = min(delay_s * 2, LONGEST_DELAY_S)

    def _unreached(self, error: Exception) -> CallFailed:
        why = str(error) or type(error).__name__
        if isinstance(error, ConnectionRefusedError):
            why = "connection refused; is it running? `pacspace serve`; another address: --url or PACSPACE_BASE_URL"
        return CallFailed(503, None, f"{self.base_url} can't be reached: {why}")

    def _try(self, method: str, path: str, body: bytes | None, key: str | None, read: Callable[[HTTPResponse], T]) -> T:
        headers = {"X-Api-Key": self.api_key} | (
            {"Authorization": f"Bearer {self.api_key}"} if path.startswith("/dashboard/") else {}
        )
        headers |= {"Content-Type": "application/json"} if body is not None else {}
        connection = self._connection()
        try:
            connection.request(method, self._prefix + path, body, headers | ({"Idempotency-Key": key} if key else {}))
            reply = connection.getresponse()
            self._answered = True
            if reply.status < 300 and reply.status not in BUSY:
                return read(reply)
            stated = reply.read()
        except BaseException:
            connection.close()
            self._local.connection = None
            raise
        finally:
            self._local.used = time.monotonic()
        raise self._refusal(reply, stated)

    def _connection(self) -> HTTPConnection:
        known: HTTPConnection | None = getattr(self._local, "connection", None)
        if known is not None and time.monotonic() - self._local.used < IDLE_S:
            return known
        if known is not None:
            known.close()
        parts = urlsplit(self.base_url)
        kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        fresh = kind(parts.hostname or "", parts.port, timeout=TIMEOUT_S)
        self._local.connection = fresh
        self._connections.append(fresh)
        return fresh

    def _refusal(self, reply: HTTPResponse, stated: bytes) -> CallFailed:
        try:
            answer = json.loads(stated, parse_float=Decimal)
            error, message = dict(answer["error"]), str(answer["message"])
        except (ValueError, KeyError, TypeError):
            error, message = {}, f"HTTP {reply.status}: is this a PacSpace server?"
        extra = {name: value for name, value in error.items() if name not in ("code", "message", "type")}
        kind = Busy if reply.status in BUSY else CallFailed
        refusal = kind(reply.status, error.get("code"), f"{self.base_url}: {message}", **extra)
        if isinstance(refusal, Busy):
            after = reply.getheader("Retry-After") or str(extra.get("retryAfterSeconds", ""))
            refusal.after_s = float(after) if after.isdigit() and len(after) < 7 else 0.0
        return refusal


def _data(body: bytes) -> Any:
    try:
        return json.loads(body, parse_float=Decimal)["data"]
    except (ValueError, KeyError, TypeError) as error:
        raise not_ours(body) from error


def not_ours(body: bytes) -> CallFailed:
    """The error for a reply that is not a PacSpace server's."""
    return CallFailed(502, None, f"the reply is not from a PacSpace server; it begins with {body[:60]!r}")


def in_path(text: str) -> str:
    """A name as one part of a path."""
    return quote(text, safe="")
