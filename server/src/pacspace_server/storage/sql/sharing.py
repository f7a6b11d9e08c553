"""Links, codes, remarks and visits."""

from __future__ import annotations

from typing import Any

from ..model.records import Customer, Key
from ..model.sealing import link_seal
from ..model.sharing import Link, Note, Visit
from .statements import Statements

NOTE = "$customer, at, id, by_vendor, author, period, record_id, text"
VISIT = "$customer, at, visitor, kind, last_at, times, address, agent"


def _note_of(customer: Key, at: int, note_id: bytes, by_vendor: int, *said: Any) -> Note:
    return Note(customer, at, note_id, bool(by_vendor), *said)


class SharingReads(Statements):
    """Queries on links, remarks and visits."""

    def link(self, customer: Customer) -> Link | None:
        row = self._one("SELECT $customer, nonce, version, policy, seal FROM link WHERE $customer = ?", (customer.id,))
        return self._sound(Link(*row)) if row else None

    def notes(self, customer: Customer, limit: int, offset: int) -> list[Note]:
        rows = self._all(
            f"SELECT {NOTE} FROM note WHERE $customer = ? ORDER BY at DESC, id DESC LIMIT ? OFFSET ?",
            (customer.id, limit, offset),
        )
        return [_note_of(*row) for row in rows]

    def count_notes(self, customer: Customer, since: int) -> tuple[int, int]:
        row = self._one(
            "SELECT count(*), count(*) FILTER (WHERE at >= ? AND NOT by_vendor) FROM note WHERE $customer = ?",
            (since, customer.id),
        )
        return row[0], row[1]

    def visits(self, customer: Customer, limit: int, offset: int) -> list[Visit]:
        rows = self._all(
            f"SELECT {VISIT} FROM visit WHERE $customer = ? ORDER BY at DESC, visitor, kind LIMIT ? OFFSET ?",
            (customer.id, limit, offset),
        )
        return [Visit(*row) for row in rows]

    def count_visits(self, customer: Customer, since: int) -> int:
        row = self._one("SELECT count(*) FROM visit WHERE $customer = ? AND at >= ?", (customer.id, since))
        return int(row[0])

    def latest_visit(self, customer: Customer, visitor: bytes, kind: str, since: int) -> Visit | None:
        row = self._one(
            f"SELECT {VISIT} FROM visit WHERE $customer = ? AND at >= ? AND visitor = ? AND kind = ? "
            "ORDER BY at DESC LIMIT 1",
            (customer.id, since, visitor, kind),
        )
        return Visit(*row) if row else None


class SharingWrites(SharingReads):
    """Writes links, remarks and visits."""

    def set_link(self, customer: Customer, link: Link) -> None:
        self._run(
            "INSERT INTO link VALUES (?, ?, ?, ?, ?) ON CONFLICT ($customer) DO UPDATE SET nonce = excluded.nonce, "
            "version = excluded.version, policy = excluded.policy, seal = excluded.seal",
            customer.id,
            link.nonce,
            link.version,
            link.policy,
            link_seal(self.secret, link),
        )

    def add_note(self, customer: Customer, note: Note) -> None:
        self._run(
            f"INSERT INTO note ({NOTE}) VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT ($customer, at, id) DO NOTHING",
            customer.id, note.at, note.id, note.by_vendor, note.author, note.period, note.record_id, note.text,
        )  # fmt: skip

    def set_visit(self, customer: Customer, visit: Visit) -> None:
        self._run(
            f"INSERT INTO visit ({VISIT}) VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT ($customer, at, visitor, kind) "
            "DO UPDATE SET last_at = excluded.last_at, times = excluded.times",
            customer.id, visit.at, visit.visitor, visit.kind, visit.last_at, visit.times, visit.address, visit.agent,
        )  # fmt: skip

    def erase_notes(self, customer: Customer) -> int:
        (count,) = self._one("SELECT count(*) FROM note WHERE $customer = ? AND text <> ''", (customer.id,))
        self._run("UPDATE note SET text = '', author = NULL WHERE $customer = ?", customer.id)
        return int(count)

    def erase_visits(self, customer: Customer, limit: int) -> int:
        rows = self._all("SELECT at FROM visit WHERE $customer = ? ORDER BY at LIMIT ?", (customer.id, limit))
        if rows:
            self._run("DELETE FROM visit WHERE $customer = ? AND at <= ?", customer.id, rows[-1][0])
        return len(rows)
