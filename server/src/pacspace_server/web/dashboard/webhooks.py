"""Webhooks: the list of endpoints, and creating one. A secret is shown once."""

from __future__ import annotations

from dataclasses import dataclass

from ...domain.events import EVENTS
from ...http.messages import Reply
from ...service.base.errors import ServiceError, invalid
from ...service.webhooks import endpoints as endpoints_service
from ...views.webhooks import Endpoint, EndpointChanges
from ..forms import Form
from .desk import Desk, Filled, Request, filled

SAYS = {
    "delta.verified": "a delta is under a published log checkpoint",
    "delta.failed": "a delta no longer matches its hash",
    "checkpoint.verified": "a month is locked, and its root is published",
    "receipt.generated": "the month’s receipt is ready to send",
    "customer.created": "a customer was created before its first delta",
    "customer.shared_record_viewed": "a visitor opened a Shared Record",
    "customer.export_downloaded": "a visitor exported it",
    "customer.compare_run": "a visitor compared a list with it",
    "customer.step_up_failed_repeatedly": "a visitor gave several wrong access codes",
}
CHOICES = [(event, SAYS[event]) for event in EVENTS]


async def show(desk: Desk, request: Request) -> Reply:
    return await _page(desk, request, Filled())


async def _page(desk: Desk, request: Request, form: Filled) -> Reply:
    """All endpoints of the environment, on one page."""
    most = endpoints_service.MAX_ENDPOINTS
    listed = await endpoints_service.list_endpoints(desk.context, request.caller, 1, most)
    status = 400 if form.problems else 200
    return desk.page(
        request, "webhooks.html", status, form=form, endpoints=listed["webhooks"], events=CHOICES,
        chosen=request.form.many("events"), most_url=endpoints_service.MAX_URL_CHARS,
        most_description=endpoints_service.MAX_DESCRIPTION_CHARS,
    )  # fmt: skip


async def create(desk: Desk, request: Request) -> Reply:
    """Creates an endpoint of the environment in view; the next page shows its secret."""
    try:
        given = asked(request.form)
        made = await endpoints_service.create(
            desk.context, desk.running.sender, request.caller, given.url, given.description, given.events
        )
    except ServiceError as error:
        return await _page(desk, request, filled(request.form, error))
    return desk.page(request, "webhook_secret.html", endpoint=made)


@dataclass(frozen=True)
class Asked:
    """The fields of an endpoint's form. `events` None means all events."""

    url: str
    description: str | None
    events: tuple[str, ...] | None

    def changes(self, before: Endpoint) -> EndpointChanges:
        """The fields that differ from the endpoint's."""
        given: EndpointChanges = {}
        if self.url != before["url"]:
            given["url"] = self.url
        if self.description != before["description"]:
            given["description"] = self.description
        if self.events != (tuple(before["events"]) if before["events"] else None):
            given["events"] = self.events
        return given


def asked(form: Form) -> Asked:
    """Reads an endpoint's form."""
    url, description, chosen = form.one("url"), form.one("description"), form.many("events")
    most = endpoints_service.MAX_DESCRIPTION_CHARS
    wrong = []
    if not 1 <= len(url) <= endpoints_service.MAX_URL_CHARS:
        wrong.append(("url", f"must have 1 to {endpoints_service.MAX_URL_CHARS:,} characters"))
    if len(description) > most:
        wrong.append(("description", f"must have at most {most} characters"))
    if not set(chosen) <= set(EVENTS):
        wrong.append(("events", "must be some of the listed ones"))
    if wrong:
        raise invalid(*wrong)
    events = tuple(event for event in EVENTS if event in chosen)
    return Asked(url, description or None, events or None)
