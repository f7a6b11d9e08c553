"""The queue of usage summaries: waiting, in flight, or rejected. No network; optionally a journal.

Every change is a record: first written to the journal, then applied. Reading a journal applies the same records again.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import threading
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any, NoReturn

from .errors import PacSpaceError, ValidationError
from .exact import encode_body, exact_amount
from .instants import instant_text
from .journal import Journal
from .options import camel_case, nearest, read_options
from .types import QueuedSummary, RejectedSummary, SubmissionOptions, Summary

CADENCE_MS = {"daily": 86_400_000, "sub_daily": 21_600_000, "immediate": 0}
MAX_DELTAS, MAX_REJECTED = 100, 1_000


@dataclass(frozen=True)
class Settings:
    """How usage summaries are sent."""

    profile: str
    enterprise: bool
    auto_start: bool
    auto_flush_on_shutdown: bool
    default_reason: str
    cadence_ms: int
    max_deltas: int
    max_requests_per_minute: float
    journal: str | None


def read_settings(options: SubmissionOptions | None) -> Settings:
    """Raises TypeError for an unknown option, PacSpaceError INVALID_SUBMISSION_PROFILE for an invalid value."""
    given = read_options(SubmissionOptions, options, {})
    profile = given.get("profile", "daily")
    if profile not in CADENCE_MS:
        _bad_profile(f"profile must be one of {', '.join(CADENCE_MS)}, is {profile!r}")
    if profile != "daily" and not given.get("enterprise"):
        _bad_profile(f"the profile {profile} needs enterprise: True")
    settings = Settings(
        profile=profile,
        enterprise=bool(given.get("enterprise", False)),
        auto_start=given.get("autoStart", True),
        auto_flush_on_shutdown=given.get("autoFlushOnShutdown", True),
        default_reason=given.get("defaultReason", "usage_summary"),
        cadence_ms=given.get("cadenceMs", CADENCE_MS[profile]),
        max_deltas=given.get("maxDeltasPerRequest", MAX_DELTAS),
        max_requests_per_minute=given.get("maxRequestsPerMinute", 10),
        journal=given.get("journal"),
    )
    if settings.cadence_ms <= 0 and profile != "immediate":
        _bad_profile(f"cadenceMs must be above 0, is {settings.cadence_ms}")
    if not 1 <= settings.max_deltas <= MAX_DELTAS:
        _bad_profile(f"maxDeltasPerRequest must be from 1 to {MAX_DELTAS}, is {settings.max_deltas}")
    if settings.max_requests_per_minute <= 0:
        _bad_profile(f"maxRequestsPerMinute must be above 0, is {settings.max_requests_per_minute}")
    return settings


class Chunk(list[dict[str, Any]]):
    """The deltas of one request, and the key under which the request is repeated after a failure."""

    idempotency_key: str
    ids: list[int]

    def __init__(self, deltas: Iterable[dict[str, Any]], idempotency_key: str, ids: list[int]) -> None:
        super().__init__(deltas)
        self.idempotency_key, self.ids = idempotency_key, ids


@dataclass
class Outcome:
    """The outcome of a chunk, by ids: recorded, to be retried, or never to be recorded (with error and code)."""

    done: list[int] = field(default_factory=list)
    back: list[int] = field(default_factory=list)
    rejected: list[dict[str, Any]] = field(default_factory=list)

    @property
    def is_known(self) -> bool:
        """Whether there is any outcome: a request without a reply has none."""
        return bool(self.done or self.back or self.rejected)


@dataclass
class Round:
    """What one flush may send: requests with an unknown outcome, and waiting summaries."""

    keys: deque[str]
    ids: deque[int]
    chunk_size: int
    current: str = ""  # the request under way
    over: bool = False

    def __bool__(self) -> bool:
        return bool(self.keys or self.ids)


class SummaryQueue:
    """Safe for several threads. While a key is in flight, it is not sent a second time."""

    def __init__(self, settings: Settings) -> None:
        self._lock = threading.RLock()
        self._items: dict[int, dict[str, Any]] = {}  # by id, in the order of queueing
        self._waiting: dict[str, int] = {}  # waiting summaries, by key
        self._sent: dict[str, list[int]] = {}  # requests with an unknown outcome, by idempotency key
        self._active: set[str] = set()  # those of them under way
        self._next_id = 1
        self.rejected: deque[RejectedSummary] = deque(maxlen=MAX_REJECTED)
        self._profile = settings.profile
        self._journal = Journal(settings.journal) if settings.journal else None
        if self._journal is not None:
            for record in self._journal.records:
                self._apply(record)
            self._journal.records = []

    def __len__(self) -> int:
        return len(self._items)

    def add(self, summaries: Iterable[QueuedSummary]) -> None:
        """Queues summaries; each replaces a waiting one with the same key."""
        with self._lock:
            items = [{"summary": summary, "profile": self._profile} for summary in summaries]
            self._commit(*({"queue": {"id": self._next_id + n, **item}} for n, item in enumerate(items)))

    def begin(self, chunk_size: int, max_items: int | None) -> Round:
        """What a flush that starts now may send, oldest first."""
        with self._lock:
            sent = [key for key in self._sent if key not in self._active]
            flying = {id_ for ids in self._sent.values() for id_ in ids}
            ids = [id_ for id_ in self._items if id_ not in flying]
            if max_items is not None:
                ids = ids[: max(0, max_items - sum(len(self._sent[key]) for key in sent))]
            return Round(deque(sent), deque(ids), chunk_size)

    def take(self, turn: Round) -> Chunk | None:
        """The next request of a flush, which is then in flight; None if nothing is left."""
        with self._lock:
            self._active.discard(turn.current)
            if turn.over:
                return None
            while turn.keys:
                key = turn.keys.popleft()
                if key in self._sent and key not in self._active:
                    return self._start(turn, key)
            flying = {self._items[id_]["summary"]["key"] for ids in self._sent.values() for id_ in ids}
            ids: list[int] = []
            while turn.ids and len(ids) < turn.chunk_size:
                id_ = turn.ids.popleft()
                item = self._items.get(id_)  # may have been replaced meanwhile
                if item is not None and item["summary"]["key"] not in flying:
                    ids.append(id_)
            if not ids:
                return None
            key = secrets.token_hex(16)
            self._commit({"send": {"key": key, "ids": ids}})
            return self._start(turn, key)

    def settle(self, chunk: Chunk, outcome: Outcome) -> list[RejectedSummary]:
        """Stores the outcome of a request; returns the summaries that leave the queue unrecorded."""
        with self._lock:
            refused = [self._rejected(refusal) for refusal in outcome.rejected]
            note = {"done": outcome.done, "back": outcome.back, "rejected": outcome.rejected}
            self._commit({"settle": {"key": chunk.idempotency_key, **note}})
            return refused

    def end(self, turn: Round) -> None:
        """Ends a flush: a request without an outcome will be repeated unchanged."""
        with self._lock:
            turn.over = True
            self._active.discard(turn.current)

    def close(self) -> None:
        if self._journal is not None:
            self._journal.close()

    def _start(self, turn: Round, key: str) -> Chunk:
        turn.current = key
        self._active.add(key)
        ids = self._sent[key]
        return Chunk([delta_of(**self._items[id_]) for id_ in ids], key, ids)

    def _commit(self, *records: dict[str, Any]) -> None:
        if self._journal is not None and records:
            self._journal.append(records)
        for record in records:
            self._apply(record)
        if self._journal is not None and self._journal.is_long(len(self._items) + len(self._sent) + len(self.rejected)):
            self._journal.rewrite(self._records())

    def _apply(self, record: Mapping[str, Any]) -> None:
        ((kind, note),) = record.items()
        if kind == "queue":
            self._next_id = max(self._next_id, note["id"] + 1)
            key = note["summary"]["key"]
            if (before := self._waiting.get(key)) is not None:
                del self._items[before]
            self._items[note["id"]] = {"summary": note["summary"], "profile": note["profile"]}
            self._waiting[key] = note["id"]
        elif kind == "send":
            self._sent[note["key"]] = note["ids"]
            for id_ in note["ids"]:
                del self._waiting[self._items[id_]["summary"]["key"]]
        elif kind == "settle":
            self._settle(note)
        elif kind == "rejected":
            self.rejected.append(note)
        else:
            raise PacSpaceError(f"the journal contains a record of an unknown kind: {kind}", code="JOURNAL_DAMAGED")

    def _settle(self, note: Mapping[str, Any]) -> None:
        del self._sent[note["key"]]
        self.rejected.extend(map(self._rejected, note["rejected"]))
        for id_ in [*note["done"], *(refusal["id"] for refusal in note["rejected"])]:
            del self._items[id_]
        for id_ in note["back"]:
            key = self._items[id_]["summary"]["key"]
            if key in self._waiting:
                del self._items[id_]  # a newer one with the same key replaces this one
            else:
                self._waiting[key] = id_

    def _rejected(self, refusal: Mapping[str, Any]) -> RejectedSummary:
        summary: QueuedSummary = self._items[refusal["id"]]["summary"]
        return {**summary, "error": refusal["error"], "code": refusal["code"]}

    def _records(self) -> list[dict[str, Any]]:
        """The shortest journal for this state. In flight comes first, since a waiting summary may have the same key."""
        flying = {id_ for ids in self._sent.values() for id_ in ids}
        order = sorted(self._items, key=lambda id_: (id_ not in flying, id_))
        queued = [{"queue": {"id": id_, **self._items[id_]}} for id_ in order]
        sent = [{"send": {"key": key, "ids": ids}} for key, ids in self._sent.items()]
        cut = len(flying)
        return [*({"rejected": dict(one)} for one in self.rejected), *queued[:cut], *sent, *queued[cut:]]


# ---------------------------------------------------------------- one summary


def read_summary(summary: Summary, default_reason: str) -> QueuedSummary:
    """A summary in its queued form. Raises PacSpaceError INVALID_SUMMARY with the problem."""
    if not isinstance(summary, Mapping):
        _bad_summary(f"a usage summary must be a dict, not {type(summary).__name__}")
    given = {camel_case(str(name)): _sent(value, name) for name, value in summary.items() if value is not None}
    known = Summary.__annotations__
    for name in given:
        if name not in known:
            _bad_summary(f"there is no field {name!r}{nearest(name, known)}")
    customer_id, reason = _text(given, "customerId"), _text({"reason": default_reason} | given, "reason")
    reference = _text(given, "referenceId") if "referenceId" in given else None
    metadata = given.get("metadata", {})
    if not isinstance(metadata, Mapping):
        _bad_summary(f"metadata must be a dict, is {type(metadata).__name__}")
    window = _window(given)
    key, reference_id = _identity(customer_id, reference, window, reason)
    queued: QueuedSummary = {
        "customerId": customer_id,
        "delta": _delta(given.get("delta")),
        "windowStart": given.get("windowStart"),
        "windowEnd": given.get("windowEnd"),
        "reason": reason,
        "referenceId": reference_id,
        "metadata": dict(metadata),
        "queuedAt": _instant_text(datetime.now(timezone.utc)),
        "key": key,
    }
    try:
        encode_body(queued)
    except ValidationError as error:
        _bad_summary(str(error))
    return queued


def delta_of(summary: QueuedSummary, profile: str) -> dict[str, Any]:
    """The delta of a summary: always the same, even after a change of settings."""
    start, end = summary["windowStart"], summary["windowEnd"]
    window = {} if start is None else {"summaryWindowStart": start, "summaryWindowEnd": end}
    standard = {**window, "summaryProfile": profile, "submissionType": "tenant_summary"}
    delta = {
        "customerId": summary["customerId"],
        "delta": summary["delta"],
        "reason": summary["reason"],
        "referenceId": summary["referenceId"],
        "metadata": {**standard, **summary["metadata"]},
    }
    if end is not None:
        # The last instant of the window, because it lies in the window's month.
        delta["occurredAt"] = _instant_text(_instant(end, "windowEnd") - timedelta(microseconds=1))
    return delta


def _identity(customer_id: str, reference: str | None, window: tuple[str, str] | None, reason: str) -> tuple[str, str]:
    """Which summaries replace each other, and the reference that records this one only once.

    Never derived from the amount: a corrected amount must be refused as a conflict, not recorded beside the first.
    """
    if reference is not None:
        return f"{customer_id}|reference|{reference}", reference
    if window is None:
        reference = f"sum_{secrets.token_hex(24)}"
        return f"{customer_id}|reference|{reference}", reference
    start, end = window
    parts = {"customerId": customer_id, "reason": reason, "windowEnd": end, "windowStart": start}
    hashed = hashlib.sha256(encode_body(parts).encode()).hexdigest()
    return f"{customer_id}|window|{start}|{end}|{reason}", f"sum_{hashed[:48]}"


def _window(given: Mapping[str, Any]) -> tuple[str, str] | None:
    """Both ends in UTC, from any offset."""
    ends = [name for name in ("windowStart", "windowEnd") if name in given]
    if not ends:
        return None
    if len(ends) == 1:
        _bad_summary(f"windowStart and windowEnd need each other; only {ends[0]} is given")
    start, end = (_instant(given[name], name) for name in ends)
    if start >= end:
        _bad_summary(f"windowEnd {given['windowEnd']} is not after windowStart {given['windowStart']}")
    return _instant_text(start), _instant_text(end)


def _instant(value: Any, name: str) -> datetime:
    """An ISO 8601 date or instant, UTC if it has no offset."""
    if not isinstance(value, str):
        _bad_summary(f"{name} must be ISO 8601 text or a datetime, is {type(value).__name__}")
    text = re.sub(r"[Zz]$", "+00:00", value.strip())
    text = re.sub(r"\.([0-9]{1,6})(?=$|[+-])", lambda match: "." + match[1].ljust(6, "0"), text)
    try:
        read = datetime.fromisoformat(text)
        return read.astimezone(timezone.utc) if read.tzinfo else read.replace(tzinfo=timezone.utc)
    except (ValueError, OverflowError):
        _bad_summary(f"{name} {value!r} is not an ISO 8601 date or instant")


def _instant_text(instant: datetime) -> str:
    return instant.isoformat().replace("+00:00", "Z")


def _sent(value: Any, name: str) -> Any:
    try:
        return instant_text(value, name)
    except ValidationError as error:
        _bad_summary(str(error))


def _delta(value: object) -> Any:
    try:
        amount = exact_amount(value, "delta")
    except ValidationError as error:
        _bad_summary(str(error))
    if amount == 0:
        _bad_summary("delta must not be 0")
    return amount


def _text(given: Mapping[str, Any], name: str) -> str:
    value = given.get(name)
    if not isinstance(value, str) or not value:
        _bad_summary(f"{name} must be non-empty text, is {value!r}")
    return value


def _bad_summary(message: str) -> NoReturn:
    raise PacSpaceError(f"the usage summary can't be queued: {message}", code="INVALID_SUMMARY")


def _bad_profile(message: str) -> NoReturn:
    raise PacSpaceError(message, code="INVALID_SUBMISSION_PROFILE")
