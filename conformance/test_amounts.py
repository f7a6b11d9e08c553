"""Amounts are exact decimals from the request to the total."""

from __future__ import annotations

import random
from decimal import Decimal, localcontext
from itertools import count

import pytest
from hypothesis import given, seed, settings
from hypothesis import strategies as st
from testkit.chance import SEED
from testkit.extent import times
from testkit.server import BALANCE, Client, parts_of

LIMIT = 10**18  # 1,000,000,000 in units of 10^-9
_customers = count()


def spelled(units: int, rng: random.Random) -> str:
    """A JSON number of so many 10^-9, in one of its many spellings."""
    value = Decimal(units).scaleb(-9)
    plain = f"{value:f}"
    short = plain.rstrip("0").rstrip(".")
    digits, exponent = f"{value:e}".split("e") if "e" in f"{value:e}" else (plain, "0")
    return rng.choice(
        [plain, short, f"{digits}e{exponent}", f"{digits}E{int(exponent):+d}", short if "." in short else short + ".0"]
    )


def item(customer: str, number: str) -> str:
    return f'{{"customerId":"{customer}","delta":{number},"reason":"usage"}}'


def send(client: Client, items: list[str]) -> list[dict[str, object]]:
    """A batch of raw JSON texts."""
    for_body = ('{"deltas":[' + ",".join(items) + "]}").encode()
    return client.post(f"{BALANCE}/delta/batch", for_body).data["results"]


@seed(SEED)
@settings(max_examples=40)
@given(
    st.lists(
        st.one_of(
            st.integers(-LIMIT, LIMIT),
            st.integers(-(10**9), 10**9),
            st.sampled_from([1, -1, LIMIT, -LIMIT, 10**8, 2 * 10**8, 100]),
        ).filter(bool),
        min_size=1, max_size=60,
    ),
    st.randoms(use_true_random=False),
)  # fmt: skip
def test_totals_are_those_of_exact_decimals(client: Client, amounts: list[int], rng: random.Random) -> None:
    """Whatever amounts are recorded, in whatever spelling, every reply and total equals exact decimal arithmetic."""
    customer = f"exact_{next(_customers)}"
    results = send(client, [item(customer, spelled(units, rng)) for units in amounts])
    values = [Decimal(units).scaleb(-9) for units in amounts]
    assert [result["delta"] for result in results] == values
    with localcontext(prec=60):
        total = sum(values, Decimal(0))
        derived = client.derive(customer, include="deltas", startingBalance="0.000000001").data
        assert derived["netChange"] == total and derived["computedBalance"] == total + Decimal("1e-9")
        assert [delta["delta"] for delta in derived["deltas"]] == values
        receipt = client.receipt(customer).data
        assert receipt["debits"] == sum((v for v in values if v < 0), Decimal(0))
        assert receipt["credits"] == sum((v for v in values if v > 0), Decimal(0))
        assert client.compare(customer, total, total).data["match"] is True
        assert client.compare(customer, total, total + Decimal("1e-9")).data["match"] is False


def test_a_tenth_and_two_tenths_are_three_tenths(client: Client, customer: str) -> None:
    """0.1 + 0.2 is 0.3, to the last digit of the reply."""
    client.emit(customer, Decimal("0.1")).data
    client.emit(customer, Decimal("0.2")).data
    assert b'"computedBalance":0.3,' in client.derive(customer).body


@pytest.mark.parametrize(
    ("sent", "answered"),
    [("1e-7", "0.0000001"), ("-0.000000001", "-0.000000001"), ("1E+9", "1000000000"), ("-1000000000.000", "-1000000000"),
     ("0.10", "0.1"), ("123456789e-9", "0.123456789"), ("-86.38", "-86.38"), ("999999999.999999999", "999999999.999999999"),
     ("0.0000000010000000000", "0.000000001")],
)  # fmt: skip
def test_a_number_is_taken_by_its_value(client: Client, customer: str, sent: str, answered: str) -> None:
    """A number in any JSON spelling is answered plainly, without exponent or trailing zeros."""
    reply = client.post(f"{BALANCE}/delta", item(customer, sent).encode())
    assert reply.status == 201 and f'"delta":{answered},'.encode() in reply.body
    assert f'"netChange":{answered},'.encode() in client.derive(customer).body


