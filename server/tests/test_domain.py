"""The pure rules, held against plain arithmetic."""

from __future__ import annotations

import json
from decimal import Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pacspace_proofs.canonical import canonical
from pacspace_proofs.tree import leaf_hash, root_from_inclusion, root_of_leaves
from pacspace_server.domain import exact_json
from pacspace_server.domain.amounts import AmountError, amount_text, parse_delta, units
from pacspace_server.domain.instants import (
    InstantError,
    add_months,
    instant_text,
    parse_instant,
    period_end,
    period_of,
    period_start,
)
from pacspace_server.domain.posting import check_occurred_at, post, posting_warnings
from pacspace_server.domain.scopes import ScopeError, parse_scope
from pacspace_server.domain.tree import Frontier, inclusion_path, subtrees_of
from pacspace_server.storage.model.leaf_bytes import delta_context, delta_leaf
from pacspace_server.storage.model.records import Delta

NUMBERS = st.from_regex(r"-?(0|[1-9][0-9]{0,10})(\.[0-9]{1,11})?([eE][+-]?[0-9]{1,2})?", fullmatch=True)


@given(NUMBERS)
def test_an_amount_is_read_exactly_or_refused(text: str) -> None:
    """A number is taken exactly when decimal arithmetic finds it within the bounds, and then to the last digit."""
    with localcontext() as context:
        context.prec = 200
        value = Decimal(text)
        scaled = value * 10**9
        acceptable = value != 0 and abs(value) <= 10**9 and scaled == scaled.to_integral_value()
        try:
            found = parse_delta(text)
        except AmountError:
            assert not acceptable, text
        else:
            assert acceptable
            assert found == int(scaled)
            assert Decimal(amount_text(found)) == value
            assert units(amount_text(found)) == found


@pytest.mark.parametrize(
    "text",
    [
        "0",
        "-0",
        "0.0",
        "0.0000000001",
        "1e400",
        "1e999999999",
        "1e-999999999",
        "1000000000.1",
        "NaN",
        "1_0",
        "+1",
        "01",
    ],
)
def test_amounts_that_are_refused(text: str) -> None:
    """Zero, a tenth digit after the point, the out of range and the misspelled are refused with words."""
    with pytest.raises(AmountError, match=r"\w"):
        parse_delta(text)


def test_a_hundred_thousand_times_the_bound_is_exact() -> None:
    """Sums have no bound of their own: 100,000 times 1,000,000,000 is 10^14, to the last digit."""
    assert amount_text(sum(parse_delta("1000000000") for _ in range(100_000))) == "100000000000000"
    assert amount_text(parse_delta("0.1") + parse_delta("0.2")) == "0.3"


@given(st.integers(0, 253_402_300_799_999_999))
def test_instants_survive_their_spelling(at_us: int) -> None:
    """An instant spelled out and read again is the same microsecond, and lies in its own month."""
    assert parse_instant(instant_text(at_us)) == at_us
    period = period_of(at_us)
    assert period_start(period) <= at_us < period_end(period)


@pytest.mark.parametrize(
    "text", ["", "2026-02-30T00:00:00Z", "2026-01-01T24:00:00Z", "1969-12-31T23:59:59Z", "2026-01-01T00:00:60Z", "20260101",
             "2026-01-01T00:00:00.1234567Z", "2026-01-01", "1767225600", "2026-01-01T00:00:00+25:00"]
)  # fmt: skip
def test_instants_that_are_refused(text: str) -> None:
    """Dates that are not real, instants out of range, too fine or spelled otherwise are refused."""
    with pytest.raises(InstantError):
        parse_instant(text)


def test_offsets_and_fractions_are_read() -> None:
    """An offset is applied, no offset is UTC, up to six digits of a second are kept."""
    utc = parse_instant("2026-01-01T00:00:00Z")
    assert parse_instant("2026-01-01T01:30:00+01:30") == utc
    assert parse_instant("2025-12-31T19:00:00-0500") == utc
    assert parse_instant("2026-01-01T00:00:00.000001") == utc + 1
    assert parse_instant("2026-01-01", allow_date=True) == utc


