"""Canonical bytes against an independent encoder, amounts against decimal, grammars against nonsense."""

from __future__ import annotations

import json
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from pacspace_proofs import FormatError, canonical, parse_canonical
from pacspace_proofs.canonical import (
    amount_text,
    decode_base64,
    is_count,
    is_flag,
    is_hash,
    is_hex_16,
    is_identifier,
    is_instant,
    is_object,
    is_origin,
    is_period,
    is_text,
    is_total,
    units,
)
from pacspace_proofs.record import _match_context, parse_context, reason_of

TEXT = st.text(max_size=20)
KEYS = st.text(st.characters(max_codepoint=127), max_size=10)
VALUES = st.recursive(
    TEXT, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=12
)


def depth(value: Any) -> int:
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if children is None else 1 + max(map(depth, children), default=0)


@given(VALUES)
def test_canonical_bytes_are_rfc_8785(value: Any) -> None:
    """Our encoder and another implementation of RFC 8785 write the same bytes, and parsing them gives the value."""
    data = canonical(value)
    assert data == rfc8785.dumps(value)
    if depth(value) <= 8:
        assert parse_canonical(data) == value


@given(VALUES, st.sampled_from([{"indent": 1}, {"ensure_ascii": True}, {"separators": (", ", ":")}]))
def test_another_spelling_is_refused(value: Any, options: dict[str, Any]) -> None:
    """JSON of the same value in other bytes is refused."""
    data = json.dumps(value, **{"separators": (",", ":"), "sort_keys": True, "ensure_ascii": False, **options}).encode()
    if data != canonical(value):
        with pytest.raises(FormatError):
            parse_canonical(data)


@given(st.binary(max_size=60) | st.text(alphabet='{}[]",:\\u0dabc 1-.tfn', max_size=40).map(str.encode))
def test_any_bytes_are_parsed_or_refused(data: bytes) -> None:
    """No bytes make the parser raise anything but FormatError, and what it takes is exactly canonical."""
    try:
        value = parse_canonical(data)
    except FormatError:
        return
    assert canonical(value) == data == rfc8785.dumps(value)  # type: ignore[arg-type]


FIELDS = {"reason": st.text(max_size=6), "referenceId": st.text(max_size=6), "metadata": st.text(max_size=6)}
CONTEXTS = st.fixed_dictionaries(
    {"schema": st.sampled_from(["pacspace.context.v1", "pacspace.context.v2"])}, optional=FIELDS
)


@given(CONTEXTS, st.text(alphabet='\\"u0019afbn{},:', max_size=2), st.integers(0, 200))
def test_a_context_is_one_pattern(value: dict[str, str], noise: str, position: int) -> None:
    """The pattern for contexts takes exactly what parsing takes, also with a few characters put in anywhere."""
    text = canonical(value).decode()
    for context in (text, text[:position] + noise + text[position:]):
        try:
            expected = parse_context(context.encode())["reason"]
        except FormatError:
            with pytest.raises(FormatError):
                reason_of(context)
            assert _match_context(context) is None
        else:
            assert reason_of(context) == expected
            assert _match_context(context) is not None


def test_lone_surrogates_are_refused_when_encoding() -> None:
    """A string that is no text can't be hashed."""
    with pytest.raises(FormatError):
        canonical({"a": "\ud800"})


def test_keys_longer_than_a_string_may_be() -> None:
    """Keys are strings and have their limit; many short keys are no long one."""
    many = {f"key{number:09}": "" for number in range(6000)}
    assert parse_canonical(canonical(many)) == many
    with pytest.raises(FormatError):
        parse_canonical(canonical({"k" * 65537: ""}))


@given(st.integers(-(10**40), 10**40))
def test_amounts_keep_their_value(number: int) -> None:
    """The text of an amount has its exact value, is the one spelling, and leads back to it."""
    text = amount_text(number)
    assert Decimal(text).scaleb(9) == number if abs(number) < 10**28 else units(text) == number
    assert units(text) == number
    assert is_total(text) == (len(text) <= 40)


@given(st.decimals(allow_nan=False, allow_infinity=False, places=9, min_value=-(10**15), max_value=10**15))
def test_every_decimal_has_one_spelling(value: Decimal) -> None:
    """A decimal's shortest plain spelling is taken, and any other one is refused."""
    plain = format(value, "f").rstrip("0").rstrip(".")
    shortest = "0" if Decimal(plain) == 0 else plain
    assert is_total(shortest) and units(shortest) == int(value.scaleb(9))
    for other in {format(value, "f"), "+" + shortest, shortest + "0" if "." in shortest else shortest + ".0"} - {
        shortest
    }:
        assert not is_total(other)


GRAMMARS = [is_count, is_flag, is_hash, is_hex_16, is_identifier, is_instant, is_origin, is_period, is_text, is_total]


@pytest.mark.parametrize("fits", GRAMMARS)
@pytest.mark.parametrize("value", [None, True, 1, 1.5, b"1", [], ["1"], {}, {"1": "1"}, ("1",), ""])
def test_grammars_take_strings_only(fits: Any, value: object) -> None:
    """What is not a string with something in it fits no grammar."""
    assert fits(value) is False


def test_is_object() -> None:
    """Only a JSON object is one."""
    assert [is_object(value) for value in ({}, [], "", None)] == [True, False, False, False]


@given(st.text())
def test_text_is_anything(value: str) -> None:
    """Line breaks and invisible characters are text too."""
    assert is_text(value) is (value != "")


@given(st.datetimes(min_value=datetime.fromisoformat("1970-01-01")))
def test_every_real_instant_fits(value: Any) -> None:
    """Instants from 1970 to 9999 fit, and sort as text like they do in time."""
    text = value.isoformat(timespec="microseconds") + "Z"
    assert is_instant(text)
    assert not is_instant(text[:-1]) and not is_instant(text + "\n") and not is_instant(text.lower())


@pytest.mark.parametrize("text", ["a", "YQ", "YQ=", "YR==", "YQ==\n", "Y Q==", "YQ==YQ==", "-_8=", "é"])
def test_base64_has_one_spelling(text: str) -> None:
    """Unpadded, loose, broken or foreign base64 is refused."""
    assert decode_base64("YQ==") == b"a"
    with pytest.raises(FormatError):
        decode_base64(text)
