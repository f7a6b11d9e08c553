"""The pages of webhooks as a person without JavaScript goes through them, on a real server with a real receiver."""

from __future__ import annotations

import html
import json
import re
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from testkit.browsing import Browser
from testkit.endpoints import emits
from testkit.receiver import Receiver, receiving
from testkit.server import Server

from pacspace_sdk import Webhooks, WebhookVerificationError

CLOCK = "2026-02-10T12:00:00Z"
EVIL = "<script>alert(1)</script>\u202e"
GUIDE = Path(__file__).parent.parent / "docs" / "how-to" / "receive-webhooks.md"


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with receiving() as process:
        yield process


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that may send to this machine, with an owner; tests share it, each with paths of its own."""
    server = Server(tmp_path_factory.mktemp("told")).start("--webhook-targets", "any", "--sandbox-clock", CLOCK)
    assert server.setup_url
    Browser(server.url).set_up(server.setup_url)
    yield server
    server.close()


@pytest.fixture
def ada(told: Server) -> Browser:
    return Browser(told.url).log_in("ada@example.com")


def make(ada: Browser, url: str, description: str = "", events: list[str] | None = None) -> tuple[str, str]:
    """A new endpoint: the path of its page, and its secret."""
    ada.open("/app/webhooks").press("Create the endpoint", url=url, description=description, events=events or [])
    found = re.search(r'class="button" href="(/app/webhooks/whk_[0-9a-f]{32})"', ada.page)
    assert found, ada.text
    return found[1], secret_on(ada)


def secret_on(ada: Browser) -> str:
    found = re.search(r'id="secret">(whsec_[^<]+)<', ada.page)
    assert found and ada.status == 200, ada.text
    return html.unescape(found[1])


def until(ada: Browser, path: str, is_so: Callable[[str], bool], timeout_s: float = 30) -> str:
    """What a page says, once it says so."""
    deadline_s = time.monotonic() + timeout_s
    while not is_so(text := ada.open(path).text):
        assert time.monotonic() < deadline_s, text
        time.sleep(0.1)
    return text


def events_on(ada: Browser) -> list[str]:
    return list(dict.fromkeys(re.findall(r"/deliveries/(evt_[0-9a-f]+)", ada.page)))


def test_before_the_first_endpoint_there_is_a_receiver(start_server: Callable[..., Server]) -> None:
    """The page without an endpoint shows the receiver of the guide, byte by byte, and the overview says nothing of webhooks."""
    server = start_server()
    assert server.setup_url
    ada = Browser(server.url).set_up(server.setup_url)
    assert "endpoint fails" not in ada.text
    ada.open("/app/webhooks")
    shown = re.search(r'<code id="receiver">(.*?)</code>', ada.page, re.DOTALL)
    written = re.search(r"```python receiver.py\n(.*?)\n```", GUIDE.read_text(), re.DOTALL)
    assert shown and written and html.unescape(shown[1]) == written[1]
    assert "No endpoints yet" in ada.text and "pacspace webhooks listen --forward-to" in ada.text


def test_an_endpoint_is_made_and_told(told: Server, ada: Browser, receiver: Receiver, customer: str) -> None:
    """An endpoint that is made on its page is told at once; its secret is on one page, and signs; the delivery's page has the
    very payload, escaped; sent again, the receiver has the event twice."""
    path, secret = make(ada, f"{receiver.url}/ok/page", "for the page", ["delta.verified"])
    assert "The secret is shown only once" in ada.text
    assert secret not in ada.open(path).page and secret not in ada.open("/app/webhooks").page
    assert "No deliveries yet" in ada.open(path).text
    record = told.client.emit(customer, Decimal("-42.50"), EVIL, referenceId="usage_1").data["recordId"]
    (sent,) = receiver.wait_for_records("/ok/page", {record})
    Webhooks(secret).verify_from_headers(sent.headers, sent.body)
    text = until(ada, path, lambda text: "Delivered 1" in text)
    assert "delta.verified" in text and "status 204" in text
    (event,) = events_on(ada)
    ada.open(f"{path}/deliveries/{event}")
    assert event == sent.event["id"] and "Last status 204" in ada.text and "Attempts 1" in ada.text
    assert "<script>alert" not in ada.page and "\u202e" not in ada.page
    shown = re.search(r'<code id="payload">(.*?)</code>', ada.page, re.DOTALL)
    assert shown and json.loads(html.unescape(shown[1]), parse_float=str) == json.loads(sent.body, parse_float=str)
    ada.press("Send again")
    assert "The delivery is due now." in ada.text
    twice = receiver.wait_for("/ok/page", lambda found: len(found) == 2)
    assert {request.event["id"] for request in twice} == {event}
    until(ada, f"{path}/deliveries/{event}", lambda text: "Attempts 2" in text)


def test_an_endpoint_is_changed_tested_rotated_and_removed(told: Server, ada: Browser, receiver: Receiver) -> None:
    """A test says what came back; a change keeps what was not changed; a rotated secret signs beside the old one; switched off
    it is off; removed it is gone, once the word was typed."""
    path, secret = make(ada, f"{receiver.url}/status/503", "first")
    ada.open(path).press("Send a test event")
    assert "The test event was not delivered" in ada.text and "status 503" in ada.text and "words" in ada.text
    ada.open(path).press("Save", url=f"{receiver.url}/ok/changed", events=["checkpoint.verified", "receipt.generated"])
    assert "The endpoint is changed." in ada.text and "Events checkpoint.verified, receipt.generated" in ada.text
    assert "/ok/changed" in ada.text and "first" in ada.text
    ada.press("Save")
    assert "Nothing has changed." in ada.text
    ada.press("Save", url="ftp://receiver.example/")
    assert ada.status == 400 and "URL" in ada.text and 'value="ftp://receiver.example/"' in ada.page
    ada.open(path).press("Create a new secret")
    second = secret_on(ada)
    assert second != secret and "the old secret signs too" in ada.text
    ada.open(path).press("Send a test event")
    assert "The test event was delivered" in ada.text
    (sent,) = receiver.taken("/ok/changed")
    for each in (secret, second):
        Webhooks(each).verify_from_headers(sent.headers, sent.body)
    with pytest.raises(WebhookVerificationError):
        Webhooks("whsec_" + "A" * 44).verify_from_headers(sent.headers, sent.body)
    ada.open(path).press("Switch it off")
    assert "The endpoint is off" in ada.text and "It keeps its place" in ada.text
    ada.press("Switch it on")
    assert "The endpoint is on" in ada.text
    ada.press("Delete it permanently", typed="yes")
    assert ada.status == 400 and "must be the word delete" in ada.text
    ada.press("Delete it permanently", typed="delete")
    assert "is deleted" in ada.text and ada.place.endswith("/app/webhooks") and ada.open(path).status == 404


def test_what_fails_is_said_filtered_and_paged(told: Server, ada: Browser, receiver: Receiver, customer: str) -> None:
    """An endpoint that fails is said on its page and on the overview; its deliveries are filtered by state, and listed page by
    page, each once; a span of time is sent again, once it is one."""
    path, _ = make(ada, f"{receiver.url}/status/500", "billing, failing", ["delta.verified"])
    good, _ = make(ada, f"{receiver.url}/ok/paged", "", ["delta.verified"])
    records = emits(told.client, customer, 30)
    receiver.wait_for_records("/ok/paged", records)
    text = until(ada, "/app", lambda text: "for another attempt." in text and "fails: no attempt" in text)
    assert "The endpoint billing, failing fails" in text
    text = ada.open(path).text
    assert "failing" in text and "After five days of failures the server switches it off" in text
    assert events_on(ada.open(f"{path}?status=pending")) and not events_on(ada.open(f"{path}?status=delivered"))
    until(ada, good, lambda text: "Delivered 30" in text)
    ada.open(good)
    first = events_on(ada)
    more = re.search(r'class="next" href="([^"]+)"', ada.page)
    assert more and len(first) == 25
    second = events_on(ada.open(html.unescape(more[1])))
    assert len(second) == 5 and not set(first) & set(second) and "Back to the first page" in ada.text
    for wrong, says in (("yesterday", "From"), ("2999-01-01", "must be in the past")):
        ada.open(good).press("Send events again", since=wrong)
        assert ada.status == 400 and says in ada.text
    ada.press("Send events again", since="2026-01-01")
    assert "30 events since" in ada.text
    receiver.wait_for("/ok/paged", lambda found: len(found) == 60)
    ada.open(path).press("Delete it permanently", typed="delete")


def test_odd_queries_are_answered(told: Server, ada: Browser) -> None:
    """Whatever stands in a query or a path of these pages, the answer is a page that says what is wrong."""
    path, _ = make(ada, "https://receiver.example/odd")
    for odd in ("", "\0", "-1", "1.1.1", "9" * 400, "9" * 19 + ".0", "1.²", "failed", EVIL):
        for name in ("status", "cursor"):
            answer = ada.session.get(told.url + path, params={name: odd}, timeout=60)
            assert answer.status_code in (200, 400), (name, odd)
    for where in (
        "/app/webhooks/%00",
        "/app/webhooks/whk_x",
        f"{path}/deliveries/%00",
        f"{path}/deliveries/evt_{'0' * 58}",
    ):
        assert ada.open(where).status == 404, where
