"""Summaries: what is queued, what replaces what, what a flush sends and what becomes of it."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
import time
from datetime import datetime, timezone
from decimal import Decimal
from typing import Any

import pytest
from testkit.scripted import KEY, Blocking, Make, Request, Script, raw, refusal, reply

from pacspace_sdk import AsyncPacSpace, PacSpace, PacSpaceError
from pacspace_sdk.submission import SubmissionCoordinator

DAY = {"customerId": "c", "delta": -100, "windowStart": "2026-05-27T00:00:00Z", "windowEnd": "2026-05-28T00:00:00Z"}
BARE = {"customerId": "c", "delta": -100, "reason": "daily_usage", "referenceId": "usage_day_2026_05_27"}
QUIET = {"autoStart": False}


def accept(request: Request) -> Any:
    """A server that records everything."""
    deltas = request.json["deltas"]
    results = [
        {"index": n, "status": "QUEUED", "customerId": d["customerId"], "error": None} for n, d in enumerate(deltas)
    ]
    return reply({"totalQueued": len(deltas), "totalFailed": 0, "results": results}, 201)


def refuse(code: str | None, error: str = "no", only: str | None = None) -> Any:
    """A server that refuses every delta, or those with one referenceId."""

    def answer(request: Request) -> Any:
        results = []
        for index, delta in enumerate(request.json["deltas"]):
            refused = only is None or delta["referenceId"] == only
            results.append(
                {"index": index, "status": "REJECTED", "error": error, "code": code}
                if refused
                else {"index": index, "status": "QUEUED"}
            )
        return reply({"results": results}, 201)

    return answer


@pytest.fixture
def pac(make: Make, script: Script, sleeps: list[float]) -> Blocking:
    script.replies = [accept]
    return make(submission=QUIET)


def queued(pac: Blocking) -> int:
    found: int = pac.call("balance.get_summary_queue_state")["queuedCount"]
    return found


def sent(script: Script) -> list[Any]:
    return [delta for request in script.requests for delta in request.json["deltas"]]


def test_a_summary_without_a_window(pac: Blocking, script: Script) -> None:
    """The document's own summary is queued, sent as a batch of one, and counted as accepted and submitted."""
    item = pac.call("balance.queue_summary", BARE)
    assert item["referenceId"] == "usage_day_2026_05_27" and item["windowStart"] is None and queued(pac) == 1
    assert script.requests == []
    result = pac.call("balance.flush_summaries")
    assert (result["accepted"], result["submitted"], result["failed"], result["attempted"]) == (1, 1, 0, 1)
    assert (result["requestCount"], result["queuedAfterFlush"], result["replayed"], result["profile"]) == (
        1,
        0,
        0,
        "daily",
    )
    assert result["startedAt"] <= result["finishedAt"] and result["failures"] == [] == result["rejected"]
    assert script.last.path == "/api/v1/balance/delta/batch"
    metadata = {"summaryProfile": "daily", "submissionType": "tenant_summary"}
    assert sent(script) == [{**BARE, "metadata": metadata}]


def test_a_summary_with_a_window(pac: Blocking, script: Script) -> None:
    """It is placed at the last microsecond of its window, names the window, and the caller's metadata comes on top."""
    pac.call("balance.queue_summary", {**DAY, "metadata": {"summaryProfile": "mine", "region": "eu"}})
    pac.call("balance.flush_summaries")
    (delta,) = sent(script)
    assert delta["occurredAt"] == "2026-05-27T23:59:59.999999Z" and delta["reason"] == "usage_summary"
    assert delta["metadata"] == {
        "summaryWindowStart": DAY["windowStart"], "summaryWindowEnd": DAY["windowEnd"], "summaryProfile": "mine",
        "submissionType": "tenant_summary", "region": "eu",
    }  # fmt: skip
    assert delta["referenceId"].startswith("sum_") and len(delta["referenceId"]) == 52


