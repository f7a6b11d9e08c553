"""The workspace's settings: all users see them, an owner changes them."""

from __future__ import annotations

import re
from zoneinfo import available_timezones

from ...http.messages import Reply
from ...service.base.errors import ServiceError, invalid
from ...service.people import workspaces
from ..forms import Form
from .customers import MAX_UNIT, SHARING
from .desk import Desk, Filled, Request, filled

POLICIES = [pair for pair in SHARING if pair[0] in ("TWO_TIER", "GATED", "OPEN", "OFF")]
MAX_NAME = 100
LOCALE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*")


async def show(desk: Desk, request: Request) -> Reply:
    return await _page(desk, request, Filled())


async def _page(desk: Desk, request: Request, form: Filled) -> Reply:
    workspace_id = request.caller.workspace_id

    view = await desk.context.look(lambda snapshot: workspaces.workspace_view(snapshot, workspace_id))
    sides = await desk.context.look(
        lambda snapshot: workspaces.environments_view(snapshot, desk.context.signer, workspace_id)
    )
    status = 400 if form.problems else 200
    return desk.page(request, "settings.html", status, form=form, view=view, sides=sides, policies=POLICIES)


async def change(desk: Desk, request: Request) -> Reply:
    try:
        changes, caller = _asked(request.form), request.caller
    except ServiceError as error:
        return await _page(desk, request, filled(request.form, error))
    await desk.context.committer.run(lambda unit: workspaces.change_workspace(unit, caller, changes))
    return desk.go("/app/settings", "The settings are changed.")


def _asked(form: Form) -> dict[str, str]:
    name, zone, locale, unit, policy = map(form.one, ("name", "timeZone", "locale", "defaultUnit", "sharingPolicy"))
    wrong = []
    if not 1 <= len(name) <= MAX_NAME:
        wrong.append(("name", f"must have 1 to {MAX_NAME} characters"))
    if zone not in available_timezones():
        wrong.append(("timeZone", "must be an IANA time zone such as UTC or Europe/Berlin"))
    if not LOCALE.fullmatch(locale):
        wrong.append(("locale", "must be a language tag such as en-US"))
    if len(unit) > MAX_UNIT:
        wrong.append(("defaultUnit", f"must have at most {MAX_UNIT} characters"))
    if policy not in dict(POLICIES):
        wrong.append(("sharingPolicy", "must be one of the choices"))
    if wrong:
        raise invalid(*wrong)
    return {"name": name, "time_zone": zone, "locale": locale, "sharing_policy": policy} | (
        {"unit": unit} if unit else {}
    )
