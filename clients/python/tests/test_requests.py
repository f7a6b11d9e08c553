"""What is sent."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from testkit.scripted import KEY, Blocking, Make, Script, reply

from pacspace_sdk import InvalidScopeCombinationError, PacSpace, PacSpaceError, ValidationError
from pacspace_sdk.types import DeriveOptions


def query(script: Script) -> dict[str, list[str]]:
    return parse_qs(urlsplit(script.last.url).query, keep_blank_values=True)


def test_emit_sends_one_delta(pac: Blocking, script: Script) -> None:
    """emit posts the delta with the key, the standard headers and an idempotency key of its own."""
    pac.call("balance.emit", "cust_acme", -42.5, "compute", {"referenceId": "r1", "metadata": {"units": 50}})
    sent = script.last
    assert (sent.method, sent.path, sent.timeout_ms) == ("POST", "/api/v1/balance/delta", 30_000)
    assert sent.json == {
        "customerId": "cust_acme", "delta": -42.5, "reason": "compute", "referenceId": "r1", "metadata": {"units": 50},
    }  # fmt: skip
    assert sent.headers["X-Api-Key"] == KEY and sent.headers["Content-Type"] == "application/json"
    assert sent.headers["User-Agent"] == "pacspace-sdk-python/0.2.0" and sent.headers["X-Chain-Id"] == "296"
    assert len(sent.headers["Idempotency-Key"]) == 32 and "X-Credit-Pool-Id" not in sent.headers


def test_every_call_has_an_idempotency_key_of_its_own(pac: Blocking, script: Script) -> None:
    """Two calls with the same arguments are two deltas."""
    for _ in range(2):
        pac.call("balance.emit", "c", 1, "r")
    first, second = (request.headers["Idempotency-Key"] for request in script.requests)
    assert first != second


def test_emit_takes_one_dict(pac: Blocking, script: Script) -> None:
    """A single dict says the same as positional arguments, request options included."""
    delta = {
        "customerId": "c",
        "delta": 1,
        "reason": "r",
        "referenceId": "x",
        "idempotencyKey": "k",
        "occurredAt": None,
    }
    pac.call("balance.emit", delta)
    assert script.last.json == {"customerId": "c", "delta": 1, "reason": "r", "referenceId": "x"}
    assert script.last.headers["Idempotency-Key"] == "k"
    assert delta["occurredAt"] is None and len(delta) == 6  # the caller's dict is left alone


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("c",), "delta, reason"),
        (("c", 1), "reason"),
        (({"customerId": "c", "delta": 1},), "customerId, delta and reason"),
        (({"customerId": "c", "delta": 1, "reason": "r", "refrenceId": "x"},), "did you mean 'referenceId'"),
        (({"customerId": "c", "delta": 1, "reason": "r"}, 1, "r"), "one dict"),
        (("c", 1, "r", {"metdata": {}}), "did you mean 'metadata'"),
        (("c", 1, "r", ["metadata"]), "must be a dict"),
    ],
)
def test_wrong_arguments_are_a_type_error(
    pac: Blocking, script: Script, arguments: tuple[Any, ...], words: str
) -> None:
    """What can't be sent is refused before anything is, with the nearest known name."""
    with pytest.raises(TypeError, match=words):
        pac.call("balance.emit", *arguments)
    assert script.requests == []


def test_options_as_keyword_arguments(pac: Blocking, script: Script) -> None:
    """Keyword arguments are understood in snake_case and camelCase, beside a dict."""
    pac.call("balance.derive", "c", {"limit": 5}, start_date="2026-05-01", endDate="2026-06-01", starting_balance=7)
    assert query(script) == {
        "limit": ["5"], "startDate": ["2026-05-01"], "endDate": ["2026-06-01"], "startingBalance": ["7"],
    }  # fmt: skip
    with pytest.raises(TypeError, match="given twice"):
        pac.call("balance.derive", "c", {"startDate": "x"}, start_date="x")
    with pytest.raises(TypeError, match="no option 'start'"):
        pac.call("balance.derive", "c", start="2026-05-01")


