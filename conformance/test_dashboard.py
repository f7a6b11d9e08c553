"""The dashboard as a person without JavaScript goes through it, on a real server."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Callable, Iterator
from decimal import Decimal

import pytest
import requests
from testkit.browsing import PASSWORD, Browser
from testkit.command import COMMAND
from testkit.server import Server

NOW = "2026-02-17T12:00:00Z"
MINUS = "\u2212"


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that was set up, with a customer, two months of records, and an owner, an admin and a viewer."""
    server = Server(tmp_path_factory.mktemp("office")).start("--sandbox-clock", NOW)
    assert server.setup_url
    Browser(server.url).set_up(server.setup_url)
    for email, role in (("grace@example.com", "admin"), ("mary@example.com", "viewer")):
        add_user(server, email, role)
    fill(server, "cust_globex")
    yield server
    server.close()


def add_user(server: Server, email: str, role: str) -> None:
    command = [*COMMAND, "admin", "create", "--email", email, "--role", role, "--database", server.database]
    done = subprocess.run(command, input=PASSWORD + "\n", text=True, capture_output=True, cwd=server.folder, timeout=60)
    assert done.returncode == 0, done.stderr


def fill(server: Server, customer: str) -> None:
    """Five records in January, two in February."""
    days = ("2026-01-05", "2026-01-05", "2026-01-20", "2026-01-31", "2026-01-31", "2026-02-01", "2026-02-10")
    for number, day in enumerate(days, 1):
        amount = Decimal(-100 * number) - Decimal("0.25")
        server.client.emit(
            customer, amount, "compute_minutes", referenceId=f"{customer}_{number}", occurredAt=f"{day}T08:00:00Z"
        )


@pytest.fixture
def ada(office: Server) -> Browser:
    return Browser(office.url).log_in("ada@example.com")


def test_the_setup_link_works_once(start_server: Callable[..., Server]) -> None:
    """The link that `serve` prints makes the owner, who is in at once; afterwards it is good for nobody, and no new one is
    printed. A password that is too short is said at its field, and nothing is made."""
    server = start_server()
    link = server.setup_url
    assert link
    browser = Browser(server.url).open("/app")
    assert browser.place.endswith("/app/login?next=%2Fapp")
    browser.open(link).press("Create the owner", email="ada@example.com", password="short")
    assert browser.status == 400 and "Password must have 10 to 200 characters" in browser.text
    browser.press("Create the owner", email="ada@example.com", name="Ada", password=PASSWORD)
    assert browser.place == f"{server.url}/app" and "Record the first amount" in browser.text
    assert server.url + "/api/v1/balance/delta" in browser.text
    other = Browser(server.url).open(link)
    assert other.status == 404 and "no longer valid" in other.text
    assert server.restart().setup_url is None


def test_log_in_goes_on_to_the_page_that_was_asked_for(office: Server) -> None:
    """A stranger who follows a link logs in and is on that page; a wrong password says so and no more; after logging out
    the session is no use; another site's address is never gone on to."""
    browser = Browser(office.url).open("/app/customers/cust_globex?period=2026-01")
    assert "Log in" in browser.text and browser.status == 200
    wrong = browser.press("Log in", email="ada@example.com", password="not the password")
    assert wrong.status == 401 and "don’t match" in wrong.text
    browser.press("Log in", email="ADA@example.com", password=PASSWORD)
    assert browser.place.endswith("/app/customers/cust_globex?period=2026-01") and "January 2026" in browser.text
    cookie = browser.session.cookies.get("pacspace_session")
    browser.press("Log out")
    stolen = Browser(office.url)
    stolen.session.cookies.set("pacspace_session", cookie or "")
    assert stolen.open("/app").place.endswith("/app/login?next=%2Fapp")
    for evil in (
        "https://evil.example",
        "//evil.example",
        "/app//evil",
        "/\\evil.example",
        "javascript:alert(1)",
        "/apple",
    ):
        assert Browser(office.url).open("/app/login?next=" + evil).press(
            "Log in", email="ada@example.com", password=PASSWORD
        ).place == f"{office.url}/app"  # fmt: skip


def test_the_overview_shows_the_running_month(ada: Browser) -> None:
    """The first page has the running month's exact total, its records, customers, each day in the plot and its table, and
    says how far everything is verified."""
    text = ada.open("/app").text
    assert f"Recorded in February 2026 {MINUS}1,300.5" in text
    assert "Deltas 2 this month" in text and "Customers 1" in text
    assert "2026-02-01 1 2026-02-02 0" in text and "2026-02-17 0" in text
    assert ada.page.count('<rect class="mark"') == 2
    assert "The server records, the integrator keeps up, and the log is signed." in text


