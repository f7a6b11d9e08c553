"""Queries over a whole environment, in SQLite."""

from __future__ import annotations

from itertools import groupby
from typing import Any

from ..model.records import Checkpoint, Customer
from ..model.surveys import UnitTotal
from ..sql.statements import Statements
from .rows import CHECKPOINT, checkpoint_of, total_of


class SurveyReads(Statements):
    """Queries over a whole environment."""

    def posted_by_day(self, environment_id: int, first_day: int, end_day: int) -> list[tuple[int, int]]:
        # Reads days customer by customer: the table has no other order.
        return self._all(
            "SELECT d.day, sum(d.count) FROM customer c CROSS JOIN day_total d ON d.customer = c.id "
            "AND d.day >= ? AND d.day < ? WHERE c.environment_id = ? GROUP BY d.day ORDER BY d.day",
            (first_day, end_day, environment_id),
        )

    def totals_by_unit(self, environment_id: int, period: str) -> list[UnitTotal]:
        # Adds up here: SQL can't add sums of any length exactly.
        rows = self._all(
            "SELECT c.unit, p.total, p.size - 1 - (p.closing IS NOT NULL) FROM period_head p "
            "JOIN customer c ON c.id = p.customer WHERE p.period = ? AND c.environment_id = ? "
            "AND p.first_recorded_at IS NOT NULL ORDER BY c.unit",
            (period, environment_id),
        )
        groups = [(unit, list(group)) for unit, group in groupby(rows, lambda row: row[0])]
        return [
            UnitTotal(unit, sum(total_of(row[1]) for row in group), len(group), sum(row[2] for row in group))
            for unit, group in groups
        ]

    def checkpoints_after(
        self,
        environment_id: int,
        customer: Customer | None,
        period: str | None,
        last: Checkpoint | None,
        limit: int,
    ) -> list[Checkpoint]:
        where, wanted = ["customer IN (SELECT id FROM customer WHERE environment_id = ?)"], list[Any]([environment_id])
        if customer is not None:
            where, wanted = ["customer = ?"], [customer.id]
        if period is not None:
            where.append("period = ? AND locked = 1")
            wanted.append(period)
        if last is not None:
            where.append("id < ?")
            wanted.append(last.id)
        rows = self._all(
            f"SELECT {CHECKPOINT} FROM checkpoint WHERE {' AND '.join(where)} ORDER BY id DESC LIMIT ?",
            (*wanted, limit),
        )
        return [self._sound(self._read("checkpoint", checkpoint_of, row)) for row in rows]
