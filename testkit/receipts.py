"""Receipt files: saved, judged by pacspace_proofs, and read."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

from pacspace_proofs import Report, Trust, parse_verifier_key, verify_receipts

from .server import Client


def log_key(client: Client, origin: str) -> str:
    """The verifier key that the server publishes for a log."""
    reply = client.get(f"/log/{origin.rpartition('/')[2]}/key")
    assert reply.status == 200, reply.body
    return reply.body.decode().strip()


def origin_of(bundle: bytes) -> str:
    return str(json.loads(bundle)["head"]["origin"])


def judge(client: Client, *bundles: bytes) -> Report:
    """The verdict of pacspace_proofs, trusting the log's published key."""
    keys = {origin_of(bundle): log_key(client, origin_of(bundle)) for bundle in bundles}
    trust = Trust(tuple((parse_verifier_key(key), None) for key in keys.values()))
    return verify_receipts(list(bundles), trust, 0)


def accept(client: Client, result: str, *bundles: bytes) -> list[dict[str, Any]]:
    """The facts of bundles that must all be verified with this result, alone and together."""
    report = judge(client, *bundles)
    failed = [
        check for file in report.files for month in file.months for check in month.checks if check.status == "failed"
    ]
    failed += [check for one in report.sets for check in one.checks if check.status == "failed"]
    assert not failed and report.result == result, (report.result, failed)
    return [month.facts for file in report.files for month in file.months]


def set_checks(client: Client, *bundles: bytes) -> dict[int, str]:
    """How the checks over several files went, by number."""
    (one,) = judge(client, *bundles).sets
    return {check.number: check.status for check in one.checks}


def leaves_of(bundle: bytes, kind: str) -> list[dict[str, Any]]:
    """The leaves of a schema such as `delta`."""
    schema = f"pacspace.{kind}.v1"
    return [item["leaf"] for item in json.loads(bundle)["leaves"] if item["leaf"]["schema"] == schema]


def total_of(facts: dict[str, Any]) -> Decimal:
    return Decimal(facts["total"])


def save(folder: Path, name: str, bundle: bytes) -> Path:
    path = folder / name
    path.write_bytes(bundle)
    return path
