"""Webhooks from the outside: what a receiver is sent, what verifies it, and what a vendor does with endpoints."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import standardwebhooks
from testkit import seed_snippets
from testkit.command import COMMAND
from testkit.endpoints import WEBHOOKS, Dashboard, emits, sent_to
from testkit.receiver import Receiver, Request, receiving, recorded
from testkit.server import BALANCE, Server
from testkit.waiting import wait_until

from pacspace_sdk import PacSpace, Webhooks, WebhookVerificationError, types

CLOCK = "2026-02-10T12:00:00Z"


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with receiving() as process:
        yield process


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that may send to this machine; tests share it, each with paths of its own."""
    server = Server(tmp_path_factory.mktemp("told")).start("--webhook-targets", "any", "--sandbox-clock", CLOCK)
    yield server
    server.close()


@pytest.fixture(scope="module")
def dashboard(told: Server) -> Dashboard:
    return Dashboard(told)


def kinds(requests: list[Request]) -> set[str]:
    return {request.event["event"] for request in requests}


def test_a_month_is_told_from_the_first_delta_to_the_receipt(
    told: Server, dashboard: Dashboard, receiver: Receiver, customer: str
) -> None:
    """A customer made by hand, its deltas and its lock are told with the fields that are documented, equal to what the API says."""
    endpoint = dashboard.make(f"{receiver.url}/ok/life", description="all of it")
    made = {"displayName": "Globex", "customerId": customer}
    auth = {"Authorization": f"Bearer {dashboard.key}"}
    dashboard.client.post("/dashboard/customers", made, auth)
    record = told.client.emit(customer, -42.5, "compute_minutes", referenceId="usage_1").data
    lock = told.client.checkpoint(customer, period="2026-02", invoiceReference="INV-1").data
    wanted = {"customer.created", "delta.verified", "checkpoint.verified", "receipt.generated"}
    got = receiver.wait_for("/ok/life", lambda found: wanted <= kinds(found))
    by_kind = {request.event["event"]: request for request in got if request.event["data"]["customerId"] == customer}
    for request in by_kind.values():
        event = request.event
        assert event.keys() == {"id", "event", "timestamp", "createdAt", "tenantId", "environment", "data"}
        assert event["environment"] == "sandbox" and event["tenantId"].startswith("wsp_")
        assert request.headers["x-webhook-event"] == event["event"] and request.headers["x-event-id"] == event["id"]
        dashboard.wait_for_event(endpoint, event["id"])
        shown = dashboard.delivery(endpoint, event["id"])
        assert (
            shown["payload"] == json.loads(request.body, parse_float=type(record["delta"])) and shown["attempts"] == 1
        )
    delta = by_kind["delta.verified"].event["data"]
    asked = told.client.record(record["recordId"]).data
    assert delta["delta"] == -42.5 and delta["status"] == "verified" and delta["deltaIndex"] == 1
    for name in ("recordId", "receiptId", "referenceId", "reason", "period"):
        assert delta[name] == asked[name], name
    # The month may have been in the log before it was locked, which gave it another entry.
    assert int(delta["verificationReference"]) <= int(asked["verificationReference"])
    assert delta["sequenceNumber"] == str(asked["sequenceNumber"])
    assert delta["proof"] == {"proofHash": asked["receiptId"], "contentHash": asked["contentHash"]}
    locked = by_kind["checkpoint.verified"].event["data"]
    assert (locked["checkpointId"], locked["proofRoot"], locked["deltaCount"]) == (
        lock["checkpointId"],
        lock["proofRoot"],
        1,
    )
    receipt = by_kind["receipt.generated"].event["data"]
    assert receipt["receiptId"] == lock["checkpointId"] and receipt["invoiceReference"] == "INV-1"
    assert told.public.get(receipt["receiptUrl"].removeprefix(told.url)).status == 200
    assert dashboard.get(endpoint)["successCount"] >= 4