def test_a_part_is_only_the_part(ada: Browser, office: Server) -> None:
    """What the script fetches anew is the same part of the page, without the frame."""
    part = ada.session.get(f"{office.url}/app", headers={"HX-Request": "true"})
    assert part.status_code == 200 and part.text.strip().startswith('<div id="figures"')
    assert "<html" not in part.text and "Recorded in February 2026" in part.text


def test_a_customer_page_adds_up(ada: Browser) -> None:
    """A customer's page has each month with its state and exact total, the running total at each day's end, and the records
    of the month that is picked; a reference is found exactly, in whatever month it is."""
    text = ada.open("/app/customers/cust_globex?period=2026-01").text
    assert f"Recorded {MINUS}1,501.25 Deltas 5 Brought forward 0 All time {MINUS}2,801.75" in text
    assert f"2026-01-05 {MINUS}300.5 2026-01-06 {MINUS}300.5" in text and f"2026-01-31 {MINUS}1,501.25" in text
    assert "January 2026 is over. All 5 deltas are verified. January 2026 is not locked yet." in text.replace("✓", "")
    found = ada.press("Show", reference="cust_globex_7").text
    assert "It is in February 2026." in found and f"{MINUS}700.25" in found and "cust_globex_6" not in found
    nothing = ada.open("/app/customers/cust_globex?reference=cust_globex_").text
    assert "No delta of this customer has exactly the reference" in nothing


def test_a_list_goes_on_after_its_last_row(office: Server, ada: Browser) -> None:
    """Customers and records come in pages that neither repeat nor leave out, in every order, while more are made."""
    names = [f"cust_many{number:02d}" for number in range(60)]
    office.client.batch([{"customerId": name, "delta": -1, "reason": "x", "occurredAt": NOW} for name in names])
    for sort in ("id", "name", "recent"):
        seen: list[str] = []
        ada.open(f"/app/customers?sort={sort}&search=cust_many")
        while True:
            seen += re.findall(r'<th scope="row"[^>]*><a href="/app/customers/([^"]+)"', ada.page)
            following = re.search(r'class="next" href="([^"]+)"', ada.page)
            if not following:
                break
            ada.open(following[1].replace("&amp;", "&"))
        assert sorted(seen) == names and len(seen) == 60, sort
    office.client.batch(
        [{"customerId": "cust_long", "delta": n, "reason": f"r{n}", "occurredAt": NOW} for n in range(1, 61)]
    )
    ada.open("/app/customers/cust_long")
    shown: list[str] = []
    while True:
        shown += re.findall(r'Reason">(r\d+)', ada.page)
        following = re.search(r'class="next" href="([^"]+)"', ada.page)
        if not following:
            break
        ada.open(following[1].replace("&amp;", "&"))
    assert shown == [f"r{number}" for number in range(60, 0, -1)]


def test_a_correction_is_looked_at_before_it_is_recorded(office: Server, ada: Browser) -> None:
    """A correction is typed, shown, confirmed, and then a record of its own that names the one it corrects; pressing the
    button twice records it once and notes once who it was, and what is typed wrong is said at its field."""
    fill(office, "cust_fix")
    record = office.client.all_deltas("cust_fix", period="2026-01")[0]
    page = f"/app/customers/cust_fix/correct?record={record['recordId']}"
    ada.open(page).press("Preview", delta="1.0000000001", reason=" ")
    assert (
        ada.status == 400
        and "more than 9 digits after the point" in ada.text
        and "Reason must have 1 to 500" in ada.text
    )
    ada.press("Preview", delta="1,000", reason="Overcounted")
    assert ada.status == 400 and "1,000 may be 1000 or 1.000" in ada.text
    ada.press("Preview", delta="1,000.5", reason="Overcounted <b>twice</b>", referenceId="fix-1")
    assert "Record this correction?" in ada.text and "1,000.5" in ada.text
    before = len(office.client.all_deltas("cust_fix"))
    fields = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', ada.page))
    ada.press("Record the correction")
    assert "Recorded 1,000.5 in February 2026, as a correction." in ada.text
    made = office.client.all_deltas("cust_fix")
    assert len(made) == before + 1 and made[-1]["adjusts"] == {"recordId": record["recordId"]}
    assert (made[-1]["delta"], made[-1]["reason"]) == (Decimal("1000.5"), "Overcounted <b>twice</b>")
    again = ada.session.post(
        f"{office.url}/app/customers/cust_fix/correct",
        data={k: v.replace("&lt;", "<").replace("&gt;", ">") for k, v in fields.items()}
        | {"confirmed": "yes", "delta": "1,000.5"},
    )
    assert again.status_code == 200 and len(office.client.all_deltas("cust_fix")) == before + 1
    assert "Overcounted &lt;b&gt;twice&lt;/b&gt;" in again.text
    assert ada.open("/app/audit?action=delta.create").text.count(made[-1]["recordId"]) == 1
    stranger = ada.open(f"/app/customers/cust_globex/correct?record={record['recordId']}")
    assert stranger.status == 404


