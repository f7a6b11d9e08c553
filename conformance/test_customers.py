"""Customers: listed, searched, looked at, made by hand; their months, gaps and usage."""

from __future__ import annotations

import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from testkit.server import BALANCE, Client, Server

CUSTOMERS = f"{BALANCE}/customers"


@pytest.fixture
def busy(start_server: Callable[..., Server]) -> Server:
    """Seven customers over January and February 2026; cust_03 has January locked."""
    server = start_server("--sandbox-clock", "2026-01-10T00:00:00Z")
    for number in range(7):
        server.client.emit(f"cust_{number:02d}", -(number + 1), referenceId="jan").data
    server.client.clock(now="2026-02-10T00:00:00Z").data
    for number in range(0, 7, 2):
        server.client.emit(f"cust_{number:02d}", Decimal("0.5"), referenceId="feb").data
    server.client.checkpoint("cust_03", period="2026-01").data
    return server


def walk(client: Client, **query: Any) -> list[str]:
    """Every customerId of the list, by its cursors."""
    names, cursor = [], None
    while True:
        data = client.get(CUSTOMERS, cursor=cursor, **query).data
        names += [row["customerId"] for row in data["customers"]]
        cursor = data["pagination"]["nextCursor"]
        if cursor is None:
            return names


def test_the_list_of_customers(busy: Server) -> None:
    """Customers come in order, with the balance of the running month, of all time, and when they were active."""
    data = busy.client.get(CUSTOMERS).data
    assert [row["customerId"] for row in data["customers"]] == [f"cust_{n:02d}" for n in range(7)]
    assert data["pagination"] == {"page": 1, "limit": 25, "total": 7, "totalPages": 1, "nextCursor": None}
    row = data["customers"][2]
    assert (row["totalDeltas"], row["computedBalance"], row["allTimeBalance"]) == (2, Decimal("0.5"), Decimal("-2.5"))
    assert row["firstActivityAt"].startswith("2026-01-10") and row["lastActivityAt"].startswith("2026-02-10")
    locked = data["customers"][3]
    assert locked["latestCheckpoint"].startswith("chk_") and locked["lockedThrough"] == "2026-01"
    assert locked["computedBalance"] == 0 and locked["lastActivityAt"].startswith("2026-01-10")
    january = busy.client.get(CUSTOMERS, period="2026-01").data["customers"]
    assert [row["computedBalance"] for row in january] == [-1, -2, -3, -4, -5, -6, -7]


def test_pages_and_cursors_of_customers_agree(busy: Server) -> None:
    """Pages by number and by cursor show each customer once, in the same order."""
    by_page = [
        row["customerId"]
        for page in (1, 2, 3)
        for row in busy.client.get(CUSTOMERS, page=page, limit=3).data["customers"]
    ]
    assert by_page == walk(busy.client, limit=3) == walk(busy.client, limit=7) == [f"cust_{n:02d}" for n in range(7)]
    assert busy.client.get(CUSTOMERS, page=9, limit=3).data["customers"] == []
    for query in ({"page": 1, "cursor": "Y3VzdA=="}, {"cursor": "%%"}, {"cursor": "x"}, {"page": 0}, {"limit": 1001}):
        assert busy.client.get(CUSTOMERS, **query).status == 400, query


def test_customers_are_searched(busy: Server) -> None:
    """A search takes any part of a customerId in any case, literally: no character is a wildcard."""
    assert walk(busy.client, search="UST_03") == ["cust_03"]
    assert walk(busy.client, search="cust_", limit=2) == [f"cust_{n:02d}" for n in range(7)]
    assert walk(busy.client, search="%") == walk(busy.client, search="cust-") == walk(busy.client, search="_0_") == []
    assert busy.client.get(CUSTOMERS, search="cust_0", limit=2).data["pagination"]["total"] == 7


