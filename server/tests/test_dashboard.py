"""Made from the table of pages: what every page refuses, that nothing crosses between workspaces and environments, and that
whatever people type is shown harmlessly."""

from __future__ import annotations

import html
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import requests
from testkit.browsing import Browser
from testkit.inside.rooms import SECRET_AMOUNT, SECRET_REASON, Rooms, make_workspaces
from testkit.inside.running import running

from pacspace_server.service.people.sessions import csrf_token
from pacspace_server.web.dashboard.desk import ANYBODY, OWNER, POLICY, RANK, VIEWER
from pacspace_server.web.dashboard.routes import ROUTES, Route

PAGES = [route for route in ROUTES if route.method == "GET"]
FORMS = [route for route in ROUTES if route.method == "POST"]
INSIDE = [route for route in ROUTES if route.role != ANYBODY]
NAMING = [route for route in INSIDE if "{" in route.path]
COOKIE = "pacspace_session"
# What a workspace has once, whichever environment is in view.
WHOLE_WORKSPACE = ("/app/keys", "/app/users", "/app/audit", "/app/settings")
OTHERS = ("other owner", "other owner in production", "owner in production")
CROSSINGS = [
    (who, route) for route in NAMING for who in (OTHERS[:2] if route.path.startswith(WHOLE_WORKSPACE) else OTHERS)
]
# What a viewer may send: nothing of it changes anything but the viewer's own session.
OWN_SESSION = {"/app/logout", "/app/environment", "/app/compare"}
EVIL = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>{{7000*7001}}"


def name_of(route: Any) -> str:
    return f"{route.method} {route.path}" if isinstance(route, Route) else str(route)


@pytest.fixture(scope="module")
def rooms(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rooms]:
    database = tmp_path_factory.mktemp("pages") / "record.db"
    keys = make_workspaces(database)
    with running(database) as started, requests.Session() as session:
        made = Rooms(started["url"], database, keys, session, {})
        made.fill()
        yield made


def path_of(rooms: Rooms, route: Route) -> str:
    """The page of what the first workspace's sandbox holds. A parameter that `Rooms.fill` does not know is a KeyError."""
    held = rooms.held | {"rest": "nowhere/at/all"}
    path = re.sub(r"\{(\w+)(:path)?\}", lambda match: held[match[1]], route.path)
    queries = {"correct": f"?record={rooms.held['recordId']}", "lock": "?period=2026-01"}
    return path + (queries.get(path.rpartition("/")[2], "") if route.method == "GET" else "")


def ask(rooms: Rooms, who: str | None, method: str, path: str, **fields: Any) -> requests.Response:
    """A request of a browser that has a session, or none."""
    headers = {"Cookie": f"{COOKIE}={rooms.keys[f'session of {who}']}"} if who else {}
    headers |= fields.pop("headers", {})
    rooms.session.cookies.clear()
    return rooms.session.request(
        method, rooms.url + path, headers=headers, data=fields or None, allow_redirects=False, timeout=60
    )


def ours(rooms: Rooms, who: str, environment: str = "sandbox") -> dict[str, str]:
    """The hidden fields of a form in that session."""
    return {"csrf": csrf_token(rooms.keys[f"session of {who}"]), "environment": environment}


def refused(answer: requests.Response, status: int) -> None:
    assert answer.status_code == status, answer.text[-800:]
    assert SECRET_AMOUNT not in answer.text and SECRET_REASON not in answer.text


@pytest.mark.parametrize("route", INSIDE, ids=name_of)
def test_a_stranger_is_sent_to_the_log_in(rooms: Rooms, route: Route) -> None:
    """Whoever has no session, or one that ended, sees the log-in page, and changes nothing; a page is come back to."""
    before = rooms.state()
    for headers in ({}, {"Cookie": f"{COOKIE}=pss_of_nobody"}):
        answer = ask(rooms, None, route.method, path_of(rooms, route), headers=headers, csrf="x", environment="sandbox")
        refused(answer, 303)
        place = answer.headers["Location"]
        assert place.startswith("/app/login?next=%2Fapp")
        if route.method == "GET":
            assert requests.utils.unquote(place.partition("next=")[2]).startswith(
                path_of(rooms, route).partition("?")[0]
            )
    assert rooms.state() == before


@pytest.mark.parametrize("route", [route for route in INSIDE if route.role != VIEWER], ids=name_of)
def test_a_role_that_is_too_small_is_refused(rooms: Rooms, route: Route) -> None:
    """A viewer neither opens nor sends what needs an admin, an admin not what needs an owner; nothing is changed."""
    before = rooms.state()
    for who in ("viewer", "admin") if route.role == OWNER else ("viewer",):
        refused(ask(rooms, who, route.method, path_of(rooms, route), **ours(rooms, who)), 403)
    assert rooms.state() == before


