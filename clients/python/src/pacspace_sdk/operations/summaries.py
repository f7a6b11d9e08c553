"""Queues usage summaries and flushes them. The queue itself is in `summaries`, the schedule in `submission`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from ..errors import NO_REASON, PacSpaceError
from ..options import read_options
from ..protocol import Operation, Wait
from ..summaries import Chunk, Outcome, Round, Settings, SummaryQueue, read_settings, read_summary
from ..types import (
    FlushOptions,
    FlushReply,
    QueuedSummary,
    QueueState,
    SubmissionOptions,
    Summary,
    SummaryFailure,
)

NOT_VALID = frozenset({400, 409, 413, 415, 422})  # repeating such a request would fail again


@dataclass(frozen=True)
class Submit:
    """Effect: sends these deltas; answers with the reply or throws the reason for having none."""

    chunk: Chunk


@dataclass(frozen=True)
class OnDisk:
    """Effect: runs work that may wait for the disk; answers with its result."""

    work: Callable[[], Any]


@dataclass(frozen=True)
class Queued:
    """Effect: reports that something was queued, so that the scheduler can start."""


@dataclass
class Submissions:
    """The state shared by the operations below. The scheduler sets `next_flush_at` while it runs."""

    settings: Settings
    queue: SummaryQueue
    closed: str | None = None
    next_flush_at: datetime | None = None

    def require_open(self) -> None:
        if self.closed is not None:
            raise PacSpaceError(f"the client is closed: {self.closed}", code="CLIENT_CLOSED")


def make_submissions(options: SubmissionOptions | None) -> Submissions:
    settings = read_settings(options)
    return Submissions(settings, SummaryQueue(settings))


def queue_summary(core: Submissions, summary: Summary) -> Operation[QueuedSummary]:
    """Queues one summary and returns it as it will be sent; with a journal it is then on disk.

    Its key is its referenceId, or else customer, window and reason; it replaces a waiting summary with the same key.
    Raises PacSpaceError INVALID_SUMMARY.
    """
    (queued,) = yield from queue_summaries(core, [summary])
    return queued


def queue_summaries(core: Submissions, summaries: Iterable[Summary]) -> Operation[list[QueuedSummary]]:
    """Queues several summaries: all of them, or none if one is invalid."""
    core.require_open()
    queued = [read_summary(summary, core.settings.default_reason) for summary in summaries]
    yield OnDisk(lambda: core.queue.add(queued))
    yield Queued()
    if core.settings.profile == "immediate":
        yield from flush_summaries(core)
    return queued


def flush_summaries(core: Submissions, options: FlushOptions | None = None) -> Operation[FlushReply]:
    """Sends waiting summaries and reports their outcomes; does not raise for refused ones.

    A summary that may succeed later stays queued; a request with an unknown outcome is kept unchanged. A summary that
    never will (invalid, or in conflict with the record) leaves the queue and is listed in `rejected`.
    """
    core.require_open()
    given = read_options(FlushOptions, options, {})
    reply = _empty_reply(core)
    turn = core.queue.begin(core.settings.max_deltas, given.get("maxItems"))
    try:
        while turn:
            if reply["requestCount"]:
                yield Wait(60 / core.settings.max_requests_per_minute)
            chunk: Chunk | None = yield OnDisk(lambda: core.queue.take(turn))
            if chunk is None:
                break
            yield from _send(core, chunk, turn, reply)
    finally:
        core.queue.end(turn)
    reply["finishedAt"] = _now_text()
    reply["queuedAfterFlush"] = len(core.queue)
    return reply


def get_queue_state(core: Submissions) -> Operation[QueueState]:
    """The number of waiting summaries, the state of the scheduler, and the permanently rejected summaries."""
    yield from ()
    settings, flush_at = core.settings, core.next_flush_at
    return {
        "profile": settings.profile,
        "cadenceMs": settings.cadence_ms,
        "enterprise": settings.enterprise,
        "queuedCount": len(core.queue),
        "isRunning": flush_at is not None,
        "nextFlushAt": None if flush_at is None else _text(flush_at),
        "rejected": list(core.queue.rejected),
    }


def _empty_reply(core: Submissions) -> FlushReply:
    now = _now_text()
    return {
        "profile": core.settings.profile, "startedAt": now, "finishedAt": now,
        "attempted": 0, "accepted": 0, "submitted": 0, "failed": 0, "replayed": 0, "requestCount": 0,
        "queuedAfterFlush": 0, "failures": [], "rejected": [],
    }  # fmt: skip


def _send(core: Submissions, chunk: Chunk, turn: Round, reply: FlushReply) -> Operation[None]:
    """Sends one request of a flush, and applies its reply to each summary in it."""
    reply["requestCount"] += 1
    outcome = Outcome()
    try:
        found = yield Submit(chunk)
    except Exception as error:
        failures = _judge_failure(error, chunk, turn, outcome)
    else:
        failures = _judge(found, chunk, outcome, reply)
    reply["attempted"] += len(outcome.done) + len(failures)
    reply["failed"] += len(failures)
    reply["failures"] += failures
    if outcome.is_known:
        reply["rejected"] += yield OnDisk(lambda: core.queue.settle(chunk, outcome))


def _judge_failure(error: Exception, chunk: Chunk, turn: Round, outcome: Outcome) -> list[SummaryFailure]:
    """The outcome of a failed request. It may be recorded; then it is repeated unchanged, under the same key."""
    status = error.status_code if isinstance(error, PacSpaceError) else 0
    code = (error.server_code or error.code) if isinstance(error, PacSpaceError) else None
    # A gateway that answers everything with a bare 400 must not empty the queue.
    not_valid = status in NOT_VALID and str(error) != NO_REASON
    if not_valid and len(chunk) > 1:
        # Halves requests for the rest of this flush, until the invalid summary is alone.
        turn.chunk_size = len(chunk) // 2
        turn.ids.extendleft(reversed(chunk.ids))
        outcome.back = list(chunk.ids)
        return []
    failures = [_failure(delta, str(error), code, not_valid) for delta in chunk]
    if 400 <= status < 500 and status != 408:
        _sort_out(outcome, chunk.ids, failures)
    return failures


def _judge(found: Any, chunk: Chunk, outcome: Outcome, reply: FlushReply) -> list[SummaryFailure]:
    listed = found.get("results") if isinstance(found, Mapping) else None
    results = {result.get("index"): result for result in listed or [] if isinstance(result, Mapping)}
    failures = []
    for index, (id_, delta) in enumerate(zip(chunk.ids, chunk)):
        result = results.get(index, {"error": "the reply does not mention it"})
        error, code = result.get("error"), result.get("code")
        if error or result.get("status") in ("REJECTED", "FAILED"):
            code = code or (error if isinstance(error, str) and error.isupper() else None)
            failure = _failure(delta, str(error or result.get("status")), code, _is_permanent(code))
            failures.append(failure)
            _sort_out(outcome, [id_], [failure])
        else:
            outcome.done.append(id_)
            reply["replayed"] += bool(result.get("idempotent"))
    reply["submitted"] += len(outcome.done)
    reply["accepted"] = reply["submitted"]
    return failures


def _sort_out(outcome: Outcome, ids: Iterable[int], failures: Iterable[SummaryFailure]) -> None:
    for id_, failure in zip(ids, failures):
        if failure["permanent"]:
            outcome.rejected.append({"id": id_, "error": failure["error"], "code": failure["code"]})
        else:
            outcome.back.append(id_)


def _failure(delta: Mapping[str, Any], error: str, code: str | None, permanent: bool) -> SummaryFailure:
    name, reference = delta["customerId"], delta["referenceId"]
    return {"customerId": name, "referenceId": reference, "error": error, "code": code, "permanent": permanent}


def _is_permanent(code: object) -> bool:
    """Whether repeating a refused delta can't succeed."""
    return isinstance(code, str) and (code == "VALIDATION_ERROR" or code.endswith(("_CONFLICT", "_NOT_FOUND")))


def _now_text() -> str:
    return _text(datetime.now(timezone.utc))


def _text(instant: datetime) -> str:
    return instant.isoformat().replace("+00:00", "Z")