def test_both_verifiers_take_what_was_sent_and_nothing_else(
    told: Server, dashboard: Dashboard, receiver: Receiver, customer: str
) -> None:
    """The SDK and the Standard Webhooks library verify a real delivery by its secret, and refuse another secret, body or time."""
    secret = dashboard.make(f"{receiver.url}/ok/signed")["secret"]
    (record,) = emits(told.client, customer, 1)
    request = next(r for r in receiver.wait_for_records("/ok/signed", {record}) if record in recorded([r]))
    assert Webhooks(secret).verify_from_headers(request.headers, request.body)["data"]["recordId"] == record
    assert standardwebhooks.Webhook(secret).verify(request.body, request.headers)["id"] == request.event["id"]
    other = dashboard.make(f"{receiver.url}/ok/other")["secret"]
    changed = request.body.replace(b"-1.5", b"-1.6")
    late = request.headers | {"x-pacspace-timestamp": "1", "webhook-timestamp": "1"}
    for key, headers, body in (
        (other, request.headers, request.body),
        (secret, request.headers, changed),
        (secret, late, request.body),
    ):
        with pytest.raises(WebhookVerificationError):
            Webhooks(key).verify_from_headers(headers, body)
        with pytest.raises(standardwebhooks.WebhookVerificationError):
            standardwebhooks.Webhook(key).verify(body, headers)


