"""Turns rows of a feed into events: their ids and bodies are the same bytes for every endpoint and attempt.

A row of the feed may stand for many events. With three rows, and an endpoint at place (7, 12):

    position 7   deltas 1 to 20 of cust_a's February   20 events delta.verified, items 1 to 20
    position 8   February of cust_a is locked          2 events: checkpoint.verified and receipt.generated
    position 9   customer.created                      1 event

the next events are items 13 to 20 of row 7, then those of rows 8 and 9. A place is (position, item). Nothing is stored
per event and endpoint before its first attempt: a due event is made from the record, and its id is derived from its
subject, so every attempt sends the same bytes.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import Any

import msgspec

from pacspace_proofs.record import parse_context, receipt_tail

from ..domain.amounts import amount_text
from ..domain.events import checkpoint_subject, delta_subject, event_id, told_subject
from ..domain.instants import instant_text
from ..storage.model import ids
from ..storage.model.outbox import Place, Row
from ..storage.model.protocols import Snapshot
from ..storage.model.records import Checkpoint, Customer, Delta, Environment

MAX_TAIL, MAX_TAIL_BYTES = 8_000, 12 << 20
_encode = msgspec.json.Encoder().encode


class Event(msgspec.Struct):
    """One event: its place in the feed, name, id and body, and the instant since when it could be sent."""

    place: Place
    name: str
    id: str
    body: bytes
    at: int


class Feed:
    """The feed of one environment. `public_url` is the base of links to receipts."""

    def __init__(self, environment: Environment, public_url: str) -> None:
        self.environment, self._public_url = environment, public_url

    def after(self, snapshot: Snapshot, place: Place, limit: int) -> tuple[list[Event], Place]:
        """About `limit` published events after a place, and the place where they end."""
        parts, place = self._next(snapshot, place, limit)
        return self._events(snapshot, parts), place

    def at(self, snapshot: Snapshot, places: Sequence[Place]) -> dict[Place, Event]:
        """The events at these places that still exist."""
        rows = {row.position: row for row in snapshot.feed_rows(self.environment.id, sorted({p for p, _ in places}))}
        parts = [_part(rows[position], item, item) for position, item in places if position in rows]
        return {event.place: event for event in self._events(snapshot, parts)}

    def _next(self, snapshot: Snapshot, place: Place, limit: int) -> tuple[list[Row], Place]:
        """Rows after a place, cut to the remaining items within the limit."""
        position, item = place
        logs = snapshot.logs(self.environment.id)
        published = {log.id: log.published_size for log in logs}
        parts: list[Row] = []
        for row in snapshot.feed(self.environment.id, position, limit + 1):  # the first may have no items left
            first = max(row.first, item + 1) if row.position == position else row.first
            last = min(row.last, first + limit - 1)
            if limit <= 0:
                break
            if first > row.last:
                continue
            if row.log_id is not None and row.entry_index is not None:
                if row.entry_index >= published.get(row.log_id, 0):
                    if logs and row.log_id != logs[-1].id:
                        continue  # never published, and repeated by the next log
                    break
            parts.append(_part(row, first, last))
            limit -= last - first + 1
            place = row.position, last
        return parts, place

    def _events(self, snapshot: Snapshot, parts: Sequence[Row]) -> list[Event]:
        deltas: dict[int, list[Event]] = {}
        for part, customer_id, delta in snapshot.feed_deltas([part for part in parts if part.is_deltas]):
            deltas.setdefault(id(part), []).append(self._verified(part, customer_id, delta))
        months = [(part.customer, part.period) for part in parts if part.is_lock and part.customer and part.period]
        # Of a damaged row nothing is sent.
        customers = snapshot.customers_at([customer for customer, _ in months]) if months else {}
        customers = {key: customer for key, customer in customers.items() if snapshot.is_sound(customer)}
        locks = snapshot.locks_of(months) if months else {}
        locks = {month: lock for month, lock in locks.items() if snapshot.is_sound(lock)}
        events: list[Event] = []
        for part in parts:
            if part.is_deltas:
                events += deltas.get(id(part), [])
            elif part.is_lock:
                assert part.customer is not None and part.period is not None
                customer, lock = customers.get(part.customer), locks.get((part.customer, part.period))
                events += self._locked(part, customer, lock) if customer and lock else []
            else:
                data = msgspec.Raw((part.data or "{}").encode())
                subject = part.subject if len(part.subject) > 6 else told_subject(part.position, part.subject)
                events.append(self._event(part, part.first, subject, data))
        return events

    def _event(self, row: Row, item: int, subject: bytes, data: Any) -> Event:
        at, name = instant_text(row.at), row.event(item)
        identity = event_id(row.shard_key, subject, row.code(item))
        envelope = {
            "id": identity,
            "event": name,
            "timestamp": at,
            "createdAt": at,
            "tenantId": self.environment.workspace_id,
            "environment": self.environment.name,
            "data": data,
        }
        return Event((row.position, item), name, identity, _encode(envelope), row.at)

    def _verified(self, row: Row, customer_id: str, delta: Delta) -> Event:
        context = parse_context(delta.context) if delta.context is not None else {}
        receipt = ids.receipt_id(row.shard_key, receipt_tail(delta.leaf_hash))
        # With a held clock, the two instants are from different clocks.
        latency_ms = max(0, row.at - delta.recorded_at) // 1000 if self.environment.clock_at is None else None
        data: dict[str, Any] = {
            "recordId": delta.record_id,
            "receiptId": receipt,
            "verificationReference": str(row.entry_index),
            "customerId": customer_id,
            "delta": msgspec.Raw(amount_text(delta.delta).encode()),
            "sequenceNumber": str(delta.sequence),
            "referenceId": context.get("referenceId"),
            "reason": context.get("reason"),
            "period": delta.period,
            "deltaIndex": delta.leaf_index,
            "status": "verified",
            "proof": {"proofHash": receipt, "contentHash": "0x" + delta.leaf_hash.hex()},
            "verification": {"verified": True, "latencyMs": latency_ms, "discrepancies": []},
        }
        return self._event(row, delta.leaf_index, delta_subject(delta.record_id), data)

    def _locked(self, row: Row, customer: Customer, checkpoint: Checkpoint) -> list[Event]:
        carried = checkpoint.brought_forward + checkpoint.net_change
        amounts = {
            "netChange": checkpoint.net_change,
            "finalBalance": checkpoint.net_change,
            "broughtForward": checkpoint.brought_forward,
            "carriedForward": carried,
        }
        both = {
            "checkpointId": checkpoint.checkpoint_id,
            "receiptId": checkpoint.checkpoint_id,
            "customerId": customer.customer_id,
            "period": checkpoint.period,
            "proofRoot": "0x" + checkpoint.proof_root.hex(),
            "deltaCount": checkpoint.delta_count,
            **{name: msgspec.Raw(amount_text(value).encode()) for name, value in amounts.items()},
            "invoiceReference": checkpoint.invoice_reference,
            "locked": True,
            "status": "verified",
            "verificationReference": str(row.entry_index),
        }
        links = {
            "verifyUrl": f"{self._public_url}/verify/0x{checkpoint.proof_root.hex()}",
            "receiptUrl": f"{self._public_url}/receipt/{checkpoint.checkpoint_id}",
            "bundleUrl": f"{self._public_url}/receipts/{checkpoint.checkpoint_id}.json",
        }
        subject = checkpoint_subject(checkpoint.checkpoint_id)
        items = range(row.first, row.last + 1)
        return [self._event(row, item, subject, both if item == 0 else both | links) for item in items]


def _part(row: Row, first: int, last: int) -> Row:
    """The same row with a part of its items."""
    part = msgspec.structs.replace(row)
    part.first, part.last = first, last
    return part


class Tail:
    """The newest events of a feed, made once for all endpoints near its end."""

    def __init__(self, feed: Feed, place: Place) -> None:
        self.feed, self.may_grow = feed, True
        self._begins = self.ends = place  # holds the events after the first place, up to the second
        self._events: list[Event] = []
        self._places: list[Place] = []
        self._bytes = 0

    def covers(self, place: Place) -> bool:
        return self._begins <= place <= self.ends

    def after(self, place: Place, limit: int) -> tuple[list[Event], Place]:
        """Events after a place within the tail, and the place where they end."""
        first = bisect_right(self._places, place)
        found = self._events[first : first + limit]
        return found, (found[-1].place if first + limit < len(self._events) else self.ends)

    def extend(self, events: Sequence[Event], ends: Place) -> None:
        self._events += events
        self._places += [event.place for event in events]
        self._bytes += sum(len(event.body) for event in events)
        self.ends = ends
        if len(self._events) > MAX_TAIL or self._bytes > MAX_TAIL_BYTES:
            cut = max(1, len(self._events) // 2)
            self._begins = self._places[cut - 1]
            self._bytes -= sum(len(event.body) for event in self._events[:cut])
            del self._events[:cut], self._places[:cut]