def test_the_spellings_of_a_window(pac: Blocking, script: Script) -> None:
    """A window's ends may be datetimes, and snake_case names: it is the same summary, placed in the same window."""
    ends = [datetime(2026, 5, day, tzinfo=timezone.utc) for day in (27, 28)]
    base = {"customerId": "c", "delta": -100}
    first = pac.call("balance.queue_summary", DAY)
    for given in ({"windowStart": ends[0], "windowEnd": ends[1]}, {"window_start": ends[0], "window_end": ends[1]}):
        assert pac.call("balance.queue_summary", {**base, **given})["key"] == first["key"]
    pac.call("balance.flush_summaries")
    (delta,) = sent(script)
    assert delta["occurredAt"] == "2026-05-27T23:59:59.999999Z" and delta["referenceId"] == first["referenceId"]
    assert delta["metadata"]["summaryWindowEnd"] == "2026-05-28T00:00:00+00:00"


@pytest.mark.parametrize(
    ("other", "same"),
    [
        ({}, True),
        ({"delta": -120}, True),
        ({"delta": 7.25, "metadata": {"x": 1}}, True),
        ({"windowStart": "2026-05-27", "windowEnd": "2026-05-28T02:00:00+02:00"}, True),
        ({"windowEnd": "2026-05-29T00:00:00Z"}, False),
        ({"windowStart": "2026-05-26T00:00:00Z"}, False),
        ({"reason": "storage"}, False),
        ({"customerId": "d"}, False),
    ],
)
def test_the_reference_of_a_window(make: Make, other: dict[str, Any], same: bool) -> None:
    """Made of customer, window and reason, never of the amount: also by another client, on another day."""
    first = make(submission=QUIET).call("balance.queue_summary", DAY)
    second = make(submission=QUIET).call("balance.queue_summary", {**DAY, **other})
    assert (first["referenceId"] == second["referenceId"]) is same and (first["key"] == second["key"]) is same


def test_without_window_and_reference_each_is_its_own(pac: Blocking, script: Script) -> None:
    """Two such summaries with equal amounts are two records; each keeps the reference made when it was queued."""
    bare = {"customerId": "c", "delta": -5}
    items = [pac.call("balance.queue_summary", bare) for _ in range(2)]
    assert items[0]["referenceId"] != items[1]["referenceId"]
    pac.call("balance.flush_summaries")
    assert [delta["referenceId"] for delta in sent(script)] == [item["referenceId"] for item in items]


def test_two_days_with_equal_amounts_are_two_records(pac: Blocking, script: Script) -> None:
    """Nothing about an amount makes two summaries the same."""
    pac.call(
        "balance.queue_summaries", [DAY, {**DAY, "windowStart": DAY["windowEnd"], "windowEnd": "2026-05-29T00:00:00Z"}]
    )
    assert pac.call("balance.flush_summaries")["accepted"] == 2
    assert len({delta["referenceId"] for delta in sent(script)}) == 2


@pytest.mark.parametrize("summary", [DAY, BARE, {**DAY, "referenceId": "r"}])
def test_the_same_key_replaces_what_waits(pac: Blocking, script: Script, summary: dict[str, Any]) -> None:
    """Queueing a key again before it was sent sends the newer amount only."""
    for amount in (-100, -110, -120):
        pac.call("balance.queue_summary", {**summary, "delta": amount})
    assert queued(pac) == 1
    pac.call("balance.flush_summaries")
    assert [delta["delta"] for delta in sent(script)] == [-120]


def test_a_key_of_another_kind_is_another_key(pac: Blocking) -> None:
    """A reference that spells a window's key does not replace it."""
    window = pac.call("balance.queue_summary", DAY)
    pac.call("balance.queue_summary", {"customerId": "c", "delta": 1, "referenceId": window["key"].split("|", 1)[1]})
    assert queued(pac) == 2


