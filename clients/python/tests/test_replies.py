"""What replies mean."""

from __future__ import annotations

import builtins
import pickle
from decimal import Decimal
from typing import Any

import pytest
from testkit.scripted import Blocking, Make, Script, raw, refusal, reply

import pacspace_sdk
from pacspace_sdk import errors


def raised(pac: Blocking, script: Script, answer: Any) -> errors.PacSpaceError:
    script.replies = [answer]
    with pytest.raises(errors.PacSpaceError) as caught:
        pac.call("balance.usage")
    return caught.value


@pytest.fixture
def pac(make: Make) -> Blocking:
    """Without retries: each refusal is seen as it is."""
    return make(max_retries=0)


@pytest.mark.parametrize(
    ("answer", "kind", "code"),
    [
        (refusal(400), errors.ValidationError, "VALIDATION_ERROR"),
        (refusal(400, "SOMETHING_ELSE"), errors.ValidationError, "VALIDATION_ERROR"),
        (refusal(400, "INVALID_SCOPE_COMBINATION"), errors.InvalidScopeCombinationError, "INVALID_SCOPE_COMBINATION"),
        (refusal(400, "SCOPE_TOO_WIDE"), errors.ScopeTooWideError, "SCOPE_TOO_WIDE"),
        (refusal(401, "INVALID_API_KEY"), errors.InvalidApiKeyError, "INVALID_API_KEY"),
        (refusal(402), errors.InsufficientCreditsError, "INSUFFICIENT_CREDITS"),
        (refusal(403, "FORBIDDEN"), errors.PacSpaceError, "API_ERROR"),
        (refusal(404, "CUSTOMER_NOT_FOUND"), errors.NotFoundError, "NOT_FOUND"),
        (refusal(409, "REFERENCE_ID_CONFLICT"), errors.ConflictError, "REFERENCE_ID_CONFLICT"),
        (refusal(409), errors.ConflictError, "API_ERROR"),
        (refusal(412), errors.ContractNotDeployedError, "CONTRACT_NOT_DEPLOYED"),
        (refusal(413, "PAYLOAD_TOO_LARGE"), errors.PacSpaceError, "API_ERROR"),
        (refusal(429, "RATE_LIMITED"), errors.RateLimitError, "RATE_LIMITED"),
        (refusal(429, "CADENCE_LIMIT"), errors.CadenceLimitError, "CADENCE_LIMIT"),
        (refusal(500, "INTERNAL_ERROR"), errors.PacSpaceError, "API_ERROR"),
        (refusal(503, "SERVICE_UNAVAILABLE"), errors.ServiceUnavailableError, "SERVICE_UNAVAILABLE"),
    ],
)
def test_the_class_of_each_refusal(pac: Blocking, script: Script, answer: Any, kind: type, code: str) -> None:
    """Each status has its class and code; the server's own code is kept beside it."""
    error = raised(pac, script, answer)
    assert type(error) is kind and error.code == code and error.status_code == answer.status_code
    stated = script.replies[0].body.decode()
    assert error.server_code is None if '"code"' not in stated else f'"{error.server_code}"' in stated
    assert str(error) == error.message == "no" and error.request_path == "/api/v1/balance/usage"


