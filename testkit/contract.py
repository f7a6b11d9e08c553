"""The promise of /openapi.json, held against every reply that a test sees."""

from __future__ import annotations

import json
import re
import urllib.request
from typing import Any
from urllib.parse import unquote

import jsonschema_rs

SHOWN_CHARS = 600
PARAMETER = re.compile(r"\\\{(\w+)\\\}")
SPECIAL_HEADERS = ("retry-after", "idempotent-replayed")  # an operation that sends them says so


class Contract:
    """Which operation a request is, and whether its reply is as documented."""

    def __init__(self, document: Any) -> None:
        self.document = document
        self._components = document["components"]
        # What is spelled out goes before what has a parameter, and `{id}.pdf` before `{id}`.
        paths = sorted(document["paths"], key=lambda path: ("{" in path, -len(path), path))
        self._paths = [(self._pattern(path), document["paths"][path]) for path in paths]
        self._validators: dict[str, jsonschema_rs.Validator] = {}

    def _pattern(self, path: str) -> re.Pattern[str]:
        """A path as an expression; a parameter that has a pattern may hold slashes."""
        methods = self.document["paths"][path].values()
        parameters = {p["name"]: p["schema"] for method in methods for p in map(self._resolved, method["parameters"])}

        def expression(match: re.Match[str]) -> str:
            return ".+" if "pattern" in parameters[match[1]] else "[^/]+"

        return re.compile(PARAMETER.sub(expression, re.escape(path)))

    def _resolved(self, part: Any) -> Any:
        """What a reference into the components names; anything else as it is."""
        if "$ref" not in part:
            return part
        _, _, kind, name = part["$ref"].split("/")
        return self._components[kind][name]

    def operation(self, method: str, path: str) -> Any:
        """The documented operation; None where the path, or only its method, is not documented."""
        methods = self._methods(path)
        return methods.get("get" if method == "HEAD" else method.lower()) if methods else None

    def _methods(self, path: str) -> Any:
        plain = unquote(path.partition("?")[0])
        return next((methods for pattern, methods in self._paths if pattern.fullmatch(plain)), None)

    def check(self, method: str, path: str, status: int, headers: dict[str, str], body: bytes) -> None:
        """Fails with an AssertionError when the reply to a documented path is not as documented."""
        if self._methods(path) is None:
            return
        where = f"{method} {path[:200]} -> {status}"
        operation = self.operation(method, path)
        if operation is None:
            assert status == 405 and headers["allow"], f"{where}: a method that is not documented"
            self._check_body(where, {"$ref": "#/components/schemas/MethodNotAllowed"}, body)
            return
        response = operation["responses"].get(str(status))
        assert response is not None, f"{where} is not documented: {body[:SHOWN_CHARS]!r}"
        self._check_headers(where, response, headers)
        media_type = headers.get("content-type", "").partition(";")[0]
        content = response["content"].get(media_type)
        assert content is not None, f"{where}: {media_type} is not documented"
        if media_type == "application/json" and method != "HEAD":
            self._check_body(where, content["schema"], body)

    def _check_headers(self, where: str, response: Any, headers: dict[str, str]) -> None:
        documented = {name.lower(): self._resolved(header) for name, header in response["headers"].items()}
        for name, header in documented.items():
            assert name in headers or not header.get("required"), f"{where}: no {name}"
            if name in headers:
                value = int(headers[name]) if header["schema"].get("type") == "integer" else headers[name]
                jsonschema_rs.validate(header["schema"], value)
        for name in SPECIAL_HEADERS:
            assert name not in headers or name in documented, f"{where}: {name} is not documented"

    def _check_body(self, where: str, schema: Any, body: bytes) -> None:
        key = json.dumps(schema, sort_keys=True)
        if key not in self._validators:
            whole = {**schema, "components": self._components}
            self._validators[key] = jsonschema_rs.validator_for(whole, validate_formats=True)
        try:
            self._validators[key].validate(json.loads(body))
        except jsonschema_rs.ValidationError as error:
            raise AssertionError(f"{where}: {error}\n{body[:SHOWN_CHARS]!r}") from None


_known: dict[str, Contract] = {}


def contract_of(program: str, url: str) -> Contract:
    """What a program's servers promise: the first one is asked, at its address."""
    if program not in _known:
        with urllib.request.urlopen(f"{url}/openapi.json", timeout=60) as reply:
            document = json.load(reply)
        assert document.pop("servers") == [{"url": url}]
        _known[program] = Contract(document)
    return _known[program]
