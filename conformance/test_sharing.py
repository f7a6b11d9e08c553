"""Customers' links: what each policy opens, the code, who is locked out, and that nothing of anybody else is ever seen."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from itertools import count
from urllib.parse import urlsplit

import pytest
from testkit.portal import Reader, Vendor
from testkit.server import Server

PARTS = ("summary", "periods", "activity", "notes", "export?format=csv", "export?format=json", "export?format=bundle")
CODE = re.compile("[2-9A-HJKMNP-Z]{6}")
SECRET = 4242.4242
_names = count(1)


@pytest.fixture(scope="module")
def vendor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vendor]:
    server = Server(tmp_path_factory.mktemp("sharing")).start("--sandbox-clock", "2026-02-10T12:00:00Z")
    yield Vendor(server, server.new_key("test", "--scopes", "admin"))
    server.close()


@pytest.fixture
def customer(vendor: Vendor) -> str:
    """A customer with a locked and a running month."""
    name = f"cust_shared_{next(_names)}"
    client = vendor.server.client
    client.emit(name, -40, "calls", referenceId="jan-1", occurredAt="2026-01-05T00:00:00Z").data
    client.emit(name, -2.5, "calls", referenceId="feb-1").data
    client.checkpoint(name, period="2026-01").data
    return name


@pytest.fixture
def reader(vendor: Vendor, customer: str) -> Reader:
    return Reader(vendor.server, vendor.link(customer)["customerHandle"])


def seen_by(reader: Reader) -> set[str]:
    """The parts that answer; all others ask for the code."""
    opened = set()
    for part in PARTS:
        reply = reader.send("GET", f"{reader.api}/{part}")
        if reply.status == 200:
            opened.add(part)
        else:
            assert reply.error["code"] == "ACCESS_CODE_REQUIRED"
    return opened


@pytest.mark.parametrize("policy, without", [("TWO_TIER", {"summary"}), ("GATED", set()), ("OPEN", set(PARTS))])
def test_a_policy_opens_what_it_says(
    vendor: Vendor, customer: str, reader: Reader, policy: str, without: set[str]
) -> None:
    """Without the code a policy opens its own parts and no others; with the code everything is open."""
    shown = vendor.change(customer, "sharing", {"sharingStateHint": policy})
    assert (shown["policy"], shown["sharingStateHint"]) == (policy, policy)
    assert seen_by(reader) == without
    assert reader.give(shown["accessHint"]).data["verified"] is True
    assert seen_by(reader) == set(PARTS)


def test_off_is_no_link(vendor: Vendor, customer: str, reader: Reader) -> None:
    """While sharing is off the link leads nowhere, receipts name the proof root's page, and nothing shows a code."""
    reader.give(vendor.link(customer)["accessHint"]).data
    off = vendor.change(customer, "sharing", {"sharingStateHint": "OFF"})
    assert off["customerLinkUrl"] is off["accessHint"] is off["customerHandle"] is None
    for part in PARTS:
        assert reader.send("GET", f"{reader.api}/{part}").error["code"] == "LINK_NOT_FOUND"
    receipt = vendor.server.client.receipt(customer, period="2026-01").data
    assert receipt["verifyUrl"] == receipt["verificationExplorerUrl"]
    assert receipt["customerLinkUrl"] is receipt["accessHint"] is receipt["customerLinkHost"] is None


def test_what_is_stated_for_all_customers_holds_where_nothing_else_is(start_server: Callable[..., Server]) -> None:
    """The workspace's policy is the one of every customer that has none of its own, also of one made with INHERIT."""
    server = start_server("--sandbox-clock", "2026-02-10T12:00:00Z")
    vendor = Vendor(server, server.new_key("test", "--scopes", "admin"))
    for name, hint in (("cust_inherits", "INHERIT"), ("cust_open", "OPEN")):
        body = {"customerId": name, "displayName": name, "sharingStateHint": hint}
        vendor.call("POST", "/dashboard/customers", body).data
    assert vendor.call("GET", "/dashboard/sharing").data == {"policy": "TWO_TIER", "vendorName": None}
    vendor.call("POST", "/dashboard/sharing", {"policy": "GATED"}).data
    stated = vendor.call("POST", "/dashboard/sharing", {"vendorName": "Initech"}).data
    assert stated == {"policy": "GATED", "vendorName": "Initech"}
    assert vendor.link("cust_inherits")["policy"] == "GATED"
    assert vendor.link("cust_open")["policy"] == "OPEN"
    assert Reader(server, vendor.link("cust_open")["customerHandle"]).get("summary").data["vendorName"] == "Initech"


