"""Makes leaves, trees, proofs, logs and receipts, honest or lying, for vectors and for the stories of vendors.

Written from the definitions (RFC 6962 section 2.1, spec/), slowly and without the verifier's code: a second opinion on it.
Nothing here is random: every salt, nonce and key is the hash of its name.
"""

from __future__ import annotations

import base64
import copy
import hashlib
import hmac
import json
from dataclasses import dataclass, field
from decimal import Decimal, getcontext
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

Object = dict[str, Any]
getcontext().prec = 100


def canonical(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()


def text(value: object) -> str:
    return canonical(value).decode()


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def h(tag: str, data: bytes) -> bytes:
    return sha256(tag.encode() + b"\0" + data)


def secret(name: str, size: int = 32) -> bytes:
    """Bytes that look random and are always the same."""
    return sha256(b"pacspace vectors: " + name.encode())[:size]


def amount(value: Decimal) -> str:
    plain = format(value, "f")
    plain = plain.rstrip("0").rstrip(".") if "." in plain else plain
    return "0" if Decimal(plain) == 0 else plain


# RFC 6962 section 2.1, as it is written there.


def split(size: int) -> int:
    """The largest power of two smaller than size."""
    k = 1
    while k * 2 < size:
        k *= 2
    return k


def root(data: list[bytes]) -> bytes:
    if not data:
        return sha256(b"")
    if len(data) == 1:
        return sha256(b"\0" + data[0])
    k = split(len(data))
    return sha256(b"\1" + root(data[:k]) + root(data[k:]))


def path(index: int, data: list[bytes]) -> list[bytes]:
    if len(data) == 1:
        return []
    k = split(len(data))
    if index < k:
        return [*path(index, data[:k]), root(data[k:])]
    return [*path(index - k, data[k:]), root(data[:k])]


def consistency(old: int, data: list[bytes], whole: bool = True) -> list[bytes]:
    if old == len(data):
        return [] if whole else [root(data)]
    k = split(len(data))
    if old <= k:
        return [*consistency(old, data[:k], whole), root(data[k:])]
    return [*consistency(old - k, data[k:], False), root(data[:k])]


# Keys and signed notes.


@dataclass
class Key:
    """An Ed25519 key made from its name; kind 1 signs logs, kind 4 cosigns them."""

    name: str
    seed: bytes
    kind: int = 1

    @property
    def private(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(self.seed)

    @property
    def public(self) -> bytes:
        return self.private.public_key().public_bytes_raw()

    @property
    def id(self) -> bytes:
        return sha256(self.name.encode() + b"\n" + bytes([self.kind]) + self.public)[:4]

    @property
    def line(self) -> str:
        return verifier_key(self.name, self.public, self.kind)

    def sign(self, body: str) -> str:
        return signature_line(self.name, self.id, self.private.sign(body.encode()))

    def cosign(self, body: str, time: int) -> str:
        signature = self.private.sign(f"cosignature/v1\ntime {time}\n{body}".encode())
        return signature_line(self.name, self.id, time.to_bytes(8, "big") + signature)


def verifier_key(name: str, public: bytes, kind: int = 1) -> str:
    data = bytes([kind]) + public
    key_id = sha256(name.encode() + b"\n" + data)[:4]
    return f"{name}+{key_id.hex()}+{base64.b64encode(data).decode()}"


def signature_line(name: str, key_id: bytes, signature: bytes) -> str:
    return f"\u2014 {name} {base64.b64encode(key_id + signature).decode()}"


# A month of one customer.


@dataclass
class Month:
    """The leaves of one period tree, with the contexts of its deltas by leaf index."""

    leaves: list[Object]
    contexts: dict[int, tuple[str, str]]

    @property
    def data(self) -> list[bytes]:
        return [canonical(leaf) for leaf in self.leaves]

    @property
    def root(self) -> bytes:
        return root(self.data)

    @property
    def period(self) -> str:
        return str(self.leaves[0]["period"])

    def first(self, size: int) -> Month:
        """The same month when it had so many leaves."""
        return Month(self.leaves[:size], {index: shown for index, shown in self.contexts.items() if index < size})


def context_hash(salt: str, context: str) -> str:
    return h("pacspace.context.v1", bytes.fromhex(salt) + context.encode()).hex()


def month(
    origin: str,
    rows: list[Any],
    *,
    customer: str = "cust_acme",
    period: str = "2026-03",
    sequence: int = 1,
    slot_key: bytes | None = None,
    unit: str | None = None,
    restored_from: Object | None = None,
    nonce: str = "",
    after: Month | None = None,
    lock: bool = True,
    last_sequence: int | None = None,
    invoice: str | None = None,
    lies: dict[int, Object] | None = None,
) -> Month:
    """A month of deltas: each row an amount, or a pair of an amount and leaf fields (`context` among them) that differ.

    `lies` replaces fields of finished leaves by leaf index (-1 the last); None removes a field.
    """
    name = f"{customer} {period}"
    slot_key = slot_key or secret(f"{customer} slot key")
    opening: Object = {
        "schema": "pacspace.opening.v1", "origin": origin, "customerId": customer, "period": period,
        "slotKey": slot_key.hex(), "openedAt": f"{period}-01T08:00:00.000000Z",
        "nonce": secret(f"{origin} {name} nonce {nonce}", 16).hex(),
    }  # fmt: skip
    if unit:
        opening["unit"] = unit
    if restored_from:
        opening["restoredFrom"] = restored_from
    leaves, contexts, total = [opening], {}, Decimal(0)
    for index, row in enumerate(rows, 1):
        delta, fields = row if isinstance(row, tuple) else (row, {})
        fields = dict(fields)
        default = {"schema": "pacspace.context.v1", "reason": ["compute_minutes", "storage"][index % 2]}
        context = fields.pop("context", default)
        context_text = context if isinstance(context, str) else text(context)
        salt = secret(f"{name} salt {index}", 16).hex()
        total += Decimal(delta)
        leaf: Object = {
            "schema": "pacspace.delta.v1", "customerId": customer, "period": period, "index": str(index),
            "sequence": str(sequence + index - 1), "recordId": f"rec_{period[5:]}{index}", "delta": delta,
            "periodTotal": amount(total), "recordedAt": f"{period}-{index + 1:02}T09:30:00.000000Z",
            "contextHash": context_hash(salt, context_text),
        }  # fmt: skip
        leaf |= fields
        leaf.setdefault("postedAt", leaf.get("occurredAt", leaf["recordedAt"]))
        leaves.append(leaf)
        contexts[index] = context_text, salt
    if lock:
        before = after.leaves[-1] if after else None
        brought = Decimal(before["carriedForward"]) if before else Decimal(0)
        to_date = (int(before["countToDate"]) if before else 0) + len(rows)
        closing: Object = {
            "schema": "pacspace.closing.v1", "customerId": customer, "period": period, "deltaCount": str(len(rows)),
            "periodTotal": amount(total), "broughtForward": amount(brought), "carriedForward": amount(brought + total),
            "lastSequence": str(last_sequence or max(to_date, sequence - 1 + len(rows))), "countToDate": str(to_date),
            "checkpointId": f"chk_{period}", "closedAt": f"{period}-28T23:00:00.000000Z",
        }  # fmt: skip
        if after:
            closing |= {"previousPeriod": after.period, "previousRoot": after.root.hex()}
        if invoice:
            closing["invoiceReference"] = invoice
        leaves.append(closing)
    for index, changes in (lies or {}).items():
        leaves[index] = changed(leaves[index], changes)
    return Month(leaves, contexts)


def changed(value: Object, changes: Object) -> Object:
    """A copy with some fields replaced, or removed where the new value is None."""
    merged = {**copy.deepcopy(value), **changes}
    return {name: given for name, given in merged.items() if given is not None}


def total_of(rows: list[str]) -> str:
    return amount(sum((Decimal(row) for row in rows), Decimal(0)))


# A vendor's log.


@dataclass
class Place:
    """A head in the log: what a receipt needs besides the leaves."""

    month: Month
    head: Object
    salt: str
    entry: Object
    index: int
    batch: Object | None = None


@dataclass
class Log:
    """One log: its origin, its keys (the last one signs), its entries."""

    name: str
    environment: str = "production"
    entries: list[Object] = field(default_factory=list)
    keys: list[Key] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.origin = f"pacspace.log/{self.environment}/{secret(self.name + ' origin', 16).hex()}"
        self.keys = self.keys or [Key(self.origin, secret(self.name + " key"))]

    @property
    def key(self) -> Key:
        return self.keys[-1]

    @property
    def data(self) -> list[bytes]:
        return [canonical(entry) for entry in self.entries]

    def rotate(self) -> Key:
        """A new key, announced by an entry."""
        self.keys.append(Key(self.origin, secret(f"{self.name} key {len(self.keys) + 1}")))
        self.append({"schema": "pacspace.key.v1", "origin": self.origin, "verifierKey": self.key.line})
        return self.key

    def append(self, entry: Object) -> int:
        self.entries.append(entry)
        return len(self.entries) - 1

    def body(self, size: int | None = None) -> str:
        size = len(self.entries) if size is None else size
        return f"{self.origin}\n{size}\n{base64.b64encode(root(self.data[:size])).decode()}\n"

    def checkpoint(self, size: int | None = None, key: Key | None = None) -> str:
        body = self.body(size)
        return f"{body}\n{(key or self.key).sign(body)}\n"

    def head(self, month: Month, lies: Object | None = None) -> Object:
        opening = month.leaves[0]
        slot_key, period, origin = bytes.fromhex(opening["slotKey"]), opening["period"], opening["origin"]
        head = {
            "schema": "pacspace.head.v1", "origin": origin, "period": period, "size": str(len(month.leaves)),
            "slot": h("pacspace.slot.v1", slot_key + period.encode() + origin.encode()).hex(),
            "root": month.root.hex(),
            "closed": "yes" if month.leaves[-1]["schema"] == "pacspace.closing.v1" else "no",
        }  # fmt: skip
        return changed(head, lies or {})

    def commit(self, head: Object) -> tuple[str, bytes]:
        """The head's salt, and its commitment."""
        salt = hmac.new(secret(self.name + " blinding"), canonical(head), hashlib.sha256).digest()[:16]
        return salt.hex(), h("pacspace.head-commitment.v1", salt + canonical(head))

    def publish(self, month: Month, *, others: int = 2, head: Object | None = None, batch: bool | None = None) -> Place:
        """Puts a month's head into the log: closed ones by themselves, open ones in a batch among `others`.

        `head` gives lies for the head; `batch` overrules which kind of entry is made.
        """
        stated = self.head(month, head)
        salt, committed = self.commit(stated)
        if batch if batch is not None else stated["closed"] == "no":
            leaves = sorted([committed, *(secret(f"{self.name} {len(self.entries)} other {i}") for i in range(others))])
            index = leaves.index(committed)
            entry: Object = {"schema": "pacspace.batch.v1", "root": root(leaves).hex()}
            proof = {
                "index": str(index),
                "size": str(len(leaves)),
                "path": [node.hex() for node in path(index, leaves)],
            }
            return Place(month, stated, salt, entry, self.append(entry), proof)
        entry = {"schema": "pacspace.closed.v1", "slot": stated["slot"], "commitment": committed.hex()}
        return Place(month, stated, salt, entry, self.append(entry))

    def receipt(
        self,
        place: Place,
        kind: str = "full",
        *,
        size: int | None = None,
        key: Key | None = None,
        withhold: tuple[int, ...] = (),
        witnesses: list[tuple[Key, int]] | None = None,
    ) -> Object:
        """The receipt of a published head, against the log at `size` (all of it unless given)."""
        size = len(self.entries) if size is None else size
        month, last = place.month, len(place.month.leaves) - 1
        items: list[Object] = []
        for index, leaf in enumerate(month.leaves):
            item: Object = {"leaf": leaf}
            if index in month.contexts and index not in withhold:
                item |= dict(zip(("context", "salt"), month.contexts[index]))
            if kind == "summary":
                item["path"] = [node.hex() for node in path(index, month.data)]
            if kind == "full" or index in (0, last):
                items.append(item)
        receipt: Object = {
            "schema": "pacspace.receipt.v1", "kind": kind, "leaves": items, "head": place.head,
            "headSalt": place.salt, "entry": place.entry,
            "log": {
                "index": str(place.index), "path": [node.hex() for node in path(place.index, self.data[:size])],
                "checkpoint": self.checkpoint(size, key),
            },
        }  # fmt: skip
        if place.batch is not None:
            receipt["batch"] = place.batch
        if witnesses:
            receipt["log"]["cosignatures"] = [witness.cosign(self.body(size), time) for witness, time in witnesses]
        return copy.deepcopy(receipt)


def window(start: str, end: str, receipts: list[Object]) -> Object:
    return {"schema": "pacspace.window-receipt.v1", "startDate": start, "endDate": end, "receipts": receipts}


def slot_fingerprint(month: Month) -> str:
    return h("pacspace.slot-key.v1", bytes.fromhex(month.leaves[0]["slotKey"])).hex()
