"""What is sent again, when, and under which key. No test waits: `sleeps` notes the waits."""

from __future__ import annotations

from typing import Any

import pytest
from testkit.scripted import Blocking, Make, Script, raw, refusal, reply

from pacspace_sdk import CadenceLimitError, PacSpaceError, RateLimitError, TimeoutError, ValidationError

PENDING = {"code": "IDEMPOTENCY_PENDING", "retryAfterSeconds": 2, "message": "still working"}
RECORDED = reply({"recordId": "rec_1", "status": "QUEUED"}, 201)


def keys(script: Script) -> set[str]:
    return {request.headers["Idempotency-Key"] for request in script.requests}


@pytest.mark.parametrize(
    "failure", [ConnectionResetError("reset"), *(refusal(s) for s in (408, 429, 500, 502, 503, 504))]
)
def test_what_may_pass_is_tried_again(pac: Blocking, script: Script, sleeps: list[float], failure: Any) -> None:
    """After a failure that may pass the same request is sent again, under the same idempotency key."""
    script.replies = [failure, failure, RECORDED]
    assert pac.call("balance.emit", "c", 1, "r")["recordId"] == "rec_1"
    assert len(script.requests) == 3 and len(keys(script)) == 1
    assert len({(r.method, r.url, r.body) for r in script.requests}) == 1
    assert 0.5 <= sleeps[0] <= 0.625 and 1 <= sleeps[1] <= 1.25


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 409, 412, 413, 415, 422, 501])
def test_what_will_not_pass_is_not(pac: Blocking, script: Script, sleeps: list[float], status: int) -> None:
    """A refusal that would be the same again is raised at once."""
    script.replies = [refusal(status)]
    with pytest.raises(PacSpaceError) as error:
        pac.call("balance.emit", "c", 1, "r")
    assert error.value.status_code == status and len(script.requests) == 1 and sleeps == []


@pytest.mark.parametrize("max_retries", [0, 1, 2, 5])
def test_attempts_are_counted(make: Make, script: Script, sleeps: list[float], max_retries: int) -> None:
    """A request is sent max_retries + 1 times; then the last failure is raised, with the key to go on under."""
    script.replies = [OSError("no route")]
    with pytest.raises(PacSpaceError, match="OSError: no route") as error:
        make(max_retries=max_retries).call("balance.emit", "c", 1, "r")
    assert len(script.requests) == max_retries + 1 and len(sleeps) == max_retries
    assert (error.value.code, error.value.status_code) == ("NETWORK_ERROR", 0)
    assert {error.value.idempotency_key} == keys(script) and isinstance(error.value.__cause__, OSError)


@pytest.mark.parametrize(
    ("answer", "waits"),
    [
        (refusal(429, retryAfterSeconds=3), [3, 3]),
        (refusal(503, headers={"retry-after": "4"}), [4, 4]),
        (refusal(429, headers={"retry-after": "9"}, retryAfterSeconds=2), [2, 2]),
        (refusal(429, headers={"retry-after": "86400"}), [60, 60]),
    ],
)
def test_the_server_says_how_long(
    pac: Blocking, script: Script, sleeps: list[float], answer: Any, waits: list[float]
) -> None:
    """Retry-After is followed, from the body first, up to a minute."""
    script.replies = [answer]
    with pytest.raises(PacSpaceError):
        pac.call("balance.usage")
    assert sleeps == waits


def test_a_wait_of_nothing_is_none(pac: Blocking, script: Script, sleeps: list[float]) -> None:
    """Retry-After: 0 does not make the client hammer the server: it waits as it does on its own."""
    script.replies = [refusal(429, headers={"retry-after": "0"}), refusal(503, retryAfterSeconds=0), reply({})]
    pac.call("balance.usage")
    assert sleeps[0] >= 0.5 and sleeps[1] >= 1


def test_a_cadence_limit_is_never_retried(pac: Blocking, script: Script, sleeps: list[float]) -> None:
    """CADENCE_LIMIT is raised at once, however short the wait."""
    script.replies = [refusal(429, "CADENCE_LIMIT", retryAfterSeconds=1)]
    with pytest.raises(CadenceLimitError):
        pac.call("balance.emit", "c", 1, "r")
    assert len(script.requests) == 1 and sleeps == []


