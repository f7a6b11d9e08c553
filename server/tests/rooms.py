"""Two workspaces in one database, served by one process: who may see what is asked of every route."""

from __future__ import annotations

import json
import secrets
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import requests

from pacspace_server.service.keys import PREFIXES
from pacspace_server.storage.records import ApiKey
from pacspace_server.storage.sqlite import SqliteStorage

SIDES = ("sandbox", "production")
ALL = ("read", "write", "admin")
LOG_TABLES = ("log", "closed_slot", "period_head", "endpoint", "feed", "outbox", "delivery")
SECRET_AMOUNT = "4242.4242"


def make_workspaces(database: Path) -> dict[str, str]:
    """A second workspace beside the first, and keys: `own`, `own production`, `other`, ..., and `own` with few scopes."""
    SqliteStorage(database).close()
    with closing(sqlite3.connect(database)) as connection, connection:
        for number, side in enumerate(SIDES, 3):
            origin = f"pacspace.log/{side}/{secrets.token_hex(16)}"
            connection.execute("INSERT INTO environment VALUES (?, 'wsp_other', ?, ?, NULL)", (number, side, number))
            connection.execute(
                "INSERT INTO log (id, environment_id, origin, blinding_key) VALUES (?, ?, ?, ?)",
                (number, number, origin, secrets.token_bytes(32)),
            )
    storage = SqliteStorage(database)
    places = {
        "own": (1, "sandbox"),
        "own production": (2, "production"),
        "other": (3, "sandbox"),
        "other production": (4, "production"),
    }
    keys = {name: make_key(storage, *place, ALL) for name, place in places.items()}
    keys |= {f"no {scope}": make_key(storage, 1, "sandbox", tuple({"read", "write"} - {scope})) for scope in ALL}
    storage.close()
    return keys


def make_key(storage: SqliteStorage, environment_id: int, side: str, scopes: tuple[str, ...]) -> str:
    public_id, secret = secrets.token_hex(8), secrets.token_urlsafe(32)
    digest = sha256(secret.encode()).digest()
    key = ApiKey(f"key_{public_id}", environment_id, side, public_id, digest, "test", scopes, 0, None)
    storage.write(lambda unit: unit.add_api_key(key))
    return f"{PREFIXES[side]}{public_id}.{secret}"


@dataclass
class Rooms:
    """The server, the keys, and what the first workspace's sandbox holds, by the name of the field that names it."""

    url: str
    database: Path
    keys: dict[str, str]
    session: requests.Session
    held: dict[str, str]

    def send(
        self,
        method: str,
        path: str,
        key: str | None = None,
        body: Any = None,
        headers: dict[str, str] | None = None,
        **query: str,
    ) -> requests.Response:
        """One request; `key` is sent as both kinds of credentials, a body is bytes or a value."""
        sent = {"X-Api-Key": key, "Authorization": f"Bearer {key}"} if key else {}
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        sent |= {"Content-Type": "application/json"} if data is not None else {}
        return self.session.request(
            method, self.url + path, params=query, data=data, headers=sent | (headers or {}), timeout=60
        )

    def fill(self, *others: str) -> None:
        """Puts something into the first workspace's sandbox."""
        own, balance = self.keys["own"], "/api/v1/balance"
        for name in others:
            other = {"customerId": name, "delta": 1, "reason": "concealed"}
            self.send("POST", f"{balance}/delta", own, other).raise_for_status()
        body = {
            "customerId": "cust_acme",
            "delta": float(SECRET_AMOUNT),
            "reason": "concealed",
            "referenceId": "concealed-reference",
        }
        recorded = self.send("POST", f"{balance}/delta", own, body).json()["data"]
        locked = self.send(
            "POST", f"{balance}/checkpoint", own, {"customerId": "cust_acme", "period": recorded["period"]}
        ).json()["data"]
        month = self.send("POST", f"{balance}/checkpoint", own, {"period": recorded["period"]}).json()["data"]
        endpoint = {"url": "https://receiver.example/concealed", "description": "concealed"}
        made = self.send("POST", "/dashboard/webhooks", own, endpoint).json()["data"]["id"]
        self.send("PATCH", f"/dashboard/webhooks/{made}", own, {"enabled": False}).raise_for_status()
        self.held = {
            "endpointId": made,
            "customerId": "cust_acme", "recordId": recorded["recordId"], "receiptId": locked["checkpointId"], "jobId": month["jobId"],
            "eventId": "evt_1", "from": locked["checkpointId"], "to": locked["checkpointId"], "startingCheckpoint": recorded["recordId"],
        }  # fmt: skip

    def state(self) -> list[Any]:
        """Everything that was recorded. What the log makes of it, and who is told, follows by itself, so that is left out."""
        with closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True)) as connection:
            tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            kept = sorted(name for name in tables if not name.startswith(LOG_TABLES))
            return [(name, connection.execute(f"SELECT * FROM {name}").fetchall()) for name in kept]

    def own(self) -> list[Any]:
        """What the first workspace's sandbox says of itself."""
        paths = ("balance/derive/cust_acme?include=deltas", "balance/checkpoints", "balance/customers", "sandbox/clock")
        shown = [self.send("GET", f"/api/v1/{path}", self.keys["own"]).json()["data"] for path in paths]
        shown[-1].pop("now")
        return [*shown, self.send("GET", "/dashboard/webhooks", self.keys["own"]).json()["data"]]
