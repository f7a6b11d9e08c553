"""How replies show what the model holds: every field of every reply; `ANY` and `one of` where only the server can know."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from .history import month_of, text
from .model import Model
from .modelled import Checkpoint, Delta, Scope, begin, end_of, total

Json = dict[str, Any]


class Such:
    """Any value that a test says yes to."""

    def __init__(self, test: Callable[[Any], bool], says: str) -> None:
        self.test, self.says = test, says

    def __eq__(self, seen: object) -> bool:
        return self.test(seen)

    def __repr__(self) -> str:
        return self.says


ANY = Such(lambda seen: True, "anything")
SOME = Such(lambda seen: seen is not None, "anything but null")


def one_of(*values: Any) -> Such:
    return Such(lambda seen: seen in values, f"one of {values}")


def saying(*words: str) -> Such:
    return Such(lambda seen: all(word in seen for word in words), f"a text with {words}")


def link(path: str, c: Checkpoint | None) -> Such | None:
    """A URL with this path, which names the checkpoint or its root."""
    return Such(lambda seen: seen.endswith(path.format(id=c.id, root=c.root)), f"a URL of {path}") if c else None


def shared_link(period: str | None) -> Such:
    """A customer's link, opened at a month."""
    at = re.escape(f"?period={period}") if period else ""
    return Such(lambda seen: re.fullmatch(rf"http://[^/]+/c/cus_[0-9a-f]{{64}}{at}", seen), "a link of the customer's")


def own_link(model: Model, customer: str) -> Such:
    """The customer's link: always the same name, wherever the server listens after a restart."""
    handle = model.once("link", customer)
    return Such(lambda seen: handle == seen.partition("/c/")[2], "the link of that customer")


IN_LOG = one_of("QUEUED", "PROCESSING", "VERIFIED")


def counted(count: int) -> Json:
    return {"deltaCount": count, "deltasCount": count}


def computed(value: Decimal) -> Json:
    return dict.fromkeys(("computedBalance", "neutralBalance", "finalBalance", "endingBalance"), value)


def totals(deltas: list[Delta]) -> Json:
    return {**counted(len(deltas)), **computed(total(deltas)), "netChange": total(deltas)}


def recorded_between(deltas: list[Delta]) -> Json:
    instants = [d.recorded for d in deltas]
    return {"firstRecordAt": min(instants, default=None), "lastRecordAt": max(instants, default=None)}


def page_of(found: list[Any], limit: int, offset: int) -> tuple[list[Any], Json]:
    return found[offset : offset + limit], {"limit": limit, "offset": offset, "total": len(found)}


def warnings(d: Delta) -> list[Such]:
    early = d.said["occurredAt"] is None and d.recorded[8:13] in {f"01T{hour:02d}" for hour in range(6)}
    return [saying(d.happened[:7], d.period)] * d.late + [saying("occurredAt")] * early


def delta(d: Delta) -> Json:
    shown = {
        "recordId": d.record_id, "receiptId": d.receipt_id, "contentHash": d.content_hash, "status": IN_LOG,
        "customerId": d.customer, "delta": d.amount, "reason": d.said["reason"], "referenceId": d.reference,
        "metadata": d.said["metadata"], "sequenceNumber": d.sequence, "period": d.period, "postedAt": d.posted,
        "recordedAt": d.recorded, "latePosting": d.late,
    }  # fmt: skip
    shown |= {"occurredAt": d.happened} if d.said["occurredAt"] else {}
    return shown | ({"adjusts": {"recordId": d.said["adjusts"].record_id}} if d.said["adjusts"] else {})


def emitted(d: Delta, how: str | None) -> Json:
    return delta(d) | {"status": "QUEUED", "idempotent": how == "reference", "warnings": warnings(d)}


def queued(index: int, d: Delta, how: str | None) -> Json:
    return {
        "index": index, "status": "QUEUED", "error": None, "code": None, "customerId": d.customer, "delta": d.amount,
        "recordId": d.record_id, "receiptId": d.receipt_id, "idempotent": how is not None, "period": d.period,
        "sequenceNumber": d.sequence, "latePosting": d.late, "warnings": warnings(d),
    }  # fmt: skip