@pytest.mark.parametrize("name", ["balance.emit", "balance.emit_batch", "balance.checkpoint", "balance.close_month"])
def test_the_key_is_the_callers_if_given(pac: Blocking, script: Script, sleeps: list[float], name: str) -> None:
    """emit, emit_batch, checkpoint and close_month carry one key over all attempts: the caller's, or one made for the call."""
    arguments: dict[str, tuple[Any, ...]] = {
        "balance.emit": ("c", 1, "r"),
        "balance.emit_batch": ([],),
        "balance.checkpoint": ("c",),
        "balance.close_month": ("2026-05",),
    }
    script.replies = [refusal(503), RECORDED]
    pac.call(name, *arguments[name], idempotency_key="mine")
    assert keys(script) == {"mine"}
    script.requests.clear()
    pac.call(name, *arguments[name])
    assert len(keys(script)) == 1 and keys(script) != {"mine"}


def test_a_pending_request_is_waited_for(pac: Blocking, script: Script, sleeps: list[float]) -> None:
    """While the server still works on it, the client asks again with the same key, and counts no attempt."""
    nested = raw({"error": PENDING, "success": False}, 202)
    script.replies = [raw(PENDING, 202), nested, refusal(503), raw(PENDING, 202), refusal(503), RECORDED]
    assert pac.call("balance.emit", "c", 1, "r")["recordId"] == "rec_1"
    assert len(keys(script)) == 1 and sleeps[:2] == [2, 2] and len(script.requests) == 6


def test_pending_has_an_end(make: Make, script: Script, sleeps: list[float]) -> None:
    """A request that stays pending ends in a TimeoutError with the key, not in an endless wait."""
    script.replies = [raw(PENDING, 202)]
    with pytest.raises(TimeoutError) as error:
        make(timeout=10_000).call("balance.emit", "c", 1, "r")
    assert sum(sleeps) == 10 and {error.value.idempotency_key} == keys(script)


@pytest.mark.parametrize(
    ("name", "arguments", "keywords"),
    [
        ("sandbox.advance_clock", (60,), {}),
        ("sandbox.reset", (), {}),
        ("customers.create", (), {"display_name": "Acme"}),
    ],
)
def test_what_may_have_happened_is_not_done_twice(
    pac: Blocking, script: Script, sleeps: list[float], name: str, arguments: Any, keywords: Any
) -> None:
    """A call without a key that changes something is sent again only when the server surely did nothing."""
    for failure, attempts in (
        (OSError("gone"), 1),
        (refusal(500), 1),
        (refusal(502), 1),
        (refusal(429), 3),
        (refusal(503), 3),
    ):
        script.requests.clear()
        script.replies = [failure]
        with pytest.raises(PacSpaceError):
            pac.call(name, *arguments, **keywords)
        assert len(script.requests) == attempts, failure