def test_the_documents_snippet_verifies_a_real_delivery(
    told: Server, dashboard: Dashboard, receiver: Receiver, customer: str, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """The webhook lines of the first interface document, as written, print the receiptId of what the server sent."""
    monkeypatch.setenv("PACSPACE_WEBHOOK_SECRET", dashboard.make(f"{receiver.url}/ok/snippet")["secret"])
    record = told.client.emit(customer, -1).data
    request = next(
        r for r in receiver.wait_for_records("/ok/snippet", {record["recordId"]}) if record["recordId"] in recorded([r])
    )
    (code,) = (text for text in seed_snippets.snippets() if "verify_from_headers" in text)
    exec(code, {"os": os, "headers": request.headers, "raw_body": request.body.decode()})
    assert capsys.readouterr().out.split() == [record["receiptId"]]


def test_ids_are_the_same_everywhere_and_endpoints_choose(
    told: Server, dashboard: Dashboard, receiver: Receiver, customer: str
) -> None:
    """Two endpoints are told of a delta under one id; one that wants other events is not told of it."""
    for name in ("a", "b"):
        dashboard.make(f"{receiver.url}/ok/same/{name}")
    dashboard.make(f"{receiver.url}/ok/chosen", events=["checkpoint.verified"])
    records = emits(told.client, customer, 30)
    told.client.checkpoint(customer, period="2026-02")
    ids = [
        {r.event["id"] for r in receiver.wait_for_records(f"/ok/same/{name}", records) if recorded([r]) & records}
        for name in ("a", "b")
    ]
    assert ids[0] == ids[1] and len(ids[0]) == 30
    assert kinds(receiver.wait_for("/ok/chosen", bool)) == {"checkpoint.verified"}


def test_a_rotated_secret_and_the_one_before_both_verify(
    told: Server, dashboard: Dashboard, receiver: Receiver, customer: str
) -> None:
    """After a rotation deliveries are signed with both secrets, the new one first, for each verifier."""
    endpoint = dashboard.make(f"{receiver.url}/ok/rotated")
    rotated = dashboard.call("POST", f"/{endpoint['id']}/rotate", {}).data
    assert rotated["secret"] != endpoint["secret"] and rotated["previousSecretUntil"] > rotated["rotatedAt"]
    (record,) = emits(told.client, customer, 1)
    request = next(r for r in receiver.wait_for_records("/ok/rotated", {record}) if record in recorded([r]))
    for secret in (rotated["secret"], endpoint["secret"]):
        Webhooks(secret).verify_from_headers(request.headers, request.body)
        standardwebhooks.Webhook(secret).verify(request.body, request.headers)
    assert request.headers["x-pacspace-signature"].count("v1=") == 2
    assert "secret" not in dashboard.get(endpoint)


def test_off_means_waiting(told: Server, dashboard: Dashboard, receiver: Receiver, customer: str) -> None:
    """What happens while an endpoint is off is sent when it is on again; a removed one is told nothing more."""
    endpoint = dashboard.make(f"{receiver.url}/ok/off")
    assert dashboard.change(endpoint, enabled=False)["active"] is False
    on = sum(each["active"] for each in dashboard.call("GET").data["webhooks"])
    wait_until(lambda: sent_to(told) == on)
    records = emits(told.client, customer, 3)
    witness = dashboard.make(f"{receiver.url}/ok/on")
    later = emits(told.client, customer, 3, 3)
    receiver.wait_for_records("/ok/on", later)
    assert receiver.requests("/ok/off") == []
    dashboard.change(endpoint, enabled=True)
    receiver.wait_for_records("/ok/off", records | later)
    assert dashboard.call("DELETE", f"/{witness['id']}").data["deleted"] is True
    assert dashboard.call("GET", f"/{witness['id']}").error["code"] == "NOT_FOUND"


def test_what_was_sent_can_be_sent_again(told: Server, dashboard: Dashboard, receiver: Receiver, customer: str) -> None:
    """One delivery by its event's id, by either route and by the SDK, and all of a span of time: each comes again under its id."""
    began = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 5))
    endpoint = dashboard.make(f"{receiver.url}/ok/again")
    records = emits(told.client, customer, 5)
    receiver.wait_for_records("/ok/again", records)
    dashboard.wait_for(endpoint, "delivered", 5)
    event = next(d for d in dashboard.deliveries(endpoint))["eventId"]

    def times(identity: str) -> int:
        return sum(request.event["id"] == identity for request in receiver.requests("/ok/again"))

    with PacSpace.init(told.key or "", base_url=told.url) as pac:
        listed = pac.balance.list_webhook_deliveries(status="delivered", limit=1000)
        assert event in {delivery["eventId"] for delivery in listed["deliveries"]}
        assert listed["deliveries"][0].keys() == types.Delivery.__annotations__.keys()
        for number, again in enumerate((
            lambda: pac.balance.retry_webhook(event),
            lambda: dashboard.call("POST", f"/{endpoint['id']}/deliveries/{event}/retry", {}).data,
        ), 2):  # fmt: skip
            assert again()["eventId"] == event
            receiver.wait_for("/ok/again", lambda _, number=number: times(event) == number)
            dashboard.wait_for(endpoint, "delivered", 5)
    dashboard.wait_for(endpoint, "delivered", 5)
    replayed = dashboard.call("POST", f"/{endpoint['id']}/replay", {"since": began}).data
    assert replayed["queued"] == 5
    receiver.wait_for("/ok/again", lambda found: len(found) == 5 + 2 + 5)
    assert dashboard.call("POST", f"/{endpoint['id']}/replay", {"since": began, "until": began}).status == 400
    assert told.client.post(f"{BALANCE}/webhooks/evt_1/retry", {}).error["code"] == "NOT_FOUND"


def test_a_test_event_says_what_came_back(told: Server, dashboard: Dashboard, receiver: Receiver) -> None:
    """A test is a signed event of its own kind, sent at once; the reply has status, problem and the beginning of the answer."""
    good, bad = dashboard.make(f"{receiver.url}/ok/test"), dashboard.make(f"{receiver.url}/status/503/test")
    answer = dashboard.call("POST", f"/{good['id']}/test", {}).data
    assert (answer["delivered"], answer["statusCode"], answer["error"]) == (True, 204, None)
    (request,) = receiver.requests("/ok/test")
    assert Webhooks(good["secret"]).verify_from_headers(request.headers, request.body)["event"] == "webhook.test"
    answer = dashboard.call("POST", f"/{bad['id']}/test", {}).data
    assert (answer["delivered"], answer["statusCode"], answer["reply"]) == (False, 503, "words")


