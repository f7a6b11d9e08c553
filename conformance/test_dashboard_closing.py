"""Closing a month for thousands of customers from the dashboard, with the server killed in the middle."""

from __future__ import annotations

import re
from collections.abc import Callable

from testkit.browsing import Browser
from testkit.extent import times
from testkit.server import Server, parts_of

CUSTOMERS = times(2_500, 10_000)


def progress(browser: Browser) -> int:
    """How many customers the job's page says are done."""
    found = re.search(rf"([\d,]+) of {CUSTOMERS:,} customers", browser.text)
    assert found and browser.status == 200, browser.text[:1500]
    done = int(found[1].replace(",", ""))
    assert f'<progress max="{CUSTOMERS}" value="{done}"' in browser.page
    return done


def test_a_killed_server_goes_on_with_the_month(start_server: Callable[..., Server]) -> None:
    """All customers are locked from the page: it shows how far it is, a kill -9 in the middle loses nothing, the same
    page goes on by itself after the restart, everybody is locked once, and fsck finds nothing."""
    server = start_server("--sandbox-clock", "2026-02-10T12:00:00Z")
    assert server.setup_url
    browser = Browser(server.url).set_up(server.setup_url)
    for numbers in parts_of(list(range(CUSTOMERS)), 500):
        reply = server.client.batch(
            [
                {"customerId": f"cust_{n:05d}", "delta": -1, "reason": "x", "occurredAt": "2026-01-09T00:00:00Z"}
                for n in numbers
            ]
        )
        assert reply.data["totalFailed"] == 0
    browser.open("/app/close").press("Close January 2026 permanently", typed="2026-01")
    place = browser.place.removeprefix(server.url)
    seen = [progress(browser)]
    while seen[-1] < CUSTOMERS // 10:
        seen.append(progress(browser.open(place)))
    assert seen == sorted(seen) and seen[-1] < CUSTOMERS, "the month was closed before it could be interrupted"
    server.kill()
    server.start()
    assert server.setup_url is None
    browser.url = server.url
    after = [progress(browser.open(place))]
    assert after[0] >= seen[-1] - 50, "what was done is not done again, but for a chunk"
    while "January 2026 is closed" not in browser.text:
        after.append(progress(browser.open(place)))
    assert after == sorted(after) and progress(browser) == CUSTOMERS
    assert (
        f"Locked {CUSTOMERS:,} customers Deltas {CUSTOMERS:,} Sum of their totals \u2212{CUSTOMERS:,}" in browser.text
    )
    listed = server.client.get("/api/v1/balance/checkpoints", period="2026-01", limit=1).data
    assert listed["pagination"]["total"] == CUSTOMERS and listed["checkpoints"][0]["locked"]
    assert "Nothing: no customer has unlocked deltas" in browser.open("/app/close").text
    assert server.stop() == 0
    checked = server.run("fsck")
    assert checked.returncode == 0, checked.stdout + checked.stderr
