"""The OpenAPI document: it is valid, every success it names can be seen, and nothing that is generated from it breaks it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import jsonschema_rs
import pytest
import schemathesis
from hypothesis import Phase, given, seed, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.core.parameters import ParameterLocation
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from .chance import SEED
from .server import BALANCE, Server

# Requests per operation and kind of data; more for a longer look.
EXAMPLES = int(os.environ.get("CONFORMANCE_EXAMPLES", "12"))
CHECKS = [
    not_a_server_error, status_code_conformance, content_type_conformance, response_headers_conformance,
    response_schema_conformance,
]  # fmt: skip


@dataclass
class World:
    """A server with something in it, and who may ask."""

    server: Server
    admin: str
    known: dict[str, str]  # path parameter -> something that is there

    def fill(self) -> None:
        """Anew, since the sandbox may have been emptied or its clock moved."""
        client = self.server.client
        client.post("/api/v1/sandbox/reset", {}).data
        client.clock(now="2026-02-10T12:00:00Z").data
        recorded = client.emit("cust_known", -42.5, referenceId="known").data
        client.emit("cust_known", -1, occurredAt="2026-01-10T12:00:00Z").data
        locked = client.checkpoint("cust_known", period="2026-01").data
        month = client.checkpoint(period="2026-01").data
        origin = client.get(f"{BALANCE}/receipt/cust_known").data["verification"]["logOrigin"]
        self.known = {
            "customerId": "cust_known", "recordId": recorded["recordId"], "receiptId": locked["receiptId"],
            "proofRoot": locked["proofRoot"], "jobId": month["jobId"], "name": origin.rpartition("/")[2], "tile": "0/000",
        }  # fmt: skip


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    server = Server(tmp_path_factory.mktemp("contract")).start("--sandbox-clock", "2026-02-10T12:00:00Z")
    made = World(server, server.new_key("test", "--scopes", "read,write,admin"), {})
    made.fill()
    yield made
    server.close()


def test_the_document_is_valid(world: World) -> None:
    """It is OpenAPI 3.1, each of its schemas is JSON Schema 2020-12, and its operationIds are unique."""
    document = json.loads(world.server.public.get("/openapi.json").body)
    schemathesis.openapi.from_dict(document).validate()
    for name, schema in document["components"]["schemas"].items():
        jsonschema_rs.meta.validate(schema), name
    operations = [operation for methods in document["paths"].values() for operation in methods.values()]
    assert len({operation["operationId"] for operation in operations}) == len(operations) > 30


def headers_of(world: World, operation: Any) -> dict[str, str]:
    """What the operation asks for to say who calls."""
    security = operation.definition.raw["security"]
    if not security:
        return {}
    return (
        {"Authorization": f"Bearer {world.admin}"} if "bearer" in security[0] else {"X-Api-Key": world.server.key or ""}
    )


def checks_of(case: Any) -> list[Any]:
    """Bad data is refused too, where the query or the body is bad. A batch is answered item by item; headers are ours."""
    bad = {location for location, part in case.meta.components.items() if part.mode.is_negative}
    by_item = case.operation.definition.raw["operationId"] == "emitBatch"
    return CHECKS if by_item or not bad or ParameterLocation.HEADER in bad else [*CHECKS, negative_data_rejection]


@pytest.mark.parametrize("known", [False, True], ids=["made-up", "known"])
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["good", "bad"])
def test_generated_requests_get_documented_replies(world: World, mode: GenerationMode, known: bool) -> None:
    """Whatever is generated from the document, good or bad, about what is there or not: no 500, and no reply outside it."""
    world.fill()
    schema = schemathesis.openapi.from_dict(json.loads(world.server.public.get("/openapi.json").body))
    schema.config.update(base_url=world.server.url)
    failures = []
    for result in schema.get_all_operations():
        operation = result.ok()
        names = {parameter.name for parameter in operation.path_parameters}
        if known and not names & world.known.keys():
            continue
        path_parameters = {name: world.known.get(name, "evt_1") for name in names} if known else None
        headers = headers_of(world, operation)

        @seed(SEED)
        @settings(max_examples=EXAMPLES, phases=[Phase.explicit, Phase.generate])
        @given(case=operation.as_strategy(generation_mode=mode, path_parameters=path_parameters))
        def ask(case: Any) -> None:
            response = case.call(headers=headers)
            case.validate_response(response, checks=checks_of(case))

        try:
            ask()
        except Unsatisfiable:  # nothing can be wrong with it
            assert mode.is_negative, operation.label
        except (Exception, FailureGroup) as error:
            failures.append(f"{operation.label}: {error}")
        if operation.path.startswith("/api/v1/sandbox"):
            world.fill()
    assert not failures, "\n\n".join(failures)
