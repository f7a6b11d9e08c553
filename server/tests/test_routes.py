"""Made from the route table: what every route refuses, and that nothing crosses between environments and workspaces."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import jsonschema_rs
import pytest
import requests
from testkit.inside.rooms import SECRET_AMOUNT, SECRET_REASON, Rooms, make_workspaces
from testkit.inside.running import running

from pacspace_server.api.fields import example_of, object_schema
from pacspace_server.api.openapi import PATH_PARAMETERS, document, path_of
from pacspace_server.api.routes import DASHBOARD, NONE, ROUTES, Route
from pacspace_server.http.refusals import CODES

DOCUMENT = document("http://127.0.0.1")
WITH_BODY = [route for route in ROUTES if route.body is not None]
KEYED = [route for route in ROUTES if route.auth != NONE]
BEHIND_LOG_IN = [route for route in ROUTES if route.auth == DASHBOARD]
WRITES = [route for route in ROUTES if route.is_dashboard and route.method != "GET"]
# What a workspace has once, whichever environment somebody looks at; of API keys a person sees all.
WHOLE_WORKSPACE = tuple(
    f"/dashboard/{name}" for name in ("auth", "audit", "users", "workspace", "environments", "sharing")
)
ENDING = {"logOut", "changePassword"}  # the sessions that the other tests have
# Routes that make a customer of the name they are given: elsewhere that is another customer. Each gets a name of its own
# here, for keys and for sessions, which the first workspace's sandbox has too.
MAKING = {"emit": "cust_1", "emitBatch": "cust_2", "createCustomer": "cust_3"}


def name_of(route: Any) -> str:
    return f"{route.method} {route.path}" if isinstance(route, Route) else str(route)


@pytest.fixture(scope="module")
def rooms(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rooms]:
    database = tmp_path_factory.mktemp("rooms") / "record.db"
    keys = make_workspaces(database)
    with running(database) as started, requests.Session() as session:
        made = Rooms(started["url"], database, keys, session, {})
        made.fill(*MAKING.values(), *(f"{name}_s" for name in MAKING.values()))
        yield made


UNHELD = {name: example for name, (_, example) in PATH_PARAMETERS.items()}


def credential(rooms: Rooms, route: Route) -> str:
    """Of somebody in the first workspace's sandbox who may call the route."""
    needs_owner = route.auth == DASHBOARD and (route.person or route.scope == "owner")
    return rooms.keys["session of owner" if needs_owner else "own"]


def request_of(rooms: Rooms, route: Route) -> tuple[str, dict[str, str], Any]:
    """Path, query and body of a request that is in order, naming what the first workspace's sandbox holds.

    A path parameter that `Rooms.fill` does not know is a KeyError: a new route says there what it is to be asked for.
    """
    path = re.sub(
        r"{(\w+)(?::path)?}", lambda match: rooms.held[match[1]] if route.auth != NONE else UNHELD[match[1]], route.path
    )
    named = {name for name, field in route.query.items() if field.required} | (
        route.query.keys() & {"startingCheckpoint"}
    )
    query = {name: rooms.period if name == "period" else rooms.held[name] for name in named}
    if route.body is None:
        return path, query, None
    body = example_of(object_schema(route.body)) or {}
    return path, query, body | {name: rooms.held[name] for name in body.keys() & rooms.held.keys()}


@cache
def documented(path: str, method: str, status: int) -> jsonschema_rs.Validator:
    """What holds a refusal against the document."""
    schema = DOCUMENT["paths"][path][method]["responses"][str(status)]["content"]["application/json"]["schema"]
    return jsonschema_rs.validator_for({**schema, "components": DOCUMENT["components"]})


def refused(rooms: Rooms, route: Route, response: requests.Response, status: int, *codes: str) -> dict[str, Any]:
    """The error of a refusal that is documented for the route, has one of the codes, and left everything as it was."""
    assert response.status_code == status, response.text
    documented(path_of(route), route.method.lower(), status).validate(response.json())
    error: dict[str, Any] = response.json()["error"]
    assert not codes or error["code"] in codes, response.text
    return error


@pytest.fixture
def unchanged(rooms: Rooms) -> Iterator[None]:
    """Nothing that is stored is different after the test."""
    before = rooms.state()
    yield
    assert rooms.state() == before


