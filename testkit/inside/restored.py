"""A record that was restored from a copy, while the book it was copied from went on."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from pacspace_server.service.proving.new_log import Renewed, renew
from pacspace_server.storage.model.records import Checkpoint, Customer, Part
from testkit.inside.book import SANDBOX, Book


class Restored:
    """A book as it was when it was copied, under the signing folder of the book that went on."""

    def __init__(self, before: Book, folder: Path, went_on: Any = None) -> None:
        before.integrator.release()
        before.storage.close()
        folder.mkdir()
        copy = before.engine.copy(folder)
        before.storage = before.engine.open()
        before.integrator = type(before.integrator)(before.storage, before.signer, before.storage.write, lambda: None)
        (went_on or went_on_with)(before)
        shutil.copytree(before.folder / "signer", folder / "signer")
        self.before, self.book = before, Book(folder, copy)

    def renew(self) -> Renewed:
        owner = self.book.engine.open_as_owner()
        with owner.snapshot() as snapshot:
            environment = snapshot.environment(SANDBOX)
        try:
            return renew(owner, self.book.signer, environment)
        finally:
            owner.close()


def went_on_with(book: Book) -> None:
    """What the backup does not have: two deltas, and a lock."""
    book.emit("cust_b", -4_000_000_000)
    book.emit("cust_a", -2_000_000_000)
    book.lock("cust_a", "2026-03")
    book.integrate()


def customer_of(book: Book, name: str) -> Customer:
    with book.storage.snapshot() as snapshot:
        customer = snapshot.customer(SANDBOX, book.shard(name))
    assert customer is not None
    return customer


def months(book: Book, name: str) -> dict[str, Any]:
    with book.storage.snapshot() as snapshot:
        return {head.period: head for head in snapshot.heads(customer_of(book, name), "", "~")}


def hand_out(book: Book, name: str, period: str) -> Checkpoint:
    """An interim root of an open month, as a receipt hands it out."""
    head = months(book, name)[period]
    root = head.frontier.root
    made = Checkpoint(
        0, f"chk_{book.shard(name).hex()}{root[:12].hex()}", customer_of(book, name).id, False, period, None, None, root,
        head.delta_count, head.total, 0, 0, head.first_recorded_at, head.last_recorded_at, None, None, 1,
        [Part(period, head.size, root)],
    )  # fmt: skip

    def work(unit: Any) -> Checkpoint:
        unit.customer(SANDBOX, book.shard(name))
        return unit.add_checkpoint(made)

    return book.storage.write(work)