def as_of(model: Model, customer: str) -> Json:
    return {"sequence": len(model.deltas[customer]), "logSize": ANY}


def scope_view(model: Model, scope: Scope) -> Json:
    periods = scope.trees
    if scope.mode == "current_month":
        periods = sorted({model.now[:7], *periods})
    if scope.mode == "period":
        periods = [scope.start[:7]]
    return {"mode": scope.mode, "periods": periods, "startDate": scope.start, "endDate": scope.end, "timezone": "UTC"}


def buckets(scope: Scope, granularity: str) -> Iterator[Json]:
    at = scope.start
    while at < scope.end:
        day = datetime.fromisoformat(at).replace(hour=0, minute=0, second=0, microsecond=0)
        days = {"day": 1, "week": 7 - day.weekday()}.get(granularity)
        until = min(scope.end, text(day + timedelta(days)) if days else end_of(month_of(day)))
        inside = [d for d in scope.deltas if at <= d.posted < until]
        yield {"startDate": at, "endDate": until, "netChange": total(inside), **counted(len(inside))}
        at = until


def derived(model: Model, customer: str, scope: Scope, starting: Decimal, options: Json) -> Json:
    """What derive and compare have in common, with the parts that options ask for."""
    latest = max(scope.deltas, key=lambda d: d.sequence, default=None)
    verified = Such(lambda seen: 0 <= seen <= len(scope.deltas), "a part of the deltas")
    shown = {
        "customerId": customer, "startingBalance": starting, **totals(scope.deltas),
        **computed(starting + total(scope.deltas)), "verifiedCount": verified, "pendingCount": verified,
        "latestReceiptId": latest.receipt_id if latest else None, "scope": scope_view(model, scope),
        "asOf": as_of(model, customer),
    }  # fmt: skip
    if "granularity" in options:
        shown["breakdown"] = list(buckets(scope, options["granularity"]))
    return shown


def derive(model: Model, customer: str, scope: Scope, starting: Decimal, options: Json) -> Json:
    latest = [c.id for c in model.checkpoints if c.customer == customer]
    shown = derived(model, customer, scope, starting, options) | {
        "broughtForward": scope.before, "latestCheckpoint": latest[-1] if latest else None,
        **recorded_between(scope.deltas),
    }  # fmt: skip
    if {"limit", "offset", "include"} & options.keys():
        page, shown["pagination"] = page_of(scope.deltas, options.get("limit", 100), options.get("offset", 0))
        shown["deltas"] = [delta(d) for d in page]
    return shown


def compare(model: Model, customer: str, scope: Scope, body: Json) -> Json:
    shown = derived(model, customer, scope, body.get("startingBalance", Decimal(0)), body)
    record, tolerance = shown["computedBalance"], body.get("tolerance", 0)
    off = [body[name] - record for name in ("yourBalance", "theirBalance")]
    yours, theirs = (abs(difference) <= tolerance for difference in off)
    resolution = "YOURS_MATCHES" if yours else "THEIRS_MATCHES" if theirs else "NEITHER_MATCHES"
    shown |= {
        "yourBalance": body["yourBalance"], "theirBalance": body["theirBalance"], "tolerance": tolerance,
        "matchesYours": yours, "matchesTheirs": theirs, "match": yours and theirs,
        "discrepancy": None if yours and theirs else {
            "yourDifference": off[0], "theirDifference": off[1], "resolution": resolution, "message": SOME,
        },
    }  # fmt: skip
    return shown | (entries(scope, body["theirRecords"]) if "theirRecords" in body else {})