def test_every_name_of_the_options_is_taken(pac: Blocking, script: Script) -> None:
    """Each key that DeriveOptions names is either a part of the request or one of its options."""
    scope = {"period", "timePreset", "startDate", "endDate", "startingCheckpoint", "startingCheckpointType"}
    values: dict[str, Any] = {"headers": {"X-Mine": "1"}, "startingBalance": 1, "timeout": 5, "idempotencyKey": "k"}
    given = {name: values.get(name, "7") for name in DeriveOptions.__annotations__ if name not in scope}
    pac.call("balance.derive", "c", {**given, "period": "2026-05"})
    assert query(script).keys() == {"period", "granularity", "limit", "offset", "include", "startingBalance"}
    headers = script.last.headers
    assert headers["X-Mine"] == "1" and headers["X-Chain-Id"] == "7" and headers["X-Credit-Pool-Id"] == "7"
    assert headers["Authorization"] == "Bearer 7" and headers["Idempotency-Key"] == "k"
    assert script.last.timeout_ms == 5


def test_none_is_left_out(pac: Blocking, script: Script) -> None:
    """An option that is None is as if it were not given."""
    pac.call("balance.derive", "c", {"period": None, "limit": None})
    assert script.last.path == "/api/v1/balance/derive/c"
    pac.call("balance.emit", "c", 1, "r", {"referenceId": None, "metadata": None})
    assert script.last.json == {"customerId": "c", "delta": 1, "reason": "r"}


def test_ids_are_encoded_in_paths(pac: Blocking, script: Script) -> None:
    """No character of an id can change the path."""
    pac.call("balance.derive", "a/../b?c#d e%ü")
    assert script.last.path == "/api/v1/balance/derive/a%2F..%2Fb%3Fc%23d%20e%25%C3%BC"


@pytest.mark.parametrize(
    ("name", "arguments", "method", "path", "body"),
    [
        ("balance.delta_status", ("rec_1",), "GET", "/delta/rec_1", None),
        ("balance.get_record_status", ("rec_1",), "GET", "/delta/rec_1", None),
        ("balance.derive_current_month", ("c",), "GET", "/derive/c?timePreset=current_month", None),
        ("balance.derive_for_period", ("c", "2026-05"), "GET", "/derive/c?period=2026-05", None),
        ("balance.checkpoint", (), "POST", "/checkpoint", {}),
        ("balance.checkpoint", ("c", {"period": "2026-05", "invoiceReference": "i"}), "POST", "/checkpoint",
         {"customerId": "c", "period": "2026-05", "invoiceReference": "i"}),
        ("balance.checkpoint", (None, {"period": "2026-05", "preview": True}), "POST", "/checkpoint",
         {"period": "2026-05", "preview": True}),
        ("balance.close_month", ("2026-05",), "POST", "/checkpoint", {"period": "2026-05"}),
        ("balance.close_month", ("2026-05", {"preview": True}), "POST", "/checkpoint", {"period": "2026-05", "preview": True}),
        ("balance.checkpoint_job", ("job_1",), "GET", "/jobs/job_1", None),
        ("balance.list_checkpoints", ({"customerId": "c", "limit": 5},), "GET", "/checkpoints?customerId=c&limit=5", None),
        ("balance.checkpoint_timeline", ("c", {"limit": 5}), "GET", "/customers/c/timeline?limit=5", None),
        ("balance.diff_checkpoints", ("chk_1", "chk_2"), "GET", "/checkpoints/diff?from=chk_1&to=chk_2", None),
        ("balance.receipt", ("c",), "GET", "/receipt/c", None),
        ("balance.receipt", ("c", {"period": "2026-05"}), "GET", "/invoice-proof/c?period=2026-05", None),
        ("balance.invoice_proof", ("c",), "GET", "/invoice-proof/c", None),
        ("balance.usage", (), "GET", "/usage", None),
        ("balance.gaps", ("c", {"fromSequence": 3}), "GET", "/gaps/c?fromSequence=3", None),
        ("balance.customers", ({"search": "a b", "page": 2},), "GET", "/customers?page=2&search=a%20b", None),
        ("balance.customer", ("c", {"deltaPage": 2, "period": "2026-05"}), "GET",
         "/customers/c?deltaPage=2&period=2026-05", None),
        ("balance.list_webhook_deliveries", ({"status": "failed"},), "GET", "/webhooks?status=failed", None),
        ("balance.retry_webhook", ("evt_1",), "POST", "/webhooks/evt_1/retry", {}),
        ("receipts.get", ("chk_1", {"customerDisplayName": False, "locale": "de-DE"}), "GET",
         "/receipts/chk_1?locale=de-DE&customerDisplayName=false", None),
        ("receipts.list", ("c",), "GET", "/customers/c/receipts", None),
    ],
)  # fmt: skip
def test_the_route_of_each_call(
    pac: Blocking, script: Script, name: str, arguments: tuple[Any, ...], method: str, path: str, body: Any
) -> None:
    """Each call goes to its route, with the fields of the route and nothing else."""
    script.replies = [reply({"receipts": []} if name == "receipts.list" else {})]
    pac.call(name, *arguments)
    assert (script.last.method, script.last.path) == (method, f"/api/v1/balance{path}")
    assert script.last.json == body


