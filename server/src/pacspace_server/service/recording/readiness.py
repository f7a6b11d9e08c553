"""Readiness: whether this process can record and the log keeps up. A real write tests it, at most once a second."""

from __future__ import annotations

import asyncio
import time

from ...storage.model.protocols import Damaged, InDoubt, Unavailable, Unit
from ...storage.model.records import Log
from ...storage.writing.committer import MAX_WAITING, NotWritten
from ...views.public import Ready
from ..base.context import Context

ANSWER_S, KEPT_S, FRESH_S = 2.0, 1.0, 10.0
OK = "ok"


class Readiness:
    """Each check returns `ok` or the problem in words."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self.shutting_down = False
        self.logs: dict[str, int] = {}  # published size by origin, at the last probe
        self._probe: asyncio.Task[str] | None = None
        self._probed_s = 0.0

    async def checks(self, for_verify: bool) -> dict[str, str]:
        """The checks for recording; `for_verify` adds those for verification."""
        database = await self._database()
        found = {"shutdown": self._shutdown(), "queue": self._queue(), "database": database}
        if for_verify:
            found |= {"integrator": self._integrator(), "log": self._log(), "signing": self._signing()}
        return found

    def _shutdown(self) -> str:
        return "the server is shutting down" if self.shutting_down else OK

    def _queue(self) -> str:
        full = self._context.committer.waiting >= MAX_WAITING
        return f"{MAX_WAITING} deltas are waiting to be written; the server accepts no more" if full else OK

    async def _database(self) -> str:
        """One probe for all requests, reused for a second."""
        probe = self._probe
        if probe is None or (probe.done() and time.monotonic() - self._probed_s >= KEPT_S):
            probe = self._probe = asyncio.create_task(self._ask())
        return await asyncio.shield(probe)

    async def _ask(self) -> str:
        """Makes a no-op write in the normal queue, durably."""
        try:
            logs = await asyncio.wait_for(self._context.committer.run(_touch), ANSWER_S)
        except TimeoutError:
            return f"the database did not accept a write within {ANSWER_S:.0f} s"
        except (NotWritten, Unavailable, InDoubt, Damaged) as error:
            return f"the database does not accept writes: {error}"
        finally:
            self._probed_s = time.monotonic()
        self.logs = {log.origin: log.published_size for log in logs}
        return OK

    def _integrator(self) -> str:
        late_s = time.monotonic() - self._context.integrator.looked_s
        return OK if late_s <= FRESH_S else f"its last check for new deltas was {late_s:.0f} s ago"

    def _log(self) -> str:
        now_s = time.monotonic()
        waited = [(log.unverified_s(now_s), log.origin) for log in self._context.integrator.watched.values()]
        return "; ".join(f"{origin}: deltas have waited {s:.0f} s" for s, origin in waited if s > FRESH_S) or OK

    @property
    def unsigned(self) -> list[str]:
        """Why signing is stopped, and what to do about it."""
        return list(self._context.integrator.refusals.values())

    def _signing(self) -> str:
        return "; ".join(f"signing is stopped: {reason}" for reason in self.unsigned) or OK


def _touch(unit: Unit) -> list[Log]:
    unit.touch()
    return [unit.log(environment.log_id) for environment in unit.environments()]


def problems(checks: dict[str, str]) -> str:
    """The problems, in one line; empty if there are none."""
    return "; ".join(f"{name}: {result}" for name, result in checks.items() if result != OK)


def ready_view(readiness: Readiness, checks: dict[str, str]) -> Ready:
    return {"status": "ready", "checks": checks, "logs": readiness.logs, "unsigned": readiness.unsigned}
