"""Webhooks when things go wrong: receivers that fail, names that turn private, servers that are killed, days that pass."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from testkit import outside
from testkit.browsing import Browser
from testkit.endpoints import Dashboard, emits, sample, sent_to
from testkit.extent import times
from testkit.receiver import FAULTS, Receiver, receiving, recorded
from testkit.server import BROKEN, Client, Server

from pacspace_sdk import Webhooks

KILLS = times(2, 3, "CONFORMANCE_WEBHOOK_KILLS")
STOPS = times(2, 5)
PUBLIC, PRIVATE = "93.184.216.34", "127.0.0.1"
DAY_S = 86_400


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as process:
        yield process


@pytest.fixture
def outer(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """A server whose outside the test sets (`outside.set_outside`)."""
    server = Server(tmp_path)
    server.program = outside.PROGRAM
    outside.set_outside(tmp_path)

    def start(*options: str) -> Server:
        return server.start(*options)

    yield start
    server.close()


def test_every_fault_is_tried_again_and_delays_nobody(outer: Callable[..., Server], receiver: Receiver) -> None:
    """Errors, resets, ends, redirects, hanging, slow and endless replies: a healthy endpoint has everything while they last, a
    receiver that fails each event once has everything at the next attempt, and the list names what was wrong."""
    server = outer("--webhook-targets", "any")
    dashboard = Dashboard(server)
    kinds = ["status/500", "status/404", "reset", "close", "redirect", "hang", "slow"]
    bad = {kind: dashboard.make(f"{receiver.url}/{kind}") for kind in kinds}
    huge = dashboard.make(f"{receiver.url}/huge")
    healthy, sometimes = dashboard.make(f"{receiver.url}/ok/healthy"), dashboard.make(f"{receiver.url}/sometimes")
    records = emits(server.client, "cust_a", 60)
    receiver.wait_for_records("/ok/healthy", records, 8)  # before the first time-out
    assert receiver.requests("/elsewhere") == []
    outside.set_outside(server.folder, laterS=20)
    receiver.wait_for_records("/sometimes", records, 30)
    assert Counter(r.answered for r in receiver.requests("/sometimes")).keys() >= {204, 500, 302, 404, None}
    assert len(FAULTS) == 5
    waiting = {kind: dashboard.wait_for(endpoint, "pending", 1) for kind, endpoint in bad.items()}
    said = {kind: (found[-1]["lastStatusCode"], found[-1]["lastError"]) for kind, found in waiting.items()}
    assert said["status/500"] == (500, "answered 500") and said["status/404"] == (404, "answered 404")
    assert said["redirect"] == (302, "redirects are not followed")
    assert "connection" in said["reset"][1] and "closed" in said["close"][1]
    assert said["hang"][1] == said["slow"][1] == "no reply within 10 s"
    assert {d["deliveryStatus"] for d in dashboard.deliveries(huge)} == {"delivered"}, "its status is known"
    for request in receiver.taken("/sometimes"):
        Webhooks(sometimes["secret"]).verify_from_headers(request.headers, request.body)
    assert {d["deliveryStatus"] for d in dashboard.deliveries(healthy)} == {"delivered"}


def test_a_name_that_turns_private_is_not_followed(outer: Callable[..., Server], receiver: Receiver) -> None:
    """The address is looked at on every attempt: once the name leads into the server's own network nothing is connected to, and
    when it leads outside again the delivery goes on."""
    ways = {PUBLIC: receiver.port}
    server = outer()
    folder = server.folder
    outside.set_outside(folder, names={"hook.test": [PUBLIC], "mixed.test": [PUBLIC]}, ways=ways)
    dashboard = Dashboard(server)
    failing = dashboard.make("https://hook.test/close")  # so that no connection is kept
    mixed = dashboard.make("http://mixed.test/ok/mixed")
    (first,) = emits(server.client, "cust_a", 1)
    receiver.wait_for_records("/ok/mixed", {first})
    dashboard.wait_for(failing, "pending", 1)
    forbidden = ["10.0.0.7", "169.254.169.254", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "fe80::1", PRIVATE]
    for step, address in enumerate(forbidden, 1):
        # A name with one forbidden address among others is forbidden too.
        names = {"hook.test": [address], "mixed.test": [PUBLIC, address]}
        outside.set_outside(folder, names=names, ways=ways, laterS=step * 0.4 * DAY_S)
        deadline = time.monotonic() + 20
        while address not in str(found := dashboard.deliveries(failing)[-1]["lastError"]):
            assert time.monotonic() < deadline, found
            time.sleep(0.1)
        assert found.startswith("not sent: ")
    assert set(outside.connected(folder)) == {PUBLIC}
    refused = dashboard.call("POST", "", {"url": "https://mixed.test/x"})
    assert refused.status == 400 and PRIVATE in refused.error["message"]
    outside.set_outside(folder, names={"mixed.test": [PUBLIC]}, ways=ways, laterS=4 * DAY_S)
    dashboard.change(failing, url="http://mixed.test/ok/after")
    receiver.wait_for_records("/ok/after", {first})
    assert dashboard.get(mixed)["successCount"] >= 1


def test_days_pass(outer: Callable[..., Server], receiver: Receiver) -> None:
    """A delivery that fails at eight attempts has failed and is listed; an endpoint without a success for 5 days is switched off and
    says why, on its page and the overview too; switched on again it is told everything that waited."""
    server = outer("--webhook-targets", "any")
    dashboard = Dashboard(server)
    endpoint = dashboard.make(f"{receiver.url}/status/500/days")
    (first,) = emits(server.client, "cust_a", 1)
    later_s = 0.0
    for attempts, delay_s in enumerate((5, 30, 120, 600, 3_600, 21_600, 86_400), 1):
        (delivery,) = dashboard.wait_for(endpoint, "pending", 1)
        deadline = time.monotonic() + 20
        while (delivery := dashboard.deliveries(endpoint)[0])["attempts"] < attempts:
            assert time.monotonic() < deadline, delivery
            time.sleep(0.05)
        assert delivery["attempts"] == attempts, "not before it is due"
        later_s += delay_s * 1.25
        outside.set_outside(server.folder, laterS=later_s)
    (failed,) = dashboard.wait_for(endpoint, "failed", 1)
    assert (failed["attempts"], failed["nextAttemptAt"], failed["lastStatusCode"]) == (8, None, 500)
    outside.set_outside(server.folder, laterS=6 * DAY_S)
    second = emits(server.client, "cust_a", 1, 1)
    deadline = time.monotonic() + 40
    while dashboard.get(endpoint)["enabled"]:
        assert time.monotonic() < deadline, dashboard.get(endpoint)
        time.sleep(0.1)
    off = dashboard.get(endpoint)
    assert "5 days" in off["disabledReason"] and "500" in off["disabledReason"] and off["disabledAt"]
    assert server.setup_url
    pages = Browser(server.url).set_up(server.setup_url)
    for path, says in (("/app", "was switched off"), (f"/app/webhooks/{endpoint['id']}", "switched off by the server")):
        text = pages.open(path).text
        assert says in text and off["disabledReason"] in text
    third = emits(server.client, "cust_a", 1, 2)
    dashboard.change(endpoint, url=f"{receiver.url}/ok/days", enabled=True)
    outside.set_outside(server.folder, laterS=6.1 * DAY_S)
    receiver.wait_for_records("/ok/days", second | third)
    assert first not in recorded(receiver.taken("/ok/days"))
    assert dashboard.get(endpoint)["disabledReason"] is None


def _load(client: Client, sent: set[str], stop: threading.Event) -> None:
    """Emits until it is told to stop; what was acknowledged."""
    number = len(sent)
    while not stop.is_set():
        try:
            sent |= emits(client, f"cust_{number % 5}", 20, number * 20)
        except BROKEN:
            return
        number += 1
        time.sleep(0.01)


def test_nothing_is_lost_over_kills(tmp_path: Path, receiver: Receiver, rng: random.Random) -> None:
    """kill -9 while events are on their way, again and again: each acknowledged delta is told to each endpoint, also to one that fails
    a quarter of the events once; what is told twice has the same id and the same bytes."""
    server = Server(tmp_path)
    options = ("--webhook-targets", "any")
    server.start(*options)
    dashboard = Dashboard(server)
    paths = ["/ok/kills/a", "/ok/kills/b", "/seldom/kills"]
    for path in paths:
        dashboard.make(receiver.url + path)
    sent: set[str] = set()
    for _ in range(KILLS):
        stop = threading.Event()
        loads = [threading.Thread(target=_load, args=(server.client, sent, stop))]
        for load in loads:
            load.start()
        time.sleep(rng.uniform(0.2, 1.5))
        server.kill()
        stop.set()
        for load in loads:
            load.join()
        server.start(*options)
    for path in paths:
        got = receiver.wait_for_records(path, sent, 120)
        bodies: dict[str, set[bytes]] = {}
        for request in got:
            bodies.setdefault(request.event["id"], set()).add(request.body)
        assert all(len(each) == 1 for each in bodies.values())
        repeated = len(got) - len(bodies)
        print(
            f"{path}: {len(sent)} deltas acknowledged, {len(bodies)} events, {repeated} told twice, over {KILLS} kills"
        )
    assert len(sent) > 20 * KILLS
    server.close()


def test_a_stopped_server_finishes_what_it_began(start_server: Callable[..., Server], receiver: Receiver) -> None:
    """SIGTERM while events are on their way: the server ends, and the next one sends what is left."""
    server = start_server("--webhook-targets", "any")
    dashboard = Dashboard(server)
    dashboard.make(f"{receiver.url}/ok/stopped")
    dashboard.make(f"{receiver.url}/hang")
    records: set[str] = set()
    for number in range(STOPS):
        records |= emits(server.client, "cust_a", 200, number * 200)
        server.restart("--webhook-targets", "any")
    receiver.wait_for_records("/ok/stopped", records)


def test_two_processes_share_and_one_takes_over(on_postgres: Callable[..., Server], receiver: Receiver) -> None:
    """Of two processes on one database each sends to some of the endpoints; when one is killed the other sends to all."""
    servers = [on_postgres("--webhook-targets", "any"), on_postgres("--webhook-targets", "any")]
    dashboard = Dashboard(servers[0])
    paths = [f"/ok/shared/{number}" for number in range(12)]
    for path in paths:
        dashboard.make(receiver.url + path)
    deadline = time.monotonic() + 40
    while min(lines := [sent_to(server) for server in servers]) == 0 or sum(lines) != len(paths):
        assert time.monotonic() < deadline, lines
        time.sleep(0.2)
    records = emits(servers[0].client, "cust_a", 50)
    for path in paths:
        receiver.wait_for_records(path, records)
    assert min(_delivered(server) for server in servers) > 0
    servers[0].kill()
    records |= emits(servers[1].with_key(servers[0].key), "cust_b", 50)
    for path in paths:
        receiver.wait_for_records(path, records)
    assert sent_to(servers[1]) == len(paths)


def _delivered(server: Server) -> int:
    return sample(server, 'pacspace_webhook_attempts_total{outcome="delivered"')