@pytest.mark.parametrize(
    ("name", "arguments", "path", "body"),
    [
        ("sandbox.set_clock", ("2026-05-01T00:00:00Z",), "/api/v1/sandbox/clock", {"now": "2026-05-01T00:00:00Z"}),
        ("sandbox.set_clock", (None,), "/api/v1/sandbox/clock", {"now": None}),
        ("sandbox.advance_clock", (60,), "/api/v1/sandbox/clock", {"advanceSeconds": 60}),
        ("sandbox.reset", (), "/api/v1/sandbox/reset", {}),
    ],
)
def test_the_sandbox(
    pac: Blocking, script: Script, name: str, arguments: tuple[Any, ...], path: str, body: Any
) -> None:
    """The sandbox's tools post what they say; None really lets the clock go on."""
    pac.call(name, *arguments)
    assert (script.last.method, script.last.path, script.last.json) == ("POST", path, body)


def test_the_sandbox_clock_is_read(pac: Blocking, script: Script) -> None:
    """`clock` asks what time the sandbox has, and changes nothing."""
    pac.call("sandbox.clock")
    assert (script.last.method, script.last.path, script.last.body) == ("GET", "/api/v1/sandbox/clock", None)


NOON = datetime(2026, 5, 2, 12, 0, tzinfo=timezone(timedelta(hours=2)))
TEXT = "2026-05-02T12:00:00+02:00"


def test_a_datetime_is_sent_as_its_text(pac: Blocking, script: Script) -> None:
    """Wherever an instant is taken, a datetime with a time zone is sent as ISO 8601 text with that zone."""
    pac.call("balance.emit", "c", 1, "r", occurred_at=NOON)
    assert script.last.json["occurredAt"] == TEXT
    pac.call("balance.emit", {"customerId": "c", "delta": 1, "reason": "r", "occurredAt": NOON})
    assert script.last.json["occurredAt"] == TEXT
    pac.call("balance.emit_batch", [{"customerId": "c", "delta": 1, "reason": "r", "occurred_at": NOON}])
    assert script.last.json["deltas"][0]["occurredAt"] == TEXT
    for name in ("derive", "receipt", "list_checkpoints"):
        customer = () if name == "list_checkpoints" else ("c",)
        pac.call(f"balance.{name}", *customer, startDate=NOON, end_date=NOON)
        assert query(script) == {"startDate": [TEXT], "endDate": [TEXT]}
    pac.call("balance.compare", "c", {"yours": 1, "theirs": 1}, startDate=NOON, endDate=NOON)
    assert script.last.json["startDate"] == script.last.json["endDate"] == TEXT
    pac.call("sandbox.set_clock", NOON)
    assert script.last.json == {"now": TEXT}


