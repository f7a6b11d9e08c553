"""A billing cycle as both sides go through it in a browser, from the first start of the server to the customer's comparison."""

from __future__ import annotations

import csv
import io
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pypdf
import pytest
from playwright.sync_api import Browser, Page, expect
from testkit.browsing import PASSWORD
from testkit.receiver import Receiver, receiving
from testkit.server import Server

from pacspace_sdk import PacSpace

from .chromium import PHONE, WIDE, Person, visiting
from .hands import HANDS, Mouse

pytestmark = pytest.mark.browser
MINUS = "\u2212"
NOW = "2026-02-20T09:00:00Z"
AMOUNTS = {"night-1": -420.0, "night-2": -390.5, "night-3": -437.0}
FAILS = 2  # attempts
STRANGER, CUSTOMER = "203.0.113.9", "198.51.100.7"
WAYS = [("mouse", WIDE), ("keyboard", WIDE), ("finger", PHONE)]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A new server; who visits it says from which address."""
    made = Server(tmp_path)
    made.environment["PACSPACE_TRUSTED_PROXIES"] = "127.0.0.1"
    made.start("--webhook-targets", "any", "--sandbox-clock", NOW)
    yield made
    made.close()


@pytest.mark.parametrize(("way", "viewport"), WAYS, ids=[way for way, _ in WAYS])
def test_a_cycle_of_both_sides(browser: Browser, server: Server, tmp_path: Path, way: str, viewport: Any) -> None:
    """From the set-up link to an event that is sent again and a locked month, and from the invoice's link to the very entries
    that differ: with a mouse, with the keyboard alone, and on a phone."""
    options = {"has_touch": True, "is_mobile": True} if way == "finger" else {}
    with visiting(browser, server.url, viewport, **options) as ada:
        hand = HANDS[way](ada.page)
        key = make_key(server, ada, hand)
        with receiving() as receiver:
            make_endpoint(ada, hand, f"{receiver.url}/failing/{FAILS}")
            record(server, key)
            send_again(ada, hand, receiver)
        link, code = close_the_month(ada, hand)
        with visiting(browser, server.url, viewport, address=STRANGER, **options) as stranger:
            guess(stranger, HANDS[way](stranger.page), link)
        with visiting(browser, server.url, viewport, address=CUSTOMER, **options) as customer:
            check(customer, HANDS[way](customer.page), link, code, tmp_path)


def make_key(server: Server, ada: Person, hand: Mouse) -> str:
    """The first owner, by the link that `serve` printed, and a key of hers."""
    assert server.setup_url
    page = ada.open(server.setup_url)
    hand.type("E-mail", "ada@example.com")
    hand.type("Your name", "Ada Lovelace")
    hand.type("Password", PASSWORD)
    hand.button("Create the owner")
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    hand.follow("API keys", ".menu")
    hand.type("Name", "meter")
    hand.button("Create the key")
    return str(page.locator("#full-key").text_content())


def record(server: Server, key: str) -> None:
    """What the vendor's program does with the key."""
    with PacSpace.init(key, base_url=server.url) as pac:
        for reference, amount in AMOUNTS.items():
            pac.balance.emit("cust_globex", amount, "gpu_minutes", {"referenceId": reference})


def make_endpoint(ada: Person, hand: Mouse, url: str) -> None:
    hand.follow("Webhooks", ".menu")
    hand.type("URL", url)
    hand.button("Create the endpoint")
    expect(ada.page.locator("#secret")).to_contain_text("whsec_")
    hand.follow("Open the endpoint")


def send_again(ada: Person, hand: Mouse, receiver: Receiver) -> None:
    """The receiver fails; the page says so, and its button sends the event until it is taken. The server's own attempts after
    the second are half a minute apart."""
    page = ada.page
    delivery = page.locator("tbody tr").first
    until(page, lambda: delivery.count() == 1 and "500" in delivery.inner_text())
    hand.press(delivery.get_by_role("link"))
    for _ in range(FAILS + 1):
        expect(page.get_by_text("pending", exact=True)).to_be_visible()
        sent = len(receiver.requests())
        hand.button("Send again")
        expect(page.get_by_text("The delivery is due now.")).to_be_visible()
        until(page, lambda: len(receiver.requests()) > sent)
        if receiver.taken(f"/failing/{FAILS}"):
            break
    until(page, lambda: page.get_by_text("delivered", exact=True).count() == 1)


def until(page: Page, is_so: Callable[[], bool]) -> None:
    """Loads the page again until it shows that."""
    deadline = time.monotonic() + 20
    while not is_so():
        assert time.monotonic() < deadline, page.locator("main").inner_text()
        page.wait_for_timeout(200)
        page.reload()


