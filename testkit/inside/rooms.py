"""Two workspaces in one database, served by one process: who may see what is asked of every route."""

from __future__ import annotations

import json
import secrets
import sqlite3
import time
from contextlib import closing
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import requests

from pacspace_server.log.signer import Signer
from pacspace_server.service.people.keys import PREFIXES
from pacspace_server.service.people.people import NewUser, add_member, command_caller, token_hash
from pacspace_server.service.people.sessions import ENVIRONMENTS, begin
from pacspace_server.service.people.workspaces import add_workspace
from pacspace_server.storage.model.people import Workspace
from pacspace_server.storage.model.protocols import Unit
from pacspace_server.storage.model.records import ApiKey
from pacspace_server.storage.sqlite import SqliteStorage

ALL = ("read", "write", "admin")
# What a workspace has, beside what its environments record.
WIDE = ("audit", "auth/me", "api-keys", "users", "workspace", "environments")
LOG_TABLES = ("log", "closed_slot", "period_head", "endpoint", "feed", "outbox", "delivery")
# Of an endpoint, what people change.
ENDPOINT_COLUMNS = "id, url, description, events, enabled, secret_version"
SECRET_AMOUNT, SECRET_REASON = "4242.4242", "between the two of us"


def make_workspaces(database: Path) -> dict[str, str]:
    """A second workspace beside the first, and keys: `own`, `own production`, `other`, ..., and `own` with few scopes."""
    storage = SqliteStorage(database)
    signer = Signer(database.with_name(database.name + ".signer"))
    other = storage.write(lambda unit: add_workspace(unit, signer, "Other"))
    with storage.snapshot() as snapshot:
        own = snapshot.workspaces()[0]
    places = {
        "own": (1, "sandbox"),
        "own production": (2, "production"),
        "other": (3, "sandbox"),
        "other production": (4, "production"),
    }
    keys = {name: make_key(storage, *place, ALL) for name, place in places.items()}
    keys |= {f"no {scope}": make_key(storage, 1, "sandbox", tuple({"read", "write"} - {scope})) for scope in ALL}
    people = {
        "viewer": (own, "viewer"),
        "admin": (own, "admin"),
        "owner": (own, "owner"),
        "other owner": (other, "owner"),
    }
    for name, (workspace, role) in people.items():
        sessions = make_sessions(storage, workspace, role)
        keys |= {f"session of {name}": sessions["sandbox"], f"session of {name} in production": sessions["production"]}
    storage.close()
    return keys


def make_sessions(storage: SqliteStorage, workspace: Workspace, role: str) -> dict[str, str]:
    """A new user of a workspace, who is logged in twice: one session looks at each environment."""
    asked = NewUser(f"{role}@{workspace.id}.example", role, role, "$argon2id$no-password")

    def work(unit: Unit) -> dict[str, str]:
        user = add_member(unit, command_caller(workspace.id), asked)
        tokens = {side: begin(unit, user)[0] for side in ENVIRONMENTS}
        session = unit.session(token_hash(tokens["production"]))
        assert session is not None
        session.environment = "production"
        unit.set_session(session)
        return tokens

    return storage.write(work)


def make_key(storage: SqliteStorage, environment_id: int, side: str, scopes: tuple[str, ...]) -> str:
    public_id, secret = secrets.token_hex(8), secrets.token_urlsafe(32)
    digest = sha256(secret.encode()).digest()
    key = ApiKey(f"key_{public_id}", environment_id, side, public_id, digest, "test", scopes, 0, None)
    storage.write(lambda unit: unit.add_api_key(key))
    return f"{PREFIXES[side]}{public_id}.{secret}"


def _of_sandbox(part: Any) -> Any:
    """Without what production has, and without when keys were used last."""
    for rows in part.values():
        if isinstance(rows, list):
            rows[:] = [row for row in rows if row.get("environment") not in ("production", "live")]
            for row in rows:
                row.pop("lastUsedAt", None)  # noted once a minute, whoever asks
    return {name: value for name, value in part.items() if name != "total"}


