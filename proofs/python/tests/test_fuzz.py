"""Any bytes get a verdict: nothing but a refusal comes of nonsense, and no traceback."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from proofs.vectors import cases_receipts as cases
from proofs.vectors import maker
from proofs.vectors.cases_values import NOW

from pacspace_proofs import FormatError, Trust, parse_trust, parse_verifier_key, verify_receipts
from pacspace_proofs.command import as_json, as_text
from pacspace_proofs.note import parse_log_checkpoint, parse_signature_line

LOG = cases.vendor()
TRUST = parse_trust(LOG.key.line + "\n")
RECEIPTS = [
    cases.made(cases.vendor(), maker.month(LOG.origin, ["-1", "2"], lock=lock), kind)
    for lock in (True, False)
    for kind in ("full", "summary")
]
WINDOW = maker.window("2026-03-01T00:00:00.000000Z", "2026-04-01T00:00:00.000000Z", [RECEIPTS[0]])
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def places(value: Any, way: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The way to every value inside a value."""
    steps: list[Any] = (
        list(value) if isinstance(value, dict) else list(range(len(value))) if isinstance(value, list) else []
    )
    return [way, *(found for step in steps for found in places(value[step], (*way, step)))]


def judge(data: bytes) -> str:
    report = verify_receipts([data], TRUST, NOW)
    # The report can be shown, whatever is in it.
    json.loads(as_json(["a"], report, 1))
    assert as_text(["a"], report, 1).isprintable() or "\n" in as_text(["a"], report, 1)
    return report.result


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_a_receipt_with_one_value_replaced_by_junk(data: st.DataObject) -> None:
    """Wherever any other JSON value stands in place of a part of a receipt, the verdict is a refusal."""
    receipt = data.draw(st.sampled_from([*RECEIPTS, WINDOW]))
    *way, last = data.draw(st.sampled_from(places(receipt)[1:]))
    junk = data.draw(JUNK | st.sampled_from([{}, [], "", "0", "-1", "9" * 15, "no", "yes", "ab" * 32]))
    changed = copy.deepcopy(receipt)
    target = changed
    for step in way:
        target = target[step]
    same = target[last] == junk
    target[last] = junk
    text = json.dumps(changed, separators=(",", ":"), sort_keys=True, ensure_ascii=False)
    assert same or judge(text.encode("utf-8", "surrogatepass")) == "refused"


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200) | JUNK.map(lambda value: json.dumps(value).encode()))
def test_any_file_is_refused(data: bytes) -> None:
    """Bytes that are no receipt are refused by check 1."""
    assert judge(data) == "refused"


@pytest.mark.parametrize(
    "data",
    [b"[" * 10**6, b'{"a":' * 10**5, b"9" * 10**6, b'"' + b"\\ud800" * 10**5 + b'"', b"[" + b'"",' * 10**5 + b'""]', b"\xff" * 10**5],
)  # fmt: skip
def test_large_nonsense_is_refused(data: bytes) -> None:
    """Deep, long and broken input is refused, not a crash."""
    assert judge(data) == "refused"


@given(st.text() | st.text(alphabet="\n\u2014 +=abcAB019/.", max_size=60))
def test_any_text_is_a_note_a_key_a_trust_file_or_refused(text: str) -> None:
    """The other parsers refuse, and never crash."""
    for parse in (parse_log_checkpoint, parse_signature_line, parse_verifier_key, parse_trust):
        try:
            parse(text)
        except FormatError:
            pass
        else:
            assert parse is parse_trust and (text.strip(" \t\n") == "" or "#" in text)


def test_surrogates_from_a_command_line() -> None:
    """An argument that is not UTF-8 reaches the parsers with lone surrogates."""
    for parse in (parse_log_checkpoint, parse_signature_line, parse_verifier_key, parse_trust):
        with pytest.raises(FormatError):
            parse(LOG.key.line.replace("+", "\udcff+", 1))


def test_the_number_of_files_is_limited() -> None:
    """None at all, or more than 1,000, is a wrong call and no verdict."""
    for files in ([], [b""] * 1001):
        with pytest.raises(FormatError):
            verify_receipts(files, Trust(), 0)
