"""Refusals: one shape, every problem named, nothing of another environment shown."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest
from testkit.server import BALANCE, Client, Reply, Server


@dataclass
class Keys:
    """Clients of one server."""

    server: Server
    sandbox: Client
    production: Client
    reader: Client
    writer: Client


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Any:
    server = Server(tmp_path_factory.mktemp("keys")).start("--sandbox-clock", "2026-02-10T12:00:00Z")
    made = [
        server.with_key(server.new_key(side, *options))
        for side, *options in (("live",), ("test", "--scopes", "read"), ("test", "--scopes", "write"))
    ]
    yield Keys(server, server.client, *made)
    server.close()


def plain_400(reply: Reply) -> dict[str, str]:
    """The problems by field of a 400 without a code."""
    assert reply.status == 400, reply.body
    error = reply.error
    assert error["type"] == "VALIDATION_ERROR" and "code" not in error
    assert error["details"] and all(set(detail) >= {"field", "problem"} for detail in error["details"])
    return {detail["field"]: detail["problem"] for detail in error["details"]}


def coded(reply: Reply, status: int, code: str) -> None:
    assert (reply.status, reply.error.get("code")) == (status, code), reply.body
    assert "type" not in reply.error


def test_a_success_has_one_shape(client: Client, customer: str) -> None:
    """A success is `success: true` and `data`, and nothing else."""
    for reply in (
        client.emit(customer, -1),
        client.derive(customer),
        client.checkpoint(customer),
        client.get("/healthz"),
    ):
        assert set(reply.json) == {"success", "data"} and reply.headers["content-type"].startswith("application/json")


def test_all_problems_are_named_at_once(client: Client, customer: str) -> None:
    """A plain 400 lists every field that is wrong, with the nearest known name for a field that is unknown."""
    body = {
        "customrId": customer,
        "delta": 0,
        "reason": "",
        "refrenceId": "r",
        "metadata": [],
        "occurredAt": 5,
        "zzz": 1,
    }
    problems = plain_400(client.post(f"{BALANCE}/delta", body))
    assert set(problems) == {
        "customrId",
        "delta",
        "reason",
        "refrenceId",
        "metadata",
        "occurredAt",
        "zzz",
        "customerId",
    }
    assert "customerId" in problems["customrId"] and "referenceId" in problems["refrenceId"]
    assert "required" in problems["customerId"]
    assert "period" in plain_400(client.derive(customer, perod="2026-02"))["perod"]


@pytest.mark.parametrize(
    ("field", "value"),
    [("customerId", ""), ("customerId", "a b"), ("customerId", "ä"), ("customerId", "x" * 129), ("customerId", 5), ("customerId", "a/b"),
     ("customerId", "a\n"), ("reason", "x" * 501), ("reason", 5), ("reason", None), ("referenceId", "x" * 256), ("referenceId", ""),
     ("referenceId", 7), ("metadata", "text"), ("metadata", {"k": "x" * 16_400}), ("adjusts", {}), ("adjusts", {"recordId": "a", "referenceId": "b"}),
     ("adjusts", {"record": "a"}), ("adjusts", "rec_1"), ("occurredAt", "2026-02-10")],
)  # fmt: skip
def test_a_field_that_is_wrong_is_named(client: Client, customer: str, field: str, value: Any) -> None:
    """Each field of an emit is checked, alone and in a batch, and the refusal names it."""
    body = {"customerId": customer, "delta": -1, "reason": "usage", field: value}
    problems = plain_400(client.post(f"{BALANCE}/delta", body))
    assert any(name == field or name.startswith(f"{field}.") for name in problems)
    (result,) = client.batch([body]).data["results"]
    assert result["status"] == "REJECTED" and field in result["error"]
    assert client.derive(customer).status == 404


def test_the_limits_themselves_are_taken(client: Client, customer: str) -> None:
    """The longest values that are documented are accepted, and null counts as absent."""
    longest = customer + ":" + "x" * (127 - len(customer))
    body = {
        "customerId": longest,
        "delta": -1,
        "reason": "ä" * 500,
        "referenceId": "€" * 255,
        "metadata": {"k": "x" * 16_376},
    }
    assert client.post(f"{BALANCE}/delta", body).status == 201
    absent = {"referenceId": None, "metadata": None, "occurredAt": None, "adjusts": None, "vendorAccountId": None}
    recorded = client.emit(customer, -1, **absent).data
    assert (recorded["referenceId"], recorded["metadata"]) == (None, None)


@pytest.mark.parametrize("field", ["mode", "fingerprints", "vendorAccountId"])
def test_fields_of_the_hosted_service(client: Client, customer: str, field: str) -> None:
    """A field that this server does not have is accepted as null and refused by name with a value."""
    client.emit(customer, -1).data
    assert client.checkpoint(customer, **{field: None}).status == 201
    assert field in plain_400(client.checkpoint(customer, **{field: "x"}))
    assert field in plain_400(client.checkpoint(customer, **{field: []}))
    if field == "vendorAccountId":
        assert field in plain_400(client.emit(customer, -1, vendorAccountId="v"))


def test_batches_have_a_size(client: Client, customer: str) -> None:
    """A batch has 1 to 1,000 items; an item that is no object is refused alone."""
    item = {"customerId": customer, "delta": -1, "reason": "usage"}
    assert "deltas" in plain_400(client.batch([])) and "deltas" in plain_400(client.batch([item] * 1001))
    assert "deltas" in plain_400(client.post(f"{BALANCE}/delta/batch", {}))
    assert "deltas" in plain_400(client.post(f"{BALANCE}/delta/batch", {"deltas": {}}))
    assert client.batch([item] * 1000).data["totalQueued"] == 1000
    results = client.batch([item, 5, None, [], "x", item]).data["results"]
    assert [r["status"] for r in results] == ["QUEUED", *["REJECTED"] * 4, "QUEUED"]
    assert [r["index"] for r in results] == list(range(6))


def test_unknown_query_parameters_are_refused(client: Client, customer: str) -> None:
    """A query parameter that a route does not take is a 400 that names it, on every keyed and public read route."""
    recorded = client.emit(customer, -1).data
    root = client.checkpoint(customer).data["proofRoot"]
    paths = [f"{BALANCE}/delta/{recorded['recordId']}", f"{BALANCE}/derive/{customer}", f"{BALANCE}/limits", f"{BALANCE}/checkpoints",
             f"{BALANCE}/receipt/{customer}", f"{BALANCE}/invoice-proof/{customer}", f"/api/v1/verify/{root}"]  # fmt: skip
    for path in paths:
        assert client.get(path).status == 200, path
        assert "surprise" in plain_400(client.get(path, surprise="1")), path
    assert "period" in plain_400(client.get(f"{BALANCE}/derive/{customer}?period=2026-01&period=2026-02"))
    for query in ({"limit": "0"}, {"limit": "1001"}, {"limit": "ten"}, {"offset": "-1"}, {"granularity": "hour"}, {"include": "all"},
                  {"startingBalance": "x"}, {"startingBalance": "NaN"}, {"limit": "1_0"}, {"limit": "٣"}):  # fmt: skip
        assert set(plain_400(client.derive(customer, **query))) == set(query)


def test_unknown_headers_are_ignored(client: Client, customer: str) -> None:
    """Headers that the server does not know, also those of the hosted service, change nothing."""
    headers = {"X-Chain-Id": "1", "X-Credit-Pool-Id": "p", "X-Whatever": "y"}
    assert client.post(f"{BALANCE}/delta", {"customerId": customer, "delta": -1, "reason": "r"}, headers).status == 201


KEYED = [
    ("POST", f"{BALANCE}/delta"), ("POST", f"{BALANCE}/delta/batch"), ("GET", f"{BALANCE}/delta/rec_1"), ("GET", f"{BALANCE}/derive/c"),
    ("GET", f"{BALANCE}/limits"), ("POST", f"{BALANCE}/compare"), ("POST", f"{BALANCE}/checkpoint"), ("GET", f"{BALANCE}/jobs/job_1"),
    ("GET", f"{BALANCE}/checkpoints"), ("GET", f"{BALANCE}/checkpoints/diff"), ("GET", f"{BALANCE}/customers/c/timeline"),
    ("GET", f"{BALANCE}/receipt/c"), ("GET", f"{BALANCE}/invoice-proof/c"), ("GET", f"{BALANCE}/receipts/chk_1"),
    ("GET", f"{BALANCE}/customers/c/receipts"), ("GET", f"{BALANCE}/customers"), ("GET", f"{BALANCE}/customers/c"),
    ("GET", f"{BALANCE}/usage"), ("GET", f"{BALANCE}/gaps/c"), ("GET", f"{BALANCE}/webhooks"), ("POST", f"{BALANCE}/webhooks/evt_1/retry"),
    ("POST", "/api/v1/sandbox/clock"), ("POST", "/api/v1/sandbox/reset"),
]  # fmt: skip


def not_served(reply: Reply) -> bool:
    return reply.status == 404 and reply.error["code"] == "NOT_FOUND"


@pytest.mark.parametrize(("method", "path"), KEYED)
def test_every_keyed_route_wants_a_key(keys: Keys, method: str, path: str) -> None:
    """Without a key, with a wrong, cut or re-labelled one, a keyed route answers 401 INVALID_API_KEY and no more."""
    if not_served(keys.server.public.call(method, path)):
        pytest.skip("not served yet")
    good = keys.server.key or ""
    public, _, secret = good.partition(".")
    wrong = [None, "", "x", public, f"{public}.", good[:-1], good + "A", f"{public}.{'A' * len(secret)}", good.replace("test", "live"),
             f"pk_test_{'0' * 16}.{secret}", f" {good}x", "pk_test_" + "a" * 10_000]  # fmt: skip
    for key in wrong:
        reply = keys.server.public.call(method, path, headers={} if key is None else {"X-Api-Key": key})
        coded(reply, 401, "INVALID_API_KEY")
        assert secret not in reply.body.decode()


@pytest.mark.parametrize(("method", "path"), KEYED)
def test_keys_do_what_their_scopes_say(keys: Keys, method: str, path: str) -> None:
    """A key without `write` can't write and one without `read` can't read: 403 FORBIDDEN, before anything else is looked at."""
    key = keys.writer if method == "GET" or path.endswith("compare") else keys.reader
    reply = key.call(method, path, b"{}" if method == "POST" else None)
    if not_served(reply):
        pytest.skip("not served yet")
    coded(reply, 403, "FORBIDDEN")


def test_sandbox_tools_are_refused_in_production(keys: Keys) -> None:
    """A production key can neither move a clock nor reset anything."""
    keys.production.emit("kept", -1).data
    for path, body in (("clock", {"advanceSeconds": 5}), ("clock", {"now": "2030-01-01T00:00:00Z"}), ("reset", {})):
        reply = keys.production.post(f"/api/v1/sandbox/{path}", body)
        assert reply.status == 403, reply.body
        assert reply.error["code"] in ("FORBIDDEN", "API_KEY_ENVIRONMENT_MISMATCH")
    assert keys.production.derive("kept").data["deltaCount"] == 1


@pytest.fixture(scope="module")
def secrets_of_sandbox(keys: Keys) -> dict[str, str]:
    """Things that only the sandbox knows."""
    recorded = keys.sandbox.emit("sandbox_only", -4242, referenceId="only", key="k").data
    locked = keys.sandbox.checkpoint("sandbox_only", period="2026-02").data
    keys.production.emit("production_only", -1).data
    return {"recordId": recorded["recordId"], "receiptId": recorded["receiptId"], "checkpointId": locked["checkpointId"],
            "proofRoot": locked["proofRoot"]}  # fmt: skip


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [("GET", "/delta/{recordId}", None), ("GET", "/delta/{receiptId}", None), ("GET", "/derive/sandbox_only", None),
     ("GET", "/derive/sandbox_only?period=2026-02&include=deltas", None), ("GET", "/receipt/sandbox_only", None),
     ("GET", "/receipt/sandbox_only?period=2026-02", None), ("GET", "/invoice-proof/sandbox_only", None), ("GET", "/checkpoints", None),
     ("GET", "/checkpoints?customerId=sandbox_only", None), ("GET", "/checkpoints/diff?from={checkpointId}&to={checkpointId}", None),
     ("GET", "/customers", None), ("GET", "/customers?search=sandbox_only", None), ("GET", "/customers/sandbox_only", None),
     ("GET", "/customers/sandbox_only/timeline", None), ("GET", "/customers/sandbox_only/receipts", None), ("GET", "/receipts/{checkpointId}", None),
     ("GET", "/gaps/sandbox_only", None), ("GET", "/webhooks", None), ("GET", "/usage", None),
     ("POST", "/compare", {"customerId": "sandbox_only", "yourBalance": 0, "theirBalance": 0}),
     ("POST", "/checkpoint", {"customerId": "sandbox_only"}), ("POST", "/checkpoint", {"customerId": "sandbox_only", "period": "2026-02"}),
     ("POST", "/checkpoint", {}),
     ("POST", "/delta", {"customerId": "production_only", "delta": 1, "reason": "r", "adjusts": {"recordId": "{recordId}"}})],
)  # fmt: skip
def test_no_data_crosses_environments(
    keys: Keys, secrets_of_sandbox: dict[str, str], method: str, path: str, body: Any
) -> None:
    """A production key sees nothing of the sandbox on any keyed route, not even that it exists."""
    path = BALANCE + path.format(**secrets_of_sandbox)
    if body and "adjusts" in body:
        body = body | {"adjusts": {"recordId": secrets_of_sandbox["recordId"]}}
    own = keys.sandbox.call(method, path, body)
    if not_served(own):
        pytest.skip("not served yet")
    if "adjusts" not in (body or {}):
        assert own.status in (200, 201) and ("4242" in own.body.decode() or b"usage" in path.encode() or "webhooks" in path or "gaps" in path
                                              or "compare" in path or "delta" in path), own.body  # fmt: skip
    other = keys.production.call(method, path, body)
    assert other.status < 500
    shown = other.body.decode().replace(path, "")
    assert "4242" not in shown and not any(
        secret in shown for name, secret in secrets_of_sandbox.items() if secret not in path and secret not in str(body)
    ), shown  # fmt: skip
    if "sandbox_only" in path or "sandbox_only" in str(body) or "{" in str(path):
        assert other.status in (400, 404) or not any(other.data.get("checkpoints", other.data.get("customers", [1]))), (
            other.body
        )


def test_names_and_keys_of_one_environment_are_free_in_the_other(
    keys: Keys, secrets_of_sandbox: dict[str, str]
) -> None:
    """The same customer, reference and Idempotency-Key in production are new ones."""
    mine = keys.production.emit("sandbox_only", -7, referenceId="only", key="k")
    assert mine.status == 201 and "idempotent-replayed" not in mine.headers
    assert keys.production.derive("sandbox_only").data["computedBalance"] == -7
    assert keys.sandbox.derive("sandbox_only").data["computedBalance"] == -4242


def test_a_reset_of_the_sandbox_leaves_production_alone(start_server: Callable[..., Server]) -> None:
    """Resetting the sandbox empties it and nothing else."""
    server = start_server()
    production = server.with_key(server.new_key("live"))
    kept = production.emit("c", -1).data
    server.client.emit("c", -2).data
    assert server.client.post("/api/v1/sandbox/reset", {}).status == 200
    coded(server.client.derive("c"), 404, "CUSTOMER_NOT_FOUND")
    assert production.record(kept["recordId"]).data["delta"] == -1


@pytest.mark.parametrize(
    ("path", "code"),
    [(f"{BALANCE}/derive/nobody", "CUSTOMER_NOT_FOUND"), (f"{BALANCE}/receipt/nobody", "CUSTOMER_NOT_FOUND"),
     (f"{BALANCE}/delta/rec_unknown", "RECORD_NOT_FOUND"), (f"{BALANCE}/delta/0x" + "0" * 64, "RECORD_NOT_FOUND"),
     (f"{BALANCE}/delta/%00", "RECORD_NOT_FOUND"), (f"{BALANCE}/checkpoints?customerId=nobody", "CUSTOMER_NOT_FOUND"),
     ("/api/v1/verify/0x" + "0" * 64, "PROOF_NOT_FOUND"), ("/api/v1/verify/chk_x", "PROOF_NOT_FOUND"),
     ("/receipts/chk_unknown.json", "RECEIPT_NOT_FOUND"), ("/log/" + "0" * 32 + "/checkpoint", "NOT_FOUND"),
     ("/nothing/here", "NOT_FOUND"), (f"{BALANCE}/", "NOT_FOUND"), ("/api/v2/balance/delta", "NOT_FOUND"), ("/..%2f..%2fetc/passwd", "NOT_FOUND"),
     (f"{BALANCE}/derive/%F0%9F%98%80", "CUSTOMER_NOT_FOUND"), (f"{BALANCE}/derive/" + "x" * 2000, "CUSTOMER_NOT_FOUND")],
)  # fmt: skip
def test_what_is_not_there_is_a_404(client: Client, path: str, code: str) -> None:
    """What does not exist is a 404 whose code says what was looked for."""
    coded(client.get(path), 404, code)


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", f"{BALANCE}/delta"), ("PUT", f"{BALANCE}/delta"), ("DELETE", f"{BALANCE}/delta/rec_1"), ("POST", f"{BALANCE}/derive/c"),
     ("PATCH", f"{BALANCE}/checkpoint"), ("POST", "/healthz"), ("DELETE", "/api/v1/verify/0x00")],
)  # fmt: skip
def test_another_method_is_a_405(client: Client, method: str, path: str) -> None:
    """A route asked with a method that it does not take says so, and names those it takes."""
    reply = client.call(method, path)
    coded(reply, 405, "METHOD_NOT_ALLOWED")
    assert "GET" in reply.error["message"] or "POST" in reply.error["message"]


def test_a_405_has_an_allow_header(client: Client) -> None:
    """The methods of a route are also in the Allow header, which HTTP requires of a 405 (RFC 9110, 15.5.6)."""
    assert client.call("PUT", f"{BALANCE}/delta").headers.get("allow") == "POST"
    assert "GET" in client.call("POST", "/healthz").headers.get("allow", "")


def test_large_bodies_are_refused(client: Client, customer: str) -> None:
    """A body over 1 MiB (8 MiB for a batch, and compare's theirRecords) is a 413 in the usual shape."""
    delta = b'{"customerId":"%b","delta":1,"reason":"r"' % customer.encode()
    fits = delta + b" " * ((1 << 20) - len(delta) - 1) + b"}"
    assert client.post(f"{BALANCE}/delta", fits).status == 201
    coded(client.post(f"{BALANCE}/delta", fits + b" "), 413, "PAYLOAD_TOO_LARGE")
    batch = b'{"deltas":[' + delta + b"}]"
    fits = batch + b" " * ((8 << 20) - len(batch) - 1) + b"}"
    assert client.post(f"{BALANCE}/delta/batch", fits).status == 201
    coded(client.post(f"{BALANCE}/delta/batch", fits + b" "), 413, "PAYLOAD_TOO_LARGE")
    chunked = client.call("POST", f"{BALANCE}/delta", b" ", {"Transfer-Encoding": "chunked"})
    assert chunked.status in (400, 413), "a chunked body is bounded too"


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "text/json", "application/xml", "multipart/form-data"]
)
def test_another_content_type_is_a_415(client: Client, customer: str, kind: str) -> None:
    """A body of another content type is a 415 and is not read."""
    body = f'{{"customerId":"{customer}","delta":1,"reason":"r"}}'.encode()
    coded(client.call("POST", f"{BALANCE}/delta", body, {"Content-Type": kind}), 415, "UNSUPPORTED_MEDIA_TYPE")
    for accepted in ("application/json", "application/json; charset=utf-8", "Application/JSON"):
        assert client.call("POST", f"{BALANCE}/delta", body, {"Content-Type": accepted}).status == 201


