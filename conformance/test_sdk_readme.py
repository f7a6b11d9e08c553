"""The examples in the client's README run, in the order in which they stand."""

from __future__ import annotations

import asyncio
import json
import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pacspace_proofs.webhook import signed_headers
from pacspace_sdk import PacSpaceError

from .server import Server

README = Path(__file__).parents[1] / "clients" / "python" / "README.md"
SECRET = "whsec_c2VjcmV0IG9mIGEgcmVhZG1l"


def test_its_examples_run(start_server: Callable[..., Server], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Every Python block of the README runs as it stands, against a server whose address is in the environment."""
    server = start_server("--sandbox-clock", "2026-05-27T12:00:00Z")
    monkeypatch.setenv("PACSPACE_API_KEY", server.key or "")
    monkeypatch.setenv("PACSPACE_BASE_URL", server.url)
    monkeypatch.setenv("PACSPACE_WEBHOOK_SECRET", SECRET)
    monkeypatch.chdir(tmp_path)
    raw_body = json.dumps({"event": "delta.verified", "data": {"receiptId": "0xab"}})
    headers = signed_headers([SECRET], "evt_1", int(time.time()), raw_body.encode())
    server.client.emit("cust_readme", 1).data
    known = server.client.receipt("cust_readme").data
    names: dict[str, Any] = {
        "os": os, "asyncio": asyncio, "headers": headers, "raw_body": raw_body, "PacSpaceError": PacSpaceError,
        "verifier_key": known["verification"]["verifierKey"],
    }  # fmt: skip
    blocks = re.findall(r"^```python\n(.*?)^```$", README.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    assert len(blocks) >= 7
    for block in blocks:
        exec(compile(block, str(README), "exec"), names)
    names["pac"].close()
    assert (tmp_path / "usage.journal").exists() and names["flushed"]["accepted"] == 1
    assert names["balance"]["deltaCount"] == 2 and names["report"]["files"][0]["months"][0]["total"] == "-158.5"
