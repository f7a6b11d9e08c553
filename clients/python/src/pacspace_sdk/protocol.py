"""The protocol without input and output: what to send, what a reply means, when to retry.

An operation is a generator. It yields effects (send this, wait so long) and receives their outcomes. A driver, blocking
or not, runs it, so that each rule is written once.
"""

from __future__ import annotations

import random
import secrets
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar
from urllib.parse import quote, urlencode

from .config import VERSION, ClientConfig
from .errors import PacSpaceError, TimeoutError, ValidationError
from .exact import decode, encode_body
from .replies import Pending, judge, retry_after_of
from .transport import HttpResponse

T = TypeVar("T")

MAX_WAIT_S = 60.0  # the longest wait, even if a server asks for more
FIRST_WAIT_S, JITTER = 0.5, 0.25
RETRIED = frozenset({408, 429, 500, 502, 503, 504})
UNTOUCHED = frozenset({429, 503})  # refused before doing anything


@dataclass(frozen=True)
class Send:
    """Effect: sends a request; answers with the HttpResponse or throws NoReply."""

    method: str
    url: str
    headers: dict[str, str]
    body: str | None
    timeout_ms: int


@dataclass(frozen=True)
class Wait:
    """Effect: waits so many seconds."""

    seconds: float


class NoReply(Exception):
    """No reply came; the request may have arrived."""


Operation: TypeAlias = Generator[Any, Any, T]


@dataclass
class Core:
    """The state shared by the operations of one client."""

    config: ClientConfig
    closed: str | None = None

    def require_open(self) -> None:
        if self.closed is not None:
            raise PacSpaceError(f"the client is closed: {self.closed}", code="CLIENT_CLOSED")


@dataclass
class Call:
    """One request in the API's terms. `options` are the request options; query parameters of None are omitted."""

    method: str
    path: str
    query: Mapping[str, Any] = field(default_factory=dict)
    body: Any = None
    options: Mapping[str, Any] = field(default_factory=dict)
    keyed: bool = False  # carries an idempotency key
    repeatable: bool = True  # safe to repeat
    public: bool = False  # sent without a key; its reply has no envelope
    raw: bool = False  # the reply is a file, not JSON


def path_of(*segments: str) -> str:
    """A path of literal and given segments, with every given character escaped."""
    return "/".join(["", *(quote(segment, safe="") for segment in segments)])


def balance_path(*segments: str) -> str:
    return path_of("api", "v1", "balance", *segments)


def call(core: Core, asked: Call) -> Operation[Any]:
    """The data of the reply. Retries after failures that may pass, under one idempotency key."""
    key = (asked.options.get("idempotencyKey") or secrets.token_hex(16)) if asked.keyed else None
    send = _request(core.config, asked, key)
    failures, pending_s = 0, 0.0
    while True:
        core.require_open()
        outcome = yield from _attempt(core.config, asked, send)
        if isinstance(outcome, Pending):
            if pending_s * 1000 >= send.timeout_ms:
                message = "the server is still working on this request; repeat it with the same idempotency key"
                raise TimeoutError(message, 202, request_path=asked.path, idempotency_key=key)
            delay = min(outcome.retry_after or FIRST_WAIT_S, MAX_WAIT_S)
            pending_s += delay
        elif isinstance(outcome, PacSpaceError):
            outcome.idempotency_key = key
            failures += 1
            if failures > core.config.max_retries or not _may_retry(asked, outcome):
                raise outcome
            delay = _delay(outcome, failures)
        else:
            return outcome
        yield Wait(delay)


def _request(config: ClientConfig, asked: Call, key: str | None) -> Send:
    options = asked.options
    query = {name: value for name, value in asked.query.items() if value is not None}
    body = None if asked.body is None else encode_body(asked.body)
    headers = {
        "Content-Type": "application/json",
        "Accept": "application/json",
        "User-Agent": f"pacspace-sdk-python/{VERSION}",
        "X-Chain-Id": str(options.get("chainId", config.chain_id)),
    }
    if not asked.public:
        headers["X-Api-Key"] = config.api_key
    pool = options.get("creditPoolId", config.credit_pool_id)
    if pool is not None:
        headers["X-Credit-Pool-Id"] = str(pool)
    if token := options.get("dashboardToken"):
        headers["Authorization"] = f"Bearer {token}"
    if key := key or options.get("idempotencyKey"):
        headers["Idempotency-Key"] = key
    headers |= options.get("headers") or {}
    url = config.base_url + asked.path + ("?" + urlencode(query, quote_via=quote) if query else "")
    timeout_ms = int(options.get("timeout") or config.timeout)
    return Send(asked.method, url, {name: _header(name, value) for name, value in headers.items()}, body, timeout_ms)


def _header(name: str, value: object) -> str:
    """A header's value as text. It may be a secret, so the error does not show it."""
    text = str(value)
    if not (text.isascii() and text.isprintable()):
        problem = "contains characters that a header can't carry: use printable ASCII"
        raise ValidationError(f"{name} {problem}", details=[{"field": name, "problem": problem}])
    return text


def _attempt(config: ClientConfig, asked: Call, send: Send) -> Operation[Any]:
    """The data of one reply, or its other meaning: Pending, or a PacSpaceError."""
    try:
        reply: HttpResponse = yield send
    except NoReply as failure:
        message = f"no reply from {config.base_url}: {failure}"
        if _is_refused(failure):
            message += (
                "; is the server running? `pacspace serve` starts it; base_url or PACSPACE_BASE_URL set another address"
            )
        error = PacSpaceError(message, code="NETWORK_ERROR", request_path=asked.path)
        error.__cause__ = failure.__cause__
        return error
    return judge(reply, asked.path, lambda data: decode(data, config.decimals), public=asked.public, raw=asked.raw)


def _is_refused(error: BaseException | None) -> bool:
    """Whether the error, or one of its causes, says that nothing listens at the address."""
    if error is None or isinstance(error, ConnectionRefusedError):
        return error is not None
    below = [error.__cause__ or error.__context__, *getattr(error, "exceptions", ())]  # a group, of several addresses
    return any(map(_is_refused, below))


def _may_retry(asked: Call, error: PacSpaceError) -> bool:
    if error.code == "CADENCE_LIMIT":
        return False
    if not asked.repeatable:
        return error.status_code in UNTOUCHED
    return error.code == "NETWORK_ERROR" or error.status_code in RETRIED


def _delay(error: PacSpaceError, failures: int) -> float:
    """Seconds to wait after so many failures: as the server asked, or else doubled each time."""
    asked = retry_after_of(error)
    if asked:
        return min(asked, MAX_WAIT_S)
    delay: float = min(FIRST_WAIT_S * 2 ** (failures - 1), MAX_WAIT_S)
    return delay * (1 + JITTER * random.random())  # noqa: S311  # spreads retries; not a secret
