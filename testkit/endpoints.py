"""Endpoints as tests make and ask them: the dashboard's routes, with a key that may."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import quote

from .server import BALANCE, Client, Reply, Server

WEBHOOKS = "/dashboard/webhooks"


class Dashboard:
    """One admin key on one server."""

    def __init__(self, server: Server, side: str = "test") -> None:
        self.server = server
        self.key = server.new_key(side, "--scopes", "read,write,admin", "--name", "administration")

    @property
    def client(self) -> Client:
        return self.server.with_key(self.key)

    def call(self, method: str, path: str = "", body: Any = None, **query: Any) -> Reply:
        return self.client.call(method, WEBHOOKS + path, body, {"Authorization": f"Bearer {self.key}"}, **query)

    def make(self, url: str, **fields: Any) -> Any:
        """A new endpoint, with its secret."""
        return self.call("POST", "", {"url": url, **fields}).data

    def get(self, endpoint: Any) -> Any:
        return self.call("GET", f"/{endpoint['id']}").data

    def change(self, endpoint: Any, **fields: Any) -> Any:
        return self.call("PATCH", f"/{endpoint['id']}", fields).data

    def deliveries(self, endpoint: Any, status: str | None = None) -> list[Any]:
        """Every delivery of an endpoint, page by page."""
        found: list[Any] = []
        cursor = None
        while True:
            data = self.call("GET", f"/{endpoint['id']}/deliveries", status=status, limit=50, cursor=cursor).data
            found += data["deliveries"]
            cursor = data["pagination"]["nextCursor"]
            if cursor is None:
                return found

    def delivery(self, endpoint: Any, event_id: str) -> Any:
        return self.call("GET", f"/{endpoint['id']}/deliveries/{quote(event_id)}").data

    def wait_for(self, endpoint: Any, status: str, count: int, timeout_s: float = 30) -> list[Any]:
        """The deliveries of an endpoint in a state, once there are so many."""
        deadline = time.monotonic() + timeout_s
        while len(found := self.deliveries(endpoint, status)) < count:
            assert time.monotonic() < deadline, f"{len(found)} of {count} {status}: {self.deliveries(endpoint)}"
            time.sleep(0.1)
        return found

    def wait_for_event(self, endpoint: Any, event_id: str, timeout_s: float = 30) -> None:
        """Until the outcome of an event's delivery is written."""
        deadline = time.monotonic() + timeout_s
        while event_id not in {delivery["eventId"] for delivery in self.deliveries(endpoint)}:
            assert time.monotonic() < deadline, f"{event_id} is not listed"
            time.sleep(0.1)


def sample(server: Server, name: str) -> int:
    """What /metrics says, over all lines that begin with the name."""
    text = server.public.get("/metrics").body.decode()
    return sum(int(float(line.rpartition(" ")[2])) for line in text.splitlines() if line.startswith(name))


def sent_to(server: Server) -> int:
    """How many endpoints the server's process sends to."""
    return sample(server, "pacspace_webhook_endpoints{")


def emits(client: Client, customer: str, count: int, first: int = 0) -> set[str]:
    """Emits so many deltas; their recordIds."""
    deltas = [
        {"customerId": customer, "delta": -1.5, "reason": "usage", "referenceId": f"{customer}_{first + n}"}
        for n in range(count)
    ]
    return {result["recordId"] for result in client.post(f"{BALANCE}/delta/batch", {"deltas": deltas}).data["results"]}