@pytest.mark.parametrize(
    ("name", "arguments", "field"),
    [
        ("balance.emit", ("c", 1, "r", {"occurredAt": NOON.replace(tzinfo=None)}), "occurredAt"),
        ("balance.emit_batch", ([{"customerId": "c", "delta": 1, "reason": "r", "occurredAt": NOON.replace(tzinfo=None)}],),
         "deltas[0].occurredAt"),
        ("balance.derive", ("c", {"startDate": NOON, "endDate": NOON.replace(tzinfo=None)}), "endDate"),
        ("sandbox.set_clock", (NOON.replace(tzinfo=None),), "now"),
    ],
)  # fmt: skip
def test_a_datetime_without_a_time_zone(
    pac: Blocking, script: Script, name: str, arguments: tuple[Any, ...], field: str
) -> None:
    """Which instant a naive datetime means is not guessed: it is refused before anything is sent."""
    with pytest.raises(ValidationError, match=r"give one, such as datetime\.now\(timezone\.utc\)") as error:
        pac.call(name, *arguments)
    assert error.value.details[0]["field"] == field and script.requests == []


def test_a_correction_names_its_delta_in_a_dict(pac: Blocking, script: Script) -> None:
    """`adjusts` as bare text could mean two things: it is refused before sending, with the dict that is meant."""
    delta = {"customerId": "c", "delta": 1, "reason": "r", "adjusts": "d1"}
    calls: list[tuple[str, tuple[Any, ...]]] = [
        ("emit", ("c", 1, "r", {"adjusts": "d1"})), ("emit", (delta,)), ("emit_batch", ([delta],)),
        ("emit_and_wait", ("c", 1, "r", {"adjusts": "d1"})),
    ]  # fmt: skip
    for name, arguments in calls:
        with pytest.raises(ValidationError) as error:
            pac.call(f"balance.{name}", *arguments)
        assert 'adjusts: a dict such as {"referenceId": "d1"}' in str(error.value)
    assert script.requests == []


def test_public_calls_carry_no_key(pac: Blocking, script: Script) -> None:
    """verify and download need no key, so none is sent; the bare object counts as a reply."""
    script.replies = [reply({"verified": True})]
    assert pac.call("verify", "0xab") == {"verified": True}
    assert script.last.path == "/api/v1/verify/0xab" and "X-Api-Key" not in script.last.headers
    pac.call("verify", "0xab", "db")
    assert script.last.path == "/api/v1/verify/0xab"
    pac.call("verify", "0xab", source="both")
    assert script.last.path == "/api/v1/verify/0xab?source=both"
    with pytest.raises(ValueError, match="db, chain, both"):
        pac.call("verify", "0xab", "ledger")
    assert len(script.requests) == 3
    pac.call("receipts.download", "chk_1")
    assert script.last.path == "/receipts/chk_1.json" and "X-Api-Key" not in script.last.headers
    pac.call("receipts.download", "chk_1", {"format": "pdf", "locale": "de-DE", "customerDisplayName": False})
    assert script.last.path == "/receipts/chk_1.pdf?locale=de-DE&customerDisplayName=false"
    pac.call("receipts.download", "chk_1", format="csv")
    assert script.last.path == "/receipts/chk_1.csv"
    for options in ({"format": "xml"}, {"format": "csv", "locale": "de-DE"}, {"timezone": "UTC"}):
        with pytest.raises(ValueError, match="format"):
            pac.call("receipts.download", "chk_1", options)


def test_customers_are_made_with_a_dashboard_token(pac: Blocking, script: Script) -> None:
    """customers.create posts to the dashboard with the token that is given."""
    pac.call("customers.create", display_name="Acme", unit_label="calls", options={"dashboardToken": "t"})
    assert (script.last.path, script.last.json) == (
        "/dashboard/customers", {"displayName": "Acme", "unitLabel": "calls"},
    )  # fmt: skip
    assert script.last.headers["Authorization"] == "Bearer t"
    with pytest.raises(TypeError):
        pac.call("customers.create", "Acme")