def problems_of(error: dict[str, Any]) -> dict[str, str]:
    assert error["type"] == "VALIDATION_ERROR"
    return {detail["field"]: detail["problem"] for detail in error["details"]}


NOT_JSON = (b'{"a":', b"\xff", b'{"a":1,"a":2}', b'{"a":NaN}', b"[" * 100, b"[]", b"5", b'"\\ud800"')


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("route", WITH_BODY, ids=name_of)
def test_what_is_not_json_is_refused(rooms: Rooms, route: Route) -> None:
    """A body that is not strict JSON, or no object, is a plain 400 on every route that takes one."""
    path, query, _ = request_of(rooms, route)
    for body in NOT_JSON:
        error = refused(rooms, route, rooms.send(route.method, path, credential(rooms, route), body, **query), 400)
        assert "body" in problems_of(error), body
    headers = {"Content-Type": "text/plain"}
    response = rooms.send(route.method, path, credential(rooms, route), b"{}", headers, **query)
    refused(rooms, route, response, 415, "UNSUPPORTED_MEDIA_TYPE")


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("route", WITH_BODY, ids=name_of)
def test_a_body_that_is_too_large_is_refused(rooms: Rooms, route: Route) -> None:
    """A body of one byte more than the route takes is a 413."""
    path, query, _ = request_of(rooms, route)
    body = b"{}" + b" " * (route.max_body - 1)
    refused(
        rooms, route, rooms.send(route.method, path, credential(rooms, route), body, **query), 413, "PAYLOAD_TOO_LARGE"
    )


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("route", WITH_BODY, ids=name_of)
def test_unknown_fields_are_refused(rooms: Rooms, route: Route) -> None:
    """A body field that the route does not know is a plain 400 that names it."""
    path, query, body = request_of(rooms, route)
    response = rooms.send(route.method, path, credential(rooms, route), {**body, "surprise": 1}, **query)
    assert "surprise" in problems_of(refused(rooms, route, response, 400))


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("route", ROUTES, ids=name_of)
def test_unknown_query_parameters_are_refused(rooms: Rooms, route: Route) -> None:
    """A query parameter that the route does not know is a plain 400 that names it, whatever else is in order."""
    path, query, body = request_of(rooms, route)
    response = rooms.send(route.method, path, credential(rooms, route), body, **query, surprise="1")
    assert "surprise" in problems_of(refused(rooms, route, response, 400))


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("route", KEYED, ids=name_of)
def test_keyed_routes_want_a_key(rooms: Rooms, route: Route) -> None:
    """No key, and a key with another secret, is a 401 and no more."""
    path, query, body = request_of(rooms, route)
    other_secret = rooms.keys["own"].partition(".")[0] + "." + rooms.keys["other"].partition(".")[2]
    for key in (None, "pk_test_x", other_secret):
        refused(rooms, route, rooms.send(route.method, path, key, body, **query), 401, "INVALID_API_KEY")


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("route", KEYED, ids=name_of)
def test_keys_do_what_their_scopes_say(rooms: Rooms, route: Route) -> None:
    """A key without the route's scope is a 403."""
    path, query, body = request_of(rooms, route)
    scope = "admin" if route.auth == DASHBOARD else route.scope
    response = rooms.send(route.method, path, rooms.keys[f"no {scope}"], body, **query)
    refused(rooms, route, response, 403, "FORBIDDEN")


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("route", BEHIND_LOG_IN, ids=name_of)
def test_roles_do_what_they_say(rooms: Rooms, route: Route) -> None:
    """A viewer reads, an admin also writes, only an owner changes users and the workspace; no API key is an owner or a person."""
    path, query, body = request_of(rooms, route)
    if not route.person:
        assert route.method == "GET" or route.scope in ("admin", "owner")
    may_not = {"read": [], "admin": ["session of viewer"], "owner": ["session of viewer", "session of admin", "own"]}
    for name in ["own"] if route.person else may_not[route.scope]:
        refused(rooms, route, rooms.send(route.method, path, rooms.keys[name], body, **query), 403, "FORBIDDEN")


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("route", WRITES, ids=name_of)
def test_writes_come_from_our_own_pages(rooms: Rooms, route: Route) -> None:
    """With a session's cookie a write without the CSRF header, from another site's page, or of a form is refused."""
    path, query, body = request_of(rooms, route)
    cookie = {"Cookie": f"pacspace_session={rooms.keys['session of owner']}"}
    header = {"X-Pacspace-CSRF": "1"}
    foreign = [
        {"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"},
    ]  # fmt: skip
    without = [{}] if route.auth == DASHBOARD else []
    for headers in [*without, *({**header, **sent} for sent in foreign)]:
        response = rooms.send(route.method, path, None, body, {**cookie, **headers}, **query)
        refused(rooms, route, response, 403, "FORBIDDEN")
    form = {**cookie, **header, "Content-Type": "application/x-www-form-urlencoded"}
    if route.body is not None:
        response = rooms.send(route.method, path, None, b"email=a", form, **query)
        refused(rooms, route, response, 415, "UNSUPPORTED_MEDIA_TYPE")
    else:
        assert route.method == "DELETE"  # which no form sends