def test_a_month_is_locked_once_it_is_typed(office: Server, ada: Browser) -> None:
    """Locking a customer's month shows what it will hold, wants the month typed, can't be done by a slip, and then the page
    has the proof root, which is the API's, and the receipt."""
    fill(office, "cust_lock")
    ada.open("/app/customers/cust_lock/lock?period=2026-01")
    assert f"Recorded {MINUS}1,501.25" in ada.text and "can’t be undone" in ada.text
    ada.press("Lock January 2026 permanently", typed="2026-02", invoiceReference="INV-7")
    assert ada.status == 400 and "must be 2026-01" in ada.text
    assert office.client.derive("cust_lock").data["latestCheckpoint"] is None
    ada.press("Lock January 2026 permanently", typed="2026-01", invoiceReference="INV-7")
    assert "January 2026 is locked." in ada.text and "INV-7" in ada.text
    receipt = office.client.receipt("cust_lock", period="2026-01").data
    assert receipt["locked"] and receipt["invoiceReference"] == "INV-7" and receipt["proofRoot"] in ada.text
    again = ada.open("/app/customers/cust_lock/lock?period=2026-01")
    assert "This month or a later one is already locked" in again.text
    document = ada.open(f"/app/receipts/{receipt['receiptId']}")
    assert document.status == 200 and document.place == f"{office.url}/receipt/{receipt['receiptId']}"
    assert "INV-7" in ada.open("/app/customers/cust_lock/receipts").text


def test_comparing_names_the_entries(office: Server, ada: Browser) -> None:
    """With the other side's list, pasted or as a file, the page names exactly the entries that differ, both ways, and those
    that are twice in it; a line that can't be read is named by its number."""
    fill(office, "cust_cmp")
    lines = "referenceId,delta\ncust_cmp_1,-100.25\ncust_cmp_2,-200\ncust_cmp_4,-400.25\ncust_cmp_4,-400.25\nother,-1\ncust_cmp_5,-500.25\n"
    for how in ("pasted", "file"):
        ada.open("/app/compare?customer=cust_cmp&period=2026-01")
        if how == "pasted":
            ada.press("Compare", lines=lines)
        else:
            ada.press("Compare", files={"file": ("list.csv", lines.encode(), "text/csv")})
        text = ada.text
        assert "They differ" in text and ada.status == 200
        assert "Different amounts: 1" in text and f"cust_cmp_2 {MINUS}200.25 {MINUS}200" in text
        assert "Not in their list: 1" in text and "Not in the record: 1" in text and "Repeated in their list: 1" in text
        assert "line 5: cust_cmp_4" in text
    ada.open("/app/compare").press("Compare", customerId="cust_cmp", period="2026-01", total=f"{MINUS}1,501.25")
    assert "Both sides match" in ada.text
    ada.press("Compare", lines="referenceId,delta\na,b", total="")
    assert ada.status == 400 and "line 2" in ada.text and "a,b" in ada.page
    ada.press("Compare", customerId="nobody", lines="referenceId,delta\na,1")
    assert ada.status == 400 and "Customer id is not a customer of this environment" in ada.text


def test_environments_are_apart(office: Server, ada: Browser) -> None:
    """In production there is nothing of the sandbox and no SANDBOX; a page that was opened before the switch changes
    nothing afterwards."""
    stale = Browser(office.url)
    stale.session.cookies.update(ada.session.cookies)
    stale.open("/app/customers/new")
    ada.open("/app/customers").press("Production")
    assert ada.place == f"{office.url}/app/customers" and "SANDBOX" not in ada.page and "No customers yet" in ada.text
    assert ada.open("/app/customers/cust_globex").status == 404 and ada.open("/app/clock").status == 403
    stale.press("Create the customer", displayName="Of the sandbox")
    assert stale.status == 409 and "showed the sandbox environment" in stale.text
    assert "No customers yet" in ada.open("/app/customers").text
    ada.press("Sandbox")
    assert "SANDBOX" in ada.page


