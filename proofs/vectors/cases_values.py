"""The cases of single values and structures: each good one, and each way to misspell or tamper with it."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

from . import maker
from .maker import Key, Log, Month, Object, canonical, changed, month, secret, text

NOW = 1_774_000_000
ROWS: list[Any] = ["-42.5", "-0.25", "100"]
P, L = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493

Case = tuple[str, str, str, Object, Object]  # situation, title, purpose, input, expect


def ok(situation: str, purpose: str, given: Object, **expect: Any) -> Case:
    return situation, situation.replace("-", " "), purpose, given, {"verdict": "ok", **expect}


def refused(situation: str, purpose: str, given: Object, **expect: Any) -> Case:
    return situation, situation.replace("-", " "), purpose, given, {"verdict": "refused", **expect}


# Single values.


def canonical_cases() -> Iterator[Case]:
    def given(data: bytes) -> Object:
        return {"hex": data.hex()}

    def deep(levels: int) -> bytes:
        return b"[" * levels + b"]" * levels

    good = {
        "empty-object": b"{}", "empty-string": b'""', "nested": b'{"a":["b",{}],"c":""}',
        "short-escapes": rb'"\b\t\n\f\r\"\\"', "control-characters-lowercase": rb'"\u0000\u001f"',
        "delete-character-as-it-is": b'"\x7f"', "slash-as-it-is": b'"/"',
        "line-separator-as-it-is": '"\u2028"'.encode(), "outside-the-basic-plane": '"\U0001f600"'.encode(),
        "combining-characters-are-not-normalized": '"e\u0301"'.encode(), "depth-8": deep(8),
        "keys-in-code-point-order": b'{"A":"","B":"","a":"","aa":""}',
        "longest-string": b'"' + b"x" * 65536 + b'"',
    }  # fmt: skip
    for situation, data in good.items():
        purpose = "This is the one canonical spelling of its value."
        if len(data) > 2000:
            yield ok(situation, purpose, {"hex": "22", "thenRepeatHex": "78", "times": "65536", "thenHex": "22"})
        else:
            yield ok(situation, purpose, given(data), sha256=maker.sha256(data).hex())
    bad = {
        "nothing": (b"", "There must be a value."),
        "byte-order-mark": (b"\xef\xbb\xbf{}", "A byte order mark is not part of JSON."),
        "trailing-newline": (b"{}\n", "Nothing follows the value."),
        "crlf": (b"{}\r\n", "Nothing follows the value."),
        "leading-space": (b" {}", "Nothing precedes the value."),
        "space-after-colon": (b'{"a": "b"}', "No white space between tokens."),
        "newline-between-members": (b'{"a":"b",\n"c":"d"}', "No white space between tokens."),
        "keys-out-of-order": (b'{"b":"","a":""}', "Keys ascend."),
        "repeated-key": (b'{"a":"x","a":"x"}', "A key appears once."),
        "repeated-key-with-other-value": (b'{"a":"x","a":"y"}', "A key appears once."),
        "two-values": (b"{}{}", "There is one value."),
        "trailing-comma": (b'{"a":"b",}', "No comma after the last member."),
        "unfinished": (b'{"a":"b"', "Every bracket is closed."),
        "single-quotes": (b"{'a':'b'}", "Strings stand in double quotes."),
        "number-zero": (b'{"a":0}', "Numbers are not allowed."),
        "number-minus-zero": (b"-0", "Numbers are not allowed."),
        "number-huge": (b"1" * 6000, "Numbers are not allowed, however long."),
        "number-exponent": (b'["1",1e999]', "Numbers are not allowed."),
        "nan": (b"[NaN]", "NaN is not JSON."),
        "infinity": (b"[-Infinity]", "Infinity is not JSON."),
        "true": (b'{"a":true}', "Truth values are not allowed."),
        "false": (b"false", "Truth values are not allowed."),
        "null": (b'{"a":null}', "null is not allowed: what is not there is left out."),
        "escaped-slash": (rb'"\/"', "A slash is not escaped."),
        "uppercase-escape": (rb'"\u001F"', "Hex digits of an escape are lowercase."),
        "long-escape-of-newline": (rb'"\u000a"', "A newline has the short escape."),
        "escaped-letter": (rb'"\u0061"', "A character that needs no escape has none."),
        "escaped-delete": (rb'"\u007f"', "Only characters below 0x20 are escaped."),
        "escaped-non-ascii": (rb'"\u00e9"', "Only characters below 0x20 are escaped."),
        "escaped-surrogate-pair": (rb'"\ud83d\ude00"', "A character beyond the basic plane is written in UTF-8."),
        "lone-surrogate": (rb'"\ud800"', "Half a surrogate pair is no character."),
        "lone-low-surrogate-in-key": (rb'{"\udc00":""}', "Half a surrogate pair is no character."),
        "surrogate-in-utf-8": (b'"\xed\xa0\x80"', "UTF-8 has no surrogates."),
        "overlong-utf-8": (b'"\xc0\xaf"', "UTF-8 takes the shortest form."),
        "latin-1": (b'"\xe9"', "The bytes are UTF-8."),
        "utf-16": ('"a"'.encode("utf-16-le"), "The bytes are UTF-8."),
        "raw-control-character": (b'"\x01"', "A control character is escaped."),
        "raw-newline-in-string": (b'"\n"', "A control character is escaped."),
        "non-ascii-key": ('{"é":""}'.encode(), "Keys are ASCII."),
        "depth-9": (deep(9), "Nesting ends at 8."),
        "depth-100000": (deep(100_000), "Deep nesting is refused, not a crash."),
        "depth-100000-never-closed": (b"[" * 100_000, "Deep nesting is refused, not a crash."),
    }
    for situation, (data, purpose) in bad.items():
        if len(data) > 5000:
            half = len(data) // 2 if data.endswith(b"]") else len(data)
            given_ = {"hex": "", "thenRepeatHex": data[:1].hex(), "times": str(half), "thenHex": ""}
            if data.endswith(b"]"):
                given_ |= {"lastRepeatHex": "5d", "lastTimes": str(half)}
            yield refused(situation, purpose, given_)
        else:
            yield refused(situation, purpose, given(data))
    yield refused(
        "string-too-long", "A string has at most 64 KiB.",
        {"hex": "22", "thenRepeatHex": "78", "times": "65537", "thenHex": "22"},
    )  # fmt: skip
    yield refused(
        "string-too-long-in-bytes", "A string's length is counted in bytes of UTF-8.",
        {"hex": "22", "thenRepeatHex": "e29883", "times": "21846", "thenHex": "22"},
    )  # fmt: skip


def amount_cases() -> Iterator[Case]:
    good = {
        "zero": "0", "one": "1", "minus-one": "-1", "cent": "0.01", "nano": "0.000000001", "minus-nano": "-0.000000001",
        "nine-digits": "1.123456789", "integer-with-zeros": "1000", "largest-delta": "1000000000",
        "total-of-40-characters": "1" * 30 + ".123456789",
    }  # fmt: skip
    for situation, value in good.items():
        units = int(Decimal(value).scaleb(9))
        yield ok(f"total-{situation}", "A total in its one spelling, and its value in units of 10^-9.",
                 {"kind": "total", "text": value}, units=str(units))  # fmt: skip
    spellings = {
        "minus-zero": "-0", "minus-zero-point": "-0.0", "plus": "+1", "leading-zero": "01", "no-leading-digit": ".5",
        "no-fraction": "1.", "trailing-zero": "1.50", "zero-fraction": "1.0", "ten-digits": "0.1234567891",
        "exponent": "1e3", "underscore": "1_000", "comma": "1,5", "thousands": "1,000", "space-before": " 1",
        "space-after": "1 ", "newline-after": "1\n", "arabic-digits": "\u0661", "fullwidth-digit": "\uff11",
        "unicode-minus": "\u22121", "empty": "", "minus": "-", "two-points": "1.2.3", "nan": "NaN", "hex": "0x10",
        "infinity": "Infinity", "41-characters": "1" * 31 + ".123456789", "minus-leading-zero": "-01",
        "double-minus": "--1", "null-character": "1\0",
    }  # fmt: skip
    for situation, value in spellings.items():
        yield refused(f"total-{situation}", "An amount has one spelling.", {"kind": "total", "text": value})
    for situation, value in {
        "largest": "1000000000",
        "most-negative": "-1000000000",
        "smallest": "0.000000001",
    }.items():
        yield ok(f"delta-{situation}", "A delta at its bound.", {"kind": "delta", "text": value},
                 units=str(int(Decimal(value).scaleb(9))))  # fmt: skip
    for situation, value in {
        "zero": "0", "beyond": "1000000000.000000001", "beyond-below": "-1000000000.000000001", "far-beyond": "9" * 40,
    }.items():  # fmt: skip
        yield refused(
            f"delta-{situation}", "A delta is not 0 and within 1,000,000,000.", {"kind": "delta", "text": value}
        )


# Structures: every field missing, unknown, misspelled.

WRONG: dict[str, list[tuple[str, Any]]] = {
    "origin": [("trailing-slash", "pacspace.log/production/" + "0" * 32 + "/"), ("other-environment", "pacspace.log/test/" + "0" * 32)],
    "customerId": [("empty", ""), ("space", "cust acme"), ("too-long", "c" * 129), ("newline", "cust_acme\n"), ("a-list", ["cust_acme"])],
    "period": [("month-13", "2026-13"), ("month-0", "2026-00"), ("year-1969", "1969-12"), ("short", "2026-3")],
    "slotKey": [("uppercase", "AB" * 32), ("short", "ab" * 31), ("0x", "0x" + "ab" * 31)],
    "openedAt": [("no-fraction", "2026-03-01T00:00:00Z"), ("offset", "2026-03-01T00:00:00.000000+00:00")],
    "nonce": [("of-32-bytes", "ab" * 32), ("an-object", {})],
    "unit": [("empty", "")],
    "restoredFrom": [("a-string", "x"), ("empty", {}), ("extra-field", {"origin": "pacspace.log/production/" + "0" * 32, "size": "1", "root": "0" * 64, "x": ""})],
    "index": [("leading-zero", "01"), ("minus", "-1"), ("16-digits", "1" * 16), ("plus", "+1")],
    "sequence": [("empty", ""), ("fraction", "1.0"), ("arabic-digit", "\u0661")],
    "recordId": [("slash", "rec/1"), ("non-ascii", "rec\u00e9")],
    "delta": [("minus-zero", "-0"), ("ten-digits", "0.1234567891"), ("trailing-zero", "-42.50")],
    "periodTotal": [("41-characters", "1" * 41), ("plus", "+1")],
    "postedAt": [("february-30", "2026-02-30T00:00:00.000000Z"), ("second-60", "2026-03-01T23:59:60.000000Z")],
    "recordedAt": [("lowercase", "2026-03-02t09:30:00.000000z"), ("space", "2026-03-02 09:30:00.000000Z")],
    "occurredAt": [("seven-digits", "2026-03-02T09:30:00.0000000Z"), ("hour-24", "2026-03-02T24:00:00.000000Z")],
    "adjusts": [("empty", "")],
    "contextHash": [("uppercase", "AB" * 32)],
    "deltaCount": [("leading-zero", "03")],
    "broughtForward": [("minus-zero", "-0")],
    "carriedForward": [("exponent", "1e2")],
    "lastSequence": [("empty", "")],
    "countToDate": [("space", " 3")],
    "checkpointId": [("too-long", "c" * 129)],
    "closedAt": [("february-29", "2026-02-29T00:00:00.000000Z")],
    "previousPeriod": [("month-13", "2026-13")],
    "previousRoot": [("short", "ab")],
    "invoiceReference": [("empty", ""), ("a-list", ["x"])],
    "slot": [("uppercase", "AB" * 32)],
    "size": [("leading-zero", "05"), ("16-digits", "1" * 16)],
    "root": [("63-digits", "a" * 63)],
    "closed": [("true", "true"), ("capital", "Yes")],
    "commitment": [("short", "ab")],
    "verifierKey": [("empty", ""), ("other-name", maker.Key("pacspace.log/production/" + "f" * 32, secret("x")).line)],
    "backupSize": [("minus", "-1")],
    "backupRoot": [("0x", "0x" + "a" * 62)],
    "signedSize": [("leading-zero", "01")],
    "signedRoot": [("uppercase", "AB" * 32)],
    "reason": [("empty", ""), ("a-list", [])],
    "referenceId": [("empty", "")],
    "metadata": [("an-object", {})],
}  # fmt: skip


def structure_cases(
    name: str, good: Object, optional: tuple[str, ...], given: Callable[[Object], Object]
) -> Iterator[Case]:
    """Every way in which one structure can be misspelled."""
    for field in good:
        if field not in optional:
            yield refused(f"{name}-without-{field}", f"{field} is required.", given(changed(good, {field: None})))
        for how, value in WRONG.get(field, []):
            yield refused(f"{name}-{field}-{how}", f"{field} has one spelling.", given(changed(good, {field: value})))
    yield refused(f"{name}-unknown-field", "Unknown fields are refused.", given(changed(good, {"note": "hello"})))
    version = good["schema"].replace(".v1", ".v2")
    yield refused(f"{name}-unknown-version", "An unknown schema is refused.", given(changed(good, {"schema": version})))
    yield refused(
        f"{name}-schema-a-list", "The schema is a string.", given(changed(good, {"schema": [good["schema"]]}))
    )


def example_month(log: Log, **options: Any) -> Month:
    return month(log.origin, ROWS, **options)


def leaf_cases() -> Iterator[Case]:
    log = Log("leaves")
    february = example_month(log, period="2026-02")
    full = month(
        log.origin,
        [("-42.5", {"occurredAt": "2026-02-27T10:00:00.000000Z", "postedAt": "2026-03-01T00:00:00.000000Z", "adjusts": "rec_021"})],
        after=february, sequence=4, unit="GB-hours", invoice="INV-2026-03",
        restored_from={"origin": Log("old").origin, "size": "7", "root": secret("old root").hex()},
    )  # fmt: skip

    def given(leaf: Object) -> Object:
        return {"leaf": text(leaf)}

    def expect(leaf: Object) -> Object:
        hashed = maker.sha256(b"\0" + canonical(leaf))
        tail = maker.h("pacspace.receipt-id.v1", hashed)[:16].hex()
        return {"leafHash": hashed.hex()} | ({"receiptTail": tail} if leaf["schema"] == "pacspace.delta.v1" else {})

    for name, leaf in zip(("opening", "delta", "closing"), full.leaves):
        yield ok(f"{name}-with-all-fields", "Every optional field is there.", given(leaf), **expect(leaf))
    plain = example_month(log)
    for name, leaf in (("opening", plain.leaves[0]), ("delta", plain.leaves[2]), ("closing", plain.leaves[-1])):
        yield ok(f"{name}-with-required-fields", "No optional field is there.", given(leaf), **expect(leaf))
    longest = changed(plain.leaves[0], {"unit": '\u00e9\U0001f600\u202e"\\\u0001'})
    yield ok("opening-with-odd-unit", "A unit is any text that is not empty.", given(longest), **expect(longest))
    leap = changed(plain.leaves[-1], {"closedAt": "2028-02-29T00:00:00.000000Z"})
    yield ok("closing-on-a-leap-day", "A real date.", given(leap), **expect(leap))
    yield from structure_cases("opening", full.leaves[0], ("unit", "restoredFrom"), given)
    yield from structure_cases("delta", full.leaves[1], ("occurredAt", "adjusts"), given)
    yield from structure_cases("closing", full.leaves[2], ("invoiceReference",), given)
    yield refused("not-an-object", "A leaf is an object.", {"leaf": '["pacspace.delta.v1"]'})
    yield refused("a-head-as-leaf", "Only three schemas are leaves.", given(log.head(plain)))


def context_cases() -> Iterator[Case]:
    salt = secret("context salt", 16).hex()
    full = {
        "schema": "pacspace.context.v1", "reason": "compute_minutes", "referenceId": "job-1",
        "metadata": '{"minutes":42.50,"host":"a"}',
    }  # fmt: skip

    def given(context: Object | str) -> Object:
        return {"context": context if isinstance(context, str) else text(context), "salt": salt}

    for situation, context in {
        "all-fields": full,
        "reason-only": changed(full, {"referenceId": None, "metadata": None}),
        "metadata-is-any-text": changed(full, {"metadata": "not JSON {"}),
        "reason-with-control-characters": changed(full, {"reason": 'a\n\u0000\u202e"\\'}),
    }.items():
        yield ok(situation, "A context and the hash by which a leaf names it.", given(context),
                 contextHash=maker.context_hash(salt, text(context)))  # fmt: skip
    yield from structure_cases("context", full, ("referenceId", "metadata"), given)
    yield refused("white-space", "Context bytes are canonical.", given(json.dumps(full)))
    yield refused(
        "metadata-as-object", "Metadata is text, made once.", given(changed(full, {"metadata": {"minutes": "42.5"}}))
    )


# Trees and proofs.


def blobs(size: int) -> list[bytes]:
    return [f"leaf {index}".encode() for index in range(size)]


def tree_cases() -> Iterator[Case]:
    for size in (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 15, 16, 17, 33):
        leaves = blobs(size)
        given = {"leavesHex": [leaf.hex() for leaf in leaves], "root": maker.root(leaves).hex()}
        yield ok(f"size-{size:02}", f"The root hash of {size} leaves.", given)
    leaves = blobs(5)
    nodes = [maker.sha256(b"\0" + leaf) for leaf in leaves]
    for situation, purpose, found in (
        ("leaves-swapped", "Order matters.", maker.root([leaves[1], leaves[0], *leaves[2:]])),
        ("leaf-left-out", "Every leaf counts.", maker.root(leaves[:4])),
        ("last-leaf-doubled", "An odd leaf is not paired with itself.", maker.root([*leaves, leaves[4]])),
        ("without-prefixes", "Leaves and nodes are hashed apart.", maker.sha256(b"".join(nodes))),
        ("padded-to-eight", "Trees are not padded.", maker.root([*leaves, b"", b"", b""])),
    ):
        yield refused(situation, purpose, {"leavesHex": [leaf.hex() for leaf in leaves], "root": found.hex()})


def proof_input(index: int, size: int, path: list[bytes], root: bytes, leaf: bytes) -> Object:
    hashed = maker.sha256(b"\0" + leaf).hex()
    return {
        "leafHash": hashed,
        "index": str(index),
        "size": str(size),
        "path": [node.hex() for node in path],
        "root": root.hex(),
    }


def inclusion_cases() -> Iterator[Case]:
    for size, index in ((1, 0), (2, 0), (2, 1), (3, 2), (5, 4), (6, 2), (7, 6), (8, 7), (9, 8), (13, 5), (33, 32)):
        leaves = blobs(size)
        yield ok(f"leaf-{index}-of-{size}", "The path leads from the leaf to the root.",
                 proof_input(index, size, maker.path(index, leaves), maker.root(leaves), leaves[index]))  # fmt: skip
    leaves = blobs(13)
    path, root = maker.path(5, leaves), maker.root(leaves)
    flipped = [bytes([path[0][0] ^ 1]) + path[0][1:], *path[1:]]
    for situation, purpose, given in (
        ("index-off-by-one", "The index decides the sides.", proof_input(4, 13, path, root, leaves[5])),
        ("index-beyond-size", "The index is below the size.", proof_input(13, 13, path, root, leaves[5])),
        ("index-with-high-bit", "The index is below the size.", proof_input(5 + 16, 13, path, root, leaves[5])),
        ("size-of-other-shape", "The size decides how long the path is.", proof_input(5, 7, path, root, leaves[5])),
        ("size-zero", "There is nothing in an empty tree.", proof_input(0, 0, [], maker.sha256(b""), b"")),
        ("another-leaf", "The leaf is what is proven.", proof_input(5, 13, path, root, leaves[6])),
        ("another-root", "The root is what it is proven for.", proof_input(5, 13, path, maker.root(blobs(14)), leaves[5])),
        ("path-truncated", "The path has its exact length.", proof_input(5, 13, path[:-1], root, leaves[5])),
        ("path-longer", "The path has its exact length.", proof_input(5, 13, [*path, path[-1]], root, leaves[5])),
        ("path-empty", "The path has its exact length.", proof_input(5, 13, [], root, leaves[5])),
        ("path-reordered", "The path ascends.", proof_input(5, 13, [path[1], path[0], *path[2:]], root, leaves[5])),
        ("path-node-doubled", "Every node once.", proof_input(5, 13, [path[0], path[0], *path[1:]], root, leaves[5])),
        ("path-bit-flipped", "Every bit counts.", proof_input(5, 13, flipped, root, leaves[5])),
        ("node-taken-for-leaf", "A node is no leaf.",
         {**proof_input(0, 2, [], maker.root(leaves[:2]), b""), "leafHash": maker.root(leaves[:2]).hex()}),
    ):  # fmt: skip
        yield refused(situation, purpose, given)


def consistency_input(old: int, new: int, path: list[bytes], old_root: bytes, new_root: bytes) -> Object:
    return {
        "oldSize": str(old), "newSize": str(new), "path": [node.hex() for node in path], "oldRoot": old_root.hex(),
        "newRoot": new_root.hex(),
    }  # fmt: skip


def consistency_cases() -> Iterator[Case]:
    for old, new in ((1, 1), (1, 2), (2, 3), (3, 4), (4, 7), (6, 8), (7, 13), (8, 13), (13, 13), (16, 33)):
        leaves = blobs(new)
        yield ok(f"{old}-to-{new}", "The newer tree begins with the older one.",
                 consistency_input(old, new, maker.consistency(old, leaves), maker.root(leaves[:old]), maker.root(leaves)))  # fmt: skip
    leaves = blobs(13)
    path, old_root, new_root = maker.consistency(7, leaves), maker.root(leaves[:7]), maker.root(leaves)
    other = [b"changed", *leaves[1:]]
    for situation, purpose, given in (
        ("old-leaf-changed", "An old leaf never changes.", consistency_input(7, 13, maker.consistency(7, other), old_root, maker.root(other))),
        ("old-leaf-left-out", "An old leaf stays.", consistency_input(7, 12, maker.consistency(7, leaves[1:]), old_root, maker.root(leaves[1:]))),
        ("sizes-swapped", "The newer tree is larger.", consistency_input(13, 7, path, new_root, old_root)),
        ("roots-swapped", "The roots belong to the sizes.", consistency_input(7, 13, path, new_root, old_root)),
        ("old-size-zero", "An empty tree proves nothing.", consistency_input(0, 13, [], maker.sha256(b""), new_root)),
        ("same-size-other-root", "One size has one root.", consistency_input(13, 13, [], maker.root(other), new_root)),
        ("same-size-with-path", "Nothing is needed, so nothing is given.", consistency_input(13, 13, [path[0]], new_root, new_root)),
        ("path-empty", "The path is needed.", consistency_input(7, 13, [], old_root, new_root)),
        ("path-truncated", "The path has its exact length.", consistency_input(7, 13, path[:-1], old_root, new_root)),
        ("path-longer", "The path has its exact length.", consistency_input(7, 13, [*path, path[0]], old_root, new_root)),
        ("path-reordered", "The path ascends.", consistency_input(7, 13, [path[1], path[0], *path[2:]], old_root, new_root)),
        ("path-node-doubled", "Every node once.", consistency_input(7, 13, [path[0], *path], old_root, new_root)),
        ("complete-tree-with-its-own-root", "A complete old tree is left out of the path.",
         consistency_input(8, 13, [maker.root(leaves[:8]), *maker.consistency(8, leaves)], maker.root(leaves[:8]), new_root)),
    ):  # fmt: skip
        yield refused(situation, purpose, given)


# Heads, entries, notes, keys, trust files.


def window_cases() -> Iterator[Case]:
    roots = [secret(f"root {i}").hex() for i in range(3)]
    start, end = "2026-01-15T00:00:00.000000Z", "2026-03-20T12:30:00.000001Z"
    window: dict[str, Any] = {"customerId": "cust_acme", "startDate": start, "endDate": end, "roots": roots}

    def hashed(stated: dict[str, Any]) -> str:
        return maker.h("pacspace.window.v1", canonical(stated | {"schema": "pacspace.window.v1"})).hex()

    for situation, stated in (("three-months", window), ("one-month", window | {"roots": roots[:1]})):
        purpose = "One value for a window: over its dates and the proof roots of its months, in order of period."
        yield ok(situation, purpose, stated | {"windowHash": hashed(stated)}, windowHash=hashed(stated))
    for situation, changes in {
        "roots-in-another-order": {"roots": roots[::-1]},
        "root-left-out": {"roots": roots[:2]},
        "root-twice": {"roots": [*roots, roots[2]]},
        "another-customer": {"customerId": "cust_other"},
        "another-start": {"startDate": "2026-01-15T00:00:00.000001Z"},
        "another-end": {"endDate": "2026-03-20T12:30:00.000000Z"},
    }.items():
        purpose = "The window's hash is that of exactly this customer, these dates and these roots."
        yield refused(situation, purpose, window | changes | {"windowHash": hashed(window)})


def head_cases() -> Iterator[Case]:
    log = Log("heads")
    locked = example_month(log)

    def given(head: Object) -> Object:
        return {"slotKey": locked.leaves[0]["slotKey"], "headSalt": log.commit(log.head(locked))[0], "head": text(head)}

    for situation, head in (
        ("closed", log.head(locked)),
        ("open", log.head(locked.first(3))),
        ("sandbox", log.head(locked, {"origin": Log("heads", "sandbox").origin})),
        ("other-period", log.head(locked, {"period": "2026-04"})),
    ):
        slot = maker.h(
            "pacspace.slot.v1",
            bytes.fromhex(locked.leaves[0]["slotKey"]) + f"{head['period']}{head['origin']}".encode(),
        )
        head = changed(head, {"slot": slot.hex()})
        salt = bytes.fromhex(given(head)["headSalt"])
        yield ok(situation, "A head, its slot and its commitment.", given(head), slot=slot.hex(),
                 slotFingerprint=maker.slot_fingerprint(locked),
                 commitment=maker.h("pacspace.head-commitment.v1", salt + canonical(head)).hex())  # fmt: skip
    yield from structure_cases("head", log.head(locked), (), given)
    for situation, changes in {
        "slot-of-another-period": {"period": "2026-04"},
        "slot-of-another-origin": {"origin": Log("another").origin},
        "slot-of-another-key": {
            "slot": maker.h("pacspace.slot.v1", secret("x") + b"2026-03" + log.origin.encode()).hex()
        },
    }.items():
        yield refused(
            situation, "The slot is made from slot key, period and origin.", given(changed(log.head(locked), changes))
        )


def entry_cases() -> Iterator[Case]:
    log = Log("entries")
    entries = {
        "batch": {"schema": "pacspace.batch.v1", "root": secret("batch").hex()},
        "closed": {"schema": "pacspace.closed.v1", "slot": secret("slot").hex(), "commitment": secret("commitment").hex()},
        "key": {"schema": "pacspace.key.v1", "origin": log.origin, "verifierKey": log.key.line},
        "restored": {
            "schema": "pacspace.restored.v1", "origin": Log("old").origin, "backupSize": "7",
            "backupRoot": secret("backup").hex(), "signedSize": "9", "signedRoot": secret("signed").hex(),
        },
    }  # fmt: skip

    def given(entry: Object) -> Object:
        return {"entry": text(entry)}

    for name, entry in entries.items():
        yield ok(
            name, "A log entry and its leaf hash.", given(entry), leafHash=maker.sha256(b"\0" + canonical(entry)).hex()
        )
        yield from (
            structure_cases(name, entry, (), given)
            if name != "restored"
            else structure_cases(name, entry, ("signedSize", "signedRoot"), given)
        )
    short = changed(entries["restored"], {"signedSize": None, "signedRoot": None})
    yield ok("restored-without-signer-folder", "The last signed checkpoint is not known.", given(short),
             leafHash=maker.sha256(b"\0" + canonical(short)).hex())  # fmt: skip
    for field in ("signedSize", "signedRoot"):
        yield refused(
            f"restored-{field}-alone",
            "The signed size and root come together.",
            given(changed(entries["restored"], {field: None})),
        )
    yield refused("batch-with-size", "A batch tells nothing of its size.", given(entries["batch"] | {"size": "3"}))
    yield refused(
        "closed-with-root", "A closed entry shows no root.", given(entries["closed"] | {"root": secret("batch").hex()})
    )


def note_cases() -> Iterator[Case]:
    log = Log("notes", entries=[{"schema": "pacspace.batch.v1", "root": secret(f"batch {i}").hex()} for i in range(3)])
    body, key, other = log.body(), log.key, Key(log.origin, secret("another key"))
    signature = base64.b64decode(key.sign(body).split(" ")[2])[4:]

    def given(body: str, *lines: str, by: Key | None = None) -> Object:
        return {"note": body + "\n" + "".join(line + "\n" for line in lines), "key": (by or key).line}

    def line(raw: bytes, name: str = log.origin, key_id: bytes = key.id) -> str:
        return maker.signature_line(name, key_id, raw)

    good = key.sign(body)
    s = int.from_bytes(signature[32:], "little")
    witness = Key("witness.example/one", secret("witness one"), 4)
    yield ok("signed", "One signature by the key.", given(body, good))
    yield ok("signed-by-two-keys", "During a rotation both keys sign.", given(body, other.sign(body), good))
    yield ok("with-a-cosignature", "A witness's line is not the log's.", given(body, good, witness.cosign(body, NOW)))
    for situation, purpose, value in (
        ("another-size", "The size is signed.", given(body.replace("\n3\n", "\n4\n"), good)),
        ("another-origin", "The origin is signed.", given(body.replace(log.origin, Log("x").origin), good)),
        ("another-root", "The root is signed.", given(log.body(2).replace("\n2\n", "\n3\n"), good)),
        ("another-key", "The key is the trusted one.", given(body, other.sign(body))),
        ("another-key-under-this-name", "The key is the trusted one.", given(body, maker.signature_line(log.origin, key.id, base64.b64decode(other.sign(body).split(" ")[2])[4:]))),
        ("another-key-id", "The key id is the key's.", given(body, line(signature, key_id=other.id))),
        ("another-key-name", "The name is the key's.", given(body, line(signature, name=Log("x").origin))),
        ("bit-flipped-in-r", "Every bit counts.", given(body, line(bytes([signature[0] ^ 1]) + signature[1:]))),
        ("bit-flipped-in-s", "Every bit counts.", given(body, line(signature[:63] + bytes([signature[63] ^ 1])))),
        ("s-plus-l", "S is below L: there is no second spelling of a signature.", given(body, line(signature[:32] + (s + L).to_bytes(32, "little")))),
        ("signature-of-63-bytes", "A signature has 64 bytes.", given(body, line(signature[:63]))),
        ("signature-of-65-bytes", "A signature has 64 bytes.", given(body, line(signature + b"\0"))),
        ("zero-signature", "Zeros sign nothing.", given(body, line(bytes(64)))),
        ("cosignature-only", "A witness is not the log.", given(body, witness.cosign(body, NOW))),
        ("cosignature-by-the-logs-key", "A cosignature is not a signature.", given(body, Key(log.origin, key.seed, 4).cosign(body, NOW))),
    ):  # fmt: skip
        yield refused(situation, purpose, value)


def cosignature_cases() -> Iterator[Case]:
    log = Log("cosignatures", entries=[{"schema": "pacspace.batch.v1", "root": secret("batch").hex()}])
    body, note = log.body(), log.checkpoint()
    witness, other = (Key(f"witness.example/{name}", secret(f"witness {name}"), 4) for name in ("one", "two"))
    good = witness.cosign(body, NOW)
    raw = base64.b64decode(good.split(" ")[2])

    def given(line: str) -> Object:
        return {"note": note, "line": line, "witness": witness.line}

    def line(data: bytes) -> str:
        return f"\u2014 {witness.name} {base64.b64encode(data).decode()}"

    yield ok("good", "A witness saw this log at this time.", given(good), time=str(NOW))
    yield ok("time-zero", "The time is what the witness said.", given(witness.cosign(body, 0)), time="0")
    for situation, purpose, value in (
        ("another-time", "The time is signed.", line(raw[:11] + bytes([raw[11] ^ 1]) + raw[12:])),
        ("another-checkpoint", "The checkpoint is signed.", witness.cosign(body.replace("\n1\n", "\n2\n"), NOW)),
        ("another-witness", "The key is the witness's.", other.cosign(body, NOW)),
        ("without-time", "A plain signature is no cosignature.", line(raw[:4] + raw[12:])),
        ("too-long", "A cosignature has 72 bytes.", line(raw + b"\0")),
        (
            "a-note-signature",
            "A log's kind of signature is no cosignature.",
            Key(witness.name, witness.seed, 1).sign(body),
        ),
    ):
        yield refused(situation, purpose, given(value))


def log_checkpoint_cases() -> Iterator[Case]:
    log = Log("checkpoints", entries=[{"schema": "pacspace.batch.v1", "root": secret("batch").hex()}])
    note = log.checkpoint()
    body, _, tail = note.partition("\n\n")
    origin, size, root64 = body.split("\n")
    line = tail.rstrip("\n")
    root = base64.b64decode(root64).hex()
    yield ok(
        "one-signature", "Origin, size, root hash, one signature.", {"note": note}, origin=origin, size=size, root=root
    )
    yield ok("eighteen-signatures", "As many lines as fit two keys and sixteen witnesses.",
             {"note": body + "\n\n" + (f"\u2014 w {base64.b64encode(bytes(5)).decode()}\n") * 18}, origin=origin, size=size, root=root)  # fmt: skip
    yield ok("empty-log", "A log of no entries.", {"note": Log("empty").checkpoint()},
             origin=Log("empty").origin, size="0", root=maker.sha256(b"").hex())  # fmt: skip
    unpadded = root64.rstrip("=")
    loose = root64[:42] + chr(ord(root64[42]) + 1) + "="
    for situation, purpose, text_ in (
        ("crlf", "Lines end with LF.", note.replace("\n", "\r\n")),
        ("extension-line", "There are no extension lines.", note.replace("\n\n", "\nextension\n\n", 1)),
        ("no-empty-line", "An empty line comes before the signatures.", note.replace("\n\n", "\n")),
        ("no-signature", "At least one signature.", body + "\n\n"),
        ("no-final-newline", "Every line ends with LF.", note[:-1]),
        ("extra-final-newline", "Nothing after the signatures.", note + "\n"),
        ("leading-newline", "Nothing before the origin.", "\n" + note),
        ("two-lines", "Origin, size, root.", note.replace(f"\n{size}\n", "\n", 1)),
        ("size-leading-zero", "A size has one spelling.", note.replace(f"\n{size}\n", f"\n0{size}\n")),
        ("size-plus", "A size has one spelling.", note.replace(f"\n{size}\n", f"\n+{size}\n")),
        ("size-with-space", "A size has one spelling.", note.replace(f"\n{size}\n", f"\n{size} \n")),
        ("size-of-16-digits", "A size has at most 15 digits.", note.replace(f"\n{size}\n", "\n" + "1" * 16 + "\n")),
        ("root-of-31-bytes", "A root hash has 32 bytes.", note.replace(root64, base64.b64encode(bytes(31)).decode())),
        ("root-unpadded", "Base64 is padded.", note.replace(root64, unpadded)),
        ("root-base64url", "Standard base64, not the URL alphabet.", note.replace(root64, base64.urlsafe_b64encode(b"\xff" * 32).decode())),
        ("root-loose-last-bits", "Base64 has one spelling.", note.replace(root64, loose)),
        ("root-in-hex", "The root hash is base64.", note.replace(root64, root)),
        ("origin-with-scheme", "An origin has no scheme.", note.replace(origin, "https://" + origin, 1)),
        ("origin-of-another-kind", "Origins are `pacspace.log/environment/32 hex`.", note.replace(origin, "example.com/log")),
        ("hyphen-for-dash", "A signature line begins with an em dash.", note.replace("\u2014", "-")),
        ("en-dash", "A signature line begins with an em dash.", note.replace("\u2014", "\u2013")),
        ("two-spaces", "One space between the parts.", note.replace("\u2014 ", "\u2014  ")),
        ("name-with-plus", "A key name has no plus.", note.replace(line, line.replace(origin, origin + "+x"))),
        ("name-with-non-breaking-space", "A key name is printable ASCII.", note.replace(line, line.replace(origin, origin + "\u00a0x"))),
        ("signature-of-no-bytes", "A signature line has a key id and a signature.", body + "\n\n\u2014 w AAAAAA==\n"),
        ("signature-not-base64", "A signature line is base64.", body + "\n\n\u2014 w !!!!\n"),
        ("nineteen-signatures", "Too many lines.", body + "\n\n" + f"\u2014 w {base64.b64encode(bytes(5)).decode()}\n" * 19),
        ("longer-than-4-kib", "A note has at most 4 KiB.", body + "\n\n" + f"\u2014 w {base64.b64encode(bytes(3100)).decode()}\n"),
        ("empty", "There must be a note.", ""),
    ):  # fmt: skip
        yield refused(situation, purpose, {"note": text_})


SMALL_ORDER = [
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
]
NOT_CANONICAL = {
    "y-is-p": P.to_bytes(32, "little").hex(),
    "y-is-p-plus-1": (P + 1).to_bytes(32, "little").hex(),
    "y-is-p-plus-1-with-sign": (P + 1 | 1 << 255).to_bytes(32, "little").hex(),
    "one-with-sign": (1 | 1 << 255).to_bytes(32, "little").hex(),
    "all-ones": "ff" * 32,
}
NOT_A_POINT = {"y-is-2": (2).to_bytes(32, "little").hex(), "y-is-7": (7).to_bytes(32, "little").hex()}


def verifier_key_cases() -> Iterator[Case]:
    key = Key(Log("keys").origin, secret("a key"))
    witness = Key("witness.example/w1", secret("witness"), 4)
    name, key_id, data = key.line.split("+", 2)

    def given(value: str, kind: str = "log") -> Object:
        return {"kind": kind, "text": value}

    for situation, one, kind in (("log", key, "log"), ("witness", witness, "witness")):
        yield ok(situation, "A verifier key, its key id and the fingerprint people compare.", given(one.line, kind),
                 keyId=one.id.hex(), fingerprint=maker.sha256(one.line.encode()).hex())  # fmt: skip
    raw = base64.b64decode(data)
    loose = data[:42] + chr(ord(data[42]) + 1) + data[43:]
    for situation, purpose, value, kind in (
        ("key-id-of-another-key", "The key id is computed from the key.", f"{name}+{witness.id.hex()}+{data}", "log"),
        ("key-id-uppercase", "The key id is lowercase.", f"{name}+{key_id.upper()}+{data}", "log"),
        ("key-id-short", "The key id has eight digits.", f"{name}+{key_id[1:]}+{data}", "log"),
        ("no-key-id", "Name, key id, key.", f"{name}+{data}", "log"),
        ("empty-name", "A key has a name.", maker.verifier_key("", key.public), "log"),
        ("empty-witness-name", "A key has a name.", maker.verifier_key("", witness.public, 4), "witness"),
        ("log-name-is-no-origin", "A log's key is named after its origin.", maker.verifier_key("example.com/log", key.public), "log"),
        ("witness-name-with-space", "A key name is printable ASCII.", maker.verifier_key("w 1", witness.public, 4), "witness"),
        ("witness-name-not-ascii", "A key name is printable ASCII.", maker.verifier_key("w\u00e9", witness.public, 4), "witness"),
        ("witness-kind-for-log", "A log's key has type 1.", maker.verifier_key(name, key.public, 4), "log"),
        ("log-kind-for-witness", "A witness's key has type 4.", maker.verifier_key(witness.name, witness.public, 1), "witness"),
        ("kind-2", "Only Ed25519.", maker.verifier_key(name, key.public, 2), "log"),
        ("of-31-bytes", "A key has 32 bytes.", maker.verifier_key(name, key.public[:31]), "log"),
        ("of-33-bytes", "A key has 32 bytes.", maker.verifier_key(name, key.public + b"\0"), "log"),
        ("not-base64", "The key is base64.", f"{name}+{key_id}+{data[:-2]}!!", "log"),
        ("trailing-bits", "Base64 has one spelling.", f"{name}+{key_id}+{loose}", "log"),
        ("trailing-newline", "One line, nothing after it.", key.line + "\n", "log"),
        ("leading-space", "Nothing before it.", " " + key.line, "log"),
        ("raw-without-kind", "The first byte is the type.", f"{name}+{key_id}+{base64.b64encode(raw[1:]).decode()}", "log"),
        ("empty", "There must be a key.", "", "log"),
    ):  # fmt: skip
        yield refused(situation, purpose, given(value, kind))
    for number, encoded in enumerate(SMALL_ORDER):
        yield refused(
            f"small-order-{number}",
            "A key of small order signs anything.",
            given(maker.verifier_key(name, bytes.fromhex(encoded))),
        )
    for situation, encoded in {**NOT_CANONICAL, **NOT_A_POINT}.items():
        yield refused(
            f"not-a-key-{situation}",
            "A key is the canonical encoding of a point.",
            given(maker.verifier_key(name, bytes.fromhex(encoded))),
        )


def trust_cases() -> Iterator[Case]:
    log, old = Log("trust"), Log("trust old")
    witness = [Key(f"witness.example/{n}", secret(f"witness {n}"), 4) for n in range(2)]
    fingerprint = secret("fingerprint").hex()
    customer = f"customer {log.origin} cust_acme {fingerprint}"

    def given(*lines: str) -> Object:
        return {"text": "".join(line + "\n" for line in lines)}

    def expect(keys: int, customers: int = 0, witnesses: int = 0, quorum: int = 0) -> Object:
        return {"keys": str(keys), "customers": str(customers), "witnesses": str(witnesses), "quorum": str(quorum)}

    for situation, value, counts in (
        ("one-key", given(log.key.line), expect(1)),
        ("empty", {"text": ""}, expect(0)),
        ("no-final-newline", {"text": log.key.line}, expect(1)),
        ("last-size", given(f"{log.key.line} 17"), expect(1)),
        ("comments-and-blanks", given("# logs", "", f"  {log.key.line}\t17 # until the rotation", "\t"), expect(1)),
        ("customer", given(log.key.line, customer), expect(1, 1)),
        ("customer-repeated-the-same", given(customer, customer), expect(0, 1)),
        ("two-logs", given(log.key.line, old.key.line), expect(2)),
        ("witnesses-all-required", given(*(f"witness {w.line}" for w in witness)), expect(0, 0, 2, 2)),
        ("quorum", given("quorum 1", *(f"witness {w.line}" for w in witness)), expect(0, 0, 2, 1)),
        ("quorum-with-age", given("quorum 2 86400", *(f"witness {w.line}" for w in witness)), expect(0, 0, 2, 2)),
    ):
        yield ok(situation, "A trust file that can be read.", value, **counts)
    w = f"witness {witness[0].line}"
    for situation, purpose, value in (
        ("crlf", "Lines end with LF.", {"text": log.key.line + "\r\n"}),
        ("byte-order-mark", "No byte order mark.", {"text": "\ufeff" + log.key.line + "\n"}),
        ("non-breaking-space", "Words are parted by spaces and tabs.", given(f"{log.key.line}\u00a017")),
        ("key-twice", "A key is given once: two last sizes would contradict.", given(f"{log.key.line} 17", log.key.line)),
        ("witness-twice", "A witness counts once.", given(w, w)),
        ("witness-under-two-names", "A witness counts once.", given(w, "witness " + Key("other", witness[0].seed, 4).line)),
        ("last-size-leading-zero", "A size has one spelling.", given(f"{log.key.line} 017")),
        ("last-size-minus", "A size has one spelling.", given(f"{log.key.line} -1")),
        ("word-too-many", "Nothing follows the last size.", given(f"{log.key.line} 17 18")),
        ("customer-without-fingerprint", "Origin, customer, fingerprint.", given(" ".join(customer.split()[:3]))),
        ("customer-uppercase-fingerprint", "Hashes are lowercase.", given(customer.replace(fingerprint, fingerprint.upper()))),
        ("customer-two-fingerprints", "A customer has one slot key.", given(customer, customer.replace(fingerprint, secret("x").hex()))),
        ("customer-of-no-origin", "A customer belongs to a log.", given(f"customer example.com cust_acme {fingerprint}")),
        ("unknown-word", "Unknown lines are refused.", given("trust everything")),
        ("witness-with-log-key", "A witness's key has type 4.", given("witness " + log.key.line)),
        ("log-with-witness-key", "A log's key has type 1.", given(witness[0].line)),
        ("quorum-zero", "A quorum of none is no policy.", given("quorum 0", w)),
        ("quorum-beyond-witnesses", "A quorum that can't be met.", given("quorum 2", w)),
        ("quorum-without-witnesses", "A quorum of whom?", given("quorum 1")),
        ("quorum-twice", "One policy.", given("quorum 1", "quorum 1", w)),
        ("quorum-words", "Counts in digits.", given("quorum one", w)),
        ("small-order-key", "A weak key is refused.", given(maker.verifier_key(log.origin, bytes.fromhex(SMALL_ORDER[0])))),
    ):  # fmt: skip
        yield refused(situation, purpose, value)
