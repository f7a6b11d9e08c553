"""Reads the record: balances of a scope, and comparisons of two views with it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from ..errors import ValidationError
from ..exact import exact_amount
from ..options import SCOPE_KEYS, STARTING_KEYS, check_scope, pick, read_options
from ..protocol import Call, Core, Operation, balance_path, call
from ..surface import Pages, Place
from ..types import CompareOptions, CompareReply, Delta, DeriveOptions, DeriveReply, WindowOptions

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ..types import DeriveKeywords, WindowKeywords

PAGE = 1_000  # deltas per request of iter_deltas
DERIVE_FIELDS = (*SCOPE_KEYS, *STARTING_KEYS, "granularity", "limit", "offset", "include")
COMPARE_FIELDS = (*SCOPE_KEYS, *STARTING_KEYS, "granularity")


def derive(
    core: Core, customer_id: str, options: DeriveOptions | None = None, **keywords: Unpack[DeriveKeywords]
) -> Operation[DeriveReply]:
    """The balance of a scope (by default the current UTC month), from everything acknowledged before the call.

    `limit`, `offset` or `include="deltas"` adds a page of the deltas, `granularity` a breakdown.
    """
    return _derive(core, customer_id, read_options(DeriveOptions, options, keywords))


def derive_current_month(
    core: Core, customer_id: str, options: WindowOptions | None = None, **keywords: Unpack[WindowKeywords]
) -> Operation[DeriveReply]:
    """The balance of the current UTC month, including deltas posted ahead."""
    given = read_options(WindowOptions, options, keywords)
    return _derive(core, customer_id, {**given, "timePreset": "current_month"})


def derive_for_period(
    core: Core, customer_id: str, period: str, options: WindowOptions | None = None, **keywords: Unpack[WindowKeywords]
) -> Operation[DeriveReply]:
    """The balance of one month, `YYYY-MM`."""
    return _derive(core, customer_id, {**read_options(WindowOptions, options, keywords), "period": period})


def derive_months_back(
    core: Core, customer_id: str, months: int, options: WindowOptions | None = None, **keywords: Unpack[WindowKeywords]
) -> Operation[DeriveReply]:
    """The balance of the last so many UTC months, including the current one, by this machine's clock."""
    _require_count(months, "months")
    today = datetime.now(timezone.utc)
    this = today.year * 12 + today.month - 1
    window = {"startDate": _month_text(this - months + 1), "endDate": _month_text(this + 1)}
    return _derive(core, customer_id, {**read_options(WindowOptions, options, keywords), **window})


def derive_days_back(
    core: Core, customer_id: str, days: int, options: WindowOptions | None = None, **keywords: Unpack[WindowKeywords]
) -> Operation[DeriveReply]:
    """The balance of the last so many UTC days, including today, by this machine's clock."""
    _require_count(days, "days")
    tomorrow = datetime.now(timezone.utc).date() + timedelta(days=1)
    window = {"startDate": f"{tomorrow - timedelta(days=days)}T00:00:00Z", "endDate": f"{tomorrow}T00:00:00Z"}
    return _derive(core, customer_id, {**read_options(WindowOptions, options, keywords), **window})


def iter_deltas(
    core: Core, customer_id: str, options: DeriveOptions | None = None, **keywords: Unpack[DeriveKeywords]
) -> Pages[Delta]:
    """Every delta of a scope, in the order of its period trees; `limit` is the page size."""
    given = read_options(DeriveOptions, options, keywords)
    start, limit = given.pop("offset", 0), given.pop("limit", PAGE)

    def read(place: Place | None) -> Operation[tuple[list[Delta], Place | None]]:
        offset = start if place is None else int(place)
        page = {**given, "include": "deltas", "limit": limit, "offset": offset}
        found = (yield from _derive(core, customer_id, page)).get("deltas", [])
        return found, offset + len(found) if len(found) >= limit else None

    return read


def compare(core: Core, customer_id: Any, views: Any, given: Mapping[str, Any]) -> Operation[CompareReply]:
    """Compares two views with the record. Both surfaces read its arguments, which may also be a single dict."""
    yours, theirs = _balances(views)
    check_scope(given)
    body: dict[str, Any] = {"customerId": customer_id, "yourBalance": yours, "theirBalance": theirs}
    body["startingBalance"] = exact_amount(given.get("startingBalance", 0), "startingBalance")
    body |= pick(given, *COMPARE_FIELDS)
    if "tolerance" in given:
        body["tolerance"] = exact_amount(given["tolerance"], "tolerance")
    if "theirRecords" in given:
        body["theirRecords"] = [_their_record(index, record) for index, record in enumerate(given["theirRecords"])]
    return call(core, Call("POST", balance_path("compare"), body=body, options=given))


def read_compare(
    request: Any, views: Any, options: CompareOptions | None, keywords: Mapping[str, Any]
) -> tuple[Any, Any, dict[str, Any]]:
    """customer_id, the two views and the options of `compare`, from positional arguments or one dict."""
    if not isinstance(request, Mapping):
        if request is None or views is None:
            raise TypeError("compare() needs customer_id and the two views")
        return request, views, read_options(CompareOptions, options, keywords)
    if views is not None or options is not None:
        raise TypeError("compare() takes one dict, or customer_id and the two views")
    rest = dict(request)
    customer_id = rest.pop("customerId", None)
    if customer_id is None:
        raise TypeError("compare() needs customerId in its dict")
    names = ("yours", "theirs", "yourBalance", "theirBalance")
    views = {name: rest.pop(name) for name in names if name in rest}
    return customer_id, views, read_options(CompareOptions, rest, keywords)


def _derive(core: Core, customer_id: str, given: Mapping[str, Any]) -> Operation[DeriveReply]:
    check_scope(given)
    query = pick(given, *DERIVE_FIELDS)
    if "startingBalance" in given:
        query["startingBalance"] = exact_amount(given["startingBalance"], "startingBalance")
    return call(core, Call("GET", balance_path("derive", customer_id), query=query, options=given))


def _balances(views: Any) -> tuple[Any, Any]:
    if not isinstance(views, Mapping):
        raise TypeError("compare() takes the two views as a dict: {'yours': ..., 'theirs': ...}")
    for yours, theirs in (("yours", "theirs"), ("yourBalance", "theirBalance")):
        if set(views) == {yours, theirs}:
            return exact_amount(views[yours], yours), exact_amount(views[theirs], theirs)
    raise TypeError(
        f"compare() takes yours and theirs (or yourBalance and theirBalance), not {', '.join(map(str, views))}"
    )


def _their_record(index: int, record: Any) -> dict[str, Any]:
    if not isinstance(record, Mapping):
        raise ValidationError(f"theirRecords[{index}] must be a dict, is {type(record).__name__}")
    return {**record, "delta": exact_amount(record.get("delta"), f"theirRecords[{index}].delta")}


def _require_count(value: object, name: str) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValidationError(f"{name} must be a whole number from 1, is {value!r}")


def _month_text(month: int) -> str:
    """The first instant of a month, counted from year 0."""
    return f"{month // 12:04d}-{month % 12 + 1:02d}-01T00:00:00Z"