def entries(scope: Scope, records: list[Json]) -> Json:
    theirs = {record["referenceId"]: record["delta"] for record in records}
    ours = {d.reference: d.amount for d in scope.deltas}
    named = [
        ({"referenceId": d.reference, "recordId": d.record_id, "postedAt": d.posted}, d.amount, theirs.get(d.reference))
        for d in scope.deltas
    ]
    return {
        "missingInTheirs": [entry | {"delta": our} for entry, our, their in named if their is None],
        "missingInOurs": [record for record in records if record["referenceId"] not in ours],
        "different": [
            entry | {"ourDelta": our, "theirDelta": their, "difference": their - our}
            for entry, our, their in named if their not in (None, our)
        ],
    }  # fmt: skip


def checkpoint(c: Checkpoint) -> Json:
    return {
        "checkpointId": c.id, "receiptId": c.id, "customerId": c.customer, "period": c.period, "startDate": c.start,
        "endDate": c.end, "proofRoot": c.root, **totals(c.scope.deltas), "startingBalance": 0,
        "broughtForward": c.scope.before, "carriedForward": c.scope.before + total(c.scope.deltas),
        "status": one_of("QUEUED", "VERIFIED") if c.locked else "PROVISIONAL", "locked": c.locked, "createdAt": c.created,
        "verifiedAt": ANY if c.locked else None, **recorded_between(c.scope.deltas),
        "previousCheckpointId": c.previous.id if c.previous else None, "invoiceReference": c.invoice,
    }  # fmt: skip


def locked(period: str, invoice: str | None, running: bool, c: Checkpoint, also: list[Checkpoint], old: bool) -> Json:
    gap = c.period != period
    shown = checkpoint(c) | {
        "alsoLocked": [{"period": a.period, "checkpointId": a.id, "proofRoot": a.root} for a in also],
        "idempotent": old,
        "warnings": [saying(period, "has not ended")] * running + [saying(period, c.period)] * gap
        + [saying("invoiceReference")] * (old and invoice not in (None, c.invoice)),
    }  # fmt: skip
    if gap:
        shown |= {
            "period": period, "startDate": begin(period), "endDate": end_of(period), **totals([]),
            "carriedForward": c.scope.before, **recorded_between([]),
        }  # fmt: skip
    return shown


def span(scope: Scope) -> Json:
    """An empty scope is of a month, the running one as a rule, or of a window."""
    if scope.mode == "custom":
        return {"period": None, "startDate": scope.start, "endDate": scope.end}
    return {"period": scope.start[:7], "startDate": scope.start, "endDate": end_of(scope.start[:7])}


def empty(customer: str, scope: Scope) -> Json:
    names = (
        "checkpointId",
        "receiptId",
        "proofRoot",
        "createdAt",
        "verifiedAt",
        "previousCheckpointId",
        "invoiceReference",
    )
    return dict.fromkeys(names) | {
        "customerId": customer, **span(scope), "startingBalance": 0,
        **totals([]), **recorded_between([]), "broughtForward": scope.before, "carriedForward": scope.before,
        "status": "PROVISIONAL", "locked": False, "alsoLocked": [], "idempotent": False, "warnings": [SOME],
    }  # fmt: skip


def replayed(shown: Json) -> Json:
    """A checkpoint again under its key: the same one; what else the first request did is not kept with the key."""
    return shown | {"alsoLocked": [], "idempotent": False, "warnings": ANY}


def interim(customer: str, scope: Scope, c: Checkpoint | None) -> Json:
    if c is None:
        return empty(customer, scope)
    return checkpoint(c) | {"alsoLocked": [], "idempotent": False, "warnings": [saying("nothing was locked")]}


def job(period: str, done: list[Json]) -> Json:
    sums = {"customers": len(done), **counted(sum(c["deltaCount"] for c in done))}
    return {
        "jobId": SOME, "period": period, "status": "DONE", "done": len(done), "total": len(done), "failed": [],
        "failedCount": 0, "totals": sums | {"netChange": sum(c["netChange"] for c in done)}, "startedAt": SOME,
        "finishedAt": SOME, "checkpoints": done, "locked": True, "warnings": [],
    }  # fmt: skip