@dataclass
class Rooms:
    """The server, the keys, and what the first workspace's sandbox holds, by the name of the field that names it."""

    url: str
    database: Path
    keys: dict[str, str]
    session: requests.Session
    held: dict[str, str]
    period: str = ""

    def __post_init__(self) -> None:
        self.session.trust_env = False  # to look for proxies takes longer than the request

    def send(
        self,
        method: str,
        path: str,
        key: str | None = None,
        body: Any = None,
        headers: dict[str, str] | None = None,
        **query: str,
    ) -> requests.Response:
        """One request; a key is sent as both kinds of credentials, a session as a bearer token; a body is bytes or a value."""
        sent = {"Authorization": f"Bearer {key}"} if key else {}
        sent |= {"X-Api-Key": key} if key and key.startswith("pk_") else {}
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        sent |= {"Content-Type": "application/json"} if data is not None else {}
        return self.session.request(
            method, self.url + path, params=query, data=data, headers=sent | (headers or {}), timeout=60
        )

    def fill(self, *others: str) -> None:
        """Puts something into the first workspace's sandbox."""
        own, balance = self.keys["own"], "/api/v1/balance"
        # Its name is known nowhere, so that whatever is told of waits for another attempt.
        endpoint = {
            "url": "https://receiver.example/concealed",
            "description": SECRET_REASON,
            "events": ["delta.verified"],
        }
        made = self.send("POST", "/dashboard/webhooks", own, endpoint).json()["data"]["id"]
        for name in others:
            other = {"customerId": name, "delta": 1, "reason": SECRET_REASON}
            self.send("POST", f"{balance}/delta", own, other).raise_for_status()
        body = {
            "customerId": "cust_acme",
            "delta": float(SECRET_AMOUNT),
            "reason": SECRET_REASON,
            "referenceId": f"reference {SECRET_REASON}",
        }
        recorded = self.send("POST", f"{balance}/delta", own, body).json()["data"]
        locked = self.send(
            "POST", f"{balance}/checkpoint", own, {"customerId": "cust_acme", "period": recorded["period"]}
        ).json()["data"]
        month = self.send("POST", f"{balance}/checkpoint", own, {"period": recorded["period"]}).json()["data"]
        self.period = recorded["period"]
        event = self._delivery(made, recorded["recordId"])
        self.send("PATCH", f"/dashboard/webhooks/{made}", own, {"enabled": False}).raise_for_status()
        self.held = {
            "endpointId": made,
            "customerId": "cust_acme", "recordId": recorded["recordId"], "receiptId": locked["checkpointId"], "jobId": month["jobId"],
            "eventId": event, "keyId": self._key(), "userId": self._user(), "from": locked["checkpointId"], "to": locked["checkpointId"], "startingCheckpoint": recorded["recordId"],
        }  # fmt: skip

    def _delivery(self, endpoint_id: str, record_id: str) -> str:
        """The event that tells of a record, once it was tried."""
        deadline_s = time.monotonic() + 60
        while time.monotonic() < deadline_s:
            path = f"/dashboard/webhooks/{endpoint_id}/deliveries"
            for found in self.send("GET", path, self.keys["own"]).json()["data"]["deliveries"]:
                whole = self.send("GET", f"{path}/{found['eventId']}", self.keys["own"]).json()["data"]
                if whole["payload"]["data"]["recordId"] == record_id:
                    return str(found["eventId"])
            time.sleep(0.1)
        raise AssertionError("no attempt was made to tell of the record")

    def _key(self) -> str:
        made = self.send("POST", "/dashboard/api-keys", self.keys["session of owner"], {"name": SECRET_REASON})
        return str(made.json()["data"]["id"])

    def _user(self) -> str:
        asked = {"email": "invited@example.com", "role": "viewer"}
        made = self.send("POST", "/dashboard/users", self.keys["session of owner"], asked)
        return str(made.json()["data"]["id"])

    def state(self) -> list[Any]:
        """Everything that was recorded. What the log makes of it, and who is told, follows by itself, so that is left out."""
        with closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True)) as connection:
            tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            kept = sorted(name for name in tables if not name.startswith(LOG_TABLES))
            rows = {name: connection.execute(f"SELECT * FROM {name}").fetchall() for name in kept}
            rows["endpoint"] = connection.execute(f"SELECT {ENDPOINT_COLUMNS} FROM endpoint").fetchall()
            rows["api_key"] = [row[:-1] for row in rows["api_key"]]  # all but when it was used last
            return list(rows.items())

    def own(self) -> list[Any]:
        """What the first workspace's sandbox says of itself."""
        mine = [self.send("GET", f"/dashboard/{path}", self.keys["session of owner"]).json()["data"] for path in WIDE]
        mine = [_of_sandbox(part) for part in mine]
        paths = ("balance/derive/cust_acme?include=deltas", "balance/checkpoints", "balance/customers", "sandbox/clock")
        shown = [self.send("GET", f"/api/v1/{path}", self.keys["own"]).json()["data"] for path in paths]
        shown[-1].pop("now")
        return [*shown, *mine, self.send("GET", "/dashboard/webhooks", self.keys["own"]).json()["data"]]