def test_the_sandbox_clock_moves_and_starts_over(start_server: Callable[..., Server]) -> None:
    """The clock is held, moved on and let go from its page; back over records it does not go; the sandbox is emptied only
    once its name was typed."""
    server = start_server("--sandbox-clock", NOW)
    assert server.setup_url
    browser = Browser(server.url).set_up(server.setup_url)
    fill(server, "cust_a")
    browser.open("/app/clock").press("Hold", now="2026-01-01")
    assert browser.status == 400 and "only goes forward" in browser.text
    browser.press("Hold", now="yesterday")
    assert browser.status == 400 and "is not a date or an instant" in browser.text
    browser.press("Advance", seconds="86400")
    assert "is held at 18 February 2026, 12:00:00 UTC" in browser.text
    browser.press("Return to real time")
    assert "Follows real time" in browser.text
    browser.press("Reset the sandbox", typed="production")
    assert browser.status == 400 and server.client.derive("cust_a").status == 200
    browser.press("Reset the sandbox", typed="sandbox")
    assert "The sandbox is empty" in browser.text and server.client.derive("cust_a").status == 404


def test_a_key_is_shown_once_and_works(office: Server, ada: Browser) -> None:
    """A key that is made on its page records at once, is on no page afterwards, has another secret once it was rotated, and
    stops when it is revoked."""
    ada.open("/app/keys").press("Create the key", name="", scopes=[])
    assert (
        ada.status == 400 and "Name must have 1 to 100" in ada.text and "Permissions need at least one tick" in ada.text
    )
    ada.press("Create the key", name="billing job", scopes=["read", "write"])
    first = key_on(ada)
    assert office.with_key(first).emit("cust_key", -1).status == 201
    assert first.partition(".")[2] not in ada.open("/app/keys").page and first.partition(".")[0] in ada.page
    ada.press("Replace its secret")
    second = key_on(ada)
    assert second != first and office.with_key(second).emit("cust_key", -1).status == 201
    ada.open("/app/keys").press("Revoke it permanently")
    assert "The key billing job is revoked." in ada.text
    assert stops(office, first) and stops(office, second)


def key_on(browser: Browser) -> str:
    found = re.search(r'id="full-key">(pk_test_[^<]+)<', browser.page)
    assert found and browser.status == 200, browser.text
    return found[1]


def stops(server: Server, key: str) -> bool:
    """Whether a key is refused; a recognised one is remembered for a second."""
    for _ in range(50):
        if server.with_key(key).emit("cust_key", -1).status == 401:
            return True
        time.sleep(0.1)
    return False


def test_people_are_invited_and_do_what_their_role_allows(office: Server, ada: Browser) -> None:
    """An owner makes a user with a link; with it the user chooses a password and is in, once; a viewer sees everything and
    finds no form that writes; another role works at once; a disabled user is out at once; the last owner stays."""
    ada.open("/app/users").press("Create the user and a link", email="grace@example.com")
    assert ada.status == 400 and "already has a user" in ada.text
    ada.press("Create the user and a link", email="hedy@example.com", name="Hedy")
    link = re.search(r'id="link">([^<]+)<', ada.page)
    assert link and "hedy@example.com" in ada.text
    hedy = Browser(office.url).open(link[1]).press("Set the password", password=PASSWORD)
    assert hedy.place == f"{office.url}/app" and "viewer" in hedy.text
    assert Browser(office.url).open(link[1]).status == 404
    hedy.open("/app/customers/cust_globex")
    assert "Lock" not in hedy.text and "Correct" not in hedy.text and hedy.open("/app/users").status == 403
    user = re.search(r'action="(/app/users/[^"]+)"', ada.open("/app/users").page[ada.page.index("hedy@example.com") :])
    assert user
    sent = dict(re.findall(r'name="(csrf|environment)" value="([^"]*)"', ada.page))
    ada.session.post(office.url + user[1], data=sent | {"action": "role", "role": "admin"})
    assert "Lock" in hedy.open("/app/customers/cust_globex").text
    ada.session.post(office.url + user[1], data=sent | {"action": "disable"})
    assert hedy.open("/app").place.endswith("/app/login?next=%2Fapp")
    own = re.search(r'action="(/app/users/[^"]+)"', ada.open("/app/users").page)
    assert own
    refused = ada.session.post(office.url + own[1], data=sent | {"action": "role", "role": "viewer"})
    assert refused.status_code == 409 and "needs an owner" in refused.text
    audit = ada.open("/app/audit").text
    assert "user.create" in audit and "user.role" in audit and "from viewer, to admin" in audit
    assert PASSWORD not in audit and link[1].partition("=")[2] not in audit