def test_viewers_send_nothing_that_changes_anything() -> None:
    """Every form that a viewer may send is one of the few about the viewer's own session, or only reads."""
    assert {route.path for route in FORMS if route.role == VIEWER} == OWN_SESSION
    assert all(route.role in RANK for route in ROUTES)


@pytest.mark.parametrize("route", FORMS, ids=name_of)
def test_a_form_that_is_not_ours_is_refused(rooms: Rooms, route: Route) -> None:
    """Without the hidden field, with a wrong or another session's one, from another site, with a body that is no form, or
    from a page that showed the other environment, nothing is done."""
    before = rooms.state()
    path, good = path_of(rooms, route), ours(rooms, "owner")
    if route.role == ANYBODY:
        good["environment"] = ""
    for fields, status in (
        ({"environment": good["environment"]}, 403),
        (good | {"csrf": "0" * 64}, 403),
        (good | {"csrf": ""}, 403),
        (good | {"csrf": ours(rooms, "admin")["csrf"]}, 403),
        (good | {"headers": {"Origin": "https://elsewhere.example"}}, 403),
        (good | {"headers": {"Sec-Fetch-Site": "cross-site"}}, 403),
        (good | {"headers": {"Content-Type": "text/plain"}}, 400),
    ):
        refused(ask(rooms, "owner", "POST", path, **fields), status)
    if route.role != ANYBODY:
        for environment in ("production", "", "sandbox\r\n2"):
            refused(ask(rooms, "owner", "POST", path, **good | {"environment": environment}), 409)
    refused(ask(rooms, "owner", "POST", path), 403)
    assert rooms.state() == before


def test_strangers_forms_are_guarded_too(rooms: Rooms) -> None:
    """The log-in form goes with a cookie of its own, so that no other site can log a browser in."""
    page = ask(rooms, None, "GET", "/app/login")
    visitor = page.headers["Set-Cookie"].partition(";")[0]
    assert "HttpOnly" in page.headers["Set-Cookie"] and "SameSite=Lax" in page.headers["Set-Cookie"]
    found = re.search(r'name="csrf" value="(\w+)"', page.text)
    assert found
    fields = {"csrf": found[1], "environment": "", "email": "nobody@example.com", "password": "wrong wrong wrong"}
    assert ask(rooms, None, "POST", "/app/login", **fields).status_code == 403
    assert ask(rooms, None, "POST", "/app/login", headers={"Cookie": visitor}, **fields).status_code == 401


@pytest.mark.parametrize(("who", "route"), CROSSINGS, ids=lambda value: name_of(value))
def test_nothing_crosses(rooms: Rooms, who: str, route: Route) -> None:
    """Ids of one workspace's sandbox are unknown in another workspace, and in its own production; nothing is changed."""
    before = rooms.state()
    environment = "production" if who.endswith("production") else "sandbox"
    fields = ours(rooms, who, environment) | {"period": "2026-01", "typed": "2026-01", "record": rooms.held["recordId"]}
    answer = ask(rooms, who, route.method, path_of(rooms, route), **(fields if route.method == "POST" else {}))
    refused(answer, 404)
    assert rooms.state() == before


@pytest.mark.parametrize("route", [route for route in PAGES if "{" not in route.path], ids=name_of)
def test_lists_hold_nothing_of_others(rooms: Rooms, route: Route) -> None:
    """Pages without an id show nothing of another workspace, nor of the environment that is not in view."""
    for who in OTHERS[:1] if route.path in WHOLE_WORKSPACE else OTHERS:
        text = ask(rooms, who, "GET", path_of(rooms, route)).text
        held = (
            "/customers/cust_acme",
            SECRET_AMOUNT,
            SECRET_REASON,
            *map(rooms.held.get, ("recordId", "receiptId", "jobId", "endpointId", "eventId")),
        )
        assert not [name for name in held if name in text]