def test_a_client_closed_while_waiting_stops(make: Make, script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    """Closing a client ends what it is retrying."""
    pac = make()

    async def close_async(seconds: float) -> None:
        pac.client._core.closed = "enough"

    monkeypatch.setattr("pacspace_sdk.client.time.sleep", lambda seconds: setattr(pac.client._core, "closed", "enough"))
    monkeypatch.setattr("asyncio.sleep", close_async)
    script.replies = [refusal(503)]
    with pytest.raises(PacSpaceError, match="enough"):
        pac.call("balance.usage")
    assert len(script.requests) == 1


def test_the_first_documents_error_handling(make: Make, script: Script) -> None:
    """With max_retries=0 a rate limit reaches the caller at once, with the seconds to wait."""
    script.replies = [refusal(429, "RATE_LIMITED", retryAfterSeconds=5)]
    with pytest.raises(RateLimitError) as error:
        make(max_retries=0).call("balance.emit", "cust_acme", -100, "usage")
    assert f"Retry after {error.value.retry_after} seconds" == "Retry after 5 seconds"


# ---------------------------------------------------------------- waiting for the log


def status(value: str) -> Any:
    return reply({"recordId": "rec_1", "status": value})


def test_emit_and_wait_looks_until_it_is_settled(pac: Blocking, script: Script, sleeps: list[float]) -> None:
    """emit_and_wait records, then asks for the status every pollInterval until it is VERIFIED."""
    script.replies = [RECORDED, status("QUEUED"), status("PROCESSING"), status("VERIFIED")]
    options = {"timeout": 30_000, "pollInterval": 1_000, "httpTimeout": 5_000, "referenceId": "x"}
    assert pac.call("balance.emit_and_wait", "c", 1, "r", options)["status"] == "VERIFIED"
    assert [request.method for request in script.requests] == ["POST", "GET", "GET", "GET"]
    assert script.requests[0].json["referenceId"] == "x" and script.last.path.endswith("/delta/rec_1")
    assert sleeps == [1, 1] and {request.timeout_ms for request in script.requests} == {5_000}


@pytest.mark.parametrize("settled", ["VERIFIED", "FAILED"])
def test_a_settled_delta_is_returned(pac: Blocking, script: Script, sleeps: list[float], settled: str) -> None:
    """An emit that is settled already is returned without a look; FAILED is returned, not raised."""
    script.replies = [status(settled)]
    assert pac.call("balance.emit_and_wait", "c", 1, "r")["status"] == settled
    assert len(script.requests) == 1
    assert pac.call("balance.wait_for_verified", "rec_1")["status"] == settled
    assert sleeps == []


def test_waiting_has_a_deadline(pac: Blocking, script: Script, sleeps: list[float]) -> None:
    """After `timeout` (60 s by default) a TimeoutError says that the delta is recorded all the same."""
    script.replies = [status("QUEUED")]
    with pytest.raises(TimeoutError, match="it is recorded") as error:
        pac.call("balance.wait_for_verified", "rec_1", {"timeout": 2_500})
    assert error.value.code == "TIMEOUT" and sum(sleeps) <= 2.5 and sleeps[0] == 2
    sleeps.clear()
    with pytest.raises(TimeoutError):
        pac.call("balance.wait_for_verified", "rec_1")
    assert 59 < sum(sleeps) <= 60


def test_a_failure_while_waiting(pac: Blocking, script: Script, sleeps: list[float]) -> None:
    """A look that fails for a moment is repeated; an emit reply without a recordId can't be waited for."""
    script.replies = [RECORDED, refusal(503), OSError("gone"), status("VERIFIED")]
    assert pac.call("balance.emit_and_wait", "c", 1, "r")["status"] == "VERIFIED"
    script.replies = [reply({"status": "QUEUED"})]
    script.requests.clear()
    with pytest.raises(PacSpaceError, match="no recordId"):
        pac.call("balance.emit_and_wait", "c", 1, "r")


# ---------------------------------------------------------------- waiting for a month


def month(status: str, done: int, failed: int = 0) -> dict[str, Any]:
    """The job of a month, as the server shows it."""
    failures = [{"customerId": "c9", "code": "INTERNAL_ERROR", "message": "no"}] * failed
    job = {"jobId": "job_1", "period": "2026-05", "status": status, "done": done, "total": 300}
    return {**job, "failed": failures, "failedCount": failed, "totals": {"customers": done - failed}}


def begun(status: str, done: int) -> Any:
    return reply({**month(status, done), "checkpoints": [], "locked": status == "DONE", "warnings": ["ask"]}, 201)


def test_a_month_is_closed_when_its_job_is_done(pac: Blocking, script: Script, sleeps: list[float]) -> None:
    """close_month asks every pollInterval how far the job is, and returns it with its totals and failures."""
    script.replies = [begun("RUNNING", 0), reply(month("RUNNING", 100)), refusal(503), reply(month("DONE", 300, 1))]
    options = {"pollInterval": 3_000, "httpTimeout": 5_000}
    closed = pac.call("balance.close_month", "2026-05", options)
    assert closed == {**month("DONE", 300, 1), "checkpoints": [], "locked": False, "warnings": []}
    assert [request.path for request in script.requests[1:]] == ["/api/v1/balance/jobs/job_1"] * 3
    assert sleeps[0] == 3 and {request.timeout_ms for request in script.requests} == {5_000}
    script.replies = [begun("RUNNING", 0), reply(month("DONE", 300))]
    script.requests.clear()
    assert pac.call("balance.close_month", "2026-05")["locked"] is True


def test_a_month_that_is_closed_at_once(pac: Blocking, script: Script, sleeps: list[float]) -> None:
    """A month that is locked in the first reply, and a preview, which has no job, are not asked for again."""
    script.replies = [begun("DONE", 3)]
    assert pac.call("balance.close_month", "2026-05")["locked"] is True
    listed = {"preview": True, "period": "2026-05", "checkpoints": [], "totals": {}, "locked": False, "warnings": []}
    script.replies = [reply(listed)]
    assert pac.call("balance.close_month", "2026-05", preview=True) == {**listed, "failed": [], "failedCount": 0}
    assert len(script.requests) == 2 and sleeps == []


def test_closing_a_month_has_a_deadline(pac: Blocking, script: Script, sleeps: list[float]) -> None:
    """After `timeout` a TimeoutError says how far the server is, and that it continues."""
    script.replies = [begun("RUNNING", 0), reply(month("RUNNING", 100))]
    with pytest.raises(TimeoutError, match="100 of 300 customers are done; the server continues"):
        pac.call("balance.close_month", "2026-05", timeout=2_500)
    assert 2 < sum(sleeps) <= 2.5


def test_a_month_must_be_named(pac: Blocking, script: Script) -> None:
    """Without a period nothing would be locked, so it is refused before anything is sent."""
    with pytest.raises(ValidationError, match="period must be a month"):
        pac.call("balance.close_month", "")
    assert script.requests == []