def test_many_times_the_largest_delta(client: Client, customer: str) -> None:
    """Thousands of deltas of 1,000,000,000 add up exactly, far beyond 64 bits of the smallest unit."""
    batches = times(3, 100)
    body = '{"deltas":[' + ",".join([item(customer, "1000000000")] * 1000) + "]}"
    for _ in range(batches):
        assert client.post(f"{BALANCE}/delta/batch", body.encode()).data["totalQueued"] == 1000
    derived = client.derive(customer).data
    assert (derived["deltaCount"], derived["computedBalance"]) == (batches * 1000, batches * 10**12)


def test_spellings_of_one_amount_are_the_same_delta(client: Client, customer: str) -> None:
    """-100, -100.0 and -1e2 under one reference are one record."""
    spellings = ("-100", "-100.0", "-1e2", "-100.000000000", "-1000E-1")
    texts = [item(customer, number)[:-1] + ',"referenceId":"r"}' for number in spellings]
    replies = [client.post(f"{BALANCE}/delta", text.encode()) for text in texts]
    assert [reply.status for reply in replies] == [201, 200, 200, 200, 200]
    assert len({reply.data["recordId"] for reply in replies}) == 1
    assert client.derive(customer).data["netChange"] == -100


BAD_DELTAS = [
    ("0", "0"), ("-0", "0"), ("0.0", "0"), ("-0.0e5", "0"), ("0.0000000001", "9 digits"), ("-1.2345678901", "9 digits"),
    ("1000000000.000000001", "1,000,000,000"), ("-1000000001", "1,000,000,000"), ("1e10", "1,000,000,000"),
    ("1e400", "range|1,000,000,000"), ("1e999999999", "range"), ("1e-999999999", "range"), ("1" * 500, "range"),
    ('"5"', "number.*string"), ("true", "number.*true"), ("null", "required"), ("[5]", "number.*array"), ("{}", "number.*object"),
]  # fmt: skip


@pytest.mark.parametrize(("number", "says"), BAD_DELTAS, ids=[number[:24] for number, _ in BAD_DELTAS])
def test_what_is_no_amount_is_refused(client: Client, customer: str, number: str, says: str) -> None:
    """A delta that is zero, too fine, too large or no number is a plain 400 that names `delta` and says why."""
    import re

    reply = client.post(f"{BALANCE}/delta", item(customer, number).encode())
    assert reply.status == 400 and "code" not in reply.error
    (detail,) = reply.error["details"]
    assert detail["field"] == "delta" and re.search(says, detail["problem"]), detail
    assert "delta" in reply.error["message"]
    (result,) = send(client, [item(customer, number)])
    assert result["status"] == "REJECTED" and "delta" in str(result["error"])
    assert client.derive(customer).error["code"] == "CUSTOMER_NOT_FOUND"


