"""Visits to Shared Records: written after the reply, many in one write, without delaying readers."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

import structlog

from ...clock import now_us
from ...domain.enumerations import VisitKind
from ...domain.instants import DAY_US, instant_text
from ...storage.model.protocols import Snapshot, Unit
from ...storage.model.sharing import Visit
from ...views.sharing import SharedVisit, SharedVisits
from ..base.context import Caller, Context, find_customer
from ..base.events import queue_event
from .access import Visitor, short
from .links import Shared

logger = structlog.get_logger("pacspace.visits")
VIEWED: Final = "viewed"
EXPORTED: Final = "exported"
COMPARED: Final = "compared"
CODE_FAILED: Final = "code failed"
EVENTS = {
    VIEWED: "customer.shared_record_viewed",
    EXPORTED: "customer.export_downloaded",
    COMPARED: "customer.compare_run",
}
ONE_VISIT_US = 30 * 60 * 1_000_000
MAX_WAITING, MAX_PER_DAY = 1_000, 1_000  # rows in memory; new rows of one customer


@dataclass
class _Seen:
    """A visit to write."""

    visitor: Visitor
    kind: VisitKind
    at: int
    times: int = 1


class Visits:
    """The visits that this process has not written yet."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._waiting: dict[tuple[bytes, bytes, str], _Seen] = {}
        self._writing: asyncio.Task[None] | None = None

    def record(self, shared: Shared, visitor: Visitor, kind: VisitKind) -> None:
        """Queues a visit; drops it when the queue is full."""
        key = shared.customer.shard_key, visitor.id, kind
        known = self._waiting.get(key)
        if known is not None:
            known.times += 1
        elif len(self._waiting) < MAX_WAITING:
            self._waiting[key] = _Seen(visitor, kind, now_us())
        if self._writing is None:
            self._writing = asyncio.get_running_loop().create_task(self._write())

    async def close(self) -> None:
        """Writes the queued visits."""
        if self._writing is not None:
            await self._writing

    async def _write(self) -> None:
        try:
            while self._waiting:
                seen, self._waiting = self._waiting, {}
                await self._context.committer.run(partial(_store_all, seen))
        except Exception:
            logger.exception("visits could not be written")
        finally:
            self._writing = None


def _store_all(seen: dict[tuple[bytes, bytes, str], _Seen], unit: Unit) -> None:
    # Units lock customers in the order of their keys, which prevents deadlocks.
    for (shard_key, _, _), one in sorted(seen.items(), key=lambda item: item[0]):
        _store(unit, shard_key, one)


def _store(unit: Unit, shard_key: bytes, seen: _Seen) -> None:
    customer = unit.customer_by_shard(shard_key)
    if customer is None:
        return  # the sandbox was emptied meanwhile
    visitor = seen.visitor
    found = unit.latest_visit(customer, visitor.id, seen.kind, seen.at - ONE_VISIT_US)
    if found is not None:
        unit.set_visit(customer, replace(found, last_at=seen.at, times=found.times + seen.times))
    elif unit.count_visits(customer, seen.at - DAY_US) < MAX_PER_DAY:
        made = Visit(
            customer.id, seen.at, visitor.id, seen.kind, seen.at, seen.times, short(visitor.address), visitor.agent
        )
        unit.set_visit(customer, made)
    else:
        return
    # One event per visit for viewing, one each time for the rest.
    if seen.kind in EVENTS and (found is None or seen.kind != VIEWED):
        queue_event(
            unit,
            customer,
            EVENTS[seen.kind],
            {
                "customerId": customer.customer_id,
                "visitorId": visitor.id.hex(),
                "address": short(visitor.address),
                "at": instant_text(seen.at),
            },
        )


async def list_visits(context: Context, caller: Caller, customer_id: str, limit: int, offset: int) -> SharedVisits:
    """A customer's visits, newest first."""

    def work(snapshot: Snapshot) -> SharedVisits:
        customer = find_customer(context, snapshot, caller, customer_id)
        return {
            "visits": [_view(visit) for visit in snapshot.visits(customer, limit, offset)],
            "pagination": {"limit": limit, "offset": offset, "total": snapshot.count_visits(customer, 0)},
        }

    return await context.look(work)


def _view(visit: Visit) -> SharedVisit:
    return {
        "kind": visit.kind,
        "visitorId": visit.visitor.hex(),
        "firstAt": instant_text(visit.at),
        "lastAt": instant_text(visit.last_at),
        "times": visit.times,
        "address": visit.address or None,
        "userAgent": visit.agent or None,
    }
