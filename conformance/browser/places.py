"""Every page there is, with an address that shows something on the stage. The route tables are the lists."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from playwright.sync_api import Browser, Page
from testkit.browsing import PASSWORD

from .chromium import WIDE, Person
from .stage import DISPUTED, EMAIL, Stage

OFFICE, PRODUCTION, CUSTOMER, NOBODY = "office", "production", "customer", "nobody"
TOUR = (
    "overview", "customers", "customer", "correct-shown", "close-running", "job", "checkpoints", "compare-differs",
    "key-once", "webhooks", "endpoint", "delivery", "clock", "users", "audit", "settings", "shared-link", "shared-record", "shared-activity",
    "shared-periods", "shared-differs", "shared-notes", "receipt", "proof", "how-to-check", "interface",
)  # fmt: skip
SHARED = ("", "/activity", "/periods", "/compare", "/notes")


@dataclass(frozen=True)
class Place:
    """A page, and as whom it is opened."""

    name: str
    path: str
    visitor: str = NOBODY
    status: int = 200
    then: Callable[[Page], None] | None = None  # what is done there, before it is looked at


def places(stage: Stage) -> list[Place]:
    return [*_office(stage), *_empty(), *_customers(stage), *_everybody(stage)]


def pictures(stage: Stage) -> list[Place]:
    """Those that the documentation shows."""
    named = {place.name: place for place in places(stage)}
    return [named[name] for name in TOUR]


def visitors(browser: Browser, stage: Stage) -> dict[str, Person]:
    """Those who look at pages: two of the vendor's, one in production, where nothing is; the customer with the code; anybody."""
    people = {name: Person(browser, stage.server.url, WIDE) for name in (OFFICE, PRODUCTION, CUSTOMER, NOBODY)}
    for name in (OFFICE, PRODUCTION):
        _log_in(people[name].open("/app/login"))
    people[PRODUCTION].page.get_by_role("button", name="Production", exact=True).click()
    people[PRODUCTION].page.get_by_text("Record the first amount").wait_for()
    page = people[CUSTOMER].open(f"/c/{stage.handle}")
    page.get_by_label("Access code").fill(stage.code)
    page.get_by_role("button", name="Open the record").click()
    page.get_by_role("link", name="Compare", exact=True).wait_for()
    return people


def _log_in(page: Page) -> None:
    page.get_by_label("E-mail").fill(EMAIL)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url("**/app")


def _office(stage: Stage) -> Iterator[Place]:
    at = f"/app/customers/{DISPUTED}"
    for name, path in {
        "overview": "/app", "customers": "/app/customers", "customer-new": "/app/customers/new",
        "customer": f"{at}?period=2026-02", "customer-running": "/app/customers/cust_cedar", "receipts": f"{at}/receipts",
        "correct": f"{at}/correct?record={stage.record['recordId']}", "lock": f"{at}/lock?period=2026-03",
        "job": stage.job, "close": "/app/close", "close-running": "/app/close?period=2026-03", "checkpoints": "/app/checkpoints",
        "compare": f"/app/compare?customer={DISPUTED}&period=2026-02", "keys": "/app/keys", "clock": "/app/clock",
        "audit": "/app/audit", "users": "/app/users", "webhooks": "/app/webhooks",
        "endpoint": f"/app/webhooks/{stage.endpoint['id']}", "settings": "/app/settings", "password": "/app/password",
    }.items():  # fmt: skip
        yield Place(name, path, OFFICE)
    yield Place("delivery", f"/app/webhooks/{stage.endpoint['id']}/deliveries/{stage.failed_event}", OFFICE)
    yield Place("endpoint-once", "/app/webhooks", OFFICE, then=_make_endpoint)
    comparing = f"/app/compare?customer={DISPUTED}&period=2026-02"
    yield Place("compare-differs", comparing, OFFICE, then=partial(_compare, stage.theirs))
    yield Place("key-once", "/app/keys", OFFICE, then=_make_key)
    yield Place("correct-refused", f"{at}/correct?record={stage.record['recordId']}", OFFICE, then=_forget)
    yield Place("correct-shown", f"{at}/correct?record={stage.record['recordId']}", OFFICE, then=_correct)
    yield Place("nowhere", "/app/nowhere", OFFICE, 404)


def _empty() -> Iterator[Place]:
    """What pages say while there is nothing."""
    for page in ("", "/customers", "/close", "/checkpoints", "/webhooks", "/keys"):
        yield Place(f"empty{page}", f"/app{page}", PRODUCTION)


def _customers(stage: Stage) -> Iterator[Place]:
    record = f"/c/{stage.handle}"
    for part in SHARED:
        name = part.strip("/") or "record"
        yield Place(f"shared-{name}", f"{record}{part}?period=2026-02", CUSTOMER)
    yield Place("shared-differs", f"{record}/compare?period=2026-02", CUSTOMER, then=partial(_compare, stage.theirs))
    yield Place("shared-link", f"{record}?period=2026-02")
    yield Place("shared-gate", f"{record}/activity")
    yield Place("shared-nowhere", "/c/cus_nobody", status=404)


def _everybody(stage: Stage) -> Iterator[Place]:
    receipt: Any = stage.receipt
    for name, path in {
        "front": "/", "interface": "/docs", "how-to-check": "/verify", "proof": f"/verify/{receipt['proofRoot']}",
        "proof-of-a-record": f"/verify/{stage.record['receiptId']}", "receipt": f"/receipt/{receipt['receiptId']}",
        "log-in": "/app/login", "choose-password": stage.invitation,
    }.items():  # fmt: skip
        yield Place(name, path)
    yield Place("setup-again", "/app/setup?token=old", status=404)
    yield Place("unknown-proof", "/verify/0x" + "0" * 64, status=404)


def _compare(lines: str, page: Page) -> None:
    page.locator("textarea[name=lines]").fill(lines)
    page.get_by_role("button", name="Compare", exact=True).click()
    page.get_by_role("heading", name="They differ").wait_for()


def _make_key(page: Page) -> None:
    page.get_by_label("Name").fill("meter of eu-north")
    page.get_by_role("button", name="Create the key").click()
    page.locator("#full-key").wait_for()


def _make_endpoint(page: Page) -> None:
    page.get_by_label("URL", exact=True).fill("http://127.0.0.1:9/never")
    page.get_by_role("button", name="Create the endpoint").click()
    page.locator("#secret").wait_for()


def _forget(page: Page) -> None:
    """A form that is not filled in, as a browser that does not check it would send it."""
    page.locator("main form").evaluate("form => { form.noValidate = true; form.requestSubmit() }")
    page.get_by_role("alert").wait_for()


def _correct(page: Page) -> None:
    page.locator("[name=delta]").fill("143")
    page.locator("[name=reason]").fill("The night job was ours, not theirs")
    page.get_by_role("button", name="Preview").click()
    page.get_by_role("button", name="Record the correction").wait_for()
