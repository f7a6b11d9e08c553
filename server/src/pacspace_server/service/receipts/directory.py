"""Customers for the dashboard: profile changes, exports, and the close package of a month."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from ...domain.instants import period_of
from ...domain.scopes import Scope
from ...storage.model.protocols import Damaged, Snapshot, Unit
from ...storage.model.records import Customer, Profile
from ...views.customers import CustomerRow, ProfileChanges
from ...views.dashboard import ClosePackage, Summary
from ...views.shapes import RecordedDelta
from ..balances.customers import customer_row, months_of
from ..base import audit, showing
from ..base.context import Caller, Context, find_customer
from ..base.csv_lines import csv_chunks
from ..base.lookup import all_months, log_in_use
from .receipt import receipt

DELTAS, LINES = 500, 200
COLUMNS = (
    "customerId",
    "delta",
    "reason",
    "referenceId",
    "metadata",
    "occurredAt",
    "adjusts.recordId",
    "recordId",
    "receiptId",
    "contentHash",
    "sequenceNumber",
    "period",
    "postedAt",
    "recordedAt",
    "latePosting",
    "status",
)
_encode = msgspec.json.Encoder().encode


def summary(context: Context, caller: Caller, period: str | None) -> Summary:
    """An environment's progress with a month, by default the current one."""
    with context.storage.snapshot() as snapshot:
        environment = snapshot.environment(caller.environment_id)
        month = period or period_of(snapshot.now(environment))
        active, deltas = snapshot.count_active(caller.environment_id, month)
        locked = snapshot.count_locked(caller.environment_id, month)
        months, waiting = snapshot.unverified(caller.environment_id)
        return {
            "environment": environment.name,
            "period": month,
            "customers": snapshot.count_customers(caller.environment_id, None),
            "activeCustomers": active,
            "lockedCustomers": locked,
            "openCustomers": active - locked,
            "deltaCount": deltas,
            "pendingCount": waiting,
            "pendingMonths": months,
        }


async def describe(context: Context, caller: Caller, customer_id: str, changes: ProfileChanges) -> CustomerRow:
    """Changes a customer's profile, and nothing in the record. 404 CUSTOMER_NOT_FOUND."""

    def work(unit: Unit) -> Customer:
        customer = find_customer(context, unit, caller, customer_id)
        before = unit.profile(customer) or Profile(customer.id, customer_id)
        profile = Profile(
            customer.id,
            changes.get("displayName", before.display_name),
            changes.get("sharingStateHint", before.sharing_hint),
            changes.get("eventCadence", before.event_cadence),
        )
        unit.erase_profile(customer)
        unit.add_profile(profile)
        audit.record(unit, caller, "customer.change", customer_id, {"changed": sorted(changes)})
        return customer

    customer = await context.committer.run(work)
    return await context.look(lambda snapshot: customer_row(snapshot, customer, *months_of(snapshot, caller, None)))


def export(context: Context, caller: Caller, customer_id: str, form: str, period: str | None) -> Iterator[bytes]:
    """The deltas of a customer or of one month, as `csv` or `jsonl`, in pieces.

    404 CUSTOMER_NOT_FOUND before the first piece. Raises Vanished if the sandbox is emptied meanwhile.
    """
    with context.storage.snapshot() as snapshot:
        customer = find_customer(context, snapshot, caller, customer_id)
        heads = snapshot.heads(customer, period, period) if period else all_months(snapshot, customer)
        months = [(head.period, head.delta_count) for head in heads]
    deltas = _deltas(context, customer, months)
    if form == "csv":
        return csv_chunks(COLUMNS, map(_cells, deltas))
    return _lines(deltas)


def _deltas(context: Context, customer: Customer, months: list[tuple[str, int]]) -> Iterator[RecordedDelta]:
    """Read in pages, so that a slow reader does not keep a snapshot open."""
    for period, count in months:
        for first in range(1, count + 1, DELTAS):
            with context.storage.snapshot() as snapshot:
                shown = _some(snapshot, customer, period, first, min(count + 1, first + DELTAS))
            yield from shown


def _some(snapshot: Snapshot, customer: Customer, period: str, first: int, end: int) -> list[RecordedDelta]:
    now = snapshot.customer_at(customer.id)
    head, log = snapshot.head(now, period), log_in_use(snapshot, now)
    if head is None:
        raise Damaged("month", period)
    return [
        showing.delta_view(now.customer_id, now.shard_key, delta, showing.delta_status(delta, head, log))
        for delta in snapshot.deltas_in_period(head, first, end)
    ]


def _cells(view: RecordedDelta) -> list[str]:
    """A delta's cells, in the order of the columns."""
    flat = {**view, "adjusts.recordId": view["adjusts"]["recordId"] if "adjusts" in view else None}
    return [_cell(flat.get(name)) for name in COLUMNS]


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, msgspec.Raw):
        return bytes(value).decode()
    return str(value).lower() if isinstance(value, bool) else str(value)


def _lines(deltas: Iterator[RecordedDelta]) -> Iterator[bytes]:
    lines: list[bytes] = []
    for view in deltas:
        lines.append(_encode(view))
        if len(lines) == LINES:
            yield b"\n".join([*lines, b""])
            lines = []
    yield b"\n".join([*lines, b""]) if lines else b""


async def close_package(context: Context, caller: Caller, customer_id: str, scope: Scope) -> ClosePackage:
    """The enclosures of a month's invoice: its receipt, links to its files, and what is missing."""
    view = await receipt(context, caller, customer_id, scope)
    name = await context.look(lambda snapshot: snapshot.profile(find_customer(context, snapshot, caller, customer_id)))
    missing = [] if view["locked"] else ["the month is not locked"]
    if not view["verification"]["inLog"]:
        missing.append("the month is not in the log yet")
    base = f"{context.public_url}/dashboard/customers/{customer_id}/export?period={scope.first}"
    return {
        "customerId": customer_id,
        "displayName": name.display_name if name else None,
        "period": scope.first,
        "ready": not missing,
        "missing": missing,
        "receipt": {**view, "deltas": [], "verification": {**view["verification"], "itemHashes": []}},
        "files": {"bundle": view["bundleUrl"], "csv": f"{base}&format=csv", "jsonl": f"{base}&format=jsonl"},
    }
