"""The OpenAPI document for people: groups, routes, rows of fields. The page /docs and docs/reference/ show it."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

Schema = dict[str, Any]

SCHEMAS = "#/components/schemas/"
AUTH = {
    "apiKey": ("X-Api-Key", "X-Api-Key: "),
    "bearer": ("Authorization: Bearer, or a session's cookie", "Authorization: Bearer "),
}
EVERYWHERE = ("X-Request-Id",)  # described once, in the introduction
KEY = "$PACSPACE_API_KEY"
KINDS = {
    "decimal": "exact number", "date-time": "instant", "uri": "URL", "string": "text", "integer": "whole number",
    "boolean": "true or false", "object": "object", "null": "null", "number": "number",
}  # fmt: skip


@dataclass(frozen=True)
class Row:
    """One field. `shapes` are the named types of its value, if it has any."""

    name: str
    kind: str
    says: str
    needed: bool
    shapes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Shape:
    """A named object type."""

    name: str
    says: str
    rows: list[Row]


@dataclass(frozen=True)
class Refusal:
    """One error code of a route; a plain 400 has no code."""

    status: str
    code: str
    says: str


@dataclass(frozen=True)
class Entry:
    """One method on one path."""

    place: str
    method: str
    path: str
    says: str
    needs: str
    parameters: list[tuple[str, list[Row]]]
    body: list[Row]
    statuses: list[str]
    reply: list[Shape]
    media_type: str
    refusals: list[Refusal]
    curl: str


@dataclass(frozen=True)
class Group:
    """A group of routes."""

    name: str
    says: str
    entries: list[Entry] = field(default_factory=list)

    @property
    def place(self) -> str:
        return f"group-{self.name.lower()}"


@dataclass(frozen=True)
class Manual:
    """The whole API."""

    version: str
    about: list[str]
    groups: list[Group]
    shapes: list[Shape]


def read_manual(document: Schema) -> Manual:
    """The manual of this server's OpenAPI document."""
    reader = _Reader(document)
    groups = {tag["name"]: Group(tag["name"], tag["description"]) for tag in document["tags"]}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            groups[operation["tags"][0]].entries.append(reader.entry(method.upper(), path, operation))
    about = document["info"]["description"].strip().split("\n\n")
    return Manual(document["info"]["version"], about, list(groups.values()), reader.named_shapes())