def test_compare_sends_both_views(pac: Blocking, script: Script) -> None:
    """Either pair of names, or one dict; startingBalance is 0 unless given."""
    wanted = {"customerId": "c", "yourBalance": 1, "theirBalance": 2, "startingBalance": 0}
    pac.call("balance.compare", "c", {"yours": 1, "theirs": 2}, {"period": "2026-05"})
    assert script.last.json == {**wanted, "period": "2026-05"}
    pac.call("balance.compare", "c", {"yourBalance": 1, "theirBalance": 2}, tolerance=Decimal("0.01"))
    assert script.last.json == {**wanted, "tolerance": 0.01}
    pac.call("balance.compare", {"customerId": "c", "yourBalance": 1, "theirBalance": 2, "startingBalance": 5})
    assert script.last.json == {**wanted, "startingBalance": 5}
    pac.call(
        "balance.compare",
        "c",
        {"yours": 1, "theirs": 2},
        their_records=[{"referenceId": "r", "delta": 0.30000000000000004}],
    )
    assert script.last.json["theirRecords"] == [{"referenceId": "r", "delta": 0.3}]
    for views in ({"yours": 1}, {"yours": 1, "theirBalance": 2}, {"yours": 1, "theirs": 2, "ours": 3}, 5):
        with pytest.raises(TypeError):
            pac.call("balance.compare", "c", views)


@pytest.mark.parametrize(
    "scope",
    [
        {"period": "2026-05", "timePreset": "current_month"},
        {"period": "2026-05", "startDate": "2026-05-01", "endDate": "2026-06-01"},
        {"period": "2026-05", "startDate": "2026-05-01"},
        {"timePreset": "current_month", "startDate": "2026-05-01", "endDate": "2026-06-01"},
        {"timePreset": "custom"},
        {"startDate": "2026-05-01"},
        {"timePreset": "custom", "endDate": "2026-05-01"},
    ],
)
def test_scopes_that_do_not_go_together(pac: Blocking, script: Script, scope: dict[str, str]) -> None:
    """A scope mistake that can be seen before sending is a ValueError and a PacSpaceError, and nothing is sent."""
    for name, views in (("derive", ()), ("compare", ({"yours": 1, "theirs": 1},)), ("receipt", ()), ("checkpoint", ())):
        with pytest.raises(InvalidScopeCombinationError) as error:
            pac.call(f"balance.{name}", "c", *views, scope)
        assert isinstance(error.value, ValueError) and error.value.code == "INVALID_SCOPE_COMBINATION"
    assert script.requests == []


@pytest.mark.parametrize(
    "scope",
    [
        {"startingCheckpointType": "proofRoot"},
        {"startingCheckpointType": "proofRoot", "startingCheckpoint": None},
        {"startingCheckpoint": "0xab", "startingCheckpointType": "proofRoot"},
        {"timePreset": "custom", "startDate": "2026-05-01", "endDate": "2026-06-01"},
        {"startDate": "2026-05-01", "endDate": "2026-06-01"},
        {"timePreset": "current_month"},
    ],
)
def test_scopes_that_are_sent(pac: Blocking, script: Script, scope: dict[str, str]) -> None:
    """Everything else is the server's to judge, a checkpoint type on its own included."""
    pac.call("balance.derive", "c", scope)
    assert query(script) == {name: [value] for name, value in scope.items() if value is not None}
    with pytest.raises(InvalidScopeCombinationError):
        pac.call("balance.derive", "c", {"startingCheckpoint": "0xab", "period": "2026-05"})