BAD_BODIES = {
    "NaN": (b'{"customerId":"%c","delta":NaN,"reason":"r"}', "NaN"),
    "Infinity": (b'{"customerId":"%c","delta":Infinity,"reason":"r"}', "Infinity"),
    "-Infinity": (b'{"customerId":"%c","delta":-Infinity,"reason":"r"}', "Infinity"),
    "leading zero": (b'{"customerId":"%c","delta":01,"reason":"r"}', "JSON"),
    "leading plus": (b'{"customerId":"%c","delta":+1,"reason":"r"}', "JSON"),
    "bare point": (b'{"customerId":"%c","delta":1.,"reason":"r"}', "JSON"),
    "hexadecimal": (b'{"customerId":"%c","delta":0x10,"reason":"r"}', "JSON"),
    "duplicate delta": (b'{"customerId":"%c","delta":1,"delta":2,"reason":"r"}', "delta"),
    "duplicate by escape": (b'{"customerId":"%c","delta":1,"d\\u0065lta":2,"reason":"r"}', "delta"),
    "duplicate in metadata": (b'{"customerId":"%c","delta":1,"reason":"r","metadata":{"k":1,"k":1}}', "k"),
    "lone surrogate": (b'{"customerId":"%c","delta":1,"reason":"\\ud800"}', "surrogate"),
    "reversed surrogates": (b'{"customerId":"%c","delta":1,"reason":"\\udc00\\ud800"}', "surrogate"),
    "lone surrogate as a key": (b'{"customerId":"%c","delta":1,"reason":"r","metadata":{"\\udfff":1}}', "surrogate"),
    "depth 17": (b'{"customerId":"%c","delta":1,"reason":"r","metadata":{"a":' + b"[" * 15 + b"]" * 15 + b"}}", "16"),
    "depth 100,000": (b'{"customerId":"%c","delta":1,"reason":"r","metadata":' + b"[" * 100_000 + b"]" * 100_000 + b"}", ""),
    "bad UTF-8": (b'{"customerId":"%c","delta":1,"reason":"\xff"}', "UTF-8"),
    "UTF-8 of a surrogate": (b'{"customerId":"%c","delta":1,"reason":"\xed\xa0\x80"}', "UTF-8"),
    "overlong UTF-8": (b'{"customerId":"%c","delta":1,"reason":"\xc0\xaf"}', "UTF-8"),
    "UTF-16": ('{"customerId":"%c","delta":1,"reason":"r"}'.encode("utf-16"), ""),
    "cut off": (b'{"customerId":"%c","delta":1,"reason":"r"', "JSON"),
    "two documents": (b'{"customerId":"%c","delta":1,"reason":"r"}{}', "JSON"),
    "control character": (b'{"customerId":"%c","delta":1,"reason":"a\x01b"}', "JSON"),
    "an array": (b"[]", "object"),
    "a string": (b'"delta"', "object"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_BODIES)
def test_what_is_no_strict_json_is_refused(client: Client, customer: str, name: str) -> None:
    """A body that is not strict JSON is a plain 400 that says what is wrong, and nothing is stored."""
    template, says = BAD_BODIES[name]
    body = template.replace(b"%c", customer.encode())
    reply = client.post(f"{BALANCE}/delta", body)
    assert reply.status == 400 and reply.error["type"] == "VALIDATION_ERROR" and "code" not in reply.error
    assert reply.error["details"] and says in reply.error["message"], reply.error
    assert client.post(f"{BALANCE}/delta/batch", b'{"deltas":[' + body + b"]}").status in (400, 201)
    assert client.derive(customer).status == 404


def test_depth_sixteen_and_real_surrogate_pairs_are_taken(client: Client, customer: str) -> None:
    """The limits are where they are said to be: depth 16 and astral characters come back as they were sent."""
    deep = b'{"customerId":"%c","delta":1,"reason":"\\ud83d\\ude00","metadata":{"a":' + b"[" * 14 + b"]" * 14 + b"}}"
    recorded = client.post(f"{BALANCE}/delta", deep.replace(b"%c", customer.encode())).data
    assert recorded["reason"] == "\U0001f600"
    read = client.record(recorded["recordId"]).data
    assert read["reason"] == "\U0001f600" and read["metadata"] == recorded["metadata"]


def test_metadata_numbers_keep_their_value(client: Client, customer: str) -> None:
    """Numbers in metadata are carried by value, with more digits than a float has."""
    exact = Decimal("0.1234567890123456789012345")
    recorded = client.emit(customer, 1, metadata={"exact": exact, "large": 2**80}).data
    assert client.record(recorded["recordId"]).data["metadata"] == {"exact": exact, "large": 2**80}


def test_bad_items_never_hide_good_ones(client: Client, customer: str, rng: random.Random) -> None:
    """In batches of good and bad items each good one is recorded, each bad one refused with its reason, in order."""
    bad = [number for number, _ in BAD_DELTAS]
    numbers = [rng.choice(bad) if rng.random() < 0.4 else str(rng.randint(1, 999)) for _ in range(600)]
    results = [r for part in parts_of(numbers, 200) for r in send(client, [item(customer, number) for number in part])]
    good = [number for number in numbers if number not in bad]
    assert [r["status"] for r in results] == ["REJECTED" if number in bad else "QUEUED" for number in numbers]
    assert all(r["error"] for r in results if r["status"] == "REJECTED")
    derived = client.derive(customer).data
    assert (derived["deltaCount"], derived["computedBalance"]) == (len(good), sum(map(int, good)))


def test_all_bad_is_still_an_answer(client: Client, customer: str) -> None:
    """A batch whose items are all refused is a 201 that says so."""
    reply = client.batch([{"customerId": customer, "delta": 0, "reason": "r"}])
    assert reply.status == 201 and (reply.data["totalQueued"], reply.data["totalFailed"]) == (0, 1)
