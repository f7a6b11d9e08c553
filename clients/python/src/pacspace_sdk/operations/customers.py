"""The customers of a workspace."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..options import pick, read_options
from ..protocol import Call, Core, Operation, balance_path, call, path_of
from ..surface import Pages, Place
from ..types import (
    CreatedCustomer,
    Customer,
    CustomerList,
    CustomerOptions,
    CustomerReply,
    CustomersOptions,
    NumberedPage,
    RequestOptions,
)

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ..types import CustomerKeywords, CustomersKeywords

PAGE = 100  # customers per request of iter_customers


def customers(
    core: Core, options: CustomersOptions | None = None, **keywords: Unpack[CustomersKeywords]
) -> Operation[CustomerList]:
    """One page of customers; `search` matches a part of their names."""
    return _customers(core, read_options(CustomersOptions, options, keywords))


def iter_customers(
    core: Core, options: CustomersOptions | None = None, **keywords: Unpack[CustomersKeywords]
) -> Pages[Customer]:
    """Every matching customer; `limit` is the page size."""
    given = read_options(CustomersOptions, options, keywords)
    given.setdefault("limit", PAGE)

    def read(place: Place | None) -> Operation[tuple[list[Customer], Place | None]]:
        rest = {name: value for name, value in given.items() if name not in ("page", "cursor")}
        turned = {"cursor" if isinstance(place, str) else "page": place}
        found = yield from _customers(core, given if place is None else {**rest, **turned})
        return found["customers"], _next(found["pagination"])

    return read


def _next(page: NumberedPage) -> Place | None:
    """The next page's cursor, or its number if there are no cursors."""
    if "nextCursor" in page:
        return page["nextCursor"]
    number = page["page"] or 1
    return number + 1 if number < page["totalPages"] else None


def customer(
    core: Core, customer_id: str, options: CustomerOptions | None = None, **keywords: Unpack[CustomerKeywords]
) -> Operation[CustomerReply]:
    """One customer with its newest deltas."""
    given = read_options(CustomerOptions, options, keywords)
    query = pick(given, "deltaPage", "deltaLimit", "period")
    return call(core, Call("GET", balance_path("customers", customer_id), query=query, options=given))


def create(
    core: Core,
    *,
    display_name: str,
    customer_id: str | None = None,
    sharing_state_hint: str | None = None,
    event_cadence: str | None = None,
    unit_label: str | None = None,
    options: RequestOptions | None = None,
) -> Operation[CreatedCustomer]:
    """Creates a customer; `options` contains the `dashboardToken`. Raises ConflictError if the id is taken."""
    given = read_options(RequestOptions, options, {})
    fields = {
        "displayName": display_name,
        "customerId": customer_id,
        "sharingStateHint": sharing_state_hint,
        "eventCadence": event_cadence,
        "unitLabel": unit_label,
    }
    body = {name: value for name, value in fields.items() if value is not None}
    asked = Call("POST", path_of("dashboard", "customers"), body=body, options=given, repeatable=False)
    return call(core, asked)


def _customers(core: Core, given: Mapping[str, Any]) -> Operation[CustomerList]:
    query = pick(given, "page", "cursor", "limit", "search", "period")
    return call(core, Call("GET", balance_path("customers"), query=query, options=given))