def test_one_customer(busy: Server) -> None:
    """A customer shows the month's balance, that of all time, and its deltas from the newest, of a month if named."""
    data = busy.client.get(f"{CUSTOMERS}/cust_04").data
    assert (data["computedBalance"], data["allTimeBalance"], data["totalDeltas"]) == (
        Decimal("0.5"),
        Decimal("-4.5"),
        2,
    )
    assert [item["referenceId"] for item in data["recentActivity"]["items"]] == ["feb", "jan"]
    assert data["customerReference"] == busy.client.get(f"{CUSTOMERS}/cust_04").data["customerReference"]
    assert data["customerReference"] != busy.client.get(f"{CUSTOMERS}/cust_05").data["customerReference"]
    january = busy.client.get(f"{CUSTOMERS}/cust_04", period="2026-01").data
    assert january["computedBalance"] == -5
    assert [item["referenceId"] for item in january["recentActivity"]["items"]] == ["jan"]
    second = busy.client.get(f"{CUSTOMERS}/cust_04", deltaPage=2, deltaLimit=1).data["recentActivity"]
    assert [item["referenceId"] for item in second["items"]] == ["jan"]
    assert second["pagination"] == {"page": 2, "limit": 1, "total": 2, "totalPages": 2}
    assert busy.client.get(f"{CUSTOMERS}/cust_04", deltaPage=3, deltaLimit=1).data["recentActivity"]["items"] == []
    assert busy.client.get(f"{CUSTOMERS}/nobody").error["code"] == "CUSTOMER_NOT_FOUND"


def test_a_delta_is_in_the_lists_at_once(client: Client, customer: str) -> None:
    """The moment an emit is acknowledged, the customer, the list and usage have it."""
    for count in range(1, 30):
        client.emit(customer, -1).data
        assert client.get(f"{CUSTOMERS}/{customer}").data["totalDeltas"] == count
        (row,) = client.get(CUSTOMERS, search=customer).data["customers"]
        assert (row["totalDeltas"], row["computedBalance"]) == (count, -count)


def test_the_timeline(busy: Server) -> None:
    """A timeline has every month in order, what it takes over and hands on, and the root that it names."""
    busy.client.emit("cust_03", -10).data
    data = busy.client.get(f"{CUSTOMERS}/cust_03/timeline").data
    january, february = data["periods"]
    assert (january["period"], january["locked"], january["deltaCount"], january["carriedForward"]) == (
        "2026-01",
        True,
        1,
        -4,
    )
    assert (february["locked"], february["status"], february["broughtForward"], february["carriedForward"]) == (
        False, "PROVISIONAL", -4, -14,
    )  # fmt: skip
    assert january["previousRoot"] is None and february["previousRoot"] == january["proofRoot"]
    assert january["proofRoot"] == busy.client.receipt("cust_03", period="2026-01").data["proofRoot"]
    assert february["proofRoot"] == busy.client.receipt("cust_03").data["proofRoot"]
    page = busy.client.get(f"{CUSTOMERS}/cust_03/timeline", limit=1, offset=1).data
    assert [month["period"] for month in page["periods"]] == ["2026-02"] and page["pagination"]["total"] == 2


def test_the_difference_of_two_checkpoints(busy: Server) -> None:
    """A diff names the deltas between two states of one month or of two months, and that they fit together."""
    client = busy.client
    first = client.checkpoint("cust_03").data
    assert first["proofRoot"] is None, "nothing in February yet"
    january = client.get(f"{CUSTOMERS}/cust_03").data["latestCheckpoint"]
    client.emit("cust_03", -10).data
    early = client.checkpoint("cust_03").data["checkpointId"]
    client.emit("cust_03", -20).data
    client.emit("cust_03", 5).data
    late = client.checkpoint("cust_03", period="2026-02").data["checkpointId"]

    def between(one: str, other: str, **page: int) -> Any:
        return client.get(f"{BALANCE}/checkpoints/diff", **{"from": one, "to": other}, **page).data

    data = between(early, late)
    assert [delta["delta"] for delta in data["deltas"]] == [-20, 5] and data["consistent"] is True
    assert data["difference"] == {"deltaCount": 2, "netChange": -15, "carriedForward": -15}
    assert (data["from"]["checkpointId"], data["to"]["checkpointId"]) == (early, late)
    months = between(january, late, limit=2)
    assert [delta["delta"] for delta in months["deltas"]] == [-10, -20] and months["pagination"]["total"] == 3
    assert months["consistent"] and months["difference"]["carriedForward"] == -25
    assert between(late, late)["deltas"] == []