def test_erased_words_are_not_sent_again(told: Server, dashboard: Dashboard, receiver: Receiver, customer: str) -> None:
    """After a customer's contexts are erased, the payload of an old delivery has no reason and no reference."""
    endpoint = dashboard.make(f"{receiver.url}/ok/erased")
    record = told.client.emit(customer, -1, "a reason", referenceId="a-reference").data["recordId"]
    receiver.wait_for_records("/ok/erased", {record})
    (delivery,) = dashboard.wait_for(endpoint, "delivered", 1)
    assert dashboard.delivery(endpoint, delivery["eventId"])["payload"]["data"]["reason"] == "a reason"
    told.run_json("erase", customer, "--yes")
    data = dashboard.delivery(endpoint, delivery["eventId"])["payload"]["data"]
    assert (data["reason"], data["referenceId"], data["recordId"]) == (None, None, record)


def test_environments_are_told_apart(told: Server, dashboard: Dashboard, receiver: Receiver, customer: str) -> None:
    """Production's endpoints are told nothing of the sandbox, and neither side sees the other's endpoints and events."""
    production = Dashboard(told, "live")
    theirs = production.make(f"{receiver.url}/ok/production")
    ours = dashboard.make(f"{receiver.url}/ok/sandbox")
    records = emits(told.client, customer, 2)
    receiver.wait_for_records("/ok/sandbox", records)
    (delivery, *_) = dashboard.wait_for(ours, "delivered", 2)
    for path in ("", "/deliveries", f"/deliveries/{delivery['eventId']}"):
        assert production.call("GET", f"/{ours['id']}{path}").error["code"] == "NOT_FOUND"
    assert production.call("GET", f"/{theirs['id']}/deliveries/{delivery['eventId']}").error["code"] == "NOT_FOUND"
    assert production.client.post(f"{BALANCE}/webhooks/{delivery['eventId']}/retry", {}).error["code"] == "NOT_FOUND"
    assert ours["id"] not in {e["id"] for e in production.call("GET").data["webhooks"]}
    assert receiver.requests("/ok/production") == []


def test_a_reset_sandbox_forgets_what_it_told(start_server: Callable[..., Server], receiver: Receiver) -> None:
    """Deliveries of an emptied sandbox are gone, its endpoints stay and are told what comes after."""
    server = start_server("--webhook-targets", "any", "--sandbox-clock", CLOCK)
    dashboard = Dashboard(server)
    endpoint = dashboard.make(f"{receiver.url}/ok/reset")
    receiver.wait_for_records("/ok/reset", emits(server.client, "cust_a", 3))
    dashboard.wait_for(endpoint, "delivered", 3)
    server.client.post("/api/v1/sandbox/reset", {})
    assert dashboard.deliveries(endpoint) == []
    receiver.wait_for_records("/ok/reset", emits(server.client, "cust_a", 3, 3))


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("http://127.0.0.1/x", "loopback"), ("http://[::1]/x", "loopback"), ("https://10.0.0.1/x", "private"),
        ("https://169.254.169.254/latest", "metadata"), ("https://[fd00:ec2::254]/", "metadata"),
        ("https://[::ffff:127.0.0.1]/", "127.0.0.1"), ("https://100.64.1.1/", "carrier"), ("https://localhost/x", "own network"),
        ("https://0.0.0.0/", "unspecified"), ("https://127.1/", "loopback"), ("https://2130706433/", "loopback"),
        ("https://u:p@example.com/", "user name"), ("https://example.com/#x", "fragment"), ("ftp://example.com/", "absolute"),
        ("https://example.com:22/", "port 22"), ("/relative", "absolute"), ("https://exa mple.com/", "printable"),
    ],
)  # fmt: skip
def test_forbidden_urls_are_refused_with_a_reason(server: Server, url: str, says: str) -> None:
    """A URL that leads into the server's own network, or is none for webhooks, is a plain 400 that says why."""
    body = {"url": url}
    key = _admin(server)
    reply = server.with_key(key).call("POST", WEBHOOKS, body, {"Authorization": f"Bearer {key}"})
    assert reply.status == 400 and says in reply.error["message"], reply.body


_KEYS: dict[str, str] = {}


def _admin(server: Server) -> str:
    if server.url not in _KEYS:
        _KEYS[server.url] = server.new_key("test", "--scopes", "admin")
    return _KEYS[server.url]