def test_a_receipt_names_link_and_code(vendor: Vendor, customer: str, reader: Reader) -> None:
    """An API key's receipt has the link, opened at its month, the host and the code; the public receipt has neither."""
    link, client = vendor.link(customer), vendor.server.client
    receipt = client.receipt(customer, period="2026-01").data
    assert receipt["customerLinkUrl"] == link["customerLinkUrl"] == f"{vendor.server.url}/c/{reader.handle}"
    assert receipt["customerLinkHost"] == urlsplit(vendor.server.url).hostname
    assert receipt["accessHint"] == link["accessHint"] and CODE.fullmatch(link["accessHint"])
    assert receipt["verifyUrl"] == f"{link['customerLinkUrl']}?period=2026-01" == receipt["verification"]["verifyUrl"]
    assert receipt["verificationExplorerUrl"].endswith(f"/verify/{receipt['proofRoot']}")
    public = vendor.server.public.get(f"/api/v1/receipt/{receipt['receiptId']}")
    assert link["accessHint"] not in public.body.decode() and reader.handle not in public.body.decode()
    assert public.data["verifyUrl"] == receipt["verificationExplorerUrl"]


@pytest.mark.parametrize(
    "spell", [str.lower, lambda code: f" {code[:3]}-{code[3:]} ", lambda code: "\u2011".join(code)]
)
def test_typing_the_code_is_forgiving(
    vendor: Vendor, customer: str, reader: Reader, spell: Callable[[str], str]
) -> None:
    """Case, spaces and dashes don't matter."""
    assert reader.give(spell(vendor.link(customer)["accessHint"])).status == 200


def test_five_wrong_codes_shut_the_door_for_one_address(vendor: Vendor, customer: str, reader: Reader) -> None:
    """The sixth try from an address is refused even if it is right; another address gets in, and whoever was in stays."""
    code = vendor.link(customer)["accessHint"]
    inside = Reader(vendor.server, reader.handle)
    inside.give(code).data
    for _ in range(5):
        reader.cookies.clear()  # a new cookie each time is no way round
        assert reader.give("222222").error["code"] == "ACCESS_CODE_INVALID"
    shut = reader.give(code)
    assert shut.status == 429 and shut.error["code"] == "RATE_LIMITED" and 0 < shut.error["retryAfterSeconds"] <= 900
    assert Reader(vendor.server, reader.handle, "127.0.0.2").give(code).status == 200
    assert inside.get("activity").status == 200
    other = Reader(vendor.server, vendor.link(made(vendor))["customerHandle"])
    assert other.give("222222").status == 403, "the door of another link is its own"


def made(vendor: Vendor) -> str:
    """Another customer."""
    name = f"cust_other_{next(_names)}"
    vendor.server.client.emit(name, SECRET, "secret", referenceId="secret-reference").data
    return name


def test_five_wrong_codes_shut_the_door_for_one_cookie(vendor: Vendor, customer: str, reader: Reader) -> None:
    """A browser that fails five times from five addresses is out at the sixth too."""
    code = vendor.link(customer)["accessHint"]
    for number in range(11, 17):
        reader.address = f"127.0.0.{number}"
        assert reader.give("222222").status == 403
    reader.address = "127.0.0.17"
    assert reader.give(code).status == 429
    reader.cookies.clear()
    assert reader.give(code).status == 200


def test_a_new_link_and_a_new_code_stop_the_old_ones_at_once(vendor: Vendor, customer: str, reader: Reader) -> None:
    """A reissued code ends the old code and its cookies; a reissued link answers 404 under its old name."""
    first = vendor.link(customer)
    reader.give(first["accessHint"]).data
    assert reader.get("activity").status == 200
    second = vendor.change(customer, "code/reissue")
    assert second["customerLinkUrl"] == first["customerLinkUrl"] and second["accessHint"] != first["accessHint"]
    assert reader.get("activity").error["code"] == "ACCESS_CODE_REQUIRED"
    assert reader.give(first["accessHint"]).status == 403
    reader.give(second["accessHint"]).data
    third = vendor.change(customer, "link/reissue")
    assert third["customerHandle"] != first["customerHandle"] and third["accessHint"] not in (first, second)
    for part in PARTS:
        assert reader.send("GET", f"{reader.api}/{part}").status == 404
    assert reader.give(second["accessHint"]).status == 404
    assert vendor.link(customer) == third
    assert Reader(vendor.server, third["customerHandle"]).give(third["accessHint"]).status == 200


def test_a_cookie_is_of_one_link_and_of_one_spelling(vendor: Vendor, customer: str, reader: Reader) -> None:
    """The cookie of a link opens no other one, and one that was changed anywhere opens nothing."""
    reader.give(vendor.link(customer)["accessHint"]).data
    (path,), (cookie,) = reader.cookies.keys(), reader.cookies.values()
    assert path == reader.api
    other = Reader(vendor.server, vendor.link(made(vendor))["customerHandle"])
    assert other.send("GET", f"{other.api}/activity", headers={"Cookie": cookie}).status == 401
    name, _, value = cookie.partition("=")
    visitor, expires, opened, mac = value.split(".")
    later, earlier = int(expires) + 9, int(time.time()) - 9
    for changed in (
        f"{visitor[::-1]}.{expires}.{opened}.{mac}", f"{visitor}.{later}.{opened}.{mac}", f"{visitor}.{earlier}.{opened}.{mac}",
        f"{visitor}.{expires}.y.{mac[:-1]}{'0' if mac[-1] != '0' else '1'}", f"{visitor}.{expires}.y.", "", "." * 3,
    ):  # fmt: skip
        reply = reader.send("GET", f"{reader.api}/activity", headers={"Cookie": f"{name}={changed}"})
        assert reply.status == 401, changed
    assert reader.send("GET", f"{reader.api}/activity", headers={"Cookie": f"a=b; {cookie}; c"}).status == 200
    failed = Reader(vendor.server, reader.handle)
    failed.give("222222")
    (kept,) = failed.cookies.values()
    assert ".n." in kept
    for forged in (kept, kept.replace(".n.", ".y.")):
        assert failed.send("GET", f"{reader.api}/activity", headers={"Cookie": forged}).status == 401


