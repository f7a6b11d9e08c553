"""fsck finds every changed byte of the record, and public verification says no to a changed row."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import apsw
import pytest
from book import SANDBOX, Book

from pacspace_server.service import fsck as fsck_room
from pacspace_server.service.fsck import fsck
from pacspace_server.service.verify import recompute

RECORD_TABLES = (
    "delta", "period_head", "day_total", "checkpoint", "proof_root", "idempotency", "log_entry", "log_checkpoint",
    "closed_slot", "customer",
)  # fmt: skip
# What no other row or key can confirm: when a customer or a log checkpoint first came to be.
# A month that is wrongly frozen is thawed by a clean fsck: that is how freezing ends.
UNCONFIRMED = {("customer", "created_at"), ("log_checkpoint", "published_at"), ("period_head", "frozen")}


def changed(value: Any) -> Any:
    """The value with its last bit flipped."""
    if isinstance(value, bytes):
        return value[:-1] + bytes([value[-1] ^ 1]) if value else b"\x01"
    if isinstance(value, int):
        return value ^ 1
    flipped = value.encode()[:-1] + bytes([value.encode()[-1] ^ 1])
    return flipped.decode()


def columns_of(connection: apsw.Connection) -> list[tuple[str, str]]:
    return [
        (table, row[1])
        for table in RECORD_TABLES
        for row in connection.execute(f"PRAGMA table_info({table})")
        if (table, row[1]) not in UNCONFIRMED
    ]


def test_a_sound_record_is_clean(story: Book) -> None:
    """fsck reports nothing on a record that nobody touched, and says how much it looked at."""
    findings = fsck(story.storage, story.signer)
    assert findings.problems == []
    assert (findings.customers, findings.deltas) == (2, 7)
    assert findings.log_entries >= 4
    assert findings.log_checkpoints >= 3


def test_a_log_that_grows_meanwhile_is_no_difference(story: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is recorded, integrated and signed after fsck took its snapshot is not held against the record."""
    run = fsck_room._Checker.run

    def later(*arguments: Any) -> None:
        story.emit("cust_b", -1_000_000_000)
        story.integrate()
        run(*arguments)

    monkeypatch.setattr(fsck_room._Checker, "run", later)
    assert fsck(story.storage, story.signer).problems == []


def test_every_changed_value_of_every_record_row_is_found(story: Book) -> None:
    """Whatever column of whatever row of the record is changed by one bit, fsck reports it."""
    tamper = apsw.Connection(str(story.path))
    unseen = []
    for table, column in columns_of(tamper):
        key = KEYS[table]
        rows = tamper.execute(f"SELECT {key}, {column} FROM {table} WHERE {column} IS NOT NULL").fetchall()
        for row in rows:
            identity, value = row[:-1], row[-1]
            where = " AND ".join(f"{name} IS ?" for name in key.split(", "))
            tamper.execute("BEGIN")
            try:
                tamper.execute(f"UPDATE {table} SET {column} = ? WHERE {where}", (changed(value), *identity))
            except apsw.ConstraintError:
                tamper.execute("ROLLBACK")
                continue
            tamper.execute("COMMIT")
            if not fsck(story.storage, story.signer).problems:
                unseen.append((table, column, identity))
            if column in key.split(", "):
                moved = tuple(changed(v) if n == column else v for n, v in zip(key.split(", "), identity, strict=True))
            else:
                moved = identity
            tamper.execute(f"UPDATE {table} SET {column} = ? WHERE {where}", (value, *moved))
    tamper.close()
    assert unseen == [], unseen
    assert fsck(story.storage, story.signer).problems == []


KEYS = {
    "day_total": "customer, day",
    "proof_root": "root",
    "idempotency": "key_hash",
    "log_entry": "log_id, entry_index",
    "log_checkpoint": "log_id, size",
    "closed_slot": "log_id, slot",
    # Their integer primary key is the row number itself.
    "delta": "id", "period_head": "id", "checkpoint": "id", "customer": "id",
}  # fmt: skip


@pytest.mark.parametrize("table", ["delta", "period_head", "day_total", "checkpoint", "log_entry", "log_checkpoint"])
def test_a_removed_row_is_found(story: Book, table: str) -> None:
    """Removing the newest row of a record table is found as well as changing one."""
    tamper = apsw.Connection(str(story.path))
    order = "rowid" if table in ("delta", "period_head", "checkpoint") else KEYS[table]
    names = order.split(", ")
    last = tamper.execute(f"SELECT {order} FROM {table} ORDER BY {', '.join(f'{n} DESC' for n in names)}").fetchone()
    assert last is not None
    tamper.execute(f"DELETE FROM {table} WHERE {' AND '.join(f'{n} = ?' for n in names)}", last)
    tamper.close()
    assert fsck(story.storage, story.signer).problems


def test_a_torn_file_is_found(story: Book, tmp_path: Path) -> None:
    """A page of the file that was overwritten is reported, not a traceback."""
    story.storage.close()
    plain = apsw.Connection(str(story.path))
    page = plain.execute("SELECT rootpage FROM sqlite_master WHERE name = 'delta_sequence'").fetchone()[0]
    plain.close()
    data = bytearray(story.path.read_bytes())
    data[(page - 1) * 4096 + 2048 : page * 4096] = bytes(2048)
    story.path.write_bytes(data)
    reopened = Book(tmp_path)
    story.storage = reopened.storage
    assert fsck(reopened.storage, reopened.signer).problems


def test_a_changed_row_is_not_verified(story: Book) -> None:
    """Public verification of a locked month says no after any column of one of its deltas, or of its lock, was changed."""
    context: Any = SimpleNamespace(storage=story.storage, signer=story.signer)
    with story.storage.snapshot() as snapshot:
        customer = snapshot.customer(SANDBOX, story.shard("cust_a"))
        assert customer is not None
        checkpoint = snapshot.lock_at_or_after(customer, "2026-01")
    assert all(step.ok for step in recompute(context, checkpoint, "both"))
    tamper = apsw.Connection(str(story.path))
    unseen = []
    columns = [
        row[1] for row in tamper.execute("PRAGMA table_info(delta)") if row[1] not in ("id", "customer", "period_id")
    ]
    rows = [("delta", column, 1) for column in columns] + [("period_head", name, 1) for name in ("opening", "closing")]
    for table, column, identity in rows:
        value = tamper.execute(f"SELECT {column} FROM {table} WHERE id = ?", (identity,)).fetchone()[0]
        if value is None:
            continue
        tamper.execute(f"UPDATE {table} SET {column} = ? WHERE id = ?", (changed(value), identity))
        if all(step.ok for step in recompute(context, checkpoint, "both")):
            unseen.append((table, column))
        tamper.execute(f"UPDATE {table} SET {column} = ? WHERE id = ?", (value, identity))
    tamper.close()
    assert unseen == []
    assert all(step.ok for step in recompute(context, checkpoint, "both"))
