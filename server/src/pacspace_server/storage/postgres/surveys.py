"""Queries over a whole environment, in PostgreSQL."""

from __future__ import annotations

from typing import Any

from ..model.records import Checkpoint, Customer
from ..model.surveys import UnitTotal
from ..sql.statements import Statements
from .rows import CHECKPOINT, checkpoint_of, number_of, units_of


class SurveyReads(Statements):
    """Queries over a whole environment."""

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
            "AND c.environment_id = %s AND h.first_recorded_at IS NOT NULL GROUP BY c.unit "
            'ORDER BY c.unit COLLATE "C" NULLS FIRST',
            (period, environment_id),
        )
        return [UnitTotal(unit, units_of(total), customers, deltas) for unit, total, customers, deltas in rows]

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
        return [self._sound(self._read("checkpoint", checkpoint_of, row)) for row in rows]
