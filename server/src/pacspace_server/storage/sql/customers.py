"""Customers: lists, profiles, and counts over a month."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from ..model.protocols import Vanished
from ..model.records import Customer, Key, Profile, delta_count
from ..model.sharing import Link
from ..model.surveys import CustomerList, CustomerRow
from .statements import Statements, Values


class _Sort(NamedTuple):
    """An order: a row's sort value, the ORDER BY, and a condition for rows after a place."""

    place: str
    order: str
    further: str


_SORTS = {
    "id": _Sort("c.customer_id", "c.customer_id", "c.customer_id > ?"),
    "name": _Sort("$name", "place, c.customer_id", "($name, c.customer_id) > (?, ?)"),
    "recent": _Sort(
        "c.last_recorded_at",
        "c.last_recorded_at DESC, c.customer_id",
        "(-c.last_recorded_at, c.customer_id) > (-CAST(? AS bigint), ?)",
    ),
}
_ALL = "customer c LEFT JOIN profile n ON n.$customer = c.$own"
# Cuts the page first, then looks up the shown columns for its rows alone.
_SHOWN = (
    "SELECT $customer_columns, n.display_name, n.sharing_hint, n.event_cadence, n.seal, "
    "l.nonce, l.version, l.policy, l.seal, "
    "(SELECT min(h.first_recorded_at) FROM period_head h WHERE h.$customer = c.$own), "
    "(SELECT max(h.last_recorded_at) FROM period_head h WHERE h.$customer = c.$own), $latest_checkpoint, c.place"
)
_OF_THEM = "LEFT JOIN profile n ON n.$customer = c.$own LEFT JOIN link l ON l.$customer = c.$own"