def test_what_is_in_flight_is_not_replaced(make: Make, script: Script, sleeps: list[float]) -> None:
    """A newer summary with the key of one in flight waits its turn; the older one is sent again as it was."""
    script.replies = [OSError("lost")]
    pac = make(submission=QUIET, max_retries=0)
    pac.call("balance.queue_summary", BARE)
    assert pac.call("balance.flush_summaries")["failed"] == 1  # perhaps recorded, perhaps not
    pac.call("balance.queue_summary", {**BARE, "delta": -120})
    assert queued(pac) == 2
    script.replies = [accept]
    pac.call("balance.flush_summaries", {"maxItems": 1})
    older, again = script.requests
    assert older.body == again.body and older.headers["Idempotency-Key"] == again.headers["Idempotency-Key"]
    assert queued(pac) == 1
    pac.call("balance.flush_summaries")
    assert [delta["delta"] for delta in sent(script)] == [-100, -100, -120] and queued(pac) == 0
    assert script.last.headers["Idempotency-Key"] != again.headers["Idempotency-Key"]


def test_a_request_without_an_outcome_keeps_its_members(make: Make, script: Script, sleeps: list[float]) -> None:
    """What was sent together is sent together again, whatever was queued meanwhile."""
    pac = make(submission=QUIET, max_retries=1)
    pac.call("balance.queue_summaries", [{**BARE, "referenceId": f"r{n}"} for n in range(3)])
    script.replies = [refusal(500)]
    pac.call("balance.flush_summaries")
    pac.call("balance.queue_summary", {**BARE, "referenceId": "later"})
    script.replies = [accept]
    assert pac.call("balance.flush_summaries")["accepted"] == 4
    bodies = [request.body for request in script.requests]
    assert bodies[0] == bodies[1] == bodies[2] and len(bodies) == 4
    assert [delta["referenceId"] for delta in script.last.json["deltas"]] == ["later"]


@pytest.mark.parametrize(
    "code", ["VALIDATION_ERROR", "REFERENCE_ID_CONFLICT", "IDEMPOTENCY_CONFLICT", "RECORD_NOT_FOUND"]
)
def test_what_will_never_be_recorded_leaves_the_queue(pac: Blocking, script: Script, code: str) -> None:
    """A conflict or an invalid summary is listed in rejected and counts as failed; the good ones go on."""
    pac.call("balance.queue_summaries", [BARE, {**BARE, "referenceId": "good"}])
    script.replies = [refuse(code, "it is another amount", only=BARE["referenceId"])]  # type: ignore[arg-type]
    result = pac.call("balance.flush_summaries")
    assert (result["accepted"], result["failed"], result["queuedAfterFlush"]) == (1, 1, 0)
    (rejected,) = result["rejected"]
    assert rejected["referenceId"] == BARE["referenceId"] and rejected["delta"] == -100
    assert (rejected["code"], rejected["error"]) == (code, "it is another amount")
    assert result["failures"] == [
        {
            "customerId": "c",
            "referenceId": BARE["referenceId"],
            "error": "it is another amount",
            "code": code,
            "permanent": True,
        }
    ]
    assert pac.call("balance.get_summary_queue_state")["rejected"] == [rejected]


@pytest.mark.parametrize(
    ("code", "error"), [(None, "CADENCE_LIMIT"), ("RATE_LIMITED", "slow down"), ("NEW_CODE", "?"), (None, "?")]
)
def test_what_may_succeed_later_stays(pac: Blocking, script: Script, code: str | None, error: str) -> None:
    """A refusal that may pass keeps the summary queued, once per flush, and it can be replaced again."""
    pac.call("balance.queue_summary", BARE)
    script.replies = [refuse(code, error)]
    result = pac.call("balance.flush_summaries")
    assert (result["failed"], result["queuedAfterFlush"], result["requestCount"]) == (1, 1, 1)
    assert result["failures"][0]["error"] == error and result["failures"][0]["permanent"] is False
    pac.call("balance.queue_summary", {**BARE, "delta": -1})
    script.replies = [accept]
    assert pac.call("balance.flush_summaries")["accepted"] == 1 and sent(script)[-1]["delta"] == -1


