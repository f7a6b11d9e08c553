"""An environment as a whole, on the server."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..model.records import Checkpoint, Customer, Job
from ..model.surveys import UnitTotal
from .reading import Reads
from .rows import (
    CHECKPOINT,
    CUSTOMER,
    JOB,
    checkpoint_of,
    customer_of,
    job_of,
    number_of,
    units_of,
)


def plain(text: str) -> str:
    """Text to look for. None that is stored holds U+0000, which PostgreSQL does not take."""
    return text.replace("\x00", "\ufffd")


def searched(search: str | None) -> tuple[str, tuple[str, ...]]:
    """A condition on customers: a part of the customerId or of the display name, in any case."""
    if search is None:
        return "", ()
    named = "EXISTS (SELECT 1 FROM profile p WHERE p.shard_key = c.shard_key AND position(%s IN p.folded_name) > 0)"
    return f" AND (position(lower(%s) IN lower(c.customer_id)) > 0 OR {named})", (
        plain(search),
        plain(search).casefold(),
    )


class SurveyReads(Reads):
    """Reading it."""

    def posted_by_day(self, environment_id: int, first_day: int, end_day: int) -> list[tuple[int, int]]:
        return self._all(
            "SELECT d.day, sum(d.count)::bigint FROM day_total d JOIN customer c ON c.shard_key = d.shard_key "
            "WHERE d.day >= %s AND d.day < %s AND c.environment_id = %s GROUP BY d.day ORDER BY d.day",
            (first_day, end_day, environment_id),
        )

    def totals_by_unit(self, environment_id: int, period: str) -> list[UnitTotal]:
        rows = self._all(
            "SELECT c.unit, sum(h.total), count(*), sum(h.size - 1 - (h.root IS NOT NULL)::int)::bigint "
            "FROM period_head h JOIN customer c ON c.shard_key = h.shard_key WHERE h.period = %s "
            'AND c.environment_id = %s AND h.first_recorded_at IS NOT NULL GROUP BY c.unit ORDER BY c.unit COLLATE "C" NULLS FIRST',
            (period, environment_id),
        )
        return [UnitTotal(unit, units_of(total), customers, deltas) for unit, total, customers, deltas in rows]

    def customers_after_name(
        self, environment_id: int, search: str | None, after: Sequence[str], limit: int
    ) -> list[tuple[Customer, str]]:
        found, values = searched(search)
        further = (
            ' AND (coalesce(n.folded_name, lower(c.customer_id)) COLLATE "C", c.customer_id) > (%s, %s)'
            if after
            else ""
        )
        rows = self._all(
            f"SELECT {CUSTOMER}, coalesce(n.folded_name, lower(c.customer_id)) FROM customer c "
            f"LEFT JOIN profile n ON n.shard_key = c.shard_key WHERE c.environment_id = %s{found}{further} "
            'ORDER BY coalesce(n.folded_name, lower(c.customer_id)) COLLATE "C", c.customer_id LIMIT %s',
            (environment_id, *values, *map(plain, after), limit),
        )
        return [(customer_of(row[:-1]), row[-1]) for row in rows]

    def customers_after_activity(
        self, environment_id: int, search: str | None, after: Sequence[int | str], limit: int
    ) -> list[Customer]:
        found, values = searched(search)
        further = " AND (-c.last_recorded_at, c.customer_id) > (-%s::bigint, %s)" if after else ""
        rows = self._all(
            f"SELECT {CUSTOMER} FROM customer c WHERE c.environment_id = %s{found}{further} "
            "ORDER BY c.last_recorded_at DESC, c.customer_id LIMIT %s",
            (environment_id, *values, *after, limit),
        )
        return [customer_of(row) for row in rows]

    def checkpoints_after(
        self,
        environment_id: int,
        customer: Customer | None,
        period: str | None,
        last: Checkpoint | None,
        limit: int,
    ) -> list[Checkpoint]:
        where, values = ["k.environment_id = %s"], list[Any]([environment_id])
        if customer is not None:
            where, values = ["k.shard_key = %s"], [customer.id]
        if period is not None:
            where.append("k.period = %s AND k.locked")
            values.append(period)
        if last is not None:
            where.append("(k.created_at, k.shard_key, k.number) < (%s, %s, %s)")
            values += [last.created_at, last.customer, number_of(last.id)]
        rows = self._all(
            f"SELECT {CHECKPOINT} FROM checkpoint k WHERE {' AND '.join(where)} "
            "ORDER BY k.created_at DESC, k.shard_key DESC, k.number DESC LIMIT %s",
            (*values, limit),
        )
        return [checkpoint_of(row) for row in rows]

    def recent_jobs(self, environment_id: int, limit: int) -> list[Job]:
        rows = self._all(
            f"SELECT {JOB} FROM job WHERE environment_id = %s ORDER BY started_at DESC, id LIMIT %s",
            (environment_id, limit),
        )
        return [job_of(row) for row in rows]