def test_windows_back(pac: Blocking, script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    """derive_months_back and derive_days_back send whole UTC months and days, the current one included."""
    import datetime

    class Clock(datetime.datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return cls(2026, 2, 28, 23, 30, tzinfo=tz)

    monkeypatch.setattr("pacspace_sdk.operations.balances.datetime", Clock)
    for months, start in {
        1: "2026-02-01",
        2: "2026-01-01",
        3: "2025-12-01",
        14: "2025-01-01",
        15: "2024-12-01",
    }.items():
        pac.call("balance.derive_months_back", "c", months)
        assert query(script) == {"startDate": [f"{start}T00:00:00Z"], "endDate": ["2026-03-01T00:00:00Z"]}
    for days, start in {1: "2026-02-28", 28: "2026-02-01", 30: "2026-01-30"}.items():
        pac.call("balance.derive_days_back", "c", days)
        assert query(script) == {"startDate": [f"{start}T00:00:00Z"], "endDate": ["2026-03-01T00:00:00Z"]}
    count = len(script.requests)
    for wrong in (0, -1, 1.5, "3", True):
        with pytest.raises(ValueError, match="from 1"):
            pac.call("balance.derive_months_back", "c", wrong)
        with pytest.raises(ValueError, match="from 1"):
            pac.call("balance.derive_days_back", "c", wrong)
    assert len(script.requests) == count


@pytest.mark.parametrize(
    ("options", "environment", "url"),
    [
        ({"base_url": "http://a.test/", "sandbox_url": "http://b.test"}, None, "http://a.test"),
        ({"sandbox_url": "http://b.test", "production_url": "http://c.test"}, "http://d.test", "http://b.test"),
        ({"production_url": "http://c.test/x/"}, "http://d.test", "http://c.test/x"),
        ({}, "http://d.test", "http://d.test"),
        ({}, None, "http://127.0.0.1:8787"),
        (
            {"api_key": "pk_live_a.b", "sandbox_url": "http://b.test", "production_url": "http://c.test"},
            None,
            "http://c.test",
        ),
        ({"api_key": "pk_live_a.b", "sandbox_url": "http://b.test"}, "http://d.test", "http://b.test"),
        ({"api_key": "pk_live_a.b"}, "https://d.test", "https://d.test"),
    ],
)
def test_the_address(
    options: dict[str, Any], environment: str | None, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """base_url wins, then the key's own URL, the other one, the environment, and for a test key this machine."""
    monkeypatch.delenv("PACSPACE_BASE_URL", raising=False)
    if environment:
        monkeypatch.setenv("PACSPACE_BASE_URL", environment)
    assert PacSpace(**{"api_key": KEY, **options}).config.base_url == url


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"api_key": ""}, "MISSING_API_KEY"),
        ({"api_key": None}, "MISSING_API_KEY"),
        ({"api_key": "  "}, "MISSING_API_KEY"),
        ({"api_key": "pk_live_a.b"}, "INVALID_URL"),
        ({"base_url": "server.test"}, "INVALID_URL"),
        ({"base_url": "ftp://server.test"}, "INVALID_URL"),
        ({"base_url": "http://user:pass@server.test"}, "INVALID_URL"),
        ({"base_url": "http://"}, "INVALID_URL"),
        ({"base_url": "http://server.test:notaport"}, "INVALID_URL"),
        ({"base_url": "http://server.test?x=1"}, "INVALID_URL"),
        ({"submission": {"profile": "immediate"}}, "INVALID_SUBMISSION_PROFILE"),
    ],
)
def test_a_client_that_can_not_be(
    make: Make, options: dict[str, Any], code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client that could not work is refused when it is made, with a code, in the constructor and in init."""
    monkeypatch.delenv("PACSPACE_BASE_URL", raising=False)
    for build in (PacSpace, PacSpace.init):
        with pytest.raises(PacSpaceError) as error:
            build(**{"api_key": KEY, **options})
        assert error.value.code == code
    if code == "INVALID_URL" and "api_key" in options:
        assert all(
            word in str(error.value) for word in ("base_url", "production_url", "sandbox_url", "PACSPACE_BASE_URL")
        )


@pytest.mark.parametrize(("key", "code"), [("foo", "INVALID_URL"), ("", "MISSING_API_KEY"), (None, "MISSING_API_KEY")])
def test_a_key_that_can_not_be_one(key: Any, code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an address a key of another kind is told first how keys begin, and the key is not repeated."""
    monkeypatch.delenv("PACSPACE_BASE_URL", raising=False)
    with pytest.raises(PacSpaceError, match=r"^an API key .*begins with pk_test_ or pk_live_") as error:
        PacSpace(key)
    assert error.value.code == code and "foo" not in str(error.value)
    with pytest.raises(PacSpaceError, match=r"^no server address"):
        PacSpace("pk_live_a.b")


def test_settings_go_with_every_request(make: Make, script: Script) -> None:
    """chain_id, credit_pool_id and timeout of the client are those of each request, unless the call says otherwise."""
    live = make(api_key="pk_live_a.b", credit_pool_id=7, timeout=1_000)
    live.call("balance.usage")
    assert script.last.headers["X-Chain-Id"] == "295" and script.last.headers["X-Credit-Pool-Id"] == "7"
    assert script.last.timeout_ms == 1_000
    make(chain_id=1).call("balance.usage", credit_pool_id="9", timeout=5)
    assert script.last.headers["X-Chain-Id"] == "1" and script.last.headers["X-Credit-Pool-Id"] == "9"
    assert script.last.timeout_ms == 5


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (-42.5, "-42.5"),
        (86.38000000000001, "86.38"),
        (0.1 + 0.2, "0.3"),
        (100.0, "100"),
        (1e21, "1000000000000000000000"),
        (2.5e-9, "2E-9"),
        (3.5e-9, "4E-9"),
        (-0.0000000005, "0"),
        (7, "7"),
        (Decimal("1.50"), "1.50"),
        (Decimal("-0.123456789"), "-0.123456789"),
        (Decimal("0.1234567891"), "0.1234567891"),
    ],
)
def test_how_an_amount_is_spelled(pac: Blocking, script: Script, amount: Any, text: str) -> None:
    """A float is rounded half-even to 9 fractional digits and spelled shortly; a Decimal is sent as its exact text."""
    pac.call("balance.emit", "c", amount, "r")
    assert f'"delta":{text},' in (script.last.body or "")


