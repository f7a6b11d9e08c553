"""People: logging in and out, roles, links, keys, several workspaces, and what is noted of it."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from testkit.command import run_command
from testkit.server import PASSWORD, Client, Reply, Server
from testkit.waiting import wait_until

LOGIN = "/dashboard/auth/login"
CSRF = {"X-Pacspace-CSRF": "1"}


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with an owner, whom tests leave alone."""
    server = Server(tmp_path_factory.mktemp("office")).start("--sandbox-clock", "2026-02-10T12:00:00Z")
    server.new_user("owner@example.com")
    yield server
    server.close()


class Person:
    """Somebody in a browser: a cookie, and the header of our own pages."""

    def __init__(self, server: Server, email: str, password: str = PASSWORD) -> None:
        self.client: Client = server.public
        reply = self.client.post(LOGIN, {"email": email, "password": password})
        self.me, self.token = reply.data, reply.data["token"]
        self.set_cookie = reply.headers["set-cookie"]

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Reply:
        sent = {"Cookie": f"other=1; {self.set_cookie.partition(';')[0]}", **CSRF, **headers}
        return self.client.call(method, f"/dashboard{path}", body, sent)

    def get(self, path: str, **headers: str) -> Reply:
        return self.call("GET", path, None, **headers)

    def post(self, path: str, body: Any = None, **headers: str) -> Reply:
        return self.call("POST", path, {} if body is None else body, **headers)


def test_a_session_works_as_cookie_and_as_token(office: Server) -> None:
    """Log-in answers who it is with a token, and sets the same token as a cookie that no script reads; log-out ends both."""
    person = Person(office, "OWNER@example.com")
    assert person.me["email"] == "owner@example.com" and person.me["role"] == person.me["user"]["role"] == "owner"
    assert person.me["accessToken"] == person.token and person.token in person.set_cookie
    attributes = person.set_cookie.partition(";")[2].split("; ")
    assert {part.strip() for part in attributes} == {"Max-Age=2592000", "Path=/", "HttpOnly", "SameSite=Lax"}
    bearer = {"Authorization": f"Bearer {person.token}"}
    assert office.public.call("GET", "/dashboard/auth/me", None, bearer).data["id"] == person.me["id"]
    assert person.get("/auth/me").data["preferredEnvironment"] == "sandbox"
    out = person.post("/auth/logout")
    assert out.data == {"loggedOut": True} and "Max-Age=0" in out.headers["set-cookie"]
    assert person.get("/auth/me").status == 401
    assert office.public.call("GET", "/dashboard/auth/me", None, bearer).status == 401


def test_the_token_is_another_one_at_each_log_in(office: Server) -> None:
    """Whoever knew the token that a browser had before log-in knows nothing after it."""
    before = Person(office, "owner@example.com")
    body = {"email": "owner@example.com", "password": PASSWORD}
    planted = {"Cookie": f"pacspace_session={before.token}"}
    after = office.public.call("POST", LOGIN, body, planted).data["token"]
    assert after != before.token
    assert before.get("/auth/me").status == 401
    made_up = {"Cookie": "pacspace_session=pss_" + "A" * 43}
    assert office.public.call("POST", LOGIN, body, made_up).data["token"] != "pss_" + "A" * 43


def test_a_failed_log_in_says_nothing_of_the_user(office: Server) -> None:
    """A wrong password, an unknown e-mail, a user without a password and a disabled one get the very same answer."""
    owner = Person(office, "owner@example.com")
    invited = owner.post("/users", {"email": "invited@example.com", "role": "viewer"}).data
    office.new_user("gone@example.com", "viewer")
    gone = next(u for u in owner.get("/users").data["users"] if u["email"] == "gone@example.com")
    assert owner.call("PATCH", f"/users/{gone['id']}", {"disabled": True}).data["isDisabled"] is True
    assert invited["isVerified"] is False
    answers = [
        office.public.post(LOGIN, {"email": email, "password": password})
        for email, password in (
            ("owner@example.com", "not the password"), ("nobody@example.com", PASSWORD), ("invited@example.com", PASSWORD),
            ("gone@example.com", PASSWORD), ("owner@example.com\u0020x", PASSWORD),
        )
    ]  # fmt: skip
    assert {(reply.status, reply.body) for reply in answers} == {(401, answers[0].body)}
    assert answers[0].error["code"] == "INVALID_CREDENTIALS" and "set-cookie" not in answers[0].headers


