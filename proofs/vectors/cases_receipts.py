"""The cases of whole receipts, alone and together: honest ones, and lies that each numbered check must find."""

from __future__ import annotations

import base64
import copy
from collections.abc import Iterator
from typing import Any

from . import maker
from .cases_values import NOW, ROWS, Case, L, ok, refused
from .maker import Key, Log, Month, Object, changed, month, secret, text


def vendor(name: str = "vendor", environment: str = "production", before: int = 3) -> Log:
    """A log in which other customers' heads came before."""
    log = Log(name, environment)
    for number in range(before):
        log.append({"schema": "pacspace.batch.v1", "root": secret(f"{name} earlier {number}").hex()})
    return log


def given(files: Any, *trust: str, now: int = NOW) -> Object:
    """Files as text, objects in their canonical spelling; the trust file's lines."""
    files = files if isinstance(files, list) else [files]
    texts = [file if isinstance(file, str) else text(file) for file in files]
    return {"files": texts, "trust": "".join(line + "\n" for line in trust), "now": now}


def made(log: Log, tree: Month, kind: str = "full", after: int = 2, **options: Any) -> Object:
    """The receipt of a month, published between other entries. Options of publish and receipt."""
    published = {name: options.pop(name) for name in ("others", "head", "batch") if name in options}
    place = log.publish(tree, **published)
    for number in range(after):
        log.append(
            {"schema": "pacspace.batch.v1", "root": secret(f"{log.name} later {len(log.entries)} {number}").hex()}
        )
    return log.receipt(place, kind, **options)


def put(value: Object, where: str, new: Any) -> Object:
    """A copy of a receipt with the value at `a/0/b` replaced, or removed when new is None."""
    value = copy.deepcopy(value)
    *way, last = where.split("/")
    target: Any = value
    for step in way:
        target = target[int(step)] if isinstance(target, list) else target[step]
    key: Any = int(last) if isinstance(target, list) else last
    if new is None:
        del target[key]
    else:
        target[key] = new
    return value


def flip(digits: str) -> str:
    """Hex with its first bit flipped."""
    return f"{int(digits[0], 16) ^ 8:x}{digits[1:]}"


def good_cases() -> Iterator[Case]:
    def good(situation: str, purpose: str, result: str, files: Any, *trust: str, **facts: Any) -> Case:
        return ok(situation, purpose, given(files, *trust), result=result, facts=facts)

    log = vendor()
    locked = month(log.origin, ROWS)
    opened = month(log.origin, ROWS, lock=False)
    root = "0x" + locked.root.hex()
    for kind in ("full", "summary"):
        facts: Object = {
            "total": "57.25",
            "deltaCount": 3,
            "proofRoot": root,
            "carriedForward": "57.25",
            "locked": True,
        }
        if kind == "full":
            facts |= {
                "debits": "-42.75", "credits": "100", "withheld": [],
                "subtotals": [{"reason": "compute_minutes", "count": 1, "total": "-0.25"}, {"reason": "storage", "count": 2, "total": "57.5"}],
            }  # fmt: skip
        yield good(
            f"locked-{kind}", "A locked month.", f"locked-{kind}", made(vendor(), locked, kind), log.key.line, **facts
        )
        yield good(f"provisional-{kind}", "A month that is still open.", f"provisional-{kind}", made(vendor(), opened, kind),
                   log.key.line, total="57.25", deltaCount=3, locked=False)  # fmt: skip
        empty = month(log.origin, [])
        yield good(f"empty-month-{kind}", "A locked month without deltas.", f"locked-{kind}", made(vendor(), empty, kind),
                   log.key.line, total="0", deltaCount=0)  # fmt: skip
        first = month(log.origin, ["-42.5"], lock=False)
        yield good(f"first-delta-{kind}", "The smallest open tree.", f"provisional-{kind}", made(vendor(), first, kind),
                   log.key.line, total="-42.5", deltaCount=1)  # fmt: skip
    late = month(log.origin, [
        ("-5", {"occurredAt": "2026-02-27T10:00:00.000000Z", "postedAt": "2026-03-01T00:00:00.000000Z"}),
        ("-7", {"occurredAt": "2026-03-01T00:00:00.000000Z", "adjusts": "rec_021"}),
        ("5", {"adjusts": "rec_031", "occurredAt": "2026-01-02T00:00:00.000000Z", "postedAt": "2026-03-01T00:00:00.000000Z"}),
    ])  # fmt: skip
    yield good("late-and-correcting", "Late usage is posted to the first instant of an open month.", "locked-full",
               made(vendor(), late), log.key.line, late=["rec_031", "rec_033"], correcting=["rec_032", "rec_033"], total="-7")  # fmt: skip
    receipt = made(vendor(), locked, withhold=(1, 3))
    yield good("contexts-withheld", "A withheld context leaves the tree verifiable.", "locked-full", receipt, log.key.line,
               withheld=[1, 3], subtotals=[{"reason": "compute_minutes", "count": 1, "total": "-0.25"}, {"reason": None, "count": 2, "total": "57.5"}])  # fmt: skip
    yield good("contexts-erased", "Without any context the amounts still add up.", "locked-full",
               made(vendor(), locked, withhold=(1, 2, 3)), log.key.line, withheld=[1, 2, 3], total="57.25")  # fmt: skip
    odd = month(
        log.origin,
        [
            (
                "-1",
                {
                    "context": {
                        "schema": "pacspace.context.v1",
                        "reason": "a\u202eb\n",
                        "metadata": "{",
                        "referenceId": "\u00e9",
                    }
                },
            )
        ],
    )
    yield good("odd-text-in-context", "Reasons are any text; they are shown escaped.", "locked-full", made(vendor(), odd), log.key.line,
               subtotals=[{"reason": "a\u202eb\n", "count": 1, "total": "-1"}])  # fmt: skip
    yield good("unit-and-invoice", "A unit and an invoice reference.", "locked-full",
               made(vendor(), month(log.origin, ROWS, unit="GB-hours", invoice="INV-7")), log.key.line, unit="GB-hours", invoiceReference="INV-7")  # fmt: skip
    extremes = ["1000000000", "-1000000000", "0.000000001"]
    yield good("largest-and-smallest-deltas", "Deltas at their bounds.", "locked-full", made(vendor(), month(log.origin, extremes)),
               log.key.line, total="0.000000001", debits="-1000000000", credits="1000000000.000000001")  # fmt: skip
    second = month(log.origin, ["-1"], period="2026-04", sequence=4, after=locked, last_sequence=6)
    yield good("second-month", "What is carried over, and deltas already in later months.", "locked-full", made(vendor(), second), log.key.line,
               broughtForward="57.25", carriedForward="56.25", countToDate="4", lastSequence="6")  # fmt: skip
    sandbox = vendor("vendor", "sandbox")
    yield good(
        "sandbox",
        "A sandbox receipt says so.",
        "locked-full",
        made(sandbox, month(sandbox.origin, ROWS)),
        sandbox.key.line,
        environment="sandbox",
    )
    alone = vendor(before=0)
    yield good(
        "first-entry-of-a-log",
        "The path of a single entry is empty.",
        "locked-full",
        made(alone, locked, after=0),
        log.key.line,
        logIndex=0,
        logSize=1,
    )
    yield good(
        "alone-in-its-batch",
        "A batch of one head has an empty path.",
        "provisional-full",
        made(vendor(), opened, others=0),
        log.key.line,
        locked=False,
    )
    yield good(
        "in-a-batch-of-nine",
        "A batch of nine heads.",
        "provisional-full",
        made(vendor(), opened, others=8),
        log.key.line,
        locked=False,
    )
    old = vendor("old")
    moved = {"origin": old.origin, "size": "3", "root": maker.root(old.data).hex()}
    yield good(
        "restored",
        "A month that goes on from another log.",
        "locked-full",
        made(vendor(), month(log.origin, ROWS, restored_from=moved)),
        log.key.line,
        locked=True,
    )
    rotated = vendor()
    first_key, second_key = rotated.key, rotated.rotate()
    receipt = made(rotated, locked)
    yield good(
        "rotated-key",
        "After a rotation the new key signs.",
        "locked-full",
        receipt,
        f"{first_key.line} 4",
        second_key.line,
        locked=True,
    )
    receipt = made(vendor(), locked)
    size = receipt["log"]["checkpoint"].split("\n")[1]
    yield good(
        "at-the-last-size",
        "A key may sign up to its last size.",
        "locked-full",
        receipt,
        f"{log.key.line} {size}",
        locked=True,
    )
    yield good("trusted-fingerprint", "The customer's slot key is the one the trust file has.", "locked-full", receipt, log.key.line,
               f"customer {log.origin} cust_acme {maker.slot_fingerprint(locked)}", slotFingerprint=maker.slot_fingerprint(locked))  # fmt: skip
    yield ok(
        "no-key", "Without a key nobody knows who signed.", given(receipt), result="undecided", facts={"total": "57.25"}
    )
    one, two, stranger = (
        Key(f"witness.example/{name}", secret(f"witness {name}"), 4) for name in ("one", "two", "stranger")
    )
    policy = (f"witness {one.line}", f"witness {two.line}")
    both = made(vendor(), locked, witnesses=[(one, NOW - 50), (two, NOW - 100)])
    yield good(
        "two-witnesses", "Both trusted witnesses cosigned.", "locked-full", both, log.key.line, *policy, locked=True
    )
    yield good("quorum-of-one", "One of two is enough if the trust file says so.", "locked-full",
               made(vendor(), locked, witnesses=[(two, NOW)]), log.key.line, *policy, "quorum 1 3600", locked=True)  # fmt: skip
    yield good("unknown-witness", "A cosignature of an unknown witness is not checked.", "locked-full",
               made(vendor(), locked, witnesses=[(stranger, 5), (one, NOW)]), log.key.line, policy[0], locked=True)  # fmt: skip
    unchecked = put(
        made(vendor(), locked, witnesses=[(stranger, 5)]),
        "log/cosignatures/0",
        maker.signature_line("nobody", b"abcd", b"x"),
    )
    yield good(
        "unknown-witness-odd-signature",
        "Not even its length is checked.",
        "locked-full",
        unchecked,
        log.key.line,
        locked=True,
    )
    log, months = vendor(), chain(log)
    parts = [made(log, tree) for tree in months]
    window = maker.window("2026-01-03T00:00:00.000000Z", "2026-03-02T12:00:00.000000Z", parts)
    yield good("window", "Three months and the lines of a window over them.", "locked-full", window, log.key.line)
    weakest = maker.window(
        "2026-01-01T00:00:00.000000Z", "2026-03-01T00:00:00.000000Z", [parts[0], made(log, months[1], "summary")]
    )
    yield good(
        "window-with-summary", "A window is as good as its weakest month.", "locked-summary", weakest, log.key.line
    )