@pytest.mark.parametrize("body", [b"\r\n\r\n", b" ", b"\t"])
def test_blanks_are_not_an_empty_body(client: Client, body: bytes) -> None:
    """No body at all counts as an empty object; one of blanks is a plain 400, as any other that is not JSON."""
    kind = {"Content-Type": "application/json"}
    assert "body" in plain_400(client.call("POST", f"{BALANCE}/checkpoint", body, kind))
    assert client.call("POST", f"{BALANCE}/checkpoint", b"", kind).status == 201


def test_every_reply_has_a_request_id(client: Client, customer: str) -> None:
    """X-Request-Id is on every reply, is the caller's own when it is a plain one, and is new otherwise."""
    replies = [client.emit(customer, -1), client.emit(customer, 0), client.derive("nobody"), client.get("/nothing"), client.get("/healthz"),
               client.server.public.derive("c"), client.call("PUT", f"{BALANCE}/delta"), client.get("/openapi.json"),
               client.post(f"{BALANCE}/delta", b"{"), client.call("POST", f"{BALANCE}/delta", b"x", {"Content-Type": "text/plain"})]  # fmt: skip
    ids = [reply.headers["x-request-id"] for reply in replies]
    assert len(set(ids)) == len(ids) and all(re.fullmatch(r"[A-Za-z0-9_.-]{8,64}", one) for one in ids)
    assert client.call("GET", "/healthz", headers={"X-Request-Id": "mine-1"}).headers["x-request-id"] == "mine-1"
    assert client.call("GET", "/healthz", headers={"X-Request-Id": "a b\t<c>"}).headers["x-request-id"] != "a b\t<c>"


