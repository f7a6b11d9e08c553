"""Somebody who has a customer's link: with or without the code, a cookie, and an address of their own."""

from __future__ import annotations

import http.client
import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode, urlsplit

from .server import Reply, Server


@dataclass
class Vendor:
    """The vendor's side of sharing."""

    server: Server
    key: str

    def call(self, method: str, path: str, body: Any = None) -> Reply:
        headers = {"Authorization": f"Bearer {self.key}"}
        return self.server.public.call(method, path, body, headers)

    def link(self, customer: str) -> Any:
        return self.call("GET", f"/dashboard/customers/{customer}/access-link").data

    def change(self, customer: str, what: str, body: Any = None) -> Any:
        return self.call("POST", f"/dashboard/customers/{customer}/{what}", body or {}).data


@dataclass
class Reader:
    """One browser. It keeps its cookies by path, as browsers do, and comes from one address."""

    server: Server
    handle: str
    address: str = "127.0.0.1"
    cookies: dict[str, str] = field(default_factory=dict)

    @property
    def api(self) -> str:
        return f"/api/v1/c/{self.handle}"

    @property
    def page(self) -> str:
        return f"/c/{self.handle}"

    def send(self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> Reply:
        """One request from this address, held against the document as every other."""
        parts = urlsplit(self.server.url)
        sent = {"User-Agent": "Reader/1", **(headers or {})}
        mine = [cookie for at, cookie in self.cookies.items() if path.partition("?")[0].startswith(at)]
        if mine and "Cookie" not in sent:
            sent["Cookie"] = "; ".join(mine)
        connection = http.client.HTTPConnection(
            parts.hostname or "", parts.port, timeout=60, source_address=(self.address, 0)
        )
        try:
            connection.request(method, path, body, sent)
            reply = connection.getresponse()
            answer = Reply(reply.status, {n.lower(): v for n, v in reply.getheaders()}, reply.read())
        finally:
            connection.close()
        assert self.server.contract is not None
        self.server.contract.check(method, path, answer.status, answer.headers, answer.body)
        if "set-cookie" in answer.headers:
            cookie, *settings = answer.headers["set-cookie"].split("; ")
            assert {"HttpOnly", "SameSite=Lax"} <= set(settings)
            (where,) = (setting.partition("=")[2] for setting in settings if setting.startswith("Path="))
            self.cookies[where] = cookie
        return answer

    def get(self, what: str, **query: Any) -> Reply:
        return self.send("GET", f"{self.api}/{what}" + (f"?{urlencode(query)}" if query else ""))

    def post(self, what: str, body: Any) -> Reply:
        return self.send("POST", f"{self.api}/{what}", json.dumps(body).encode(), {"Content-Type": "application/json"})

    def give(self, code: str) -> Reply:
        return self.post("access/verify", {"factor": "ACCESS_HINT", "value": code})

    def open(self, what: str = "", **query: Any) -> Reply:
        """A page."""
        return self.send("GET", self.page + what + (f"?{urlencode(query)}" if query else ""))

    def fill_in(self, what: str, **values: str) -> Reply:
        """A form of a page."""
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        return self.send("POST", f"{self.page}/{what}", urlencode(values).encode(), kind)