def test_what_a_difference_refuses(busy: Server) -> None:
    """The wrong order, two customers, a window and an unknown checkpoint are refused by name."""
    client = busy.client
    january = client.get(f"{CUSTOMERS}/cust_03").data["latestCheckpoint"]
    other = client.checkpoint("cust_04").data["checkpointId"]
    client.emit("cust_03", -10).data
    february = client.checkpoint("cust_03").data["checkpointId"]
    window = client.checkpoint("cust_03", startDate="2026-01-01", endDate="2026-02-20").data["checkpointId"]
    for one, two, says in (
        (february, january, "swap"),
        (january, other, "another customer"),
        (january, window, "window"),
    ):
        reply = client.get(f"{BALANCE}/checkpoints/diff", **{"from": one, "to": two})
        assert reply.status == 400 and says in reply.error["message"], reply.body
    unknown = client.get(f"{BALANCE}/checkpoints/diff", **{"from": january, "to": "chk_nothing"})
    assert (unknown.status, unknown.error["code"]) == (404, "CHECKPOINT_NOT_FOUND")
    assert client.get(f"{BALANCE}/checkpoints/diff", **{"from": january}).status == 400


def test_a_sound_record_has_no_gaps(client: Client, customer: str) -> None:
    """No sequence number of a customer is missing, in whatever part is asked for."""
    client.batch([{"customerId": customer, "delta": -1, "reason": "r"}] * 50).data
    for query in (
        {},
        {"fromSequence": 10, "toSequence": 20},
        {"fromSequence": 40},
        {"toSequence": 900},
        {"fromSequence": 51},
    ):
        data = client.get(f"{BALANCE}/gaps/{customer}", **query).data
        assert (data["gaps"], data["missingCount"], data["lastSequence"]) == ([], 0, 50), query
    assert client.get(f"{BALANCE}/gaps/{customer}", fromSequence=9, toSequence=8).status == 400
    assert client.get(f"{BALANCE}/gaps/nobody").error["code"] == "CUSTOMER_NOT_FOUND"


def test_usage_counts_the_running_month(busy: Server) -> None:
    """Usage is the number of deltas of the running month; without quotas everything is allowed."""
    usage = busy.client.get(f"{BALANCE}/usage").data
    assert (usage["allowed"], usage["used"], usage["period"], usage["activeCustomers"]) == (True, 4, "2026-02", 4)
    assert usage["remaining"] is None and usage["limit"] is None


def test_receipts_by_their_id(busy: Server) -> None:
    """A receipt is found by its id, keyed or public, with the same amounts, links and the presentation that was asked for."""
    client = busy.client
    scoped = client.receipt("cust_03", period="2026-01").data
    shown = client.get(
        f"{BALANCE}/receipts/{scoped['receiptId']}", locale="de-DE", timezone="Europe/Berlin", unit="calls"
    ).data
    for field in ("proofRoot", "finalBalance", "deltaCount", "subtotals", "customerId"):
        assert shown[field] == scoped[field]
    assert (shown["locale"], shown["timezone"], shown["unit"]) == ("de-DE", "Europe/Berlin", "calls")
    public = busy.public.get(f"/api/v1/receipt/{scoped['receiptId']}").data
    assert public["proofRoot"] == scoped["proofRoot"] and public["timezone"] == "UTC"
    assert busy.public.get(public["links"]["permalink"].removeprefix(busy.url)).status == 200
    listed = client.get(f"{CUSTOMERS}/cust_03/receipts").data
    assert [row["receiptId"] for row in listed["receipts"]] == [scoped["receiptId"]]
    assert client.get(f"{BALANCE}/receipts/chk_nothing").error["code"] == "RECEIPT_NOT_FOUND"
    assert busy.public.get(f"/api/v1/receipt/{scoped['proofRoot']}").status == 404, "a proof root opens no receipt"
    assert client.get(f"{BALANCE}/receipts/{scoped['receiptId']}", timezone="Mars/Base").status == 400


def test_deliveries_are_none_before_anything_is_sent(client: Client) -> None:
    """The list of deliveries is empty, and trying an unknown one again is a 404."""
    data = client.get(f"{BALANCE}/webhooks", status="failed", limit=5).data
    assert data == {"deliveries": [], "pagination": {"limit": 5, "offset": 0, "total": 0}}
    assert client.post(f"{BALANCE}/webhooks/evt_1/retry", {}).error["code"] == "NOT_FOUND"