@pytest.mark.parametrize("key", ["", "x" * 256, "é"])
def test_an_idempotency_key_has_bounds(client: Client, customer: str, key: str) -> None:
    """An Idempotency-Key that is empty, too long or not ASCII is a plain 400, and nothing is recorded."""
    body = f'{{"customerId":"{customer}","delta":1,"reason":"r"}}'.encode()
    reply = client.call("POST", f"{BALANCE}/delta", body, {"Content-Type": "application/json", "Idempotency-Key": key})
    assert "Idempotency-Key" in plain_400(reply)
    assert client.derive(customer).status == 404


def test_twins_are_always_sent_together(client: Client, customer: str) -> None:
    """Fields with two names have both, with the same value, wherever they appear."""
    client.emit(customer, -3).data
    bodies = [client.derive(customer).data, client.compare(customer, 0, 0).data, client.checkpoint(customer).data,
              client.receipt(customer).data, client.get(f"{BALANCE}/invoice-proof/{customer}").data]  # fmt: skip
    for body in bodies:
        assert body["deltaCount"] == body["deltasCount"] == 1
        assert body["finalBalance"] == body["endingBalance"] == -3
    for body in bodies[:2]:
        assert body["computedBalance"] == body["neutralBalance"] == -3


RECEIPT_FIELDS = [
    "customerId",
    "period",
    "generatedAt",
    "proofRoot",
    "provisional",
    "deltaCount",
    "startingBalance",
    "finalBalance",
    "netChange",
    "broughtForward",
    "carriedForward",
    "debits",
    "credits",
    "subtotals",
    "unit",
    "lateLines",
    "status",
    "locked",
    "environment",
    "receiptId",
    "checkpointId",
    "invoiceReference",
    "verifyUrl",
    "verificationApiUrl",
    "verificationExplorerUrl",
    "customerLinkUrl",
    "customerLinkHost",
    "accessHint",
    "keyFingerprint",
    "deltas",
    "verification",
    "bundleUrl",
]
CHECKPOINT_FIELDS = [
    "checkpointId",
    "receiptId",
    "customerId",
    "period",
    "startDate",
    "endDate",
    "proofRoot",
    "deltaCount",
    "startingBalance",
    "endingBalance",
    "finalBalance",
    "netChange",
    "broughtForward",
    "carriedForward",
    "status",
    "locked",
    "alsoLocked",
    "createdAt",
    "verifiedAt",
    "firstRecordAt",
    "lastRecordAt",
    "previousCheckpointId",
    "invoiceReference",
    "idempotent",
    "warnings",
]
DELTA_FIELDS = [
    "recordId",
    "receiptId",
    "contentHash",
    "status",
    "customerId",
    "delta",
    "reason",
    "referenceId",
    "metadata",
    "sequenceNumber",
    "period",
    "postedAt",
    "recordedAt",
    "latePosting",
    "idempotent",
    "warnings",
]