def test_replays_are_counted(pac: Blocking, script: Script) -> None:
    """What had been recorded before is accepted, and counted as replayed."""
    script.replies = [reply({"results": [{"index": 0, "status": "QUEUED", "idempotent": True}]}, 201)]
    pac.call("balance.queue_summary", BARE)
    result = pac.call("balance.flush_summaries")
    assert (result["accepted"], result["replayed"], result["queuedAfterFlush"]) == (1, 1, 0)


def test_a_reply_that_forgets_one(pac: Blocking, script: Script) -> None:
    """A summary that the reply does not mention stays queued."""
    pac.call("balance.queue_summaries", [BARE, {**BARE, "referenceId": "second"}])
    script.replies = [reply({"results": [{"index": 1, "status": "QUEUED"}]}, 201)]
    result = pac.call("balance.flush_summaries")
    assert (result["accepted"], result["failed"], result["queuedAfterFlush"]) == (1, 1, 1)
    for nonsense in (raw(b"<html>"), raw(b""), raw([1]), reply({"results": [7, {"index": "x"}, {}]})):
        script.replies = [nonsense]
        assert pac.call("balance.flush_summaries")["failed"] == 1 and queued(pac) == 1


@pytest.mark.parametrize("status", [401, 403, 404, 429])
def test_a_refused_request_gives_its_summaries_back(
    make: Make, script: Script, sleeps: list[float], status: int
) -> None:
    """When the server says that it recorded nothing, the summaries wait again and can be replaced."""
    pac = make(submission=QUIET, max_retries=0)
    pac.call("balance.queue_summary", BARE)
    script.replies = [refusal(status, message="not now")]
    result = pac.call("balance.flush_summaries")
    assert (result["failed"], result["failures"][0]["error"], queued(pac)) == (1, "not now", 1)
    pac.call("balance.queue_summary", {**BARE, "delta": -7})
    assert queued(pac) == 1


def test_one_bad_summary_does_not_hold_up_the_others(pac: Blocking, script: Script) -> None:
    """A server that refuses a whole request is sent smaller ones, until the summary at fault is alone and leaves."""

    def strict(request: Request) -> Any:
        return refusal(400, message="bad") if "bad" in (request.body or "") else accept(request)

    pac.call("balance.queue_summaries", [{**BARE, "referenceId": "bad" if n == 5 else f"r{n}"} for n in range(8)])
    script.replies = [strict]
    result = pac.call("balance.flush_summaries")
    assert (result["accepted"], result["failed"], result["attempted"], result["queuedAfterFlush"]) == (7, 1, 8, 0)
    assert [one["referenceId"] for one in result["rejected"]] == ["bad"]


@pytest.mark.parametrize("status", [400, 409, 422])
def test_a_refused_request_with_one_summary(make: Make, script: Script, sleeps: list[float], status: int) -> None:
    """A server that says why it does not take the one summary settles it; a gateway without a reason does not."""
    pac = make(submission=QUIET, max_retries=0)
    pac.call("balance.queue_summary", BARE)
    script.replies = [raw(b"<html>bad request</html>", status)]
    assert pac.call("balance.flush_summaries")["rejected"] == [] and queued(pac) == 1
    script.replies = [refusal(status, message="not like this")]
    result = pac.call("balance.flush_summaries")
    assert (result["failed"], [one["error"] for one in result["rejected"]], queued(pac)) == (1, ["not like this"], 0)