@pytest.fixture
def dashboard(start_server: Callable[..., Server]) -> tuple[Server, dict[str, str]]:
    server = start_server("--sandbox-clock", "2026-02-10T00:00:00Z")
    return server, {"Authorization": f"Bearer {server.new_key('test', '--scopes', 'admin')}"}


def test_a_customer_made_by_hand(dashboard: tuple[Server, dict[str, str]]) -> None:
    """A customer with a display name and a unit is there before its first delta; the unit is in every receipt."""
    server, token = dashboard
    body = {"displayName": "Anna's Bakery", "customerId": "anna", "unitLabel": "loaves", "sharingStateHint": "INHERIT"}
    made = server.public.post("/dashboard/customers", body, token)
    assert made.status == 201 and made.json["statusCode"] == 201
    assert (made.data["customerId"], made.data["displayName"], made.data["unit"]) == ("anna", "Anna's Bakery", "loaves")
    assert server.client.derive("anna").data["deltaCount"] == 0
    server.client.emit("anna", -3).data
    receipt = (
        server.client.checkpoint("anna", period="2026-02").data and server.client.receipt("anna", period="2026-02").data
    )
    assert receipt["unit"] == "loaves"
    assert b'"unit":"loaves"' in server.client.bundle(receipt["checkpointId"])
    umlaut = {"displayName": "Ärger & Söhne", "customerId": "arger"}
    assert server.public.post("/dashboard/customers", umlaut, token).status == 201
    assert [row["customerId"] for row in server.client.get(CUSTOMERS, search="SÖHNE").data["customers"]] == ["arger"]
    assert [row["customerId"] for row in server.client.get(CUSTOMERS, search="bakery").data["customers"]] == ["anna"]
    again = server.public.post("/dashboard/customers", body, token)
    assert (again.status, again.error["code"]) == (409, "CUSTOMER_ID_CONFLICT")
    unnamed = server.public.post("/dashboard/customers", {"displayName": "x"}, token).data["customerId"]
    assert unnamed.startswith("cust_") and server.client.get(f"{CUSTOMERS}/{unnamed}").status == 200
    assert server.run("fsck").returncode == 0


def test_who_may_make_a_customer(dashboard: tuple[Server, dict[str, str]]) -> None:
    """Only a token with the admin scope may; what else names an environment must agree with it."""
    server, token = dashboard
    live = server.new_key("live", "--scopes", "admin")

    def ask(headers: dict[str, str]) -> tuple[int, str]:
        reply = server.public.post("/dashboard/customers", {"displayName": "x"}, headers)
        return reply.status, "" if reply.status == 201 else reply.error["code"]

    assert ask({}) == ask({"X-Api-Key": server.key or ""}) == (401, "INVALID_API_KEY")
    assert ask({"Authorization": f"Bearer {server.key}"}) == (403, "FORBIDDEN")
    assert (
        ask({"Authorization": "Bearer x"})
        == ask({"Authorization": token["Authorization"] + "x"})
        == (401, "INVALID_API_KEY")
    )
    assert ask(token | {"X-Api-Key": live}) == (403, "API_KEY_ENVIRONMENT_MISMATCH")
    assert ask(token | {"X-Environment": "production"}) == (403, "API_KEY_ENVIRONMENT_MISMATCH")
    assert ask(token | {"X-Environment": "sandbox", "X-Api-Key": server.key or ""}) == (201, "")
    assert ask({"Authorization": f"Bearer {live}"}) == (201, "")


def finished(client: Client, job_id: str) -> Any:
    """The job once it is done."""
    deadline = time.monotonic() + 120
    while True:
        job = client.get(f"{BALANCE}/jobs/{job_id}").data
        if job["status"] == "DONE":
            return job
        assert time.monotonic() < deadline, job
        time.sleep(0.05)


def record_many(client: Client, count: int, each: int = 2) -> None:
    """So many customers with so many deltas of -1 each."""
    items = [
        {"customerId": f"c{number:05d}", "delta": -1, "reason": "r"} for number in range(count) for _ in range(each)
    ]
    for start in range(0, len(items), 1000):
        assert client.batch(items[start : start + 1000]).data["totalFailed"] == 0