def test_what_errors_carry(pac: Blocking, script: Script) -> None:
    """Waits, details, the customer, and the id under which the server's log has the request."""
    error = raised(pac, script, refusal(429, "RATE_LIMITED", {"x-request-id": "req_1"}, retryAfterSeconds=7))
    assert isinstance(error, errors.RateLimitError) and error.retry_after == 7 and error.request_id == "req_1"
    assert f"{error.retry_after}" == "7"
    error = raised(pac, script, refusal(429, headers={"retry-after": "3"}))
    assert isinstance(error, errors.RateLimitError) and error.retry_after == 3
    error = raised(pac, script, refusal(503, headers={"Retry-After": "2"}, retryAfterSeconds="1.5"))
    assert isinstance(error, errors.ServiceUnavailableError) and error.retry_after == 1.5
    error = raised(pac, script, refusal(429, headers={"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}))
    assert isinstance(error, errors.RateLimitError) and error.retry_after is None
    error = raised(pac, script, refusal(429, "CADENCE_LIMIT", retryAfterSeconds=86.4, customerId="c"))
    assert isinstance(error, errors.CadenceLimitError)
    assert (error.retry_after_ms, error.customer_id) == (86_400, "c")
    details = [{"field": "delta", "problem": "must not be 0"}]
    error = raised(pac, script, refusal(400, details=details))
    assert isinstance(error, errors.ValidationError) and error.details == details


@pytest.mark.parametrize(
    ("body", "message", "code"),
    [
        ({"error": {"message": ["a", "b"], "code": "X"}}, "a; b", "X"),
        ({"error": {"code": "X"}, "message": "top"}, "top", "X"),
        ({"message": "flat", "error": "Forbidden", "code": "Y", "statusCode": 403}, "flat", "Y"),
        ({"message": ["a", "b"]}, "a; b", None),
        ({"error": "only this"}, "only this", None),
        ({}, "Request failed", None),
        ([], "Request failed", None),
        (b"", "Request failed", None),
        (b"<html>bad gateway</html>", "Request failed", None),
        (b"\xff\xfe", "Request failed", None),
        (b"[" * 100_000, "Request failed", None),
        ({"error": {"message": 7, "code": 8}}, "Request failed", None),
    ],
)
def test_every_shape_of_a_refusal(pac: Blocking, script: Script, body: Any, message: str, code: str | None) -> None:
    """Nested and flat errors are understood, and nothing that a gateway sends breaks the client."""
    error = raised(pac, script, raw(body, 403))
    assert (error.message, error.server_code, error.status_code) == (message, code, 403)


@pytest.mark.parametrize(
    "answer",
    [raw({"data": 1}), raw({"success": False, "data": 1}), raw("text"), raw(b"<html>"), raw({"success": True})],
)
def test_a_success_that_is_none(pac: Blocking, script: Script, answer: Any) -> None:
    """A 2xx reply without the envelope is an error, not data."""
    error = raised(pac, script, answer)
    assert (error.message, error.code, error.status_code) == ("Unexpected response format", "API_ERROR", 200)


def test_what_passes_without_the_envelope(pac: Blocking, script: Script) -> None:
    """A list, an empty body, and for public calls any object."""
    script.replies = [raw([1, 2]), raw(b""), raw({"verified": False, "message": "chain unavailable"}), raw([1])]
    assert pac.call("balance.usage") == [1, 2]
    assert pac.call("balance.usage") is None
    assert pac.call("verify", "0xab", "chain") == {"verified": False, "message": "chain unavailable"}
    with pytest.raises(ValueError, match="not an object"):
        pac.call("verify", "0xab")


def test_numbers_in_replies(make: Make, script: Script) -> None:
    """Numbers are int or float as JSON has them; with decimals=True each is a Decimal, without a digit lost."""
    script.replies = [
        raw(b'{"success": true, "data": {"a": -42.5, "b": 3, "c": {"d": [12345678901234567.123456789]}}}')
    ]
    plain = make().call("balance.usage")
    assert plain["a"] == -42.5 and type(plain["a"]) is float and type(plain["b"]) is int
    exact = make(decimals=True).call("balance.usage")
    assert exact == {"a": Decimal("-42.5"), "b": Decimal(3), "c": {"d": [Decimal("12345678901234567.123456789")]}}
    assert all(type(value) is Decimal for value in (exact["a"], exact["b"], exact["c"]["d"][0]))
    script.replies = [refusal(429, retryAfterSeconds=5)]
    with pytest.raises(errors.RateLimitError) as error:
        make(decimals=True, max_retries=0).call("balance.usage")
    assert error.value.retry_after == 5 and type(error.value.retry_after) is int


def test_unknown_statuses_are_left_alone(pac: Blocking, script: Script) -> None:
    """A status value that this version does not know reaches the caller untouched."""
    script.replies = [reply({"deliveries": [{"status": "delivered"}], "status": "SOMETHING_NEW"})]
    assert pac.call("balance.list_webhook_deliveries") == {
        "deliveries": [{"status": "delivered"}],
        "status": "SOMETHING_NEW",
    }


@pytest.mark.parametrize(
    ("given", "wanted"),
    [(None, None), ("https://a.test", "https://a.test"), (7, "7"), ("", "")],
)
def test_a_receipt_always_has_its_links(pac: Blocking, script: Script, given: Any, wanted: str | None) -> None:
    """The four links of a receipt are text or None, and always there."""
    script.replies = [reply({"proofRoot": "0xab", "verifyUrl": "u"} | ({} if given is None else {"accessHint": given}))]
    for scope in ({"period": "2026-05"}, {}):
        receipt = pac.call("balance.receipt", "c", scope)
        assert receipt["accessHint"] == wanted and receipt["verificationApiUrl"] is None
        assert receipt["customerLinkUrl"] is None and receipt["customerLinkHost"] is None
        assert receipt["verifyUrl"] == "u"


@pytest.mark.parametrize("name", [name for name in pacspace_sdk.__all__ if name.endswith("Error")])
def test_errors_are_ordinary_exceptions(name: str) -> None:
    """Every error is a PacSpaceError, can be hashed, and survives pickling with all it carries."""
    kind = getattr(pacspace_sdk, name)
    error = kind("why", 418, "CODE", "/path", server_code="S", request_id="r", idempotency_key="k")
    error.retry_after = 5
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is kind and copy.__dict__ == error.__dict__ and str(copy) == "why"
    assert isinstance(error, errors.PacSpaceError) and {error: 1}[error] == 1
    assert kind("why").status_code == kind("why").status_code and kind("why").code


def test_which_builtin_errors_they_are() -> None:
    """Scope and validation errors are ValueErrors, a deadline missed is the builtin TimeoutError."""
    assert issubclass(errors.TimeoutError, builtins.TimeoutError)
    for kind in (errors.InvalidScopeCombinationError, errors.ScopeTooWideError, errors.ValidationError):
        assert issubclass(kind, ValueError)