def test_five_failures_shut_the_door(start_server: Callable[..., Server]) -> None:
    """After five failures not even the password opens it for that e-mail from here, and many at once are no way round."""
    server = start_server()
    for email in ("owner@example.com", "other@example.com"):
        server.new_user(email)
    clients = [Client(server, None) for _ in range(12)]

    def knock(client: Client) -> int:
        return client.post(LOGIN, {"email": "owner@example.com", "password": "guess"}).status

    with ThreadPoolExecutor(12) as pool:
        statuses = list(pool.map(knock, clients))
    assert sorted(statuses) == [401] * 5 + [429] * 7
    shut = server.log_in("OWNER@example.com")
    assert shut.status == 429 and 0 < int(shut.headers["retry-after"]) <= 900
    assert server.log_in("other@example.com").status == 200
    for number in range(40):
        last = server.log_in(f"nobody{number}@example.com").status
        if last == 429:
            break
    assert last == 429 and number >= 20, "nobody tries one password on everybody from one address"
    for client in clients:
        client.close()


def test_behind_a_proxy_addresses_are_told_apart(
    start_server: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only a proxy that is trusted says where a request comes from; then who fails shuts the door for nobody else."""
    wrong = {"email": "owner@example.com", "password": "guess"}

    def fails(server: Server, address: str) -> int:
        return server.public.call("POST", LOGIN, wrong, {"X-Forwarded-For": address}).status

    direct = start_server()
    assert [fails(direct, f"203.0.113.{number}") for number in range(6)] == [401] * 5 + [429]
    monkeypatch.setenv("PACSPACE_TRUSTED_PROXIES", "127.0.0.1, 10.0.0.0/8")
    behind = start_server()
    behind.new_user("owner@example.com")
    assert [fails(behind, "203.0.113.1") for _ in range(6)] == [401] * 5 + [429]
    assert fails(behind, "198.51.100.7, 203.0.113.1, 10.1.2.3") == 429, (
        "what a client adds before the proxy's word is not believed"
    )
    right = {"email": "owner@example.com", "password": PASSWORD}
    assert behind.public.call("POST", LOGIN, right, {"X-Forwarded-For": "203.0.113.2"}).status == 200


def test_pages_of_other_sites_write_nothing(office: Server) -> None:
    """A cookie alone does not write; nor does it with a foreign origin, or as a form; reading needs no header."""
    person = Person(office, "owner@example.com")
    cookie = {"Cookie": f"pacspace_session={person.token}"}
    body = {"preferredEnvironment": "production"}
    patch = ("PATCH", "/dashboard/auth/preferences", body)
    assert "X-Pacspace-CSRF" in office.public.call(*patch, cookie).error["message"]
    assert office.public.call(*patch, {**cookie, "X-Pacspace-CSRF": "0"}).status == 403
    for foreign in (
        {"Origin": "https://evil.example"}, {"Origin": "null"}, {"Origin": f"{office.url}.evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
    ):  # fmt: skip
        assert office.public.call(*patch, {**cookie, **CSRF, **foreign}).error["code"] == "FORBIDDEN"
        assert office.public.call("POST", LOGIN, {"email": "a@b.c", "password": "x"}, foreign).status == 403
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert office.public.call("POST", LOGIN, b"email=a&password=b", form).status == 415
    assert office.public.call("GET", "/dashboard/auth/me", None, cookie).data["preferredEnvironment"] == "sandbox"
    ours = {"Origin": office.url, "Sec-Fetch-Site": "same-origin"}
    assert person.call(*(patch[0], "/auth/preferences", body), **ours).data["preferredEnvironment"] == "production"
    assert person.get("/auth/me").data["preferredEnvironment"] == "production"


def test_the_environment_is_picked(office: Server) -> None:
    """X-Environment picks it for one request, preferences for the session; nothing of the other one is seen."""
    person = Person(office, "owner@example.com")
    made = person.post("/customers", {"displayName": "Only in production"}, **{"X-Environment": "production"}).data
    assert made["environment"] == "production"
    path = f"/customers/{made['customerId']}"
    assert person.get(path).error["code"] == "CUSTOMER_NOT_FOUND"
    assert person.get(path, **{"X-Environment": "Production"}).status == 200
    assert person.get(path, **{"X-Environment": "elsewhere"}).status == 400
    person.call("PATCH", "/auth/preferences", {"preferredEnvironment": "production"})
    assert person.get(path).status == 200


def test_another_password(office: Server) -> None:
    """It needs the one until now, ends every session of the user, and goes on with a new one."""
    office.new_user("changing@example.com", "viewer")
    person, elsewhere = Person(office, "changing@example.com"), Person(office, "changing@example.com")
    new = "another long sentence"
    wrong = person.post("/auth/password", {"currentPassword": "wrong", "newPassword": new})
    assert wrong.status == 400 and wrong.error["details"][0]["field"] == "currentPassword"
    short = person.post("/auth/password", {"currentPassword": PASSWORD, "newPassword": "short"})
    assert short.error["details"][0]["field"] == "newPassword"
    token = person.post("/auth/password", {"currentPassword": PASSWORD, "newPassword": new}).data["token"]
    assert [person.get("/auth/me").status, elsewhere.get("/auth/me").status] == [401, 401]
    assert office.public.call("GET", "/dashboard/auth/me", None, {"Authorization": f"Bearer {token}"}).status == 200
    assert office.log_in("changing@example.com").status == 401
    assert office.log_in("changing@example.com", new).status == 200


def test_who_is_invited_sets_a_password(office: Server) -> None:
    """The owner hands over a link that is good once; whoever opens it is logged in with the role that was given."""
    owner = Person(office, "owner@example.com")
    invited = owner.post("/users", {"email": "grace@example.com", "name": "Grace", "role": "admin"}).data
    assert owner.post("/users", {"email": "GRACE@example.com", "role": "viewer"}).error["code"] == "EMAIL_TAKEN"
    token = invited["setPasswordUrl"].rpartition("token=")[2]
    body = {"token": token, "password": "graces long sentence"}
    entered = office.public.post("/dashboard/auth/set-password", body)
    assert entered.data["role"] == "admin" and entered.data["name"] == "Grace"
    assert office.public.post("/dashboard/auth/set-password", body).error["code"] == "NOT_FOUND"
    link = owner.post(f"/users/{invited['id']}/password-link").data["setPasswordUrl"]
    again = {"token": link.rpartition("token=")[2], "password": "graces other sentence"}
    assert office.public.post("/dashboard/auth/set-password", again).status == 200
    bearer = {"Authorization": f"Bearer {entered.data['token']}"}
    assert office.public.call("GET", "/dashboard/auth/me", None, bearer).status == 401


def test_nobody_rises_by_himself(office: Server) -> None:
    """An admin makes no user and no owner of himself; a viewer no key; the last owner stays one."""
    office.new_user("admin@example.com", "admin")
    office.new_user("viewer@example.com", "viewer")
    admin, viewer, owner = (Person(office, f"{role}@example.com") for role in ("admin", "viewer", "owner"))
    asked = {"email": "eve@example.com", "role": "owner"}
    for person in (admin, viewer):
        assert person.post("/users", asked).error["code"] == "FORBIDDEN"
        assert person.call("PATCH", f"/users/{person.me['id']}", {"role": "owner"}).error["code"] == "FORBIDDEN"
        assert person.call("PATCH", "/workspace", {"name": "Mine"}).error["code"] == "FORBIDDEN"
    assert viewer.post("/api-keys", {"name": "mine"}).error["code"] == "FORBIDDEN"
    assert viewer.get("/api-keys").error["code"] == "FORBIDDEN"
    assert viewer.get("/customers").status == viewer.get("/workspace").status == 200
    last = owner.call("PATCH", f"/users/{owner.me['id']}", {"role": "viewer"})
    assert (last.status, last.error["code"]) == (409, "LAST_OWNER")
    assert owner.call("PATCH", f"/users/{owner.me['id']}", {"disabled": True}).error["code"] == "LAST_OWNER"
    assert owner.get("/auth/me").data["role"] == "owner"


def test_a_key_has_a_life(office: Server) -> None:
    """Made, used, rotated, switched off and on, revoked: each takes effect within a second, and its secret is shown once."""
    person = Person(office, "owner@example.com")
    assert person.post("/api-keys", {"name": "billing", "scopes": []}).status == 400
    made = person.post("/api-keys", {"name": "billing"}).data
    assert made["fullKey"] == f"{made['publicKey']}.{made['secretKey']}" and made["environment"] == "test"
    assert made["publicKey"].startswith("pk_test_") and made["scopes"] == ["read", "write"]
    listed = person.get("/api-keys").data["items"][0]
    assert listed == {name: value for name, value in made.items() if name not in ("fullKey", "secretKey")}

    def works(key: str) -> bool:
        client = Client(office, key)
        status = client.get("/api/v1/balance/limits").status
        client.close()
        assert status in (200, 401)
        return status == 200

    path = f"/api-keys/{made['id']}"
    assert works(made["fullKey"])
    rotated = person.post(f"{path}/rotate").data
    assert rotated["id"] == made["id"] and works(rotated["fullKey"])
    wait_until(lambda: not works(made["fullKey"]))
    assert person.post(f"{path}/toggle").data["active"] is False
    wait_until(lambda: not works(rotated["fullKey"]))
    assert person.post(f"{path}/toggle", {"active": True}).data["active"] is True
    assert works(rotated["fullKey"])
    assert person.call("DELETE", path).data["active"] is False
    wait_until(lambda: not works(rotated["fullKey"]))
    for method, rest in (("DELETE", ""), ("POST", "/rotate"), ("POST", "/toggle")):
        assert person.call(method, path + rest, {} if rest else None).error["code"] == "NOT_FOUND"
    live = person.post("/api-keys", {"name": "live", "environment": "live", "scopes": ["read"]}).data
    assert live["publicKey"].startswith("pk_live_") and live["scopes"] == ["read"]


def test_a_sandbox_key_has_no_say_over_production(office: Server) -> None:
    """An admin's key of the sandbox neither makes, sees nor changes production's keys, and reads no audit trail."""
    person = Person(office, "owner@example.com")
    live = person.post("/api-keys", {"name": "live", "environment": "live"}).data
    key = office.new_key("test", "--scopes", "admin")
    bearer = {"Authorization": f"Bearer {key}"}

    def ask(method: str, path: str, body: Any = None) -> Reply:
        return office.public.call(method, f"/dashboard{path}", body, bearer)

    assert ask("POST", "/api-keys", {"name": "rise", "environment": "live"}).error["code"] == "FORBIDDEN"
    assert ask("POST", "/api-keys", {"name": "same"}).data["environment"] == "test"
    assert {row["environment"] for row in ask("GET", "/api-keys").data["items"]} == {"test"}
    assert ask("GET", f"/api-keys/{live['id']}").status == ask("DELETE", f"/api-keys/{live['id']}").status == 404
    assert ask("GET", "/audit").status == ask("GET", "/users").status == 403


def test_customers_as_the_dashboard_has_them(office: Server) -> None:
    """Listed by name, described, locked, exported, packed: by somebody who is logged in, without a key."""
    person = Person(office, "owner@example.com")
    for customer, name in (("cust_z", "alpha"), ("cust_y", "Beta"), ("cust_x", "=cmd()")):
        person.post("/customers", {"customerId": customer, "displayName": name}).data
    office.client.emit("cust_z", -42.5, 'compute, "minutes"\nmore', referenceId="=1+1").data
    office.client.emit("cust_z", -1, occurredAt="2026-01-31T23:00:00Z").data
    by_name = person.get("/customers?sortBy=displayName&limit=100").data
    names = [row["displayName"] or row["customerId"] for row in by_name["customers"]]
    assert names == sorted(names, key=str.casefold) and by_name["pagination"]["total"] == len(names)
    assert [row["customerId"] for row in person.get("/customers?sortBy=displayName&search=BET").data["customers"]] == [
        "cust_y"
    ]
    found = person.get("/customers/cust_z").data
    assert found["displayName"] == "alpha" and found["recentActivity"]["items"]
    changed = person.call("PATCH", "/customers/cust_z", {"displayName": "Alpha Ltd", "sharingStateHint": "GATED"}).data
    assert (changed["displayName"], changed["sharingStateHint"]) == ("Alpha Ltd", "GATED")
    assert person.get("/customers/cust_z").data["displayName"] == "Alpha Ltd"
    before = person.get("/customers/cust_z/close-package?period=2026-01").data
    assert before["ready"] is False and before["missing"][0] == "the month is not locked"
    locked = person.post("/customers/cust_z/checkpoint", {"period": "2026-01", "invoiceReference": "INV-1"}).data
    assert locked["locked"] is True and locked["netChange"] == -1 and locked["invoiceReference"] == "INV-1"
    package = person.get("/customers/cust_z/close-package?period=2026-01").data
    assert package["ready"] is True and package["receipt"]["proofRoot"] == locked["proofRoot"]
    assert person.get("/customers/cust_z/receipt?period=2026-01").data["checkpointId"] == locked["checkpointId"]
    listed = person.get("/customers/cust_z/checkpoints?period=2026-01").data["checkpoints"]
    assert locked["checkpointId"] in [row["checkpointId"] for row in listed]
    month = person.get("/customers/summary?period=2026-01").data
    assert (
        month["lockedCustomers"] >= 1 and month["activeCustomers"] == month["lockedCustomers"] + month["openCustomers"]
    )


def test_an_export_opens_in_a_spreadsheet(office: Server) -> None:
    """Every delta once, amounts exact, and what looks like a formula made harmless; the other form is JSON, line by line."""
    person = Person(office, "owner@example.com")
    for number in range(3):
        office.client.emit("cust_export", -1 - number, "=HYPERLINK(1)", referenceId=f"ref{number}").data
    reply = person.get("/customers/cust_export/export?format=csv&period=2026-02")
    assert reply.headers["content-disposition"] == 'attachment; filename="cust_export-2026-02.csv"'
    rows = list(csv.DictReader(io.StringIO(reply.body.decode("utf-8-sig"))))
    assert [row["delta"] for row in rows] == ["-1", "-2", "-3"] and {row["reason"] for row in rows} == {
        "'=HYPERLINK(1)"
    }
    lines = person.get("/customers/cust_export/export?format=jsonl").body.decode().splitlines()
    assert [json.loads(line)["reason"] for line in lines] == ["=HYPERLINK(1)"] * 3
    assert person.get("/customers/nobody/export").error["code"] == "CUSTOMER_NOT_FOUND"


def test_the_workspace_has_settings(office: Server) -> None:
    """The owner changes them one by one, what can't be is named, and each change is noted."""
    person = Person(office, "owner@example.com")
    changed = person.call("PATCH", "/workspace", {"timeZone": "Europe/Berlin", "defaultUnit": "minutes"}).data
    assert (changed["timeZone"], changed["defaultUnit"], changed["sharingPolicy"]) == (
        "Europe/Berlin",
        "minutes",
        "TWO_TIER",
    )
    assert person.call("PATCH", "/workspace", {"timeZone": "Mars", "sharingPolicy": "ALL"}).status == 400
    assert person.get("/audit?action=workspace.change&limit=1").data["entries"][0]["details"] == {
        "time_zone": "Europe/Berlin", "unit": "minutes",
    }  # fmt: skip
    status = person.get("/environments/environment-status").data
    assert status == {"sandbox": {"status": "active"}, "production": {"status": "active"}}
    rows = person.get("/environments").data["environments"]
    for _ in range(2):
        assert person.post("/environments/provision", {"environment": "production"}).data == rows[1]


def test_every_change_is_noted(start_server: Callable[..., Server]) -> None:
    """Users, keys, customers, settings, locks and the commands: who did it, what and to whom, and no secret of it."""
    server = start_server("--sandbox-clock", "2026-02-10T12:00:00Z")
    server.new_user("owner@example.com")
    person = Person(server, "owner@example.com")
    made = person.post("/api-keys", {"name": "mine"}).data
    rotated = person.post(f"/api-keys/{made['id']}/rotate").data
    person.post(f"/api-keys/{made['id']}/toggle").data
    person.call("DELETE", f"/api-keys/{made['id']}").data
    invited = person.post("/users", {"email": "v@example.com", "role": "viewer"}).data
    person.call("PATCH", f"/users/{invited['id']}", {"role": "admin", "name": "V"}).data
    person.post("/customers", {"customerId": "cust_a", "displayName": "A"}).data
    person.call("PATCH", "/customers/cust_a", {"displayName": "B"}).data
    server.client.emit("cust_a", -1, occurredAt="2026-01-10T00:00:00Z").data
    person.post("/customers/cust_a/checkpoint", {"period": "2026-01"}).data
    person.post("/customers/cust_a/checkpoint", {"period": "2026-01"}).data  # changes nothing
    server.client.checkpoint("cust_a", period="2026-02").data
    server.client.checkpoint(period="2026-02").data
    key_id = server.run_json("keys", "create", "--env", "live")["id"]
    server.run_json("keys", "revoke", key_id)
    person.post("/auth/logout").data
    person = Person(server, "owner@example.com")
    entries = person.get("/audit?limit=100").data["entries"]
    told = [(entry["actor"], entry["action"]) for entry in reversed(entries)]
    me, first = "user:owner@example.com", next(e["subject"] for e in reversed(entries) if e["action"] == "key.create")
    assert told == [
        ("command", "key.create"), ("command", "user.create"), (me, "session.create"), (me, "key.create"), (me, "key.rotate"),
        (me, "key.disable"), (me, "key.revoke"), (me, "user.create"), (me, "user.role"), (me, "user.rename"),
        (me, "customer.create"), (me, "customer.change"), (me, "period.lock"), (f"key:{first}", "period.lock"),
        (f"key:{first}", "period.lock_all"), ("command", "key.create"), ("command", "key.revoke"), (me, "session.end"),
        (me, "session.create"),
    ]  # fmt: skip
    shown = str(entries)
    for secret in (PASSWORD, made["secretKey"], rotated["secretKey"], person.token, invited["setPasswordUrl"][-43:]):
        assert secret not in shown


def test_nothing_secret_is_written_down(start_server: Callable[..., Server]) -> None:
    """No password, token or key is in the database, its log, the folder of keys, or in the server's log, also at debug level."""
    server = start_server()
    token = server.new_session()
    made = server.public.call(
        "POST", "/dashboard/api-keys", {"name": "k"}, {"Authorization": f"Bearer {token}"}
    ).data  # fmt: skip
    server.log_in("owner@example.com", "a wrong password")
    link = server.public.call(
        "POST", "/dashboard/users", {"email": "v@example.com", "role": "viewer"}, {"Authorization": f"Bearer {token}"}
    ).data["setPasswordUrl"]
    server.stop()
    files = b"".join(path.read_bytes() for path in Path(server.folder).rglob("*") if path.is_file())
    for secret in (PASSWORD, token, made["secretKey"], "a wrong password", link.rpartition("=")[2]):
        assert secret.encode() not in files, secret


def test_headers_can_not_be_injected(office: Server) -> None:
    """Line ends in an e-mail, a name or a file's name make no header."""
    evil = "a@example.com\r\nSet-Cookie: x=1"
    assert office.public.post(LOGIN, {"email": evil, "password": PASSWORD}).status == 401
    person = Person(office, "owner@example.com")
    assert person.post("/users", {"email": evil, "role": "viewer"}).status == 400
    assert person.get("/customers/a%0d%0aX-Evil:%201/export").status == 404
    for path in ("/api-keys/%00", "/customers/%00", "/audit?cursor=%00"):
        assert person.get(path).status in (400, 404)
    for header in ("X-Environment", "Authorization"):
        assert person.get("/auth/me", **{header: "sandbox\tx"}).status in (400, 401)


def test_registration_is_off_until_it_is_on(
    tmp_path: Path, start_server: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Off: 403 in words. On: a workspace of one's own with an owner, whose record is verified like any other."""
    asked = {
        "email": "new@example.com", "password": PASSWORD, "firstName": "New", "lastName": "Vendor", "companyName": "Newco",
    }  # fmt: skip
    assert "registration is off" in start_server().public.post("/dashboard/auth/register", asked).error["message"]
    monkeypatch.setenv("PACSPACE_REGISTRATION", "on")
    server = start_server()
    made = server.public.post("/dashboard/auth/register", asked)
    assert made.status == 201 and made.data["workspace"]["name"] == "Newco" and made.data["name"] == "New Vendor"
    assert server.public.post("/dashboard/auth/register", asked).error["code"] == "EMAIL_TAKEN"
    more = [server.public.post("/dashboard/auth/register", asked).status for _ in range(4)]
    assert more == [409] * 3 + [429], "nobody makes workspaces without end"
    person = Person(server, "new@example.com")
    key = person.post("/api-keys", {"name": "first"}).data["fullKey"]
    verified(server, key)


def verified(server: Server, key: str) -> str:
    """A month that is recorded and locked with a key, and whose receipt file verifies; its checkpointId."""
    client = Client(server, key)
    client.emit("cust_of_mine", -5).data
    period = client.derive("cust_of_mine").data["scope"]["periods"][0]
    locked = client.checkpoint("cust_of_mine", period=period).data
    file = server.folder / f"{locked['checkpointId']}.json"
    file.write_bytes(client.bundle(locked["checkpointId"]))
    origin = client.receipt("cust_of_mine", period=period).data["verification"]["logOrigin"]
    log_key = client.get(f"/log/{origin.rpartition('/')[2]}/key").body.decode().strip()
    done = run_command("verify", str(file), "--key", log_key, folder=server.folder)
    assert done.returncode == 0, done.stdout + done.stderr
    client.close()
    return str(locked["checkpointId"])


def test_several_workspaces_on_one_server(start_server: Callable[..., Server]) -> None:
    """A workspace that is made while the server runs records, locks and verifies at once; the commands ask which one is meant."""
    server = start_server()
    made = server.run_json("workspace", "create", "--name", "Globex")
    listed = server.run_json("workspace", "list")
    assert [row["name"] for row in listed] == ["My workspace", "Globex"] and listed[1]["id"] == made["id"]
    unnamed = server.run("keys", "create", "--env", "test")
    assert unnamed.returncode == 2 and made["id"] in unnamed.stderr
    key = server.new_key("test", "--workspace", made["id"])
    checkpoint_id = verified(server, key)
    assert server.client.get(f"/api/v1/balance/receipts/{checkpoint_id}").status == 404
    token = server.new_session("owner@example.com", "owner", "--workspace", made["id"])
    server.run_json("admin", "add", "--email", "owner@example.com", "--role", "viewer", "--workspace", listed[0]["id"])
    person = Person(server, "owner@example.com")
    assert {row["name"]: row["role"] for row in person.me["workspaces"]} == {
        "My workspace": "viewer",
        "Globex": "owner",
    }
    there = person.call("PATCH", "/auth/preferences", {"workspaceId": made["id"]}).data
    assert there["workspace"] == {"id": made["id"], "name": "Globex", "role": "owner"}
    assert [row["customerId"] for row in person.get("/customers").data["customers"]] == ["cust_of_mine"]
    assert person.call("PATCH", "/auth/preferences", {"workspaceId": "wsp_0"}).error["code"] == "NOT_FOUND"
    assert token != person.token
    assert server.run("fsck").returncode == 0
    assert server.run("trust", "--env", "test", "--workspace", made["id"]).returncode == 0
    server.stop()
    server.start()
    assert server.with_key(key).derive("cust_of_mine").data["deltaCount"] == 1


def test_the_first_user_comes_by_a_link(start_server: Callable[..., Server]) -> None:
    """While there is no user each start prints a link that makes the first owner; it is good once, and only the newest."""
    server = start_server()
    server.stop()
    old = server.started["setupUrl"]
    server.start()
    link = server.started["setupUrl"]
    assert re.fullmatch(rf"{server.url}/app/setup\?token=[\w-]{{43}}", link) and link != old
    body = {"email": "first@example.com", "password": PASSWORD, "name": "First"}

    def set_up(url: str) -> Reply:
        return server.public.post("/dashboard/auth/setup", body | {"token": url.rpartition("=")[2]})

    assert set_up(old).error["code"] == "NOT_FOUND"
    assert set_up(link).data["role"] == "owner"
    assert set_up(link).error["code"] == "NOT_FOUND"
    server.stop()
    server.start()
    assert server.started["setupUrl"] is None


def test_a_user_is_helped_by_command(office: Server) -> None:
    """`admin` makes users, gives another password and lists them; a password is never an argument."""
    office.new_user("forgot@example.com", "viewer")
    person = Person(office, "forgot@example.com")
    done = run_command(
        "admin", "reset-password", "--email", "FORGOT@example.com", "--database", office.database, folder=office.folder,
        typed="a new long sentence\n",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert person.get("/auth/me").status == 401
    assert office.log_in("forgot@example.com", "a new long sentence").status == 200
    assert "forgot@example.com" in [row["email"] for row in office.run_json("admin", "list")]
    for typed, email, status in (("short\n", "x@example.com", 2), (f"{PASSWORD}\n", "no e-mail", 2)):
        named = ("--email", email, "--database", office.database)
        assert run_command("admin", "create", *named, folder=office.folder, typed=typed).returncode == status
    unknown = run_command(
        "admin",
        "reset-password",
        "--email",
        "x@example.com",
        "--database",
        office.database,
        folder=office.folder,
        typed="\n",
    )
    assert unknown.returncode == 1 and "pacspace admin list" in unknown.stderr


def test_when_a_key_was_used_is_noted_later(start_server: Callable[..., Server]) -> None:
    """No use is written when it happens, so that recording does not wait for it; it is there at the latest after a stop."""
    server = start_server()
    token = server.new_session()
    server.client.emit("cust_used", -1).data

    def last_used() -> list[Any]:
        bearer = {"Authorization": f"Bearer {token}"}
        items = server.public.call("GET", "/dashboard/api-keys", None, bearer).data["items"]
        return [item["lastUsedAt"] for item in items]

    assert last_used() == [None]
    server.restart()
    (used,) = last_used()
    assert used is not None