def chain(log: Log) -> list[Month]:
    """January to March: three locked months of one customer."""
    january = month(log.origin, ["-1", "-2"], period="2026-01")
    february = month(log.origin, ["-3"], period="2026-02", sequence=3, after=january)
    return [january, february, month(log.origin, ["-4", "10"], period="2026-03", sequence=4, after=february)]


def refused_files() -> Iterator[tuple[int, str, str, Any, tuple[str, ...]]]:
    """Check, situation, purpose, files, further trust lines (the log's key is always there)."""
    log = vendor()
    locked, opened = month(log.origin, ROWS), month(log.origin, ROWS, lock=False)
    full, summary = made(vendor(), locked), made(vendor(), locked, "summary")
    open_full, open_summary = made(vendor(), opened), made(vendor(), opened, "summary")
    good = text(full)
    stranger = Key("witness.example/stranger", secret("stranger"), 4)
    witnessed = made(vendor(), locked, witnesses=[(stranger, 5)])

    def parse(situation: str, purpose: str, files: Any, *trust: str) -> tuple[int, str, str, Any, tuple[str, ...]]:
        return 1, situation, purpose, files, trust

    # 1: strict form.
    for name in full:
        yield parse(f"without-{name}", f"{name} is required.", put(full, name, None))
    for name in full["log"]:
        yield parse(f"log-without-{name}", f"{name} is required.", put(full, f"log/{name}", None))
    for name in ("index", "size", "path"):
        yield parse(f"batch-without-{name}", f"{name} is required.", put(open_full, f"batch/{name}", None))
    for where in ("", "log/", "head/", "entry/", "leaves/0/", "leaves/1/", "leaves/1/leaf/", "leaves/4/leaf/"):
        label = where.replace("/", "-")
        yield parse(
            f"unknown-field-in-{label or 'receipt-'}x", "Unknown fields are refused.", put(full, f"{where}x", "y")
        )
    for where, value in (
        ("kind", "partial"), ("kind", ["full"]), ("schema", "pacspace.receipt.v2"), ("schema", {}), ("leaves", {}), ("leaves", []),
        ("leaves", full["leaves"][:1]), ("head", []), ("head", "x"), ("headSalt", "ab" * 15), ("headSalt", "AB" * 16), ("entry", {}),
        ("entry", {"schema": []}), ("entry", {"schema": {}}), ("log", []), ("log/index", "03"), ("log/index", "-1"), ("log/index", "1" * 16),
        ("log/path", {}), ("log/path/0", "AB" * 32), ("log/path/0", ["x"]), ("log/path", ["ab" * 32] * 65), ("log/checkpoint", ""),
        ("log/checkpoint", ["x"]), ("log/cosignatures", []), ("log/cosignatures", "x"), ("log/cosignatures", ["x"]),
        ("log/cosignatures", [maker.signature_line("w", b"abcd", bytes(72))] * 17), ("log/cosignatures", [{}]), ("leaves/1", "x"),
        ("leaves/1/leaf", []), ("leaves/1/leaf", {"schema": ["pacspace.delta.v1"]}), ("leaves/1/leaf/delta", "-0"),
        ("leaves/1/leaf/delta", "-42.50"), ("leaves/1/leaf/index", "01"), ("leaves/1/leaf/recordedAt", "2026-02-30T00:00:00.000000Z"),
        ("leaves/0/leaf/restoredFrom", "x"), ("leaves/0/leaf/unit", ""), ("head/closed", "true"), ("head/size", "05"),
        ("entry/slot", "0x" + "a" * 62), ("leaves/1/context", ""), ("leaves/1/salt", "ab" * 15), ("leaves/1/context", ["x"]),
    ):  # fmt: skip
        label = f"{where.replace('/', '-')}-{len(text(value))}-{maker.sha256(maker.canonical(value)).hex()[:4]}"
        yield parse(f"wrong-{label}", f"{where} is not spelled as required.", put(full, where, value))
    yield parse("entry-of-another-schema", "A receipt's entry is a batch or a closed one.",
                put(full, "entry", {"schema": "pacspace.key.v1", "origin": log.origin, "verifierKey": log.key.line}))  # fmt: skip
    yield parse(
        "batch-with-closed-head",
        "batch is given exactly when head.closed is no.",
        {**full, "batch": open_full["batch"]},
    )
    yield parse(
        "no-batch-with-open-head", "batch is given exactly when head.closed is no.", put(open_full, "batch", None)
    )
    yield parse("batch-with-root", "Unknown fields are refused.", put(open_full, "batch/root", "ab" * 32))
    yield parse("batch-size-leading-zero", "A size has one spelling.", put(open_full, "batch/size", "03"))
    yield parse("context-without-salt", "Context and salt come together.", put(full, "leaves/1/salt", None))
    yield parse("salt-without-context", "Context and salt come together.", put(full, "leaves/1/context", None))
    extra = put(put(full, "leaves/0/context", "x"), "leaves/0/salt", "ab" * 16)
    yield parse("context-on-opening", "Only deltas have a context.", extra)
    yield parse("full-with-path", "A full receipt has no paths.", put(full, "leaves/1/path", []))
    yield parse("summary-without-path", "A summary has paths.", put(summary, "leaves/1/path", None))
    yield parse("summary-called-full", "The kind decides the form.", put(summary, "kind", "full"))
    yield parse("full-called-summary", "The kind decides the form.", put(full, "kind", "summary"))
    yield parse(
        "summary-of-three-leaves",
        "A summary has two leaves.",
        put(summary, "leaves", [*summary["leaves"], summary["leaves"][1]]),
    )
    note = full["log"]["checkpoint"]
    signature = note.split("\n\n")[1]
    yield parse("two-signature-lines", "Exactly one signature line.", put(full, "log/checkpoint", note + signature))
    yield parse(
        "no-signature-line", "Exactly one signature line.", put(full, "log/checkpoint", note.replace(signature, ""))
    )
    yield parse(
        "signature-of-another-name",
        "The line is the log's own.",
        put(full, "log/checkpoint", note.replace("\u2014 " + log.origin, "\u2014 someone")),
    )
    yield parse("signature-too-short", "A signature has 64 bytes.",
                put(full, "log/checkpoint", note.replace(signature, maker.signature_line(log.origin, log.key.id, bytes(63)) + "\n")))  # fmt: skip
    yield parse("checkpoint-crlf", "Lines end with LF.", put(full, "log/checkpoint", note.replace("\n", "\r\n")))
    yield parse("pretty-printed", "A file is canonical.", good.replace(",", ", "))
    yield parse("trailing-newline", "A file is canonical.", good + "\n")
    yield parse("byte-order-mark", "A file is canonical.", "\ufeff" + good)
    yield parse("truncated", "A file is whole.", good[:-1])
    yield parse("empty-file", "A file holds something.", "")
    yield parse("a-string", "A file is an object.", '"pacspace.receipt.v1"')
    yield parse("a-list", "A file is an object.", f"[{good}]")
    yield parse("a-number", "A file is an object.", "1")
    yield parse("field-repeated", "A key appears once.", good.replace('"kind":"full"', '"kind":"full","kind":"full"'))
    yield parse(
        "keys-reordered",
        "Keys ascend.",
        '{"schema":"pacspace.receipt.v1",' + good.replace(',"schema":"pacspace.receipt.v1"}', "}")[1:],
    )
    yield parse("size-as-number", "Numbers are not allowed.", good.replace('"size":"5"', '"size":5'))
    yield parse("minus-zero-number", "Numbers are not allowed.", good.replace('"deltaCount":"3"', '"deltaCount":-0'))
    yield parse(
        "lone-surrogate",
        "Half a surrogate pair is no character.",
        good.replace('"INV', '"').replace('"kind":"full"', '"kind":"\\ud800"'),
    )
    yield parse("null-field", "What is not there is left out.", good.replace('"kind":"full"', '"kind":null'))
    yield parse("escaped-letter", "One spelling.", good.replace('"kind":"full"', '"kind":"\\u0066ull"'))
    yield parse("nested-too-deep", "Nesting ends at 8.", "[" * 5000)
    unknown = put(witnessed, "log/cosignatures/0", witnessed["log"]["cosignatures"][0] + " ")
    yield parse("cosignature-malformed", "Also an unknown witness's line has the form.", unknown)
    yield parse("cosignature-with-newline", "Also an unknown witness's line has the form.",
                put(witnessed, "log/cosignatures/0", witnessed["log"]["cosignatures"][0].replace("witness.example", "witness\nexample")))  # fmt: skip
    start, end = "2026-03-01T00:00:00.000000Z", "2026-04-01T00:00:00.000000Z"
    months = chain(log)
    parts = [made(vendor(), tree) for tree in months]
    yield parse("window-empty", "A window shows a month.", maker.window(start, end, []))
    yield parse("window-reversed", "The end is after the start.", maker.window(end, start, [full]))
    yield parse("window-of-no-length", "The end is after the start.", maker.window(start, start, [full]))
    yield parse(
        "window-before-month", "A month lies in the window.", maker.window("2026-02-01T00:00:00.000000Z", start, [full])
    )
    yield parse(
        "window-after-month", "A month lies in the window.", maker.window(end, "2026-05-01T00:00:00.000000Z", [full])
    )
    yield parse("window-month-twice", "The months ascend.", maker.window(start, end, [full, full]))
    yield parse(
        "window-not-ascending", "The months ascend.", maker.window("2026-01-01T00:00:00.000000Z", end, parts[::-1])
    )
    yield parse(
        "window-unknown-field", "Unknown fields are refused.", {**maker.window(start, end, [full]), "total": "57.25"}
    )
    yield parse("window-without-end", "A window has an end.", put(maker.window(start, end, [full]), "endDate", None))
    yield parse("window-with-date-only", "Instants have one spelling.", maker.window("2026-03-01", end, [full]))
    yield parse(
        "window-in-window", "A window shows months.", maker.window(start, end, [maker.window(start, end, [full])])
    )
    other = made(vendor(), month(log.origin, ["-1"], customer="cust_other", period="2026-04"))
    yield parse(
        "window-two-customers",
        "A window is one customer's.",
        maker.window(start, "2026-05-01T00:00:00.000000Z", [full, other]),
    )

    # 8: the signature.
    another = Key(log.origin, secret("another key"))
    body = note.split("\n\n")[0] + "\n"
    size = body.split("\n")[1]
    forged = f"{body}\n{another.sign(body)}\n"
    yield 8, "signed-by-another-key", "The key is the trusted one.", put(full, "log/checkpoint", forged), ()
    relabelled = base64.b64decode(another.sign(body).split(" ")[2])[4:]
    yield 8, "signed-by-another-key-under-this-key-id", "The key id proves nothing.", put(
        full, "log/checkpoint", f"{body}\n{maker.signature_line(log.origin, log.key.id, relabelled)}\n"), ()  # fmt: skip
    raw = base64.b64decode(signature.split(" ")[2])[4:]
    for situation, value in (
        ("r-flipped", bytes([raw[0] ^ 1]) + raw[1:]), ("s-flipped", raw[:32] + bytes([raw[32] ^ 1]) + raw[33:]),
        ("s-plus-l", raw[:32] + (int.from_bytes(raw[32:], "little") + L).to_bytes(32, "little")), ("zeros", bytes(64)),
    ):  # fmt: skip
        line = maker.signature_line(log.origin, log.key.id, value)
        yield (
            8,
            f"signature-{situation}",
            "Every bit of a signature counts.",
            put(full, "log/checkpoint", f"{body}\n{line}\n"),
            (),
        )
    yield (
        8,
        "checkpoint-size-changed",
        "The size is signed.",
        put(full, "log/checkpoint", note.replace(f"\n{size}\n", f"\n{int(size) + 1}\n", 1)),
        (),
    )
    root64 = body.split("\n")[2]
    yield (
        8,
        "checkpoint-root-changed",
        "The root is signed.",
        put(full, "log/checkpoint", note.replace(root64, base64.b64encode(secret("x")).decode())),
        (),
    )
    stranger_log = vendor("somebody else")
    yield (
        8,
        "receipt-of-another-log",
        "A trusted key counts for its own log.",
        made(stranger_log, month(stranger_log.origin, ROWS)),
        (),
    )
    yield (
        8,
        "checkpoint-of-the-sandbox",
        "The origin is signed.",
        put(full, "log/checkpoint", note.replace("/production/", "/sandbox/")),
        (),
    )

    # 7: in the log.
    def log7(situation: str, purpose: str, receipt: Object) -> tuple[int, str, str, Any, tuple[str, ...]]:
        return 7, situation, purpose, receipt, ()

    path = full["log"]["path"]
    for situation, where, value in (
        ("index-off-by-one", "log/index", str(int(full["log"]["index"]) + 1)), ("index-beyond-size", "log/index", "999999999999999"),
        ("path-truncated", "log/path", path[:-1]), ("path-longer", "log/path", [*path, path[0]]), ("path-reversed", "log/path", path[::-1]),
        ("path-empty", "log/path", []), ("path-flipped", "log/path/0", flip(path[0])), ("head-salt-changed", "headSalt", flip(full["headSalt"])),
        ("head-root-changed", "head/root", flip(full["head"]["root"])), ("head-size-changed", "head/size", "6"),
        ("head-period-changed", "head/period", "2026-04"), ("entry-commitment-changed", "entry/commitment", flip(full["entry"]["commitment"])),
        ("entry-slot-changed", "entry/slot", flip(full["entry"]["slot"])), ("head-slot-changed", "head/slot", flip(full["head"]["slot"])),
        ("path-of-65-would-be-form-64-is-not", "log/path", ["ab" * 32] * 64),
    ):  # fmt: skip
        yield log7(
            situation, "The head leads to the signed root of the log, and nothing else does.", put(full, where, value)
        )
    proof = open_full["batch"]
    for situation, where, value in (
        ("batch-index-changed", "batch/index", str(int(proof["index"]) ^ 1)), ("batch-index-beyond-size", "batch/index", proof["size"]),
        ("batch-size-of-another-shape", "batch/size", "5"), ("batch-size-zero", "batch/size", "0"),
        ("batch-path-truncated", "batch/path", proof["path"][:-1]), ("batch-path-longer", "batch/path", [*proof["path"], "ab" * 32]),
        ("batch-path-reversed", "batch/path", proof["path"][::-1]), ("batch-path-flipped", "batch/path/0", flip(proof["path"][0])),
        ("batch-root-changed", "entry/root", flip(open_full["entry"]["root"])), ("open-head-salt-changed", "headSalt", flip(open_full["headSalt"])),
        ("open-head-called-larger", "head/size", "5"),
    ):  # fmt: skip
        yield log7(situation, "The head's commitment is a leaf of the batch.", put(open_full, where, value))
    hidden = made(vendor(), locked, batch=True)
    hidden.pop("batch")
    yield log7("closed-head-in-batch", "A closed head is proven only by a closed entry.", hidden)
    posing = made(vendor(), opened, batch=False)
    posing["batch"] = {"index": "0", "size": "1", "path": []}
    yield log7("open-head-by-closed-entry", "An open head is proven only by a batch.", posing)
    elsewhere = vendor()
    elsewhere.append({"schema": "pacspace.batch.v1", "root": secret("x").hex()})
    borrowed = made(elsewhere, locked)
    yield log7(
        "proof-of-another-state", "Path and checkpoint belong together.", put(full, "log/path", borrowed["log"]["path"])
    )
    lying = log.commit(log.head(locked))
    crooked = vendor()
    entry = {"schema": "pacspace.closed.v1", "slot": secret("another slot").hex(), "commitment": lying[1].hex()}
    place = maker.Place(locked, crooked.head(locked), lying[0], entry, crooked.append(entry))
    yield log7("closed-entry-under-another-slot", "The closed entry shows the head's own slot.", crooked.receipt(place))
    entry = {"schema": "pacspace.closed.v1", "slot": full["head"]["slot"], "commitment": secret("another").hex()}
    crooked = vendor()
    place = maker.Place(locked, crooked.head(locked), lying[0], entry, crooked.append(entry))
    yield log7("closed-entry-of-another-head", "The closed entry commits to this head.", crooked.receipt(place))

    # 6: the vendor committed to a head that does not fit its leaves.
    for situation, purpose, tree, head, kind in (
        ("head-size-too-large", "head.size is the number of leaves.", locked, {"size": "6"}, "full"),
        ("head-size-too-small", "head.size is the number of leaves.", locked, {"size": "4"}, "full"),
        ("head-of-size-1", "A tree has at least two leaves.", locked, {"size": "1"}, "summary"),
        ("head-of-size-0", "A tree has at least two leaves.", locked, {"size": "0"}, "summary"),
        ("head-of-another-period", "head.period is the opening's.", locked, {"period": "2026-04"}, "full"),
        ("head-of-another-slot", "The slot is made from the slot key.", locked, {"slot": secret("x").hex()}, "full"),
        ("head-of-another-origin", "head.origin is the log's.", locked, {"origin": vendor("x").origin}, "full"),
        ("head-called-closed", "A closed tree ends with a closing leaf.", opened, {"closed": "yes"}, "full"),
        ("head-called-open", "A tree with a closing leaf is closed.", locked, {"closed": "no"}, "full"),
        ("leaves-of-another-log", "The opening names the log.", month(vendor("x").origin, ROWS), {}, "full"),
        ("leaf-of-another-log-and-its-head", "The head's log is the checkpoint's.", month(vendor("x").origin, ROWS), {"origin": log.origin}, "summary"),
    ):  # fmt: skip
        yield 6, f"{situation}-{kind}", purpose, made(vendor(), tree, kind, head=head), ()
    for situation, leaves in (
        ("delta-first", [locked.leaves[1], *locked.leaves[1:]]),
        ("closing-first", [locked.leaves[4], *locked.leaves[1:]]),
    ):
        crooked_receipt = put(full, "leaves", [{"leaf": leaf} for leaf in leaves])
        yield 6, situation, "Leaf 0 is the opening.", crooked_receipt, ()
    yield (
        6,
        "slot-key-changed",
        "The slot is made from the slot key.",
        put(full, "leaves/0/leaf/slotKey", flip(full["leaves"][0]["leaf"]["slotKey"])),
        (),
    )
    yield 6, "closing-left-out", "A closed tree shows its closing leaf.", put(full, "leaves", full["leaves"][:-1]), ()
    yield (
        6,
        "delta-left-out",
        "Every leaf is shown.",
        put(full, "leaves", [*full["leaves"][:2], *full["leaves"][3:]]),
        (),
    )
    yield (
        6,
        "delta-doubled",
        "Every leaf is shown once.",
        put(full, "leaves", [*full["leaves"][:2], *full["leaves"][1:]]),
        (),
    )

    # 5: the leaves do not lead to the committed root.
    items = full["leaves"]
    for situation, receipt in (
        ("amount-changed", put(full, "leaves/1/leaf/delta", "-42.4")), ("total-changed", put(full, "leaves/4/leaf/periodTotal", "57.26")),
        ("record-id-changed", put(full, "leaves/2/leaf/recordId", "rec_x")), ("context-hash-changed", put(full, "leaves/2/leaf/contextHash", "ab" * 32)),
        ("invoice-added", put(full, "leaves/4/leaf/invoiceReference", "INV-1")), ("unit-added", put(full, "leaves/0/leaf/unit", "GB")),
        ("adjusts-added", put(full, "leaves/2/leaf/adjusts", "rec_031")), ("occurred-at-added", put(full, "leaves/2/leaf/occurredAt", "2026-03-03T09:30:00.000000Z")),
        ("nonce-changed", put(full, "leaves/0/leaf/nonce", "ab" * 16)), ("customer-renamed", put(full, "leaves/0/leaf/customerId", "cust_other")),
        ("leaves-swapped", put(full, "leaves", [items[0], items[2], items[1], *items[3:]])), ("delta-replaced", put(full, "leaves", [*items[:2], items[1], *items[3:]])),
        ("posted-at-changed", put(full, "leaves/2/leaf/postedAt", "2026-03-03T09:30:00.000001Z")),
        ("restored-from-added", put(full, "leaves/0/leaf/restoredFrom", {"origin": log.origin, "size": "1", "root": "ab" * 32})),
        ("summary-total-changed", put(summary, "leaves/1/leaf/periodTotal", "57.26")), ("summary-opening-changed", put(summary, "leaves/0/leaf/nonce", "ab" * 16)),
        ("summary-paths-swapped", put(put(summary, "leaves/0/path", summary["leaves"][1]["path"]), "leaves/1/path", summary["leaves"][0]["path"])),
        ("summary-path-truncated", put(summary, "leaves/0/path", summary["leaves"][0]["path"][:-1])),
        ("summary-path-longer", put(summary, "leaves/1/path", [*summary["leaves"][1]["path"], "ab" * 32])),
        ("summary-path-flipped", put(summary, "leaves/1/path/0", flip(summary["leaves"][1]["path"][0]))),
        ("summary-path-empty", put(summary, "leaves/1/path", [])),
        ("provisional-summary-not-the-last", put(put(open_summary, "leaves/1/leaf", locked.leaves[2]), "leaves/1/path", [n.hex() for n in maker.path(2, opened.data)])),
    ):  # fmt: skip
        yield 5, situation, "The root is the hash of exactly these leaves.", receipt, ()
    yield (
        5,
        "root-of-another-tree",
        "The committed root is the tree's.",
        made(vendor(), locked, head={"root": secret("x").hex()}),
        (),
    )
    yield 5, "root-of-unhashed-order", "A tree with its leaves sorted is another tree.", made(
        vendor(), locked, head={"root": maker.root(sorted(locked.data)).hex()}), ()  # fmt: skip

    # 2: contexts.
    for situation, receipt in (
        ("reason-changed", put(full, "leaves/1/context", full["leaves"][1]["context"].replace("storage", "compute"))),
        ("salt-changed", put(full, "leaves/1/salt", flip(full["leaves"][1]["salt"]))),
        ("contexts-swapped", put(put(full, "leaves/1/context", items[2]["context"]), "leaves/2/context", items[1]["context"])),
        ("contexts-and-salts-swapped", put(full, "leaves", [items[0], {**items[2], "leaf": items[1]["leaf"]}, {**items[1], "leaf": items[2]["leaf"]}, *items[3:]])),
        ("context-of-provisional-summary-changed", put(open_summary, "leaves/1/context", "{}")),
    ):  # fmt: skip
        yield 2, situation, "A context shown is the one the leaf names.", receipt, ()
    for situation, context in (
        ("not-canonical", '{ "reason":"x","schema":"pacspace.context.v1"}'), ("not-json", "compute_minutes"), ("of-another-schema", '{"reason":"x","schema":"x"}'),
        ("without-reason", '{"schema":"pacspace.context.v1"}'), ("with-unknown-field", '{"reason":"x","schema":"pacspace.context.v1","x":"y"}'),
        ("with-number", '{"metadata":1,"reason":"x","schema":"pacspace.context.v1"}'), ("a-list", "[]"), ("deep", "[" * 20000),
    ):  # fmt: skip
        yield (
            2,
            f"context-{situation}",
            "A context has the one form, also when its hash fits.",
            made(vendor(), month(log.origin, [("-1", {"context": context})])),
            (),
        )

    # 3: the vendor committed to leaves that are not well placed.
    lie_tables: tuple[tuple[str, str, dict[int, Object]], ...] = (
        ("customer-of-another", "One tree, one customer.", {2: {"customerId": "cust_other"}}), ("closing-of-another-customer", "One tree, one customer.", {-1: {"customerId": "cust_other"}}),
        ("period-of-another", "One tree, one period.", {2: {"period": "2026-04", "postedAt": "2026-04-01T00:00:00.000000Z"}}), ("closing-of-another-period", "One tree, one period.", {-1: {"period": "2026-04"}}),
        ("index-wrong", "index is the position.", {2: {"index": "3"}}), ("index-from-zero", "index is the position.", {1: {"index": "0"}}),
        ("sequence-zero", "Sequences begin at 1.", {1: {"sequence": "0"}}), ("sequence-repeated", "Sequences ascend.", {2: {"sequence": "1"}}), ("sequence-falls", "Sequences ascend.", {1: {"sequence": "3"}, 2: {"sequence": "2"}}),
        ("sequence-beyond-last", "No sequence above lastSequence.", {3: {"sequence": "4"}}), ("recorded-before-opened", "recordedAt is not before openedAt.", {0: {"openedAt": "2026-03-02T09:30:00.000001Z"}}),
        ("recorded-at-falls", "recordedAt never falls.", {2: {"recordedAt": "2026-03-02T09:29:59.999999Z", "postedAt": "2026-03-02T09:29:59.999999Z"}}),
        ("closed-before-last-record", "closedAt is not before the last recordedAt.", {-1: {"closedAt": "2026-03-04T09:29:59.999999Z"}}),
        ("delta-zero", "A delta is not 0.", {2: {"delta": "0"}}), ("delta-beyond-bound", "A delta is within 1,000,000,000.", {2: {"delta": "1000000000.000000001"}}),
        ("posted-outside-period", "postedAt lies in the period.", {2: {"postedAt": "2026-04-03T09:30:00.000000Z", "recordedAt": "2026-04-03T09:30:00.000000Z"}}),
        ("posted-not-when-recorded", "postedAt is recordedAt without occurredAt.", {2: {"postedAt": "2026-03-03T09:29:00.000000Z"}}),
        ("posted-not-when-occurred", "postedAt is occurredAt.", {2: {"occurredAt": "2026-03-02T00:00:00.000000Z"}}),
        ("back-dated-to-start", "The first instant is only for what happened before.", {2: {"postedAt": "2026-03-01T00:00:00.000000Z"}}),
        ("delta-count-too-small", "deltaCount is size - 2.", {-1: {"deltaCount": "2", "countToDate": "2"}}), ("delta-count-too-large", "deltaCount is size - 2.", {-1: {"deltaCount": "4", "countToDate": "4", "lastSequence": "4"}}),
        ("count-to-date-beyond-last", "countToDate is at most lastSequence.", {-1: {"countToDate": "4"}}), ("last-sequence-too-small", "No sequence above lastSequence.", {-1: {"lastSequence": "2"}}),
        ("first-month-brings-forward", "A first month brings nothing forward.", {-1: {"broughtForward": "1", "carriedForward": "58.25"}}),
        ("first-month-counts-more", "A first month counts its own deltas.", {-1: {"countToDate": "4", "lastSequence": "4"}}),
        ("previous-period-is-this", "The previous period is earlier.", {-1: {"previousPeriod": "2026-03", "previousRoot": "ab" * 32}}),
        ("previous-period-is-later", "The previous period is earlier.", {-1: {"previousPeriod": "2026-04", "previousRoot": "ab" * 32}}),
        ("count-to-date-below-own-count", "countToDate includes this month.", {-1: {"previousPeriod": "2026-02", "previousRoot": "ab" * 32, "countToDate": "2"}}),
        ("second-opening", "All between opening and closing are deltas.", {2: {**{name: None for name in locked.leaves[2]}, **locked.leaves[0]}}),
        ("closing-in-the-middle", "A closing leaf is the last.", {2: {**{name: None for name in locked.leaves[2]}, **locked.leaves[4]}}),
    )  # fmt: skip
    for situation, purpose, lies in lie_tables:
        withheld = (2,) if situation in ("second-opening", "closing-in-the-middle") else ()
        yield 3, situation, purpose, made(vendor(), month(log.origin, ROWS, lies=lies), withhold=withheld), ()
    for situation, purpose, lies in lie_tables:
        if situation.startswith(("closing-of", "delta-count", "count-to", "first-month", "previous")):
            yield 3, f"{situation}-summary", purpose, made(vendor(), month(log.origin, ROWS, lies=lies), "summary"), ()
    for situation, purpose, lies in (
        ("last-index-wrong-provisional-summary", "The last delta's index is size - 1.", {3: {"index": "2"}}),
        ("last-delta-zero-provisional-summary", "A delta shown is not 0.", {3: {"delta": "0"}}),
        ("last-delta-back-dated-provisional-summary", "A delta shown is posted by the rule.", {3: {"postedAt": "2026-03-01T00:00:00.000000Z"}}),
    ):  # fmt: skip
        yield 3, situation, purpose, made(vendor(), month(log.origin, ROWS, lock=False, lies=lies), "summary"), ()
    empty_lie = month(log.origin, [], lies={-1: {"closedAt": "2026-02-28T00:00:00.000000Z"}})
    yield 3, "empty-month-closed-before-opened", "closedAt is not before openedAt.", made(vendor(), empty_lie), ()

    # 4: sums.
    sum_lies: tuple[tuple[str, str, dict[int, Object]], ...] = (
        ("running-total-wrong", "Every running total adds up.", {2: {"periodTotal": "-42.74"}}), ("delta-not-in-total", "Every running total adds up.", {2: {"delta": "-0.24"}}),
        ("closing-total-wrong", "The closing total is the last running total.", {-1: {"periodTotal": "57.250000001", "carriedForward": "57.250000001"}}),
        ("closing-total-negated", "The sign counts.", {-1: {"periodTotal": "-57.25", "carriedForward": "-57.25"}}),
        ("carried-forward-wrong", "broughtForward + periodTotal = carriedForward.", {-1: {"carriedForward": "57.26"}}),
        ("off-by-a-nano-far-up", "Sums are exact.", {3: {"delta": "99.999999999"}}),
    )  # fmt: skip
    for situation, purpose, lies in sum_lies:
        yield 4, situation, purpose, made(vendor(), month(log.origin, ROWS, lies=lies)), ()
    yield (
        4,
        "carried-forward-wrong-summary",
        "broughtForward + periodTotal = carriedForward.",
        made(vendor(), month(log.origin, ROWS, lies=sum_lies[4][2]), "summary"),
        (),
    )
    yield (
        4,
        "running-total-wrong-provisional",
        "Every running total adds up.",
        made(vendor(), month(log.origin, ROWS, lock=False, lies=sum_lies[0][2])),
        (),
    )
    for kind in ("full", "summary"):
        lie = {-1: {"periodTotal": "5", "carriedForward": "5"}}
        yield (
            4,
            f"empty-month-with-total-{kind}",
            "A month without deltas has no total, and both leaves show it.",
            made(vendor(), month(log.origin, [], lies=lie), kind),
            (),
        )
        yield 4, f"first-delta-with-other-total-{kind}", "Two leaves are all leaves, also in a summary.", made(
            vendor(), month(log.origin, ["-1"], lock=False, lies={1: {"periodTotal": "-2"}}), kind), ()  # fmt: skip
    second = month(
        log.origin,
        ["-1"],
        period="2026-04",
        sequence=4,
        after=locked,
        lies={-1: {"broughtForward": "57", "carriedForward": "56.25"}},
    )
    yield (
        4,
        "brought-forward-not-in-carried",
        "broughtForward + periodTotal = carriedForward.",
        made(vendor(), second),
        (),
    )

    # 9: witnesses.
    one, two = (Key(f"witness.example/{name}", secret(f"witness {name}"), 4) for name in ("one", "two"))
    policy = (f"witness {one.line}", f"witness {two.line}")
    witnessed = made(vendor(), locked, witnesses=[(one, NOW)])
    signed = witnessed["log"]["cosignatures"][0]
    yield 9, "no-cosignatures", "The policy asks for witnesses.", full, policy
    yield 9, "one-of-two-witnesses", "All witnesses, when no quorum is given.", witnessed, policy
    yield 9, "one-witness-twice", "A witness counts once.", put(witnessed, "log/cosignatures", [signed, signed]), policy
    yield (
        9,
        "cosignature-too-old",
        "Not longer ago than the policy allows.",
        made(vendor(), locked, witnesses=[(one, NOW - 3601)]),
        (policy[0], "quorum 1 3600"),
    )
    yield (
        9,
        "cosignature-from-the-future",
        "Not later than now, but for some minutes.",
        made(vendor(), locked, witnesses=[(one, NOW + 301)]),
        (policy[0],),
    )
    yield (
        9,
        "stranger-only",
        "Unknown witnesses do not count.",
        made(vendor(), locked, witnesses=[(stranger, NOW)]),
        (policy[0],),
    )
    raw = base64.b64decode(signed.split(" ")[2])
    broken = maker.signature_line(one.name, raw[:4], raw[4:-1] + bytes([raw[-1] ^ 1]))
    both = made(vendor(), locked, witnesses=[(one, NOW), (two, NOW)])
    yield (
        9,
        "broken-cosignature-of-a-known-witness",
        "A known witness's line is valid, also beyond the quorum.",
        put(both, "log/cosignatures/0", broken),
        (*policy, "quorum 1"),
    )
    elsewhere = vendor()
    elsewhere.append({"schema": "pacspace.batch.v1", "root": secret("x").hex()})
    yield (
        9,
        "cosignature-of-another-state",
        "A witness cosigns one size and root.",
        put(full, "log/cosignatures", [one.cosign(elsewhere.body(), NOW)]),
        (policy[0],),
    )

    # 10: a window that leaves a month out.
    gap = maker.window("2026-01-01T00:00:00.000000Z", end, [parts[0], parts[2]])
    yield 10, "window-with-gap", "A month that the next one follows may not be left out.", gap, ()
    tail = maker.window("2026-02-01T00:00:00.000000Z", end, parts[2:])
    yield 10, "window-without-its-first-month", "A month that the next one follows may not be left out.", tail, ()


