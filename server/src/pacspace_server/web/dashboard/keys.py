"""API keys: create, rotate, revoke. A secret is shown once."""

from __future__ import annotations

from collections.abc import Callable

from ...domain.enumerations import KeyScope
from ...http.messages import Reply
from ...service.base.context import SCOPES, Caller
from ...service.base.errors import ServiceError, invalid
from ...service.people import keys as keys_service
from ...storage.model.protocols import Unit
from ...storage.model.records import ApiKey
from ...views.dashboard import NewApiKey
from ..forms import Form
from .desk import Desk, Filled, Request, filled

MAX_NAME, SHOWN = 100, 25
MAY = [
    ("read", "read balances and receipts"),
    ("write", "record, and lock months"),
    ("admin", "customers, keys and settings too"),
]


async def show(desk: Desk, request: Request) -> Reply:
    return await _page(desk, request, Filled())


async def _page(desk: Desk, request: Request, form: Filled, once: NewApiKey | None = None) -> Reply:
    """The keys of both environments. `once` is the key with the secret that this page shows."""
    number = request.query.get("page", "1")
    page = int(number) if number.isascii() and number.isdigit() and len(number) < 7 and int(number) else 1
    listed = await desk.context.look(lambda snapshot: keys_service.list_keys(snapshot, request.caller, page, SHOWN))
    status = 400 if form.problems else 200
    chosen = request.form.many("scopes") if form.problems else ["read", "write"]
    return desk.page(request, "keys.html", status, form=form, listed=listed, once=once, scopes=MAY, chosen=chosen)


async def create(desk: Desk, request: Request) -> Reply:
    """Creates a key of the environment in view."""
    form = request.form
    try:
        name, scopes = _asked(form)
    except ServiceError as error:
        return await _page(desk, request, filled(form, error))
    side = request.actor.environment
    return await _once(desk, request, lambda unit, caller: keys_service.add_key(unit, caller, side, name, scopes))


def _asked(form: Form) -> tuple[str, tuple[KeyScope, ...]]:
    name = form.one("name")
    scopes = tuple(scope for scope in SCOPES if scope in form.many("scopes"))
    wrong = [] if 1 <= len(name) <= MAX_NAME else [("name", f"must have 1 to {MAX_NAME} characters")]
    if not scopes:
        wrong.append(("scopes", "need at least one tick"))
    if wrong:
        raise invalid(*wrong)
    return name, scopes


async def _once(desk: Desk, request: Request, work: Callable[[Unit, Caller], tuple[ApiKey, str]]) -> Reply:
    made = await desk.context.committer.run(lambda unit: work(unit, request.caller))
    return await _page(desk, request, Filled(), keys_service.shown_once(*made))


async def rotate(desk: Desk, request: Request) -> Reply:
    """Sets a new secret. The old one stops working within a second."""
    key_id = request.call.path("keyId")
    return await _once(desk, request, lambda unit, caller: keys_service.rotate_key(unit, caller, key_id))


async def revoke(desk: Desk, request: Request) -> Reply:
    """Revokes the key permanently. It stops working within a second."""
    key_id, caller = request.call.path("keyId"), request.caller
    key = await desk.context.committer.run(lambda unit: keys_service.revoke_key(unit, caller, key_id))
    return desk.go("/app/keys", f"The key {key.name} is revoked.")