@pytest.mark.parametrize(
    "amount", [True, float("nan"), float("inf"), Decimal("NaN"), Decimal("-Infinity"), "5", None, 1j]
)
def test_what_is_no_amount(pac: Blocking, script: Script, amount: Any) -> None:
    """bool, NaN, infinity and everything that is no number is a ValidationError, and nothing is sent."""
    with pytest.raises(ValidationError) as error:
        pac.call("balance.emit_batch", [{"customerId": "c", "delta": amount, "reason": "r"}])
    assert error.value.details[0]["field"] == "deltas[0].delta"
    if amount is not None:
        with pytest.raises(ValidationError):
            pac.call("balance.emit", "c", amount, "r")
    assert script.requests == []


@pytest.mark.parametrize(
    "metadata", [{"at": object()}, {"x": float("nan")}, {1: "a"}, {"x": "\ud800"}, {"x": {"y": [Decimal("Infinity")]}}]
)
def test_what_is_no_json(pac: Blocking, script: Script, metadata: Any) -> None:
    """Metadata that JSON can't hold is a ValidationError that names the place, and nothing is sent."""
    with pytest.raises(ValidationError, match="metadata"):
        pac.call("balance.emit", "c", 1, "r", {"metadata": metadata})
    circle: dict[str, Any] = {}
    circle["self"] = circle
    with pytest.raises(ValidationError, match="nested too deeply"):
        pac.call("balance.emit", "c", 1, "r", {"metadata": circle})
    assert script.requests == []


def test_what_no_header_can_carry(make: Make, script: Script) -> None:
    """A key or token with characters that a header can't carry is refused before sending, without showing it."""
    for client, keywords in (
        (make(), {"idempotency_key": "a\nb"}),
        (make(), {"dashboard_token": "süß"}),
        (make(api_key="pk_test_süß"), {}),
    ):
        with pytest.raises(ValidationError, match="printable ASCII") as error:
            client.call("balance.emit", "c", 1, "r", **keywords)
        assert "ß" not in str(error.value)
    assert script.requests == []


