"""A vendor after a winter: customers with names, months closed and not, late usage, a correction, a dispute, an endpoint that fails.

The tests of pages and the pictures of the documentation are taken of it.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from testkit.browsing import Browser
from testkit.endpoints import Dashboard
from testkit.portal import Reader, Vendor
from testkit.receiver import receiving
from testkit.server import Client, Server

FIRST, LAST = date(2026, 1, 1), date(2026, 3, 12)
EMAIL, DISPUTED = "ada@meridian.example", "cust_blueharbor"
CUSTOMERS = {  # id: name, unit, a day's amount
    "cust_aurora": ("Aurora Analytics", "GPU minutes", 1840),
    DISPUTED: ("Blue Harbor Logistics", "GPU minutes", 655),
    "cust_cedar": ("Cedar & Finch", "GPU minutes", 92),
    "cust_delta_robotics": ("Delta Robotics GmbH", "GPU minutes", 3120),
    "cust_ember": ("Ember Studios", "GPU minutes", 410),
    "cust_fjord": ("Fjord Health Records", "GPU minutes", 77),
}
WORK = ("inference", "fine_tuning", "embedding", "batch_render")


@dataclass
class Stage:
    """What there is to look at, by its ids."""

    server: Server
    link: str
    code: str
    receipt: Any
    record: Any
    endpoint: Any
    failed_event: str
    job: str
    invitation: str
    theirs: str

    @property
    def handle(self) -> str:
        return self.link.rpartition("/")[2]


@contextmanager
def set_up(folder: Path) -> Iterator[Stage]:
    """A running server with all of it."""
    with receiving() as receiver:
        server = Server(folder)
        server.start("--webhook-targets", "any", "--sandbox-clock", f"{FIRST}T09:00:00Z")
        try:
            yield _play(server, receiver.url)
        finally:
            server.close()


def _play(server: Server, receiver: str) -> Stage:
    assert server.setup_url
    office = Browser(server.url).set_up(server.setup_url, EMAIL)
    dashboard = Dashboard(server)
    vendor = Vendor(server, dashboard.key)
    office.open("/app/settings").press("Save", name="Meridian Compute", defaultUnit="GPU minutes")
    vendor.call("POST", "/dashboard/sharing", {"vendorName": "Meridian Compute"}).data
    for customer, (name, unit, _) in CUSTOMERS.items():
        body = {"customerId": customer, "displayName": name, "unitLabel": unit}
        vendor.call("POST", "/dashboard/customers", body).data
    job = _a_winter(server, office)
    for email, name, role in (
        ("grace@meridian.example", "Grace Hopper", "admin"), ("mary@meridian.example", "Mary Somerville", "viewer"),
    ):  # fmt: skip
        office.open("/app/users").press("Create the user and a link", email=email, name=name, role=role)
    invitation = _path(re.findall(r'<code id="link">([^<]+)', office.page)[0])
    dashboard.make(f"{receiver}/ok", description="Billing: closes the books")
    failing = dashboard.make(f"{receiver}/status/500", description="Warehouse import")
    server.client.emit("cust_ember", Decimal("-12.5"), "inference", referenceId="ember-late").data
    (failed, *_) = dashboard.wait_for(failing, "pending", 1)
    link = vendor.link(DISPUTED)
    _a_dispute(server, vendor, link)
    receipt = server.client.receipt(DISPUTED, period="2026-02").data
    record = server.client.all_deltas(DISPUTED, period="2026-02")[3]
    return Stage(
        server, link["customerLinkUrl"], link["accessHint"], receipt, record, failing, failed["eventId"], job, invitation,
        _their_list(server.client),
    )  # fmt: skip


def _their_list(client: Client) -> str:
    """What the customer has for February: one line otherwise, one not at all, one that is nowhere else."""
    lines = [f"{each['referenceId']},{each['delta']}" for each in client.all_deltas(DISPUTED, period="2026-02")]
    lines[5] = lines[5].partition(",")[0] + ",-512"
    del lines[8]
    return "\n".join(["referenceId,delta", *lines, "blueharbor-0230,-64"])


def _path(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}".rstrip("?")


def _a_winter(server: Server, office: Browser) -> str:
    """Each day's records; January and February are closed on the second of the month after. The page of the last closing."""
    job = ""
    chance = random.Random(7)
    day = FIRST
    while day <= LAST:
        hour = 16 if day == LAST else 9
        server.client.clock(
            now=f"{datetime(day.year, day.month, day.day, hour, 40, tzinfo=UTC):%Y-%m-%dT%H:%M:%SZ}"
        ).data
        if day.day == 2 and day.month > 1:
            last = f"2026-{day.month - 1:02d}"
            job = _path(office.open(f"/app/close?period={last}").press(_button(last), typed=last).place)
        deltas = [delta for customer in CUSTOMERS for delta in _a_day(customer, day, chance)]
        if deltas:
            server.client.batch(deltas).data
        day += timedelta(days=1)
    late = {"customerId": "cust_aurora", "delta": -96, "reason": "embedding", "referenceId": "aurora-retry-0228"}
    server.client.batch([late | {"occurredAt": "2026-02-28T22:10:00Z"}]).data
    wrong = server.client.all_deltas("cust_cedar", period="2026-03")[2]
    correction = {"referenceId": "cedar-fix-1", "adjusts": {"recordId": wrong["recordId"]}}
    server.client.emit("cust_cedar", 40, "Job ran twice by our mistake", **correction).data
    return job


def _button(period: str) -> str:
    return f"Close {date.fromisoformat(period + '-01'):%B %Y} permanently"


def _a_day(customer: str, day: date, chance: random.Random) -> Iterator[dict[str, Any]]:
    if chance.random() < (0.55 if day.weekday() > 4 else 0.12):
        return
    amount = Decimal(-round(CUSTOMERS[customer][2] * (0.6 + chance.random()) * 4)) / 4
    yield {
        "customerId": customer, "delta": amount, "reason": chance.choice(WORK),
        "referenceId": f"{customer.removeprefix('cust_')}-{day:%m%d}", "occurredAt": f"{day}T09:00:00Z",
        "metadata": {"region": chance.choice(["eu-north", "us-east"])},
    }  # fmt: skip


def _a_dispute(server: Server, vendor: Vendor, link: Any) -> None:
    """The customer asks, the vendor answers."""
    reader = Reader(server, link["customerHandle"])
    reader.fill_in("access", code=link["accessHint"], place="", period="2026-02")
    said = "Our own meter has 16 February at 512, yours has more. Could you look at that day?"
    reader.fill_in("notes", text=said, name="Ines Costa", period="2026-02")
    answer = "We looked: a second job ran at night, under the same project. Its log is on its way to you."
    vendor.call(
        "POST", f"/dashboard/customers/{DISPUTED}/notes", {"text": answer, "name": "Ada Lovelace", "period": "2026-02"}
    ).data
