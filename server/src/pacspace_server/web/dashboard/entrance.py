"""Set-up of the first owner, log-in, log-out, passwords, and switching the environment."""

from __future__ import annotations

from ...http.cookies import SESSION, cookie_named
from ...http.messages import Reply
from ...http.refusals import retry_after, status_of
from ...service.base.errors import ServiceError
from ...service.people import people, sessions
from .desk import Desk, Filled, Request, filled, local_path


async def to_overview(desk: Desk, request: Request) -> Reply:
    """Redirects /dashboard, the prefix of API routes, to the pages."""
    return desk.go("/app")


async def set_up(desk: Desk, request: Request) -> Reply:
    """Creates the first owner, with the link that `serve` prints while there are no users."""
    form, is_post = request.form, request.call.scope["method"] == "POST"
    token = form.one("token") if is_post else request.query.get("token", "")
    problems = Filled()
    if is_post:
        asked = token, form.one("email"), form.one("name"), form.raw("password")
        try:
            return _enter(desk, (await sessions.set_up(desk.context, *asked))[0], "/app")
        except ServiceError as error:
            problems = filled(form, error)
    is_good = await _is_good(desk, "setup", token)
    status = 200 if is_good and not problems.problems else 400 if is_good else 404
    return desk.page(request, "setup.html", status, form=problems, token=token, is_good=is_good)


async def password(desk: Desk, request: Request) -> Reply:
    """Sets a password with an owner's link, which works once; without a link, changes the user's own password."""
    is_post = request.call.scope["method"] == "POST"
    token = request.form.one("token") if is_post else request.query.get("token", "")
    if token:
        return await _set_password(desk, request, token, is_post)
    if request.someone is None:
        return desk.go("/app/login", next="/app/password")
    return await _change_password(desk, request, is_post)


async def _set_password(desk: Desk, request: Request, token: str, is_post: bool) -> Reply:
    problems = Filled()
    if is_post:
        try:
            made = await sessions.set_password(desk.context, token, request.form.raw("password"))
            return _enter(desk, made[0], "/app")
        except ServiceError as error:
            problems = filled(request.form, error)
    is_good = await _is_good(desk, "password", token)
    status = 200 if is_good and not problems.problems else 400 if is_good else 404
    return desk.page(request, "set_password.html", status, form=problems, token=token, is_good=is_good)


async def _change_password(desk: Desk, request: Request, is_post: bool) -> Reply:
    """Changes the password; all other sessions end."""
    form, problems = request.form, Filled()
    if is_post:
        asked = request.actor, form.raw("currentPassword"), form.raw("newPassword")
        try:
            made = await sessions.change_password(desk.context, request.call.address, *asked)
            return _enter(desk, made[0], "/app")
        except ServiceError as error:
            problems = filled(form, error)
    return desk.page(request, "password.html", 400 if problems.problems else 200, form=problems)


async def _is_good(desk: Desk, purpose: str, token: str) -> bool:
    try:
        await desk.context.look(lambda snapshot: people.find_link(snapshot, purpose, token))
    except ServiceError:
        return False
    return True


async def log_in(desk: Desk, request: Request) -> Reply:
    """Log-in with e-mail and password, then continues to the requested page."""
    form, is_post = request.form, request.call.scope["method"] == "POST"
    wanted = local_path(form.one("next") if is_post else request.query.get("next", ""))
    if not is_post:
        if request.someone is not None:
            return desk.go(wanted)
        return desk.page(request, "login.html", form=Filled(), wanted=wanted)
    old = cookie_named(request.call.header(b"cookie"), SESSION)
    try:
        asked = request.call.address, form.one("email")[: people.MAX_EMAIL_CHARS + 1], form.raw("password"), old
        return _enter(desk, (await sessions.log_in(desk.context, *asked))[0], wanted)
    except ServiceError as error:
        if error.code == "RATE_LIMITED":
            error = ServiceError(error.code, f"{error.message}.", **error.extra)
        elif error.code == "INVALID_CREDENTIALS":
            error = ServiceError(
                error.code,
                "This e-mail and password don’t match. Try again, or ask an owner for a new link.",
            )
        page = desk.page(request, "login.html", status_of(error), form=filled(form, error), wanted=wanted)
        page.headers |= retry_after(error)
        return page


def _enter(desk: Desk, token: str, path: str) -> Reply:
    page = desk.go(path)
    page.headers["Set-Cookie"] = desk.cookie(SESSION, token, sessions.LONGEST_S)
    return page


async def log_out(desk: Desk, request: Request) -> Reply:
    await sessions.log_out(desk.context, request.actor)
    page = desk.go("/app/login")
    page.headers["Set-Cookie"] = desk.cookie(SESSION, "", 0)
    return page


async def switch(desk: Desk, request: Request) -> Reply:
    """Switches the environment. Ids differ between environments, so it continues on the list page."""
    side = request.form.one("side")
    if side not in sessions.ENVIRONMENTS:
        return desk.go("/app")
    await sessions.prefer(desk.context, request.actor, side, None)
    back = local_path(request.form.one("back"))
    return desk.go("/".join(back.split("/")[:3]))


async def nowhere(desk: Desk, request: Request) -> Reply:
    raise ServiceError("NOT_FOUND", f"there is no page {request.path[:200]}")
