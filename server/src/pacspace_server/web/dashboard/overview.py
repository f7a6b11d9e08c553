"""The first page: the running month, how far it is verified, and what to do next."""

from __future__ import annotations

from typing import Any

from ...service import overview as overview_service
from ...service.readiness import OK
from .. import plots, words
from ..page import Page
from .desk import Desk, Request


async def show(desk: Desk, request: Request) -> Page:
    """The whole page, or only its figures for the script that keeps them fresh."""
    view = await desk.ask(overview_service.overview, request)
    days = view["days"]
    plot = plots.bars([day["day"] for day in days], [day["count"] for day in days], words.count)
    values: dict[str, Any] = {"view": view, "plot": plot, "health": await _health(desk)}
    template = "_figures.html" if request.is_part else "overview.html"
    return desk.page(request, template, **values)


async def _health(desk: Desk) -> list[tuple[str, str]]:
    """What is not as it should be, in words; empty when everything is."""
    checks = await desk.readiness.checks(for_verify=True)
    return [(name, said) for name, said in checks.items() if said != OK]
