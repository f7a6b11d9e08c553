"""Every page there is, with an address that shows something on the stage. The route tables are the lists."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .stage import DISPUTED, Stage

OFFICE, CUSTOMER, NOBODY = "office", "customer", "nobody"
SHARED = ("", "/activity", "/periods", "/compare", "/notes")


@dataclass(frozen=True)
class Place:
    """A page, and as whom it is opened."""

    name: str
    path: str
    visitor: str = NOBODY
    status: int = 200


def places(stage: Stage) -> list[Place]:
    return [*_office(stage), *_customers(stage), *_everybody(stage)]


def _office(stage: Stage) -> Iterator[Place]:
    at = f"/app/customers/{DISPUTED}"
    for name, path in {
        "overview": "/app", "customers": "/app/customers", "customer-new": "/app/customers/new",
        "customer": f"{at}?period=2026-02", "customer-running": "/app/customers/cust_cedar", "receipts": f"{at}/receipts",
        "correct": f"{at}/correct?record={stage.record['recordId']}", "lock": f"{at}/lock?period=2026-03",
        "job": stage.job, "close": "/app/close", "close-running": "/app/close?period=2026-03", "checkpoints": "/app/checkpoints",
        "compare": f"/app/compare?customer={DISPUTED}&period=2026-02", "keys": "/app/keys", "clock": "/app/clock",
        "audit": "/app/audit", "users": "/app/users", "settings": "/app/settings", "password": "/app/password",
    }.items():  # fmt: skip
        yield Place(name, path, OFFICE)
    yield Place("nowhere", "/app/nowhere", OFFICE, 404)


def _customers(stage: Stage) -> Iterator[Place]:
    record = f"/c/{stage.handle}"
    for part in SHARED:
        name = part.strip("/") or "record"
        yield Place(f"shared-{name}", f"{record}{part}?period=2026-02", CUSTOMER)
    yield Place("shared-link", f"{record}?period=2026-02")
    yield Place("shared-gate", f"{record}/activity")
    yield Place("shared-nowhere", "/c/cus_nobody", status=404)


def _everybody(stage: Stage) -> Iterator[Place]:
    receipt: Any = stage.receipt
    for name, path in {
        "front": "/", "interface": "/docs", "how-to-check": "/verify", "proof": f"/verify/{receipt['proofRoot']}",
        "proof-of-a-record": f"/verify/{stage.record['receiptId']}", "receipt": f"/receipt/{receipt['receiptId']}",
        "log-in": "/app/login", "choose-password": stage.invitation,
    }.items():  # fmt: skip
        yield Place(name, path)
    yield Place("setup-again", "/app/setup?token=old", status=404)
    yield Place("unknown-proof", "/verify/0x" + "0" * 64, status=404)
