"""GET /readyz on servers that really can't record."""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from testkit.server import WORKERS, Server


def until_ready(server: Server, wanted: int, query: str = "") -> dict[str, str]:
    """The checks, once /readyz answers with the wanted status."""
    deadline = time.monotonic() + 30
    while (reply := server.public.get(f"/readyz{query}")).status != wanted:
        assert time.monotonic() < deadline, reply.body
        time.sleep(0.1)
    return reply.data["checks"] if wanted == 200 else reply.error["checks"]


def test_a_full_disk_is_not_ready(start_server: Callable[..., Server]) -> None:
    """When the file can't grow, /readyz is a 503 that says so, emits are 503 too and /healthz is not; all by itself it is ready again."""
    server = start_server()
    if not server.database.startswith("sqlite"):
        pytest.skip("the limit is one of the process that writes the file")
    server.client.emit("cust", -1).data
    assert until_ready(server, 200, "?for=verify")["database"] == "ok"
    assert server.process is not None
    before = resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
    found = until_ready(server, 503)
    assert found["database"].startswith("the database does not accept writes: ") and found["queue"] == "ok"
    refused = server.client.emit("cust", -1, referenceId="full")
    assert refused.status == 503 and refused.headers["retry-after"]
    assert server.public.get("/healthz").status == 200
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, before)
    until_ready(server, 200)
    assert server.client.emit("cust", -1, referenceId="full").status == 201
    server.mistakes()  # that the disk was full


def test_a_missing_signing_key_is_not_ready_for_verification(
    start_server: Callable[..., Server], tmp_path: Path
) -> None:
    """Without the keys of its log a server records and says that it does not sign, with the reason, in /readyz and in /metrics."""
    if WORKERS > 1:
        pytest.skip("only the process that signs knows why it does not")
    server = start_server()
    server.client.emit("cust", -1).data
    until_ready(server, 200, "?for=verify")
    assert server.stop() == 0
    for key in server.folder.rglob("*.key"):
        os.rename(key, tmp_path / key.name)
    server.start()
    server.client.emit("cust", -1).data
    found = until_ready(server, 503, "?for=verify")
    assert "signing key" in found["signing"] and found["database"] == "ok"
    assert server.public.get("/readyz").status == 200
    text = server.public.get("/metrics").body.decode()
    assert [
        line for line in text.splitlines() if line.startswith("pacspace_log_signing_refused") and line.endswith(" 1.0")
    ]
    server.mistakes()  # that signing was refused
