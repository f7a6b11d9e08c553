"""Links, codes, notes, and who looked, on the server."""

from __future__ import annotations

from ..model.records import Customer
from ..model.sharing import Link, Note, Visit
from .reading import Reads

NOTE = "shard_key, at, id, by_vendor, author, period, record_id, text"
VISIT = "shard_key, at, visitor, kind, last_at, times, address, agent"


class SharingReads(Reads):
    """Reading them."""

    def link(self, customer: Customer) -> Link | None:
        row = self._one("SELECT shard_key, nonce, version, policy FROM link WHERE shard_key = %s", (customer.id,))
        return Link(*row) if row else None

    def notes(self, customer: Customer, limit: int, offset: int) -> list[Note]:
        rows = self._all(
            f"SELECT {NOTE} FROM note WHERE shard_key = %s ORDER BY at DESC, id DESC LIMIT %s OFFSET %s",
            (customer.id, limit, offset),
        )
        return [Note(*row) for row in rows]

    def count_notes(self, customer: Customer, since: int) -> tuple[int, int]:
        row = self._one(
            "SELECT count(*), count(*) FILTER (WHERE at >= %s AND NOT by_vendor) FROM note WHERE shard_key = %s",
            (since, customer.id),
        )
        return row[0], row[1]

    def visits(self, customer: Customer, limit: int, offset: int) -> list[Visit]:
        rows = self._all(
            f"SELECT {VISIT} FROM visit WHERE shard_key = %s ORDER BY at DESC, visitor, kind LIMIT %s OFFSET %s",
            (customer.id, limit, offset),
        )
        return [Visit(*row) for row in rows]

    def count_visits(self, customer: Customer, since: int) -> int:
        row = self._one("SELECT count(*) FROM visit WHERE shard_key = %s AND at >= %s", (customer.id, since))
        return int(row[0])

    def latest_visit(self, customer: Customer, visitor: bytes, kind: str, since: int) -> Visit | None:
        row = self._one(
            f"SELECT {VISIT} FROM visit WHERE shard_key = %s AND at >= %s AND visitor = %s AND kind = %s ORDER BY at DESC LIMIT 1",
            (customer.id, since, visitor, kind),
        )
        return Visit(*row) if row else None


class SharingWrites(SharingReads):
    """Writing them, in the unit's transaction."""

    def set_link(self, customer: Customer, link: Link) -> None:
        self.connection.execute(
            "INSERT INTO link VALUES (%s, %s, %s, %s) ON CONFLICT (shard_key) DO UPDATE SET nonce = excluded.nonce, "
            "version = excluded.version, policy = excluded.policy",
            (customer.id, link.nonce, link.version, link.policy),
        )

    def add_note(self, customer: Customer, note: Note) -> None:
        self.connection.execute(
            f"INSERT INTO note ({NOTE}) VALUES (%s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT (shard_key, at, id) DO NOTHING",
            (
                customer.id, note.at, note.id, note.by_vendor, note.author, note.period, note.record_id, note.text,
            ),
        )  # fmt: skip

    def set_visit(self, customer: Customer, visit: Visit) -> None:
        self.connection.execute(
            f"INSERT INTO visit ({VISIT}) VALUES (%s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT (shard_key, at, visitor, kind) "
            "DO UPDATE SET last_at = excluded.last_at, times = excluded.times",
            (
                customer.id, visit.at, visit.visitor, visit.kind, visit.last_at, visit.times, visit.address, visit.agent,
            ),
        )  # fmt: skip

    def erase_notes(self, customer: Customer) -> int:
        (count,) = self._one("SELECT count(*) FROM note WHERE shard_key = %s AND text <> ''", (customer.id,))
        self.connection.execute("UPDATE note SET text = '', author = NULL WHERE shard_key = %s", (customer.id,))
        return int(count)

    def erase_visits(self, customer: Customer, limit: int) -> int:
        rows = self._all("SELECT at FROM visit WHERE shard_key = %s ORDER BY at LIMIT %s", (customer.id, limit))
        if rows:
            self.connection.execute("DELETE FROM visit WHERE shard_key = %s AND at <= %s", (customer.id, rows[-1][0]))
        return len(rows)