def test_a_month_is_locked_for_everybody(start_server: Callable[..., Server]) -> None:
    """Above 100 customers a job locks the month: totals are right, nobody is left out, and doing it again changes nothing."""
    server = start_server("--sandbox-clock", "2026-01-10T00:00:00Z")
    client = server.client
    record_many(client, 250)
    client.emit("late", -5).data
    client.clock(now="2026-02-10T00:00:00Z").data
    client.emit("february", -5).data
    preview = client.checkpoint(period="2026-01", preview=True).data
    assert preview["totals"] == {"customers": 251, "deltaCount": 501, "deltasCount": 501, "netChange": -505}
    assert client.get(f"{BALANCE}/checkpoints").data["pagination"]["total"] == 0
    started = client.checkpoint(period="2026-01", key="close").data
    job = finished(client, started["jobId"])
    assert (job["done"], job["total"], job["failedCount"], job["failed"]) == (251, 251, 0, [])
    assert job["totals"] == {"customers": 251, "deltaCount": 501, "deltasCount": 501, "netChange": -505}
    assert client.get(f"{BALANCE}/checkpoints").data["pagination"]["total"] == 251
    again = client.checkpoint(period="2026-01", key="close")
    assert again.data["jobId"] == started["jobId"] and again.headers["idempotent-replayed"] == "true"
    assert client.checkpoint(period="2026-02", key="close").error["code"] == "IDEMPOTENCY_CONFLICT"
    second = finished(client, client.checkpoint(period="2026-01").data["jobId"])
    assert second["totals"] == job["totals"]
    assert client.get(f"{BALANCE}/checkpoints").data["pagination"]["total"] == 251
    assert client.derive("february", period="2026-02").data["deltaCount"] == 1
    other = server.with_key(server.new_key("live"))
    assert other.get(f"{BALANCE}/jobs/{started['jobId']}").error["code"] == "NOT_FOUND"
    assert client.checkpoint(period="2026-01", invoiceReference="x").status == 400
    assert server.run("fsck").returncode == 0


def test_a_key_that_finds_a_running_job_is_kept(start_server: Callable[..., Server]) -> None:
    """A key that came while the month's job ran replays that job for ever, and is refused another body."""
    server = start_server("--sandbox-clock", "2026-01-10T00:00:00Z")
    record_many(server.client, 1500, 1)
    first = server.client.checkpoint(period="2026-01").data
    joined = server.client.checkpoint(period="2026-01", key="joined").data
    finished(server.client, first["jobId"])
    again = server.client.checkpoint(period="2026-01", key="joined")
    assert again.data["jobId"] == joined["jobId"] and again.headers["idempotent-replayed"] == "true"
    assert server.client.checkpoint(period="2025-12", key="joined").error["code"] == "IDEMPOTENCY_CONFLICT"


def test_a_month_that_has_not_begun_is_refused_for_everybody(client: Client, customer: str) -> None:
    """Neither the lock nor its preview, for one customer or for all, promises a month that has not begun."""
    client.emit(customer, -1).data
    for body in ({}, {"customerId": customer}, {"preview": True}, {"customerId": customer, "preview": True}):
        reply = client.post(f"{BALANCE}/checkpoint", {"period": "2027-06", **body})
        assert reply.status == 400 and "has not begun" in reply.error["message"], (body, reply.body)


def test_the_preview_of_a_month_that_is_locked_ahead_is_empty(client: Client, customer: str) -> None:
    """A month ahead of the clock that holds deltas and is locked has nothing left to lock, and is not called empty."""
    for period in ("2026-02", "2026-03"):
        client.emit(customer, -1).data
        client.checkpoint(customer, period=period).data
    preview = client.checkpoint(customer, period="2026-03", preview=True).data
    assert (preview["checkpoints"], preview["totals"]["customers"]) == ([], 0)
    shown = client.checkpoint(period="2026-03", preview=True).data["checkpoints"]
    assert customer not in [line["customerId"] for line in shown]