def receipt_cases() -> Iterator[Case]:
    yield from good_cases()
    key = vendor().key.line
    for check, situation, purpose, files, trust in refused_files():
        yield refused(
            f"check-{check:02}-{situation}",
            purpose,
            given(files, key, *trust),
            result="refused",
            check=check,
            failed=[check],
        )
    log = vendor()
    receipt = made(vendor(), month(log.origin, ROWS))
    size = int(receipt["log"]["checkpoint"].split("\n")[1])
    yield refused(
        "check-08-beyond-the-last-size",
        "An old key signs only up to its last size.",
        given(receipt, f"{key} {size - 1}"),
        result="refused",
        check=8,
        failed=[8],
    )
    yield refused(
        "check-08-key-of-another-log",
        "A trusted key counts for its own log.",
        given(receipt, vendor("x").key.line),
        result="refused",
        check=8,
        failed=[8],
    )
    yield refused("check-13-another-fingerprint", "The trust file remembers the slot key.",
                  given(receipt, key, f"customer {log.origin} cust_acme {secret('x').hex()}"), result="refused", check=13, failed=[13])  # fmt: skip
    unsigned = put(receipt, "leaves/1/leaf/delta", "-42.4")
    yield refused(
        "check-05-also-without-a-key",
        "What does not add up is refused, whoever signed.",
        given(unsigned),
        result="refused",
        check=5,
        failed=[5],
    )