def close_the_month(ada: Person, hand: Mouse) -> tuple[str, str]:
    """The page shows the records; the month goes by and is closed. Answers the customer's link and code."""
    page = ada.page
    hand.follow("Customers", ".menu")
    hand.follow("cust_globex")
    for reference in AMOUNTS:
        expect(page.get_by_text(reference, exact=True)).to_be_visible()
    expect(page.locator("#month ~ dl, .figures").first).to_contain_text(f"{MINUS}1,247.5")
    hand.follow("Sandbox clock", ".menu")
    hand.type("Hold at", "2026-03-02")
    hand.button("Hold")
    hand.follow("Close a month", ".menu")
    hand.type("Type 2026-02 to confirm", "2026-02")
    hand.button("Close February 2026 permanently")
    expect(page.get_by_role("heading", name="February 2026 is closed")).to_be_visible()
    hand.follow("The checkpoints of February 2026")
    hand.follow("cust_globex")
    hand.choose("Month", "February 2026")
    hand.button("Show")
    expect(page.get_by_text("locked", exact=True).first).to_be_visible()
    return str(page.locator("#share-link").text_content()), str(page.locator("#share-code").text_content())


def guess(stranger: Person, hand: Mouse, link: str) -> None:
    """Whoever only has the link sees totals; five wrong codes shut the door."""
    page = stranger.open(f"{link}?period=2026-02")
    expect(page.get_by_role("heading", name="February 2026")).to_be_visible()
    expect(page.locator(".total")).to_contain_text(f"{MINUS}1,247.5")
    assert "night-1" not in page.content()
    for _ in range(5):
        hand.type("Access code", "222222")
        hand.button("Open the record")
        expect(page.get_by_role("alert")).to_contain_text("is not the code of this link")
    hand.type("Access code", "222222")
    hand.button("Open the record")
    expect(page.get_by_role("alert")).to_contain_text("try again in")


def check(customer: Person, hand: Mouse, link: str, code: str, folder: Path) -> None:
    """The customer has the code, takes the receipt away, and finds what their own list has otherwise."""
    page = customer.open(f"{link}?period=2026-02")
    hand.type("Access code", code.lower())
    hand.button("Open the record")
    expect(page.get_by_text("night-1", exact=True)).to_be_visible()
    hand.follow("Months", ".tabs")
    root = str(page.locator(".month .hash").first.text_content())
    assert re.fullmatch(r"0x[0-9a-f]{64}", root)
    receipt_is_the_months(customer, hand, root)
    lines_are_the_records(customer, hand)
    compare(customer, hand, folder)


def receipt_is_the_months(customer: Person, hand: Mouse, root: str) -> None:
    """The PDF opens beside the page, and has the month's root and total."""
    hand.follow("PDF")
    customer.page.wait_for_url("**.pdf*")
    file = customer.context.request.get(customer.page.url)
    assert file.headers["content-type"] == "application/pdf"
    text = "".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(file.body())).pages)
    assert "1,247.5" in text and root in re.sub(r"\s", "", text)
    customer.page.go_back()


def lines_are_the_records(customer: Person, hand: Mouse) -> None:
    """The CSV is saved, and has each record with its amount."""
    with customer.page.expect_download() as download:
        hand.follow("CSV")
    assert download.value.suggested_filename.endswith(".csv")
    rows = list(csv.DictReader(io.StringIO(download.value.path().read_text("utf-8-sig"))))
    assert {row["referenceId"]: float(row["amount"]) for row in rows} == AMOUNTS


def compare(customer: Person, hand: Mouse, folder: Path) -> None:
    """One amount differs, one entry is the record's alone, one is the customer's."""
    list_of_theirs = folder / "ours.csv"
    list_of_theirs.write_text("referenceId,delta\nnight-1,-420\nnight-2,-400\nnight-9,-1\n")
    page = customer.page
    hand.follow("Compare", ".tabs")
    hand.choose("Month", "February 2026")
    hand.file("or a file", list_of_theirs)
    hand.button("Compare")
    expect(page.get_by_role("heading", name="They differ")).to_be_visible()
    for section, reference in (
        ("Different amounts", "night-2"), ("Recorded, not in your list", "night-3"), ("In your list, not recorded", "night-9"),
    ):  # fmt: skip
        rows = page.get_by_role("region", name=section).locator("tbody tr")
        expect(rows).to_have_count(1)
        expect(rows).to_contain_text(reference)