def test_windows_are_listed_in_their_scope(client: Client, customer: str) -> None:
    """The checkpoint of a window is listed under every month that the window touches."""
    client.emit(customer, -1).data
    made = client.checkpoint(customer, startDate="2026-01-20", endDate="2026-02-20").data["checkpointId"]
    for scope in ({"period": "2026-02"}, {"startDate": "2026-01-20", "endDate": "2026-02-20"}, {}):
        listed = client.get(f"{BALANCE}/checkpoints", customerId=customer, **scope).data["checkpoints"]
        assert [row["checkpointId"] for row in listed] == [made], scope
    assert client.get(f"{BALANCE}/checkpoints", customerId=customer, period="2025-12").data["checkpoints"] == []


def test_an_empty_month_takes_over_what_came_before_it(client: Client, customer: str) -> None:
    """A receipt, an interim checkpoint and derive of a month without deltas say the same of what it takes over."""
    client.emit(customer, -5, occurredAt="2026-01-05T00:00:00Z").data
    client.checkpoint(customer, period="2026-01").data
    for period, brought in (("2025-12", 0), ("2026-02", -5)):
        derived = client.derive(customer, period=period).data["broughtForward"]
        assert derived == client.receipt(customer, period=period).data["broughtForward"] == brought, period


def test_an_open_month_that_takes_over_something_else_is_another_state(client: Client, customer: str) -> None:
    """Usage posted to an earlier open month changes what a receipt of the later one takes over, and nothing handed out before."""
    client.emit(customer, -1).data
    first = client.receipt(customer, period="2026-02").data
    assert first["broughtForward"] == 0 and client.receipt(customer).data["checkpointId"] == first["checkpointId"]
    client.emit(customer, -5, occurredAt="2026-01-05T00:00:00Z").data
    for later in (client.receipt(customer).data, client.checkpoint(customer).data):
        assert (later["broughtForward"], later["carriedForward"]) == (-5, -6)
        assert later["proofRoot"] == first["proofRoot"] and later["checkpointId"] != first["checkpointId"]
    listed = client.get(f"{BALANCE}/checkpoints", customerId=customer).data["checkpoints"]
    assert [one["broughtForward"] for one in listed] == [-5, 0]


def test_a_receipt_says_which_days_it_is_of(client: Client, customer: str) -> None:
    """A receipt or checkpoint names its month, or the first and first excluded instant of several months or a window."""
    client.emit(customer, -1).data
    window = {"startDate": "2026-01-20T00:00:00.000000Z", "endDate": "2026-01-25T00:00:00.000000Z"}
    for empty in (client.receipt(customer, **window).data, client.checkpoint(customer, **window).data):
        assert (empty["deltaCount"], empty["period"], empty["startDate"], empty["endDate"]) == (
            0,
            None,
            *window.values(),
        )
    client.checkpoint(customer, period="2026-02").data
    client.emit(customer, -1).data
    both = client.receipt(customer).data
    assert (both["deltaCount"], both["period"]) == (2, None)
    assert (both["startDate"], both["endDate"]) == ("2026-02-01T00:00:00.000000Z", "2026-04-01T00:00:00.000000Z")


def test_subtotals_are_bounded(client: Client, customer: str) -> None:
    """The first thousand reasons have a subtotal each, all others one line together."""
    for part in range(2):
        items = [{"customerId": customer, "delta": -1, "reason": f"r{part}-{n}"} for n in range(600)]
        assert client.batch(items).data["totalFailed"] == 0
    receipt = client.receipt(customer).data
    assert len(receipt["subtotals"]) == 1000 and receipt["otherReasons"] == {"count": 200, "total": -200}


def test_a_job_goes_on_after_the_server_was_killed(start_server: Callable[..., Server]) -> None:
    """Killed in the middle and started again, the server finishes the job, with the same totals."""
    server = start_server("--sandbox-clock", "2026-01-10T00:00:00Z")
    record_many(server.client, 3000)
    started = server.client.checkpoint(period="2026-01").data
    assert started["status"] == "RUNNING"
    while server.client.get(f"{BALANCE}/jobs/{started['jobId']}").data["done"] == 0:
        time.sleep(0.01)
    server.kill()
    server.start()
    job = finished(server.client, started["jobId"])
    assert (job["done"], job["failedCount"]) == (3000, 0)
    assert job["totals"] == {"customers": 3000, "deltaCount": 6000, "deltasCount": 6000, "netChange": -6000}
    assert server.client.get(f"{BALANCE}/checkpoints").data["pagination"]["total"] == 3000
    assert server.run("fsck").returncode == 0
