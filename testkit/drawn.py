"""What the state machine draws: amounts, texts, deltas, scopes; each shrinks to something plain."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

START = "2099-11-10T12:00:00.000000Z"  # February 2100 has 28 days
CUSTOMERS = ["acme", "..", "Z-_.:9" + "z" * 122]
NOBODY = "nobody"
HOUR, DAY = 3600, 86_400
MONTH = "month"  # the first instant of the running one
UNKNOWN = {"recordId": "rec_" + "0" * 52, "referenceId": "never recorded"}
SPOILT = [
    {"delta": 0}, {"delta": Decimal("1000000000.000000001")}, {"delta": Decimal("1E-10")}, {"delta": "1"}, {"reason": ""},
    {"reason": "x" * 501}, {"occurredAt": "2100-02-29T00:00:00Z"}, {"occurredAt": "2099-11-10"}, {"metadata": []},
    {"customerId": "a b"}, {"customerId": "ä"}, {"referenceId": "x" * 256}, {"adjusts": {}}, {"amount": 1},
]  # fmt: skip

amounts = (
    st.integers(-9, 9).map(Decimal)
    | st.decimals(-(10**9), 10**9, places=9)
    | st.sampled_from(["1E-9", "-1E-9", "1000000000", "-1000000000", "999999999.999999999", "0.1", "0.2"]).map(Decimal)
).filter(bool)
texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
reasons = st.sampled_from(["usage", "credit", "Grüße 🧾", "\u0000", "x" * 500]) | texts
references = st.sampled_from(["r1", "r2", "r3", "réf 4", "x" * 255])
values = st.recursive(
    st.none() | texts | st.integers(-(2**53), 2**53) | st.decimals(-1000, 1000, places=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(texts, inner, max_size=2), max_leaves=3,
)  # fmt: skip
metadata = st.just({}) | st.dictionaries(texts, values, max_size=3)
keys = st.none() | st.sampled_from(["k1", "k2"])
picks = st.integers(0, 199)
# Seconds from now: inside the bounds, at their edges, and beyond them.
offsets = st.integers(-90 * DAY, 300) | st.sampled_from(
    [300, 300.000001, -1095 * DAY, -1130 * DAY, -40 * DAY, -1e-6, MONTH]
)
steps = st.integers(0, 60) | st.integers(0, 40 * DAY) | st.sampled_from([5 * HOUR + 59 * 60, DAY, 31 * DAY])
options = st.fixed_dictionaries(
    {},
    optional={
        "granularity": st.sampled_from(["day", "week", "month"]), "limit": st.integers(1, 5), "offset": st.integers(0, 4),
        "include": st.just("deltas"), "startingBalance": amounts,
    },
)  # fmt: skip
scopes = st.tuples(st.integers(0, 6), picks, picks)
pages = st.fixed_dictionaries({}, optional={"limit": st.integers(1, 4), "offset": st.integers(0, 3)})


@st.composite
def items(draw: Any) -> dict[str, Any]:
    """A delta to be; `occurredAt` in seconds from now and `adjusts` as a pick, as only the machine knows what there is."""
    rare = {
        "referenceId": references,
        "metadata": metadata,
        "occurredAt": offsets,
        "adjusts": st.tuples(st.booleans(), picks),
    }
    fixed = {"customerId": st.sampled_from([CUSTOMERS[0], *CUSTOMERS]), "delta": amounts, "reason": reasons}
    return draw(st.fixed_dictionaries(fixed, optional=rare))