def test_a_batch_is_one_request(pac: Blocking, script: Script) -> None:
    """emit_batch sends all deltas in one request, in order, each with its own fields."""
    items = [
        {"customerId": "a", "delta": 0.30000000000000004, "reason": "r", "referenceId": None},
        {"customer_id": "b", "delta": 2, "reason": "s"},
    ]
    pac.call("balance.emit_batch", items, idempotency_key="k")
    assert script.last.path == "/api/v1/balance/delta/batch" and script.last.headers["Idempotency-Key"] == "k"
    assert script.last.json == {
        "deltas": [{"customerId": "a", "delta": 0.3, "reason": "r"}, {"customerId": "b", "delta": 2, "reason": "s"}]
    }
    with pytest.raises(TypeError, match=r"deltas\[0\].*did you mean 'reason'"):
        pac.call("balance.emit_batch", [{"customerId": "a", "delta": 1, "reson": "r"}])
    with pytest.raises(TypeError, match="list"):
        pac.call("balance.emit_batch", {"customerId": "a", "delta": 1, "reason": "r"})


def test_iterating_reads_page_after_page(pac: Blocking, script: Script) -> None:
    """iter_deltas and iter_customers give every item once, by offset, by cursor, or by page number."""
    script.replies = [reply({"deltas": [{"n": 1}, {"n": 2}]}), reply({"deltas": [{"n": 3}]})]
    assert [delta["n"] for delta in pac.call("balance.iter_deltas", "c", period="2026-05", limit=2)] == [1, 2, 3]
    assert [parse_qs(urlsplit(r.url).query)["offset"] for r in script.requests] == [["0"], ["2"]]

    def page(request: Any) -> Any:
        cursor = parse_qs(urlsplit(request.url).query).get("cursor")
        rows = [{"customerId": "a"}] if cursor is None else [{"customerId": "b"}]
        return reply({"customers": rows, "pagination": {"nextCursor": None if cursor else "next"}})

    script.replies = [page]
    assert [row["customerId"] for row in pac.call("balance.iter_customers", search="x")] == ["a", "b"]
    assert all("search=x" in request.url for request in script.requests[-2:])

    def numbered(request: Any) -> Any:
        number = int(parse_qs(urlsplit(request.url).query).get("page", ["1"])[0])
        return reply({"customers": [{"customerId": str(number)}], "pagination": {"page": number, "totalPages": 3}})

    script.replies = [numbered]
    assert [row["customerId"] for row in pac.call("balance.iter_customers")] == ["1", "2", "3"]
    with pytest.raises(TypeError, match="no option"):  # at the call, not when the first item is asked for
        getattr(pac.client.balance, "iter_customers")(serach="x")  # noqa: B009


def test_a_closed_client_sends_nothing(make: Make, script: Script) -> None:
    """After close and shutdown every call raises CLIENT_CLOSED with the reason; closing again is nothing."""
    for method, reason in (("close", "SDK closed"), ("shutdown", "SDK shutdown")):
        pac = make()
        pac.call(method)
        pac.call(method, "again")
        for name, arguments in (
            ("balance.usage", ()),
            ("verify", ("0xab",)),
            ("balance.queue_summary", ({"customerId": "c", "delta": 1},)),
            ("balance.flush_summaries", ()),
        ):
            with pytest.raises(PacSpaceError, match=reason) as error:
                pac.call(name, *arguments)
            assert error.value.code == "CLIENT_CLOSED"
    assert script.requests == []


def test_the_key_is_never_shown(pac: Blocking) -> None:
    """The representation of a client does not hold the secret."""
    assert "pk_test_public" in repr(pac.client)
    shown = repr([pac.client, pac.client.config, pac.client._core, pac.client.balance])
    assert "secret" not in shown