def test_a_password_is_changed(office: Server) -> None:
    """With the old password; every other session of the user ends, and the old password is no use."""
    add_user(office, "edith@example.com", "viewer")
    here, elsewhere = (Browser(office.url).log_in("edith@example.com") for _ in range(2))
    here.open("/app/password").press(
        "Change the password", currentPassword="wrong wrong", newPassword="a longer sentence still"
    )
    assert here.status == 400 and "is not your password" in here.text
    here.press("Change the password", currentPassword=PASSWORD, newPassword="a longer sentence still")
    assert here.place == f"{office.url}/app" and here.status == 200
    assert "/app/login" in elsewhere.open("/app").place
    assert Browser(office.url).log_in("edith@example.com").status == 401
    assert Browser(office.url).log_in("edith@example.com", "a longer sentence still").status == 200


def test_settings_are_shown_to_all_and_changed_by_owners(office: Server, ada: Browser) -> None:
    """The settings page has the fingerprint of each log's key; an owner changes the name, which is on every page then; what
    can't be taken is said at its field."""
    text = ada.open("/app/settings").text
    fingerprint = office.client.receipt("cust_globex", period="2026-01").data["keyFingerprint"]
    assert fingerprint in text
    ada.press("Save", name="Analytical Engines", timeZone="Mars/Base", locale="e")
    assert ada.status == 400 and "Time zone must be an IANA time zone" in ada.text and "Language must be" in ada.text
    ada.press("Save", timeZone="Europe/London", locale="en-GB")
    assert "The settings are changed." in ada.text and "Analytical Engines" in ada.open("/app").text
    mary = Browser(office.url).log_in("mary@example.com").open("/app/settings")
    assert "Europe/London" in mary.text and "Save" not in mary.text


def test_a_month_is_closed_for_everybody(start_server: Callable[..., Server]) -> None:
    """Closing proposes last month, says when it ended a short while ago, shows what it will lock, wants the month typed, and
    then shows the job to its end; what it locked is what the API shows."""
    server = start_server("--sandbox-clock", "2026-02-01T05:00:00Z")
    assert server.setup_url
    browser = Browser(server.url).set_up(server.setup_url)
    deltas = [
        {"customerId": f"cust_{n:03d}", "delta": -n, "reason": "x", "occurredAt": "2026-01-09T00:00:00Z"}
        for n in range(1, 121)
    ]
    server.client.batch(deltas)
    text = browser.open("/app/close").text
    assert "January 2026 ended 5 hours ago." in text
    assert f"Customers 120 Deltas 120 Sum of their totals {MINUS}7,260" in text
    seen = re.findall(r'<th scope="row"[^>]*><a href="/app/customers/(\w+)', browser.page)
    while following := re.search(r'class="next" href="([^"]+)"', browser.page):
        browser.open(following[1].replace("&amp;", "&"))
        seen += re.findall(r'<th scope="row"[^>]*><a href="/app/customers/(\w+)', browser.page)
    assert seen == [f"cust_{n:03d}" for n in range(1, 121)]
    browser.open("/app/close").press("Close January 2026 permanently", typed="January")
    assert browser.status == 400 and "must be 2026-01" in browser.text
    browser.press("Close January 2026 permanently", typed="2026-01")
    assert "/app/close/job_" in browser.place
    while "January 2026 is closed" not in browser.text:
        assert '<noscript><meta http-equiv="refresh"' in browser.page and 'hx-trigger="every 1s"' in browser.page
        browser.open(browser.place)
    assert "http-equiv" not in browser.page and "hx-trigger" not in browser.page and "Locked 120" in browser.text
    assert server.client.get("/api/v1/balance/checkpoints", period="2026-01").data["pagination"]["total"] == 120
    assert "Nothing: no customer has unlocked deltas" in browser.open("/app/close").text
    assert "is locked for all customers" in browser.open("/app").text