@pytest.mark.parametrize("route", PAGES, ids=name_of)
def test_every_page_is_strict_and_whole(rooms: Rooms, route: Route) -> None:
    """Every page answers with the strict policy, without a script, style or handler of its own, and says SANDBOX in the
    sandbox alone; a viewer's has no form that writes."""
    answer = ask(rooms, "owner", "GET", path_of(rooms, route))
    if answer.status_code == 303:
        assert answer.headers["Location"].startswith(("/app", "/receipt/"))
        return
    assert answer.headers["Content-Security-Policy"] == POLICY and "unsafe" not in POLICY
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.status_code == (404 if "{rest" in route.path else 200) or route.role == ANYBODY
    text = answer.text
    assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:|<script(?![^>]* src=)", text, re.IGNORECASE)
    assert text.count("<h1") == 1 and "<main" in text and 'class="skip"' in text and '<html lang="en">' in text
    assert "None" not in re.sub(r"<[^>]*>", " ", text) and "Undefined" not in text
    if route.role != ANYBODY:
        assert "SANDBOX" in text
        assert "SANDBOX" not in ask(rooms, "owner in production", "GET", "/app").text


@pytest.mark.parametrize("route", [route for route in PAGES if route.role == VIEWER], ids=name_of)
def test_viewers_are_shown_no_form_that_writes(rooms: Rooms, route: Route) -> None:
    """A viewer sees each page without the forms and links that lead to writing."""
    answer = ask(rooms, "viewer", "GET", path_of(rooms, route))
    allowed = OWN_SESSION
    forms = re.findall(r'<form[^>]*method="post"[^>]*action="([^"]+)"', answer.text)
    assert set(forms) <= allowed, forms
    assert not re.search(r'href="[^"]*/(new|correct|lock)\b', answer.text)


def test_what_people_type_is_shown_harmlessly(rooms: Rooms) -> None:
    """Whatever stands in a field that somebody outside or inside typed, no page has it as markup."""
    own = rooms.keys["own"]
    who, good = "owner", ours(rooms, "owner")
    made = ask(
        rooms, who, "POST", "/app/customers/new", **good, displayName=EVIL, customerId="cust_evil", unitLabel="<b>u</b>"
    )
    assert made.status_code == 303, made.text[-500:]
    for amount, reference in ((1, EVIL), (2, EVIL + "2")):
        body = {
            "customerId": "cust_evil",
            "delta": amount,
            "reason": EVIL,
            "referenceId": reference,
            "metadata": {EVIL: EVIL},
        }
        recorded = rooms.send("POST", "/api/v1/balance/delta", own, body).json()["data"]
    pages = [
        "/app", "/app/customers?sort=name", f"/app/customers?search={requests.utils.quote(EVIL)}", "/app/customers/cust_evil",
        f"/app/customers/cust_evil?reference={requests.utils.quote(EVIL)}",
        f"/app/customers/cust_evil/correct?record={recorded['recordId']}", "/app/customers/cust_evil/receipts", "/app/audit",
        f"/app/audit?actor={requests.utils.quote(EVIL)}", "/app/checkpoints", "/app/close", "/app/compare?customer=%3Cscript%3E",
        f"/app/customers/{requests.utils.quote(EVIL, safe='')}", "/app/webhooks", f"/app/webhooks/{rooms.held['endpointId']}?status=%3Cscript%3E", f"/app/login?next={requests.utils.quote(EVIL)}", "/app/settings",
    ]  # fmt: skip
    answers = {path: ask(rooms, who, "GET", path) for path in pages}
    forms = {
        "/app/customers/new": {"displayName": "", "customerId": EVIL, "unitLabel": EVIL},
        "/app/customers/cust_evil/correct": {
            "record": recorded["recordId"],
            "delta": EVIL,
            "reason": EVIL,
            "referenceId": EVIL,
        },
        "/app/customers/cust_evil/lock": {"period": "2026-01", "typed": EVIL, "invoiceReference": EVIL},
        "/app/compare": {
            "customerId": "cust_evil",
            "period": recorded["period"],
            "lines": f'referenceId,delta\n"{EVIL[:9]}",1',
        },
        "/app/compare?2": {"customerId": EVIL, "period": EVIL, "lines": EVIL},
        "/app/close": {"period": EVIL, "typed": EVIL},
        "/app/clock": {"action": "hold", "now": EVIL},
        "/app/clock/reset": {"typed": EVIL},
        "/app/keys": {"name": EVIL, "scopes": "read"},
        "/app/keys?2": {"name": EVIL * 9, "scopes": EVIL},
        "/app/users": {"email": f"{EVIL}@example.com", "name": EVIL, "role": "viewer"},
        "/app/users?2": {"email": "evil@example.com", "name": EVIL, "role": "viewer"},
        "/app/webhooks": {"url": "https://receiver.example/<script>alert(1)</script>", "description": EVIL},
        "/app/webhooks?2": {"url": EVIL, "description": EVIL * 9, "events": EVIL},
        f"/app/webhooks/{rooms.held['endpointId']}?2": {"url": EVIL, "description": EVIL, "events": EVIL},
        f"/app/webhooks/{rooms.held['endpointId']}/replay": {"since": EVIL},
        f"/app/webhooks/{rooms.held['endpointId']}/delete": {"typed": EVIL},
        "/app/settings": {"name": EVIL, "timeZone": EVIL, "locale": EVIL, "sharingPolicy": EVIL, "defaultUnit": EVIL},
        "/app/settings?2": {
            "name": EVIL[:100],
            "timeZone": "UTC",
            "locale": "en",
            "sharingPolicy": "OPEN",
            "defaultUnit": "<b>u</b>",
        },
    }
    for path, fields in forms.items():
        answers[path] = ask(rooms, who, "POST", path.partition("?")[0], **good, **fields)
    for path in ("/app/keys", "/app/users", "/app/settings", "/app/audit", "/app", "/app/webhooks"):
        answers[f"{path} afterwards"] = ask(rooms, who, "GET", path)
    for path, answer in answers.items():
        assert answer.status_code < 500 and answer.status_code != 403, path
        assert "<script>alert" not in answer.text and "<img src=x" not in answer.text, path
        assert "<b>u</b>" not in answer.text and "49007000" not in answer.text, path
    assert (
        html.escape(EVIL).replace("&#x27;", "&#39;").replace("&quot;", "&#34;")
        in answers["/app/customers/cust_evil"].text
    )