def test_nothing_of_anybody_else_is_seen(vendor: Vendor, customer: str, reader: Reader) -> None:
    """No part shows or finds another customer's record, and a link of made up digits leads nowhere."""
    other = made(vendor)
    theirs = vendor.server.client.all_deltas(other)[0]
    reader.give(vendor.link(customer)["accessHint"]).data
    for part in PARTS:
        body = reader.send("GET", f"{reader.api}/{part}").body.decode("latin-1")
        assert "secret" not in body and str(SECRET) not in body and other not in body
    assert reader.get("activity", referenceId="secret-reference").data["records"] == []
    assert reader.post("notes", {"text": "x", "recordId": theirs["recordId"]}).status == 400
    assert reader.post("compare", {"lines": f"secret-reference,{SECRET}"}).data["missingInOursCount"] == 1
    shard, nonce = reader.handle[4:36], reader.handle[36:]
    for handle in (f"cus_{shard}{'0' * 32}", f"cus_{'0' * 32}{nonce}", f"cus_{nonce}{shard}", "cus_abc123", "x"):
        assert Reader(vendor.server, handle).get("summary").error["code"] == "LINK_NOT_FOUND"


def test_a_key_of_the_other_environment_sees_no_link(vendor: Vendor, customer: str) -> None:
    """Links, codes, visits and notes belong to their environment, and need the admin scope."""
    live = Vendor(vendor.server, vendor.server.new_key("live", "--scopes", "admin"))
    writer = Vendor(vendor.server, vendor.server.new_key("test", "--scopes", "read,write"))
    for method, what in (
        ("GET", "access-link"), ("POST", "link/reissue"), ("POST", "code/reissue"), ("GET", "visits"), ("GET", "notes"),
    ):  # fmt: skip
        path, body = f"/dashboard/customers/{customer}/{what}", {} if method == "POST" else None
        assert live.call(method, path, body).error["code"] == "CUSTOMER_NOT_FOUND"
        assert writer.call(method, path, body).error["code"] == "FORBIDDEN"


def test_totals_are_those_of_the_record(vendor: Vendor, customer: str, reader: Reader) -> None:
    """The summary has a month's exact total, its records, how far they are proven, and the totals of all months."""
    vendor.server.client.receipt(customer).data  # waits for the log
    running = reader.get("summary").data
    assert (running["period"], running["locked"], running["recordedTotal"], running["recordCount"]) == (
        "2026-02", False, Decimal("-2.5"), 1,
    )  # fmt: skip
    assert (running["verifiedCount"], running["pendingCount"]) == (1, 0)
    assert running["verifiedThrough"] == running["lastRecordAt"] == "2026-02-10T12:00:00.000000Z"
    assert [month["period"] for month in running["months"]] == ["2026-02", "2026-01"]
    january = reader.get("summary", period="2026-01").data
    assert (january["locked"], january["recordedTotal"], january["recordCount"]) == (True, -40, 1)
    assert reader.get("summary", period="2019-05").data["recordCount"] == 0


def test_activity_is_paged_and_searched(vendor: Vendor, reader: Reader, customer: str) -> None:
    """Records come newest first, each once whatever the size of the page, of all time or of a month, or by reference."""
    client = vendor.server.client
    client.batch([
        {"customerId": customer, "delta": n, "reason": "more", "referenceId": f"more-{n}"} for n in range(1, 24)
    ]).data  # fmt: skip
    vendor.change(customer, "sharing", {"sharingStateHint": "OPEN"})
    february = [*(f"more-{n}" for n in range(23, 0, -1)), "feb-1"]
    for scope, expected in (
        ({}, [*february, "jan-1"]), ({"period": "2026-01"}, ["jan-1"]), ({"period": "2026-02"}, february),
        ({"period": "2026-03"}, []),
    ):  # fmt: skip
        found, before = [], {}
        while True:
            page = reader.get("activity", limit=7, **scope, **before).data
            found += [record["referenceId"] for record in page["records"]]
            assert len(page["records"]) <= 7
            if page["nextBefore"] is None:
                break
            before = {"before": page["nextBefore"]}
        assert found == expected
    (one,) = reader.get("activity", referenceId="jan-1").data["records"]
    assert (one["delta"], one["state"], one["proofAvailable"]) == (-40, "locked", True)
    assert reader.get("activity", referenceId="jan-1", period="2026-02").data["records"] == []