def test_requests_are_bounded_and_paced(make: Make, script: Script, sleeps: list[float]) -> None:
    """At most maxDeltasPerRequest in one request, maxRequestsPerMinute apart, maxItems in one flush."""
    script.replies = [accept]
    pac = make(submission={**QUIET, "maxDeltasPerRequest": 2, "maxRequestsPerMinute": 30})
    pac.call("balance.queue_summaries", [{**BARE, "referenceId": f"r{n}"} for n in range(7)])
    result = pac.call("balance.flush_summaries", {"maxItems": 5})
    assert [len(request.json["deltas"]) for request in script.requests] == [2, 2, 1] and sleeps == [2, 2]
    assert (result["requestCount"], result["attempted"], result["queuedAfterFlush"]) == (3, 5, 2)
    assert [delta["referenceId"] for delta in sent(script)] == [f"r{n}" for n in range(5)]
    pac.call("balance.flush_summaries")
    assert queued(pac) == 0
    assert pac.call("balance.flush_summaries")["requestCount"] == 0
    with pytest.raises(TypeError, match="did you mean 'maxItems'"):
        pac.call("balance.flush_summaries", {"maxItem": 1})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"customerId": None}, "customerId"),
        ({"customerId": 7}, "customerId"),
        ({"delta": None}, "delta"),
        ({"delta": 0}, "must not be 0"),
        ({"delta": 1e-12}, "must not be 0"),
        ({"delta": True}, "delta"),
        ({"delta": float("nan")}, "delta"),
        ({"delta": "5"}, "delta"),
        ({"windowEnd": None}, "only windowStart"),
        ({"windowStart": None}, "only windowEnd"),
        ({"windowEnd": "2026-05-27T00:00:00Z"}, "not after"),
        ({"windowEnd": "2026-05-26T00:00:00Z"}, "not after"),
        ({"windowEnd": "2026-05-27T02:00:00+02:00"}, "not after"),
        ({"windowEnd": "soon"}, "ISO 8601"),
        ({"windowEnd": 5}, "ISO 8601"),
        ({"windowEnd": datetime(2026, 5, 28)}, "has no time zone"),  # noqa: DTZ001  # that is the mistake
        ({"metadata": [1]}, "metadata"),
        ({"metadata": {"x": float("inf")}}, "metadata"),
        ({"reason": ""}, "reason"),
        ({"referenceId": ""}, "referenceId"),
        ({"refrenceId": "x"}, "did you mean 'referenceId'"),
    ],
)
def test_what_is_no_summary(pac: Blocking, change: dict[str, Any], words: str) -> None:
    """Bad input is refused with INVALID_SUMMARY and the reason, and of several summaries none is queued."""
    with pytest.raises(PacSpaceError, match=words) as error:
        pac.call("balance.queue_summaries", [BARE, {**DAY, **change}])
    assert error.value.code == "INVALID_SUMMARY" and queued(pac) == 0
    with pytest.raises(PacSpaceError, match="must be a dict"):
        pac.call("balance.queue_summary", "usage")


def test_amounts_of_summaries_are_exact(pac: Blocking, script: Script) -> None:
    """Floats are rounded as everywhere, Decimals are sent as they are."""
    for number, amount in enumerate((0.1 + 0.2, Decimal("1.50"), 7)):
        pac.call("balance.queue_summary", {**BARE, "delta": amount, "referenceId": str(number)})
    pac.call("balance.flush_summaries")
    assert [text in (script.last.body or "") for text in ('"delta":0.3,', '"delta":1.50,', '"delta":7,')] == [True] * 3


@pytest.mark.parametrize(
    "options",
    [
        {"profile": "sub_daily"}, {"profile": "immediate"}, {"profile": "weekly", "enterprise": True},
        {"cadenceMs": 0}, {"cadenceMs": -1}, {"maxDeltasPerRequest": 0}, {"maxDeltasPerRequest": 101},
        {"maxRequestsPerMinute": 0},
    ],
)  # fmt: skip
def test_what_is_no_profile(options: Any) -> None:
    """A profile that needs enterprise, and values that can't be, are INVALID_SUBMISSION_PROFILE."""
    with pytest.raises(PacSpaceError) as error:
        SubmissionCoordinator(submit_batch=lambda deltas: {}, options=options)  # type: ignore[typeddict-item]
    assert error.value.code == "INVALID_SUBMISSION_PROFILE"
    with pytest.raises(TypeError, match="did you mean 'profile'"):
        PacSpace(KEY, submission={"profil": "daily"})  # type: ignore[typeddict-unknown-key]