class CustomerReads(Statements):
    """Queries on customers."""

    def customer(self, environment_id: int, shard_key: bytes) -> Customer | None:
        customer = self.customer_by_shard(shard_key)
        return customer if customer and customer.environment_id == environment_id else None

    def customer_by_shard(self, shard_key: bytes) -> Customer | None:
        row = self._one("SELECT $customer_columns FROM customer c WHERE c.shard_key = ?", (shard_key,))
        return self._customer_of(row) if row else None

    def customer_at(self, customer: Key) -> Customer:
        row = self._one("SELECT $customer_columns FROM customer c WHERE c.$own = ?", (customer,))
        if row is None:
            raise Vanished("the sandbox was emptied meanwhile")
        return self._customer_of(row)

    def customers(self, environment_id: int, search: str | None, after: str, limit: int, offset: int) -> list[Customer]:
        page, values = self._page(CustomerList(environment_id, search, "id", [after], limit, offset))
        rows = self._all(f"SELECT $customer_columns FROM {page} ORDER BY c.customer_id", values)
        return list(map(self._customer_of, rows))

    def customers_at(self, customers: Sequence[Key]) -> dict[Key, Customer]:
        rows = self._all(
            "SELECT $customer_columns FROM customer c WHERE c.$own $among", (self.dialect.keys(customers),)
        )
        return {found.id: found for found in map(self._customer_of, rows)}

    def count_customers(self, environment_id: int, search: str | None) -> int:
        found, values = self._searched(search)
        row = self._one(f"SELECT count(*) FROM {_ALL} WHERE c.environment_id = ?{found}", (environment_id, *values))
        return int(row[0])

    def customer_rows(self, wanted: CustomerList, first: str, last: str) -> list[CustomerRow]:
        page, values = self._page(wanted)
        return self._shown(page, _SORTS[wanted.sort].order, values, first, last)

    def customer_row(self, customer: Customer, first: str, last: str) -> CustomerRow:
        page = "(SELECT c.*, c.customer_id AS place FROM customer c WHERE c.$own = ?) AS c"
        rows = self._shown(page, "c.customer_id", (customer.id,), first, last)
        if not rows:
            raise Vanished("the sandbox was emptied meanwhile")
        return rows[0]

    def _page(self, wanted: CustomerList) -> tuple[str, Values]:
        sort = _SORTS[wanted.sort]
        found, values = self._searched(wanted.search)
        further = f" AND {sort.further}" if wanted.after else ""
        page = (
            f"(SELECT c.*, {sort.place} AS place FROM {_ALL} WHERE c.environment_id = ?{found}{further} "
            f"ORDER BY {sort.order} LIMIT ? OFFSET ?) AS c"
        )
        after = [self.dialect.plain(part) if isinstance(part, str) else part for part in wanted.after]
        return page, (wanted.environment_id, *values, *after, wanted.limit, wanted.offset)

    def _searched(self, search: str | None) -> tuple[str, Values]:
        """A condition on customers: a part of the customerId or display name, regardless of case."""
        if search is None:
            return "", ()
        text = self.dialect.plain(search)
        return " AND ($instr(lower(c.customer_id), lower(?)) > 0 OR $instr($folded_name, ?) > 0)", (
            text,
            text.casefold(),
        )

    def _shown(self, page: str, order: str, values: Values, first: str, last: str) -> list[CustomerRow]:
        """The rows of a page, each with its sums of the months from first to last."""
        rows = self._all(f"{_SHOWN} FROM {page} {_OF_THEM} ORDER BY {order}", values)
        shown = {row.customer.id: row for row in map(self._row_of, rows)}
        months = self._all(
            "SELECT h.$customer, h.total, h.size, h.root IS NOT NULL FROM $each CROSS JOIN period_head h "
            "WHERE h.$customer = n.value AND h.period BETWEEN ? AND ?",
            (self.dialect.keys(list(shown)), first, last),
        )
        for key, total, size, is_closed in months:
            shown[key].total += self.dialect.units(total)
            shown[key].deltas += delta_count(size, bool(is_closed))
        return list(shown.values())

    def _row_of(self, row: Any) -> CustomerRow:
        (
            *columns,
            name,
            hint,
            cadence,
            seal,
            nonce,
            version,
            policy,
            link_seal,
            started,
            latest,
            checkpoint_id,
            place,
        ) = row
        customer = self._customer_of(columns)
        profile = self._sound(Profile(customer.id, name, hint, cadence, seal)) if name is not None else None
        if nonce is not None:
            self._sound(Link(customer.id, nonce, version, policy, link_seal))
        return CustomerRow(customer, profile, policy, started, latest, checkpoint_id, place)

    def profile(self, customer: Customer) -> Profile | None:
        row = self._one(
            "SELECT $customer, display_name, sharing_hint, event_cadence, seal FROM profile WHERE $customer = ?",
            (customer.id,),
        )
        return self._sound(Profile(*row)) if row else None

    def count_active(self, environment_id: int, period: str) -> tuple[int, int]:
        # The opening and the closing leaf are not deltas.
        row = self._one(
            "SELECT count(*), CAST(coalesce(sum(h.size - CASE WHEN h.root IS NULL THEN 1 ELSE 2 END), 0) AS bigint) "
            "FROM period_head h JOIN customer c ON c.$own = h.$customer "
            "WHERE h.period = ? AND c.environment_id = ? AND h.first_recorded_at IS NOT NULL",
            (period, environment_id),
        )
        return row[0], row[1]

    def missing_sequences(self, customer: Customer, first: int, last: int) -> Iterator[tuple[int, int]]:
        # Both ends count as present, so that a gap at either end has neighbours too.
        yield from self._all(
            "SELECT before + 1, sequence - 1 FROM (SELECT sequence, lag(sequence) OVER (ORDER BY sequence) "
            "AS before FROM ("
            "SELECT sequence FROM delta WHERE $customer = ? AND sequence BETWEEN ? AND ? "
            "UNION ALL SELECT CAST(? AS bigint) UNION ALL SELECT CAST(? AS bigint)) AS there) AS pairs "
            "WHERE sequence > before + 1",
            (customer.id, first, last, first - 1, last + 1),
        )


class CustomerWrites(CustomerReads):
    """Writes profiles."""

    def erase_profile(self, customer: Customer) -> None:
        self._run("DELETE FROM profile WHERE $customer = ?", customer.id)