def test_documented_fields_are_always_there(client: Client, customer: str) -> None:
    """Emit, checkpoint and receipt replies have every documented field in every state, null where nothing applies."""
    assert set(DELTA_FIELDS) <= set(client.emit(customer, -1).data)
    scopes: list[dict[str, str]] = [
        {},
        {"period": "2026-01"},
        {"startDate": "2026-02-01", "endDate": "2026-02-20"},
        {"period": "2026-02"},
    ]
    for scope in scopes:
        assert set(RECEIPT_FIELDS) <= set(client.receipt(customer, **scope).data), scope
        assert set(CHECKPOINT_FIELDS) <= set(client.checkpoint(customer, **scope).data), scope
        assert "bundleUrl" in client.receipt(customer, **scope).data["verification"]
    both = [client.get(f"{BALANCE}/{name}/{customer}", period="2026-02").data for name in ("receipt", "invoice-proof")]
    assert set(both[0]) == set(both[1]) and both[0]["proofRoot"] == both[1]["proofRoot"]


def test_no_text_with_a_nul_breaks_anything(client: Client, customer: str) -> None:
    """U+0000 is recorded in a context, refused where text is stored as text, and finds nothing where it is looked for."""
    recorded = client.emit(customer, -1, reason="a\0b", referenceId="r\0", metadata={"k": "\0"}).data
    assert client.record(recorded["recordId"]).data["reason"] == "a\0b"
    assert client.checkpoint(customer, period="2026-02", invoiceReference="a\0b").status == 400
    assert client.get(f"{BALANCE}/customers", search="\0").data["customers"] == []
    for path in (f"{BALANCE}/jobs/%00", "/log/%00/key", f"{BALANCE}/delta/%00", "/receipts/%00.json"):
        assert client.get(path).status == 404


