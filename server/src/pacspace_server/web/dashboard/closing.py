"""Closing a month for all customers: preview, confirmation, progress and failures."""

from __future__ import annotations

from typing import Any

from ...domain.instants import DAY_US, add_months, period_end, period_of
from ...http.messages import Reply
from ...service.base.context import Caller, Context
from ...service.base.errors import ServiceError, invalid
from ...service.closing import jobs as jobs_service
from ...views.checkpoints import Preview
from .customer import named_period, need
from .desk import Desk, Filled, Request, filled
from .locking import lock_request

SHOWN, JOBS = 50, 5
GRACE_US = DAY_US


async def propose(desk: Desk, request: Request) -> Reply:
    """What closing a month would lock; by default last month."""
    return await _proposal(desk, request, request.query.get("period"), request.query.get("after", ""), Filled())


async def _proposal(desk: Desk, request: Request, named: str | None, after: str, form: Filled) -> Reply:
    times = await desk.ask(_times, request, named_period(named))
    preview: Preview | None = None
    problem = ""
    try:
        asked = lock_request(None, times["period"], None)
        preview = await desk.ask(jobs_service.preview, request, asked, after[:128], SHOWN)
    except ServiceError as error:
        need(error)
        problem = error.message
    jobs = await desk.ask(jobs_service.recent_jobs, request, JOBS)
    shown = preview["checkpoints"] if preview else []
    # A full page has a next page, which can be empty.
    following = shown[-1]["customerId"] if len(shown) == SHOWN else None
    return desk.page(
        request, "close.html", 400 if form.problems else 200, form=form, preview=preview, problem=problem, jobs=jobs,
        after=after, following=following, **times,
    )  # fmt: skip


def _times(context: Context, caller: Caller, named: str | None) -> dict[str, Any]:
    """The month on the page, and how long ago it ended by the ledger clock."""
    with context.storage.snapshot() as snapshot:
        now = snapshot.now(snapshot.environment(caller.environment_id))
    period = named or add_months(period_of(now), -1)
    ended = now - period_end(period)
    return {
        "period": period,
        "last": add_months(period_of(now), -1),
        "isRunning": ended < 0,
        "hoursOver": ended // 3_600_000_000 if 0 <= ended < GRACE_US else None,
    }


async def start(desk: Desk, request: Request) -> Reply:
    """Locks the month as a job, which continues without this page and after a restart of the server."""
    form = request.form
    period = form.one("period")
    try:
        if form.one("typed") != period or named_period(period) is None:
            raise invalid(("typed", f"must be {period[:20]}, as above"))
        made, _ = await jobs_service.close_month(
            desk.context, desk.running.jobs, request.caller, lock_request(None, period, None)
        )
    except ServiceError as error:
        return await _proposal(desk, request, period, "", filled(form, error))
    return desk.go(f"/app/close/{made['jobId']}")


async def progress(desk: Desk, request: Request) -> Reply:
    """The job's progress; the script or the browser reloads it until the job is done."""
    job = await desk.ask(jobs_service.get_job, request, request.call.path("jobId"))
    return desk.page(request, "_job.html" if request.is_part else "job.html", job=job)