def set_cases() -> Iterator[Case]:
    log = vendor()
    key = log.key.line
    months = chain(log)
    january, february, march = months
    parts = [made(log, tree) for tree in months]

    def good(situation: str, purpose: str, result: str, files: list[Any], *trust: str, **statuses: str) -> Case:
        checks = {f"check{number}": "ok" for number in (10, 11, 12, 13)} | statuses
        return ok(situation, purpose, given(files, *(trust or (key,))), result=result, checks=checks)

    na = "not applicable"
    yield good("three-months", "January to March, all deltas, linked.", "locked-full", parts, check11=na)
    yield good("three-months-any-order", "The order of files does not matter.", "locked-full", parts[::-1], check11=na)
    yield good(
        "same-file-twice", "A repeated file contradicts nothing.", "locked-full", [parts[0], parts[0]], check10=na
    )
    summary = made(log, february, "summary")
    yield good(
        "a-summary-between",
        "Links hold over a summary, sequences can't be shown.",
        "locked-summary",
        [parts[0], summary, parts[2]],
        check11=na,
        check12=na,
    )
    yield good(
        "a-month-missing",
        "What is not given is named.",
        "locked-full",
        [parts[0], parts[2]],
        check10=na,
        check11=na,
        check12=na,
    )
    yield good(
        "first-month-missing",
        "What is not given is named.",
        "locked-full",
        parts[1:],
        check10=na,
        check11=na,
        check12=na,
    )
    growing = [made(log, march.first(size)) for size in (2, 3)]
    yield good("provisional-then-locked", "Kept provisional receipts are part of the locked month.", "provisional-full", [*growing, parts[2]],
               check10=na, check12=na)  # fmt: skip
    small = made(log, march.first(2), "summary")
    yield good(
        "provisional-summary-then-locked",
        "A summary's root is compared too.",
        "provisional-summary",
        [small, parts[2]],
        check10=na,
        check12=na,
    )
    yield good("newest-is-a-summary", "A summary can't show that it goes on from an earlier state.", "provisional-full",
               [growing[0], made(log, march, "summary")], check10=na, check11=na, check12=na)  # fmt: skip
    yield good("provisional-grows", "An open month grows.", "provisional-full", growing, check10=na, check12=na)
    ahead = month(log.origin, ["-9"], period="2026-04", sequence=6, lock=False)
    yield good(
        "next-month-open",
        "The running month follows the locked ones.",
        "provisional-full",
        [*parts, made(log, ahead)],
        check11=na,
    )
    crowded = vendor("crowded")
    trees = chain(crowded)
    trees[2] = month(crowded.origin, ["-4", "10"], period="2026-03", sequence=4, after=trees[1], last_sequence=7)
    yield good("sequences-in-later-months", "1 to N can't be shown while deltas lie in later months.", "locked-full",
               [made(crowded, tree) for tree in trees], crowded.key.line, check11=na, check12=na)  # fmt: skip
    empty = month(log.origin, [], period="2026-04", sequence=6, after=march)
    yield good(
        "an-empty-month-in-the-chain",
        "A month without deltas keeps the chain.",
        "locked-full",
        [*parts, made(log, empty)],
        check11=na,
    )
    yield good("two-customers", "Sets are judged apart.", "locked-full", [parts[0], made(log, month(log.origin, ["-1"], customer="cust_other"))],
               check10=na, check11=na, check13=na)  # fmt: skip
    late_key = vendor("rotating")
    trees = chain(late_key)
    before = [made(late_key, tree) for tree in trees[:2]]
    old_size = len(late_key.entries)
    first_key = late_key.key.line
    late_key.rotate()
    yield good("keys-rotated", "Old receipts keep the old key, new ones have the new.", "locked-full", [*before, made(late_key, trees[2])],
               f"{first_key} {old_size}", late_key.key.line, check11=na)  # fmt: skip

    # A restore: January locked in the old log, February open in both.
    old, new, restored = restore_story()
    keys = (old.key.line, new.key.line)
    yield good("restored", "Locked months stay in the old log, the open one goes on in the new.", "provisional-full",
               [restored["january"], restored["february old"], restored["february new"], restored["march new"]], *keys)  # fmt: skip

    yield good("restored-and-only-a-summary-after", "A summary can't show that the old leaves are in it.", "provisional-full",
               [restored["february old"], restored["february summary"]], *keys, check10=na, check11=na, check12=na)  # fmt: skip

    def bad(
        situation: str,
        purpose: str,
        check: int,
        files: list[Any],
        *trust: str,
        word: str = "",
        failed: tuple[int, ...] = (),
    ) -> Case:
        found: Object = {"word": word} if word else {}
        found["failed"] = sorted({check, *failed})
        return refused(situation, purpose, given(files, *(trust or (key,))), result="refused", check=check, **found)

    lost = restored["february lost"]
    yield bad("check-11-lost-in-restore", "A state beyond the backup that contradicts is a declared loss, never ok.", 11,
              [lost, restored["february new"]], *keys, word="LOST_IN_RESTORE", failed=(12,))  # fmt: skip
    yield bad(
        "check-11-restore-hides-a-delta",
        "What was in the backup is in the new log.",
        11,
        [restored["february old"], restored["february hidden"]],
        *keys,
    )
    yield bad(
        "check-11-restore-changes-opened-at",
        "A restored month keeps openedAt.",
        11,
        [restored["february old"], restored["february reopened"]],
        *keys,
    )
    yield bad(
        "check-13-restore-changes-slot-key",
        "A restored month keeps the slot key.",
        13,
        [restored["january"], restored["february new"], restored["march other key"]],
        *keys,
        word="CONTRADICTION",
    )
    yield bad(
        "check-13-locked-again-after-restore",
        "A month locked before the backup stays as it was.",
        13,
        [restored["january"], restored["january again"]],
        *keys,
        word="CONTRADICTION",
    )
    yield bad(
        "check-13-two-restores-stated",
        "One log goes on from one state.",
        13,
        [restored["february new"], restored["march other restore"]],
        *keys,
        word="CONTRADICTION",
    )

    yield bad(
        "check-13-restored-from-itself",
        "A log does not go on from itself.",
        13,
        [restored["march circle"]],
        old.key.line,
        new.key.line,
        word="CONTRADICTION",
    )
    yield bad(
        "check-13-restored-in-a-circle",
        "Two logs do not go on from each other.",
        13,
        [restored["march new"], restored["april circle"]],
        *keys,
        word="CONTRADICTION",
    )

    # 10
    def linked(lies: Object, **options: Any) -> list[Object]:
        other = vendor("linked")
        trees = chain(other)
        first = trees[0]
        second = month(other.origin, ["-3"], period="2026-02", sequence=3, after=first, lies={-1: lies}, **options)
        return [made(other, first), made(other, second)]

    keyed = vendor("linked").key.line
    for situation, purpose, lies in (
        ("relinked-root", "previousRoot is the root it was locked under.", {"previousRoot": secret("x").hex()}),
        ("balance-not-carried", "broughtForward is what was carried forward.", {"broughtForward": "-2", "carriedForward": "-5"}),
        ("count-to-date-wrong", "countToDate adds up.", {"countToDate": "2"}),
        ("count-to-date-too-large", "countToDate adds up.", {"countToDate": "4", "lastSequence": "4"}),
        ("claims-to-be-first", "A later month names the one before.", {"previousPeriod": None, "previousRoot": None, "broughtForward": "0", "carriedForward": "-3", "countToDate": "1"}),
        ("skips-a-locked-month", "previousPeriod is the month locked before.", {"previousPeriod": "2025-12"}),
    ):  # fmt: skip
        yield bad(f"check-10-{situation}", purpose, 10, linked(lies), keyed)
    yield bad("check-10-unit-changed", "The unit is fixed for life.", 10, linked({}, unit="GB"), keyed)
    other = vendor("linked")
    trees = chain(other)
    gone = month(other.origin, ["-3"], period="2026-02", sequence=3, lock=False)
    third = month(other.origin, ["-4"], period="2026-03", sequence=3, after=trees[0])
    yield bad(
        "check-10-month-left-out-of-chain",
        "Between two links no month has records.",
        10,
        [made(other, gone), made(other, third)],
        keyed,
        failed=(12,),
    )
    yield bad("check-10-earlier-month-before-the-first", "Before the first month no month has records.", 10,
              [made(other, month(other.origin, ["-1"], period="2026-01", lock=False)), made(other, month(other.origin, ["-3"], period="2026-02", sequence=2))], keyed)  # fmt: skip
    later = month(
        other.origin,
        ["-4", "10"],
        period="2026-03",
        sequence=4,
        after=trees[1],
        lies={-1: {"countToDate": "2", "lastSequence": "5"}},
    )
    yield bad(
        "check-10-count-to-date-falls-over-a-gap",
        "countToDate never falls.",
        10,
        [made(other, trees[0]), made(other, later)],
        keyed,
    )
    falling = vendor("falling")
    start = month(falling.origin, ["-1"], period="2026-01", last_sequence=9)
    drop = month(falling.origin, ["-3"], period="2026-02", sequence=2, after=start, lies={-1: {"lastSequence": "2"}})
    yield bad(
        "check-10-last-sequence-falls",
        "lastSequence never falls.",
        10,
        [made(falling, start), made(falling, drop)],
        falling.key.line,
    )

    # 11
    changed_delta = month(log.origin, ["-5", "10"], period="2026-03", sequence=4, lock=False)
    yield bad(
        "check-11-delta-changed", "A delta never changes.", 11, [made(log, changed_delta), parts[2]], failed=(12,)
    )
    yield bad(
        "check-11-delta-changed-under-a-summary",
        "A kept summary is enough to see it.",
        11,
        [made(log, changed_delta.first(2), "summary"), parts[2]],
        failed=(12,),
    )
    for count in (3, 4):
        longer = month(log.origin, ["-4", "10", "-1", "-1"][:count], period="2026-03", sequence=4, lock=False)
        yield bad(
            f"check-11-grown-after-lock-by-{count - 2}",
            "A locked month never grows.",
            11,
            [parts[2], made(log, longer)],
        )
    renamed = month(log.origin, ["-4", "10"], period="2026-03", sequence=4, lock=False, nonce="x")
    yield bad(
        "check-11-another-opening",
        "A tree keeps its opening leaf.",
        11,
        [made(log, renamed.first(2), "summary"), made(log, march, "summary")],
    )
    yield bad(
        "check-11-two-states-of-one-size",
        "One size has one root.",
        11,
        [made(log, march.first(3)), made(log, changed_delta)],
        failed=(12,),
    )
    swapped = month(log.origin, ["10", "-4"], period="2026-03", sequence=4, after=february)
    yield bad(
        "check-11-order-changed",
        "The order of deltas never changes.",
        11,
        [made(log, march.first(3)), made(log, swapped)],
        failed=(12,),
    )

    # 12
    def repeated(second_sequence: int, **options: Any) -> list[Object]:
        other = vendor("repeating")
        first = month(other.origin, ["-1", "-2"], period="2026-01")
        second = month(other.origin, ["-3"], period="2026-02", sequence=second_sequence, after=first, **options)
        return [made(other, first), made(other, second)]

    repeating = vendor("repeating").key.line
    yield bad("check-12-sequence-used-twice", "A sequence number belongs to one delta.", 12, repeated(2), repeating)
    yield bad("check-12-sequence-in-a-summary-and-elsewhere", "A sequence number belongs to one delta.", 12,
              [made(other, month(other.origin, ["-1", "-2"], period="2026-01", lock=False), "summary"), made(other, month(other.origin, ["-3"], period="2026-02", sequence=2, lock=False))], keyed)  # fmt: skip

    # 13
    second_root = month(log.origin, ["-4", "11"], period="2026-03", sequence=4, after=february)
    yield bad(
        "check-13-two-locked-roots",
        "A period is locked under one root.",
        13,
        [parts[2], made(log, second_root)],
        word="CONTRADICTION",
        failed=(12,),
    )
    shorter = month(log.origin, ["-4"], period="2026-03", sequence=4, after=february)
    yield bad(
        "check-13-two-locked-sizes",
        "A period is locked under one root.",
        13,
        [parts[2], made(log, shorter)],
        word="CONTRADICTION",
    )
    other_key = month(log.origin, ["-9"], period="2026-04", sequence=6, slot_key=secret("second slot key"), lock=False)
    yield bad(
        "check-13-second-slot-key",
        "A customer has one slot key.",
        13,
        [parts[2], made(log, other_key)],
        word="CONTRADICTION",
    )
    forked = vendor()
    for tree in months[:2]:
        made(forked, tree)
    twin = made(forked, month(log.origin, ["-8"], customer="cust_other"), size=None)
    at = int(twin["log"]["checkpoint"].split("\n")[1])
    assert at == int(parts[2]["log"]["checkpoint"].split("\n")[1])
    yield bad(
        "check-13-forked-log",
        "One size of a log has one root, whoever's receipts show it.",
        13,
        [parts[2], twin],
        word="CONTRADICTION",
    )
    short = made(vendor(), month(log.origin, ["-8"], customer="cust_other"), after=0)
    yield bad(
        "check-13-two-entries-at-one-index",
        "One index of a log has one entry.",
        13,
        [parts[0], short],
        word="CONTRADICTION",
    )
    twice = vendor("closing twice")
    tree, another = (
        month(twice.origin, [value], slot_key=secret("shared"), customer=name)
        for value, name in (("-1", "cust_a"), ("-2", "cust_b"))
    )
    yield bad(
        "check-13-two-closed-entries-for-one-slot",
        "A slot is closed once.",
        13,
        [made(twice, tree), made(twice, another)],
        twice.key.line,
        word="CONTRADICTION",
    )
    yield bad(
        "check-05-one-bad-file",
        "One refused file refuses the report.",
        5,
        [parts[0], put(parts[1], "leaves/1/leaf/delta", "-2")],
    )