def preview(model: Model, period: str, customers: list[str]) -> Json:
    lines = []
    for customer in customers:
        scope, trees = model.scope(customer, period), model.trees(customer)
        lines.append({
            "customerId": customer, "period": period, **counted(len(scope.deltas)), "netChange": total(scope.deltas),
            "broughtForward": scope.before, "carriedForward": scope.before + total(scope.deltas), "locked": False,
            "alsoLocks": [t for t in trees if model.locked_through(customer) < t < period],
        })  # fmt: skip
    shown = job(period, lines)
    names = ("period", "checkpoints", "totals", "warnings")
    return {name: shown[name] for name in names} | {"preview": True, "locked": False}


def subtotals(deltas: list[Delta]) -> Iterator[Json]:
    for reason in sorted({d.said["reason"] for d in deltas}):
        group = [d for d in deltas if d.said["reason"] == reason]
        yield {"reason": reason, "count": len(group), "total": total(group)}


def receipt(model: Model, customer: str, scope: Scope, c: Checkpoint | None) -> Json:
    shown = checkpoint(c) if c else empty(customer, scope)
    shown = {name: value for name, value in shown.items() if name not in _CHECKPOINT_ONLY}
    deltas, before = (c.scope.deltas, c.scope.before) if c else ([], scope.before)
    proof = {
        "verifyUrl": shared_link(shown["period"]), "verificationApiUrl": link("/api/v1/verify/{root}", c),
        "verificationExplorerUrl": link("/verify/{root}", c), "bundleUrl": link("/receipts/{id}.json", c),
    }  # fmt: skip
    lines = [{"recordId": d.record_id, "delta": d.amount, "recordedAt": d.recorded} for d in deltas]
    return shown | {
        "generatedAt": SOME, "provisional": not (c and c.locked), "environment": "sandbox", "unit": None, **proof,
        "broughtForward": before, "debits": total([d for d in deltas if d.amount < 0]),
        "credits": total([d for d in deltas if d.amount > 0]), "subtotals": list(subtotals(deltas)), "otherReasons": None,
        "lateLines": [
            line | {"occurredAt": d.happened, "postedAt": d.posted} for line, d in zip(lines, deltas) if d.late
        ],
        "corrections": [
            line | {"adjusts": d.said["adjusts"].record_id} for line, d in zip(lines, deltas) if d.said["adjusts"]
        ],
        "customerLinkUrl": own_link(model, customer), "customerLinkHost": model.once("host"),
        "accessHint": model.once("code", customer), "keyFingerprint": model.once("fingerprint"),
        "deltas": [delta(d) for d in deltas], "asOf": as_of(model, customer) | {"newer": 0},
        "verification": {
            **proof, "verifierKey": model.once("key"), "logOrigin": model.once("origin"), "logSize": ANY, "inLog": ANY,
            "restored": None, "itemHashes": [d.content_hash for d in deltas],
        },
    }  # fmt: skip


_CHECKPOINT_ONLY = {"createdAt", "verifiedAt", "previousCheckpointId", "alsoLocked", "idempotent", "warnings"}


def listed_receipt(c: Checkpoint) -> Json:
    return checkpoint(c) | {"provisional": not c.locked, "links": {
        "permalink": link("/receipt/{id}", c), "page": link("/receipt/{id}", c),
        **{kind: link(f"/receipts/{{id}}.{kind}", c) for kind in ("json", "pdf", "csv")},
    }}  # fmt: skip


def month(model: Model, customer: str, period: str) -> Json:
    locks = model.locks(customer)
    lock = next((c for c in locks if c.period == period), None)
    deltas = [d for d in model.deltas[customer] if d.period == period]
    before = total([d for d in model.deltas[customer] if d.period < period])
    linked = [c.root for c in locks if c.period < period]
    return {
        "period": period, "startDate": begin(period), "endDate": end_of(period), "locked": bool(lock),
        "status": one_of("QUEUED", "VERIFIED") if lock else "PROVISIONAL", **totals(deltas),
        "proofRoot": model.once("root", customer, period, len(deltas), bool(lock)),
        "checkpointId": lock.id if lock else None, "invoiceReference": lock.invoice if lock else None,
        "createdAt": lock.created if lock else None, "verifiedAt": ANY if lock else None, **recorded_between(deltas),
        "broughtForward": before, "carriedForward": before + total(deltas), "previousRoot": linked[-1] if linked else None,
    }  # fmt: skip