class _Reader:
    """Reads operations, and collects the named types of their fields."""

    def __init__(self, document: Schema) -> None:
        self._document = document
        self._schemas = document["components"]["schemas"]
        self._named: set[str] = set()

    def entry(self, method: str, path: str, operation: Schema) -> Entry:
        content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
        parameters = [self._resolved(parameter) for parameter in operation["parameters"]]
        good = {s: r for s, r in operation["responses"].items() if s in ("200", "201")}
        media_type, body = next(iter(next(iter(good.values()))["content"].items()))
        return Entry(
            place=operation["operationId"],
            method=method,
            path=path,
            says=operation["summary"],
            needs=self._needs(operation),
            parameters=[
                (place, rows) for place in ("path", "query", "header") if (rows := self._in(place, parameters))
            ],
            body=list(self._body_rows(content.get("schema", {}))),
            statuses=list(good),
            reply=list(self._replies(body["schema"])),
            media_type=media_type,
            refusals=list(self._refusals(operation)),
            curl=self._curl(method, path, operation, parameters, content.get("example")),
        )

    def _resolved(self, part: Schema) -> Schema:
        """The target of a reference; other parts unchanged."""
        if "$ref" not in part:
            return part
        _, _, kind, name = part["$ref"].split("/")
        found: Schema = self._document["components"][kind][name]
        return found

    def _needs(self, operation: Schema) -> str:
        for requirement in operation["security"]:
            for scheme, scopes in requirement.items():
                return f"{AUTH[scheme][0]}, scope {', '.join(scopes)}"
        return ""

    def _in(self, place: str, parameters: list[Schema]) -> list[Row]:
        return [
            self._row(p["name"], {"description": p.get("description", ""), **p["schema"]}, p.get("required", False))
            for p in parameters
            if p["in"] == place and p["name"] not in EVERYWHERE
        ]

    def _rows(self, schema: Schema) -> list[Row]:
        needed = schema.get("required", ())
        return [self._row(name, part, name in needed) for name, part in schema.get("properties", {}).items()]

    def _body_rows(self, schema: Schema, prefix: str = "") -> Iterator[Row]:
        """The fields of a request; fields of inner objects have dotted names. null counts as absent."""
        for row in self._rows(schema):
            yield replace(row, name=prefix + row.name, kind=row.kind.removesuffix(" or null"))
            part = schema["properties"][row.name]
            part = next(iter(_parts(part)), part)
            inner, mark = (part["items"], "[].") if part.get("type") == "array" else (part, ".")
            yield from self._body_rows(inner, prefix + row.name + mark)

    def _row(self, name: str, schema: Schema, needed: bool) -> Row:
        kind, shapes = self._kind(schema)
        self._named |= set(shapes)
        says = schema.get("description") or next((p["description"] for p in _parts(schema) if "description" in p), "")
        return Row(name, kind, says, needed, shapes)

    def _kind(self, schema: Schema) -> tuple[str, list[str]]:
        """A value's type in words, and the names of its object types."""
        if "$ref" in schema:
            return "object", [schema["$ref"].removeprefix(SCHEMAS)]
        if parts := _parts(schema):
            kinds = [self._kind(part) for part in parts]
            return " or ".join(dict.fromkeys(kind for kind, _ in kinds)), [name for _, names in kinds for name in names]
        if schema.get("type") == "array":
            kind, shapes = self._kind(schema.get("items", {}))
            return ("list" if shapes or kind == "object" else f"list, each {kind}"), shapes
        return _plain_kind(schema), []

    def _replies(self, schema: Schema) -> Iterator[Shape]:
        """The types of `data`."""
        data = schema.get("properties", {}).get("data", {})
        for part in data.get("oneOf", [data] if data else []):
            name = part["$ref"].removeprefix(SCHEMAS)
            yield self._shape(name)

    def _shape(self, name: str) -> Shape:
        schema = self._schemas[name]
        return Shape(name, schema.get("description", ""), self._rows(schema))

    def named_shapes(self) -> list[Shape]:
        """Every named type that a field refers to."""
        shapes: dict[str, Shape] = {}
        while waiting := sorted(self._named - shapes.keys()):
            shapes |= {name: self._shape(name) for name in waiting}
        return [shapes[name] for name in sorted(shapes)]

    def _refusals(self, operation: Schema) -> Iterator[Refusal]:
        for status, response in operation["responses"].items():
            if status in ("200", "201"):
                continue
            schema = response["content"]["application/json"]["schema"]
            for part in schema.get("oneOf", [schema]):
                shape = self._resolved(part)
                named = shape["properties"]["error"]["properties"]
                yield Refusal(status, named.get("code", {}).get("const", ""), shape["description"])

    def _curl(self, method: str, path: str, operation: Schema, parameters: list[Schema], body: Any) -> str:
        """A curl command for the route."""
        examples = {p["name"]: str(p["example"]) for p in parameters if "example" in p}
        path = re.sub(r"{(\w+)}", lambda match: examples[match[1]], path)
        asked = "&".join(f"{p['name']}={p['example']}" for p in parameters if p["in"] == "query" and p.get("required"))
        url = self._document["servers"][0]["url"] + path + (f"?{asked}" if asked else "")
        lines = [f"curl {'' if method == 'GET' else f'-X {method} '}{shlex.quote(url)}"]
        for asked_for in operation["security"]:
            lines += [f'-H "{AUTH[scheme][1]}{KEY}"' for scheme in asked_for]
        if body is not None:
            lines += [
                "-H 'Content-Type: application/json'",
                f"-d {shlex.quote(json.dumps(body, indent=2 if body else None))}",
            ]
        return " \\\n  ".join(lines)


def _parts(schema: Schema) -> list[Schema]:
    return [*schema.get("anyOf", ()), *schema.get("oneOf", ())]


def _plain_kind(schema: Schema) -> str:
    """A simple value's type, in words."""
    if "const" in schema:
        return json.dumps(schema["const"])
    if "enum" in schema:
        words = [value if isinstance(value, str) else json.dumps(value) for value in schema["enum"]]
        return words[0] if len(words) == 1 else f"one of {', '.join(words)}"
    kind = KINDS.get(schema.get("format", ""), KINDS.get(schema.get("type", ""), "anything"))
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None and high is not None:
        return f"{kind} from {low:,} to {high:,}"
    if "maxLength" in schema:
        return f"{kind}, at most {schema['maxLength']:,} characters"
    return kind