def restore_story() -> tuple[Log, Log, dict[str, Object]]:
    """January is locked, February open when the backup is made; then one more delta, then the restore into a new log."""
    old, new = vendor("old log"), vendor("new log", before=0)
    files: dict[str, Object] = {}
    january = month(old.origin, ["-1", "-2"], period="2026-01")
    rows = ["-3", "-4", "-5"]
    february = month(old.origin, rows, period="2026-02", sequence=3, lock=False)
    files["january"] = made(old, january, after=0)
    files["february old"] = made(old, february.first(3), after=0)
    backup = {"origin": old.origin, "size": str(len(old.entries)), "root": maker.root(old.data).hex()}
    files["february lost"] = made(old, february, after=0)
    new.append({
        "schema": "pacspace.restored.v1", "origin": old.origin, "backupSize": backup["size"], "backupRoot": backup["root"],
        "signedSize": str(len(old.entries)), "signedRoot": maker.root(old.data).hex(),
    })  # fmt: skip

    def again(values: list[str], **options: Any) -> Month:
        return month(new.origin, values, period="2026-02", sequence=3, after=january, restored_from=backup, **options)

    files["february new"] = made(new, again(["-3", "-4", "-6"]), after=0)
    files["february summary"] = made(new, again(["-3", "-4", "-6"]), "summary", after=0)
    files["february hidden"] = made(new, again(["-3"]), after=0)
    files["february reopened"] = made(
        new, again(["-3", "-4"], lock=False, lies={0: {"openedAt": "2026-02-01T00:00:00.000000Z"}}), after=0
    )
    files["march new"] = made(
        new, month(new.origin, ["-7"], period="2026-03", sequence=6, lock=False, restored_from=backup), after=0
    )
    other_key = month(
        new.origin, ["-7"], period="2026-03", sequence=6, lock=False, slot_key=secret("other"), restored_from=backup
    )
    files["march other key"] = made(new, other_key, after=0)
    other_size = changed(backup, {"size": "4"})
    files["march other restore"] = made(
        new, month(new.origin, ["-7"], period="2026-03", sequence=6, lock=False, restored_from=other_size), after=0
    )
    itself = {"origin": new.origin, "size": "1", "root": maker.root(new.data[:1]).hex()}
    circle = month(new.origin, ["-7"], period="2026-03", sequence=6, lock=False, restored_from=itself)
    files["march circle"] = made(new, circle, after=0)
    circle = month(old.origin, ["-7"], period="2026-04", sequence=7, lock=False, restored_from=itself)
    files["april circle"] = made(old, circle, after=0)
    files["january again"] = made(new, month(new.origin, ["-1", "-2"], period="2026-01", restored_from=backup), after=0)
    return old, new, files