def test_production_wants_https(server: Server) -> None:
    """http is for the sandbox: in production it is refused, in the sandbox a public address may be."""
    url = {"url": "http://receiver.example/x"}
    live = server.new_key("live", "--scopes", "admin")
    refused = server.with_key(live).call("POST", WEBHOOKS, url, {"Authorization": f"Bearer {live}"})
    assert refused.status == 400 and "https://" in refused.error["message"]
    test = _admin(server)
    made = server.with_key(test).call("POST", WEBHOOKS, url, {"Authorization": f"Bearer {test}"}).data
    server.with_key(test).call("DELETE", f"{WEBHOOKS}/{made['id']}", headers={"Authorization": f"Bearer {test}"})


def test_listen_forwards_what_is_triggered(told: Server, receiver: Receiver, customer: str) -> None:
    """`webhooks listen` posts the sandbox's events, samples and real ones, signed with the secret that it prints."""
    command = [*COMMAND, "--json", "webhooks", "listen", "--forward-to", f"{receiver.url}/ok/listened"]
    arguments = ["--url", told.url, "--key", told.key or ""]
    child = subprocess.Popen([*command, *arguments], stdout=subprocess.PIPE, text=True, cwd=told.folder)
    assert child.stdout is not None
    try:
        secret = json.loads(child.stdout.readline())["secret"]
        triggered = told.run("--json", "webhooks", "trigger", "customer.compare_run", *arguments, database=False)
        assert triggered.returncode == 0, triggered.stderr
        (record,) = emits(told.client, customer, 1)
        got = receiver.wait_for_records("/ok/listened", {record})
        sample = next(r for r in got if r.event["event"] == "customer.compare_run")
        assert sample.event["data"]["test"] is True and sample.event["id"] == json.loads(triggered.stdout)["eventId"]
        for request in got:
            Webhooks(secret).verify_from_headers(request.headers, request.body)
            standardwebhooks.Webhook(secret).verify(request.body, request.headers)
        child.send_signal(signal.SIGINT)
        lines = [json.loads(line) for line in child.stdout]
        assert child.wait(30) == 0 and {line["forwarded"] for line in lines} == {204}
    finally:
        child.kill()
        child.wait()
        child.stdout.close()


def test_the_command_makes_tests_lists_and_removes_endpoints(
    told: Server, dashboard: Dashboard, receiver: Receiver
) -> None:
    """`webhooks create`, `test`, `list` and `delete` do what their names say; a failed test exits with 1."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return told.run("--json", "webhooks", *arguments, "--url", told.url, "--key", dashboard.key, database=False)

    made = json.loads(run("create", f"{receiver.url}/ok/command", "--event", "delta.verified").stdout)
    assert made["secret"].startswith("whsec_") and made["events"] == ["delta.verified"]
    assert run("test", made["id"]).returncode == 0
    failing = json.loads(run("create", f"{receiver.url}/status/500/command").stdout)
    assert run("test", failing["id"]).returncode == 1
    listed = {e["id"] for e in json.loads(run("list").stdout)}
    assert {made["id"], failing["id"]} <= listed
    for one in (made, failing):
        assert run("delete", one["id"]).returncode == 0
    assert not {made["id"], failing["id"]} & {e["id"] for e in json.loads(run("list").stdout)}
    assert run("delete", made["id"]).returncode == 3


def test_attempts_are_counted(told: Server, dashboard: Dashboard, receiver: Receiver, customer: str) -> None:
    """/metrics tells attempts by outcome, the delay, and how far behind the slowest endpoint is."""
    dashboard.make(f"{receiver.url}/ok/counted")
    receiver.wait_for_records("/ok/counted", emits(told.client, customer, 2))
    text: Any = told.public.get("/metrics").body.decode()
    assert 'pacspace_webhook_attempts_total{outcome="delivered",process="1"}' in text
    for name in ("pacspace_webhook_delay_seconds_count", "pacspace_webhook_waiting_rows", "pacspace_webhook_endpoints"):
        assert name in text