def strange_value(rng: random.Random, depth: int = 0) -> Any:
    """Any JSON value, often one that is nearly right."""
    strings = [
        "",
        "x",
        "2026-02",
        "2026-02-10T00:00:00Z",
        "rec_1",
        "chk_1",
        "0x00",
        "\u0000",
        "\U0001f600",
        "a" * 600,
        "-1",
        "NaN",
        "\u202e",
    ]
    plain = [None, True, False, 0, -1, 5, 10**30, Decimal("1e-9"), Decimal("1e-40"), Decimal("1e99"), *strings]
    if depth > 2 or rng.random() < 0.7:
        return rng.choice(plain)
    if rng.random() < 0.5:
        return [strange_value(rng, depth + 1) for _ in range(rng.randint(0, 3))]
    return {rng.choice(["recordId", "referenceId", "delta", "k", ""]): strange_value(rng, depth + 1) for _ in range(2)}


def test_strange_values_never_break_the_server(client: Client, customer: str, rng: random.Random) -> None:
    """600 requests with random values in random fields are answered, recorded or refused by name, never with a 5xx."""
    fields = {
        "delta": ["customerId", "delta", "reason", "referenceId", "metadata", "occurredAt", "adjusts", "vendorAccountId", "other"],
        "compare": ["customerId", "yourBalance", "theirBalance", "tolerance", "startingBalance", "period", "startDate", "endDate",
                    "timePreset", "startingCheckpoint", "startingCheckpointType", "theirRecords", "granularity", "yours"],
        "checkpoint": ["customerId", "period", "startDate", "endDate", "timePreset", "invoiceReference", "mode", "preview"],
    }  # fmt: skip
    good = {"delta": {"delta": -1, "reason": "r"}, "compare": {"yourBalance": 0, "theirBalance": 0}, "checkpoint": {}}
    client.emit(customer, -1).data
    recorded = 1
    for _ in range(600):
        route = rng.choice(sorted(fields))
        body = {"customerId": customer, **good[route]}
        for field in rng.sample(fields[route], rng.randint(1, 3)):
            body[field] = strange_value(rng)
        mine = body.get("customerId") == customer
        if route == "delta" and rng.random() < 0.5:
            reply = client.batch([body, {"customerId": customer, "delta": -1, "reason": "beside"}])
            assert reply.status == 201, (body, reply.body)
            statuses = [result["status"] for result in reply.data["results"]]
            assert statuses[1] == "QUEUED", "a bad item hid a good one"
            new = not reply.data["results"][0].get("idempotent")
            recorded += 1 + (statuses[0] == "QUEUED" and mine and new)
        else:
            reply = client.post(f"{BALANCE}/{route}", body)
            assert reply.status < 500, (route, body, reply.body)
            assert reply.status in (200, 201) or reply.error["message"], (route, body)
            recorded += route == "delta" and reply.status == 201 and mine
    everything = client.derive(customer, startDate="2023-03-01", endDate="2026-02-10T12:00:00Z").data["deltaCount"]
    ahead = client.derive(customer, startDate="2026-02-10T12:00:00Z", endDate="2029-01-01").data["deltaCount"]
    assert everything + ahead == recorded
