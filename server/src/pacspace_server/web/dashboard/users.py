"""The workspace's users, for its owner: invite, change a role, disable, create a password link."""

from __future__ import annotations

from ...http.messages import Reply
from ...http.refusals import status_of
from ...service.base.errors import ServiceError, invalid
from ...service.people import people
from ...storage.model.people import ROLES
from ...storage.model.protocols import Unit
from ...views.dashboard import User as UserView
from .desk import Desk, Filled, Request, filled

SAYS = {
    "viewer": "viewer: sees everything",
    "admin": "admin: also records, locks and changes",
    "owner": "owner: also manages users and settings",
}


async def show(desk: Desk, request: Request) -> Reply:
    return await _page(desk, request, Filled())


async def _page(desk: Desk, request: Request, form: Filled, link: str = "", of: str = "", failed: str = "") -> Reply:
    """All users. `link` is a password link for the user `of`, shown once; `failed` is a failed change's message."""
    members = await desk.context.look(lambda snapshot: snapshot.members(request.caller.workspace_id))
    users = [people.user_view(*member) for member in members]
    roles = [(role, SAYS[role]) for role in reversed(ROLES)]
    status = 400 if form.problems else 409 if failed else 200
    return desk.page(
        request, "users.html", status, form=form, users=users, roles=roles, password_link=link, of=of, failed=failed
    )


async def invite(desk: Desk, request: Request) -> Reply:
    """Creates a user, with a link that sets the password. No mail is sent; the page shows the link once."""
    form = request.form
    name = form.one("name")
    try:
        if len(name) > people.MAX_NAME_CHARS:
            raise invalid(("name", f"must have at most {people.MAX_NAME_CHARS} characters"))
        asked = people.NewUser(form.one("email"), name, form.one("role"), None)
        caller = request.caller
        user, token = await desk.context.committer.run(lambda unit: people.invite(unit, caller, asked))
    except ServiceError as error:
        if error.code == "EMAIL_TAKEN":
            error = invalid(("email", "already has a user"))
        return await _page(desk, request, filled(form, error))
    return await _page(desk, request, Filled(), _link(desk, token), user["email"])


def _link(desk: Desk, token: str) -> str:
    return f"{desk.context.public_url}/app/password?token={token}"


async def change(desk: Desk, request: Request) -> Reply:
    """Changes the role, disables or enables the user, or creates a password link."""
    user_id, form, caller = request.call.path("userId"), request.form, request.caller
    action = form.one("action")

    def work(unit: Unit) -> tuple[UserView, str]:
        if action == "link":
            return people.password_link(unit, caller, user_id)
        if action == "role":
            people.change_role(unit, caller, user_id, people.role_of(form.one("role")))
        elif action in ("disable", "enable"):
            people.set_disabled(unit, caller, user_id, action == "disable")
        return people.user_view(*people.find_member(unit, caller, user_id)), ""

    try:
        user, token = await desk.context.committer.run(work)
    except ServiceError as error:
        if status_of(error) in (404, 503):
            raise
        return await _page(desk, request, Filled(), failed=error.message)
    if token:
        return await _page(desk, request, Filled(), _link(desk, token), user["email"])
    state = "is disabled and logged out everywhere" if user["isDisabled"] else f"is {user['role']}"
    return desk.go("/app/users", f"{user['email']} {state}.")
