"""Environments and their clocks."""

from __future__ import annotations

from dataclasses import replace

from ...clock import now_us
from ..model.protocols import Damaged
from ..model.records import Environment
from ..model.sealing import environment_seal
from .statements import Statements, Values


class EnvironmentReads(Statements):
    """Queries on environments."""

    def now(self, environment: Environment) -> int:
        """The ledger clock."""
        return now_us() if environment.clock_at is None else environment.clock_at

    def environment(self, environment_id: int) -> Environment:
        found = self._environments("WHERE e.id = ?", (environment_id,))
        if not found:
            raise Damaged("environment", f"{environment_id} is missing")
        return found[0]

    def environments(self) -> list[Environment]:
        return self._environments("ORDER BY e.id", ())

    def _environments(self, where: str, values: Values) -> list[Environment]:
        rows = self._all(
            "SELECT e.id, e.workspace_id, e.name, e.log_id, l.origin, e.clock_at, l.restored_from, e.seal "
            f"FROM environment e JOIN log l ON l.id = e.log_id {where}",
            values,
        )
        return [self._sound(Environment(*row)) for row in rows]


class EnvironmentWrites(EnvironmentReads):
    """Writes environments."""

    def set_clock(self, environment: Environment, at: int | None) -> None:
        self._change_environment(environment.id, clock_at=at)
        self.was_written = lambda unit: unit.environment(environment.id).clock_at == at

    def _change_environment(self, environment_id: int, **changes: int | None) -> None:
        """Changes columns of a row and seals it. Holds the row: another process may be changing the other columns."""
        row = self._one(
            "SELECT id, workspace_id, name, log_id, '', clock_at, NULL, seal FROM environment WHERE id = ?$for_update",
            (environment_id,),
        )
        changed = replace(self._sound(Environment(*row)), **changes)  # type: ignore[arg-type]  # these two columns
        self._run(
            "UPDATE environment SET log_id = ?, clock_at = ?, seal = ? WHERE id = ?",
            changed.log_id,
            changed.clock_at,
            environment_seal(self.secret, changed),
            changed.id,
        )

    def has_deltas(self, environment: Environment) -> bool:
        sql = "SELECT 1 FROM customer WHERE environment_id = ? AND last_recorded_at > 0 LIMIT 1"
        return self._one(sql, (environment.id,)) is not None
