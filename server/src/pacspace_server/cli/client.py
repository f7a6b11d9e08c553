"""The few HTTP calls that client commands make."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any

from .. import config as settings
from ..service.errors import ServiceError

TIMEOUT_S = 30


class Client:
    """One server and one key."""

    def __init__(self, base_url: str, api_key: str) -> None:
        self.base_url, self.api_key = base_url, api_key

    @classmethod
    def from_settings(cls, values: Mapping[str, settings.Value]) -> Client:
        if not values["api_key"].text:
            raise settings.ConfigError("no API key: give --key or set PACSPACE_API_KEY")
        return cls(settings.http_url("base_url", values["base_url"]), values["api_key"].text)

    def post(self, path: str, body: dict[str, Any]) -> Any:
        return self._data("POST", path, json.dumps(body).encode())

    def get(self, path: str) -> Any:
        return self._data("GET", path, None)

    def _data(self, method: str, path: str, body: bytes | None) -> Any:
        return json.loads(self.fetch(method, path, body))["data"]

    def fetch(self, method: str, path: str, body: bytes | None = None) -> bytes:
        """The reply's bytes. Raises ServiceError with the server's words, or when it can't be reached."""
        headers = {"Content-Type": "application/json", "X-Api-Key": self.api_key}
        request = urllib.request.Request(self.base_url + path, body, headers, method=method)  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_S) as reply:  # noqa: S310
                return bytes(reply.read())
        except urllib.error.HTTPError as error:
            try:
                stated = json.loads(error.read())
            except ValueError:
                stated = {"message": f"HTTP {error.code}"}
            raise ServiceError(error.code, None, f"{self.base_url}: {stated.get('message')}") from error
        except urllib.error.URLError as error:
            raise ServiceError(503, None, f"{self.base_url} can't be reached: {error.reason}") from error