@pytest.mark.parametrize(
    ("profile", "cadence_ms"), [("daily", 86_400_000), ("sub_daily", 21_600_000), ("immediate", 0)]
)
def test_profiles(make: Make, script: Script, sleeps: list[float], profile: str, cadence_ms: int) -> None:
    """Each profile has its cadence; immediate sends at once and keeps what could not be sent."""
    script.replies = [accept, refusal(500)]
    pac = make(submission={**QUIET, "profile": profile, "enterprise": True, "defaultReason": "mine"}, max_retries=0)
    state = pac.call("balance.get_summary_queue_state")
    assert state == {
        "profile": profile, "cadenceMs": cadence_ms, "enterprise": True, "queuedCount": 0, "isRunning": False,
        "nextFlushAt": None, "rejected": [],
    }  # fmt: skip
    for reference in ("a", "b"):
        pac.call("balance.queue_summary", {"customerId": "c", "delta": 1, "referenceId": reference})
    assert (len(script.requests), queued(pac)) == ((2, 1) if profile == "immediate" else (0, 2))
    if profile == "immediate":
        assert sent(script)[0]["reason"] == "mine" and sent(script)[0]["metadata"]["summaryProfile"] == "immediate"


def test_shutdown_flushes(make: Make, script: Script, sleeps: list[float]) -> None:
    """shutdown sends what waits; close does not, and neither does shutdown with autoFlushOnShutdown off."""
    script.replies = [accept]
    for options, method, count in (
        (QUIET, "shutdown", 1),
        (QUIET, "close", 0),
        ({**QUIET, "autoFlushOnShutdown": False}, "shutdown", 0),
    ):
        script.requests.clear()
        pac = make(submission=options)
        pac.call("balance.queue_summary", BARE)
        pac.call(method)
        assert len(script.requests) == count
    pac = make(submission=QUIET)
    pac.call("balance.queue_summary", BARE)
    assert pac.call("balance.shutdown_summary_scheduler")["accepted"] == 1
    assert pac.call("balance.shutdown_summary_scheduler") is None  # nothing waits


def test_a_coordinator_of_ones_own() -> None:
    """SubmissionCoordinator takes any function that sends a list of deltas, under a key that stays the same."""
    calls: list[Any] = []

    def submit(deltas: Any) -> Any:
        calls.append((deltas.idempotency_key, json.dumps(deltas)))
        if len(calls) == 1:
            raise RuntimeError("lost")
        return {"totalQueued": 1, "totalFailed": 0, "results": [{"index": 0, "status": "QUEUED"}]}

    coordinator = SubmissionCoordinator(submit_batch=submit, options={"autoStart": False})
    coordinator.queue_summary(DAY)  # type: ignore[arg-type]
    first = coordinator.flush_summaries()
    assert (first["failed"], first["failures"][0]["error"]) == (1, "lost")
    assert coordinator.flush_summaries()["accepted"] == 1 and calls[0] == calls[1]
    assert coordinator.get_queue_state()["queuedCount"] == 0
    coordinator.close("done")


def wait_until(holds: Any) -> None:
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.005)


