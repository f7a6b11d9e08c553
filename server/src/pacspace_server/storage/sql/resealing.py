"""Seals for the rows of an earlier version, which had none or seals that covered less."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..model import sealing
from ..model.records import Customer, DayTotal, PeriodHead
from .shared import SharedWrites

_ALL_DAYS = 2**40


class Resealing(SharedWrites):
    """One write transaction, just after a migration."""

    checks = False

    if TYPE_CHECKING:  # each engine's audit has these

        def all_customers(self, environment_id: int) -> Iterator[Customer]: ...
        def log_checkpoints(self, log_id: int) -> Iterator[tuple[int, bytes, str, int, int | None, bytes | None]]: ...
        def heads(self, customer: Customer, first: str, last: str) -> list[PeriodHead]: ...
        def days(self, customer: Customer, first_day: int, end_day: int) -> list[DayTotal]: ...

    def seal_all(self) -> None:
        """Seals each row as it is."""
        for workspace in self.workspaces():
            self.set_workspace(workspace)
        for environment in self.environments():
            self._change_environment(environment.id)
            for log in self.logs(environment.id):
                self._change_log(log.id)
                for size, root, note, at, previous, _ in list(self.log_checkpoints(log.id)):
                    seal = sealing.log_checkpoint_seal(self.secret, log.id, size, root, note, at, previous)
                    self._run("UPDATE log_checkpoint SET seal = ? WHERE log_id = ? AND size = ?", seal, log.id, size)
            for customer in list(self.all_customers(environment.id)):
                self._seal_customer(customer)

    def _seal_customer(self, customer: Customer) -> None:
        seal = sealing.customer_seal(self.secret, customer)
        self._run("UPDATE customer SET seal = ? WHERE $own = ?", seal, customer.id)
        for head in self.heads(customer, "", "~"):
            month = customer.id, head.period
            seal = sealing.head_seal(self.secret, head)
            self._run("UPDATE period_head SET state_seal = ? WHERE $customer = ? AND period = ?", seal, *month)
            if head.integrated_size:
                seal = sealing.integration_seal(self.secret, head)
                self._run("UPDATE $integrated SET seal = ? WHERE $customer = ? AND period = ?", seal, *month)
        for day in self.days(customer, -_ALL_DAYS, _ALL_DAYS):
            seal = sealing.day_seal(self.secret, day)
            self._run("UPDATE day_total SET seal = ? WHERE $customer = ? AND day = ?", seal, customer.id, day.day)
        if (profile := self.profile(customer)) is not None:
            seal = sealing.profile_seal(self.secret, profile)
            self._run("UPDATE profile SET seal = ? WHERE $customer = ?", seal, customer.id)
        if (link := self.link(customer)) is not None:
            self.set_link(customer, link)
