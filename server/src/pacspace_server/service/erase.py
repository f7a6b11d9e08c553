"""Erasure: contexts and salts go, proofs stay. Amounts, instants, ids and hashes are the record and can't be erased."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import structlog

from ..domain.instants import DAY_US
from ..storage.protocols import Storage, Unit
from ..storage.records import Customer, Environment
from .context import Context

logger = structlog.get_logger("pacspace.retention")
BATCH, BESIDE = 1_000, 200
EVERY_S = 3_600
AFTER_LAST = "~"  # sorts after every month


def erase_customer(
    storage: Storage, customer: Customer, before: str | None, advance: Callable[[int], None] = lambda deltas: None
) -> int:
    """Removes the contexts and salts of one customer's deltas, and without `before` (a month) the display name too.

    Returns how many contexts were removed. Runs beside a server, which writes in the pauses between its small
    transactions; an end half way is no harm.
    """
    removed, after = 0, 0
    while True:

        def work(unit: Unit, start: int = after) -> tuple[int, int | None]:
            return unit.erase_contexts(customer, before or AFTER_LAST, start, BESIDE)

        started = time.monotonic()
        count, reached = storage.write(work)
        time.sleep(time.monotonic() - started)
        removed += count
        if reached is None:
            break
        advance(reached - after)
        after = reached
    if before is None:
        storage.write(lambda unit: unit.erase_profile(customer))
    return removed


async def keep_retention(context: Context, days: int) -> None:
    """Removes contexts older than so many days by the ledger clock, now and every hour, until it is cancelled."""
    while True:
        try:
            with context.storage.snapshot() as snapshot:
                environments = snapshot.environments()
            for environment in environments:
                await _erase_older(context, environment, days)
        except Exception:
            logger.exception("contexts could not be erased; tried again in an hour")
        await asyncio.sleep(EVERY_S)


async def _erase_older(context: Context, environment: Environment, days: int) -> None:
    def work(unit: Unit) -> int:
        return unit.erase_older(environment, unit.now(environment) - days * DAY_US, BATCH)

    removed = 0
    while count := await context.committer.run(work):
        removed += count
    if removed:
        logger.info("erased contexts older than the retention setting", environment=environment.name, deltas=removed)
        if not await asyncio.to_thread(context.storage.scrub):
            logger.warning("the write-ahead log is in use and holds old bytes until the next run")