def test_link_code_and_notes_are_on_the_customers_page(office: Server, ada: Browser) -> None:
    """The page has the link and code in force, with which the customer comes in; another code stops the old one at once; a
    note of either side is on both pages, and who looked is listed."""
    fill(office, "cust_share")
    ada.open("/app/customers/cust_share")
    link, code = (re.search(rf'id="share-{what}"[^>]*>([^<]+)<', ada.page) for what in ("link", "code"))
    assert link and code and "The customer has a link and a code" in ada.text
    handle = f"/api/v1/c/{link[1].rpartition('/')[2]}"

    def comes_in(given: str) -> bool:
        answer = requests.post(
            f"{office.url}{handle}/access/verify", json={"factor": "ACCESS_HINT", "value": given}, timeout=60
        )
        return answer.status_code == 200

    assert comes_in(code[1])
    ada.press("New code")
    assert "The code is replaced; the old one no longer works." in ada.text
    now = re.search(r'id="share-code"[^>]*>([^<]+)<', ada.page)
    assert now and now[1] != code[1] and not comes_in(code[1]) and comes_in(now[1])
    ada.press("Leave the remark", text="We looked at <b>line 3</b>\nand agree.")
    assert "Your remark is saved" in ada.text and "You (Ada Lovelace)" in ada.text and "<b>line 3" not in ada.page
    ada.press("Leave the remark", text=" ")
    assert ada.status == 400 and "A remark must have 1 to 2,000 characters" in ada.text
    while "No visits yet." in ada.open("/app/customers/cust_share").text:
        requests.get(link[1], timeout=60).raise_for_status()
    ada.press("New link")
    assert requests.get(link[1], timeout=60).status_code == 404


ODD = ["", "\0", "%00", "'", '"', "-1", "0", "1" * 400, "\u202e\u0000x", "WyJhIiwgImIiXQ==", "WzEsICJiIl0=", "WyJcdWQ4MDAiXQ==", "WyJcdTAwMDAiXQ==",
       "WzFlOTksICIiXQ==", "Wzk5OTk5OTk5OTk5OTk5OTk5OTk5OTksICJhIl0=", "2026-13", "9999-12", "0001-01", "1970-01", "../..", "<b>", "chk_" + "0" * 56]  # fmt: skip
PLACES = [
    ("/app/customers", ("search", "sort", "after")), ("/app/customers/cust_globex", ("period", "before", "reference")),
    ("/app/customers/cust_globex/receipts", ("after",)), ("/app/customers/cust_globex/lock", ("period",)),
    ("/app/customers/cust_globex/correct", ("record",)), ("/app/close", ("period", "after")),
    ("/app/checkpoints", ("period", "after")), ("/app/compare", ("customer", "period")), ("/app/keys", ("page",)),
    ("/app/audit", ("actor", "action", "subject", "after")), ("/app/login", ("next",)), ("/app/setup", ("token",)),
    ("/app/password", ("token",)), ("/app", ("anything",)),
]  # fmt: skip


def test_odd_queries_and_paths_are_answered(office: Server, ada: Browser) -> None:
    """Whatever stands in a query or a path, the answer is a page that says what is wrong, and never a mistake of the server's."""
    for path, names in PLACES:
        for name in names:
            for odd in ODD:
                for more in (
                    ({"sort": "name"}, {"sort": "recent"}) if name == "after" and path == "/app/customers" else ({},)
                ):
                    answer = ada.session.get(office.url + path, params={name: odd, **more})
                    assert answer.status_code < 500, (path, name, odd, answer.text[-400:])
    for path in (
        "customers/{}",
        "customers/{}/receipts",
        "close/{}",
        "receipts/{}",
        "customers/{}/lock?period=2026-01",
    ):
        for odd in ODD[1:]:
            answer = ada.session.get(f"{office.url}/app/{path.format(requests.utils.quote(odd, safe=''))}")
            assert answer.status_code < 500, (path, odd, answer.text[-400:])
    sent = dict(re.findall(r'name="(csrf|environment)" value="([^"]*)"', ada.open("/app/keys").page))
    for path in ("keys/{}/revoke", "keys/{}/rotate", "users/{}"):
        for odd in ODD[1:]:
            where = f"{office.url}/app/{path.format(requests.utils.quote(odd, safe=''))}"
            assert ada.session.post(where, data=sent | {"action": "role", "role": "viewer"}).status_code in (
                404,
                405,
            ), (path, odd)
    repeated = ada.session.get(office.url + "/app/customers?search=a&search=b")
    assert repeated.status_code == 400 and "more than once" in repeated.text
