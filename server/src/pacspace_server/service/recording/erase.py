"""Erasure removes contexts and salts; proofs stay valid. Amounts, instants, ids and hashes can't be erased."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from functools import partial

import structlog

from ...domain.instants import DAY_US
from ...storage.model.protocols import Lease, Storage, Unit
from ...storage.model.records import Customer, Environment
from ..base.context import Context

logger = structlog.get_logger("pacspace.retention")
BATCH, SMALL_BATCH = 1_000, 200  # the small one for a command beside a running server
EVERY_S, RETRY_S = 3_600, 5
AFTER_LAST = "~"  # sorts after every month


def erase_customer(
    storage: Storage, customer: Customer, before: str | None, advance: Callable[[int], None] = lambda deltas: None
) -> int:
    """Removes the contexts and salts of one customer's deltas before a month.

    Without `before` it removes all of them, the display name, the texts of remarks, and the visits. Returns the number
    of removed contexts. It can run beside a server, which writes between the small transactions. After an
    interruption, run it again.
    """
    removed, after = 0, 0
    while True:

        def work(unit: Unit, start: int = after) -> tuple[int, int | None]:
            return unit.erase_contexts(customer, before or AFTER_LAST, start, SMALL_BATCH)

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
        storage.write(lambda unit: unit.erase_notes(customer))
        while storage.write(lambda unit: unit.erase_visits(customer, SMALL_BATCH)):
            pass
    return removed


async def keep_retention(context: Context, days: int) -> None:
    """Removes contexts older than `days` by the ledger clock, now and every hour, until cancelled.

    One process at a time does it, under a lease; the others try again a few seconds later.
    """
    lease = context.storage.lease("retention")
    while True:
        pause_s = EVERY_S
        try:
            if await asyncio.to_thread(lease.hold) is None:
                pause_s = RETRY_S
            else:
                await _erase_everywhere(context, lease, days)
                await asyncio.to_thread(lease.release)
        except Exception:
            logger.exception("contexts could not be erased; next attempt in an hour")
        await asyncio.sleep(pause_s)


async def _erase_everywhere(context: Context, lease: Lease, days: int) -> None:
    for environment in await context.look(lambda snapshot: snapshot.environments()):
        await _erase_older(context, lease, environment, days)


def _erase_part(environment: Environment, days: int, cursor: bytes, unit: Unit) -> tuple[int, bytes | None]:
    return unit.erase_older(environment, unit.now(environment) - days * DAY_US, cursor, BATCH)


async def _erase_older(context: Context, lease: Lease, environment: Environment, days: int) -> None:
    removed = 0
    cursor: bytes | None = b""
    while cursor is not None:
        fencing = await asyncio.to_thread(lease.hold)
        count, cursor = await context.committer.run(
            lease.guard(partial(_erase_part, environment, days, cursor), fencing)
        )
        removed += count
    if removed:
        logger.info("erased contexts older than the retention setting", environment=environment.name, deltas=removed)
        still_holds = await asyncio.to_thread(context.storage.scrub)
        if still_holds is not None:
            logger.info("some erased bytes are not overwritten yet", reason=still_holds)