@given(st.integers(0, 2000), st.integers(-2000, 2000))
def test_months_add_up(start: int, months: int) -> None:
    """Adding months and taking them off again is the same month."""
    period = add_months("1990-01", start)
    assert add_months(add_months(period, months), -months) == period


@given(st.integers(0, 240), st.none() | st.integers(0, 240), st.integers(0, 27 * 86_400))
def test_a_delta_is_posted_to_the_first_open_month(month: int, locked: int | None, second: int) -> None:
    """Open months keep their own deltas; a locked month's go to the first instant of the next open month, and say so."""
    base = "2020-01"
    happened = period_start(add_months(base, month)) + second * 1_000_000
    through = None if locked is None else add_months(base, locked)
    posted = post(happened, through)
    if through is None or period_of(happened) > through:
        assert (posted.period, posted.posted_at, posted.late) == (period_of(happened), happened, False)
    else:
        assert posted.period == add_months(through, 1)
        assert posted.posted_at == period_start(posted.period)
        assert posted.late
        assert any(posted.period in line for line in posting_warnings(posted, happened, happened))


def test_occurred_at_is_believed_within_reason() -> None:
    """Five minutes ahead and 36 months back are taken, anything beyond is refused: 1970 is a unit mix-up."""
    now = parse_instant("2026-05-15T12:00:00Z")
    assert check_occurred_at(now + 300_000_000, now) is None
    assert check_occurred_at(now + 300_000_001, now)
    assert check_occurred_at(parse_instant("2023-05-01T00:00:00Z"), now) is None
    assert check_occurred_at(parse_instant("2023-04-30T23:59:59Z"), now)
    assert check_occurred_at(now // 1000, now)


def test_an_emit_just_after_midnight_of_a_new_month_is_warned_about() -> None:
    """Without occurredAt the first six hours of a month give a warning, with it they do not."""
    at = parse_instant("2026-05-01T00:10:00Z")
    assert posting_warnings(post(at, None), at, None)
    assert not posting_warnings(post(at, None), at, at)
    assert not posting_warnings(post(at + 7 * 3_600_000_000, None), at + 7 * 3_600_000_000, None)


@pytest.mark.parametrize(
    ("given_fields", "code"),
    [
        ({"period": "2026-01", "timePreset": "current_month"}, "INVALID_SCOPE_COMBINATION"),
        ({"period": "2026-01", "startDate": "2026-01-01", "endDate": "2026-02-01"}, "INVALID_SCOPE_COMBINATION"),
        ({"startDate": "2026-01-01"}, "INVALID_SCOPE_COMBINATION"),
        ({"timePreset": "custom"}, "INVALID_SCOPE_COMBINATION"),
        (
            {"timePreset": "current_month", "startDate": "2026-01-01", "endDate": "2026-02-01"},
            "INVALID_SCOPE_COMBINATION",
        ),
        ({"startingCheckpoint": "rec_1", "period": "2026-01"}, "INVALID_SCOPE_COMBINATION"),
        ({"startDate": "2023-01-01", "endDate": "2026-01-01T00:00:01Z"}, "SCOPE_TOO_WIDE"),
        ({"period": "2026-13"}, None),
        ({"startDate": "2026-02-01", "endDate": "2026-02-01"}, None),
        ({"startingCheckpointType": "nonsense"}, None),
    ],
)
def test_scopes_that_are_refused(given_fields: dict[str, str], code: str | None) -> None:
    """A scope is said in exactly one way, of at most 36 months."""
    with pytest.raises(ScopeError) as caught:
        parse_scope(given_fields, parse_instant("2026-05-15T12:00:00Z"))
    assert caught.value.code == code


def test_a_window_of_exactly_36_months_is_taken_and_a_lone_type_is_tolerated() -> None:
    """36 months are the most, and a startingCheckpointType without its checkpoint says nothing."""
    now = parse_instant("2026-05-15T12:00:00Z")
    scope = parse_scope({"startDate": "2023-01-01", "endDate": "2026-01-01"}, now)
    assert (scope.first, scope.last) == ("2023-01", "2025-12")
    assert parse_scope({"startingCheckpointType": "proofRoot"}, now).mode == "current_month"


def test_frontiers_prove_their_first_and_last_leaf_at_every_size() -> None:
    """The kept edges of a tree give its root and both inclusion proofs, without the leaves."""
    leaves = [leaf_hash(b"%d" % i) for i in range(131)]
    frontier = Frontier()
    for size, leaf in enumerate(leaves, 1):
        frontier.append(leaf)
        root = root_of_leaves(leaves[:size])
        assert frontier.root == root
        assert root_from_inclusion(leaves[0], 0, size, frontier.first_path()) == root
        assert root_from_inclusion(leaf, size - 1, size, frontier.last_path()) == root
        subtree = subtrees_of(leaves[:size])
        for index in range(size):
            assert root_from_inclusion(leaves[index], index, size, inclusion_path(index, size, subtree)) == root


TEXTS = st.text(st.characters(blacklist_categories=["Cs"]), min_size=1, max_size=40)


@given(TEXTS, st.none() | TEXTS, st.none() | TEXTS)
def test_contexts_are_spelled_canonically(reason: str, reference: str | None, metadata: str | None) -> None:
    """The context's bytes, made for speed, are those of the one canonical encoder."""
    fields = {"schema": "pacspace.context.v1", "reason": reason, "referenceId": reference, "metadata": metadata}
    assert delta_context(reason, reference, metadata) == canonical({k: v for k, v in fields.items() if v is not None})


@given(st.integers(-(10**18), 10**18), st.integers(1, 10**15 - 1), st.booleans())
def test_leaves_are_spelled_canonically(amount: int, number: int, full: bool) -> None:
    """The leaf's bytes, made for speed, are those of the one canonical encoder."""
    optional = {"occurred_at": number, "adjusts": "rec_1"} if full else {"occurred_at": None, "adjusts": None}
    delta = Delta(
        id=1, customer=1, period_id=1, period="2026-01", leaf_index=number, sequence=number, record_id="rec_x",
        delta=amount, period_total=amount * 3, total=amount, posted_at=number, recorded_at=number,
        context_hash=b"c" * 32, leaf_hash=b"", context=None, salt=None, reference_mac=None, body_mac=b"",
        receipt_key=0, seal=b"", **optional,
    )  # fmt: skip
    data = delta_leaf("cust.1:a-b_c", delta)
    assert canonical(json.loads(data)) == data


JSON = st.recursive(
    st.booleans() | st.none() | TEXTS | st.integers() | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)


@given(JSON)
def test_metadata_keeps_its_meaning(value: object) -> None:
    """The one text of a JSON value reads back as the same value, numbers exactly, and is its own one text."""
    text = exact_json.text_of(exact_json.parse(json.dumps(value).encode()))
    assert json.loads(text, parse_float=Decimal, parse_int=Decimal) == json.loads(
        json.dumps(value), parse_float=Decimal, parse_int=Decimal
    )
    assert exact_json.text_of(exact_json.parse(text.encode())) == text


def test_equal_numbers_are_spelled_alike() -> None:
    """1, 1.0, 10e-1 and 0.1e1 are one number; so are 0 and -0.0."""
    spelled = {exact_json.number_text(text) for text in ("1", "1.0", "10e-1", "0.1e1", "1E0")}
    assert spelled == {"1"}
    assert {exact_json.number_text(text) for text in ("0", "-0.0", "0e5")} == {"0"}
    assert exact_json.number_text("1.5e300") == "15e299"


@pytest.mark.parametrize(
    "body",
    [
        b'{"a":1,"a":2}',
        b'{"a":{"b":1,"b":1}}',
        b'"\\ud800"',
        b"\xff",
        b"NaN",
        b"[1,]",
        b"",
        b"[" * 17 + b"]" * 17,
        b"[" * 100_000,
    ],
)
def test_json_that_is_refused(body: bytes) -> None:
    """Repeated keys, lone surrogates, bad UTF-8, NaN, trailing commas and depth are refused, whatever the size."""
    with pytest.raises(exact_json.JsonError):
        exact_json.parse(body)
