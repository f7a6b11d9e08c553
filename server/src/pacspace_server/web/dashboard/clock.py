"""The sandbox's clock: show, hold, advance or release it; and resetting the sandbox."""

from __future__ import annotations

from typing import Any

from ...domain.instants import InstantError, parse_instant
from ...http.messages import Reply
from ...service.base.errors import ServiceError, invalid
from ...service.recording import sandbox as sandbox_service
from .. import words
from ..forms import Form
from .desk import Desk, Filled, Request, filled

STEPS = [("3600", "1 hour"), ("86400", "1 day"), ("604800", "7 days"), ("2678400", "31 days")]


async def show(desk: Desk, request: Request) -> Reply:
    return await _page(desk, request, Filled())


async def _page(desk: Desk, request: Request, form: Filled) -> Reply:
    request.caller.require_sandbox()
    view = await sandbox_service.get_clock(desk.context, request.caller)
    return desk.page(request, "clock.html", 400 if form.problems else 200, form=form, view=view, steps=STEPS)


async def move(desk: Desk, request: Request) -> Reply:
    """Holds the clock at an instant, advances it, or returns it to real time."""
    try:
        now, advance = _asked(request.form)
        view = await sandbox_service.set_clock(desk.context, request.caller, now, advance)
    except ServiceError as error:
        return await _page(desk, request, filled(request.form, error))
    said = "is held at" if view["held"] else "follows real time again; it is now"
    return desk.go("/app/clock", f"The sandbox clock {said} {words.moment_of(view['now']).text}.")


def _asked(form: Form) -> tuple[int | None, int | None]:
    action = form.one("action")
    if action == "advance":
        if form.one("seconds") not in dict(STEPS):
            raise invalid(("seconds", "must be one of the choices"))
        return None, int(form.one("seconds"))
    if action == "release":
        return None, None
    try:
        return parse_instant(form.one("now"), allow_date=True), None
    except InstantError as error:
        raise invalid(("now", str(error))) from error


async def reset(desk: Desk, request: Request) -> Reply:
    """Resets the sandbox after the user has typed its name."""
    problems: dict[str, Any] = {}
    if request.form.one("typed") != "sandbox":
        problems["typed"] = "must be the word sandbox"
        return await _page(desk, request, Filled({}, problems))
    await sandbox_service.reset(desk.context, request.caller)
    return desk.go("/app", "The sandbox is empty and has a new log.")