KEYS = ("own production", "other", "other production")
SESSIONS = ("session of owner in production", "session of other owner", "session of other owner in production")


def foreigners() -> Iterator[tuple[Route, str]]:
    """Every route with everybody to whom what it names is foreign."""
    for route in KEYED:
        takes_session = route.auth == DASHBOARD and route.operation not in ENDING
        takes_key = route.auth != DASHBOARD or not (route.person or route.scope == "owner")
        for name in (*(KEYS if takes_key else ()), *(SESSIONS if takes_session else ())):
            whole = (*WHOLE_WORKSPACE, "/dashboard/api-keys") if name in SESSIONS else WHOLE_WORKSPACE
            if "other" in name or not route.path.startswith(whole):
                yield route, name


@pytest.mark.parametrize(("route", "foreigner"), list(foreigners()), ids=name_of)
def test_nothing_crosses(rooms: Rooms, route: Route, foreigner: str) -> None:
    """To a key or session of another environment or workspace, what is there does not exist, is not shown, and stays as it is."""
    path, query, body = request_of(rooms, route)
    if route.operation in MAKING:
        name = MAKING[route.operation] + ("_s" if foreigner in SESSIONS else "")
        body = json.loads(re.sub("cust_(acme|globex)", name, json.dumps(body)))
    if "email" in (body or {}):
        body["email"] = f"{foreigner.replace(' ', '.')}@example.com"
    before, stored = rooms.own(), rooms.state()
    response = rooms.send(route.method, path, rooms.keys[foreigner], body, **query)
    names_something = path != route.path or query or (body or {}).keys() & rooms.held.keys()
    if route.path.startswith("/api/v1/sandbox") and foreigner.endswith("production"):
        if route.method == "POST":
            refused(rooms, route, response, 403, "FORBIDDEN")
    elif names_something and route.operation not in MAKING:
        refused(rooms, route, response, 404, *(code for code in CODES if code.endswith("NOT_FOUND")))
    else:
        assert response.status_code < 300, response.text
    named = f"{path} {query} {body}"
    for secret in {*rooms.held.values(), SECRET_AMOUNT, SECRET_REASON}:
        assert secret in named or secret not in response.text, secret
    assert rooms.own() == before
    if response.status_code >= 400:
        assert rooms.state() == stored


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("route", KEYED, ids=name_of)
def test_two_keys_that_disagree_are_refused(rooms: Rooms, route: Route) -> None:
    """With a bearer token of one environment and a key of another, nothing of the first is shown or changed."""
    path, query, body = request_of(rooms, route)
    if route.auth == DASHBOARD:
        headers = {"X-Api-Key": rooms.keys["own production"]}
        for key in {rooms.keys["own"], rooms.keys["session of owner"]}:
            response = rooms.send(route.method, path, key, body, headers, **query)
            refused(rooms, route, response, 403, "API_KEY_ENVIRONMENT_MISMATCH")
    else:
        headers = {"X-Api-Key": "", "Authorization": f"Bearer {rooms.keys['own']}"}
        refused(rooms, route, rooms.send(route.method, path, None, body, headers, **query), 401, "INVALID_API_KEY")