def timeline(model: Model, customer: str, limit: int, offset: int) -> Json:
    page, pagination = page_of(model.trees(customer), limit, offset)
    shown = [month(model, customer, period) for period in page]
    return {"customerId": customer, "periods": shown, "pagination": pagination}


def customer_row(model: Model, customer: str, period: str | None) -> Json:
    known = model.deltas[customer]
    first = period or model.now[:7]
    inside = [d for d in known if d.period == period or (period is None and d.period >= first)]
    activity, made = recorded_between(known), [c.id for c in model.checkpoints if c.customer == customer]
    return {
        "customerId": customer, "customerReference": model.once("name", customer), "displayName": None,
        "sharingStateHint": None, "eventCadence": None, "unit": None, "totalDeltas": len(known), "period": first,
        "periodDeltas": len(inside), **computed(total(inside)), "allTimeBalance": total(known),
        "lockedThrough": model.locked_through(customer) or None, "firstActivityAt": activity["firstRecordAt"],
        "lastActivityAt": activity["lastRecordAt"], "latestCheckpoint": made[-1] if made else None,
    }  # fmt: skip


def customer(model: Model, name: str, period: str | None, page: int, limit: int) -> Json:
    found = [d for d in model.known(name) if period in (None, d.period)][::-1]
    items = [
        delta(d) | {"time": d.recorded, "verificationReference": ANY} for d in found[(page - 1) * limit : page * limit]
    ]
    pagination = {"page": page, "limit": limit, "total": len(found), "totalPages": -(-len(found) // limit)}
    return customer_row(model, name, period) | {"recentActivity": {"items": items, "pagination": pagination}}


def usage(model: Model) -> Json:
    used = [d for deltas in model.deltas.values() for d in deltas if d.period == model.now[:7]]
    return {
        "allowed": True, "used": len(used), "limit": None, "remaining": None, "period": model.now[:7],
        "activeCustomers": len({d.customer for d in used}),
    }  # fmt: skip


def diff(earlier: Checkpoint, later: Checkpoint, known: list[Delta], limit: int, offset: int) -> Json:
    seen, until = set(map(id, earlier.scope.deltas)), set(map(id, later.scope.deltas))
    between = [
        d for d in sorted(known, key=lambda d: d.period)
        if (d.period > earlier.period or (d.period == earlier.period and id(d) not in seen))
        and (d.period < later.period or (d.period == later.period and id(d) in until))
    ]  # fmt: skip
    page, pagination = page_of(between, limit, offset)
    counts, nets = ([f(c.scope.deltas) for c in (earlier, later)] for f in (len, total))
    carried = [c.scope.before + net for c, net in zip((earlier, later), nets)]
    return {
        "customerId": later.customer, "from": checkpoint(earlier), "to": checkpoint(later),
        "difference": {
            "deltaCount": counts[1] - counts[0], "netChange": nets[1] - nets[0], "carriedForward": carried[1] - carried[0],
        },
        "consistent": True, "problems": [], "deltas": [delta(d) for d in page], "pagination": pagination,
    }  # fmt: skip


def differences(seen: Any, wanted: Any, path: str = "") -> Iterator[str]:
    """Where a reply is not what is expected, field by field."""
    if isinstance(wanted, dict) and isinstance(seen, dict):
        for name in [*wanted, *(seen.keys() - wanted.keys())]:
            if name not in wanted or name not in seen:
                yield f"{path}.{name}: {'not sent' if name in wanted else 'not expected'}"
            else:
                yield from differences(seen[name], wanted[name], f"{path}.{name}")
    elif isinstance(wanted, list) and isinstance(seen, list) and len(wanted) == len(seen):
        for index, (one, other) in enumerate(zip(seen, wanted)):
            yield from differences(one, other, f"{path}[{index}]")
    elif seen != wanted:
        yield f"{path}: is {seen!r}, should be {wanted!r}"
