"""Queueing summaries and flushing them. The queue itself is in `summaries`, the schedule in `submission`."""

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

NOT_VALID = frozenset({400, 409, 413, 415, 422})  # sent again as it is, a request would be refused again


@dataclass(frozen=True)
class Submit:
    """Effect: send these deltas, answer with the reply or throw why there is none."""

    chunk: Chunk


@dataclass(frozen=True)
class OnDisk:
    """Effect: do this, which may wait for the disk, and answer with its result."""

    work: Callable[[], Any]


@dataclass(frozen=True)
class Queued:
    """Effect: something was queued, which may be the moment to start the scheduler."""


@dataclass
class Submissions:
    """What the operations below share. `next_flush_at` is set by the scheduler while it runs."""

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
    """Queues one summary; with a journal it is on disk when this returns. Gives it back as it will be sent.

    Its key is its referenceId, else its customer, window and reason: what still waits under the same key is replaced.
    Raises PacSpaceError INVALID_SUMMARY.
    """
    (queued,) = yield from queue_summaries(core, [summary])
    return queued


def queue_summaries(core: Submissions, summaries: Iterable[Summary]) -> Operation[list[QueuedSummary]]:
    """Queues several summaries: all of them, or none when one of them is not acceptable."""
    core.require_open()
    queued = [read_summary(summary, core.settings.default_reason) for summary in summaries]
    yield OnDisk(lambda: core.queue.add(queued))
    yield Queued()
    if core.settings.profile == "immediate":
        yield from flush_summaries(core)
    return queued


def flush_summaries(core: Submissions, options: FlushOptions | None = None) -> Operation[FlushReply]:
    """Sends what waits and tells what became of it; does not raise for what the server refuses.

    What may succeed later stays queued, a request whose outcome is not known as it was sent. What never will (not
    valid, or a conflict with what is recorded) leaves the queue and is listed in `rejected`.
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
    """How many summaries are queued, whether the scheduler runs, and what was refused for good."""
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
    """One request of a flush, and what its reply means for each summary in it."""
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
    """A whole request failed: perhaps recorded (then it is sent again exactly as it was, under the same key), or not."""
    status = error.status_code if isinstance(error, PacSpaceError) else 0
    code = (error.server_code or error.code) if isinstance(error, PacSpaceError) else None
    # A gateway that answers everything with a bare 400 must not empty the queue.
    not_valid = status in NOT_VALID and str(error) != NO_REASON
    if not_valid and len(chunk) > 1:
        # Smaller requests for the rest of this flush, until the summary that is not valid is alone.
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
        result = results.get(index, {"error": "the reply says nothing about it"})
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
    """Whether a refusal of one delta stands however often it is sent."""
    return isinstance(code, str) and (code == "VALIDATION_ERROR" or code.endswith(("_CONFLICT", "_NOT_FOUND")))


def _now_text() -> str:
    return _text(datetime.now(timezone.utc))


def _text(instant: datetime) -> str:
    return instant.isoformat().replace("+00:00", "Z")