def test_the_scheduler_is_a_thread(script: Script) -> None:
    """The first summary starts it, it flushes on the cadence, and it stops when it is told to."""
    script.replies = [accept]
    pac = PacSpace(KEY, base_url="http://server.test", transport=script, submission={"cadenceMs": 20})
    assert pac.balance.get_summary_queue_state()["isRunning"] is False
    pac.balance.queue_summary(BARE)  # type: ignore[arg-type]
    assert pac.balance.get_summary_queue_state()["isRunning"] or len(script.requests)
    wait_until(lambda: len(script.requests) == 1 and pac.balance.get_summary_queue_state()["queuedCount"] == 0)
    assert pac.balance.get_summary_queue_state()["nextFlushAt"]
    pac.balance.start_summary_scheduler()  # a second time is nothing
    assert [thread.name for thread in threading.enumerate()].count("pacspace-summaries") == 1
    pac.balance.stop_summary_scheduler()
    assert pac.balance.get_summary_queue_state()["isRunning"] is False
    assert "pacspace-summaries" not in [thread.name for thread in threading.enumerate()]
    pac.close()


def test_the_scheduler_is_a_task(script: Script) -> None:
    """On an event loop the scheduler is a task that flushes on the cadence and ends with the client."""
    script.replies = [accept]

    async def run() -> None:
        async with AsyncPacSpace(
            KEY, base_url="http://server.test", transport=script, submission={"cadenceMs": 20}
        ) as pac:
            await pac.balance.queue_summary(BARE)  # type: ignore[arg-type]
            assert (await pac.balance.get_summary_queue_state())["queuedCount"] == 1
            for _ in range(1_000):
                if script.requests and not (await pac.balance.get_summary_queue_state())["queuedCount"]:
                    break
                await asyncio.sleep(0.01)
            assert (await pac.balance.get_summary_queue_state())["isRunning"] is True
            await pac.balance.stop_summary_scheduler()
            assert (await pac.balance.get_summary_queue_state())["isRunning"] is False
            await pac.balance.queue_summary({**BARE, "referenceId": "last"})  # type: ignore[arg-type]
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(run())
    assert [delta["referenceId"] for delta in sent(script)] == [BARE["referenceId"], "last"]


def test_a_flush_that_is_given_up(script: Script) -> None:
    """A cancelled flush leaves its request in flight: the next flush sends it again as it was."""

    async def run() -> None:
        started = asyncio.Event()

        async def hang(*request: Any) -> Any:
            script(*request)
            started.set()
            await asyncio.sleep(60)

        pac = AsyncPacSpace(KEY, base_url="http://server.test", transport=hang, submission=QUIET)  # type: ignore[arg-type]
        await pac.balance.queue_summary(BARE)  # type: ignore[arg-type]
        flush = asyncio.create_task(pac.balance.flush_summaries())
        await started.wait()
        flush.cancel()
        await asyncio.wait([flush])
        pac._http._transport = script
        script.replies = [accept]
        assert (await pac.balance.flush_summaries())["accepted"] == 1
        await pac.close()

    script.replies = [reply({})]
    asyncio.run(run())
    first, second = script.requests
    assert (first.body, first.headers) == (second.body, second.headers)


def test_what_waits_at_the_end_of_a_program_is_flushed() -> None:
    """A program that just ends has sent its summaries, whether or not the scheduler was started."""
    code = """
import sys
from pacspace_sdk import PacSpace
from pacspace_sdk.client import TransportResponse
def transport(method, url, headers, body, timeout_ms):
    print(body)
    return TransportResponse(201, {}, b'{"success": true, "data": {"results": [{"index": 0, "status": "QUEUED"}]}}')
pac = PacSpace("pk_test_a", transport=transport, submission={"autoStart": sys.argv[1] == "yes"})
pac.balance.queue_summary({"customerId": "c", "delta": 1, "referenceId": "r"})
print("end")
"""
    for start in ("yes", "no"):
        done = subprocess.run([sys.executable, "-c", code, start], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0 and done.stderr == "", done.stderr
        end, body = done.stdout.splitlines()
        assert end == "end" and json.loads(body)["deltas"][0]["referenceId"] == "r"
