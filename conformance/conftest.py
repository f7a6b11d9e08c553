"""Fixtures: real servers in temporary folders, and a seed for everything random."""

from __future__ import annotations

import itertools
import random
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from testkit.chance import SEED
from testkit.server import Client, Server, new_postgres

settings.register_profile(
    "conformance", deadline=None, database=None, print_blob=True, suppress_health_check=list(HealthCheck)
)
settings.load_profile("conformance")


def pytest_report_header(config: pytest.Config) -> str:
    return f"conformance: random parts use the seed {SEED}; CONFORMANCE_SEED={SEED} repeats them"


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> random.Random:
    """A random generator of the test's own; the seed is shown when the test fails."""
    print(f"CONFORMANCE_SEED={SEED}")
    return random.Random(f"{SEED}:{request.node.name}")


@pytest.fixture
def start_server(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Starts servers of the test's own; they end with the test."""
    servers: list[Server] = []

    def start(*options: str) -> Server:
        folder = tmp_path / f"server{len(servers)}"
        folder.mkdir()
        servers.append(Server(folder))
        return servers[-1].start(*options)

    yield start
    for server in servers:
        server.close()


@pytest.fixture
def on_postgres(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Starts servers of the test's own on one new database, with one folder of signing keys."""
    url = new_postgres(tmp_path)
    servers: list[Server] = []

    def start(*options: str) -> Server:
        folder = tmp_path / f"server{len(servers)}"
        folder.mkdir()
        server = Server(folder)
        server.database, server.key = url, servers[0].key if servers else None
        servers.append(server)
        return server.start("--signer-dir", str(tmp_path / "signer"), *options)

    yield start
    for server in servers:
        if server.process is not None:
            server.kill()
        for client in server.clients.values():
            client.close()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that tests share; each uses customers of its own. Its sandbox clock stands in February 2026."""
    shared = Server(tmp_path_factory.mktemp("shared")).start("--sandbox-clock", "2026-02-10T12:00:00Z")
    yield shared
    shared.close()


@pytest.fixture
def client(server: Server) -> Iterator[Client]:
    """The shared server's sandbox key; a test that makes the server log a mistake of its own fails."""
    yield server.client
    assert not (mistakes := server.mistakes()), f"the server logged mistakes of its own: {mistakes[:3]}"


_numbers = itertools.count(1)


@pytest.fixture
def customer(request: pytest.FixtureRequest) -> str:
    """A customerId that no other test uses."""
    return f"cust_{next(_numbers)}_{secrets.token_hex(4)}"