def test_who_could_not_be_locked_is_tried_again(tmp_path: Path) -> None:
    """A customer whose month can't be locked is listed with the reason; everybody else is locked; once it is set right, the
    button on the page locks the one that was left."""
    database = tmp_path / "record.db"
    with running(database, "--sandbox-clock", "2026-02-10T00:00:00Z") as started:
        browser = Browser(started["url"]).set_up(started["setupUrl"])
        deltas = [
            {"customerId": f"cust_{n}", "delta": -1, "reason": "x", "occurredAt": "2026-01-09T00:00:00Z"}
            for n in range(3)
        ]
        batch = f"{started['url']}/api/v1/balance/delta/batch"
        requests.post(
            batch, json={"deltas": deltas}, headers={"X-Api-Key": started["fullKey"]}, timeout=60
        ).raise_for_status()
        while "All deltas" not in browser.open("/app").text:
            pass

        def freeze(flag: int) -> None:
            with closing(sqlite3.connect(database, timeout=10)) as connection, connection:
                of = "(SELECT id FROM customer WHERE customer_id = 'cust_1')"
                assert (
                    connection.execute(f"UPDATE period_head SET frozen = ? WHERE customer = {of}", (flag,)).rowcount
                    == 1
                )

        freeze(1)
        browser.open("/app/close").press("Close January 2026 permanently", typed="2026-01")
        text = browser.text
        assert (
            "closed, but not for all customers" in text
            and "1 could not be locked" in text
            and "Locked 2 customers" in text
        )
        assert "cust_1 2026-01 is damaged: its data does not match its hash; run fsck" in text
        freeze(0)
        browser.press("Try again for these")
        assert "January 2026 is closed" in browser.text and "could not" not in browser.text and "3 of 3" in browser.text


def test_cookies_are_for_https_alone_behind_https(tmp_path: Path) -> None:
    """Every cookie that a page sets is for this site's own requests and no script, and behind https for https alone."""
    with running(tmp_path / "record.db", "--public-url", "https://bills.example") as started:
        page = requests.get(f"{started['url']}/app/setup?token={started['setupUrl'].partition('=')[2]}", timeout=60)
        visitor = page.headers["Set-Cookie"]
        csrf = re.search(r'name="csrf" value="(\w+)"', page.text)
        token = re.search(r'name="token" value="([^"]+)"', page.text)
        assert csrf and token
        fields = {
            "csrf": csrf[1],
            "environment": "",
            "token": token[1],
            "email": "ada@example.com",
            "password": "a long enough one",
        }
        headers = {"Cookie": visitor.partition(";")[0], "Origin": "https://bills.example"}
        entered = requests.post(
            f"{started['url']}/app/setup", data=fields, headers=headers, allow_redirects=False, timeout=60
        )
        assert entered.status_code == 303
        for cookie in (visitor, entered.headers["Set-Cookie"]):
            assert {"HttpOnly", "SameSite=Lax", "Secure", "Path=/"} <= {part.strip() for part in cookie.split(";")}
