"""The first page: the current month, its verification, health, and next steps."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from ...http.messages import Reply
from ...service.balances import overview as overview_service
from ...service.base.context import Caller
from ...service.recording.readiness import OK
from ...service.webhooks import endpoints as endpoints_service
from ...views.pages import Overview
from .. import plots, words
from .desk import Desk, Request

KEPT_TIMES = 10


@dataclass
class Kept:
    """A cached overview, ready or in progress, and its expiry."""

    task: asyncio.Task[Overview]
    until_s: float = 0.0


async def _overview(desk: Desk, caller: Caller) -> Overview:
    """The overview, shared by concurrent requests and cached for ten times as long as it took. It reads every customer;
    this bounds it to a tenth of a processor."""
    kept = desk.overviews.get(caller.environment_id)
    if kept is None or (kept.task.done() and (kept.task.exception() or time.monotonic() >= kept.until_s)):
        kept = desk.overviews[caller.environment_id] = Kept(asyncio.ensure_future(_make(desk, caller)))
    return await asyncio.shield(kept.task)


async def _make(desk: Desk, caller: Caller) -> Overview:
    started_s = time.monotonic()
    view = await asyncio.to_thread(overview_service.overview, desk.context, caller)
    ended_s = time.monotonic()
    desk.overviews[caller.environment_id].until_s = ended_s + KEPT_TIMES * (ended_s - started_s)
    return view


async def show(desk: Desk, request: Request) -> Reply:
    """The whole page, or only its figures for the script that keeps them fresh."""
    view = await _overview(desk, request.caller)
    if request.is_part:
        return desk.page(request, "_figures.html", view=view)
    days = view["days"]
    plot = plots.bars([day["day"] for day in days], [day["count"] for day in days], words.count)
    deliveries = await desk.ask(endpoints_service.health, request)
    health = await _health(desk)
    return desk.page(request, "overview.html", view=view, plot=plot, health=health, deliveries=deliveries)


async def _health(desk: Desk) -> list[tuple[str, str]]:
    """The failed checks, in words."""
    checks = await desk.readiness.checks(for_verify=True)
    return [(name, said) for name, said in checks.items() if said != OK]
